"""Parameterizations: what is optimized, and how it becomes an image.

`Fourier`, a colour-decorrelated spectrum, is lucid's and the article's; `Pixels` is the obvious
one; `Alpha` adds an opacity. `MACO` has a file of its own.
"""

import dataclasses
import math
from typing import Any, Protocol, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from jatlas.types import Array, HostArray, Key, checks
from jatlas.visualize._color import check_colors, color_matrix
from jatlas.visualize._color import color_correlation as color_correlation
from jatlas.visualize._color import planes_to_rgb as planes_to_rgb
from jatlas.visualize._constant import Constant
from jatlas.visualize._inverse import planes_to_spectrum, rgb_to_planes

PyTree: TypeAlias = Any
"""Arrays in nested containers."""

INITIAL_SPREAD = 0.01
"""Standard deviation of the initial coefficients (lucid): an almost uniform grey."""

SCALE = 0.25
"""Factor of the inverse transform of a spectrum (lucid)."""

MAX_DECAY = 10
"""Largest exponent of a decay: more overflows float32 for a large canvas."""

MAX_SPREAD = 1000
"""Largest standard deviation of what becomes colours: a hundredth of it saturates them all."""

_PIVOT = 0.1
"""Frequency, in cycles per pixel, at which the gain does not depend on the decay."""


def frequency_gain(height: int, width: int, *, decay: float = 1.0) -> HostArray:
    """Return the (height, width // 2 + 1) factors that scale frequencies as in natural images.

    f^-decay with f in cycles per pixel, at least one cycle per image, times sqrt(height * width).
    The gain at f = 0.1 does not depend on the decay, so that one learning rate fits all.

    Args:
      height: of the image in pixels.
      width: of the image in pixels.
      decay: exponent of the frequency.

    Returns:
      (height, width // 2 + 1) float32.

    Raises:
      ValueError: for a side below 1, or a decay that is no number.

    Example:
      >>> frequency_gain(4, 4)[0]  # one cycle per image, the same for none; then two
      array([16., 16.,  8.], dtype=float32)
    """
    height, width = _sides(height, width)
    decay = checks.number("decay", decay)
    vertical = np.fft.fftfreq(height)[:, None]
    horizontal = np.fft.rfftfreq(width)[None, :]
    frequency = np.hypot(vertical, horizontal)
    floor = 1.0 / max(height, width)
    frequency = np.maximum(frequency, floor)
    steeper = (frequency / _PIVOT) ** (1 - decay)
    return (np.sqrt(height * width) / frequency * steeper).astype(np.float32)


