"""UMAP: many vectors to points, near ones near."""

import atexit
import dataclasses
import importlib.util
import shutil
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any, get_args

import numpy as np

from jatlas.arrange._checks import Metric, check_dimensions, check_layout_input, seed_from
from jatlas.arrange._neighbors import nearest_neighbors
from jatlas.storage import can_write, user_cache
from jatlas.types import Array, HostArray, Key, checks


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
        checks.field(self, "n_neighbors", checks.whole, minimum=2)
        checks.field(self, "min_dist", checks.number, minimum=0, maximum=1)
        checks.field(self, "metric", checks.choice, options=get_args(Metric))


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
      dimensions: 2 for the plane, 1 for a line, at most 3.
      progress: whether to show progress bars.

    Returns:
      (n, dimensions) float32 points, in no particular range.

    Raises:
      ValueError: if there are too few vectors, they are not a finite (n, channels) table, or the
        dimensions are out of range.

    Reference:
      McInnes, Healy and Melville, "UMAP", 2018.
    """
    config = checks.instance("config", UMAP() if config is None else config, kinds=(UMAP,))
    dimensions = check_dimensions(dimensions)
    table = check_layout_input(vectors)
    k = min(config.n_neighbors, len(table) - 1)
    near = nearest_neighbors(table, k=k, metric=config.metric, progress=progress)
    umap = import_umap()
    reducer = umap.UMAP(
        n_components=dimensions,
        n_neighbors=k,
        min_dist=config.min_dist,
        metric=config.metric,
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
    """Import umap-learn, which takes seconds: numba compiles what its cache does not hold.

    Raises:
      ImportError: if it cannot be imported.
    """
    _keep_compiled()
    with warnings.catch_warnings():
        # It says that TensorFlow is missing, which only its parametric variant needs.
        warnings.filterwarnings("ignore", category=ImportWarning)
        import umap
    return umap


def _keep_compiled() -> None:
    """Give numba a folder for what it compiles, if umap-learn's own cannot be written.

    Without one, umap-learn cannot be imported: in a container whose files are read-only, or that
    runs as a user without a home.
    """
    import numba

    config: Any = numba.config
    found = importlib.util.find_spec("umap")
    if config.CACHE_DIR or found is None or found.origin is None:
        return
    if not can_write(Path(found.origin).parent / "__pycache__"):
        config.CACHE_DIR = str(_cache_folder())


def _cache_folder() -> Path:
    """Return the user's cache of numba's programs; without one, a folder of this process."""
    folder = user_cache("numba")
    if folder is None:
        # Not a known name: numba runs what it finds there.
        folder = Path(tempfile.mkdtemp(prefix="jatlas-numba-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
