"""Images as something better to optimize than pixels: a colour-decorrelated Fourier spectrum."""

import math

import jax
import jax.numpy as jnp
import numpy as np

from jatlas.types import Array, HostArray, Key

INITIAL_SPREAD = 0.01
"""Standard deviation of a fresh spectrum's entries (lucid): an almost uniform grey."""

_GAIN = 0.25
# The square root of the colour covariance of ImageNet images, as lucid publishes it.
# Rows are red, green and blue; columns are the decorrelated axes.
_COLOR_ROOT = np.array([[0.26, 0.09, 0.02], [0.27, 0.00, -0.05], [0.27, -0.09, 0.03]])


def color_correlation() -> HostArray:
    """Return the (3, 3) matrix from decorrelated axes (columns) to red, green and blue (rows).

    It is scaled so that its longest column has length 1.

    Reference:
      Olah, Mordvintsev and Schubert, "Feature Visualization", Distill 2017; the constants are
      those of lucid's `optvis/param/color.py`.
    """
    longest = np.linalg.norm(_COLOR_ROOT, axis=0).max()
    return (_COLOR_ROOT / longest).astype(np.float32)


def frequency_gain(height: int, width: int) -> HostArray:
    """Return the (height, width // 2 + 1) factors that give each frequency a natural energy.

    1 / f with f in cycles per pixel, at least one cycle per image, times sqrt(height * width).
    """
    vertical = np.fft.fftfreq(height)[:, None]
    horizontal = np.fft.rfftfreq(width)[None, :]
    frequency = np.hypot(vertical, horizontal)
    floor = 1.0 / max(height, width)
    return (np.sqrt(height * width) / np.maximum(frequency, floor)).astype(np.float32)


def init_spectrum(height: int, width: int, *, key: Key) -> Array:
    """Draw the spectrum of one icon.

    Returns:
      (2, 3, height, width // 2 + 1) float32: real and imaginary part, colour axis, frequencies.
    """
    shape = (2, 3, height, width // 2 + 1)
    # Flat, then shaped: the same numbers, and XLA compiles them 6 to 20 times faster on a CPU.
    flat = jax.random.normal(key, (math.prod(shape),), jnp.float32)
    return INITIAL_SPREAD * flat.reshape(shape)


def spectrum_to_planes(spectrum: Array, *, width: int) -> Array:
    """Turn a spectrum into the image before colour: (2, 3, h, w // 2 + 1) -> (h, width, 3).

    Reference:
      lucid's `param.fft_image`: the inverse real FFT of the scaled spectrum, divided by 4.
    """
    height = spectrum.shape[-2]
    scaled = frequency_gain(height, width) * (spectrum[0] + 1j * spectrum[1])
    planes = jnp.fft.irfft2(scaled, s=(height, width))
    return _GAIN * jnp.moveaxis(planes, 0, -1)


def planes_to_rgb(planes: Array) -> Array:
    """Correlate the colours of (..., 3) planes and squash them into (0, 1)."""
    correlate = jnp.asarray(color_correlation().T)
    rgb = jnp.matmul(planes, correlate, precision=jax.lax.Precision.HIGHEST)
    return jax.nn.sigmoid(rgb)


def spectrum_to_image(spectrum: Array, *, width: int) -> Array:
    """Turn a spectrum (2, 3, h, w // 2 + 1) into an image (h, width, 3) in (0, 1)."""
    return planes_to_rgb(spectrum_to_planes(spectrum, width=width))
