"""Points to cells: the average activation of everything that fell into each."""

import dataclasses
import functools

import jax
import jax.numpy as jnp

from jatlas.types import Array


@functools.partial(jax.tree_util.register_dataclass, data_fields=["mean", "count"], meta_fields=[])
@dataclasses.dataclass(frozen=True)
class Cells:
    """A dense grid of averages.

    Attributes:
      mean: (rows, columns, channels) float32; zero where nothing fell in.
      count: (rows, columns) int32; row 0 is at the top, column 0 at the left.
    """

    mean: Array
    count: Array


@functools.partial(jax.jit, static_argnames=("size",))
def cell_index(points: Array, *, size: int) -> Array:
    """Return the row-major cell number of each point.

    Cells are half-open, so each point is in exactly one; only the last row and column hold their
    far edge too.

    Args:
      points: (n, 2) of x to the right and y down, in [0, 1].
      size: cells along each side.

    Returns:
      (n,) int32 in 0..size * size - 1.

    Example:
      >>> cell_index(jnp.array([[0.0, 0.0], [0.5, 0.0], [0.5, 0.5], [1.0, 1.0]]), size=2)
      Array([0, 1, 3, 3], dtype=int32)
    """
    place = jnp.clip(jnp.floor(points * size).astype(jnp.int32), 0, size - 1)
    return place[:, 1] * size + place[:, 0]


@functools.partial(jax.jit, static_argnames=("size",))
def average(values: Array, points: Array, *, size: int) -> Cells:
    """Average what fell into each cell.

    Args:
      values: (n, channels) of one row per point: activation vectors, class evidence, ...
      points: (n, 2) of x to the right and y down, in [0, 1].
      size: cells along each side.

    Returns:
      Cells; the counts add up to n.

    Raises:
      ValueError: if there are not as many values as points.
    """
    if len(values) != len(points):
        raise ValueError(f"values: expected one row per point, got {len(values)} for {len(points)}")
    index = cell_index(points, size=size)
    count = jnp.zeros(size * size, jnp.int32).at[index].add(1)
    total = jnp.zeros((size * size, values.shape[1]), jnp.float32)
    total = total.at[index].add(values.astype(jnp.float32))
    mean = total / jnp.maximum(count, 1)[:, None]
    return Cells(mean.reshape(size, size, -1), count.reshape(size, size))
