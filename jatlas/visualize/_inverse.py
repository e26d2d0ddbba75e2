"""From images back to what is optimized."""

import jax.numpy as jnp
import numpy as np

from jatlas.types import Array, HostArray

DARKEST = 0.02
"""Pixels are kept this far from 0 and 1: the sigmoid has hardly a gradient there."""


def rgb_to_planes(image: Array, *, colors: HostArray) -> Array:
    """Return the planes that `planes_to_rgb` turns into an image, but for black and white.

    Args:
      image: (..., 3) RGB in [0, 1], which is clipped to 0.02 to 0.98.
      colors: (3, 3) from the decorrelated axes to red, green and blue.

    Returns:
      (..., 3) along the decorrelated axes.
    """
    shown = jnp.clip(image, DARKEST, 1 - DARKEST)
    values = jnp.log(shown) - jnp.log1p(-shown)
    inverse = np.linalg.pinv(colors.astype(np.float64)).astype(np.float32)
    red, green, blue = (values[..., axis] for axis in range(3))
    planes = [row[0] * red + row[1] * green + row[2] * blue for row in inverse]
    return jnp.stack(planes, axis=-1)


def planes_to_spectrum(planes: Array, *, gain: HostArray) -> Array:
    """Return the spectrum of planes: (h, w, c) to (2, c, h, w // 2 + 1).

    Args:
      planes: (h, w, c).
      gain: ([c,] h, w // 2 + 1) that the inverse transform multiplies a spectrum with; frequencies
        where it is 0 become 0.
    """
    spectrum = jnp.fft.rfft2(jnp.moveaxis(planes, -1, 0))
    gain = gain.reshape(-1, *gain.shape[-2:])
    scaled = jnp.where(gain > 0, spectrum / jnp.where(gain > 0, gain, 1), 0)
    return jnp.stack([scaled.real, scaled.imag])
