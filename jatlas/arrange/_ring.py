"""Exact nearest neighbours of a table that no single device can hold.

Each device holds a part of the table and searches the neighbours of its own queries. Once all of
them have been compared with the part that a device holds, the parts move on to the next device.
"""

import functools
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P

from jatlas.arrange._checks import Metric
from jatlas.arrange._devices import QUERIES, mesh_of, sharded
from jatlas.arrange._distances import fill, scaler, smallest
from jatlas.arrange._exact import (
    CANDIDATE_BLOCK,
    QUERY_BLOCK,
    block_shape,
    candidate_distances,
    fill_block,
    join_blocks,
    nothing_found,
)
from jatlas.types import Array, HostArray, progress_bar


def search_ring(
    vectors: HostArray,
    rows: HostArray,
    *,
    k: int,
    metric: Metric,
    devices: Sequence[jax.Device] | None = None,
    query_block: int = QUERY_BLOCK,
    candidate_block: int = CANDIDATE_BLOCK,
    progress: bool = False,
) -> tuple[HostArray, HostArray]:
    """Compare some vectors with all, as `search_all` does with vectors that are not scaled yet.

    Of d devices, each holds a d-th of the vectors twice, one part while it sends the other, a d-th
    of the queries, and their neighbours.

    Args:
      vectors: (n, channels) float32.
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
    mesh = mesh_of(list(devices or jax.local_devices()))
    scale = scaler(vectors, metric=metric)
    held = _parts(vectors, scale, mesh)
    part = len(held) // mesh.size
    _, width = block_shape(part, query_block, candidate_block)
    size = min(query_block, len(vectors)) * mesh.size
    starts = range(0, len(rows), size)
    asked = [jax.device_put(fill_block(rows, start, size), sharded(mesh)) for start in starts]
    queries = [
        jax.device_put(scale(vectors[fill_block(rows, start, size)]), sharded(mesh))
        for start in starts
    ]
    best = [nothing_found(size, k, mesh) for _ in starts]
    total = mesh.size * len(starts)
    with progress_bar(None, shown=progress, desc="neighbours", unit="block", total=total) as bar:
        for moved in range(mesh.size):
            for block in range(len(starts)):
                for first in range(0, part, width):
                    best[block] = merge_held(
                        best[block], queries[block], asked[block], held, first, moved,
                        count=len(vectors), width=width, metric=metric, mesh=mesh,
                    )  # fmt: skip
                jax.block_until_ready(best[block])
                bar.update()
            held = move_on(held, mesh=mesh)
    return join_blocks(jax.device_get(best), len(rows), k)


def _parts(
    vectors: HostArray, scale: Callable[[HostArray], Array | HostArray], mesh: Mesh
) -> Array:
    """Return scaled vectors, sharded; zeros at the end make all parts equally long."""
    part = -(-len(vectors) // mesh.size)
    parts = [
        fill(vectors[part * number : part * (number + 1)], scale, length=part, device=device)
        for number, device in enumerate(mesh.devices.flat)
    ]
    shape = (part * mesh.size, vectors.shape[1])
    return jax.make_array_from_single_device_arrays(shape, sharded(mesh), parts)


@functools.partial(
    jax.jit, static_argnames=("count", "width", "metric", "mesh"), donate_argnames="best"
)
def merge_held(
    best: tuple[Array, Array],
    queries: Array,
    rows: Array,
    held: Array,
    first: int,
    moved: int,
    *,
    count: int,
    width: int,
    metric: Metric,
    mesh: Mesh,
) -> tuple[Array, Array]:
    """Merge the candidates first..first + width that each device holds into the best so far.

    All arrays are sharded.

    Args:
      best: (queries, k) float32 squared distances and int32 indices, nearest first.
      queries: (queries, channels).
      rows: (queries,) int32 their numbers.
      held: (parts * part, channels) the vectors, zeros at the end.
      first: row of the first candidate in each part.
      moved: how often the parts have moved on.
      count: how many vectors there are.
      width: how many candidates.
      metric: "cosine" or "euclidean".
      mesh: the devices, along `QUERIES`.

    Returns:
      The best so far, these candidates included.
    """

    def merge(
        best: tuple[Array, Array], queries: Array, rows: Array, table: Array, first: Array,
        moved: Array,
    ) -> tuple[Array, Array]:  # fmt: skip
        owner = (jax.lax.axis_index(QUERIES) + moved) % mesh.size
        before = (owner * len(table)).astype(jnp.int32)
        start, squared = candidate_distances(
            queries, rows, table, first, width=width, metric=metric, before=before
        )
        numbers = before + start + jnp.arange(width, dtype=jnp.int32)
        return _merge_in_any_order(best, jnp.where(numbers < count, squared, jnp.inf), numbers)

    share = P(QUERIES)
    specs = (share, share, share, share, P(), P())
    return jax.shard_map(merge, mesh=mesh, in_specs=specs, out_specs=share)(
        best, queries, rows, held, jnp.asarray(first), jnp.asarray(moved)
    )


@functools.partial(jax.jit, static_argnames=("mesh",), donate_argnames="held")
def move_on(held: Array, *, mesh: Mesh) -> Array:
    """Give each device the part that the next one holds."""
    pairs = [((number + 1) % mesh.size, number) for number in range(mesh.size)]
    move = functools.partial(jax.lax.ppermute, axis_name=QUERIES, perm=pairs)
    return jax.shard_map(move, mesh=mesh, in_specs=P(QUERIES), out_specs=P(QUERIES))(held)


def _merge_in_any_order(
    best: tuple[Array, Array], squared: Array, numbers: Array
) -> tuple[Array, Array]:
    """Keep the k smallest of the best so far and of a block, whichever has the lower numbers."""
    k = best[0].shape[1]
    near, place = smallest(squared, min(k, squared.shape[1]))
    distance = jnp.concatenate([best[0], near], axis=1)
    index = jnp.concatenate([best[1], numbers[place]], axis=1)
    # By number where distances are equal. Sorting takes longer than `top_k`, which the order in
    # which a single device meets the candidates allows.
    distance, index = jax.lax.sort((distance, index), num_keys=2)
    return distance[:, :k], index[:, :k]
