"""Exact nearest neighbours in JAX, in blocks: n x n distances are never in memory."""

import functools
from typing import Any, Literal, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from tqdm import tqdm

from jatlas.types import Array, HostArray

Metric: TypeAlias = Literal["cosine", "euclidean"]

_QUERIES = 1024
_CANDIDATES = 16384


class Neighbors(NamedTuple):
    """The k nearest of each vector, itself first: indices (n, k) int32, distances (n, k)."""

    indices: HostArray
    distances: HostArray


def nearest_neighbors(
    vectors: Array | HostArray, *, k: int, metric: Metric = "cosine", progress: bool = True
) -> Neighbors:
    """Find the k nearest vectors of each vector, the vector itself among them and first.

    All pairs are compared, and the result is the same on every run. Of several at the same
    distance the first wins. Distances hold to the rounding of float32: about 1e-6 for cosine; for
    euclidean, a thousandth of how far the vectors are from their mean is as good as 0.

    Args:
      vectors: (n, channels) float32.
      k: how many, from 1 to n.
      metric: "cosine" (1 - cosine of the angle; a zero vector is at 1 from all others) or
        "euclidean".
      progress: whether to show a progress bar.

    Returns:
      Neighbors, nearest first.

    Raises:
      ValueError: for an unknown metric, vectors that are no table or not finite, or k outside
        1..n.
    """
    if metric not in ("cosine", "euclidean"):
        raise ValueError(f"metric: expected 'cosine' or 'euclidean', got {metric!r}")
    if np.ndim(vectors) != 2:
        raise ValueError(f"vectors: expected (n, channels), got shape {np.shape(vectors)}")
    count = len(vectors)
    if not 1 <= k <= count:
        raise ValueError(f"k: expected 1 to {count} (the number of vectors), got {k}")
    table = jnp.asarray(vectors, jnp.float32)
    if not jnp.isfinite(table).all():
        raise ValueError("vectors: some are not finite (NaN or infinity)")
    table = _unit(table) if metric == "cosine" else _centred(table)
    starts = range(0, count, _QUERIES)
    find = functools.partial(_block_neighbors, table, k=k, metric=metric)
    with tqdm(starts, desc="neighbours", unit="block", disable=not progress) as bar:
        # Fetched block by block: what is only dispatched is not done, and would not move the bar.
        blocks = [jax.device_get(find(start)) for start in bar]
    squared = np.maximum(np.concatenate([block[0] for block in blocks])[:count], 0)
    index = np.concatenate([block[1] for block in blocks])[:count]
    # Unit vectors: |a - b|^2 / 2 is 1 - cos.
    return Neighbors(index, squared / 2 if metric == "cosine" else np.sqrt(squared))


@jax.jit
def _centred(table: Array) -> Array:
    """Move the mean to the origin: far from it, the difference of large squares is lost."""
    return table - table.mean(axis=0)


@jax.jit
def _unit(table: Array) -> Array:
    """Scale rows to length 1, zero rows excepted; none is too long or short to be squared."""
    largest = jnp.abs(table).max(axis=1, keepdims=True)
    table = table / jnp.where(largest > 0, largest, 1)
    norms = jnp.linalg.norm(table, axis=1, keepdims=True)
    return table / jnp.where(norms > 0, norms, 1)


def _block_neighbors(table: Array, start: int, *, k: int, metric: Metric) -> tuple[Array, Array]:
    """Find the neighbours of one block of queries, one block of candidates after the other."""
    count = len(table)
    rows = np.minimum(np.arange(start, start + min(_QUERIES, count), dtype=np.int32), count - 1)
    best: Any = np.full((len(rows), k), np.inf, np.float32), np.zeros((len(rows), k), np.int32)
    width = -(-count // -(-count // _CANDIDATES))  # equal blocks: little is looked at twice
    for first in range(0, count, width):
        best = _nearer(best, table, rows, first, width=width, metric=metric)
    return best


@functools.partial(jax.jit, static_argnames=("width", "metric"))
def _nearer(
    best: tuple[Array, Array],
    table: Array,
    rows: Array | HostArray,
    first: int,
    *,
    width: int,
    metric: Metric,
) -> tuple[Array, Array]:
    """Merge the candidates first..first + width into the best (distance, index) so far."""
    # The last block reaches back, so as to be as wide as the others.
    start = jnp.minimum(first, len(table) - width)
    candidates = jax.lax.dynamic_slice_in_dim(table, start, width)
    columns = start + jnp.arange(width)
    squared = _squared_distances(table[rows], candidates, metric=metric)
    # The vector itself comes first even where others equal it.
    squared = jnp.where(rows[:, None] == columns[None, :], -1.0, squared)
    squared = jnp.where(columns[None, :] < first, jnp.inf, squared)
    return _merge(best, squared, start)


def _squared_distances(queries: Array, candidates: Array, *, metric: Metric) -> Array:
    dots = jnp.matmul(queries, candidates.T, precision=jax.lax.Precision.HIGHEST)
    if metric == "cosine":
        # Not from the norms: a zero vector has none, and is to be at distance 1 from all.
        return jnp.maximum(2 - 2 * dots, 0.0)
    lengths = jnp.sum(queries**2, axis=1)[:, None] + jnp.sum(candidates**2, axis=1)[None, :]
    return jnp.maximum(lengths - 2 * dots, 0.0)


def _merge(best: tuple[Array, Array], squared: Array, start: Array) -> tuple[Array, Array]:
    k = best[0].shape[1]
    near, place = jax.lax.top_k(-squared, min(k, squared.shape[1]))
    distance = jnp.concatenate([best[0], -near], axis=1)
    index = jnp.concatenate([best[1], (place + start).astype(jnp.int32)], axis=1)
    near, place = jax.lax.top_k(-distance, k)
    return -near, jnp.take_along_axis(index, place, axis=1)
