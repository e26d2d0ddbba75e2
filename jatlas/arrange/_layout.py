"""Vectors to points in the unit square."""

import dataclasses
import warnings

import jax
import jax.numpy as jnp
import numpy as np

from jatlas.arrange._neighbors import Metric, nearest_neighbors
from jatlas.types import Array, HostArray, Key

FEWEST = 10
"""Samples that a layout needs."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class UMAP:
    """Settings of UMAP.

    Attributes:
      n_neighbors: neighbours that count as near. Fewer than that many samples take all there are.
      min_dist: how tightly points may be packed.
      metric: "cosine" or "euclidean".

    Reference:
      The published atlases were laid out with 50 / 0.05 / cosine (Carter et al. 2019, build
      files); the paper's notebooks use 20 / 0.01 / cosine.
    """

    n_neighbors: int = 50
    min_dist: float = 0.05
    metric: Metric = "cosine"

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.n_neighbors < 2:
            raise ValueError(f"n_neighbors: expected at least 2, got {self.n_neighbors}")
        if not 0 <= self.min_dist <= 1:
            raise ValueError(f"min_dist: expected 0 to 1, got {self.min_dist}")
        if self.metric not in ("cosine", "euclidean"):
            raise ValueError(f"metric: expected 'cosine' or 'euclidean', got {self.metric!r}")


def umap(
    vectors: Array | HostArray,
    *,
    key: Key,
    config: UMAP | None = None,
    dimensions: int = 2,
    progress: bool = True,
) -> HostArray:
    """Lay vectors out in the plane, or on a line, so that near ones stay near.

    umap-learn draws the map; the neighbours it needs come from `nearest_neighbors`, exact, so
    that a seeded map, which umap-learn draws on one thread, is still quick.

    Args:
      vectors: (n, channels) float32, at least 10.
      key: seeds the layout: equal keys and vectors give equal points.
      config: settings; None means `UMAP()`.
      dimensions: 2 for the plane, 1 for a line.
      progress: whether to show progress bars.

    Returns:
      (n, dimensions) float32 points, in no particular range.

    Raises:
      ValueError: if there are fewer than 10 vectors, or they hold values that are not finite.

    Reference:
      McInnes, Healy and Melville, "UMAP", 2018.
    """
    config = UMAP() if config is None else config
    table = np.asarray(vectors, np.float32)
    if len(table) < FEWEST:
        raise ValueError(
            f"vectors: a layout needs at least {FEWEST} samples, got {len(table)}: "
            "use more images or more positions per image"
        )
    k = min(config.n_neighbors, len(table) - 1)
    near = nearest_neighbors(table, k=k, metric=config.metric, progress=progress)
    import umap  # takes seconds to import

    reducer = umap.UMAP(
        n_components=dimensions,
        n_neighbors=k,
        min_dist=config.min_dist,
        metric=config.metric,
        random_state=int(jax.random.randint(key, (), 0, np.iinfo(np.int32).max)),
        n_jobs=1,
        precomputed_knn=(near.indices, near.distances),
        tqdm_kwds={"desc": "layout", "unit": "epoch", "disable": not progress},
        verbose=False,
    )
    with warnings.catch_warnings():
        # Without a search index no new points can be placed later; none are.
        warnings.filterwarnings("ignore", message="precomputed_knn")
        warnings.filterwarnings("ignore", message=".*spectral initiali[sz]ation", module="umap")
        points = reducer.fit_transform(table)
    return np.asarray(points, np.float32)


def to_unit_square(
    points: Array | HostArray,
    *,
    percentiles: tuple[float, float] = (1.0, 99.0),
    margin: float = 0.1,
) -> HostArray:
    """Scale points into the unit square, each axis by its own percentiles.

    The range between the percentiles, widened by `margin` of itself on both sides, becomes
    [0, 1]; what lies outside is moved to the edge. The original widened the upper side by 11 %
    where it said 10; this does not.

    Args:
      points: (n, 2).
      percentiles: lower and upper, in percent.
      margin: share of the range that is added on each side.

    Returns:
      (n, 2) float32 in [0, 1]. An axis whose two percentiles agree becomes 0.5.

    Raises:
      ValueError: for percentiles that are not 0 <= lower < upper <= 100, a negative margin, or
        points that are not finite.

    Reference:
      `normalize_layout` of lucid's atlas recipe.
    """
    low, high = percentiles
    if not 0 <= low < high <= 100:
        raise ValueError(f"percentiles: expected 0 <= lower < upper <= 100, got {percentiles}")
    if not margin >= 0:
        raise ValueError(f"margin: expected at least 0, got {margin}")
    table = jnp.asarray(points, jnp.float32)
    if not jnp.isfinite(table).all():
        raise ValueError("points: some are not finite (NaN or infinity)")
    lower, upper = jnp.percentile(table, jnp.asarray(percentiles), axis=0)
    room = margin * (upper - lower)
    lower, upper = lower - room, upper + room
    spread = upper - lower
    scaled = jnp.where(spread > 0, (table - lower) / jnp.where(spread > 0, spread, 1), 0.5)
    return np.asarray(jnp.clip(scaled, 0.0, 1.0))
