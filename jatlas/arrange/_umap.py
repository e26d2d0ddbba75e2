"""UMAP: many vectors to points, near ones near."""

from __future__ import annotations

import dataclasses
from typing import Literal, TypeAlias, get_args

import jax
import numpy as np

from jatlas.arrange import _umap_learn as library
from jatlas.arrange._checks import Metric, check_dimensions, check_layout_input
from jatlas.arrange._graph import neighbor_graph
from jatlas.arrange._memory import return_freed
from jatlas.arrange._neighbors import Neighbors, nearest_neighbors
from jatlas.arrange._optimize import EPOCHS, EPOCHS_OF_MANY, MANY, optimize
from jatlas.arrange._start import landmark_start, spectral_start
from jatlas.types import Array, HostArray, Key, as_key, checks

Method: TypeAlias = Literal["jax", "umap-learn"]
"""What computes a layout."""

_MAX_EPOCHS = 100_000


@dataclasses.dataclass(frozen=True, kw_only=True)
class UMAP:
    """Settings of UMAP.

    Attributes:
      n_neighbors: neighbours that count as near, at most n - 1 of n vectors.
      min_dist: how tightly points may be packed, from 0 to 1.
      metric: "cosine" or "euclidean".
      recall: share of the true neighbours that is to be found, see
        `jatlas.arrange.nearest_neighbors`.
      epochs: steps of the optimization, at most 100,000; None means 500 for fewer than 10,000
        vectors and 200 for more.
      method: "jax" optimizes all points at once, on any device; "umap-learn" is the reference
        implementation, one edge at a time on one core.

    Reference:
      The published atlases were laid out with 50 / 0.05 / cosine (Carter et al. 2019, build
      files); the paper's notebooks use 20 / 0.01 / cosine.
    """

    n_neighbors: int = 50
    min_dist: float = 0.05
    metric: Metric = "cosine"
    recall: float = 0.98
    epochs: int | None = None
    method: Method = "jax"

    def __post_init__(self) -> None:
        """Check the ranges."""
        checks.field(self, "n_neighbors", checks.whole, minimum=2)
        checks.field(self, "min_dist", checks.number, minimum=0, maximum=1)
        checks.field(self, "metric", checks.choice, options=get_args(Metric))
        checks.field(self, "recall", checks.number, above=0, maximum=1)
        checks.field(self, "epochs", checks.whole, optional=True, maximum=_MAX_EPOCHS)
        checks.field(self, "method", checks.choice, options=get_args(Method))


def umap(
    vectors: Array | HostArray,
    *,
    key: Key,
    config: UMAP | None = None,
    dimensions: int = 2,
    neighbors: Neighbors | None = None,
    start: Array | HostArray | None = None,
    fixed: Array | HostArray | None = None,
    progress: bool = True,
) -> HostArray:
    """Lay vectors out in the plane, or on a line, so that near ones stay near.

    Equal keys and vectors give equal points, on one machine bit for bit.

    A host function: it runs outside `jit`.

    Args:
      vectors: (n, channels) float32, at least `MIN_SAMPLES`.
      key: seeds the layout.
      config: settings; None means `UMAP()`.
      dimensions: 2 for the plane, 1 for a line, at most 3.
      neighbors: of each vector, itself first, if they are known; None searches them.
      start: (n, dimensions) where the points begin, in units of the layout, which extends over
        5 to 20; None chooses it.
      fixed: (n,) bool, which points stay at their start, such as those of an earlier layout to
        which others are added; None means none.
      progress: whether to show progress bars.

    Returns:
      (n, dimensions) float32 points, in no particular range.

    Raises:
      ValueError: if there are too few vectors, they are not a finite (n, channels) table, the
        dimensions are out of range, neighbours, start and fixed points are not one per vector or
        have other values than expected, or are given where umap-learn has no place for them.

    Reference:
      McInnes, Healy and Melville, "UMAP", 2018.
    """
    config = checks.instance("config", UMAP() if config is None else config, kinds=(UMAP,))
    dimensions = check_dimensions(dimensions)
    table = check_layout_input(vectors)
    begin, still = _check_start(start, fixed, count=len(table), dimensions=dimensions)
    if config.method == "umap-learn" and still is not None:
        raise ValueError("fixed: expected None, as umap-learn moves all points")
    if neighbors is None:
        neighbors = umap_neighbors(table, config=config, progress=progress)
    else:
        neighbors = _check_neighbors(neighbors, len(table))
    if config.method == "umap-learn":
        return library.lay_out(
            table, neighbors,
            key=key, min_dist=config.min_dist, metric=config.metric, epochs=config.epochs,
            dimensions=dimensions, start=begin, progress=progress,
        )  # fmt: skip
    many = len(table) >= MANY
    for_start, for_epochs = jax.random.split(as_key(key))
    if many:
        return_freed()
    graph = neighbor_graph(neighbors, width=neighbors.indices.shape[1])
    where: Array | HostArray
    if begin is not None:
        where = begin
    elif many:
        where = landmark_start(
            table, key=for_start, metric=config.metric, min_dist=config.min_dist,
            dimensions=dimensions,
        )  # fmt: skip
    else:
        where = spectral_start(graph, key=for_start, dimensions=dimensions)
    if many:
        return_freed()
    points = optimize(
        where, graph,
        key=for_epochs, min_dist=config.min_dist,
        epochs=config.epochs or (EPOCHS_OF_MANY if many else EPOCHS),
        fixed=still, progress=progress,
    )  # fmt: skip
    return np.asarray(points, np.float32)


