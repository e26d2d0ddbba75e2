"""Regions of a map, on data whose truth is known."""

import numpy as np
import pytest

from jatlas.explain import RegionConfig, name_regions
from jatlas.records import Hierarchy, Regions

KINDS = Hierarchy.of(
    ("cat", "dog", "rose", "oak"),
    {"cat": ("animal",), "dog": ("animal",), "rose": ("plant",), "oak": ("plant",)},
)
RNG = np.random.default_rng(0)
POINTS = RNG.random((6000, 2))
POINTS = POINTS[(np.abs(POINTS - 0.5) > 0.02).all(1)][:3000]  # with a gap between the quarters
# Quarters of the map: cats and dogs above, roses and oaks below.
QUARTER = (2 * (POINTS[:, 1] > 0.5) + (POINTS[:, 0] > 0.5)).astype(int)


def regions_of(labels: np.ndarray, **arguments: object) -> Regions:
    return name_regions(POINTS, labels, np.arange(len(POINTS)), KINDS, **arguments)  # type: ignore[arg-type]


def listed(regions: Regions, level: int) -> dict[str, list[float]]:
    return {
        str(regions.names[i]): regions.center[i].tolist()
        for i in range(len(regions))
        if regions.level[i] == level
    }


def test_quarters_are_found_and_named() -> None:
    regions = regions_of(QUARTER)
    found = listed(regions, 0)
    assert sorted(found) == ["cat", "dog", "oak", "rose"]
    for name, middle in (("cat", (0.25, 0.25)), ("dog", (0.75, 0.25)), ("oak", (0.75, 0.75))):
        np.testing.assert_allclose(found[name], middle, atol=0.15)
    assert len(regions) == 4 and (regions.parent == -1).all()  # there is nothing finer to say
    assert (regions.names.held_out > 0.9).all()
    side = regions.cover.shape[1]
    corners = regions.cover[0, [0, 0, -1, -1], [0, -1, 0, -1]]
    assert [regions.names[i] for i in corners] == ["cat", "dog", "rose", "oak"] and side > 10


def test_finer_levels_lie_within_coarser_ones() -> None:
    regions = regions_of(QUARTER, config=RegionConfig(levels=(2, 8)))
    assert sorted(listed(regions, 0)) == ["animal", "plant"]
    assert sorted(listed(regions, 1)) == ["cat", "dog", "oak", "rose"]
    for number in np.flatnonzero(regions.level == 1):
        inside = regions.cover[1] == number
        above = np.unique(regions.cover[0][inside])
        assert above.tolist() == [regions.parent[number]]


@pytest.mark.parametrize("seed", range(4))
def test_levels_are_nested_whatever_the_labels(seed: int) -> None:
    rng = np.random.default_rng(seed)
    middles = rng.random((12, 2))
    nearest = np.square(POINTS[:, None] - middles).sum(2).argmin(1)
    labels = rng.integers(0, 4, 12)[nearest]
    wrong = rng.random(len(POINTS)) < 0.4
    labels[wrong] = rng.integers(0, 4, wrong.sum())
    regions = regions_of(labels, config=RegionConfig(levels=(3, 6, 20)))
    assert len(set(regions.level.tolist())) > 1
    for number, level in enumerate(regions.level.tolist()):
        if level:
            above = np.unique(regions.cover[level - 1][regions.cover[level] == number])
            assert above.tolist() == [regions.parent[number]]


@pytest.mark.slow
def test_a_region_counts_each_image_once() -> None:
    """Ten samples of each image are no more evidence than one."""
    image = np.arange(len(POINTS)) // 10
    labels = RNG.integers(0, 4, len(POINTS) // 10)[image]
    scattered = name_regions(POINTS, labels, image, KINDS)
    assert (scattered.names.images <= 300).all()
    # A strip full of one image, of a class of its own.
    inside = POINTS[:, 0] < 0.1
    labels, image = np.where(inside, 0, 1), np.where(inside, 0, np.arange(3000))
    strip = name_regions(POINTS, labels, image, KINDS)
    assert "cat" not in [strip.names[i] for i in range(len(strip))]


def test_the_typical_cell_is_the_most_like_its_region() -> None:
    """The cats of one corner point another way than all others."""
    corner = (POINTS < 0.25).all(1)
    vectors = np.where(corner[:, None], [1.0, 0.0], [0.0, 1.0]).astype(np.float32)
    vectors += RNG.normal(0, 0.01, vectors.shape).astype(np.float32)
    regions = regions_of(QUARTER, vectors=vectors)
    cat = [regions.names[i] for i in range(len(regions))].index("cat")
    assert not (regions.typical[cat] < 0.2).all()
    assert (regions.typical[cat] < 0.5).all()


def test_islands_and_holes_are_no_obstacle() -> None:
    island = (np.abs(POINTS - 0.5) < 0.35).any(1) & (np.abs(POINTS - 0.5) > 0.05).all(1)
    keep = np.flatnonzero(~island | (QUARTER == 3))
    regions = name_regions(POINTS[keep], QUARTER[keep], keep, KINDS)
    assert set(listed(regions, 0)) <= {"cat", "dog", "rose", "oak", "animal", "plant"}


def test_nothing_known_gives_no_regions() -> None:
    for labels in (np.full(3000, -1), RNG.integers(0, 4, 3000)):
        regions = regions_of(labels)
        assert len(regions) == 0 and (regions.cover == -1).all()
    nothing = name_regions(np.zeros((0, 2)), np.zeros(0, int), np.zeros(0, int), KINDS)
    assert len(nothing) == 0


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="levels: expected rising numbers"):
        RegionConfig(levels=(8, 8))
    with pytest.raises(ValueError, match="labels: expected classes below 4, got 4"):
        regions_of(QUARTER + 1)
