"""Colour: from decorrelated axes, along which natural images vary independently, to RGB."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jatlas.types import Array, HostArray, checks
from jatlas.visualize._constant import Constant

# The square root of the colour covariance of ImageNet images, as lucid publishes it.
# Rows are red, green and blue; columns are the decorrelated axes.
_COLOR_ROOT = np.array([[0.26, 0.09, 0.02], [0.27, 0.00, -0.05], [0.27, -0.09, 0.03]])


def color_correlation() -> HostArray:
    """Return the (3, 3) matrix from decorrelated axes (columns) to red, green and blue (rows).

    It is scaled so that its longest column has length 1.

    Example:
      >>> color_correlation()[:, 0].round(2)  # the first axis is nearly grey
      array([0.56, 0.58, 0.58], dtype=float32)

    Reference:
      Olah, Mordvintsev and Schubert, "Feature Visualization", Distill 2017; the constants are
      those of lucid's `optvis/param/color.py`.
    """
    longest = np.linalg.norm(_COLOR_ROOT, axis=0).max()
    return (_COLOR_ROOT / longest).astype(np.float32)


def planes_to_rgb(planes: Array, *, colors: HostArray | None = None) -> Array:
    """Correlate the colours of (..., 3) planes and apply a sigmoid.

    Args:
      planes: (..., 3) along the decorrelated axes.
      colors: (3, 3) from these axes to red, green and blue; None means `color_correlation`.

    Returns:
      (..., 3) RGB.
    """
    matrix = color_correlation() if colors is None else colors
    # Written out: from spectrum to image and back took 0.25 ms per icon of 80 px with a 3 x 3
    # matrix product, and takes 0.10 like this (2 cores). Elsewhere a product would need to ask for
    # full precision.
    first, second, third = (planes[..., axis] for axis in range(3))
    rgb = [row[0] * first + row[1] * second + row[2] * third for row in matrix]
    return jax.nn.sigmoid(jnp.stack(rgb, axis=-1))


def color_matrix(colors: Constant | None, decorrelate: bool) -> HostArray:
    """Return the (3, 3) matrix from the planes of an image to RGB."""
    if not decorrelate:
        return np.eye(3, dtype=np.float32)
    return color_correlation() if colors is None else np.asarray(colors)


def check_colors(config: Any) -> None:
    """Check the fields `colors` and `decorrelate` of a parameterization.

    Raises:
      ValueError: for a value that is not expected.
    """
    checks.field(config, "decorrelate", checks.flag)
    checks.field(config, "colors", checks.instance, optional=True, kinds=(Constant,))
    colors = config.colors
    if colors is None:
        return
    if not config.decorrelate:
        raise ValueError("decorrelate: expected True together with colors, got False")
    if colors.shape != (3, 3) or not np.isfinite(np.asarray(colors)).all():
        raise ValueError(f"colors: expected (3, 3) finite numbers, got shape {colors.shape}")