def umap_neighbors(
    vectors: Array | HostArray,
    *,
    config: UMAP,
    rows: Array | HostArray | None = None,
    progress: bool = True,
) -> Neighbors:
    """Find the neighbours that UMAP lays vectors out by.

    A host function: it runs outside `jit`.

    Args:
      vectors: (n, channels) float32, at least `MIN_SAMPLES`.
      config: how many, by which metric, and what share of the true ones.
      rows: (m,) numbers of the vectors whose neighbours are searched; None means all. See
        `jatlas.arrange.nearest_neighbors`.
      progress: whether to show a progress bar.

    Returns:
      Neighbors of all vectors or of `rows`, with the share that was found.

    Raises:
      ValueError: if there are too few vectors, they are not a finite (n, channels) table, or rows
        are not numbers of vectors.
    """
    table = check_layout_input(vectors)
    return nearest_neighbors(
        table,
        k=min(config.n_neighbors, len(table) - 1),
        metric=config.metric,
        recall=config.recall,
        rows=rows,
        progress=progress,
    )


def _check_start(
    start: Array | HostArray | None,
    fixed: Array | HostArray | None,
    *,
    count: int,
    dimensions: int,
) -> tuple[HostArray | None, HostArray | None]:
    """Return where points begin and which stay there, or raise ValueError."""
    begin = still = None
    if start is not None:
        begin = np.asarray(start, np.float32)
        if begin.shape != (count, dimensions):
            raise ValueError(f"start: expected ({count}, {dimensions}), got {begin.shape}")
        if not np.isfinite(begin).all():
            raise ValueError("start: some are not finite (NaN or infinity)")
    if fixed is not None:
        if begin is None:
            raise ValueError("fixed: expected None without start, which says where points stay")
        still = np.asarray(fixed)
        if still.shape != (count,) or still.dtype != bool:
            raise ValueError(f"fixed: expected ({count},) bool, got {still.shape} {still.dtype}")
    return begin, still


def _check_neighbors(neighbors: Neighbors, count: int) -> Neighbors:
    """Return neighbours that a layout can be computed from, or raise ValueError."""
    indices, distances, *rest = neighbors
    index, distance = np.asarray(indices), np.asarray(distances, np.float32)
    if index.ndim != 2 or len(index) != count or index.shape[1] < 2 or index.dtype.kind not in "iu":
        raise ValueError(
            f"neighbors: expected ({count}, k) integers with k of at least 2, got {index.shape} "
            f"{index.dtype}"
        )
    if distance.shape != index.shape:
        raise ValueError(f"neighbors: expected distances {index.shape}, got {distance.shape}")
    if index.min() < 0 or index.max() >= count:
        raise ValueError(
            f"neighbors: expected numbers from 0 to {count - 1}, got {index.min()} to {index.max()}"
        )
    if (index[:, 0] != np.arange(count)).any():
        raise ValueError("neighbors: expected each vector as its own first neighbour")
    if not np.isfinite(distance).all() or (np.diff(distance, axis=1) < 0).any():
        raise ValueError("neighbors: expected finite distances, ascending")
    return Neighbors(index.astype(np.int32, copy=False), distance, *rest)
