"""Settings of class maps and comparison maps."""

import pytest

from jatlas.arrange import UMAP
from jatlas.explain import ClassSelection, ComparisonSelection


def test_the_defaults_are_those_of_the_article() -> None:
    assert (ClassSelection().size, ComparisonSelection().size) == (8, 10)
    for config in (ClassSelection(), ComparisonSelection()):
        assert config.layout == UMAP(n_neighbors=20, min_dist=0.02)
        assert config.fitted(1_000_000).max_samples == 2000
    assert ComparisonSelection().edge_percentile(4673) == pytest.approx(99, abs=0.2)
    assert ComparisonSelection(percentile=99).edge_percentile(700) == 99
    assert hash(ClassSelection()) == hash(ClassSelection())


def test_maps_of_few_samples_show_fewer_but_enough_to_fill_the_cells() -> None:
    assert ClassSelection().fitted(14_000).max_samples == 420
    assert ClassSelection().fitted(100).max_samples == 8 * 8 * 4
    assert ClassSelection(size=3, min_count=2).fitted(700).max_samples == 21
    explicit = ClassSelection(max_samples=5000)
    assert explicit.fitted(100) is explicit


def test_values_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match="rule: expected 'winner'"):
        ClassSelection(rule="loser")  # type: ignore[arg-type]
    for name in ("rank", "max_samples", "size", "min_count"):
        for kind in (ClassSelection, ComparisonSelection):
            with pytest.raises(ValueError, match=f"{name}: expected at least 1, got 0"):
                kind(**{name: 0})
    for percentile in (0, 101, float("nan")):
        with pytest.raises(ValueError, match="percentile: expected above 0"):
            ComparisonSelection(percentile=percentile)
