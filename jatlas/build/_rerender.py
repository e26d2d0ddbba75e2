"""Icons of an atlas rendered again: those of a grid with other settings, or one cell larger."""

from __future__ import annotations

import dataclasses

import numpy as np

from jatlas.build import _identity as identity
from jatlas.build._cells import directions
from jatlas.build._class_maps import with_map
from jatlas.build._config import CellConfig, check_opaque
from jatlas.build._icons import draw_icons, sharing_icons
from jatlas.model import Network
from jatlas.records import Atlas, Icons, Info
from jatlas.storage import CachedStage
from jatlas.types import Key, Params, Run
from jatlas.visualize import render


def rerender(
    network: Network,
    params: Params,
    atlas: Atlas,
    path: str,
    *,
    size: int,
    key: Key,
    cells: CellConfig | None = None,
    run: Run | None = None,
) -> Atlas:
    """Render the icons of a grid again, with other settings say. A host function.

    Cells, averages and exemplars stay, and what was measured of the cells' samples; what was
    measured of the icons, see `Trust`, is dropped.

    Args:
      network: the network that the atlas is of.
      params: its parameters.
      atlas: the atlas; it is not changed.
      path: name of the map, see `Map.path`.
      size: cells along each side of the grid.
      key: seeds the icons, as that of `build` does.
      cells: how cells become pictures; its `exemplars` is not used. None means `CellConfig()`.
      run: how it is carried out; with a cache, an interrupted call resumes.

    Returns:
      The atlas with the new icons.

    Raises:
      ValueError: if the atlas is of another network, or has no such map or grid.
    """
    cells, run = cells or CellConfig(), run or Run()
    check_opaque(cells)
    code = identity.check_network(atlas, network, params)
    owner = atlas.find(path)
    grid = owner.grid(size)
    _, _, for_icons = identity.parts_of(key)
    seed = identity.seed_of(key)
    chosen = {"seed": seed} | identity.settings(cells)
    del chosen["exemplars"]
    stage = CachedStage.begin(
        run.cache,
        identity.icons_name(path, size),
        points=identity.stage_digest(
            atlas, identity.points_name(path), (owner.points, owner.samples)
        ),
        code_sha256=code,
        cells=grid.cells.tolist(),
        weights_sha256=atlas.info.get("weights_sha256"),
        settings=chosen,
        key=identity.key_data(for_icons),
        versions=identity.deciding_versions("jax", "jaxlib", "optax"),
    )
    targets = directions(grid.cell_means, owner.samples.moment, config=cells)
    with sharing_icons(network, params, config=cells.icons, key=for_icons, run=run) as run:
        icons = draw_icons(
            network, params, targets, grid.cells,
            layer=owner.layer, config=cells.icons, key=for_icons, stage=stage, run=run,
        )  # fmt: skip
    trust = None if grid.trust is None else grid.trust.without_icons()
    new = dataclasses.replace(grid, icons=icons, settings=Info(chosen), trust=trust)
    grids = tuple(new if each is grid else each for each in owner.grids)
    return with_map(atlas, dataclasses.replace(owner, grids=grids), stages=(stage,))


def render_cell(
    network: Network,
    params: Params,
    atlas: Atlas,
    path: str,
    *,
    size: int,
    row: int,
    column: int,
    key: Key,
    cells: CellConfig | None = None,
    run: Run | None = None,
) -> Icons:
    """Render one cell of an atlas by itself, larger say. A host function.

    Args:
      network: the network that the atlas is of.
      params: its parameters.
      atlas: the atlas.
      path: name of the map, see `Map.path`.
      size: cells along each side of the grid.
      row: of the cell, 0 at the top.
      column: of the cell, 0 at the left.
      key: seeds the icon, as that of `build` does.
      cells: how a cell becomes a picture; None means `CellConfig()`.
      run: how it is carried out.

    Returns:
      Icons, one, float32 in [0, 1].

    Raises:
      ValueError: if the atlas is of another network, or has no such map, grid or cell.
    """
    cells = cells or CellConfig()
    identity.check_network(atlas, network, params)
    owner = atlas.find(path)
    grid = owner.grid(size)
    if not (0 <= row < size and 0 <= column < size) or not grid.count[row, column]:
        raise ValueError(f"cell: {row} {column} of the {size} x {size} grid holds no samples")
    target = directions(grid.mean[row, column][None], owner.samples.moment, config=cells)
    return render(
        network, params, target,
        layer=owner.layer, key=identity.parts_of(key)[2], config=cells.icons,
        ids=np.array([row * size + column], np.int32), run=run,
    )  # fmt: skip
