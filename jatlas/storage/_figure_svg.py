"""A figure as SVG: lines and text as such, the picture embedded."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from html import escape

from PIL import Image

from jatlas.storage._figure import (
    FAMILY,
    GROUND,
    INK,
    MUTED,
    Box,
    Dot,
    Figure,
    Line,
    Picture,
    Text,
)
from jatlas.types import HostArray

_QUALITY = 92
# Verdana is as wide; where neither is installed, text gets narrower, and stays within the figure.
_FONTS = f"'{FAMILY}', Verdana, Geneva, sans-serif"
_GROUND, _INK, _MUTED = ("#{:02x}{:02x}{:02x}".format(*x) for x in (GROUND, INK, MUTED))


def to_svg(figure: Figure) -> str:
    """Write a figure as one SVG file, which refers to no other."""
    width, height = figure.width, figure.height
    lines = [
        # Not href: Illustrator and older versions of LibreOffice know only the name of SVG 1.1.
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img" '
        f'font-family="{_FONTS}">',
        f"<title>{escape(figure.title)}</title>",
        f'<rect width="{width}" height="{height}" fill="{_GROUND}"/>',
    ]
    for part in figure.parts:
        lines.extend(_elements(part))
    return "\n".join([*lines, "</svg>\n"])


def _elements(part: Text | Line | Dot | Box | Picture) -> Iterator[str]:
    match part:
        case Picture(x, y, pixels):
            height, width = pixels.shape[:2]
            yield (
                f'<image x="{x}" y="{y}" width="{width}" height="{height}" '
                f'xlink:href="data:image/jpeg;base64,{_jpeg(pixels)}"/>'
            )
        case Text():
            weight = ' font-weight="bold"' if part.bold else ""
            yield (
                f'<text x="{_number(part.x)}" y="{_number(part.y)}" '
                f'font-size="{_number(part.size)}" text-anchor="{part.anchor}"{weight} '
                f'fill="{_MUTED if part.muted else _INK}">{escape(part.words)}</text>'
            )
        case Line(points, width, halo):
            way = " ".join(f"{_number(x)},{_number(y)}" for x, y in points)
            for stroke, colour in ((width + 2 * halo, _GROUND), (width, _INK)):
                yield (
                    f'<polyline points="{way}" fill="none" stroke="{colour}" '
                    f'stroke-width="{_number(stroke)}" stroke-linejoin="round"/>'
                )
        case Dot(x, y, radius, halo):
            yield (
                f'<circle cx="{_number(x)}" cy="{_number(y)}" r="{_number(radius + halo / 2)}" '
                f'fill="{_INK}" stroke="{_GROUND}" stroke-width="{_number(halo)}"/>'
            )
        case Box(x, y, side, line):
            # The outline lies within the box, where SVG would draw it on its edge.
            inset = 0.0 if line is None else line / 2
            style = f'fill="{_MUTED}"'
            if line is not None:
                style = f'fill="none" stroke="{_MUTED}" stroke-width="{_number(line)}"'
            yield (
                f'<rect x="{_number(x + inset)}" y="{_number(y + inset)}" '
                f'width="{_number(side - 2 * inset)}" height="{_number(side - 2 * inset)}" '
                f"{style}/>"
            )


def _jpeg(pixels: HostArray) -> str:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format="jpeg", quality=_QUALITY, subsampling=0)
    return base64.b64encode(file.getvalue()).decode()


def _number(value: float) -> str:
    return f"{value:.6g}"
