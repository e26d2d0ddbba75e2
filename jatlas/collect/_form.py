"""What an array must be like to be an image, or a batch of images."""

from jatlas.types import HostArray


def is_rgb(shape: tuple[int, ...]) -> bool:
    """Return whether an array of this shape holds RGB images of at least one pixel.

    Example:
      >>> is_rgb((8, 8, 3)), is_rgb((8, 8, 4)), is_rgb((0, 8, 3))
      (True, False, False)
    """
    return shape[-1:] == (3,) and 0 not in shape[-3:]


def form_of(array: HostArray) -> str:
    """Return the size and type of images, for comparison and for messages.

    Example:
      >>> import numpy as np
      >>> form_of(np.zeros((8, 6, 3), np.uint8))
      '(8, 6, 3) uint8'
    """
    size = ", ".join(str(side) for side in array.shape[-3:])
    return f"({'b, ' if array.ndim == 4 else ''}{size}) {array.dtype.name}"
