"""Which samples the map of a class shows, and where."""

import jax
import numpy as np
import pytest

from jatlas.arrange.layout import UMAPConfig
from jatlas.explain import classes
from jatlas.explain.classes import ClassConfig, ComparisonConfig

KEY = jax.random.key(0)
RNG = np.random.default_rng(0)
# Halves, so that there are equals; float16, as an atlas holds it.
EVIDENCE = (np.round(2 * RNG.standard_normal((60, 5))) / 2).astype(np.float16)
SMALL = UMAPConfig(n_neighbors=5)


def loop_winners(index: int, rank: int) -> list[int]:
    found = []
    for row, values in enumerate(EVIDENCE.tolist()):
        order = sorted(range(5), key=lambda c: (-values[c], c))
        if index in order[:rank] and values[index] > 0:
            found.append(row)
    return found


def loop_largest(index: int, most: int) -> list[int]:
    column = EVIDENCE[:, index].tolist()
    order = sorted(range(len(column)), key=lambda row: (-column[row], row))
    return sorted(row for row in order[:most] if column[row] > 0)


@pytest.mark.parametrize("index", range(5))
@pytest.mark.parametrize("rank", [1, 2, 5])
def test_winners_are_those_of_a_loop(index: int, rank: int) -> None:
    found = classes.winners(EVIDENCE, index=index, rank=rank)
    assert found.tolist() == loop_winners(index, rank)
    assert len(found)


@pytest.mark.parametrize("most", [1, 7, 2000])
def test_the_largest_are_those_of_a_loop(most: int) -> None:
    found = classes.largest(EVIDENCE, index=3, most=most)
    assert found.tolist() == loop_largest(3, most)
    assert 0 < len(found) < len(EVIDENCE)


def test_each_sample_has_at_most_one_class_it_wins_for() -> None:
    won = np.concatenate([classes.winners(EVIDENCE, index=c) for c in range(5)])
    assert len(won) == len(set(won.tolist()))
    assert sorted(won) == np.flatnonzero(EVIDENCE.max(1) > 0).tolist()


def test_either_rule_counts_no_sample_twice() -> None:
    won, large = loop_winners(2, 1), loop_largest(2, 10)
    assert set(won) & set(large)  # the original took these twice
    assert set(won) - set(large)
    for rule, right in {"winner": won, "magnitude": large, "either": {*won, *large}}.items():
        config = ClassConfig(rule=rule, most=10)  # type: ignore[arg-type]
        assert classes.choose(EVIDENCE, index=2, config=config).tolist() == sorted(right)


def test_balance_is_zero_in_the_middle_and_clipped_at_the_percentile() -> None:
    table = np.array([[0, 0], [1, 1], [3, 1], [1, 2], [9, 0]], np.float16)
    found = classes.balance(table, left=0, right=1, percentile=100)
    np.testing.assert_allclose(found, [0.5, 0.5, 0.5 - 1 / 9, 0.5 + 0.5 / 9, 0], rtol=1e-6)
    # Sizes 0, 0, 1, 2, 9: three quarters of the way is 2.
    found = classes.balance(table, left=0, right=1, percentile=75)
    np.testing.assert_allclose(found, [0.5, 0.5, 0, 0.75, 0], rtol=1e-6)
    mirrored = classes.balance(table, left=1, right=0, percentile=75)
    np.testing.assert_allclose(found + mirrored, 1, rtol=1e-6)
    np.testing.assert_array_equal(classes.balance(table[:2], left=0, right=1), [0.5, 0.5])


@pytest.fixture(scope="module")
def clusters() -> tuple[np.ndarray, np.ndarray]:
    """Three bunches of 15 directions, and evidence that each speaks for one class."""
    centres = np.eye(3, 12).repeat(15, axis=0)
    vectors = (centres + 0.05 * RNG.standard_normal(centres.shape)).astype(np.float32)
    evidence = np.eye(3)[np.arange(45) // 15] - 0.1
    return vectors, evidence.astype(np.float16)


def test_a_class_map_lies_in_the_unit_square_and_a_key_repeats_it(
    clusters: tuple[np.ndarray, np.ndarray],
) -> None:
    config = ClassConfig(layout=SMALL)
    found = classes.class_map(*clusters, index=1, key=KEY, config=config, progress=False)
    assert found.rows.tolist() == list(range(15, 30))
    assert found.points.shape == (15, 2)
    assert found.points.dtype == np.float32
    assert found.points.min() >= 0 and found.points.max() <= 1
    again = classes.class_map(*clusters, index=1, key=KEY, config=config, progress=False)
    np.testing.assert_array_equal(found.points, again.points)


def test_a_comparison_goes_from_left_to_right_and_keeps_like_ones_together(
    clusters: tuple[np.ndarray, np.ndarray],
) -> None:
    vectors, evidence = clusters
    evidence = evidence.copy()
    evidence[30:, 0] = 0.4  # the third bunch speaks for the first class too, but less
    config = ComparisonConfig(layout=SMALL, rule="magnitude")
    found = classes.comparison_map(
        vectors, evidence, left=0, right=1, key=KEY, config=config, progress=False
    )
    assert found.rows.tolist() == list(range(45))
    x, y = found.points.T
    assert x[:15].max() < x[30:].min() and x[30:].max() < 0.5 < x[15:30].min()
    assert y.min() >= 0 and y.max() <= 1
    spread = [np.ptp(y[part]) for part in (slice(0, 15), slice(15, 30), slice(30, 45))]
    assert max(spread) < 0.5 * np.ptp(y)


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="class: expected an index from 0 to 4, got 5"):
        classes.winners(EVIDENCE, index=5)
    with pytest.raises(ValueError, match="class: expected an index from 0 to 4, got -1"):
        classes.largest(EVIDENCE, index=-1)
    with pytest.raises(ValueError, match="right: expected another class than left, got 2"):
        classes.comparison_map(EVIDENCE, EVIDENCE, left=2, right=2, key=KEY)
    with pytest.raises(ValueError, match=r"class 2: a layout needs at least 10 samples, 3 speak"):
        classes.class_map(
            EVIDENCE, EVIDENCE, index=2, key=KEY, config=ClassConfig(rule="magnitude", most=3)
        )
    with pytest.raises(ValueError, match="rule: expected 'winner'"):
        ClassConfig(rule="loser")  # type: ignore[arg-type]
    for name in ("rank", "most", "size", "min_count"):
        with pytest.raises(ValueError, match=f"{name}: expected at least 1, got 0"):
            ClassConfig(**{name: 0})
        with pytest.raises(ValueError, match=f"{name}: expected at least 1, got 0"):
            ComparisonConfig(**{name: 0})
    with pytest.raises(ValueError, match="percentile: expected above 0"):
        ComparisonConfig(percentile=0)


def test_the_defaults_are_those_of_the_article() -> None:
    assert (ClassConfig().size, ComparisonConfig().size, ClassConfig().most) == (8, 10, 2000)
    assert ClassConfig().layout == UMAPConfig(n_neighbors=20, min_dist=0.02)
    assert hash(ClassConfig()) == hash(ClassConfig())
