"""Exact nearest neighbours in blocks: n x n distances are never in memory."""

import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P

from jatlas.arrange._checks import Metric
from jatlas.arrange._devices import QUERIES, mesh_of, replicate, sharded
from jatlas.arrange._distances import GROUP, smallest, squared_distances
from jatlas.types import Array, HostArray, checks, progress_bar

QUERY_BLOCK, CANDIDATE_BLOCK = 1024, 32_768


def search_all(
    table: Array,
    rows: HostArray,
    *,
    k: int,
    metric: Metric,
    devices: Sequence[jax.Device] | None = None,
    query_block: int = QUERY_BLOCK,
    candidate_block: int = CANDIDATE_BLOCK,
    progress: bool = False,
) -> tuple[HostArray, HostArray]:
    """Compare some vectors with all.

    Each device has the whole table and searches the neighbours of its own queries: they exchange
    nothing.

    Args:
      table: (n, channels) float32, scaled by `unit` or `centred`.
      rows: (m,) int32 numbers of the vectors whose neighbours are searched.
      k: how many, the vector itself among them.
      metric: "cosine" or "euclidean".
      devices: what searches; None means `jax.local_devices()`.
      query_block: vectors whose neighbours each device searches at once, at most.
      candidate_block: vectors they are compared with at once, at most.
      progress: whether to show a progress bar.

    Returns:
      (m, k) int32 numbers of the nearest, and their squared distances.
    """
    queries, candidates = block_shape(len(table), query_block, candidate_block)
    # No more devices than have something to do.
    available = list(devices or jax.local_devices())
    mesh = mesh_of(available[: max(-(-len(rows) // queries), 1)])
    everywhere = replicate(table, mesh)
    at_once = queries * mesh.size

    def find(start: int) -> tuple[Array, Array]:
        """Compare one block of queries with one block of candidates after the other."""
        some = jax.device_put(fill_block(rows, start, at_once), sharded(mesh))
        best = nothing_found(at_once, k, mesh)
        for first in range(0, len(table), candidates):
            best = merge_block(
                best, everywhere, some, first, width=candidates, metric=metric, mesh=mesh
            )
        return best

    with progress_bar(
        range(0, len(rows), at_once), shown=progress, desc="neighbours", unit="block"
    ) as starts:
        # Fetched block by block: JAX runs asynchronously, and the bar is to show finished blocks.
        return join_blocks([jax.device_get(find(start)) for start in starts], len(rows), k)


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


def fill_block(rows: HostArray, start: int, size: int) -> HostArray:
    """Return `size` rows from `start` on; the last is repeated: one shape for all blocks."""
    filled: HostArray = rows[np.minimum(np.arange(start, start + size), len(rows) - 1)]
    return filled


def nothing_found(queries: int, k: int, mesh: Mesh) -> tuple[Array, Array]:
    """Return (queries, k) squared distances and indices to merge the first candidates into."""
    best = np.full((queries, k), np.inf, np.float32), np.zeros((queries, k), np.int32)
    return jax.device_put(best, sharded(mesh))


def join_blocks(
    blocks: Sequence[tuple[HostArray, HostArray]], count: int, k: int
) -> tuple[HostArray, HostArray]:
    """Return the indices and squared distances of the first `count` queries of all blocks."""
    if not blocks:
        return np.zeros((0, k), np.int32), np.zeros((0, k), np.float32)
    squared = np.maximum(np.concatenate([block[0] for block in blocks])[:count], 0)
    return np.concatenate([block[1] for block in blocks])[:count], squared


@functools.partial(jax.jit, static_argnames=("width", "metric", "mesh"))
def merge_block(
    best: tuple[Array, Array],
    table: Array,
    rows: Array | HostArray,
    first: int,
    *,
    width: int,
    metric: Metric,
    mesh: Mesh,
) -> tuple[Array, Array]:
    """Merge the candidates first..first + width into the best (squared distance, index) so far.

    Args:
      best: (queries, k) float32 squared distances and int32 indices, nearest first; sharded.
      table: (n, channels) all vectors, on each device.
      rows: (queries,) int32 numbers of the query vectors; sharded.
      first: number of the first candidate.
      width: how many candidates.
      metric: "cosine" or "euclidean".
      mesh: the devices, along `QUERIES`.

    Returns:
      The best so far, these candidates included; sharded.
    """

    def merge(
        best: tuple[Array, Array], table: Array, rows: Array, first: Array
    ) -> tuple[Array, Array]:
        start, squared = candidate_distances(
            table[rows], rows, table, first, width=width, metric=metric
        )
        return _merge(best, squared, start)

    share = P(QUERIES)
    return jax.shard_map(merge, mesh=mesh, in_specs=(share, P(), share, P()), out_specs=share)(
        best, table, jnp.asarray(rows), jnp.asarray(first)
    )


def candidate_distances(
    queries: Array,
    rows: Array,
    table: Array,
    first: Array,
    *,
    width: int,
    metric: Metric,
    before: Array | int = 0,
) -> tuple[Array, Array]:
    """Compare queries with the candidates first..first + width of a table.

    Args:
      queries: (queries, channels).
      rows: (queries,) int32 their numbers.
      table: (n, channels).
      first: row of the first candidate.
      width: how many candidates.
      metric: "cosine" or "euclidean".
      before: number of the vector in row 0 of the table.

    Returns:
      The row that the comparison began at, and (queries, width) squared distances: -1 of a vector
      to itself, infinite to rows before `first`.
    """
    # The last block starts earlier, so as to be as wide as the others.
    start = jnp.minimum(first, len(table) - width)
    candidates = jax.lax.dynamic_slice_in_dim(table, start, width)
    columns = start + jnp.arange(width)
    squared = squared_distances(queries, candidates, metric=metric)
    # The vector itself comes first even among duplicates.
    squared = jnp.where(rows[:, None] == before + columns[None, :], -1.0, squared)
    return start, jnp.where(columns[None, :] < first, jnp.inf, squared)


def _merge(best: tuple[Array, Array], squared: Array, start: Array) -> tuple[Array, Array]:
    """Keep the k smallest of the best so far and of a block that begins at `start`."""
    k = best[0].shape[1]
    near, place = smallest(squared, min(k, squared.shape[1]))
    distance = jnp.concatenate([best[0], near], axis=1)
    index = jnp.concatenate([best[1], (place + start).astype(jnp.int32)], axis=1)
    near, place = jax.lax.top_k(-distance, k)
    return -near, jnp.take_along_axis(index, place, axis=1)
