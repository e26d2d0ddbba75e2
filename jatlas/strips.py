"""The exemplars of a grid's cells as one picture, and back."""

import math

import numpy as np

from jatlas.types import HostArray

_WHITE = 255


def columns(cells: int) -> int:
    """Return how many cells lie side by side in the picture that `join` makes."""
    return max(math.isqrt(cells), 1)


def join(crops: HostArray) -> HostArray:
    """Lay the exemplars of cells out in one picture, those of a cell side by side.

    Args:
      crops: (m, k, px, px, 3) uint8.

    Returns:
      (rows * px, columns(m) * k * px, 3) uint8; those of cell i begin at pixel
      (i // columns * px, i % columns * k * px). White where there is no cell.
    """
    cells, each, px = crops.shape[:3]
    wide = columns(cells)
    rows = -(-cells // wide)
    grid = np.full((rows * wide, each, px, px, 3), _WHITE, np.uint8)
    grid[:cells] = crops
    lines = grid.reshape(rows, wide, each, px, px, 3).transpose(0, 3, 1, 2, 4, 5)
    return lines.reshape(rows * px, wide * each * px, 3)


def split(picture: HostArray, *, cells: int, each: int, px: int, columns: int) -> HostArray:
    """Take a picture apart as `join` made it.

    Args:
      picture: (rows * px, columns * each * px, 3) uint8.
      cells: how many cells there are, at most rows * columns.
      each: exemplars of a cell.
      px: side of an exemplar.
      columns: cells side by side.

    Returns:
      (cells, each, px, px, 3) uint8.
    """
    lines = picture.reshape(-1, px, columns, each, px, 3).transpose(0, 2, 3, 1, 4, 5)
    return lines.reshape(-1, each, px, px, 3)[:cells]
