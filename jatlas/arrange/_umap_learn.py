"""UMAP by umap-learn, the reference implementation."""

from __future__ import annotations

import sys
import warnings
from typing import Any

import numpy as np

from jatlas.arrange._checks import Metric, seed_from
from jatlas.arrange._neighbors import Neighbors
from jatlas.arrange._numba import import_compiled
from jatlas.types import HostArray, Key


def lay_out(
    table: HostArray,
    near: Neighbors,
    *,
    key: Key,
    min_dist: float,
    metric: Metric,
    epochs: int | None,
    dimensions: int,
    start: HostArray | None,
    progress: bool,
) -> HostArray:
    """Lay vectors out with umap-learn; the arguments are those of `jatlas.arrange.umap`.

    Returns:
      (n, dimensions) float32.
    """
    umap: Any = import_umap()
    reducer = umap.UMAP(
        n_components=dimensions,
        n_neighbors=near.indices.shape[1],
        min_dist=min_dist,
        metric=metric,
        n_epochs=epochs,
        init="spectral" if start is None else start,
        random_state=seed_from(key),
        n_jobs=1,
        precomputed_knn=(near.indices, near.distances),
        tqdm_kwds={
            "desc": "layout",
            "unit": "epoch",
            "disable": not progress or sys.stderr is None,
        },
        verbose=False,
    )
    with warnings.catch_warnings():
        # Without a search index no new points can be placed later; none are.
        warnings.filterwarnings("ignore", message="precomputed_knn")
        warnings.filterwarnings("ignore", message=".*spectral initiali[sz]ation", module="umap")
        points = reducer.fit_transform(table)
    return np.asarray(points, np.float32)


def import_umap() -> Any:
    """Import umap-learn.

    Raises:
      ImportError: if it cannot be imported.
    """
    return import_compiled("umap")
