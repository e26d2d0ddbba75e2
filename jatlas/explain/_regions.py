"""Regions of a map: neighbouring cells, merged while a name holds for them."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from jatlas.arrange import average_blocks, cell_index
from jatlas.explain._counts import Counts, Sightings, count, regroup, sightings
from jatlas.explain._levels import Naming, Region, find_levels
from jatlas.explain._merging import merge
from jatlas.explain._names import NameConfig, checked, layer_share
from jatlas.records import Hierarchy, Regions
from jatlas.types import HostArray, checks

_PER_CELL = 8  # places in a cell of the coarse grid, about
_TRIED = 50_000  # sightings of images that names of regions are tried on, about
_SIDES = (4, 32)  # cells along each side of the coarse grid, at least and at most


_NAMES = NameConfig(min_nats=10.0, min_share=0.3, min_images=5.0, max_group_share=0.6)


@dataclasses.dataclass(frozen=True, kw_only=True)
class RegionConfig:
    """How many regions there are, and how they are named.

    Attributes:
      levels: number of named regions of each level, at most.
      names: how a region is named.
    """

    levels: tuple[int, ...] = (8, 24, 72)
    names: NameConfig = _NAMES

    def __post_init__(self) -> None:
        """Check the settings."""
        checks.field(self, "levels", checks.wholes, expected="whole numbers above 0")
        if list(self.levels) != sorted(set(self.levels)):
            raise ValueError(f"levels: expected rising numbers, got {checks.shown(self.levels)}")
        checks.field(self, "names", checks.instance, kinds=(NameConfig,))


def name_regions(
    points: HostArray,
    labels: HostArray,
    image: HostArray,
    hierarchy: Hierarchy,
    *,
    vectors: HostArray | None = None,
    config: RegionConfig | None = None,
) -> Regions:
    """Divide a map into regions that have a name, coarse and then finer.

    The cells of a coarse grid are merged with their neighbours, those first that lose least: what
    the name of a region with n images, a share s of which shows it, tells is n times the
    divergence of s from the share q among all images, n (s log s/q + (1 - s) log (1-s)/(1-q)).
    Names are chosen on half of the images, as those of cells are, and dropped if they do not hold
    on the other half.

    A host function: it runs outside `jit`.

    Args:
      points: (n, 2) of the samples, in the unit square.
      labels: (n,) int class that each shows, negative if unknown.
      image: (n,) int number of the image that each is from.
      hierarchy: of the classes.
      vectors: (n, channels) activation vectors, to find the most typical cell of a region; without
        them it is the one that is nearest to its middle.
      config: settings; None means `RegionConfig()`.

    Returns:
      Regions; none where no name holds.

    Raises:
      ValueError: as `name_cells`.

    Example:
      >>> points = np.random.default_rng(0).random((400, 2))
      >>> right = (points[:, 0] > 0.5).astype(int)
      >>> regions = name_regions(points, right, np.arange(400), Hierarchy.flat(("cat", "dog")))
      >>> [(regions.names[i], bool(regions.center[i, 0] > 0.5)) for i in range(len(regions))]
      [('dog', True), ('cat', False)]
    """
    config = config or RegionConfig()
    points = np.asarray(points)
    size = int(np.clip(np.sqrt(len(points) / _PER_CELL), *_SIDES))
    chosen_on, checked_on = sightings(points, labels, image, hierarchy, size=size)
    cells = np.unique(np.concatenate([chosen_on.cell, checked_on.cell]))
    share = layer_share(chosen_on, hierarchy)
    tree = merge(_spread(chosen_on, hierarchy, cells), cells, share, size=size)
    tried = chosen_on.take(np.flatnonzero(_some(chosen_on.image)))
    checking = checked_on.take(np.flatnonzero(_some(checked_on.image)))
    naming = Naming((tried, checking), cells, share, hierarchy, config.names, size * size)
    levels = find_levels(tree, naming, config.levels)
    places = _Places(points, np.asarray(labels), vectors, cells, size)
    return _regions(levels, (chosen_on, checked_on), hierarchy, places)


def _some(image: HostArray) -> HostArray:
    """Return whether each sighting is one of an image that the names are tried on."""
    every = -(-len(image) // _TRIED)
    return np.unique(image, return_inverse=True)[1] % max(every, 1) == 0


def _spread(seen: Sightings, hierarchy: Hierarchy, cells: HostArray) -> Counts:
    """Count images as spread over all cells that they are in, so that counts of cells add up."""
    _, number = np.unique(seen.image, return_inverse=True)
    whole = np.bincount(number, seen.weight) if len(number) else np.zeros(0)
    seen = seen._replace(cell=np.searchsorted(cells, seen.cell), weight=seen.weight / whole[number])
    return count(seen, hierarchy, rows=len(cells))


class _Places(NamedTuple):
    """Where the samples are."""

    points: HostArray
    labels: HostArray
    vectors: HostArray | None
    cells: HostArray
    size: int


def _regions(
    levels: list[list[Region]],
    seen: tuple[Sightings, Sightings],
    hierarchy: Hierarchy,
    places: _Places,
) -> Regions:
    """Return the regions of all levels as one record."""
    listed = [(level, each) for level, regions in enumerate(levels) for each in regions]
    cover = np.full((len(levels), places.size**2), -1, np.int32)
    parent = np.full(len(listed), -1, np.int32)
    for number, (level, each) in enumerate(listed):
        cover[level, places.cells[each.cells]] = number
        if level:
            parent[number] = cover[level - 1, places.cells[each.cells[0]]]
    name = np.array([each.name for _, each in listed], np.int32)
    groups = [each.cells for _, each in listed]
    first, second = (_sums(half, groups, hierarchy, places) for half in seen)
    center, typical = _middles([each for _, each in listed], hierarchy, places)
    return Regions(
        names=checked(name, first, second, hierarchy),
        level=np.array([level for level, _ in listed], np.int32),
        parent=parent,
        center=center,
        typical=typical,
        cover=cover.reshape(len(levels), places.size, places.size),
    )


def _sums(
    seen: Sightings, groups: list[list[int]], hierarchy: Hierarchy, places: _Places
) -> Counts:
    """Count the images of each group of cells; groups may overlap."""
    found = [seen.take(np.zeros(0, np.int64))]
    for number, cells in enumerate(groups):
        group = np.full(places.size**2, -1)
        group[places.cells[cells]] = number
        found.append(regroup(seen, group))
    joined = Sightings(*(np.concatenate(column) for column in zip(*found, strict=True)))
    return count(joined, hierarchy, rows=len(groups))


def _middles(
    regions: list[Region], hierarchy: Hierarchy, places: _Places
) -> tuple[HostArray, HostArray]:
    """Return the middle and the most typical point of each region."""
    size, cell = places.size, np.asarray(cell_index(jnp.asarray(places.points), size=places.size))
    members = hierarchy.members()
    means = None
    if places.vectors is not None:
        means = np.asarray(average_blocks(places.vectors, places.points, size=size).mean)
        means = means.reshape(size * size, -1)
    center, typical = (np.zeros((len(regions), 2), np.float32) for _ in range(2))
    counts = np.bincount(cell, minlength=size * size)
    for number, region in enumerate(regions):
        own = places.cells[region.cells]
        here = np.isin(cell, own)
        has_name = members[np.maximum(places.labels, 0), region.name] & (places.labels >= 0)
        middle = np.median(places.points[here & has_name], axis=0)
        row, column = np.divmod(own, size)
        middles = (np.stack([column, row], axis=1) + 0.5) / size
        center[number] = middles[np.square(middles - middle).sum(axis=1).argmin()]
        typical[number] = center[number]
        if means is not None:
            whole = (means[own] * counts[own, None]).sum(axis=0)
            lengths = np.linalg.norm(means[own], axis=1) + 1e-12
            full = counts[own] >= np.median(counts[own])
            likeness = np.where(full, means[own] @ whole / lengths, -np.inf)
            typical[number] = middles[likeness.argmax()]
    return np.round(center, 4), np.round(typical, 4)
