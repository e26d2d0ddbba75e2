"""The cells that a reader of a widget selects, and the samples in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jatlas.show._pack import PackConfig
from jatlas.show._pack._samples import placed_samples
from jatlas.show._pack._source import open_sources
from jatlas.types import HostArray, checks


class MapSamples(NamedTuple):
    """The samples of a map that can be selected.

    Attributes:
      layer: the layer of the map.
      points: (n, 2) positions from 0 to 1; None if unknown.
      images: (n,) numbers of their images; None if unknown.
      cells: by size of a grid, the row-major numbers of its cells.
    """

    layer: str | None
    points: HostArray | None
    images: HostArray | None
    cells: dict[int, HostArray]


def map_samples(
    folder: Path, others: Sequence[Path], config: PackConfig | None
) -> dict[str, MapSamples]:
    """Read the samples of the maps of a widget into memory: the folders may be temporary.

    Args:
      folder: of the atlas.
      others: of the further atlases.
      config: of the page.

    Returns:
      By the name of the map on the page.
    """
    config = PackConfig() if config is None else config
    sources, _ = open_sources([folder, *others], titles=config.titles)
    found = {}
    for source, placed in zip(
        sources, placed_samples(sources, maximum=config.samples), strict=True
    ):
        for entry, samples in zip(source.maps, placed, strict=True):
            points = None if samples is None else np.array(samples.points)
            table = None if samples is None else samples.source
            images = None if table is None else np.array(table[:, 0])
            cells = {grid.size: grid.cells for grid in entry.grids}
            found[source.map_id(entry)] = MapSamples(entry.layer, points, images, cells)
    return found


def completed(maps: Mapping[str, MapSamples], value: Any) -> dict[str, Any] | None:
    """Return a selection with its samples.

    Args:
      maps: what `map_samples` returned.
      value: a mapping with "map", "grid" and "cells", pairs of row and column; or None.

    Returns:
      "map", "layer", "grid", "cells" without those that the map lacks, "samples" (rows of the map's
      samples) and "images" (numbers of theirs). None if no cell is left.

    Raises:
      ValueError: if the map, the grid or a cell does not exist.
    """
    if value is None:
        return None
    if not isinstance(value, Mapping) or not {"map", "grid", "cells"} <= value.keys():
        raise ValueError(f"selected: expected a dict of map, grid and cells, got {value!r:.200}")
    at = maps[checks.choice("selected: map", value["map"], options=list(maps))]
    size = value["grid"]
    if not isinstance(size, int) or size not in at.cells:
        raise ValueError(f"selected: grid: expected one of {sorted(at.cells)}, got {size!r:.200}")
    cells = np.intersect1d(_numbers(value["cells"], size), at.cells[size])
    if not cells.size:
        return None
    rows = _rows(at.points, cells, size)
    images = [] if at.images is None else np.unique(at.images[rows]).tolist()
    return {
        "map": value["map"],
        "layer": at.layer,
        "grid": size,
        "cells": np.stack(np.divmod(cells, size), 1).tolist(),
        "samples": rows.tolist(),
        "images": images,
    }


def _numbers(cells: Any, size: int) -> HostArray:
    """Return the row-major numbers of cells, given by row and column."""
    try:
        table = np.asarray(cells if len(cells) else np.zeros((0, 2), int))
    except (TypeError, ValueError):
        table = np.zeros(0)
    if table.ndim != 2 or table.shape[1] != 2 or table.dtype.kind not in "iu":
        raise ValueError(f"selected: cells: expected [[row, column], ...], got {cells!r:.200}")
    if table.size and not (table.min() >= 0 and table.max() < size):
        raise ValueError(
            f"selected: cells: expected rows and columns from 0 to {size - 1}, "
            f"got {table.min()} to {table.max()}"
        )
    return np.asarray(table[:, 0].astype(np.int64) * size + table[:, 1])


def _rows(points: HostArray | None, cells: HostArray, size: int) -> HostArray:
    """Return the rows of the samples in some cells; see `jatlas.arrange.cell_index`."""
    if points is None:
        return np.zeros(0, np.int64)
    place = np.clip(np.floor(points * size).astype(np.int64), 0, size - 1)
    return np.flatnonzero(np.isin(place[:, 1] * size + place[:, 0], cells))
