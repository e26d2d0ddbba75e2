"""Exact nearest neighbours in blocks: n x n distances are never in memory."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from jatlas.arrange._checks import Metric
from jatlas.arrange._distances import GROUP, smallest, squared_distances
from jatlas.types import Array, HostArray, checks, progress_bar

QUERY_BLOCK, CANDIDATE_BLOCK = 1024, 32_768


def search_all(
    table: Array,
    rows: HostArray,
    *,
    k: int,
    metric: Metric,
    query_block: int = QUERY_BLOCK,
    candidate_block: int = CANDIDATE_BLOCK,
    progress: bool = False,
) -> tuple[HostArray, HostArray]:
    """Compare some vectors with all.

    Args:
      table: (n, channels) float32, scaled by `unit` or `centred`.
      rows: (m,) int32 numbers of the vectors whose neighbours are searched.
      k: how many, the vector itself among them.
      metric: "cosine" or "euclidean".
      query_block: vectors whose neighbours are searched at once, at most.
      candidate_block: vectors they are compared with at once, at most.
      progress: whether to show a progress bar.

    Returns:
      (m, k) int32 numbers of the nearest, and their squared distances.
    """
    queries, candidates = block_shape(len(table), query_block, candidate_block)
    queries = min(queries, len(rows))

    def find(start: int) -> tuple[Array, Array]:
        """Compare one block of queries with one block of candidates after the other."""
        # The last block is filled up with the last row: one shape for all.
        some = rows[np.minimum(np.arange(start, start + queries), len(rows) - 1)]
        best = (
            jnp.full((queries, k), jnp.inf, jnp.float32),
            jnp.zeros((queries, k), jnp.int32),
        )
        for first in range(0, len(table), candidates):
            best = merge_block(best, table, some, first, width=candidates, metric=metric)
        return best

    with progress_bar(
        range(0, len(rows), queries), shown=progress, desc="neighbours", unit="block"
    ) as starts:
        # Fetched block by block: JAX runs asynchronously, and the bar is to show finished blocks.
        blocks = [jax.device_get(find(start)) for start in starts]
    squared = np.maximum(np.concatenate([block[0] for block in blocks])[: len(rows)], 0)
    return np.concatenate([block[1] for block in blocks])[: len(rows)], squared


def block_shape(count: int, query_block: int, candidate_block: int) -> tuple[int, int]:
    """Return how many queries and candidates are compared at once: one shape for all blocks.

    Example:
      >>> block_shape(300, query_block=1024, candidate_block=200)
      (300, 160)
    """
    query_block = checks.whole("query_block", query_block)
    candidate_block = checks.whole("candidate_block", candidate_block)
    blocks = -(-count // candidate_block)
    # Candidate blocks of equal width: the last one overlaps the one before it by little.
    width = -(-count // blocks)
    rounded = -(-width // GROUP) * GROUP  # as `smallest` takes them
    return min(query_block, count), min(rounded, candidate_block, count)


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
    squared = squared_distances(table[rows], candidates, metric=metric)
    # The vector itself comes first even among duplicates.
    squared = jnp.where(rows[:, None] == columns[None, :], -1.0, squared)
    squared = jnp.where(columns[None, :] < first, jnp.inf, squared)
    return _merge(best, squared, start)


def _merge(best: tuple[Array, Array], squared: Array, start: Array) -> tuple[Array, Array]:
    """Keep the k smallest of the best so far and of a block that begins at `start`."""
    k = best[0].shape[1]
    near, place = smallest(squared, min(k, squared.shape[1]))
    distance = jnp.concatenate([best[0], near], axis=1)
    index = jnp.concatenate([best[1], (place + start).astype(jnp.int32)], axis=1)
    near, place = jax.lax.top_k(-distance, k)
    return -near, jnp.take_along_axis(index, place, axis=1)
