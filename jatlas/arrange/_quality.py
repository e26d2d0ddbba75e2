"""How well a map keeps what is near: trustworthiness and recall, on a sample of its points."""

from __future__ import annotations

import functools
from typing import NamedTuple, get_args

import jax
import jax.numpy as jnp
import numpy as np

from jatlas.arrange._checks import Metric, check_table
from jatlas.arrange._distances import by_blocks, comparable, squared_distances
from jatlas.arrange._memory import return_freed
from jatlas.types import Array, HostArray, Key, as_key, checks

_BLOCK = 100  # points that are compared with all vectors at once


class Quality(NamedTuple):
    """How well a map keeps neighbourhoods.

    Attributes:
      trustworthiness: 1 if the nearest on the map are near as vectors too, about 0.5 for random
        points; what is far counts by its rank.
      recall: share of the k nearest on the map that are among the k nearest vectors.
    """

    trustworthiness: float
    recall: float


def map_quality(
    vectors: Array | HostArray,
    points: Array | HostArray,
    *,
    key: Key,
    k: int = 15,
    metric: Metric = "cosine",
    sample: int = 500,
) -> Quality:
    """Measure how well a map keeps neighbourhoods, on a random sample of its points.

    A host function: it runs outside `jit`.

    Args:
      vectors: (n, channels) float32.
      points: (n, dimensions) where they are on the map.
      key: chooses the sample.
      k: neighbours that count, less than half of n.
      metric: how far vectors are apart; points are always compared by euclidean distances.
      sample: points whose neighbours are looked at; all of them, if there are fewer.

    Returns:
      Quality.

    Raises:
      ValueError: if vectors and points do not belong together, some are not finite, or an argument
        is out of range.

    Reference:
      Venna and Kaski, "Neighborhood preservation in nonlinear projection methods", 2001.
    """
    from scipy.spatial import cKDTree

    checks.choice("metric", metric, options=get_args(Metric))
    given, places = check_table(vectors), np.asarray(points, np.float32)
    count = len(given)
    if places.ndim != 2 or len(places) != count:
        raise ValueError(f"points: expected one per vector, ({count}, axes), got {places.shape}")
    if not np.isfinite(places).all():
        raise ValueError("points: some are not finite (NaN or infinity)")
    expected = f"less than half of the {count} vectors"
    k = checks.whole("k", k, maximum=(count - 1) // 2, expected=expected)
    sample = checks.whole("sample", sample)
    return_freed()
    table = comparable(given, metric=metric)
    order = jax.random.permutation(as_key(key), np.arange(count, dtype=np.int32))
    rows = np.asarray(order)[:sample]
    near = cKDTree(places).query(places[rows], k + 1)[1].astype(np.int32)
    # The point itself is left out; among points in the same place it need not be the first.
    itself = near == rows[:, None]
    itself[~itself.any(axis=1), -1] = True
    near = near[~itself].reshape(len(rows), k)
    rank = functools.partial(_ranks, table=table, metric=metric)
    ranks = by_blocks(rank, rows, near, size=_BLOCK).astype(np.int64)
    penalty = np.maximum(ranks - k, 0).sum()
    scale = 2 / (len(rows) * k * (2 * count - 3 * k - 1))
    return Quality(float(1 - scale * penalty), float((ranks <= k).mean()))


@functools.partial(jax.jit, static_argnames=("metric",))
def _ranks(rows: Array, near: Array, table: Array, *, metric: Metric) -> Array:
    """Return the rank of some vectors among all by distance to others, 1 for the nearest."""
    distance = squared_distances(table[rows], table, metric=metric)
    distance = jnp.where(rows[:, None] == jnp.arange(len(table))[None, :], jnp.inf, distance)
    theirs = jnp.take_along_axis(distance, near, axis=1)
    # One after the other: all at once, the comparisons of a million vectors would take 6 GB.
    closer = jax.lax.map(lambda one: (distance < one[:, None]).sum(axis=1), theirs.T)
    return closer.T + 1
