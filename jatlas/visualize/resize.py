"""From coarse to fine: the spectrum of the same picture on another canvas."""

import jax
import jax.numpy as jnp
import numpy as np

from jatlas.types import Array, HostArray
from jatlas.visualize.parameterize import SCALE, Fourier, spectrum_to_planes


def resize_spectrum(spectrum: Array, size: int, *, fourier: Fourier | None = None) -> Array:
    """Return the spectrum that shows the same picture on a canvas of another size.

    A larger canvas gets no new frequencies, a smaller one loses those it cannot hold. Where the
    new size is a multiple of the old one, every so many pixels are those of the old canvas,
    beginning with the first; so the centres of the others lie half an old pixel less half a new
    one further to the top left than a stretched picture would have them.

    Args:
      spectrum: (2, channels, n, n // 2 + 1) parameters of one icon of n x n pixels.
      size: side of the new canvas in pixels.
      fourier: what the spectrum belongs to; None means `Fourier()`.

    Returns:
      (2, channels, size, size // 2 + 1).

    Raises:
      ValueError: for a spectrum that is not that of a square, or a size below 1.
    """
    old = spectrum.shape[-2]
    if spectrum.ndim != 4 or len(spectrum) != 2 or spectrum.shape[-1] != old // 2 + 1:
        raise ValueError(f"spectrum: expected (2, channels, n, n // 2 + 1), got {spectrum.shape}")
    if size < 1:
        raise ValueError(f"size: expected at least 1 pixel, got {size}")
    fourier = Fourier() if fourier is None else fourier
    # By way of the picture: its transform has each frequency once and nothing that shows nowhere.
    planes = spectrum_to_planes(spectrum, width=old, gain=fourier.gain(old))
    matrix = jnp.asarray(_frequency_map(old, size), jnp.complex64)
    moved = jnp.einsum(
        "mk,klc,nl->cmn",
        matrix,
        jnp.fft.fft2(planes, axes=(0, 1)),
        matrix,
        precision=jax.lax.Precision.HIGHEST,
    )[..., : size // 2 + 1]
    # A transform grows with the number of pixels; where the gain is 0 nothing can be shown.
    gain = fourier.gain(size)
    moved = (size / old) ** 2 / SCALE * moved / jnp.where(gain > 0, gain, jnp.inf)
    return jnp.stack([moved.real, moved.imag])


def _frequency_map(old: int, new: int) -> HostArray:
    """Return the (new, old) matrix that moves each frequency of an FFT to its new place.

    With an even number of samples the highest frequency is its own negative: it is shared among
    the two on the way up, and they are added on the way down.
    """
    matrix = np.zeros((new, old), np.float32)
    most = min(old, new) // 2
    for cycles in range(-most, most + 1):
        matrix[cycles % new, cycles % old] += 0.5 if 2 * abs(cycles) == old else 1.0
    return matrix
