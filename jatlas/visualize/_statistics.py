"""Statistics of natural images that parameterizations use, measured on images of one's own.

The results are values of settings: `Fourier(spectrum=magnitude_spectrum(images, size=80),
colors=color_correlation_of(images))`.
"""

import numpy as np

from jatlas.types import Array, HostArray
from jatlas.visualize._color import color_matrix
from jatlas.visualize._constant import Constant

_MIN_DEVIATION = 1e-5


def color_correlation_of(images: Array | HostArray) -> Constant:
    """Measure the matrix from decorrelated colour axes to RGB.

    A square root of the covariance of the pixels' colours: its principal axes, the length of each
    proportional to its standard deviation, longest first, scaled so that the longest has length 1.
    Red increases along each axis.

    Args:
      images: (n, h, w, 3) RGB in [0, 1].

    Returns:
      (3, 3): rows are red, green and blue, columns the axes, as in `color_correlation`.

    Raises:
      ValueError: for another shape, or images of only one colour.

    Reference:
      lucid's `param/color.py` has the result for ImageNet.
    """
    pixels = _checked(images).reshape(-1, 3).astype(np.float64)
    variances, axes = np.linalg.eigh(np.cov(pixels.T, bias=True))
    deviations = np.sqrt(np.maximum(variances, 0))
    if deviations[-1] < _MIN_DEVIATION:
        raise ValueError("images: expected more than one colour")
    signs = np.where(axes[0] < 0, -1.0, 1.0)
    return Constant((signs * axes * deviations / deviations[-1])[:, ::-1])


def magnitude_spectrum(
    images: Array | HostArray,
    *,
    size: int,
    colors: Constant | None = None,
    taper: bool = True,
) -> Constant:
    """Measure the mean magnitude of each frequency in the middle of images.

    The magnitudes of the Fourier transform along each colour axis, averaged over the images.

    Args:
      images: (n, h, w, 3) RGB in [0, 1], at the scale that icons should have.
      size: side in pixels of the square that is cropped from their middle.
      colors: the matrix from the colour axes, as `color_correlation_of` returns it; None means
        `color_correlation`.
      taper: whether to fade images out towards their edges (a Hann window). Without it, as MACO's
        authors measured the spectrum, the jump between opposite edges counts as horizontal and
        vertical detail, which shows as a weave in the icons.

    Returns:
      (3, size, size // 2 + 1): colour axes, frequencies.

    Raises:
      ValueError: for another shape, images smaller than `size`, or a singular matrix.

    Example:
      >>> images = np.random.default_rng(0).uniform(0, 1, (2, 12, 12, 3))
      >>> magnitude_spectrum(images, size=8)
      Constant(shape=(3, 8, 5))

    Reference:
      Fel et al., "Unlocking Feature Visualization for Deeper Networks with MAgnitude Constrained
      Optimization", NeurIPS 2023, fix this magnitude, measured on ImageNet.
    """
    images = _checked(images)
    height, width = images.shape[1:3]
    if not 1 <= size <= min(height, width):
        raise ValueError(f"size: expected 1 to {min(height, width)} px, got {size}")
    matrix = color_matrix(colors, True).astype(np.float64)
    if np.linalg.matrix_rank(matrix) < 3:
        raise ValueError("colors: expected an invertible matrix, got a singular one")
    top, left = (height - size) // 2, (width - size) // 2
    middle = images[:, top : top + size, left : left + size]
    mean = middle.mean((0, 1, 2), dtype=np.float64)
    fade = np.sin(np.pi * (np.arange(size) + 0.5) / size) ** 2 if taper else np.ones(size)
    window = (fade[:, None] * fade)[..., None]
    total = np.zeros((size, size // 2 + 1, 3))
    for image in middle:  # one by one: the transforms of all would need 16 times their memory
        planes = (image - mean) @ np.linalg.inv(matrix).T
        total += np.abs(np.fft.rfft2(window * planes, axes=(0, 1)))
    return Constant(np.moveaxis(total / len(middle), -1, 0))


def _checked(images: Array | HostArray) -> HostArray:
    table = np.asarray(images)
    if table.ndim != 4 or table.shape[-1] != 3 or 0 in table.shape:
        raise ValueError(f"images: expected (n, h, w, 3), got {table.shape}")
    if not np.issubdtype(table.dtype, np.floating):
        raise ValueError(f"images: expected RGB in [0, 1], got {table.dtype}")
    return table
