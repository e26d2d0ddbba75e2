"""What an array must be like to be an image, or a batch of images."""

from typing import Any

import numpy as np

from jatlas.types import HostArray

FORM = "uint8 or float in [0, 1]"
_ROUNDING = 1e-4  # how far a resize in floats overshoots: less than a step of 8 bits


def is_rgb(shape: tuple[int, ...]) -> bool:
    """Return whether an array of this shape holds RGB images of at least one pixel.

    Example:
      >>> is_rgb((8, 8, 3)), is_rgb((8, 8, 4)), is_rgb((0, 8, 3))
      (True, False, False)
    """
    return shape[-1:] == (3,) and 0 not in shape[-3:]


def check_values(name: str, array: Any) -> HostArray:
    """Check the values of images.

    Args:
      name: of the images, for messages.
      array: of any shape.

    Returns:
      The array as uint8 or float32 in [0, 1].

    Raises:
      ValueError: if it is of another type, or values are not finite or out of range.
    """
    array = np.asarray(array)
    if array.dtype == np.uint8:
        return array
    if array.dtype.kind != "f" and array.dtype.name != "bfloat16":
        raise ValueError(f"{name}: expected {FORM}, got type {array.dtype.name}")
    array = array.astype(np.float32)
    lowest, highest = (array.min(), array.max()) if array.size else (0, 1)
    # "Not inside" rather than "outside", which would let NaN pass.
    if not (lowest >= -_ROUNDING and highest <= 1 + _ROUNDING):
        raise ValueError(f"{name}: expected {FORM}, got values from {lowest:.6g} to {highest:.6g}")
    return np.clip(array, 0, 1) if lowest < 0 or highest > 1 else array


def form_of(array: HostArray) -> str:
    """Return the size and type of images, for comparison and for messages.

    Example:
      >>> form_of(np.zeros((8, 6, 3), np.uint8))
      '(8, 6, 3) uint8'
    """
    size = ", ".join(str(side) for side in array.shape[-3:])
    return f"({'b, ' if array.ndim == 4 else ''}{size}) {array.dtype.name}"
