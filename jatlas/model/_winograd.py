"""Convolutions of maps by Winograd's minimal filtering, in about half the time on a CPU."""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.extend
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.interpreters import ad, batching, mlir

from jatlas.model._conv import conv
from jatlas.types import Array, HostArray

_POINTS = 0.0, 1.0, -1.0, 0.5, -2.0, -0.5
"""Where polynomials are evaluated, besides infinity; in this order, each prefix rounds little."""

_TILES = {3: (2, 3, 4), 5: (2, 3)}
"""By the side of a kernel, how many results a tile may have along an axis.

Tiles of 6 results would take fewer products, but not less time, and round three times as much.
"""

_SMALLEST_MAP, _FEWEST_CHANNELS, _LEAST_WORK = 6, 32, 2.5e6
"""Side of a map, its channels, and products of numbers in its convolution that pay for compiling.

With fewer, an ordinary convolution takes about as long. Of GoogLeNet in views of 48 px, the
convolutions from conv2d2 to mixed3b have enough.
"""


def suits(x: Array, kernel: Array) -> bool:
    """Return whether `winograd_conv` can convolve a map (..., h, w, channels), and is faster.

    Example:
      >>> suits(jnp.ones((6, 6, 64)), jnp.ones((3, 3, 64, 192)))
      True
      >>> suits(jnp.ones((6, 6, 64)), jnp.ones((1, 1, 64, 192)))
      False
    """
    rows, columns = kernel.shape[:2]
    height, width = x.shape[-3:-1]
    return (
        rows == columns
        and rows in _TILES
        and min(height, width) >= _SMALLEST_MAP
        and kernel.shape[-2] >= _FEWEST_CHANNELS
        and height * width * kernel.size >= _LEAST_WORK
        and x.dtype == kernel.dtype == jnp.float32
    )


def winograd_conv(x: Array, kernel: Array) -> Array:
    """Convolve a map with zeros around it by Winograd's minimal filtering.

    A tile of m x m results of a kernel of r x r takes (m + r - 1)^2 products for each pair of
    channels instead of m^2 r^2: for 4 x 4 and 3 x 3, 36 instead of 144. Both directions run this
    way, forward and reverse mode. It rounds more than a convolution does: up to 5e-6 of the largest
    result.

    Args:
      x: (..., h, w, channels) float32.
      kernel: (r, r, channels, c) float32; r is 3 or 5.

    Returns:
      (..., h, w, c).

    Reference:
      Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016.

    Example:
      >>> y = winograd_conv(jnp.ones((6, 6, 1)), jnp.ones((3, 3, 1, 1)))[..., 0]
      >>> [round(float(value), 4) for value in y[0]]
      [4.0, 6.0, 6.0, 6.0, 6.0, 4.0]
    """
    batch = x.reshape(-1, *x.shape[-3:])
    return _conv_p.bind(batch, kernel).reshape(*x.shape[:-1], kernel.shape[-1])


class _Filter(NamedTuple):
    """Minimal filtering along one axis: y = results @ ((kernel @ g) * (values @ d)).

    Attributes:
      values: (points, m + r - 1) of the input of a tile.
      kernel: (points, r) of the kernel.
      results: (m, points) of the results of a tile.
    """

    values: HostArray
    kernel: HostArray
    results: HostArray


@functools.cache
def _filtering(tile: int, side: int) -> _Filter:
    """Return the filtering of `tile` results of a kernel of `side`, by Toom and Cook."""
    points = tile + side - 1

    def evaluate(length: int) -> HostArray:
        finite = np.vander(_POINTS[: points - 1], length, increasing=True)
        return np.vstack([finite, np.eye(length)[-1]])  # at infinity, the last coefficient

    # A product of polynomials of `tile` and `side` coefficients is interpolated from its values.
    # A correlation is the transpose of that product.
    return _Filter(np.linalg.inv(evaluate(points)).T, evaluate(side), evaluate(tile).T)


