"""Which cells are alike: the average activation of each, in a few bytes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from jatlas.storage import GridEntry
from jatlas.types import HostArray, take

DIMS = 32
"""Number of principal directions that are kept, at most."""

_CELLS = 4096  # at once
_NOTHING = 1e-9  # of the variance of the first direction


def cell_vectors(
    grids: Sequence[GridEntry], means: Mapping[int, HostArray]
) -> dict[int, HostArray]:
    """Return the direction of each cell's average from that of the map, in few dimensions.

    The averages of all grids of a map are projected on their principal directions, each counting
    as often as it has samples, and scaled to length 1. So the dot product of two of them is about
    the cosine of the averages, less the map's average, and cells of two grids can be compared.

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
    center, directions = _directions(known, means)
    if not len(directions):
        return {}
    return {
        grid.size: np.concatenate(
            [_scaled((x - center) @ directions.T) for x, _ in _blocks(grid, means[grid.size])]
        )
        for grid in known
    }


def _blocks(grid: GridEntry, mean: HostArray) -> Iterator[tuple[HostArray, HostArray]]:
    """Yield averages of some cells, (k, channels) float64, and the numbers of their samples."""
    table = mean.reshape(grid.size**2, -1)
    counts = np.asarray(grid.counts, float)
    for first in range(0, len(grid.cells), _CELLS):
        rows = slice(first, first + _CELLS)
        block = take(table, grid.cells[rows]).astype(np.float64)
        yield np.nan_to_num(block, posinf=0.0, neginf=0.0), counts[rows]


def _directions(
    grids: Sequence[GridEntry], means: Mapping[int, HostArray]
) -> tuple[HostArray, HostArray]:
    """Return the average of the cells, (channels,), and principal directions, (dims, channels)."""
    channels = means[grids[0].size].shape[2]
    total, weight = np.zeros(channels), 0.0
    for grid in grids:
        for block, counts in _blocks(grid, means[grid.size]):
            total += counts @ block
            weight += counts.sum()
    center = total / max(weight, 1)
    spread = np.zeros((channels, channels))
    for grid in grids:
        for block, counts in _blocks(grid, means[grid.size]):
            off = block - center
            spread += off.T @ (off * counts[:, None])
    values, columns = np.linalg.eigh(spread)
    best = np.argsort(-values, kind="stable")[:DIMS]
    directions = columns[:, best[values[best] > _NOTHING * max(values[-1], 0)]].T
    # Either of two opposite directions is one: the same on every machine.
    largest = np.argmax(np.abs(directions), axis=1, keepdims=True)
    return center, directions * np.sign(np.take_along_axis(directions, largest, axis=1))


def _scaled(projected: HostArray) -> HostArray:
    """Scale to length 1, and keep as whole numbers, 127 for 1; what is zero stays zero."""
    length = np.linalg.norm(projected, axis=1, keepdims=True)
    return np.round(projected / np.where(length > 0, length, 1) * 127).astype(np.int8)
