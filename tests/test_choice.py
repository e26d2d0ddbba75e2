"""Which samples matter for a class."""

import numpy as np
import pytest

from jatlas.arrange import UMAP
from jatlas.explain import ClassConfig, ComparisonConfig, balance
from jatlas.explain import _selection as choice

RNG = np.random.default_rng(0)
# Halves, so that there are equals; float16, as an atlas holds it.
EVIDENCE = (np.round(2 * RNG.standard_normal((60, 5))) / 2).astype(np.float16)


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
    found = choice.winners(EVIDENCE, index=index, rank=rank)
    assert found.tolist() == loop_winners(index, rank)
    assert len(found)


@pytest.mark.parametrize("most", [1, 7, 2000])
def test_the_largest_are_those_of_a_loop(most: int) -> None:
    found = choice.largest(EVIDENCE, index=3, most=most)
    assert found.tolist() == loop_largest(3, most)
    assert 0 < len(found) < len(EVIDENCE)


def test_each_sample_has_at_most_one_class_it_wins_for() -> None:
    won = np.concatenate([choice.winners(EVIDENCE, index=c) for c in range(5)])
    assert len(won) == len(set(won.tolist()))
    assert sorted(won) == np.flatnonzero(EVIDENCE.max(1) > 0).tolist()


def test_either_rule_counts_no_sample_twice() -> None:
    won, large = loop_winners(2, 1), loop_largest(2, 10)
    assert set(won) & set(large)  # the original took these twice
    assert set(won) - set(large)
    for rule, right in {"winner": won, "magnitude": large, "either": {*won, *large}}.items():
        config = ClassConfig(rule=rule, most=10)  # type: ignore[arg-type]
        assert choice.choose(EVIDENCE, index=2, config=config).tolist() == sorted(right)


def test_the_defaults_are_those_of_the_article() -> None:
    assert (ClassConfig().size, ComparisonConfig().size) == (8, 10)
    for config in (ClassConfig(), ComparisonConfig()):
        assert config.layout == UMAP(n_neighbors=20, min_dist=0.02)
        assert config.fitted(1_000_000).most == 2000
    assert ComparisonConfig().reach(4673) == pytest.approx(99, abs=0.2)
    assert hash(ClassConfig()) == hash(ClassConfig())


def test_small_samples_get_fewer_that_still_fill_the_map() -> None:
    assert ClassConfig().fitted(14_000).most == 420
    assert ClassConfig().fitted(100).most == 8 * 8 * 4
    assert ClassConfig(size=3, min_count=2).fitted(700).most == 21
    given = ClassConfig(most=5000)
    assert given.fitted(100) is given
    # The number is the one that is used.
    evidence = np.arange(1000, 0, -1, np.float16)[:, None]
    config = ClassConfig(rule="magnitude", size=2, min_count=1)
    assert choice.choose(evidence, index=0, config=config).tolist() == list(range(30))


@pytest.mark.parametrize("samples", [60, 700, 4673, 100_000])
def test_as_many_samples_reach_the_edges_as_fill_a_column(samples: int) -> None:
    config = ComparisonConfig(size=5, min_count=4)
    difference = np.random.default_rng(1).standard_t(3, samples)  # a few are far from the others
    evidence = np.stack([np.zeros(samples), difference], axis=1).astype(np.float32)
    x = balance(evidence, left=0, right=1, percentile=config.reach(samples))
    edge = ((x < 1e-6) | (x > 1 - 1e-6)).sum()
    assert abs(edge - min(20, samples / 10)) <= 1
    assert ComparisonConfig(percentile=99).reach(samples) == 99


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="class: expected an index from 0 to 4, got 5"):
        choice.winners(EVIDENCE, index=5)
    with pytest.raises(ValueError, match="class: expected an index from 0 to 4, got -1"):
        choice.largest(EVIDENCE, index=-1)
    with pytest.raises(ValueError, match="rule: expected 'winner'"):
        ClassConfig(rule="loser")  # type: ignore[arg-type]
    for name in ("rank", "most", "size", "min_count"):
        with pytest.raises(ValueError, match=f"{name}: expected at least 1, got 0"):
            ClassConfig(**{name: 0})
        with pytest.raises(ValueError, match=f"{name}: expected at least 1, got 0"):
            ComparisonConfig(**{name: 0})
    with pytest.raises(ValueError, match="percentile: expected above 0"):
        ComparisonConfig(percentile=0)
