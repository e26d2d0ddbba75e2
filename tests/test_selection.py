"""Which samples the map of a class or of two classes shows, and where."""

import jax
import numpy as np
import pytest

from jatlas.arrange import TSNE
from jatlas.explain import (
    ClassSelection,
    ComparisonSelection,
    balance,
    largest,
    select_class,
    select_comparison,
    select_samples,
    winners,
)

KEY = jax.random.key(0)
RNG = np.random.default_rng(0)
# Halves, so that there are ties; float16, as an atlas holds it.
EVIDENCE = (np.round(2 * RNG.standard_normal((60, 5))) / 2).astype(np.float16)
CLUSTER = 15  # samples of each cluster
LAYOUT = TSNE(perplexity=5, learning_rate=10)  # starts faster than UMAP


# Which samples


def loop_winners(index: int, rank: int) -> list[int]:
    rows = []
    for row, values in enumerate(EVIDENCE.tolist()):
        order = sorted(range(5), key=lambda c: (-values[c], c))
        if index in order[:rank] and values[index] > 0:
            rows.append(row)
    return rows


def loop_largest(index: int, max_samples: int) -> list[int]:
    column = EVIDENCE[:, index].tolist()
    order = sorted(range(len(column)), key=lambda row: (-column[row], row))
    return sorted(row for row in order[:max_samples] if column[row] > 0)


@pytest.mark.parametrize("index", range(5))
@pytest.mark.parametrize("rank", [1, 2, 5])
def test_winners_equal_a_loop(index: int, rank: int) -> None:
    rows = winners(EVIDENCE, index=index, rank=rank)
    assert rows.tolist() == loop_winners(index, rank)
    assert len(rows)


@pytest.mark.parametrize("max_samples", [1, 7, 2000])
def test_largest_equals_a_loop(max_samples: int) -> None:
    rows = largest(EVIDENCE, index=3, max_samples=max_samples)
    assert rows.tolist() == loop_largest(3, max_samples)
    assert 0 < len(rows) < len(EVIDENCE)


def test_a_sample_wins_for_at_most_one_class() -> None:
    won = np.concatenate([winners(EVIDENCE, index=c) for c in range(5)])
    assert len(won) == len(set(won.tolist()))
    assert sorted(won) == np.flatnonzero(EVIDENCE.max(1) > 0).tolist()


def test_either_rule_selects_no_sample_twice() -> None:
    won, large = loop_winners(2, 1), loop_largest(2, 10)
    assert set(won) & set(large)  # the original took these twice
    assert set(won) - set(large)
    for rule, expected in {"winner": won, "magnitude": large, "either": {*won, *large}}.items():
        config = ClassSelection(rule=rule, max_samples=10)  # type: ignore[arg-type]
        rows = select_samples(EVIDENCE, index=2, config=config)
        assert rows.tolist() == sorted(expected)


def test_the_maximum_follows_the_number_of_samples() -> None:
    evidence = np.arange(1000, 0, -1, np.float16)[:, None]
    config = ClassSelection(rule="magnitude", size=2, min_count=1)
    assert select_samples(evidence, index=0, config=config).tolist() == list(range(30))


# Where they lie


def test_balance_is_one_half_for_equal_evidence_and_clipped_at_the_percentile() -> None:
    table = np.array([[0, 0], [1, 1], [3, 1], [1, 2], [9, 0]], np.float16)
    x = balance(table, left=0, right=1, percentile=100)
    np.testing.assert_allclose(x, [0.5, 0.5, 0.5 - 1 / 9, 0.5 + 0.5 / 9, 0], rtol=1e-6)
    # Absolute differences 0, 0, 1, 2, 9: the third quartile is 2.
    x = balance(table, left=0, right=1, percentile=75)
    np.testing.assert_allclose(x, [0.5, 0.5, 0, 0.75, 0], rtol=1e-6)
    mirrored = balance(table, left=1, right=0, percentile=75)
    np.testing.assert_allclose(x + mirrored, 1, rtol=1e-6)
    np.testing.assert_array_equal(balance(table[:2], left=0, right=1), [0.5, 0.5])


