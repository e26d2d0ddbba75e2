"""What atlas.json says about maps, grids and cells, checked: it may be damaged, or hostile."""

from __future__ import annotations

import dataclasses
import math
import re
from typing import Any

import numpy as np

from jatlas.types import HostArray

MAX_CLASSES = 100_000
"""Indices of classes without a name are below this; the largest public label sets have 21,841."""
_MAX_GRID = 4096
_MAX_PX = 4096
_MAX_COUNT = 2**53  # JavaScript holds integers exactly up to here

Label = tuple[int, str, float]
"""Index of a class, its name, the evidence for it."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class SheetEntry:
    """The picture that holds the exemplars of a grid.

    Attributes:
      file: its name in the map's folder.
      per_cell: exemplars of a cell, side by side.
      px: side of an exemplar in pixels.
      columns: cells in a row of the picture.
    """

    file: str
    per_cell: int
    px: int
    columns: int


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class GridEntry:
    """One grid of a map.

    Attributes:
      size: cells along each side.
      icon_px: side of an icon in pixels.
      cells: (m,) int64 row-major numbers of the cells that have an icon.
      counts: m numbers of samples.
      labels: for each of the m cells its classes with the most evidence, most first.
      cosines: m cosines of icon and direction, None if unknown; None if no cell has one.
      images: indices of the images of each cell's exemplars; None if no cell has any.
      sheet: the pictures of the exemplars, if there are any.
    """

    size: int
    icon_px: int
    cells: HostArray
    counts: list[int]
    labels: list[list[Label]]
    cosines: list[float | None] | None
    images: list[list[int]] | None
    sheet: SheetEntry | None


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class MapEntry:
    """One map.

    Attributes:
      path: its folder in the atlas.
      name: its name, shown to people and used in links.
      kind: "layer", "class" or "comparison".
      layer: name of the layer.
      title: its heading.
      samples: number of samples, if known.
      axes: by "x" and "y" what a direction means, if it means something.
      grids: at least one, by ascending size.
    """

    path: str
    name: str
    kind: str
    layer: str | None
    title: str
    samples: int | None
    axes: dict[str, Any] | None
    grids: tuple[GridEntry, ...]


def read_maps(info: dict[str, Any]) -> tuple[MapEntry, ...]:
    """Read the maps of an atlas.

    Args:
      info: the content of atlas.json.

    Raises:
      ValueError: if something is missing, of another type, or out of range; the message names it.
    """
    bound = max(len(read_classes(info)), MAX_CLASSES)
    entries = _list(info, "maps", "atlas.json")
    if not entries:
        raise ValueError("atlas.json: maps: expected at least one")
    return tuple(_map(entry, f"maps[{i}]", bound) for i, entry in enumerate(entries))


def read_classes(info: dict[str, Any]) -> list[str]:
    """Read the names of the classes; raises as `read_maps`."""
    names = _list(info, "classes", "atlas.json")
    if not all(isinstance(name, str) for name in names):
        raise ValueError("atlas.json: classes: expected strings")
    return names


def _map(entry: Any, where: str, bound: int) -> MapEntry:
    path = _text(entry, "path", where)
    layer = _text(entry, "layer", where, default=None)
    name = _text(entry, "name", where, default=path)
    samples = None
    if entry.get("samples") is not None:
        samples = _integer(entry, "samples", where, maximum=_MAX_COUNT)
    axes = entry.get("axes")
    if not (axes is None or isinstance(axes, dict)):
        raise ValueError(f"{where}.axes: expected an object, got {_short(axes)}")
    grids = [
        _grid(grid, f"{where}.grids[{i}]", bound)
        for i, grid in enumerate(_list(entry, "grids", where))
    ]
    if not grids:
        raise ValueError(f"{where}.grids: expected at least one")
    if len({grid.size for grid in grids}) < len(grids):
        raise ValueError(f"{where}.grids: expected one of each size")
    return MapEntry(
        path=path,
        name=name,
        kind=_text(entry, "kind", where),
        layer=layer,
        title=_text(entry, "title", where, default=None) or layer or name,
        samples=samples,
        axes=axes,
        grids=tuple(sorted(grids, key=lambda grid: grid.size)),
    )


def _grid(entry: Any, where: str, bound: int) -> GridEntry:
    size = _integer(entry, "size", where, minimum=1, maximum=_MAX_GRID)
    cells = _list(entry, "cells", where)
    rows, columns, counts, labels = [], [], [], []
    for i, cell in enumerate(cells):
        here = f"{where}.cells[{i}]"
        rows.append(_integer(cell, "row", here, maximum=size - 1))
        columns.append(_integer(cell, "col", here, maximum=size - 1))
        counts.append(_integer(cell, "count", here, maximum=_MAX_COUNT))
        labels.append([_label(label, here, bound) for label in _list(cell, "labels", here, ())])
    cosines = images = sheet = None
    if any("cosine" in cell for cell in cells):
        cosines = [_cosine(cell, f"{where}.cells[{i}]") for i, cell in enumerate(cells)]
    if any("exemplars" in cell for cell in cells):
        images = [
            _indices(_list(cell, "exemplars", where, ()), f"{where}.cells[{i}].exemplars")
            for i, cell in enumerate(cells)
        ]
    if entry.get("exemplars") is not None:
        sheet = _sheet(entry["exemplars"], f"{where}.exemplars")
    return GridEntry(
        size=size,
        icon_px=_integer(entry, "icon_px", where, minimum=1, maximum=_MAX_PX),
        cells=np.array(rows, np.int64) * size + np.array(columns, np.int64),
        counts=counts,
        labels=labels,
        cosines=cosines,
        images=images,
        sheet=sheet,
    )


def _sheet(entry: Any, where: str) -> SheetEntry:
    file = _text(entry, "file", where)
    if re.search(r"[/\\:]", file) or file in ("", ".", ".."):
        raise ValueError(f"{where}.file: {_short(file)} leads out of the folder")
    counts = {
        name: _integer(entry, name, where, minimum=1, maximum=_MAX_PX)
        for name in ("per_cell", "px", "columns")
    }
    return SheetEntry(file=file, **counts)


def _label(value: Any, where: str, bound: int) -> Label:
    match value:
        case [int(index), str(name), evidence] if 0 <= index < bound and _is_number(evidence):
            return index, name, float(evidence)
    raise ValueError(
        f"{where}.labels: expected [index below {bound}, name, evidence], got {_short(value)}"
    )


def _cosine(cell: dict[str, Any], where: str) -> float | None:
    value = cell.get("cosine")
    if value is None:
        return None
    if not _is_number(value):
        raise ValueError(f"{where}.cosine: expected a number, got {_short(value)}")
    return float(value) if math.isfinite(value) else None


def _is_number(value: Any) -> bool:
    # JSON integers may be too large for a float.
    return type(value) is float or (type(value) is int and abs(value) <= _MAX_COUNT)


def _indices(values: list[Any], where: str) -> list[int]:
    if not all(isinstance(value, int) and 0 <= value < _MAX_COUNT for value in values):
        raise ValueError(f"{where}: expected indices of images, got {_short(values)}")
    return values


_MISSING = object()


def _get(entry: Any, name: str, where: str, default: Any = _MISSING) -> Any:
    if not isinstance(entry, dict):
        raise ValueError(f"{where}: expected an object, got {_short(entry)}")
    value = entry.get(name, default)
    if value is _MISSING:
        raise ValueError(f"{where}: {name} is missing")
    return value


def _list(entry: Any, name: str, where: str, default: Any = _MISSING) -> list[Any]:
    value = _get(entry, name, where, default)
    if not isinstance(value, list | tuple):
        raise ValueError(f"{where}.{name}: expected a list, got {_short(value)}")
    return list(value)


def _text(entry: Any, name: str, where: str, default: Any = _MISSING) -> Any:
    value = _get(entry, name, where, default)
    if not isinstance(value, str) and value is not default:
        raise ValueError(f"{where}.{name}: expected a string, got {_short(value)}")
    return value


def _integer(entry: Any, name: str, where: str, *, maximum: int, minimum: int = 0) -> int:
    value = _get(entry, name, where)
    if type(value) is not int or not minimum <= value <= maximum:
        raise ValueError(
            f"{where}.{name}: expected an integer from {minimum} to {maximum}, got {_short(value)}"
        )
    return value


def _short(value: Any) -> str:
    return repr(value)[:60]
