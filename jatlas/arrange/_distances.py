"""Distances of many vectors, and the smallest of them."""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from jatlas.arrange._checks import Metric
from jatlas.types import Array, HostArray, blocks

_BLOCK = 16_384  # vectors that are scaled at once
GROUP = 32
"""Distances of which the smallest is looked at first."""


def by_blocks(function: Callable[..., Array], *tables: Array | HostArray, size: int) -> HostArray:
    """Apply a function to some rows of tables after others, and join the results.

    Args:
      function: takes as many rows of each table, and returns one row for each.
      *tables: of the same length.
      size: rows at once.
    """
    parts = zip(*(blocks(table, size) for table in tables), strict=True)
    return np.concatenate([np.asarray(function(*part)) for part in parts])


def comparable(vectors: Array | HostArray, *, metric: Metric) -> Array:
    """Return vectors as `squared_distances` takes them.

    Args:
      vectors: (n, channels) float32; those of NumPy are scaled block by block, so that no more
        than the result is in memory.
      metric: "cosine" or "euclidean".
    """
    if isinstance(vectors, jax.Array):
        return unit(vectors) if metric == "cosine" else centred(vectors)
    return fill(vectors, scaler(vectors, metric=metric), length=len(vectors))


def scaler(vectors: HostArray, *, metric: Metric) -> Callable[[HostArray], Array | HostArray]:
    """Return what makes some of the vectors comparable with each other.

    Args:
      vectors: (n, channels) float32, all of them.
      metric: "cosine" or "euclidean".
    """
    if metric == "cosine":
        return unit
    total = sum(block.sum(axis=0, dtype=np.float64) for block in blocks(vectors, _BLOCK))
    middle = (total / len(vectors)).astype(np.float32)
    return lambda block: block - middle


def fill(
    vectors: HostArray,
    scale: Callable[[HostArray], Array | HostArray],
    *,
    length: int,
    device: jax.Device | None = None,
) -> Array:
    """Scale vectors block by block into a table on a device.

    Args:
      vectors: (n, channels) float32.
      scale: of `scaler`.
      length: rows of the table, at least n; those after the vectors are zero.
      device: where the table is; None means JAX's default.
    """
    table = jnp.zeros((length, vectors.shape[1]), jnp.float32, device=device)
    for number, block in enumerate(blocks(vectors, _BLOCK)):
        # One at a time: blocks that wait for their turn would be in memory.
        table = _write(table, scale(block), number * _BLOCK).block_until_ready()
    return table


@functools.partial(jax.jit, donate_argnums=0)
def _write(table: Array, block: Array | HostArray, first: Array | int) -> Array:
    """Write a block of rows into a table, in place."""
    return jax.lax.dynamic_update_slice_in_dim(table, jnp.asarray(block), first, axis=0)


@jax.jit
def centred(table: Array) -> Array:
    """Move the mean to the origin: far from it, the difference of large squares is lost."""
    return table - table.mean(axis=0, keepdims=True)


@jax.jit
def unit(table: Array) -> Array:
    """Scale rows to length 1, zero rows excepted, without overflow or underflow of the squares."""
    largest = jnp.abs(table).max(axis=1, keepdims=True)
    table = table / jnp.where(largest > 0, largest, 1)
    norms = jnp.linalg.norm(table, axis=1, keepdims=True)
    return table / jnp.where(norms > 0, norms, 1)


def squared_distances(queries: Array, candidates: Array, *, metric: Metric) -> Array:
    """Return the squared distance of each query to each candidate.

    Args:
      queries: (m, channels), scaled by `unit` for the metric "cosine".
      candidates: (n, channels), likewise.
      metric: "cosine", whose squared distance is twice 1 - cosine, or "euclidean".

    Returns:
      (m, n) float32, at least 0.
    """
    dots = jnp.matmul(queries, candidates.T, precision=jax.lax.Precision.HIGHEST)
    if metric == "cosine":
        # Not from the norms: a zero vector is to be at distance 1 from all others.
        return jnp.maximum(2 - 2 * dots, 0.0)
    lengths = jnp.sum(queries**2, axis=1)[:, None] + jnp.sum(candidates**2, axis=1)[None, :]
    return jnp.maximum(lengths - 2 * dots, 0.0)


def smallest(values: Array, k: int) -> tuple[Array, Array]:
    """Return the k smallest values of each row, ascending, and their columns.

    Of equal values the one in the first column wins. First come the groups of columns that hold the
    smallest values. `top_k` of all of 16,384 columns takes two thirds of the time of the product
    that gives the distances; this takes half of that.

    Args:
      values: (rows, columns).
      k: at most the number of columns.
    """
    rows, columns = values.shape
    groups = columns // GROUP
    if columns % GROUP or groups < 2 * k:
        negative, place = jax.lax.top_k(-values, k)
        return -negative, place
    grouped = values.reshape(rows, groups, GROUP)
    _, chosen = jax.lax.top_k(-grouped.min(axis=2), k)
    chosen = jnp.sort(chosen, axis=1)  # so that the first of equal values stays the first
    kept = jnp.take_along_axis(grouped, chosen[:, :, None], axis=1).reshape(rows, k * GROUP)
    negative, place = jax.lax.top_k(-kept, k)
    column = jnp.take_along_axis(chosen, place // GROUP, axis=1) * GROUP + place % GROUP
    return -negative, column