@pytest.mark.parametrize("samples", [60, 700, 4673, 100_000])
def test_as_many_samples_reach_the_edges_as_fill_a_column(samples: int) -> None:
    config = ComparisonSelection(size=5, min_count=4)
    difference = np.random.default_rng(1).standard_t(3, samples)  # a few are far from the others
    evidence = np.stack([np.zeros(samples), difference], axis=1).astype(np.float32)
    x = balance(evidence, left=0, right=1, percentile=config.edge_percentile(samples))
    edge = ((x < 1e-6) | (x > 1 - 1e-6)).sum()
    assert abs(edge - min(20, samples / 10)) <= 1


@pytest.fixture(scope="module")
def clusters() -> tuple[np.ndarray, np.ndarray]:
    """Three clusters of directions, each with evidence for a class of its own."""
    centres = np.eye(3, 12).repeat(CLUSTER, axis=0)
    vectors = (centres + 0.05 * RNG.standard_normal(centres.shape)).astype(np.float32)
    evidence = np.eye(3).repeat(CLUSTER, axis=0) - 0.1
    return vectors, evidence.astype(np.float16)


def test_a_class_is_laid_out_in_the_unit_square_the_same_way_for_the_same_key(
    clusters: tuple[np.ndarray, np.ndarray],
) -> None:
    config = ClassSelection(layout=LAYOUT)
    selection = select_class(*clusters, index=1, key=KEY, config=config, progress=False)
    assert selection.rows.tolist() == list(range(CLUSTER, 2 * CLUSTER))
    assert selection.points.shape == (CLUSTER, 2)
    assert selection.points.dtype == np.float32
    assert selection.points.min() >= 0 and selection.points.max() <= 1
    again = select_class(*clusters, index=1, key=KEY, config=config, progress=False)
    np.testing.assert_array_equal(selection.points, again.points)


def test_a_comparison_runs_from_left_to_right_and_keeps_similar_samples_together(
    clusters: tuple[np.ndarray, np.ndarray],
) -> None:
    vectors, evidence = clusters
    evidence = evidence.copy()
    evidence[30:, 0] = 0.4  # the third cluster has evidence for the first class too, but less
    config = ComparisonSelection(layout=LAYOUT, rule="magnitude")
    rows, points = select_comparison(
        vectors, evidence, left=0, right=1, key=KEY, config=config, progress=False
    )
    assert rows.tolist() == list(range(45))
    x, y = points.T
    assert x[:15].max() < x[30:].min() and x[30:].max() < 0.5 < x[15:30].min()
    assert y.min() >= 0 and y.max() <= 1
    spread = [np.ptp(y[part]) for part in (slice(0, 15), slice(15, 30), slice(30, 45))]
    assert max(spread) < 0.5 * np.ptp(y)


# Errors


def test_unknown_classes_are_refused() -> None:
    with pytest.raises(ValueError, match="class: expected an index from 0 to 4, got 5"):
        winners(EVIDENCE, index=5)
    with pytest.raises(ValueError, match="class: expected an index from 0 to 4, got -1"):
        largest(EVIDENCE, index=-1)
    with pytest.raises(ValueError, match="right: expected another class than left, got 2"):
        select_comparison(EVIDENCE, EVIDENCE, left=2, right=2, key=KEY)


def test_too_few_samples_and_evidence_of_others_are_refused() -> None:
    few = ClassSelection(rule="magnitude", max_samples=3)
    with pytest.raises(
        ValueError, match=r"class 2: a layout needs at least 10 samples, 3 were sel"
    ):
        select_class(EVIDENCE, EVIDENCE, index=2, key=KEY, config=few)
    with pytest.raises(ValueError, match="evidence: expected one row per vector, got 60 for 59"):
        select_class(EVIDENCE[1:], EVIDENCE, index=2, key=KEY)
    with pytest.raises(ValueError, match="evidence: expected one row per vector, got 60 for 59"):
        select_comparison(EVIDENCE[1:], EVIDENCE, left=0, right=1, key=KEY)
