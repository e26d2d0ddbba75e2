"""MACO: spectra with the fixed magnitudes of natural images, whose phases are optimized."""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np

from jatlas.types import Array, HostArray, Key, checks
from jatlas.visualize._color import check_colors, color_matrix, planes_to_rgb
from jatlas.visualize._constant import Constant
from jatlas.visualize._inverse import rgb_to_planes
from jatlas.visualize._parameterize import MAX_DECAY, MAX_SPREAD, check_spectrum, crop_spectrum

NATURAL_DECAY = (1.2, 2.0, 2.0)
"""Exponents of the decay of amplitudes with frequency in photographs, for each colour axis.

The first, of brightness, is the mean of 135 photographs in Tolhurst, Tadmor and Chao, "Amplitude
spectra of natural images", Ophthalmic and Physiological Optics 12, 1992. The others are fitted to
222 photographs of ImageNet, which gave 1.18, 2.06 and 1.89 between 0.03 and 0.4 cycles per pixel;
most cameras store colour at half the resolution.
"""


@dataclasses.dataclass(frozen=True, kw_only=True)
class MACO:
    """Phases are optimized; the magnitude of each frequency is fixed.

    The parameters of an icon are one array (3, size, size // 2 + 1) of phases in radians, drawn
    uniformly from the circle. Each plane has mean 0, and all together have standard deviation
    `contrast`; colour and sigmoid follow as in `Fourier`. A suitable learning rate is 0.1.

    Differences from the authors' code: the default magnitude is a power law, not a mean over
    ImageNet (`magnitude_spectrum` measures that of real images); phases are used as they are,
    while theirs are scaled to mean 0 and standard deviation 1, which leaves much of each
    frequency at phase 0 and so a bright corner; phases of conjugate frequencies are opposite,
    while theirs are averaged, which attenuates them; the mean of each plane is 0, not only their
    common mean.

    Attributes:
      decay: the magnitudes along each colour axis are frequency^-decay, with exponents up to 10;
        all axes have the same variance.
      spectrum: (n, n // 2 + 1) or (3, n, n // 2 + 1) magnitudes instead, for canvases of up to n
        pixels; the mean (frequency 0) is ignored.
      contrast: standard deviation of the planes, at most 1000.
      colors: as for `Fourier`.
      decorrelate: as for `Fourier`.

    Reference:
      Fel et al., "Unlocking Feature Visualization for Deeper Networks with MAgnitude Constrained
      Optimization", NeurIPS 2023.
    """

    decay: tuple[float, float, float] = NATURAL_DECAY
    spectrum: Constant | None = None
    contrast: float = 1.0
    colors: Constant | None = None
    decorrelate: bool = True

    def __post_init__(self) -> None:
        """Check the settings."""
        expected = "3 numbers of at least 0"
        checks.field(self, "decay", checks.numbers, length=3, minimum=0, expected=expected)
        for decay in self.decay:
            checks.number("decay", decay, limit=MAX_DECAY)
        expected = "a number above 0"
        checks.field(self, "contrast", checks.number, above=0, expected=expected, limit=MAX_SPREAD)
        check_spectrum(self)
        check_colors(self)

    def check_size(self, size: int) -> None:
        """Raise ValueError for a canvas that cannot vary, or has more pixels than the spectrum."""
        varies = checks.whole("size", size, unit="pixel") > 1
        if self.spectrum is not None:
            table = crop_spectrum(np.asarray(self.spectrum), size).copy()
            table[..., 0, 0] = 0
            varies = bool(table.any())
        if not varies:
            raise ValueError(f"size: expected an image that can vary, got {size} px")

    def init(self, size: int, *, key: Key) -> Array:
        """Draw the initial phases of one icon."""
        size = checks.whole("size", size, unit="pixel")
        shape = (3, size, size // 2 + 1)
        count = math.prod(shape)
        flat = jax.random.uniform(key, (count,), jnp.float32, minval=-math.pi, maxval=math.pi)
        return flat.reshape(shape)

    def init_as(self, image: Array, *, key: Key) -> Array:
        """Return the phases of an image (size, size, 3) in [0, 1]; magnitudes are as ever.

        Nothing is random, so restarts are all the same.
        """
        del key
        planes = rgb_to_planes(image, colors=color_matrix(self.colors, self.decorrelate))
        phases = jnp.angle(jnp.fft.rfft2(jnp.moveaxis(planes, -1, 0)))
        # There the opposite phase of the conjugate is subtracted, see `_antisymmetric`.
        columns = jnp.asarray(_self_conjugate(image.shape[0]))
        return phases.at[..., columns].multiply(0.5)

    def image(self, params: Array, *, size: int) -> Array:
        """Turn phases into (size, size, 3) in [0, 1]."""
        planes = self.planes(params, size=size)
        return planes_to_rgb(planes, colors=color_matrix(self.colors, self.decorrelate))

    def planes(self, params: Array, *, size: int) -> Array:
        """Turn phases into the image before colour (size, size, 3)."""
        phases = _antisymmetric(params, size)
        magnitude = self.magnitude(size)
        spectrum = magnitude * jnp.cos(phases) + 1j * (magnitude * jnp.sin(phases))
        return jnp.moveaxis(jnp.fft.irfft2(spectrum, s=(size, size)), 0, -1)

    def magnitude(self, size: int) -> HostArray:
        """Return the magnitudes of the planes' Fourier transform (3, size, size // 2 + 1).

        Raises:
          ValueError: as `check_size`.
        """
        self.check_size(size)
        if self.spectrum is None:
            frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None, :])
            table = np.maximum(frequency, 1 / size) ** -np.array(self.decay)[:, None, None]
        else:
            table = crop_spectrum(np.asarray(self.spectrum, np.float64), size)
        table = np.broadcast_to(table, (3, size, size // 2 + 1)).copy()
        table[:, 0, 0] = 0
        # Parseval: the sum over pixels is the sum over frequencies divided by the number of
        # pixels. Columns whose conjugates are not stored count twice.
        times = np.full(size // 2 + 1, 2.0)
        times[_self_conjugate(size)] = 1
        variances = (times * np.square(table)).sum((1, 2)) / size**4
        scale = variances[:, None, None] if self.spectrum is None else variances.mean()
        return (self.contrast * table / np.sqrt(scale)).astype(np.float32)


def _self_conjugate(size: int) -> list[int]:
    """Return the columns of a half spectrum that hold both a frequency and its conjugate."""
    return [0] if size % 2 else [0, size // 2]


def _antisymmetric(params: Array, size: int) -> Array:
    """Make the phases of conjugate frequencies opposite, as those of real images."""
    columns = jnp.asarray(_self_conjugate(size))
    here = params[..., columns]
    mirror = here[:, -jnp.arange(size) % size]
    return params.at[..., columns].set(here - mirror)
