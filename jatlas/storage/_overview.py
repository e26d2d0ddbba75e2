"""The figure of a grid: title, icons by count, names of regions, axes, a legend."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from jatlas.records import Atlas, Grid, Map
from jatlas.storage import _overview_names as beside
from jatlas.storage import files
from jatlas.storage._figure import (
    GROUND,
    Box,
    Figure,
    Picture,
    Text,
    fitted,
    plain,
    text_width,
)
from jatlas.storage._figure_png import to_pixels
from jatlas.storage._figure_svg import to_svg
from jatlas.storage._overview_names import Frame
from jatlas.storage._titles import network_title
from jatlas.types import HostArray, release

_WIDEST, _SMALLEST = 2400, 512  # pixels: of the figure, and of its map
_SIDE = 1600.0  # of the map, in units, which all else is measured in
_MARGIN, _TITLE, _LINE, _SMALL, _CELL = 40.0, 46.0, 26.0, 24.0, 44.0
_SUFFIXES = (".png", ".svg")


def check_overview(path: Path) -> None:
    """Raise ValueError if no figure is written to a file of this suffix."""
    if path.suffix.lower() not in _SUFFIXES:
        known = " or ".join(_SUFFIXES)
        raise ValueError(f"{path}: expected a suffix of {known}, got {path.suffix!r}")


def write_overview(path: Path, atlas: Atlas, atlas_map: Map, grid: Grid) -> None:
    """Write the figure of a grid, as PNG or SVG by the suffix of the file.

    Args:
      path: the file.
      atlas: what the map is of.
      atlas_map: the map.
      grid: one of its grids.

    Raises:
      ValueError: for another suffix.
      OSError: if it cannot be written.
    """
    check_overview(path)
    figure = lay_out(atlas, atlas_map, grid)
    if path.suffix.lower() == ".svg":
        files.write_text(path, to_svg(figure))
    else:
        files.write_image(path, to_pixels(figure))


def lay_out(atlas: Atlas, atlas_map: Map, grid: Grid) -> Figure:
    """Lay out the figure of a grid; about 2,400 px wide at most."""
    names = beside.choose(atlas_map.regions)
    left, right = (beside.column(names, is_left=x) for x in (True, False))
    whole = 2 * _MARGIN + left + _SIDE + right
    side = min(max(grid.size * grid.icons.images.shape[1], _SMALLEST), _WIDEST * _SIDE / whole)
    pitch = max(int(side) // grid.size, 1)
    unit = grid.size * pitch / _SIDE
    above, below = _axes(atlas_map)
    top = _MARGIN + _TITLE + 1.7 * _LINE + 30 + 1.8 * _LINE * bool(above)
    frame = Frame(round((_MARGIN + left) * unit), round(top * unit), grid.size, pitch, unit)
    width = round(whole * unit)
    foot = frame.top + frame.side + (24 + 1.8 * _LINE * bool(below)) * unit
    title = _title(atlas, atlas_map)
    parts = [
        *_heading(frame, width, title, _numbers(atlas_map, grid)),
        Picture(frame.left, frame.top, by_count(grid, pitch=pitch)),
        *_ends(frame, above, below),
        *beside.beside(frame, names),
        *_legend(frame, foot, grid),
    ]
    height = round(foot + (_CELL + _MARGIN) * unit)
    return Figure(width=width, height=height, title=title, parts=tuple(parts))


def _title(atlas: Atlas, atlas_map: Map) -> str:
    network = str(atlas.info.get("network", ""))
    where = [network_title(network), atlas_map.layer]
    of = " / ".join(atlas.class_name(index) for index in atlas_map.classes)
    what = ", ".join(each for each in where if each)
    return plain(f"{of} ({what})" if of else what)


def _numbers(atlas_map: Map, grid: Grid) -> str:
    images = np.count_nonzero(np.bincount(np.asarray(atlas_map.samples.source)[:, 0]))
    samples = _counted(len(atlas_map.samples), "activation")
    cells = f"{grid.size} \N{MULTIPLICATION SIGN} {_counted(grid.size, 'cell')}"
    return f"{samples} of {_counted(int(images), 'image')}, {cells}"


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _heading(frame: Frame, width: int, title: str, numbers: str) -> list[Text]:
    unit = frame.unit
    room = (width - frame.left) / unit - _MARGIN
    size = _TITLE * max(min(1.0, room / max(text_width(title, _TITLE, bold=True), 1.0)), 0.7)
    words = fitted(title, size, room, bold=True)
    y = (_MARGIN + 0.8 * _TITLE) * unit
    return [
        Text(frame.left, y, words, size * unit, bold=True),
        Text(frame.left, y + 1.7 * _LINE * unit, numbers, _LINE * unit, muted=True),
    ]


def icon_sides(counts: HostArray, *, size: int) -> HostArray:
    """Return the share of a cell's side that each icon fills: its area shows the count.

    An icon whose cell holds the average of all cells, or more, fills it. The page has the same
    rule, `Grid.side` in its model.js.

    Args:
      counts: (m,) samples of the cells that have an icon.
      size: cells along each side of the grid.

    Example:
      >>> icon_sides(np.array([1, 4, 11]), size=2).tolist()
      [0.5, 1.0, 1.0]
    """
    return np.minimum(np.sqrt(counts / _average(counts, size)), 1.0)


def _average(counts: HostArray, size: int) -> float:
    return float(np.sum(counts, dtype=np.int64)) / size**2 or 1.0


def by_count(grid: Grid, *, pitch: int) -> HostArray:
    """Lay the icons of a grid out, each as large as its cell's count says.

    Args:
      grid: the grid.
      pitch: side of a cell in pixels.

    Returns:
      (size * pitch, size * pitch, 3) uint8.
    """
    cells, size = np.asarray(grid.cells), grid.size
    sheet = Image.new("RGB", (size * pitch, size * pitch), GROUND)
    sides = icon_sides(np.asarray(grid.count).ravel()[cells], size=size)
    widths = np.maximum(np.round(sides * pitch), 1).astype(int).tolist()
    images = np.asarray(grid.icons.images)
    for number, (cell, width) in enumerate(zip(cells.tolist(), widths, strict=True)):
        row, column = divmod(cell, size)
        inset = (pitch - width) // 2
        icon = Image.fromarray(images[number])
        if icon.size != (width, width):
            icon = icon.resize((width, width), Image.Resampling.LANCZOS, reducing_gap=3.0)
        sheet.paste(icon, (column * pitch + inset, row * pitch + inset))
        if number % size == size - 1:
            release(images)
    release(images)
    return np.asarray(sheet)


_Ends = list[tuple[float, str]]
"""Words along an edge of the map: 0 for those at its left, 0.5 in the middle, 1 at its right."""


def _axes(atlas_map: Map) -> tuple[_Ends, _Ends]:
    """Return what is written above and below a map: what its directions mean."""
    axes: Mapping[str, Any] = atlas_map.axes or {}
    above: _Ends = []
    below: _Ends = []
    match axes.get("x"):
        case [start, end]:
            below += [(0.0, f"← {start}"), (1.0, f"{end} →")]
        case str(name):
            below.append((0.5, name))
    match axes.get("y"):
        case [start, end]:
            above.append((0.5, f"↑ {end}"))
            below.append((0.5, f"↓ {start}"))
        case str(name):
            above.append((0.5, name))
    return above, below


def _ends(frame: Frame, above: _Ends, below: _Ends) -> list[Text]:
    unit, parts = frame.unit, []
    lower = frame.top + frame.side + 1.4 * _LINE * unit
    for words, y in ((above, frame.top - 0.8 * _LINE * unit), (below, lower)):
        room = 0.96 * _SIDE / max(len(words), 1)
        for place, name in words:
            anchor = {0.0: "start", 0.5: "middle", 1.0: "end"}[place]
            short = fitted(plain(name), _LINE, room, bold=True)
            x = frame.left + place * frame.side
            parts.append(Text(x, y, short, _LINE * unit, anchor, bold=True))  # type: ignore[arg-type]
    return parts


def _legend(frame: Frame, top: float, grid: Grid) -> list[Text | Box]:
    """Draw cells of the smallest, a middle and a full count, whatever the size of the real ones."""
    counts = np.asarray(grid.count).ravel()[np.asarray(grid.cells)]
    if not len(counts):
        return []
    full = math.ceil(_average(counts, grid.size))
    least = min(int(counts.min()), full)
    shown = sorted({least, round(math.sqrt(least * full)), full})
    unit, cell = frame.unit, _CELL * frame.unit
    base = top + (_CELL / 2 + 0.36 * _SMALL) * unit
    words = "Activations in a cell"
    parts: list[Text | Box] = [Text(frame.left, base, words, _SMALL * unit, muted=True)]
    x = frame.left + (text_width(words, _SMALL) + 30) * unit
    for count in shown:
        side = cell * min(1.0, math.sqrt(count / _average(counts, grid.size)))
        inset = (cell - side) / 2
        parts += [Box(x + inset, top + inset, side), Box(x, top, cell, 1.5 * unit)]
        label = f"{count:,} or more" if count == full else f"{count:,}"
        parts.append(Text(x + cell + 12 * unit, base, label, _SMALL * unit, muted=True))
        x += cell + (12 + text_width(label, _SMALL) + 36) * unit
    return parts
