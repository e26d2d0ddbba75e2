"""Which cells are alike: the average activation of each, in a few bytes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from jatlas.storage import GridEntry
from jatlas.types import HostArray, take

_DIMS = 32  # directions that are kept, at most
_CELLS = 4096  # at once
_NOTHING = 1e-9  # of the variance of the first direction


def cell_vectors(
    grids: Sequence[GridEntry], means: Mapping[int, HostArray]
) -> dict[int, HostArray]:
    """Return the direction of each cell's average from that of the map, in few dimensions.

    Vectors of length 1 from the map's average to that of each cell are projected on the principal
    directions of those of all grids. So the dot product of two of them is about the cosine of the
    averages, less the map's, and cells of two grids can be compared. They are not made longer
    again: what other directions hold has no part in the product, and made the error of the
    cosine four to five times as large.

    Args:
      grids: of a map.
      means: by size, (size, size, channels) average activation of each cell.

    Returns:
      By size, (m, dims) int8 in units of 1/127 for the m cells of each grid; nothing without
      averages, or if they are all the same.

    Raises:
      ValueError: if the grids have different channels.
    """
    known = [grid for grid in grids if grid.size in means]
    if len({means[grid.size].shape[2] for grid in known}) > 1:
        raise ValueError("cells-*.npz: expected the same channels in all grids")
    if not known:
        return {}
    center = _center(known, means)
    directions = _directions(known, means, center)
    if not len(directions):
        return {}
    found = {}
    for grid in known:
        vectors = (block @ directions.T for block in _units(grid, means[grid.size], center))
        found[grid.size] = np.concatenate([np.round(x * 127).astype(np.int8) for x in vectors])
    return found


def _center(grids: Sequence[GridEntry], means: Mapping[int, HostArray]) -> HostArray:
    """Return the average of all samples in the grids, (channels,) float64."""
    total, weight = np.zeros(means[grids[0].size].shape[2]), 0.0
    for grid in grids:
        counts = np.asarray(grid.counts, float)
        for first, block in _blocks(grid, means[grid.size]):
            each = counts[first : first + len(block)]
            total += each @ block
            weight += each.sum()
    return total / max(weight, 1)


def _directions(
    grids: Sequence[GridEntry], means: Mapping[int, HostArray], center: HostArray
) -> HostArray:
    """Return the principal directions of the cells, (dims, channels); none if all are the same."""
    moment = np.zeros((len(center), len(center)))
    for grid in grids:
        for block in _units(grid, means[grid.size], center):
            moment += block.T @ block
    values, columns = np.linalg.eigh(moment)
    best = np.argsort(-values, kind="stable")[:_DIMS]
    directions = columns[:, best[values[best] > _NOTHING * max(values[-1], 0)]].T
    # Either of two opposite directions is one: the same on every machine.
    largest = np.argmax(np.abs(directions), axis=1, keepdims=True)
    return directions * np.sign(np.take_along_axis(directions, largest, axis=1))


def _units(grid: GridEntry, mean: HostArray, center: HostArray) -> Iterator[HostArray]:
    """Yield vectors of length 1 from the center to the averages of some cells; zero stays zero."""
    for _, block in _blocks(grid, mean):
        off = block - center
        length = np.linalg.norm(off, axis=1, keepdims=True)
        yield off / np.where(length > 0, length, 1)


def _blocks(grid: GridEntry, mean: HostArray) -> Iterator[tuple[int, HostArray]]:
    """Yield the number of the first of some cells, and their averages (k, channels) float64."""
    table = mean.reshape(grid.size**2, mean.shape[2])
    for first in range(0, len(grid.cells), _CELLS):
        block = take(table, grid.cells[first : first + _CELLS]).astype(np.float64)
        yield first, np.nan_to_num(block, posinf=0.0, neginf=0.0)
