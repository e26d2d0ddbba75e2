"""From samples to a map: laid out, averaged, drawn."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import jax.numpy as jnp
import numpy as np

from jatlas.arrange import TSNE, UMAP, Neighbors, cell_index, layout, to_unit_square, umap_neighbors
from jatlas.build._cells import draw_grid
from jatlas.build._config import BuildConfig
from jatlas.build._output import timed
from jatlas.collect import ImageSource
from jatlas.model import Network
from jatlas.records import Map, Samples
from jatlas.storage import Arrays, CachedStage
from jatlas.types import HostArray, Key, Params, Run


def draw_map(
    network: Network | None,
    params: Params,
    samples: Samples,
    images: ImageSource | None,
    *,
    layer: str,
    points: CachedStage,
    grids: Mapping[int, tuple[CachedStage, CachedStage]],
    keys: tuple[Key, ...],
    config: BuildConfig,
    run: Run,
    known: HostArray | None = None,
) -> tuple[Map, float | None]:
    """Lay samples out and draw grids over them.

    Args:
      network: what icons are rendered with; None draws cells without one, see `draw_grid`.
      params: its parameters.
      samples: of a layer.
      images: where the samples' images are; None if that is not known.
      layer: name of the layer.
      points: where the layout is kept.
      grids: by cells along each side, where icons and exemplars are kept.
      keys: of the layout and of the icons.
      config: settings.
      run: how it is carried out.
      known: (n, 2) points in the unit square, if the samples are laid out already.

    Returns:
      The map, and the recall of the samples' neighbours if it is known.

    Raises:
      ValueError: if the samples cannot be laid out, or a grid has no cells with enough of them.
    """
    for_layout, for_icons = keys

    def lay_out() -> Arrays:
        if known is not None:
            return {"points": known}
        return lay_out_vectors(
            samples.vectors, key=for_layout, config=config.layout, progress=run.progress
        )

    with timed(f"{layer} layout"):
        placed = points.once(lay_out)
    laid_out = Map(layer=layer, samples=samples, points=placed["points"], grids=())
    widest = max(full_cells(placed["points"], size, config.min_count) for size in grids)
    with timed(f"{layer} icons"):
        drawn = tuple(
            draw_grid(
                network, params, laid_out,
                size=size, min_count=config.min_count, config=config, images=images,
                key=for_icons, stages=stages, run=run, shared=widest,
            )
            for size, stages in grids.items()
        )  # fmt: skip
    recall = round(float(placed["recall"]), 4) if "recall" in placed else None
    return dataclasses.replace(laid_out, grids=drawn), recall


def lay_out_vectors(
    vectors: HostArray,
    *,
    key: Key,
    config: UMAP | TSNE,
    neighbors: Neighbors | None = None,
    progress: bool,
) -> Arrays:
    """Lay vectors out: "points", (n, 2) in the unit square, and "recall" if it is known."""
    near = neighbors
    if near is None and isinstance(config, UMAP):
        near = umap_neighbors(vectors, config=config, progress=progress)
    points = layout(vectors, key=key, config=config, neighbors=near, progress=progress)
    known = {} if near is None else {"recall": np.array(near.recall)}
    return {"points": np.asarray(to_unit_square(points))} | known


def full_cells(points: HostArray, size: int, min_count: int) -> int:
    """Return how many cells of a grid hold enough samples for an icon."""
    index = np.asarray(cell_index(jnp.asarray(points), size=size))
    return int((np.bincount(index) >= min_count).sum())
