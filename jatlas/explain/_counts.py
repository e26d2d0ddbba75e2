"""How many images show what, in the cells of a map: counted for half of the images at a time."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from scipy import sparse

from jatlas.arrange import cell_index
from jatlas.records import Hierarchy
from jatlas.types import HostArray, checks


class Counts(NamedTuple):
    """Images of cells, or regions, by what they show.

    Attributes:
      shown: (m, names) sparse float64, images of each class and of each group.
      images: (m,) float64 images of which it is known what they show.
    """

    shown: Any
    images: HostArray

    def take(self, rows: HostArray | slice) -> Counts:
        """Return some of the rows."""
        return Counts(self.shown[rows], self.images[rows])


class Sightings(NamedTuple):
    """What the images that are in each cell show, as far as it is known.

    Attributes:
      cell: (n,) row-major number of the cell.
      image: (n,) number of the image.
      label: (n,) class that a sample of the image in the cell shows.
      weight: (n,) float64; those of an image in a cell add up to 1.
    """

    cell: HostArray
    image: HostArray
    label: HostArray
    weight: HostArray

    def take(self, rows: HostArray) -> Sightings:
        """Return some of them."""
        return Sightings(*(column[rows] for column in self))


def sightings(
    points: HostArray, labels: HostArray, image: HostArray, hierarchy: Hierarchy, *, size: int
) -> tuple[Sightings, Sightings]:
    """Say what the images in each cell show.

    An image counts once in a cell, however many of its samples are there. If they are labelled
    differently, each label has its part.

    Args:
      points: (n, 2) of the samples, in the unit square.
      labels: (n,) int class of each, negative if unknown.
      image: (n,) int number of the image of each.
      hierarchy: of the classes.
      size: cells along each side.

    Returns:
      The sightings of the images that names are chosen on, and of those they are checked on.

    Raises:
      ValueError: if the lengths differ, or a label is none of the classes.
    """
    labels, image = np.asarray(labels), np.asarray(image)
    if not len(points) == len(labels) == len(image):
        raise ValueError(
            f"points, labels, image: expected one each, got {len(points)}, {len(labels)} and "
            f"{len(image)}"
        )
    if labels.size and labels.max() >= hierarchy.classes:
        raise ValueError(f"labels: expected classes below {hierarchy.classes}, got {labels.max()}")
    checks.whole("size", size, maximum=checks.MAX_SIDE)
    cell = np.asarray(cell_index(jnp.asarray(points), size=size))
    known = labels >= 0
    cell, image, labels = (x[known].astype(np.int64) for x in (cell, image, labels))
    order = np.lexsort((labels, image, cell))
    cell, image, labels = cell[order], image[order], labels[order]
    first = np.flatnonzero(_starts(cell, image, labels))
    times = np.diff(np.append(first, len(cell)))
    cell, image, labels = cell[first], image[first], labels[first]
    weight = times / _group_sums(cell, image, times)
    found = Sightings(cell, image, labels, weight)
    checked = checked_on(image)
    return found.take(~checked), found.take(checked)


def around(seen: Sightings, *, size: int, reach: int, cells: HostArray) -> Sightings:
    """Return what the images around some cells show that are not in the cell itself.

    An image has the weight exp(-d^2 / 2) of its nearest cell, d cells away.

    Args:
      seen: of cells.
      size: cells along each side.
      reach: cells, how far the surroundings of a cell go.
      cells: (size * size,) bool, whose surroundings are wanted.
    """
    row, column = np.divmod(seen.cell, size)
    parts = []
    for down in range(-reach, reach + 1):
        for right in range(-reach, reach + 1):
            distance = down * down + right * right
            r, c = row + down, column + right
            inside = np.flatnonzero((r >= 0) & (r < size) & (c >= 0) & (c < size))
            if distance <= reach**2:
                inside = inside[cells[r[inside] * size + c[inside]]]
                near = np.full(len(inside), np.exp(-distance / 2))
                parts.append((r[inside] * size + c[inside], inside, near))
    cell, source, near = (np.concatenate(part) for part in zip(*parts, strict=True))
    image = seen.image[source]
    order = np.lexsort((-near, image, cell))
    cell, source, near, image = (x[order] for x in (cell, source, near, image))
    first = _starts(cell, image)
    nearest = near[np.maximum.accumulate(np.where(first, np.arange(len(cell)), 0))]
    kept = np.flatnonzero((near == nearest) & (nearest < 1))
    cell, source, near, image = (x[kept] for x in (cell, source, near, image))
    weight = seen.weight[source]
    weight = near * weight / _group_sums(cell, image, weight)
    return Sightings(cell, image, seen.label[source], weight)


def regroup(seen: Sightings, group: HostArray) -> Sightings:
    """Return what the images show that are in each group of cells; an image counts once in a group.

    Args:
      seen: of cells.
      group: (cells,) number of the group that each cell belongs to, negative for none.
    """
    cell = group[seen.cell]
    kept = np.flatnonzero(cell >= 0)
    order = kept[np.lexsort((seen.label[kept], seen.image[kept], cell[kept]))]
    part = seen._replace(cell=cell).take(order)
    return part._replace(weight=part.weight / _group_sums(part.cell, part.image, part.weight))


def _group_sums(cell: HostArray, image: HostArray, values: HostArray) -> HostArray:
    """Return for each entry the sum of the values of its cell and image, which are sorted."""
    group = np.cumsum(_starts(cell, image)) - 1
    sums = np.bincount(group, values) if len(group) else np.zeros(0)
    return sums[group]


def _starts(*columns: HostArray) -> HostArray:
    """Return whether each row of sorted columns differs from the one before."""
    starts = np.ones(len(columns[0]), bool)
    starts[1:] = np.any([column[1:] != column[:-1] for column in columns], axis=0)
    return starts


def count(seen: Sightings, hierarchy: Hierarchy, *, rows: int) -> Counts:
    """Count what images show.

    Args:
      seen: whose cells are the rows.
      hierarchy: of the classes.
      rows: how many.
    """
    shape = (rows, hierarchy.classes)
    classes = sparse.coo_array((seen.weight, (seen.cell, seen.label)), shape=shape).tocsr()
    return Counts(
        classes @ _members(hierarchy), np.bincount(seen.cell, seen.weight, minlength=rows)
    )


@functools.lru_cache(maxsize=8)
def _members(hierarchy: Hierarchy) -> Any:
    return sparse.csr_array(hierarchy.members().astype(np.float64))


def checked_on(image: HostArray) -> HostArray:
    """Return for each image whether names are checked on it; on the others they are chosen.

    About half are, whatever the order of the images: the last bit of splitmix64 of their numbers.

    Args:
      image: (n,) int numbers of images.

    Returns:
      (n,) bool.

    Reference:
      Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014.

    Example:
      >>> checked_on(np.arange(6)).tolist()
      [True, False, True, False, True, False]
    """
    bits = (np.asarray(image).astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((bits ^ (bits >> np.uint64(31))) & np.uint64(1)).astype(bool)
