"""UMAP: many vectors to points, near ones near."""

import dataclasses
import warnings
from typing import Any

import numpy as np

from jatlas.arrange._checks import Metric, check_layout_input, check_metric, seed_from
from jatlas.arrange._neighbors import nearest_neighbors
from jatlas.types import Array, HostArray, Key


@dataclasses.dataclass(frozen=True, kw_only=True)
class UMAP:
    """Settings of UMAP.

    Attributes:
      n_neighbors: neighbours that count as near, at most n - 1 of n vectors.
      min_dist: how tightly points may be packed, from 0 to 1.
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
        check_metric(self.metric)


def umap(
    vectors: Array | HostArray,
    *,
    key: Key,
    config: UMAP | None = None,
    dimensions: int = 2,
    progress: bool = True,
) -> HostArray:
    """Lay vectors out in the plane, or on a line, so that near ones stay near.

    umap-learn computes the layout. The neighbours it needs come from `nearest_neighbors` and are
    exact, so that a seeded layout, which umap-learn computes on one thread, is still quick.

    A host function: it runs outside `jit`.

    Args:
      vectors: (n, channels) float32, at least `MIN_SAMPLES`.
      key: seeds the layout: equal keys and vectors give equal points.
      config: settings; None means `UMAP()`.
      dimensions: 2 for the plane, 1 for a line.
      progress: whether to show progress bars.

    Returns:
      (n, dimensions) float32 points, in no particular range.

    Raises:
      ValueError: if there are too few vectors, or they are not a finite (n, channels) table.

    Reference:
      McInnes, Healy and Melville, "UMAP", 2018.
    """
    config = UMAP() if config is None else config
    table = check_layout_input(vectors)
    k = min(config.n_neighbors, len(table) - 1)
    near = nearest_neighbors(table, k=k, metric=config.metric, progress=progress)
    umap = _import_umap()
    reducer = umap.UMAP(
        n_components=dimensions,
        n_neighbors=k,
        min_dist=config.min_dist,
        metric=config.metric,
        random_state=seed_from(key),
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


def _import_umap() -> Any:
    """Import umap-learn, which takes seconds."""
    with warnings.catch_warnings():
        # It says that TensorFlow is missing, which only its parametric variant needs.
        warnings.filterwarnings("ignore", category=ImportWarning)
        import umap
    return umap
