"""Points to cells: the mean of the values in each cell of a grid."""

import dataclasses
import functools

import jax
import jax.numpy as jnp

from jatlas.types import Array, HostArray, blocks, checks

_BLOCK = 16_384  # rows on the device at once


@functools.partial(jax.tree_util.register_dataclass, data_fields=["mean", "count"], meta_fields=[])
@dataclasses.dataclass(frozen=True)
class Cells:
    """A dense grid of means.

    Attributes:
      mean: (rows, columns, channels) float32; zero where a cell is empty.
      count: (rows, columns) int32; row 0 is at the top, column 0 at the left.
    """

    mean: Array
    count: Array


@functools.partial(jax.jit, static_argnames=("size",))
def cell_index(points: Array, *, size: int) -> Array:
    """Return the row-major number of the cell that holds each point.

    Cells are half-open, so each point is in exactly one; only the last row and column hold their
    far edge too.

    A pure function: it works under `jit` and `vmap`; integers have no gradient.

    Args:
      points: (n, 2) of x to the right and y down, in [0, 1].
      size: cells along each side, at most 4096; static under `jit`.

    Returns:
      (n,) int32 in 0..size * size - 1.

    Raises:
      ValueError: if the size is out of range.

    Example:
      >>> cell_index(jnp.array([[0.0, 0.0], [0.5, 0.0], [0.5, 0.5], [1.0, 1.0]]), size=2)
      Array([0, 1, 3, 3], dtype=int32)
    """
    size = _check_size(size)
    place = jnp.clip(jnp.floor(points * size).astype(jnp.int32), 0, size - 1)
    return place[:, 1] * size + place[:, 0]


@functools.partial(jax.jit, static_argnames=("size",))
def average(values: Array, points: Array, *, size: int) -> Cells:
    """Average the values in each cell of a grid.

    The sums are float32 scatter-adds. On a CPU they are added in the order of the samples; a GPU
    adds them in no fixed order, so that the last bits of a mean may differ from run to run, unless
    `XLA_FLAGS=--xla_gpu_deterministic_ops=true` is set. Counts are exact everywhere.

    A pure function: it works under `jit`, `vmap` and `grad` (with respect to the values).

    Args:
      values: (n, channels), one row per point: activation vectors, class evidence, ...
      points: (n, 2) of x to the right and y down, in [0, 1].
      size: cells along each side, at most 4096; static under `jit`.

    Returns:
      Cells; the counts add up to n.

    Raises:
      ValueError: if the numbers of values and points differ, or the size is out of range.

    Example:
      >>> points = jnp.array([[0.1, 0.1], [0.2, 0.4], [0.9, 0.1]])
      >>> cells = average(jnp.array([[1.0], [3.0], [7.0]]), points, size=2)
      >>> cells.mean[..., 0].tolist(), cells.count.tolist()
      ([[2.0, 7.0], [0.0, 0.0]], [[2, 1], [0, 0]])
    """
    _check_pairs(values, points)
    index = cell_index(points, size=_check_size(size))
    total = jnp.zeros((size * size, values.shape[1]), jnp.float32)
    return _cells(_add(total, values, index), index, size=size)


def average_blocks(values: HostArray, points: Array | HostArray, *, size: int) -> Cells:
    """Average as `average` does, with a block of the values on the device at once.

    The sums are added in the same order. A host function: it runs outside `jit`.

    Args:
      values: (n, channels), such as a file that is mapped.
      points: (n, 2).
      size: cells along each side, at most 4096.

    Returns:
      Cells.

    Raises:
      ValueError: as `average`.
    """
    _check_pairs(values, points)
    index = cell_index(jnp.asarray(points), size=size)
    total = jnp.zeros((size * size, values.shape[1]), jnp.float32)
    for block, cells in zip(blocks(values, _BLOCK), blocks(index, _BLOCK), strict=True):
        # Waited for, or the values of all blocks would be on their way at once.
        total = _add(total, jnp.asarray(block), cells).block_until_ready()
    return _cells(total, index, size=size)


@functools.partial(jax.jit, donate_argnums=0)
def _add(total: Array, values: Array, index: Array) -> Array:
    return total.at[index].add(values.astype(jnp.float32))


@functools.partial(jax.jit, static_argnames=("size",), donate_argnums=0)
def _cells(total: Array, index: Array, *, size: int) -> Cells:
    count = jnp.zeros(size * size, jnp.int32).at[index].add(1)
    mean = total / jnp.maximum(count, 1).astype(jnp.float32)[:, None]
    return Cells(mean.reshape(size, size, -1), count.reshape(size, size))


def _check_pairs(values: Array | HostArray, points: Array | HostArray) -> None:
    if len(values) != len(points):
        raise ValueError(f"values: expected one row per point, got {len(values)} for {len(points)}")


def _check_size(size: int) -> int:
    return checks.whole("size", size, maximum=checks.MAX_SIDE)
