"""Arrays to pictures and back: uint8 pixels, sheets of icons, scaled-down copies."""

import math

import numpy as np
from PIL import Image

from jatlas.types import HostArray

WHITE = 255


def to_uint8(images: HostArray) -> HostArray:
    """Turn float images in [0, 1] into uint8, rounded; values outside are clipped.

    Example:
      >>> to_uint8(np.array([0.0, 0.5, 1.2])).tolist()
      [0, 128, 255]
    """
    return np.round(np.clip(images, 0.0, 1.0) * 255).astype(np.uint8)


def contact_sheet(pictures: HostArray, *, columns: int) -> HostArray:
    """Lay pictures out in rows, from left to right; the rest of the last row is white.

    Args:
      pictures: (n, h, w, 3) uint8.
      columns: pictures in a row.

    Returns:
      (rows * h, columns * w, 3) uint8.

    Example:
      >>> contact_sheet(np.zeros((3, 4, 4, 3), np.uint8), columns=2).shape
      (8, 8, 3)
    """
    count, height, width = pictures.shape[:3]
    rows = -(-count // columns)
    table = np.full((rows * columns, height, width, 3), WHITE, np.uint8)
    table[:count] = pictures
    lines = table.reshape(rows, columns, height, width, 3).transpose(0, 2, 1, 3, 4)
    return lines.reshape(rows * height, columns * width, 3)


def split_sheet(sheet: HostArray, *, count: int, height: int, width: int) -> HostArray:
    """Take the first pictures of a sheet out again: the inverse of `contact_sheet`.

    Args:
      sheet: (rows * height, columns * width, 3) uint8.
      count: number of pictures, at most rows * columns.
      height: of a picture, in pixels.
      width: of a picture, in pixels.

    Returns:
      (count, height, width, 3) uint8.
    """
    lines = sheet.reshape(-1, height, sheet.shape[1] // width, width, 3).transpose(0, 2, 1, 3, 4)
    return lines.reshape(-1, height, width, 3)[:count]


def sprite(icons: HostArray, cells: HostArray, *, size: int) -> HostArray:
    """Lay icons out on a square grid; cells without an icon are white.

    Args:
      icons: (m, px, px, 3) uint8.
      cells: (m,) int row-major cell numbers.
      size: cells along each side.

    Returns:
      (size * px, size * px, 3) uint8; cell (row, column) begins at pixel (row * px, column * px).

    Example:
      >>> sprite(np.zeros((1, 2, 2, 3), np.uint8), np.array([3]), size=2)[:, :, 0].tolist()
      [[255, 255, 255, 255], [255, 255, 255, 255], [255, 255, 0, 0], [255, 255, 0, 0]]
    """
    px = icons.shape[1]
    grid = np.full((size, px, size, px, 3), WHITE, np.uint8)
    rows, columns = np.divmod(cells, size)
    grid[rows, :, columns] = icons
    return grid.reshape(size * px, size * px, 3)


def crop_columns(cells: int) -> int:
    """Return the number of cells in a row of `join_crops`."""
    return max(math.isqrt(cells), 1)


def join_crops(crops: HostArray) -> HostArray:
    """Lay the crops of all cells out in one picture, those of a cell side by side.

    Args:
      crops: (m, k, px, px, 3) uint8.

    Returns:
      (rows * px, crop_columns(m) * k * px, 3) uint8.
    """
    cells, each, px = crops.shape[:3]
    strips = crops.transpose(0, 2, 1, 3, 4).reshape(cells, px, each * px, 3)
    return contact_sheet(strips, columns=crop_columns(cells))


def split_crops(picture: HostArray, *, cells: int, each: int, px: int) -> HostArray:
    """Take the crops of all cells out again: the inverse of `join_crops`.

    Args:
      picture: (rows * px, columns * each * px, 3) uint8.
      cells: number of cells.
      each: crops of a cell.
      px: side of a crop in pixels.

    Returns:
      (cells, each, px, px, 3) uint8.
    """
    strips = split_sheet(picture, count=cells, height=px, width=each * px)
    return strips.reshape(cells, px, each, px, 3).transpose(0, 2, 1, 3, 4)


def shrink(pixels: HostArray, *, longest: int) -> HostArray:
    """Scale an image (h, w, 3) uint8 down until no side is longer than `longest` pixels."""
    height, width = pixels.shape[:2]
    if max(height, width) <= longest:
        return pixels
    scale = longest / max(height, width)
    small = Image.fromarray(pixels).resize(
        (max(round(width * scale), 1), max(round(height * scale), 1)), Image.Resampling.LANCZOS
    )
    return np.asarray(small)
