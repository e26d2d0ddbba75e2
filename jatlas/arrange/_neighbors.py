"""Exact nearest neighbours in JAX, in blocks: n x n distances are never in memory."""

import functools
from typing import NamedTuple, get_args

import jax
import jax.numpy as jnp
import numpy as np

from jatlas.arrange._checks import Metric, check_table
from jatlas.types import Array, HostArray, checks, progress_bar


class Neighbors(NamedTuple):
    """The k nearest neighbours of each vector, itself first.

    Attributes:
      indices: (n, k) int32.
      distances: (n, k) float32, ascending.
    """

    indices: HostArray
    distances: HostArray


def nearest_neighbors(
    vectors: Array | HostArray,
    *,
    k: int,
    metric: Metric = "cosine",
    progress: bool = True,
    query_block: int = 1024,
    candidate_block: int = 16384,
) -> Neighbors:
    """Find the k nearest vectors of each vector, the vector itself among them and first.

    All pairs are compared, and the result is the same on every run. Of several at the same
    distance the first wins. Distances are exact up to the rounding of float32: about 1e-6 for
    cosine; for euclidean, a thousandth of how far the vectors are from their mean is as good as 0.

    A host function: it runs outside `jit`.

    Args:
      vectors: (n, channels) float32.
      k: how many, from 1 to n.
      metric: "cosine" (1 - cosine of the angle; a zero vector is at 1 from all others) or
        "euclidean".
      progress: whether to show a progress bar.
      query_block: vectors whose neighbours are searched at once, at most.
      candidate_block: vectors they are compared with at once, at most. The two change the result
        by rounding only; query_block x candidate_block distances are in memory.

    Returns:
      Neighbors, nearest first.

    Raises:
      ValueError: for an unknown metric, vectors that are not a finite (n, channels) table, k
        outside 1..n, or an empty block.

    Example:
      >>> line = np.array([[0.0], [1.0], [3.0]])
      >>> near = nearest_neighbors(line, k=2, metric="euclidean", progress=False)
      >>> near.indices.tolist(), near.distances.tolist()
      ([[0, 1], [1, 0], [2, 1]], [[0.0, 1.0], [0.0, 1.0], [0.0, 2.0]])
    """
    checks.choice("metric", metric, options=get_args(Metric))
    table = jnp.asarray(check_table(vectors))
    count = len(table)
    k = checks.whole("k", k, maximum=count, expected=f"1 to {count} (the number of vectors)")
    queries, candidates = block_shape(count, query_block, candidate_block)
    table = _unit(table) if metric == "cosine" else _centred(table)

    def find(start: int) -> tuple[Array, Array]:
        """Compare one block of queries with one block of candidates after the other."""
        rows = np.minimum(np.arange(start, start + queries, dtype=np.int32), count - 1)
        shape = len(rows), k
        best = jnp.full(shape, jnp.inf, jnp.float32), jnp.zeros(shape, jnp.int32)
        for first in range(0, count, candidates):
            best = merge_block(best, table, rows, first, width=candidates, metric=metric)
        return best

    with progress_bar(
        range(0, count, queries), shown=progress, desc="neighbours", unit="block"
    ) as starts:
        # Fetched block by block: JAX runs asynchronously, and the bar is to show finished blocks.
        blocks = [jax.device_get(find(start)) for start in starts]
    squared = np.maximum(np.concatenate([block[0] for block in blocks])[:count], 0)
    indices = np.concatenate([block[1] for block in blocks])[:count]
    # Unit vectors: |a - b|^2 / 2 is 1 - cos.
    return Neighbors(indices, squared / 2 if metric == "cosine" else np.sqrt(squared))


def block_shape(count: int, query_block: int, candidate_block: int) -> tuple[int, int]:
    """Return how many queries and candidates are compared at once: one shape for all blocks.

    Example:
      >>> block_shape(300, query_block=1024, candidate_block=200)
      (300, 150)
    """
    query_block = checks.whole("query_block", query_block)
    candidate_block = checks.whole("candidate_block", candidate_block)
    blocks = -(-count // candidate_block)
    # Candidate blocks of equal width: the last one overlaps the one before it by little.
    return min(query_block, count), -(-count // blocks)


@jax.jit
def _centred(table: Array) -> Array:
    """Move the mean to the origin: far from it, the difference of large squares is lost."""
    return table - table.mean(axis=0, keepdims=True)


@jax.jit
def _unit(table: Array) -> Array:
    """Scale rows to length 1, zero rows excepted, without overflow or underflow of the squares."""
    largest = jnp.abs(table).max(axis=1, keepdims=True)
    table = table / jnp.where(largest > 0, largest, 1)
    norms = jnp.linalg.norm(table, axis=1, keepdims=True)
    return table / jnp.where(norms > 0, norms, 1)


@functools.partial(jax.jit, static_argnames=("width", "metric"))
def merge_block(
    best: tuple[Array, Array],
    table: Array,
    rows: Array | HostArray,
    first: int,
    *,
    width: int,
    metric: Metric,
) -> tuple[Array, Array]:
    """Merge the candidates first..first + width into the best (squared distance, index) so far.

    Args:
      best: (queries, k) float32 squared distances and int32 indices, nearest first.
      table: (n, channels) all vectors.
      rows: (queries,) int32 numbers of the query vectors.
      first: number of the first candidate.
      width: how many candidates.
      metric: "cosine" or "euclidean".

    Returns:
      The best so far, these candidates included.
    """
    # The last block starts earlier, so as to be as wide as the others.
    start = jnp.minimum(first, len(table) - width)
    candidates = jax.lax.dynamic_slice_in_dim(table, start, width)
    columns = start + jnp.arange(width)
    squared = _squared_distances(table[rows], candidates, metric=metric)
    # The vector itself comes first even among duplicates.
    squared = jnp.where(rows[:, None] == columns[None, :], -1.0, squared)
    squared = jnp.where(columns[None, :] < first, jnp.inf, squared)
    return _merge(best, squared, start)


def _squared_distances(queries: Array, candidates: Array, *, metric: Metric) -> Array:
    dots = jnp.matmul(queries, candidates.T, precision=jax.lax.Precision.HIGHEST)
    if metric == "cosine":
        # Not from the norms: a zero vector is to be at distance 1 from all others.
        return jnp.maximum(2 - 2 * dots, 0.0)
    lengths = jnp.sum(queries**2, axis=1)[:, None] + jnp.sum(candidates**2, axis=1)[None, :]
    return jnp.maximum(lengths - 2 * dots, 0.0)


def _merge(best: tuple[Array, Array], squared: Array, start: Array) -> tuple[Array, Array]:
    """Keep the k smallest of the best so far and of a block that begins at `start`."""
    k = best[0].shape[1]
    near, place = jax.lax.top_k(-squared, min(k, squared.shape[1]))
    distance = jnp.concatenate([best[0], -near], axis=1)
    index = jnp.concatenate([best[1], (place + start).astype(jnp.int32)], axis=1)
    near, place = jax.lax.top_k(-distance, k)
    return -near, jnp.take_along_axis(index, place, axis=1)
