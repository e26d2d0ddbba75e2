"""The parts of a grid: its cells, tiles, evidence and exemplars."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jatlas.records import Names
from jatlas.show import _tiles as tiles
from jatlas.show._encode import packed, quantized, rounded
from jatlas.show._pack._config import PackConfig
from jatlas.show._pack._part import Part, json_part
from jatlas.show._places import place_columns
from jatlas.storage import GridEntry, files, map_crops, map_icons, read_trust
from jatlas.types import HostArray, blocks, take

_LOWEST = 3  # classes with the most negative evidence that a cell lists
_EXEMPLAR_CELLS = 32  # per picture
_SORTED = 4096  # cells whose classes are sorted at once
_EVIDENCE_VALUES = 2**18  # per part, about


class GridTables(NamedTuple):
    """What is computed of the cells of a grid.

    Attributes:
      evidence: (size, size, classes) floats; None without any.
      mean: (size, size, channels) floats; None without any.
    """

    evidence: HostArray | None
    mean: HostArray | None


def grid_tables(place: Path, grid: GridEntry, *, classes: int) -> GridTables:
    """Map the tables of a grid into memory.

    Args:
      place: folder of the map.
      grid: the grid.
      classes: number of classes that have a name.

    Raises:
      ValueError: if they are damaged, or there is no evidence for some of the classes.
    """
    path = place / f"cells-{grid.size}.npz"
    arrays = files.map_arrays(path) if path.exists() else {}
    found = {name: arrays.get(name) for name in GridTables._fields}
    shape = (grid.size, grid.size)
    for name, what in (("evidence", "classes"), ("mean", "channels")):
        table = found[name]
        if table is not None and (
            table.ndim != 3 or table.shape[:2] != shape or table.dtype.kind != "f"
        ):
            raise ValueError(
                f"{path}: expected {name} as floats of shape {(*shape, what)}, "
                f"got {table.dtype} {table.shape}"
            )
    evidence = found["evidence"]
    if evidence is not None and evidence.shape[2] < classes:
        raise ValueError(
            f"{path}: expected evidence for {classes} classes, got {evidence.shape[2]}"
        )
    return GridTables(**found)


def grid_parts(
    place: Path,
    grid: GridEntry,
    name: str,
    tables: GridTables,
    *,
    first_class: int,
    thumb: str | None,
    config: PackConfig,
) -> Generator[Part, None, dict[str, Any]]:
    """Yield the parts of a grid.

    Args:
      place: folder of the map.
      grid: the grid.
      name: of its parts, such as m0-g20.
      tables: what is computed of its cells.
      first_class: number of the atlas's first class among those of the page.
      thumb: name of the thumbnail of the map if this grid gives it.
      config: how much of it.

    Returns:
      What the manifest says about it.
    """
    icons = map_icons(place, grid)
    evidence = _of_cells(grid, tables.evidence)
    columns = _columns(grid, evidence, first_class, paths=config.paths)
    trust = _trust(place, grid)
    yield json_part(name, columns | trust | place_columns(place, grid))
    for tile in tiles.cut(icons, grid.cells, size=grid.size):
        yield Part(f"{name}-{tile.level}-{tile.column}-{tile.row}", "jpg", tile.data)
    if thumb:
        yield Part(thumb, "png", tiles.thumbnail(icons, grid.cells, size=grid.size))
    shape = tiles.levels(grid.size, grid.icon_px)
    manifest: dict[str, Any] = {
        "size": grid.size,
        "cells": len(grid.cells),
        "tile": shape.cells,
        "px": list(shape.icon_px),
    }
    if evidence is not None and 0 < evidence.size <= config.evidence:
        classes = evidence.shape[1]
        chunk = max(1, min(classes, _EVIDENCE_VALUES // len(grid.cells)))
        manifest["evidence"] = {"classes": classes, "chunk": chunk}
        if first_class:
            manifest["evidence"]["first"] = first_class
        for first in range(0, classes, chunk):
            yield json_part(
                f"{name}-e{first // chunk}", quantized(evidence[:, first : first + chunk])
            )
    known = {"cosines": grid.cosines, "names": grid.names, "trust": grid.trust}
    manifest |= {name: True for name, column in known.items() if column is not None}
    if trust:
        manifest["measures"] = list(trust["trust"])
    if grid.crops is not None:
        manifest["exemplars"] = {
            "per_cell": grid.crops.per_cell,
            "px": grid.crops.px,
            "chunk": _EXEMPLAR_CELLS,
        }
        pictures = tiles.strips(map_crops(place, grid), chunk=_EXEMPLAR_CELLS)
        for number, picture in enumerate(pictures):
            yield Part(f"{name}-x{number}", "jpg", picture)
    return manifest


def _of_cells(grid: GridEntry, evidence: HostArray | None) -> HostArray | None:
    """Return the evidence of a grid's cells, (m, classes) float32; None if there is none."""
    if evidence is None:
        return None
    table = take(evidence.reshape(grid.size**2, evidence.shape[2]), grid.cells)
    return table.astype(np.float32, copy=False) if table.any() else None


