"""What a figure is made of, before it is drawn: a picture, lines, dots, boxes, text."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Literal, NamedTuple

from PIL import ImageFont

from jatlas.types import HostArray

GROUND, INK, MUTED = (244, 244, 242), (28, 32, 40), (96, 102, 112)
FAMILY = "DejaVu Sans"
_JOINERS = "\u200c\u200d"  # without which some scripts are written wrongly
_MEASURED = 100  # size of the font that widths are taken from


class Text(NamedTuple):
    """One line of text; (x, y) is on its base line, at the end that `anchor` names."""

    x: float
    y: float
    words: str
    size: float
    anchor: Literal["start", "middle", "end"] = "start"
    bold: bool = False
    muted: bool = False


class Line(NamedTuple):
    """A line through points, with a halo of the ground's colour."""

    points: tuple[tuple[float, float], ...]
    width: float
    halo: float


class Dot(NamedTuple):
    """A disc with a halo."""

    x: float
    y: float
    radius: float
    halo: float


class Box(NamedTuple):
    """A square, filled or outlined; (x, y) is its top left corner."""

    x: float
    y: float
    side: float
    line: float | None = None


class Picture(NamedTuple):
    """(h, w, 3) uint8 pixels; (x, y) is the top left corner."""

    x: int
    y: int
    pixels: HostArray


class Figure(NamedTuple):
    """Parts in the order in which they are drawn, in pixels.

    Attributes:
      width: of the figure.
      height: of the figure.
      title: what it shows, in words.
      parts: what it holds.
    """

    width: int
    height: int
    title: str
    parts: tuple[Text | Line | Dot | Box | Picture, ...]


@functools.cache
def font(size: float, *, bold: bool = False) -> ImageFont.FreeTypeFont:
    """Return the font of a size in pixels."""
    import matplotlib  # has the font; not needed to read an atlas

    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts/ttf" / name, size)


def text_width(words: str, size: float, *, bold: bool = False) -> float:
    """Return the width of a line of text in pixels."""
    return font(_MEASURED, bold=bold).getlength(words) * size / _MEASURED


def plain(words: str) -> str:
    r"""Return text as one line without control characters.

    Example:
      >>> plain("red\n\u202efox \x00")
      'red fox'
    """
    return " ".join("".join(x if x.isprintable() or x in _JOINERS else " " for x in words).split())


def fitted(words: str, size: float, room: float, *, bold: bool = False) -> str:
    """Shorten a line of text until it fits into some room."""
    # What is cut off anyway is not measured: names may be of any length.
    most = int(room / (0.2 * size)) + 1
    short = words[:most]
    while short and text_width(_cut(short, words), size, bold=bold) > room:
        short = short[:-1]
    return _cut(short, words)


def _cut(short: str, words: str) -> str:
    return words if short == words else f"{short.rstrip()}…"
