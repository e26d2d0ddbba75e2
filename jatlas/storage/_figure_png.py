"""A figure as pixels."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw

from jatlas.storage._figure import (
    GROUND,
    INK,
    MUTED,
    Box,
    Dot,
    Figure,
    Line,
    Picture,
    Text,
    font,
)
from jatlas.types import HostArray

_FINE = 4  # times finer that lines are drawn, which Pillow leaves jagged
_ANCHORS = {"start": "ls", "middle": "ms", "end": "rs"}

_Colour = tuple[int, int, int]
_Bounds = tuple[float, float, float, float]


def to_pixels(figure: Figure) -> HostArray:
    """Draw a figure: (h, w, 3) uint8."""
    sheet = Image.new("RGB", (figure.width, figure.height), GROUND)
    for part in figure.parts:
        match part:
            case Picture():
                sheet.paste(Image.fromarray(part.pixels), (part.x, part.y))
            case Text():
                _write(sheet, part)
            case Line():
                for width, colour in ((part.width + 2 * part.halo, GROUND), (part.width, INK)):
                    _line(sheet, part, width, colour)
            case Dot():
                for radius, colour in ((part.radius + part.halo, GROUND), (part.radius, INK)):
                    bounds = (part.x - radius, part.y - radius, part.x + radius, part.y + radius)
                    _paint(sheet, bounds, colour, lambda draw, box: draw.ellipse(box, fill=255))
            case Box():
                _box(sheet, part)
    return np.asarray(sheet)


def _write(sheet: Image.Image, text: Text) -> None:
    ImageDraw.Draw(sheet).text(
        (text.x, text.y),
        text.words,
        font=font(text.size, bold=text.bold),
        fill=MUTED if text.muted else INK,
        anchor=_ANCHORS[text.anchor],
    )


def _line(sheet: Image.Image, line: Line, width: float, colour: _Colour) -> None:
    xs, ys = zip(*line.points, strict=True)
    bounds = (min(xs) - width, min(ys) - width, max(xs) + width, max(ys) + width)

    def paint(draw: ImageDraw.ImageDraw, box: _Bounds) -> None:
        way = [
            (box[0] + (x - bounds[0]) * _FINE, box[1] + (y - bounds[1]) * _FINE)
            for x, y in line.points
        ]
        draw.line(way, fill=255, width=round(width * _FINE), joint="curve")

    _paint(sheet, bounds, colour, paint)


def _box(sheet: Image.Image, box: Box) -> None:
    bounds = (box.x, box.y, box.x + box.side, box.y + box.side)

    def paint(draw: ImageDraw.ImageDraw, fine: _Bounds) -> None:
        fine = (fine[0], fine[1], fine[2] - 1, fine[3] - 1)  # Pillow includes the end
        if box.line is None:
            draw.rectangle(fine, fill=255)
        else:
            draw.rectangle(fine, outline=255, width=max(round(box.line * _FINE), 1))

    _paint(sheet, bounds, MUTED, paint)


def _paint(
    sheet: Image.Image,
    bounds: _Bounds,
    colour: _Colour,
    paint: Callable[[ImageDraw.ImageDraw, _Bounds], None],
) -> None:
    """Paint a shape finely, scale it down, and lay it on the sheet in a colour.

    Args:
      sheet: what is painted on.
      bounds: left, top, right and bottom of the shape.
      colour: of the shape.
      paint: (draw, bounds on the fine picture) paints it in 255.
    """
    left, top = int(np.floor(bounds[0])), int(np.floor(bounds[1]))
    width, height = int(np.ceil(bounds[2])) - left, int(np.ceil(bounds[3])) - top
    fine = Image.new("L", (width * _FINE, height * _FINE))
    x0, y0, x1, y1 = ((x - (left, top)[i % 2]) * _FINE for i, x in enumerate(bounds))
    paint(ImageDraw.Draw(fine), (x0, y0, x1, y1))
    mask = fine.reduce(_FINE)
    sheet.paste(colour, (left, top, left + width, top + height), mask)