def _tile(size: int, side: int) -> int:
    """Return the side of the tiles that takes the fewest products along an axis."""

    def products(tile: int) -> int:
        return -(-size // tile) * (tile + side - 1)

    return min(_TILES[side], key=products)


def _split(size: int, tile: int, side: int) -> HostArray:
    """Return the matrix (points, tiles, size) from an axis of a map to the values of its tiles."""
    values = _filtering(tile, side).values
    tiles = -(-size // tile)
    matrix = np.zeros((len(values), tiles, tiles * tile + 2 * side))
    for index in range(tiles):
        start = index * tile + side - side // 2
        matrix[:, index, start : start + len(values)] = values
    return matrix[..., side : side + size]


def _by_tiles(x: Array, kernel: Array) -> Array:
    """Convolve (n, h, w, channels)."""
    count, height, width, channels = x.shape
    side, out = kernel.shape[0], kernel.shape[-1]
    tall, wide = _tile(height, side), _tile(width, side)
    down, along = _filtering(tall, side), _filtering(wide, side)
    evaluated = _times(np.kron(down.kernel, along.kernel), kernel.reshape(side * side, -1))
    evaluated = evaluated.reshape(len(down.kernel), len(along.kernel), channels, out)
    # Points lead, so that each product below is a plain one of large matrices.
    values = _times(_split(height, tall, side), x.transpose(1, 0, 2, 3))
    values = _times(_split(width, wide, side), values.transpose(3, 0, 1, 2, 4))
    # From (along, tiles, down, tiles, n, channels) to (down, along, tiles, tiles, n, channels).
    values = values.transpose(2, 0, 3, 1, 4, 5)
    products = lax.dot_general(values, evaluated, (((5,), (2,)), ((0, 1), (0, 1))))
    products = products.reshape(-1, *products.shape[2:])
    results = _times(np.kron(down.results, along.results), products)
    results = results.reshape(tall, wide, *products.shape[1:]).transpose(4, 2, 0, 3, 1, 5)
    _, rows, _, columns, _, _ = results.shape
    return results.reshape(count, rows * tall, columns * wide, out)[:, :height, :width]


def _times(matrix: HostArray, x: Array) -> Array:
    """Multiply the first axis of an array by a matrix (..., length)."""
    return lax.dot_general(jnp.asarray(matrix, x.dtype), x, (((matrix.ndim - 1,), (0,)), ((), ())))


# A primitive, as the transpose that JAX would derive takes twice as long as the same convolution
# with the kernel turned round, and a `custom_vjp` would have no forward mode.
_conv_p = jax.extend.core.Primitive("winograd_conv")
_conv_p.def_impl(jax.jit(_by_tiles))


@_conv_p.def_abstract_eval
def _abstract(x: jax.core.ShapedArray, kernel: jax.core.ShapedArray) -> jax.core.ShapedArray:
    return jax.core.ShapedArray((*x.shape[:-1], kernel.shape[-1]), x.dtype)


def _batched(args: Sequence[Array], axes: Sequence[int | None]) -> tuple[Array, int]:
    x, kernel = args
    axis, of_kernel = axes
    if axis is None or of_kernel is not None:
        return jax.vmap(conv, in_axes=tuple(axes))(x, kernel), 0
    x = jnp.moveaxis(x, axis, 0)
    result = _conv_p.bind(x.reshape(-1, *x.shape[2:]), kernel)
    return result.reshape(*x.shape[:2], *result.shape[1:]), 0


def _transposed_to_x(gradient: Array, x: object, kernel: Array) -> Array:
    del x
    return _conv_p.bind(gradient, kernel[::-1, ::-1].transpose(0, 1, 3, 2))


def _transposed_to_kernel(gradient: Array, x: Array, kernel: ad.UndefinedPrimal) -> Array:
    return jax.linear_transpose(functools.partial(conv, x), kernel.aval)(gradient)[0]


ad.defbilinear(_conv_p, _transposed_to_x, _transposed_to_kernel)
batching.primitive_batchers[_conv_p] = _batched
mlir.register_lowering(_conv_p, mlir.lower_fun(_by_tiles, multiple_results=False))