def _columns(
    grid: GridEntry, evidence: HostArray | None, first_class: int, *, paths: bool
) -> dict[str, Any]:
    """Return the cells of a grid column by column, as the viewer keeps them."""
    width = max(map(len, grid.labels), default=0)
    labels: list[int] = []
    values: list[float] = []
    for top in grid.labels:
        padding = width - len(top)
        labels += [first_class + index for index, _, _ in top] + [-1] * padding
        values += [rounded(value) for _, _, value in top] + [0.0] * padding
    columns: dict[str, Any] = {
        "cell": packed(grid.cells),
        "count": packed(grid.counts),
        "per": width,
        "labels": packed(labels),
        "values": packed(values),
    }
    if evidence is not None and evidence.shape[1] > width + _LOWEST:
        order = _lowest(evidence)
        lowest = np.take_along_axis(evidence, order, axis=1)
        columns["against"] = packed(first_class + order.ravel())
        columns["against_values"] = packed([rounded(value) for value in lowest.ravel().tolist()])
    if grid.cosines is not None:
        columns["cosine"] = packed([None if x is None else rounded(x) for x in grid.cosines])
    if grid.names is not None:
        columns["names"] = _names(grid.names)
    if grid.evidence_names is not None:
        columns["evidence_names"] = _names(grid.evidence_names)
    if paths and grid.images is not None:
        columns["exemplars"] = grid.images
    return columns


def _names(names: Names) -> dict[str, Any]:
    """Return names, and how well they hold, as the viewer keeps them."""
    known = np.isfinite(names.held_out).tolist()
    held_out = [x if ok else None for x, ok in zip(names.held_out.tolist(), known, strict=True)]
    return {
        "vocabulary": list(names.vocabulary),
        "name": packed(names.name),
        "shown": packed(names.shown),
        "images": packed(names.images),
        "held_out": packed(held_out),
    }


def _trust(place: Path, grid: GridEntry) -> dict[str, Any]:
    """Return how far each cell can be trusted, a column for each measure, if it was measured."""
    if grid.trust is None:
        return {}
    measures = read_trust(place, grid).measures
    return {"trust": {name.replace("_", " "): packed(x) for name, x in measures.items()}}


def _lowest(evidence: HostArray) -> HostArray:
    """Return the classes with the least evidence in each cell, least first."""
    parts = blocks(evidence, _SORTED)
    some = [np.sort(np.argpartition(part, _LOWEST, axis=1)[:, :_LOWEST]) for part in parts]
    low = np.concatenate(some)
    order = np.argsort(np.take_along_axis(evidence, low, axis=1), axis=1, kind="stable")
    return np.take_along_axis(low, order, axis=1)
