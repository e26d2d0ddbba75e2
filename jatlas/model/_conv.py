"""XLA's convolution, for maps with any axes in front."""

from jax import lax

from jatlas.types import Array

Padding = tuple[tuple[int, int], tuple[int, int]]
"""Zeros before and after the rows, and the columns."""


def conv(
    x: Array, kernel: Array, *, stride: int = 1, padding: Padding | str = "SAME", groups: int = 1
) -> Array:
    """Convolve (..., h, w, channels) with (rows, columns, channels / groups, c)."""
    result = lax.conv_general_dilated(
        x.reshape(-1, *x.shape[-3:]),
        kernel,
        (stride, stride),
        padding,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=groups,
    )
    return result.reshape(*x.shape[:-3], *result.shape[1:])
