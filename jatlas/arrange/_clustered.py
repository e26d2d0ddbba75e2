"""Approximate nearest neighbours: each vector is compared with those in the nearest tiles.

The vectors are put in an order in which near ones are close to each other, and cut into tiles of
equal width. How many tiles a vector is compared with is decided by what finds the wanted share of
the true neighbours of a sample.

Reference:
  The inverted file of Jegou, Douze and Schmid, "Product quantization for nearest neighbor search",
  2011, with lists of equal length.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jatlas.arrange._checks import Metric
from jatlas.arrange._distances import by_blocks, smallest, squared_distances, unit
from jatlas.arrange._exact import fill_block
from jatlas.types import Array, HostArray, progress_bar

TILE = 64  # vectors that are found or not found together
_CLUSTERS = 4  # times the square root of the number of vectors
_PER_CLUSTER = 24  # vectors that a centre is found from
_ROUNDS = 3
_BLOCK = 8192  # vectors that are assigned at once
_PAIRS = 2**20  # of a vector and a tile that are compared at once: about 1 GB
_QUERIES, _PRODUCTS = 128, 32  # vectors in one product with a tile, products computed at once
_ROUNDED = 16  # to a multiple of which the number of tiles is rounded, for fewer programs
_MOST = 1 / 3  # of all tiles: beyond, comparing all pairs is faster


class Tiles(NamedTuple):
    """Vectors in an order that has near ones close to each other, cut into tiles.

    Attributes:
      table: (tiles * TILE, channels) float32, the vectors in that order, zeros at the end.
      order: (n,) numbers of the vectors in that order.
      centers: (tiles, channels) float32.
    """

    table: Array
    order: HostArray
    centers: Array


def tile(table: Array, *, metric: Metric) -> Tiles:
    """Order vectors by cluster, and within a cluster from its predecessor to its successor.

    Args:
      table: (n, channels) float32, scaled by `unit` or `centred`.
      metric: "cosine" or "euclidean".
    """
    count = len(table)
    rng = np.random.default_rng(0)
    clusters = max(1, min(int(_CLUSTERS * count**0.5), count // _PER_CLUSTER))
    sample = table[np.sort(rng.permutation(count)[: clusters * _PER_CLUSTER])]
    centers = _chained(_centers(sample, clusters, metric))
    nearest = functools.partial(_nearest, centers=centers, metric=metric)
    owner = by_blocks(nearest, table, size=_BLOCK)
    along = by_blocks(functools.partial(_along, centers=centers), table, owner, size=_BLOCK)
    order = np.lexsort((along, owner))
    tiles = -(-count // TILE)
    ordered = jnp.pad(table[order], ((0, tiles * TILE - count), (0, 0)))
    filled = np.minimum(count - TILE * np.arange(tiles), TILE)[:, None].astype(np.float32)
    means = ordered.reshape(tiles, TILE, -1).sum(axis=1) / filled
    return Tiles(ordered, order, unit(means) if metric == "cosine" else means)


def _centers(sample: Array, clusters: int, metric: Metric) -> Array:
    """Return the centres of clusters, by Lloyd's algorithm; spherical for cosines."""
    centers = sample[::_PER_CLUSTER][:clusters]
    for _ in range(_ROUNDS):
        nearest = functools.partial(_nearest, centers=centers, metric=metric)
        owner = by_blocks(nearest, sample, size=_BLOCK)
        centers = _moved(sample, owner, centers, metric=metric)
    return centers


@functools.partial(jax.jit, static_argnames=("metric",))
def _nearest(vectors: Array, centers: Array, *, metric: Metric) -> Array:
    return squared_distances(vectors, centers, metric=metric).argmin(axis=1)


@functools.partial(jax.jit, static_argnames=("metric",))
def _moved(sample: Array, owner: Array, centers: Array, *, metric: Metric) -> Array:
    """Return the means of clusters; an empty one keeps its centre."""
    total = jax.ops.segment_sum(sample, owner, num_segments=len(centers))
    ones = jnp.ones((len(sample), 1), jnp.float32)
    count = jax.ops.segment_sum(ones, owner, num_segments=len(centers))
    means = jnp.where(count > 0, total / jnp.maximum(count, 1), centers)
    return unit(means) if metric == "cosine" else means


@jax.jit
def _along(vectors: Array, owner: Array, centers: Array) -> Array:
    """Return how far vectors are on the way from the cluster before theirs to the one after it."""
    last = len(centers) - 1
    way = centers[jnp.minimum(owner + 1, last)] - centers[jnp.maximum(owner - 1, 0)]
    return (vectors * way).sum(axis=1)


def _chained(centers: Array) -> Array:
    """Return centres in an order in which each is followed by the nearest that is left."""
    distance = np.array(squared_distances(centers, centers, metric="euclidean"))
    order = [0]
    distance[:, 0] = np.inf
    for _ in range(len(centers) - 1):
        order.append(int(distance[order[-1]].argmin()))
        distance[:, order[-1]] = np.inf
    return centers[np.array(order)]


