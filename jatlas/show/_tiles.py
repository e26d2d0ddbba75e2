"""Pictures of an atlas cut into sizes a browser handles: tiles of icons at several levels."""

from __future__ import annotations

import functools
import io
import itertools
import os
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageEnhance

from jatlas.pixels import WHITE, mosaic
from jatlas.types import HostArray, in_order, release

TILE_PX = 640
"""About the width of a tile: few enough to draw 60 times a second, small enough to load lazily."""

_THUMB_PX = 160
_SMALLEST_ICON = 8
_QUALITY = 90
_SATURATION = 1.8
_THREADS = min(4, os.cpu_count() or 1)
_on_threads = functools.partial(in_order, workers=_THREADS, ahead=2 * _THREADS)


class Tile(NamedTuple):
    """One JPEG of icons.

    Attributes:
      level: 0 at full size; each further level halves the icons.
      column: counted in tiles from the left.
      row: counted in tiles from the top.
      data: the file.
    """

    level: int
    column: int
    row: int
    data: bytes


class _Drawn(NamedTuple):
    """A tile before it is encoded."""

    level: int
    column: int
    row: int
    picture: Image.Image


class Levels(NamedTuple):
    """How the icons of a grid are cut into tiles.

    Attributes:
      cells: cells along each side of a tile at level 0; twice as many at each further level.
      icon_px: side of an icon in pixels at each level.
    """

    cells: int
    icon_px: tuple[int, ...]


def levels(size: int, icon_px: int) -> Levels:
    """Return how the icons of a grid are cut into tiles.

    The last level is the one where the whole map fits into one tile, or where icons would get too
    small to tell apart.

    Args:
      size: cells along each side of the map.
      icon_px: side of an icon in pixels.

    Example:
      >>> levels(20, 80)
      Levels(cells=8, icon_px=(80, 40, 20))
    """
    cells = max(TILE_PX // icon_px, 1)
    sides = [icon_px]
    while cells << (len(sides) - 1) < size and sides[-1] > _SMALLEST_ICON:
        sides.append((sides[-1] + 1) // 2)
    return Levels(cells, tuple(sides))


def cut(icons: HostArray, cells: HostArray, *, size: int) -> Iterator[Tile]:
    """Cut the icons of a grid into tiles; an area without icons has no tile.

    No more than a few tiles are in memory at once.

    Args:
      icons: (m, px, px, 3) uint8, such as a file that is mapped.
      cells: (m,) row-major numbers of the cells that have an icon, ascending.
      size: cells along each side.

    Yields:
      Tiles: each after the four that it halves.
    """
    shape = levels(size, icons.shape[1])
    place = np.full((size, size), -1, np.int64)
    place.ravel()[cells] = np.arange(len(cells))
    top = len(shape.icon_px) - 1
    count = -(-size // (shape.cells << top))
    drawn = (
        picture
        for row in range(count)
        for column in range(count)
        for picture in _below(icons, place, shape, top, row, column)
    )
    yield from _on_threads(
        lambda one: Tile(one.level, one.column, one.row, jpeg(one.picture)), drawn
    )


def _below(
    icons: HostArray, place: HostArray, shape: Levels, level: int, row: int, column: int
) -> Iterator[_Drawn]:
    """Draw a tile and before it all those of which it is made; nothing where there are no icons.

    Args:
      icons: (m, px, px, 3) uint8.
      place: (size, size) number of each cell's icon, -1 for none.
      shape: of the tiles.
      level: of the tile.
      row: of the tile, in tiles.
      column: of the tile, in tiles.
    """
    step = shape.cells << level
    part = place[row * step : (row + 1) * step, column * step : (column + 1) * step]
    if not part.size or part.max() < 0:
        return
    px = shape.icon_px[level]
    if level == 0:
        yield _Drawn(0, column, row, _picture(icons, part))
        return
    picture = Image.new("RGB", (part.shape[1] * px, part.shape[0] * px), "white")
    for below in itertools.product((2 * row, 2 * row + 1), (2 * column, 2 * column + 1)):
        drawn = None
        for drawn in _below(icons, place, shape, level - 1, *below):
            yield drawn
        if drawn is not None:  # the last is the tile itself
            wide, high = (side // shape.icon_px[level - 1] * px for side in drawn.picture.size)
            small = drawn.picture.resize((wide, high), Image.Resampling.BOX)
            top, left = (number % 2 * (step // 2) * px for number in below)
            picture.paste(small, (left, top))
    yield _Drawn(level, column, row, picture)


def _picture(icons: HostArray, place: HostArray) -> Image.Image:
    """Draw the icons of a part of a grid, at their own size."""
    rows, columns = np.nonzero(place >= 0)
    px = icons.shape[1]
    table = np.full((place.shape[0], px, place.shape[1], px, 3), WHITE, np.uint8)
    table[rows, :, columns] = icons[place[rows, columns]]
    release(icons)
    return Image.fromarray(table.reshape(place.shape[0] * px, place.shape[1] * px, 3))


def strips(crops: HostArray, *, chunk: int) -> Iterator[bytes]:
    """Lay exemplars out in pictures of `chunk` cells each, one row of crops per cell.

    Args:
      crops: (m, k, px, px, 3) uint8, such as a file that is mapped.
      chunk: cells per picture.

    Yields:
      JPEG files.
    """
    _, each, px = crops.shape[:3]

    def picture(first: int) -> bytes:
        part = crops[first : first + chunk].transpose(0, 2, 1, 3, 4).reshape(-1, each * px, 3)
        release(crops)
        return jpeg(Image.fromarray(part))

    yield from _on_threads(picture, range(0, len(crops), chunk))


def thumbnail(icons: HostArray, cells: HostArray, *, size: int) -> bytes:
    """Draw the whole map small, as a PNG that is transparent where there is no icon.

    Args:
      icons: (m, px, px, 3) uint8.
      cells: (m,) row-major numbers of the cells that have an icon, ascending.
      size: cells along each side.
    """
    px = max(_THUMB_PX // size, 1)
    small = mosaic(icons, cells, size=size, px=px, resample=Image.Resampling.BOX)
    # Averaging makes icons grey, and at this size colour is all that tells them apart.
    vivid = ImageEnhance.Color(Image.fromarray(small)).enhance(_SATURATION)
    mask = np.zeros(size * size, np.uint8)
    mask[cells] = 255
    alpha = mask.reshape(size, size).repeat(px, 0).repeat(px, 1)
    file = io.BytesIO()
    Image.fromarray(np.dstack([np.asarray(vivid), alpha])).save(file, format="png", optimize=True)
    return file.getvalue()


def jpeg(picture: Image.Image) -> bytes:
    """Encode a picture as JPEG, without chroma subsampling: icons are saturated."""
    file = io.BytesIO()
    picture.save(file, format="jpeg", quality=_QUALITY, subsampling=0)
    return file.getvalue()
