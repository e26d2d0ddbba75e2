"""Whole images, small enough to be shown."""

import os
from typing import BinaryIO

import numpy as np
from PIL import Image

from jatlas.collect._decode import opaque, opened, upright
from jatlas.collect._preprocess import Preprocess
from jatlas.types import HostArray, checks


def read_whole(
    file: str | os.PathLike[str] | BinaryIO,
    *,
    px: int,
    max_pixels: int = Preprocess.max_pixels,
) -> HostArray:
    """Read one image file as `decode` does, but whole, scaled down where it is larger.

    Args:
      file: a path, or a seekable binary stream.
      px: the longer side of the result in pixels, at most; a smaller image stays as it is.
      max_pixels: files with more pixels than this are not decoded.

    Returns:
      (h, w, 3) uint8 RGB, upright.

    Raises:
      ImageError: as `decode`.

    Example:
      >>> import io
      >>> file = io.BytesIO()
      >>> Image.new("RGB", (40, 30), "red").save(file, "PNG")
      >>> read_whole(file, px=20).shape
      (15, 20, 3)
    """
    px = checks.whole("px", px, maximum=checks.MAX_SIDE, unit="pixel")
    with opened(file, max_pixels=max_pixels) as image:
        # A JPEG decodes at a fraction of its size, and is still twice as large as the result.
        image.draft(None, _scaled(image.size, 2 * px))
        whole = opaque(upright(image))
        size = _scaled(whole.size, px)
        return np.asarray(whole.resize(size, Image.Resampling.BICUBIC, reducing_gap=3.0))


def _scaled(size: tuple[int, int], px: int) -> tuple[int, int]:
    """Return width and height scaled down to at most `px` on the longer side."""
    scale = min(px / max(size), 1.0)
    return max(round(size[0] * scale), 1), max(round(size[1] * scale), 1)
