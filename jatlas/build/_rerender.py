"""Icons of an atlas drawn anew: a grid with other settings, or one cell larger."""

import dataclasses
import os
from pathlib import Path

import jax
import numpy as np

from jatlas.records import Atlas
from jatlas.records import Map
from jatlas.storage import Checkpoints
from jatlas.build._cells import DrawConfig, Job, directions, draw_icons, settings
from jatlas.build._class_maps import check_network, put
from jatlas.model import Network
from jatlas.model import digest
from jatlas.records import Samples
from jatlas.records import Info
from jatlas.storage import load
from jatlas.types import Key, Params, Run
from jatlas.visualize import render
from jatlas.records import Icons


def redraw(
    folder: str | Path,
    network: Network,
    params: Params,
    *,
    path: str,
    size: int,
    key: Key,
    drawing: DrawConfig | None = None,
    chunk: int | None = None,
    progress: bool = True,
) -> Map:
    """Draw the icons of a grid of an atlas folder anew, with other settings say.

    Cells, averages and exemplars stay. What is done is kept beside the folder, and after an
    interruption the same call goes on from there.

    Args:
      folder: the atlas.
      network: the network that it is of.
      params: its parameters.
      path: the map, see `Map.path`.
      size: cells along each side of the grid.
      key: seeds the icons as that of `build` does.
      drawing: how cells become pictures; its `exemplars` does not matter. None means
        `DrawConfig()`.
      chunk: icons that are optimized at once, no matter for the result; None asks the compiler.
      progress: whether to show progress bars.

    Returns:
      The map with its new icons.

    Raises:
      FileNotFoundError: if there is no atlas.
      ValueError: if the atlas is of another network, or has no such map or grid.
      OSError: if it cannot be saved; the atlas is as it was, and what is done stays beside it.
    """
    drawing = drawing or DrawConfig()
    place = Path(os.path.abspath(folder))
    atlas = load(place)
    check_network(atlas, network, params)
    owner = atlas.find(path)
    grid = owner.grid(size)
    chosen = {"seed": np.asarray(jax.random.key_data(key)).tolist()} | settings(drawing)
    del chosen["exemplars"]
    identity = {"grid": size, "map": path, **chosen, "weights_sha256": digest(params)}
    checkpoints = Checkpoints.open(place.with_name(f"{place.name}.{path}-{size}.partial"), identity)
    job = Job(network, params, owner.layer, owner.samples, None, 1, drawing, checkpoints)
    means = grid.mean.reshape(size * size, -1)[grid.cells]
    icons = draw_icons(
        job, means, grid.cells, size,
        key=jax.random.split(key, 3)[2], chunk=chunk, progress=progress,
    )  # fmt: skip
    new = dataclasses.replace(
        grid,
        icons=icons,
        settings=Info(chosen),
    )
    made = dataclasses.replace(
        owner, grids=tuple(new if each is grid else each for each in owner.grids)
    )
    put(place, made, atlas)
    checkpoints.close()
    return made


def draw_cell(
    network: Network,
    params: Params,
    atlas: Atlas,
    *,
    path: str,
    size: int,
    row: int,
    column: int,
    key: Key,
    drawing: DrawConfig | None = None,
    progress: bool = True,
) -> Icons:
    """Draw one cell of an atlas by itself, larger say.

    Args:
      network: the network that the atlas is of.
      params: its parameters.
      atlas: the atlas.
      path: the map, see `Map.path`.
      size: cells along each side of the grid.
      row: of the cell, 0 at the top.
      column: of the cell, 0 at the left.
      key: seeds the icon as that of `build` does.
      drawing: how a cell becomes a picture; None means `DrawConfig()`.
      progress: whether to show a progress bar.

    Returns:
      Icons, one.

    Raises:
      ValueError: if the atlas is of another network, or has no such map, grid or cell.
    """
    drawing = drawing or DrawConfig()
    check_network(atlas, network, params)
    owner = atlas.find(path)
    grid = owner.grid(size)
    if not (0 <= row < size and 0 <= column < size) or not grid.count[row, column]:
        raise ValueError(f"cell: {row} {column} of the {size} x {size} grid holds no samples")
    target = directions(grid.mean[row, column][None], owner.samples.moment, config=drawing)
    return render(
        network, params, target, layer=owner.layer, key=jax.random.split(key, 3)[2],
        config=drawing.render, ids=np.array([row * size + column], np.int32),
        run=Run(progress=progress),
    )  # fmt: skip
