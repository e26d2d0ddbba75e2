"""Convolutions of maps with any axes in front: XLA's, and the same as one matrix product."""

import jax.numpy as jnp
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


def conv_by_product(x: Array, kernel: Array, *, padding: Padding) -> Array:
    """Convolve (..., h, w, channels) with (rows, columns, channels, c) as one matrix product.

    Zeros are added at the edges, or as many positions cut off as a negative number says.

    It needs the map once for every element of the kernel, 25 times for 5 x 5, and so does the
    transpose: only where convolutions are slow.
    """
    rows, columns, _, out = kernel.shape
    edges = [(0, 0)] * (x.ndim - 3) + [*padding, (0, 0)]
    padded = lax.pad(x, jnp.zeros((), x.dtype), [(*edge, 0) for edge in edges])  # or crops
    height, width = padded.shape[-3] - rows + 1, padded.shape[-2] - columns + 1
    shifted = [
        padded[..., row : row + height, column : column + width, :]
        for row in range(rows)
        for column in range(columns)
    ]
    return jnp.concatenate(shifted, axis=-1) @ kernel.reshape(-1, out)