def init_spectrum(
    height: int, width: int, *, key: Key, channels: int = 3, spread: float = INITIAL_SPREAD
) -> Array:
    """Draw the initial spectrum of one icon.

    Args:
      height: of the icon in pixels.
      width: of the icon in pixels.
      key: of the draw.
      channels: number of planes.
      spread: standard deviation of the coefficients.

    Returns:
      (2, channels, height, width // 2 + 1) float32: real and imaginary part, colour axis,
      frequencies.

    Raises:
      ValueError: for a side or number of planes below 1, or a spread that is no number.
    """
    height, width = _sides(height, width)
    channels = checks.whole("channels", channels)
    if not checks.is_traced(spread):
        spread = checks.number("spread", spread)
    shape = (2, channels, height, width // 2 + 1)
    # Drawn flat, then reshaped: the same numbers, and XLA compiles 6 to 20 times faster on a CPU.
    flat = jax.random.normal(key, (math.prod(shape),), jnp.float32)
    return spread * flat.reshape(shape)


def spectrum_to_planes(spectrum: Array, *, width: int, gain: HostArray | None = None) -> Array:
    """Turn a spectrum into the image before colour: (2, c, h, w // 2 + 1) -> (h, width, c).

    Args:
      spectrum: real and imaginary part.
      width: of the image in pixels.
      gain: (h, w // 2 + 1) or (c, h, w // 2 + 1) factors of the frequencies; None means
        `frequency_gain`.

    Returns:
      (h, width, c).

    Raises:
      ValueError: for a width that the spectrum is not of.

    Reference:
      lucid's `param.fft_image`: the inverse real FFT of the scaled spectrum, divided by 4.
    """
    height, width = _sides(spectrum.shape[-2], width)
    if width // 2 + 1 != spectrum.shape[-1]:
        raise ValueError(f"width: expected that of a spectrum {spectrum.shape}, got {width}")
    gain = frequency_gain(height, width) if gain is None else gain
    gain = gain.reshape(-1, *gain.shape[-2:])  # an axis of planes, for all of them or one each
    scaled = jax.lax.complex(gain * spectrum[0], gain * spectrum[1])
    planes = jnp.fft.irfft2(scaled, s=(height, width))
    return SCALE * jnp.moveaxis(planes, 0, -1)


def spectrum_to_image(spectrum: Array, *, width: int) -> Array:
    """Turn a spectrum (2, 3, h, w // 2 + 1) into an image (h, width, 3) in (0, 1).

    Example:
      >>> spectrum_to_image(jnp.zeros((2, 3, 4, 3)), width=4)[0, 0]
      Array([0.5, 0.5, 0.5], dtype=float32)
    """
    return planes_to_rgb(spectrum_to_planes(spectrum, width=width))


def _sides(height: int, width: int) -> tuple[int, int]:
    height = checks.whole("height", height, unit="pixel")
    return height, checks.whole("width", width, unit="pixel")


def crop_spectrum(table: HostArray, size: int) -> HostArray:
    """Return the lowest frequencies of (..., n, n // 2 + 1): (..., size, size // 2 + 1).

    Raises:
      ValueError: for a size below 1 or above n.
    """
    whole, size = table.shape[-2], checks.whole("size", size, unit="pixel")
    if size > whole:
        raise ValueError(f"size: expected at most the {whole} px of the spectrum, got {size}")
    rows = np.round(np.fft.fftfreq(size) * size).astype(int) % whole
    return table[..., rows, : size // 2 + 1]


def check_spectrum(config: Any) -> None:
    """Check the field `spectrum` of a parameterization.

    Raises:
      ValueError: for a value that is not expected.
    """
    checks.field(config, "spectrum", checks.instance, optional=True, kinds=(Constant,))
    if config.spectrum is None:
        return
    table, shape = np.asarray(config.spectrum), config.spectrum.shape
    plane = shape[-2:]
    if len(plane) < 2 or shape[:-2] not in ((), (3,)) or plane[0] // 2 + 1 != plane[1]:
        raise ValueError(f"spectrum: expected ([3,] n, n // 2 + 1), got {shape}")
    if not (np.isfinite(table).all() and (table >= 0).all() and table.any()):
        raise ValueError("spectrum: expected finite magnitudes of at least 0, not all 0")


def _check_spread(config: Any) -> None:
    expected = "a number above 0"
    checks.field(config, "spread", checks.number, above=0, expected=expected, limit=MAX_SPREAD)


class Parameterization(Protocol):
    """What is optimized, and how it becomes an image. A frozen dataclass, hashable."""

    def init(self, size: int, *, key: Key) -> PyTree:
        """Draw the initial parameters of one icon of `size` pixels."""

    def image(self, params: PyTree, *, size: int) -> Array:
        """Turn them into (size, size, 3) in [0, 1], or (size, size, 4) with opacity last."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fourier:
    """A colour-decorrelated spectrum whose frequencies are scaled as in natural images.

    The parameters of an icon are one array (2, 3, size, size // 2 + 1): real and imaginary part,
    colour axis, frequencies.

    Attributes:
      spread: standard deviation of the initial parameters, at most 1000; 0.01 gives an almost
        uniform grey.
      decay: magnitudes are scaled by frequency^-decay; at most 10.
      spectrum: (n, n // 2 + 1) or (3, n, n // 2 + 1) magnitudes instead, as `magnitude_spectrum`
        measures them, for canvases of up to n pixels. They are scaled to the power of
        `frequency_gain` at n pixels, so that the same learning rates are suitable.
      colors: (3, 3) from the decorrelated axes to RGB, as `color_correlation_of` measures it;
        None means `color_correlation`.
      decorrelate: whether the planes are decorrelated colour axes, or else RGB.

    Example:
      >>> fourier = Fourier(decay=1.25)
      >>> params = fourier.init(16, key=jax.random.key(0))
      >>> params.shape, fourier.image(params, size=16).shape
      ((2, 3, 16, 9), (16, 16, 3))

    Reference:
      Olah, Mordvintsev and Schubert, "Feature Visualization", Distill 2017; lucid's
      `param.image(fft=True, decorrelate=True)`.
    """

    spread: float = INITIAL_SPREAD
    decay: float = 1.0
    spectrum: Constant | None = None
    colors: Constant | None = None
    decorrelate: bool = True

    def __post_init__(self) -> None:
        """Check the settings."""
        expected = "a number of at least 0"
        checks.field(self, "decay", checks.number, minimum=0, expected=expected, limit=MAX_DECAY)
        _check_spread(self)
        check_spectrum(self)
        if self.spectrum is not None and self.decay != 1:
            raise ValueError(f"decay: expected 1 together with a spectrum, got {self.decay}")
        check_colors(self)

    def check_size(self, size: int) -> None:
        """Raise ValueError for a canvas of more pixels than the spectrum has."""
        if self.spectrum is not None:
            crop_spectrum(np.asarray(self.spectrum), size)

    def init(self, size: int, *, key: Key) -> Array:
        """Draw the initial spectrum of one icon."""
        return init_spectrum(size, size, key=key, spread=self.spread)

    def init_as(self, image: Array, *, key: Key) -> Array:
        """Return the spectrum of an image (size, size, 3) in [0, 1], plus a random one."""
        size = image.shape[0]
        planes = rgb_to_planes(image, colors=color_matrix(self.colors, self.decorrelate))
        spectrum = planes_to_spectrum(planes, gain=SCALE * self.gain(size))
        return spectrum + self.init(size, key=key)

    def image(self, params: Array, *, size: int) -> Array:
        """Turn a spectrum into (size, size, 3) in [0, 1]."""
        planes = spectrum_to_planes(params, width=size, gain=self.gain(size))
        return planes_to_rgb(planes, colors=color_matrix(self.colors, self.decorrelate))

    def gain(self, size: int) -> HostArray:
        """Return the factors of the frequencies, ([3,] size, size // 2 + 1)."""
        if self.spectrum is None:
            return frequency_gain(size, size, decay=self.decay)
        table = np.asarray(self.spectrum, np.float64)
        whole = table.shape[-2]
        power = np.square(frequency_gain(whole, whole), dtype=np.float64).mean()
        table = table * np.sqrt(power / np.square(table).mean())
        # The inverse transform divides by the number of pixels.
        return ((size / whole) ** 2 * crop_spectrum(table, size)).astype(np.float32)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pixels:
    """The pixels themselves, before colour and sigmoid: the baseline of `Fourier`.

    The parameters of an icon are one array (size, size, 3).

    Attributes:
      spread: standard deviation of the initial parameters.
      colors: as for `Fourier`.
      decorrelate: as for `Fourier`.

    Reference:
      lucid's `param.image(fft=False)`.
    """

    spread: float = INITIAL_SPREAD
    colors: Constant | None = None
    decorrelate: bool = True

    def __post_init__(self) -> None:
        """Check the settings."""
        _check_spread(self)
        check_colors(self)

    def init(self, size: int, *, key: Key) -> Array:
        """Draw the initial pixels of one icon."""
        size = checks.whole("size", size, unit="pixel")
        flat = jax.random.normal(key, (3 * size * size,), jnp.float32)
        return self.spread * flat.reshape(size, size, 3)

    def init_as(self, image: Array, *, key: Key) -> Array:
        """Return the planes of an image (size, size, 3) in [0, 1], plus random ones."""
        planes = rgb_to_planes(image, colors=color_matrix(self.colors, self.decorrelate))
        return planes + self.init(image.shape[0], key=key)

    def image(self, params: Array, *, size: int) -> Array:
        """Turn planes into (size, size, 3) in [0, 1]."""
        del size
        return planes_to_rgb(params, colors=color_matrix(self.colors, self.decorrelate))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Alpha:
    """An image with an opacity, which has a spectrum of its own.

    The parameters of an icon are {"color": those of `color`, "alpha": (2, 1, size,
    size // 2 + 1)}. The initial opacity is about a half.

    Attributes:
      color: parameterization of the colours.
      spread: standard deviation of the opacity's initial spectrum.

    Reference:
      lucid's `param.image(alpha=True)`.
    """

    color: Parameterization = Fourier()
    spread: float = INITIAL_SPREAD

    def __post_init__(self) -> None:
        """Check the settings."""
        if isinstance(self.color, Alpha):
            raise ValueError("color: expected a parameterization without opacity, got Alpha")
        checks.field(self, "color", checks.settings, like=Parameterization)
        _check_spread(self)

    def init(self, size: int, *, key: Key) -> dict[str, PyTree]:
        """Draw the initial parameters of one icon."""
        for_color, for_alpha = jax.random.split(key)
        alpha = init_spectrum(size, size, key=for_alpha, channels=1, spread=self.spread)
        return {"color": self.color.init(size, key=for_color), "alpha": alpha}

    def image(self, params: dict[str, PyTree], *, size: int) -> Array:
        """Turn parameters into (size, size, 4) in [0, 1]: red, green, blue, opacity."""
        rgb = self.color.image(params["color"], size=size)
        alpha = jax.nn.sigmoid(spectrum_to_planes(params["alpha"], width=size))
        return jnp.concatenate([rgb, alpha], axis=-1)
