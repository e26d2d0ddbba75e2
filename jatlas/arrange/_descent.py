"""Approximate nearest neighbours of very many vectors, by pynndescent."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jatlas.arrange._checks import Metric
from jatlas.arrange._distances import squared_distances
from jatlas.arrange._exact import search_all
from jatlas.arrange._numba import import_compiled
from jatlas.types import Array, HostArray

_SEED = 0
_BLOCK = 64  # vectors whose neighbours are compared again at once: those fit into a CPU's cache


def search_descent(table: Array, *, k: int, metric: Metric) -> tuple[HostArray, HostArray]:
    """Improve neighbours by those of neighbours, until few change.

    The same on every run on one machine.

    Args:
      table: (n, channels) float32, scaled by `unit` or `centred`.
      k: how many, the vector itself among them.
      metric: "cosine" or "euclidean".

    Returns:
      (n, k) int32 numbers of the nearest found, and their squared distances.

    Reference:
      Dong, Charikar and Li, "Efficient k-nearest neighbor graph construction for generic similarity
      measures", 2011.
    """
    found = _descend(np.asarray(table), k=k, metric=metric)
    # Among duplicates a vector need not have found itself.
    rows = np.arange(len(table), dtype=np.int32)
    absent = (found != rows[:, None]).all(axis=1)
    found[absent, -1] = rows[absent]
    indices, squared = np.empty_like(found), np.empty(found.shape, np.float32)
    for first in range(0, len(table), _BLOCK):
        part = slice(min(first, max(len(table) - _BLOCK, 0)), first + _BLOCK)
        indices[part], squared[part] = _sorted(table, rows[part], found[part], metric=metric)
    unfound = np.flatnonzero((found < 0).any(axis=1)).astype(np.int32)
    if len(unfound):
        indices[unfound], squared[unfound] = search_all(table, unfound, k=k, metric=metric)
    return indices, np.maximum(squared, 0)


def import_pynndescent() -> Any:
    """Import pynndescent.

    Raises:
      ImportError: if it cannot be imported.
    """
    return import_compiled("pynndescent")


def _descend(table: HostArray, *, k: int, metric: Metric) -> HostArray:
    """Return (n, k) int32 numbers of neighbours, -1 where too few were found."""
    pynndescent = import_pynndescent()
    # What its "cosine" is for vectors of length 1, but for "cosine" it would copy all of them.
    distance = pynndescent.distances.alternative_dot if metric == "cosine" else metric
    index = pynndescent.NNDescent(table, metric=distance, n_neighbors=k, random_state=_SEED)
    return np.asarray(index.neighbor_graph[0], np.int32)


@functools.partial(jax.jit, static_argnames=("metric",))
def _sorted(table: Array, rows: Array, found: Array, *, metric: Metric) -> tuple[Array, Array]:
    """Return neighbours nearest first, each vector before its duplicates, and squared distances."""
    between = jax.vmap(lambda one, others: squared_distances(one[None], others, metric=metric)[0])
    squared = between(table[rows], table[found])
    squared = jnp.where(found == rows[:, None], -1.0, squared)
    order = jnp.argsort(squared, axis=1)
    return jnp.take_along_axis(found, order, axis=1), jnp.take_along_axis(squared, order, axis=1)
