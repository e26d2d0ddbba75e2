"""The speed of the layout: neighbours and UMAP apart."""

import dataclasses

import jax
import numpy as np

from jatlas.arrange import MIN_SAMPLES, UMAP, nearest_neighbors, umap
from jatlas.bench import _machine as on
from jatlas.types import HostArray, Key

_CLUSTERS = 50
_WARM_UP = 200


@dataclasses.dataclass(frozen=True, kw_only=True)
class LayoutSpeed:
    """What laying out vectors costs.

    Attributes:
      points: how many vectors.
      channels: their length.
      layout_s: seconds for all of it, from the median of the repetitions.
      layout_s_min: the same of the fastest one.
      neighbors_s: seconds of it for the exact nearest neighbours.
      umap_s: the rest, umap-learn's.
      compile_s: seconds more that the neighbours took the first time.
      peak_bytes: most memory in use so far: of the process on a CPU, of the device elsewhere.
    """

    points: int
    channels: int
    layout_s: float
    layout_s_min: float
    neighbors_s: float
    umap_s: float
    compile_s: float
    peak_bytes: int


def bench_layout(
    *,
    key: Key,
    points: int = 10_000,
    channels: int = 512,
    config: UMAP | None = None,
    repeat: int = 1,
) -> LayoutSpeed:
    """Measure what `jatlas.arrange.umap` costs for made-up vectors.

    They lie in 50 clouds and have no negative entries, as behind a ReLU. What umap-learn compiles
    is compiled before, with a few vectors.

    Args:
      key: seeds the layout.
      points: how many vectors.
      channels: their length.
      config: settings; None means `UMAP()`.
      repeat: repetitions, after one of the neighbours that warms up.

    Returns:
      LayoutSpeed.

    Raises:
      ValueError: for an argument out of range.
    """
    given = (("points", points, MIN_SAMPLES), ("channels", channels, 1), ("repeat", repeat, 1))
    for name, value, least in given:
        if value < least:
            raise ValueError(f"{name}: expected at least {least}, got {value}")
    config = UMAP() if config is None else config
    vectors = _clouds(points, channels)
    k = min(config.n_neighbors, points - 1)

    def neighbors() -> object:
        return nearest_neighbors(vectors, k=k, metric=config.metric, progress=False)

    def layout() -> object:
        return umap(vectors, key=key, config=config, progress=False)

    umap(_clouds(_WARM_UP, channels), key=key, config=config, progress=False)
    first = on.timed(neighbors)
    near = on.times(neighbors, repeat=repeat)
    whole = on.times(layout, repeat=repeat)
    return LayoutSpeed(
        points=points,
        channels=channels,
        layout_s=whole.median,
        layout_s_min=whole.min,
        neighbors_s=near.median,
        umap_s=max(whole.median - near.median, 0.0),
        compile_s=max(first - near.median, 0.0),
        peak_bytes=on.peak_bytes(jax.devices()[:1]),
    )


def _clouds(points: int, channels: int) -> HostArray:
    rng = np.random.default_rng(0)
    centers = rng.standard_normal((_CLUSTERS, channels))
    spread = 0.5 * rng.standard_normal((points, channels))
    return np.maximum(centers[rng.integers(0, _CLUSTERS, points)] + spread, 0).astype(np.float32)
