"""The speed of the layout: nearest neighbours and UMAP apart."""

import dataclasses

import jax
import numpy as np

from jatlas.arrange import UMAP, nearest_neighbors, umap
from jatlas.bench import _machine as on
from jatlas.types import HostArray, Key, checks

_CLUSTERS = 50
_WARM_UP = 200


@dataclasses.dataclass(frozen=True, kw_only=True)
class LayoutSpeed:
    """What laying out vectors costs.

    Attributes:
      points: number of vectors.
      channels: their length.
      layout_s: seconds for the whole layout, median of the repetitions.
      layout_s_min: the same, fastest repetition.
      neighbors_s: seconds of it for the exact nearest neighbours.
      umap_s: the rest: UMAP itself.
      compile_s: extra seconds of the first search for neighbours.
      peak_bytes: peak memory use so far; None where it is unknown.
    """

    points: int
    channels: int
    layout_s: float
    layout_s_min: float
    neighbors_s: float
    umap_s: float
    compile_s: float
    peak_bytes: int | None


def bench_layout(
    *,
    key: Key,
    points: int = 10_000,
    channels: int = 512,
    config: UMAP | None = None,
    repeat: int = 1,
) -> LayoutSpeed:
    """Measure what `jatlas.arrange.umap` costs for random vectors.

    The vectors form 50 clusters and have no negative entries, as behind a ReLU. UMAP is compiled
    beforehand, with 200 vectors.

    Args:
      key: seeds the layout.
      points: number of vectors, at least one of each cluster.
      channels: their length.
      config: settings; None means `UMAP()`.
      repeat: repetitions, after one search for neighbours that warms up.

    Returns:
      LayoutSpeed.

    Raises:
      ValueError: for an argument out of range.
    """
    given = (("points", points, _CLUSTERS), ("channels", channels, 1), ("repeat", repeat, 1))
    for name, value, minimum in given:
        checks.whole(name, value, minimum=minimum)
    config = UMAP() if config is None else config
    vectors = _clusters(points, channels)
    k = min(config.n_neighbors, points - 1)

    def neighbors() -> object:
        return nearest_neighbors(vectors, k=k, metric=config.metric, progress=False)

    def layout() -> object:
        return umap(vectors, key=key, config=config, progress=False)

    umap(_clusters(_WARM_UP, channels), key=key, config=config, progress=False)
    first = on.timed(neighbors)
    search = on.times(neighbors, repeat=repeat)
    total = on.times(layout, repeat=repeat)
    return LayoutSpeed(
        points=points,
        channels=channels,
        layout_s=total.median,
        layout_s_min=total.min,
        neighbors_s=search.median,
        umap_s=max(total.median - search.median, 0.0),
        compile_s=max(first - search.median, 0.0),
        peak_bytes=on.peak_bytes(jax.devices()[:1]),
    )


def _clusters(points: int, channels: int) -> HostArray:
    rng = np.random.default_rng(0)
    centers = rng.standard_normal((_CLUSTERS, channels))
    offsets = 0.5 * rng.standard_normal((points, channels))
    return np.maximum(centers[rng.integers(0, _CLUSTERS, points)] + offsets, 0).astype(np.float32)
