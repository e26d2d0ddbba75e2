"""From the samples of a map to the cells of a grid: averages, icons, exemplars."""

from __future__ import annotations

from pathlib import Path

import jax.numpy as jnp
import numpy as np

from jatlas.arrange import average_blocks, cell_index, inverse, whiten
from jatlas.build._cell_pictures import draw_cells, own_samples
from jatlas.build._config import CellConfig
from jatlas.build._crops import can_reread, thumbnails
from jatlas.build._icons import draw_icons
from jatlas.build._identity import deciding_versions, exemplars_name, icons_name, key_data, settings
from jatlas.collect import ImageSource
from jatlas.model import Network
from jatlas.records import Grid, Map
from jatlas.storage import Arrays, CachedStage
from jatlas.types import Array, HostArray, Key, Params, Run


def directions(means: Array | HostArray, moment: HostArray, *, config: CellConfig) -> HostArray:
    """Return the directions that the icons of cells are optimized for.

    Args:
      means: (m, channels) of the cells.
      moment: (channels, channels) second moment of the layer.
      config: whether and how to whiten.

    Returns:
      (m, channels) float32.
    """
    table = jnp.asarray(means)
    if config.whiten:
        table = whiten(table, inverse(jnp.asarray(moment), ridge=config.ridge))
    return np.asarray(table)


def draw_grid(
    network: Network | None,
    params: Params,
    atlas_map: Map,
    *,
    size: int,
    min_count: int,
    config: CellConfig,
    images: ImageSource | None,
    key: Key,
    stages: tuple[CachedStage, CachedStage],
    run: Run,
    shared: int = 0,
) -> Grid:
    """Average the samples of each cell, render icons of the full ones, find their exemplars.

    Args:
      network: the network; None draws cells as pictures of their nearest samples, or as colours.
      params: its parameters.
      atlas_map: samples and points; its grids do not matter.
      size: cells along each side.
      min_count: samples a cell must hold to get an icon.
      config: how cells become pictures.
      images: where the samples' images are; None if that is not known.
      key: seeds the icons.
      stages: those of the icons and of the exemplars, see `grid_stages`.
      run: how it is carried out.
      shared: cells of the largest grid whose icons are rendered by the same program.

    Returns:
      The grid.

    Raises:
      ValueError: if no cell holds enough samples.
    """
    samples, points = atlas_map.samples, atlas_map.points
    averages = average_blocks(samples.vectors, points, size=size)
    evidence = average_blocks(samples.evidence, points, size=size).mean
    count = np.asarray(averages.count)
    cells = np.flatnonzero(count.ravel() >= min_count).astype(np.int32)
    if not len(cells):
        raise ValueError(
            f"min_count: no cell of {size} x {size} holds {min_count} of the {len(points)} "
            f"samples, the fullest has {count.max()}: ask for fewer, or a smaller size"
        )
    means = np.asarray(averages.mean).reshape(size * size, -1)[cells]
    rendered, searched = stages
    own = _owners(points, cells, size=size)
    if network is None:
        icons = draw_cells(means, samples, own, images, config=config, stage=rendered)
    else:
        icons = draw_icons(
            network, params, directions(means, samples.moment, config=config), cells,
            layer=atlas_map.layer, config=config.icons, key=key, stage=rendered, run=run,
            shared=shared,
        )  # fmt: skip
    near = searched.get()
    # Without the images there were no crops: now there may be.
    if near is None or (config.exemplars and "crops" not in near and can_reread(images)):
        near = _exemplars(
            network, params, atlas_map, means, own, config, images,
            folder=searched.folder, workers=run.workers,
        )  # fmt: skip
        searched.put(near)
    grid = Grid(
        size=size,
        mean=np.asarray(averages.mean),
        count=count,
        evidence=np.asarray(evidence),
        cells=cells,
        icons=icons,
        exemplars=near.get("exemplars"),
        crops=near.get("crops"),
        boxes=near.get("boxes"),
    )
    return grid


def lacks_crops(atlas_map: Map, config: CellConfig) -> bool:
    """Return whether a map has no crops of the exemplars that are asked for."""
    return bool(config.exemplars) and any(grid.crops is None for grid in atlas_map.grids)


def grid_stages(
    points: CachedStage, path: str, *, size: int, min_count: int, config: CellConfig, key: Key
) -> tuple[CachedStage, CachedStage]:
    """Return the stages of a grid's icons and of its exemplars.

    Args:
      points: the stage that lays the map out.
      path: name of the map.
      size: cells along each side.
      min_count: samples a cell must hold to get an icon.
      config: how cells become pictures.
      key: seeds the icons.
    """
    cells = points.then(
        f"{path}-cells-{size}",
        size=size,
        min_count=min_count,
        whiten=config.whiten,
        ridge=config.ridge,
    )
    icons = cells.then(
        icons_name(path, size),
        icons=settings(config.icons),
        key=key_data(key),
        versions=deciding_versions("jax", "jaxlib", "optax"),
    )
    return icons, cells.then(exemplars_name(path, size), count=config.exemplars, of="cell")


def _owners(points: HostArray, cells: HostArray, *, size: int) -> HostArray:
    """Return which of the cells with an icon each sample lies in: (n,) int, -1 for none."""
    number = np.full(size * size, -1, np.int32)
    number[cells] = np.arange(len(cells))
    return number[np.asarray(cell_index(jnp.asarray(points), size=size))]


def _exemplars(
    network: Network | None,
    params: Params,
    atlas_map: Map,
    means: HostArray,
    own: HostArray,
    config: CellConfig,
    images: ImageSource | None,
    *,
    folder: Path | None,
    workers: int,
) -> Arrays:
    """Find the samples nearest to the mean of their cell, and crops if they can be cut."""
    if not config.exemplars:
        return {}
    samples = atlas_map.samples
    nearest = own_samples(means, samples, own, config=config, count=config.exemplars)
    made = thumbnails(
        network, params, images, samples.source, nearest.rows,
        layer=atlas_map.layer, folder=folder, workers=workers,
    )  # fmt: skip
    return {"exemplars": nearest.rows} | ({} if made is None else made._asdict())
