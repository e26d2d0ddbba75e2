"""Pictures of an atlas cut into sizes a browser handles: tiles of icons at several levels."""

import io
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageEnhance

from jatlas.types import HostArray

TILE_PX = 640
"""About the width of a tile: few enough to draw 60 times a second, small enough to load lazily."""

_THUMB_PX = 160
_SMALLEST_ICON = 8
_QUALITY = 90
_SATURATION = 1.8


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


class Levels(NamedTuple):
    """How the sprite of a grid is cut into tiles.

    Attributes:
      cells: cells along each side of a tile at level 0; twice as many at each further level.
      icon_px: side of an icon in pixels at each level.
    """

    cells: int
    icon_px: tuple[int, ...]


def levels(size: int, icon_px: int) -> Levels:
    """Return how a sprite of icons is cut into tiles.

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


def cut(sprite: Image.Image, cells: HostArray, *, size: int, icon_px: int) -> Iterator[Tile]:
    """Cut a sprite into tiles; an area without icons has no tile.

    Args:
      sprite: size * icon_px pixels along each side.
      cells: (m,) row-major numbers of the cells that have an icon.
      size: cells along each side.
      icon_px: side of an icon in pixels.

    Yields:
      Tiles, level by level.
    """
    rows, columns = np.divmod(np.asarray(cells), size)
    shape = levels(size, icon_px)
    for level, px in enumerate(shape.icon_px):
        if px * size != sprite.width:
            sprite = sprite.resize((size * px, size * px), Image.Resampling.BOX)
        step = shape.cells << level
        for row, column in np.unique(np.stack([rows, columns], 1) // step, axis=0).tolist():
            left, top = column * step * px, row * step * px
            right, bottom = min(left + step * px, size * px), min(top + step * px, size * px)
            yield Tile(level, column, row, jpeg(sprite.crop((left, top, right, bottom))))


def strips(
    sprite: Image.Image, *, count: int, per_cell: int, px: int, columns: int, chunk: int
) -> Iterator[bytes]:
    """Cut a sprite of exemplars into pictures of `chunk` cells each, one row of crops per cell.

    Args:
      sprite: the crops of cell i, in the order of the grid's cells, lie side by side starting at
        pixel (i % columns * per_cell * px, i // columns * px).
      count: number of cells.
      per_cell: crops per cell.
      px: side of a crop in pixels.
      columns: cells in a row of the sprite.
      chunk: cells per picture.

    Yields:
      JPEG files.
    """
    width = per_cell * px
    for first in range(0, count, chunk):
        picture = Image.new("RGB", (width, min(chunk, count - first) * px))
        for line in range(min(chunk, count - first)):
            top, left = divmod(first + line, columns)
            box = (left * width, top * px, (left + 1) * width, (top + 1) * px)
            picture.paste(sprite.crop(box), (0, line * px))
        yield jpeg(picture)


def thumbnail(sprite: Image.Image, cells: HostArray, *, size: int) -> bytes:
    """Draw the whole map small, as a PNG that is transparent where there is no icon.

    Args:
      sprite: the icons of the grid.
      cells: (m,) row-major numbers of the cells that have an icon.
      size: cells along each side.
    """
    px = max(_THUMB_PX // size, 1)
    small = sprite.resize((size * px, size * px), Image.Resampling.BOX)
    # Averaging makes icons grey, and at this size colour is all that tells them apart.
    small = ImageEnhance.Color(small).enhance(_SATURATION)
    mask = np.zeros(size * size, np.uint8)
    mask[cells] = 255
    alpha = mask.reshape(size, size).repeat(px, 0).repeat(px, 1)
    file = io.BytesIO()
    Image.fromarray(np.dstack([np.asarray(small), alpha])).save(file, format="png", optimize=True)
    return file.getvalue()


def jpeg(picture: Image.Image) -> bytes:
    """Encode a picture as JPEG, without chroma subsampling: icons are saturated."""
    file = io.BytesIO()
    picture.save(file, format="jpeg", quality=_QUALITY, subsampling=0)
    return file.getvalue()
