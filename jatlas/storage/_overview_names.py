"""Names of regions beside a map, with a line to each."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from jatlas.records import Regions
from jatlas.storage._figure import Dot, Line, Text, fitted, plain, text_width

MOST, _ENOUGH = 9, 6  # regions that are named; smaller ones are added up to the second number
SIZE = 30.0  # of a name
_LONGEST = 420.0
_GUTTER = 110.0  # between map and name
_END = 14.0  # between line and name


class Frame(NamedTuple):
    """Where the map is in a figure.

    Attributes:
      left: of the map, in pixels.
      top: of the map, in pixels.
      size: cells along each side.
      pitch: side of a cell in pixels.
      unit: pixels for each of the 1,600 units of the map's side.
    """

    left: int
    top: int
    size: int
    pitch: int
    unit: float

    @property
    def side(self) -> int:
        """Side of the map in pixels."""
        return self.size * self.pitch


class Name(NamedTuple):
    """The name of a region, and where it is in the unit square."""

    words: str
    x: float
    y: float

    @property
    def is_left(self) -> bool:
        """Whether it is written left of the map."""
        return self.x < 0.5


def choose(regions: Regions | None) -> list[Name]:
    """Return the names of the largest regions, with smaller ones where these are few."""
    if regions is None:
        return []
    cover = np.asarray(regions.cover)
    cells = np.bincount(cover[cover >= 0], minlength=len(regions))
    named = [i for i in np.argsort(-cells, kind="stable").tolist() if regions.names[i]]
    level = np.asarray(regions.level)
    chosen = [i for i in named if level[i] == 0][:MOST]
    for i in named:
        known = {regions.names[each] for each in chosen}
        if level[i] == 1 and len(chosen) < _ENOUGH and regions.names[i] not in known:
            chosen.append(i)
    names = []
    for i in chosen:
        words = fitted(plain(regions.names[i] or ""), SIZE, _LONGEST)
        x, y = np.asarray(regions.center)[i].tolist()
        names.append(Name(words, x, y))
    return names


def column(names: list[Name], *, is_left: bool) -> float:
    """Return the width of the names on one side of the map, in units; 0 without any."""
    widths = [text_width(name.words, SIZE) for name in names if name.is_left == is_left]
    return _GUTTER + 1.03 * max(widths) if widths else 0.0


def beside(frame: Frame, names: list[Name]) -> list[Text | Line | Dot]:
    """Write names left and right of a map, and draw a line from each to its region."""
    parts: list[Text | Line | Dot] = []
    for is_left in (True, False):
        here = sorted((x for x in names if x.is_left == is_left), key=lambda name: name.y)
        parts += _side(frame, here, is_left=is_left)
    # No line over a dot, and none over a name.
    order = (Line, Dot, Text)
    return sorted(parts, key=lambda part: order.index(type(part)))


def _side(frame: Frame, names: list[Name], *, is_left: bool) -> list[Text | Line | Dot]:
    unit, size = frame.unit, frame.size
    # Between two rows of cells a line crosses no icon; each has a row of its own if there are.
    apart = 1.0 if len(names) <= size + 1 else size / (len(names) - 1)
    rows = spread([float(round(name.y * size)) for name in names], apart, 0.0, float(size))
    starts = [frame.top + row * frame.pitch for row in rows]
    half = 0.75 * SIZE * unit
    heights = spread(starts, 2 * half, frame.top + half, frame.top + frame.side - half)
    out = -1 if is_left else 1
    edge = frame.left if is_left else frame.left + frame.side
    end = edge + out * _GUTTER * unit
    parts: list[Text | Line | Dot] = []
    for name, start, height in zip(names, starts, heights, strict=True):
        x = frame.left + round(name.x * size) * frame.pitch
        tip = end - out * _END * unit
        way = ((x, start), (edge, start), (tip - out * 30 * unit, height), (tip, height))
        parts.append(Line(way, 2.2 * unit, 2.2 * unit))
        parts.append(Dot(x, start, 7 * unit, 2.5 * unit))
        anchor = "end" if is_left else "start"
        parts.append(
            Text(end, height + 0.36 * SIZE * unit, name.words, SIZE * unit, anchor)  # type: ignore[arg-type]
        )
    return parts


def spread(wanted: list[float], gap: float, low: float, high: float) -> list[float]:
    """Move numbers, ascending, so that they are some distance apart and within a range.

    Example:
      >>> spread([1.0, 1.0, 9.0], 2.0, 0.0, 8.0)
      [1.0, 3.0, 8.0]
    """
    found: list[float] = []
    for each in wanted:
        found.append(max(each, found[-1] + gap if found else low))
    limit = high
    for number in range(len(found) - 1, -1, -1):
        found[number] = min(found[number], limit)
        limit = found[number] - gap
    return found
