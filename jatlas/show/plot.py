"""Atlases as pictures: contact sheets of icons."""

import numpy as np

from jatlas.types import HostArray

WHITE = 255


def to_uint8(images: HostArray) -> HostArray:
    """Turn float images in [0, 1] into uint8, rounded."""
    return np.round(np.clip(images, 0.0, 1.0) * 255).astype(np.uint8)


def sprite(icons: HostArray, cells: HostArray, *, size: int) -> HostArray:
    """Lay icons out on a square grid; where there is none it is white.

    Args:
      icons: (m, px, px, 3) uint8.
      cells: (m,) int row-major cell numbers.
      size: cells along each side.

    Returns:
      (size * px, size * px, 3) uint8; cell (row, column) at pixel (row * px, column * px).
    """
    px = icons.shape[1]
    grid = np.full((size, px, size, px, 3), WHITE, np.uint8)
    rows, columns = np.divmod(cells, size)
    grid[rows, :, columns] = icons
    return grid.reshape(size * px, size * px, 3)


def shrink(pixels: HostArray, *, longest: int) -> HostArray:
    """Scale an image (h, w, 3) uint8 down until no side is longer than `longest`."""
    from PIL import Image

    height, width = pixels.shape[:2]
    if max(height, width) <= longest:
        return pixels
    scale = longest / max(height, width)
    small = Image.fromarray(pixels).resize(
        (max(round(width * scale), 1), max(round(height * scale), 1)), Image.Resampling.LANCZOS
    )
    return np.asarray(small)
