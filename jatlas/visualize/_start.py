"""Icons that begin as images."""

from typing import Any, Protocol

import jax.numpy as jnp
import numpy as np

from jatlas.types import Array, HostArray, Key, checks
from jatlas.visualize._config import RenderConfig

_MAX_SIGMA = 1000


class FromImage(Protocol):
    """A parameterization whose icons can begin as images."""

    def init_as(self, image: Array, *, key: Key) -> Any:
        """Return the parameters of an icon that begins as (size, size, 3) in [0, 1]."""


def from_image(config: RenderConfig) -> FromImage:
    """Return the parameterization; raises ValueError if its icons cannot begin as images."""
    found: Any = config.parameterization
    if not hasattr(found, "init_as"):
        raise ValueError(
            f"start: expected a parameterization with init_as, got {type(found).__name__}"
        )
    made: FromImage = found
    return made


def check_start(
    config: RenderConfig, start: Array | HostArray | None, *, count: int
) -> HostArray | None:
    """Return the images that icons begin as, float32.

    Args:
      config: settings of the icons.
      start: (n, icon_size, icon_size, 3) in [0, 1], or None.
      count: how many there must be.

    Raises:
      ValueError: for images of another shape, number or range, or a parameterization that cannot
        begin as one.
    """
    if start is None:
        return None
    from_image(config)
    images, size = np.asarray(start), config.icon_size
    if images.shape != (count, size, size, 3) or not np.issubdtype(images.dtype, np.floating):
        raise ValueError(
            f"start: expected float images ({count}, {size}, {size}, 3), got {images.dtype} "
            f"{images.shape}"
        )
    if not ((images >= 0) & (images <= 1)).all():
        raise ValueError("start: expected values in [0, 1], got others")
    return images.astype(np.float32)


def low_pass(image: Array, *, sigma: float) -> Array:
    """Blur an image with a Gaussian: what is left can be a start, and still become an icon.

    Beyond its border the image is mirrored.

    A pure function: it works under `jit`, `vmap` and `grad`.

    Args:
      image: (h, w, channels).
      sigma: standard deviation of the Gaussian in pixels, above 0.

    Returns:
      (h, w, channels).

    Raises:
      ValueError: for a sigma that is no such number, or above 1000.

    Example:
      >>> image = jnp.array([0.0, 1.0] * 8)[:, None, None] * jnp.ones((16, 16, 3))
      >>> blurred = low_pass(image, sigma=4.0)
      >>> blurred.shape, bool(jnp.abs(blurred - 0.5).max() < 0.05)
      ((16, 16, 3), True)
    """
    sigma = checks.number("sigma", sigma, above=0, limit=_MAX_SIGMA)
    for axis in (0, 1):
        mirrored = jnp.concatenate([image, jnp.flip(image, axis)], axis)
        frequency = np.fft.rfftfreq(mirrored.shape[axis])
        gain = np.exp(-2 * np.square(np.pi * sigma * frequency)).astype(np.float32)
        shape = [1] * image.ndim
        shape[axis] = len(gain)
        spectrum = jnp.fft.rfft(mirrored, axis=axis) * gain.reshape(shape)
        blurred = jnp.fft.irfft(spectrum, n=mirrored.shape[axis], axis=axis)
        image = jnp.take(blurred, np.arange(image.shape[axis]), axis=axis)
    return image
