"""The graph that UMAP lays out: which vectors are near which, and how much.

Reference:
  McInnes, Healy and Melville, "UMAP", 2018, section 3.1 and algorithms 2 and 3.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jatlas.arrange._distances import by_blocks
from jatlas.arrange._neighbors import Neighbors
from jatlas.types import Array, HostArray

_HALVINGS = 40  # of the interval that a width is searched in
_NARROWEST = 1e-3  # width, as a share of the mean distance to the neighbours: umap-learn's
_TINY = 1e-20  # keeps the width of equal vectors above zero
# Rows handled at once: what is computed on the way is to be small beside the graph.
_ROWS, _MEMBERSHIP_ROWS = 16_384, 65_536


class Graph(NamedTuple):
    """For each point, those it is pulled to.

    Attributes:
      indices: (n, width) int32; a point's own number where it has fewer.
      weights: (n, width) float32 in [0, 1]; 0 where it has fewer.
    """

    indices: HostArray
    weights: HostArray


@jax.jit
def memberships(distances: Array) -> Array:
    """Return how much each neighbour belongs to the neighbourhood of a vector.

    The nearest one at a distance above 0 belongs entirely. Beyond it, membership falls off
    exponentially, with a width of the vector's own, at which memberships add up to log2(k).

    A pure function: it works under `jit` and `vmap`.

    Args:
      distances: (n, k) of each vector to its neighbours, itself first, ascending.

    Returns:
      (n, k - 1) float32 in [0, 1], without the vector itself.
    """
    others = distances[:, 1:]
    nearest = jnp.where(others > 0, others, jnp.inf).min(axis=1, keepdims=True)
    beyond = jnp.maximum(others - jnp.where(jnp.isfinite(nearest), nearest, 0), 0)
    target = jnp.log2(jnp.float32(distances.shape[1]))

    def halve(_: int, state: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        low, high, width = state
        too_wide = jnp.exp(-beyond / width).sum(axis=1, keepdims=True) > target
        high, low = jnp.where(too_wide, width, high), jnp.where(too_wide, low, width)
        return low, high, jnp.where(jnp.isinf(high), 2 * width, (low + high) / 2)

    start = jnp.zeros_like(nearest), jnp.full_like(nearest, jnp.inf), jnp.ones_like(nearest)
    width = jax.lax.fori_loop(0, _HALVINGS, halve, start)[2]
    width = jnp.maximum(width, _NARROWEST * distances.mean(axis=1, keepdims=True))
    return jnp.exp(-beyond / jnp.maximum(width, _TINY))


def neighbor_graph(near: Neighbors, *, width: int) -> Graph:
    """Return the symmetric graph of a set of neighbours: the fuzzy union of both directions.

    Of a pair with the memberships p and q the weight is p + q - p q. Each point keeps its `width`
    strongest edges: of 100,000 vectors of mixed4c with 50 neighbours, some have 300, and without
    the weak ones (11 % of the weight) the layout was no worse, and took two thirds of the time.

    A host function: it runs outside `jit`.

    Args:
      near: k neighbours of each of n vectors, itself first.
      width: edges that a point keeps, at most.

    Returns:
      Graph.
    """
    from scipy import sparse

    count, k = near.indices.shape
    shares = by_blocks(memberships, near.distances, size=_MEMBERSHIP_ROWS)
    ends = np.arange(0, count * (k - 1) + 1, k - 1)
    other_way = sparse.csc_matrix(
        (shares.ravel(), near.indices[:, 1:].ravel(), ends), shape=(count, count)
    ).tocsr()
    indices = np.repeat(np.arange(count, dtype=np.int32)[:, None], width, axis=1)
    weights = np.zeros((count, width), np.float32)
    for first in range(0, count, _ROWS):
        part = slice(first, first + _ROWS)
        named = near.indices[part, 1:]
        p = sparse.csr_matrix(
            (shares[part].ravel(), named.ravel(), ends[: len(named) + 1]),
            shape=(len(named), count),
        )
        q = other_way[part]
        _fill(p + q - p.multiply(q), indices[part], weights[part])
    return Graph(indices, weights)


def _fill(edges: Any, indices: HostArray, weights: HostArray) -> None:
    """Write the strongest edges of some rows of a sparse matrix into dense ones."""
    edges.sort_indices()
    rows, width = indices.shape
    degree = np.diff(edges.indptr)
    row = np.repeat(np.arange(rows), degree)
    place = np.arange(edges.nnz) - np.repeat(edges.indptr[:-1], degree)
    # Only rows that are too long need an order; in it, equal weights are as they were.
    long = np.flatnonzero(np.repeat(degree > width, degree))
    place[long[np.lexsort((-edges.data[long], row[long]))]] = place[long]
    kept = place < width
    indices[row[kept], place[kept]] = edges.indices[kept]
    weights[row[kept], place[kept]] = edges.data[kept]
