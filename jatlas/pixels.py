"""Arrays to pictures: uint8 pixels, sheets of pictures, icons laid out on a grid."""

import numpy as np
from PIL import Image

from jatlas.types import HostArray, release

WHITE = 255


def to_uint8(images: HostArray) -> HostArray:
    """Turn float images in [0, 1] into uint8, rounded; values outside are clipped.

    Example:
      >>> to_uint8(np.array([0.0, 0.5, 1.2])).tolist()
      [0, 128, 255]
    """
    return np.round(np.clip(images, 0.0, 1.0) * 255).astype(np.uint8)


def resized(picture: HostArray, px: int) -> HostArray:
    """Scale a picture to a square.

    Args:
      picture: (h, w, 3) uint8.
      px: side of the result, in pixels.

    Returns:
      (px, px, 3) uint8; the very picture if it has that size.

    Example:
      >>> resized(np.zeros((4, 4, 3), np.uint8), 2).shape
      (2, 2, 3)
    """
    if picture.shape[:2] == (px, px):
        return picture
    return np.asarray(Image.fromarray(picture).resize((px, px), Image.Resampling.BICUBIC))


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


def mosaic(
    icons: HostArray,
    cells: HostArray,
    *,
    size: int,
    px: int,
    resample: Image.Resampling = Image.Resampling.LANCZOS,
) -> HostArray:
    """Lay icons out on a square grid; cells without an icon are white.

    One row of cells is handled at a time: at full size, those of a large grid fill gigabytes.

    Args:
      icons: (m, icon px, icon px, 3) uint8.
      cells: (m,) int row-major cell numbers, ascending.
      size: cells along each side.
      px: side of a cell in the result, in pixels.
      resample: how icons are scaled.

    Returns:
      (size * px, size * px, 3) uint8.

    Example:
      >>> mosaic(np.zeros((1, 8, 8, 3), np.uint8), np.array([1]), size=2, px=8)[::8, ::8, 0]
      array([[255,   0],
             [255, 255]], dtype=uint8)
    """
    laid_out = np.full((size, px, size * px, 3), WHITE, np.uint8)
    starts = np.searchsorted(cells, np.arange(size + 1) * size)
    for row in range(size):
        part = slice(starts[row], starts[row + 1])
        if part.start == part.stop:
            continue
        line = _line(icons[part], cells[part] % size, size=size)
        if px != icons.shape[1]:
            small = Image.fromarray(line).resize((size * px, px), resample, reducing_gap=2.0)
            line = np.asarray(small)
        laid_out[row] = line
        release(icons)
    return laid_out.reshape(size * px, size * px, 3)


def _line(icons: HostArray, columns: HostArray, *, size: int) -> HostArray:
    """Lay icons out in one row of a grid: (px, size * px, 3)."""
    px = icons.shape[1]
    line = np.full((px, size, px, 3), WHITE, np.uint8)
    line[:, columns] = icons.transpose(1, 0, 2, 3)
    return line.reshape(px, size * px, 3)
