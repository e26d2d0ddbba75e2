"""The time and quality of a layout, part by part."""

import dataclasses
import functools
import statistics
import time
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from jatlas.arrange import UMAP, map_quality, umap, umap_neighbors
from jatlas.bench import _machine as on
from jatlas.types import HostArray, Key, checks, take

_CLUSTERS = 50


@dataclasses.dataclass(frozen=True, kw_only=True)
class LayoutSpeed:
    """What laying out vectors costs, and how good the map is.

    Attributes:
      points: number of vectors.
      channels: their length.
      total_s: seconds for neighbours and map, median of the repetitions but the first; of the first
        if there is no other.
      first_s: the same of the first repetition, in which programs are compiled.
      neighbors_s: seconds of `total_s` for the nearest neighbours.
      map_s: the rest: the graph, where points begin, and the optimization.
      neighbor_recall: share of the true neighbours that was found.
      trustworthiness: of the map, see `jatlas.arrange.map_quality`.
      map_recall: share of the 15 nearest on the map that are among the 15 nearest vectors.
      peak_bytes: peak memory use so far; None where it is unknown.
    """

    points: int
    channels: int
    total_s: float
    first_s: float
    neighbors_s: float
    map_s: float
    neighbor_recall: float
    trustworthiness: float
    map_recall: float
    peak_bytes: int | None


def bench_layout(
    *,
    key: Key,
    points: int = 10_000,
    channels: int = 512,
    vectors: HostArray | None = None,
    config: UMAP | None = None,
    repeat: int = 1,
) -> LayoutSpeed:
    """Measure what a layout costs, and how well its map keeps neighbourhoods.

    Args:
      key: seeds the layout, and chooses among the vectors that are given.
      points: number of vectors, at least 50.
      channels: their length, of random ones.
      vectors: (n, channels) float32, of which `points` are laid out; None makes random ones in 50
        clusters, without negative entries, as behind a ReLU.
      config: settings; None means `UMAP()`.
      repeat: repetitions; the first one compiles.

    Returns:
      LayoutSpeed.

    Raises:
      ValueError: for an argument out of range, or fewer vectors than points.
    """
    given = (("points", points, _CLUSTERS), ("channels", channels, 1), ("repeat", repeat, 1))
    for name, value, minimum in given:
        checks.whole(name, value, minimum=minimum)
    config = UMAP() if config is None else config
    table = _clusters(points, channels) if vectors is None else _some(vectors, points, key)
    search = functools.partial(umap_neighbors, table, config=config, progress=False)
    searched, mapped = [], []
    for _ in range(repeat):
        near, seconds = _timed(search)
        searched.append(seconds)
        lay_out = functools.partial(
            umap, table, key=key, config=config, neighbors=near, progress=False
        )
        places, seconds = _timed(lay_out)
        mapped.append(seconds)
    peak = on.peak_bytes(jax.devices()[:1])
    quality = map_quality(table, places, key=key, metric=config.metric)
    warm = slice(1, None) if repeat > 1 else slice(None)
    return LayoutSpeed(
        points=points,
        channels=table.shape[1],
        total_s=statistics.median(map(sum, zip(searched[warm], mapped[warm], strict=True))),
        first_s=searched[0] + mapped[0],
        neighbors_s=statistics.median(searched[warm]),
        map_s=statistics.median(mapped[warm]),
        neighbor_recall=near.recall,
        trustworthiness=quality.trustworthiness,
        map_recall=quality.recall,
        peak_bytes=peak,
    )


def _timed(call: Callable[[], Any]) -> tuple[Any, float]:
    """Return the result of a call, and how long it took."""
    start = time.perf_counter()
    result = call()
    return result, time.perf_counter() - start


def _some(vectors: HostArray, points: int, key: Key) -> HostArray:
    """Return a random choice of vectors, in their order."""
    if vectors.ndim != 2 or len(vectors) < points:
        raise ValueError(f"vectors: expected at least {points} rows, got shape {vectors.shape}")
    if len(vectors) == points:
        return vectors
    rows = np.asarray(jax.random.permutation(key, np.arange(len(vectors), dtype=np.int32)))
    return np.asarray(take(vectors, np.sort(rows[:points])))


def _clusters(points: int, channels: int) -> HostArray:
    rng = np.random.default_rng(0)
    centers = rng.standard_normal((_CLUSTERS, channels))
    offsets = 0.5 * rng.standard_normal((points, channels))
    return np.maximum(centers[rng.integers(0, _CLUSTERS, points)] + offsets, 0).astype(np.float32)