def tiles_needed(
    tiles: Tiles, rows: HostArray, kth: HostArray, *, k: int, metric: Metric, recall: float
) -> int | None:
    """Return how many tiles vectors must be compared with.

    Args:
      tiles: the vectors.
      rows: (m,) numbers of the vectors of a sample, in the original order.
      kth: (m,) squared distance of the true k-th neighbour of each.
      k: neighbours, the vector itself among them.
      metric: "cosine" or "euclidean".
      recall: share of the true neighbours that is to be found.

    Returns:
      The number; None if comparing all pairs is faster.
    """
    count = len(tiles.order)
    place = np.empty(count, np.int64)
    place[tiles.order] = np.arange(count)
    queries = tiles.table[place[rows]]
    distance = np.array(squared_distances(queries, tiles.table, metric=metric))
    distance[:, count:] = np.inf
    # By distance, not by number: of many at the same distance any will do.
    within = (distance <= kth[:, None]).reshape(len(rows), -1, TILE).sum(axis=2)
    order = np.asarray(squared_distances(queries, tiles.centers, metric=metric)).argsort(axis=1)
    found = np.minimum(np.take_along_axis(within, order, axis=1).cumsum(axis=1), k).mean(axis=0) / k
    enough = int(np.searchsorted(found, recall)) + 1
    enough = -(-max(enough, -(-k // TILE)) // _ROUNDED) * _ROUNDED
    return None if enough > _MOST * len(tiles.centers) else enough


def search_tiles(
    tiles: Tiles, rows: HostArray, *, k: int, metric: Metric, probes: int, progress: bool
) -> tuple[HostArray, HostArray]:
    """Compare some vectors with those in the nearest tiles.

    Args:
      tiles: the vectors.
      rows: (m,) numbers of the vectors whose neighbours are searched, in the original order.
      k: how many neighbours, the vector itself among them.
      metric: "cosine" or "euclidean".
      probes: tiles that a vector is compared with.
      progress: whether to show a progress bar.

    Returns:
      (m, k) int32 numbers of the nearest found, and their squared distances.
    """
    count = len(tiles.order)
    size = min(_PAIRS // probes, count)
    place = np.empty(count, np.int32)
    place[tiles.order] = np.arange(count, dtype=np.int32)
    # In the order of the tiles, so that vectors of a block are compared with the same ones.
    order = np.argsort(place[rows], kind="stable")
    indices, squared = np.empty((len(rows), k), np.int32), np.empty((len(rows), k), np.float32)
    with progress_bar(
        range(0, len(rows), size), shown=progress, desc="neighbours", unit="block"
    ) as starts:
        for start in starts:
            some = fill_block(order, start, size)
            asked = place[rows[some]]
            queries = tiles.table[asked]
            distance = np.array(_to_centers(queries, tiles.centers, metric=metric))
            distance[np.arange(size), asked // TILE] = -1  # a vector is to find itself
            # Their order does not matter: a quarter of the time of `top_k`.
            nearest = distance.argpartition(probes, axis=1)[:, :probes].astype(np.int32)
            found, distances = _compare(
                tiles.table, queries, asked, nearest, *_by_tile(nearest, len(tiles.centers)),
                count, k=k, metric=metric,
            )  # fmt: skip
            indices[some], squared[some] = tiles.order[np.asarray(found)], distances
    return indices, np.maximum(squared, 0)


_to_centers = jax.jit(squared_distances, static_argnames=("metric",))


def _by_tile(nearest: HostArray, tiles: int) -> tuple[HostArray, HostArray, HostArray]:
    """Group pairs of a query and a tile by tile, so that each product is of many queries.

    Args:
      nearest: (queries, probes) the tiles of each query.
      tiles: how many tiles there are.

    Returns:
      (products, _QUERIES) the queries of each product, filled up with the first; (products,) its
      tile; (queries, probes) where the result of each pair is among those of all products.
    """
    queries, probes = nearest.shape
    flat = nearest.ravel()
    order = np.argsort(flat, kind="stable")
    pairs = np.bincount(flat, minlength=tiles)
    products = -(-pairs // _QUERIES)
    first_product, first_pair = _starts(products) * _QUERIES, _starts(pairs)
    place = first_product[flat[order]] + np.arange(len(flat)) - first_pair[flat[order]]
    # Rounded: programs are compiled for a number of products.
    total = _rounded(int(products.sum()), len(flat) // _QUERIES // 4)
    rows = np.zeros(total * _QUERIES, np.int32)
    rows[place] = order // probes
    result = np.empty(len(flat), np.int32)
    result[order] = place
    owner = np.zeros(total, np.int32)
    owner[: products.sum()] = np.repeat(np.arange(tiles), products)
    return rows.reshape(total, _QUERIES), owner, result.reshape(queries, probes)


def _starts(lengths: HostArray) -> HostArray:
    starts: HostArray = np.cumsum(lengths) - lengths
    return starts


def _rounded(number: int, multiple: int) -> int:
    """Round up to a multiple, itself rounded to whole groups of products."""
    multiple = max(-(-multiple // _PRODUCTS), 1) * _PRODUCTS
    return -(-number // multiple) * multiple


@functools.partial(jax.jit, static_argnames=("k", "metric"))
def _compare(
    table: Array,
    queries: Array,
    rows: Array,
    nearest: Array,
    members: Array,
    owner: Array,
    result: Array,
    count: int,
    *,
    k: int,
    metric: Metric,
) -> tuple[Array, Array]:
    """Return the numbers and squared distances of the k nearest in the tiles of each query."""
    tables = table.reshape(-1, TILE, table.shape[1])
    pairwise = jax.vmap(functools.partial(squared_distances, metric=metric))

    def product(given: tuple[Array, Array]) -> Array:
        some, tile = given
        return pairwise(queries[some], tables[tile])

    grouped = members.reshape(-1, _PRODUCTS, _QUERIES), owner.reshape(-1, _PRODUCTS)
    distances = jax.lax.map(product, grouped).reshape(-1, TILE)
    squared = distances[result.ravel()].reshape(len(rows), -1)
    columns = (
        nearest[:, :, None] * TILE + jnp.arange(TILE, dtype=jnp.int32)[None, None, :]
    ).reshape(len(rows), -1)
    squared = jnp.where(columns < count, squared, jnp.inf)
    # The vector itself comes first even among duplicates.
    squared = jnp.where(columns == rows[:, None], -1.0, squared)
    squared, place = smallest(squared, k)
    return jnp.take_along_axis(columns, place, axis=1), squared
