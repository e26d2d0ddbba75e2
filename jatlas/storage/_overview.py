"""The picture of a grid: its icons, and the names of the regions around them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from jatlas import pixels
from jatlas.records import Regions
from jatlas.types import HostArray

_OVERVIEW_PX = 2400
_LETTERS = 0.024  # height of a line of text, as a share of the map's side
_LONGEST = 28  # letters of a name
_SLOPE = 0.15
_INK, _PAPER = (28, 32, 40), (255, 255, 255)


def overview(
    icons: HostArray, cells: HostArray, *, size: int, regions: Regions | None
) -> HostArray:
    """Draw a grid, at most 2,400 px wide, and beside it the names of the largest regions.

    Args:
      icons: (m, px, px, 3) uint8.
      cells: (m,) int row-major numbers of their cells, ascending.
      size: cells along each side.
      regions: of the map; None, or without any, the icons alone are drawn.

    Returns:
      (h, w, 3) uint8.
    """
    px = min(icons.shape[1], max(_OVERVIEW_PX // size, 1))
    picture = pixels.mosaic(icons, cells, size=size, px=px)
    if regions is None or not (regions.level == 0).any():
        return picture
    return _labelled(picture, regions)


def _labelled(picture: HostArray, regions: Regions) -> HostArray:
    """Write the names of regions left and right of a map, with a line to the middle of each."""
    side = picture.shape[0]
    line = max(round(side * _LETTERS), 9)
    font = _font(line)
    largest = np.flatnonzero(regions.level == 0).tolist()
    names = {i: _short(regions.names[i] or "") for i in largest}
    margin = round(max(font.getlength(name) for name in names.values())) + 4 * line
    sheet = Image.new("RGB", (side + 2 * margin, side), _PAPER)
    sheet.paste(Image.fromarray(picture), (margin, 0))
    draw = ImageDraw.Draw(sheet)
    for left, edge in ((True, 0), (False, 1)):
        here = [i for i in names if (regions.center[i, 0] < 0.5) == left]
        # Of two at one height, the line to the farther one passes below the nearer one.
        slope = [_SLOPE * abs(float(x) - edge) + float(y) for x, y in regions.center]
        here.sort(key=slope.__getitem__)
        heights = _apart([float(regions.center[i, 1]) * side for i in here], 2 * line, side)
        for i, height in zip(here, heights, strict=True):
            x, y = (regions.center[i] * side).tolist()
            end = margin - 2 * line if left else margin + side + 2 * line
            way = [(margin + x, y), (margin - line if left else margin + side + line, height)]
            way.append((end + line / 2 if left else end - line / 2, height))
            for width, colour in ((max(line // 3, 3), _PAPER), (max(line // 9, 1), _INK)):
                draw.line(way, fill=colour, width=width, joint="curve")
            dot = line / 4
            draw.ellipse(
                (margin + x - dot, y - dot, margin + x + dot, y + dot),
                fill=_INK, outline=_PAPER, width=max(line // 10, 1),
            )  # fmt: skip
            draw.text((end, height), names[i], font=font, fill=_INK, anchor="rm" if left else "lm")
    return np.asarray(sheet)


def _apart(wanted: list[float], gap: float, side: int) -> list[float]:
    """Move heights, ascending, so that they are some distance apart and within the picture."""
    heights: list[float] = []
    for each in wanted:
        heights.append(max(each, heights[-1] + gap if heights else gap))
    limit = side - gap
    for number in range(len(heights) - 1, -1, -1):
        heights[number] = min(heights[number], limit)
        limit = heights[number] - gap
    return heights


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1].rstrip()}…"


def _font(size: int) -> ImageFont.FreeTypeFont:
    import matplotlib  # has the font; not needed to read an atlas

    path = Path(matplotlib.get_data_path()) / "fonts/ttf/DejaVuSans.ttf"
    return ImageFont.truetype(path, size)
