"""`check`: how far each cell of an atlas can be trusted."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import numpy as np

from jatlas.build import _identity as identity
from jatlas.build._crops import can_reread, own_images
from jatlas.build._icon_trust import IconInput, faithfulness, naturalness, stability
from jatlas.build._sample_trust import SampleFacts
from jatlas.build._trust_config import TrustConfig
from jatlas.collect import ImageSource
from jatlas.explain import distinct, kept, placed, pure
from jatlas.model import Network
from jatlas.records import MEASURES, OF_ICONS, Atlas, Grid, Info, Map, Trust
from jatlas.types import HostArray, Key, Params, Run, as_key, checks


def check(
    network: Network | None,
    params: Params,
    atlas: Atlas,
    *,
    key: Key,
    path: str | None = None,
    size: int | None = None,
    images: ImageSource | None = None,
    config: TrustConfig | None = None,
    run: Run | None = None,
) -> Atlas:
    """Measure how far each cell of an atlas can be trusted. A host function.

    What the atlas holds already, measured in the same way, is not measured again.

    Args:
      network: the network that the atlas is of; without one, only what needs no icons is measured.
      params: its parameters.
      atlas: the atlas; it is not changed.
      key: seeds the icons and the layout that those of the atlas are compared with.
      path: name of the map, see `Map.path`; None means all.
      size: cells along each side of the grid; None means all.
      images: where the atlas's images are; None means where they were, if it was a folder. Without
        them icons are compared with the crops that the atlas holds.
      config: settings; None means `TrustConfig()`.
      run: how it is carried out; with a cache, icons are not rendered again after an interruption.

    Returns:
      The atlas, the grids with their `Trust`.

    Raises:
      ValueError: if the atlas is of another network, has no such map or grid, the images are
        others, or it does not say how its icons were made and `config` neither.
    """
    config = checks.instance("config", config or TrustConfig(), kinds=(TrustConfig,))
    run = checks.instance("run", run or Run(), kinds=(Run,))
    source = None
    if network is not None:
        identity.check_network(atlas, network, params)
        source = own_images(atlas, images, size=network.input_size)
        source = source if can_reread(source) else None
    task = _Task(network, params, atlas, source, as_key(key), config, run)
    chosen = _chosen(atlas, path, size)
    maps = [
        _checked_map(task, each, chosen[each.path]) if each.path in chosen else each
        for each in atlas.maps
    ]
    return dataclasses.replace(atlas, maps=tuple(maps))


@dataclasses.dataclass(frozen=True)
class _Task:
    """What all maps have in common."""

    network: Network | None
    params: Params
    atlas: Atlas
    images: ImageSource | None
    key: Key
    config: TrustConfig
    run: Run

    @property
    def keys(self) -> tuple[Key, Key]:
        """Keys of a layout and of icons, which no build with the same key has."""
        for_layout, for_icons = jax.random.split(jax.random.split(self.key, 4)[3])
        return for_layout, for_icons


def _chosen(atlas: Atlas, path: str | None, size: int | None) -> dict[str, tuple[int, ...]]:
    """Return the sizes of the grids that are meant, by map; raises ValueError for none."""
    maps = atlas.maps if path is None else (atlas.find(path),)
    sizes = {each.path: tuple(grid.size for grid in each.grids) for each in maps}
    if size is not None:
        sizes = {name: (size,) for name, known in sizes.items() if size in known}
        if not sizes:
            maps[0].grid(size)  # raises, and says which there are
    return sizes


def _checked_map(task: _Task, owner: Map, sizes: tuple[int, ...]) -> Map:
    facts = SampleFacts(task.atlas, owner, task.keys[0], task.config, task.run)
    grids = tuple(
        _checked_grid(task, owner, grid, facts) if grid.size in sizes else grid
        for grid in owner.grids
    )
    if all(new is old for new, old in zip(grids, owner.grids, strict=True)):
        return owner
    return dataclasses.replace(owner, grids=grids)


def _checked_grid(task: _Task, owner: Map, grid: Grid, facts: SampleFacts) -> Grid:
    settings = _settings(task, grid)
    before = grid.trust
    if before is not None and settings.items() <= dict(before.settings or {}).items():
        known = before.measures
    else:
        known = {}
    wanted = [name for name in MEASURES if name not in {*known, *task.config.skip}]
    if task.network is None:
        wanted = [name for name in wanted if name not in OF_ICONS]
    new = _of_samples(wanted, owner, grid, facts) | _of_icons(wanted, task, owner, grid, facts)
    found = {name: values for name, values in new.items() if values is not None}
    if not found:
        return grid
    return dataclasses.replace(grid, trust=Trust(**known | found, settings=Info(settings)))


def _settings(task: _Task, grid: Grid) -> dict[str, Any]:
    """Return what decides the measures of a grid, as JSON values."""
    config = task.config
    pictures = None
    if task.network is not None:
        pictures = "images" if task.images is not None else "crops"
    return {
        "seed": identity.seed_of(task.key),
        "places": config.places,
        "layers": config.layers,
        "neighbors": config.neighbors,
        "icons": None if config.icons is None else identity.settings(config.icons),
        "pictures": pictures,
    }


def _of_samples(
    wanted: list[str], owner: Map, grid: Grid, facts: SampleFacts
) -> dict[str, HostArray | None]:
    """Measure what needs no icons."""
    samples, cells = owner.samples, grid.cells
    cell, image = facts.cell(grid.size), samples.source[:, 0]
    found: dict[str, HostArray | None] = {}
    if "pure" in wanted:
        found["pure"] = pure(samples.vectors, image, cell, cells)
    if "distinct" in wanted:
        found["distinct"] = distinct(grid.cell_means, samples.vectors, cell, cells)
    if "placed" in wanted and facts.other_points is not None:
        points, other = owner.points, facts.other_points
        found["placed"] = placed(points, other, image, cell, cells, k=facts.config.neighbors)
    if "kept" in wanted:
        near = facts.neighbors.rows[:, : facts.config.neighbors]
        found["kept"] = kept(near, owner.points, image, cell, cells)
    return found


def _of_icons(
    wanted: list[str], task: _Task, owner: Map, grid: Grid, facts: SampleFacts
) -> dict[str, HostArray | None]:
    """Measure what is of icons."""
    found: dict[str, HostArray | None] = {}
    if task.network is None or not set(wanted) & set(OF_ICONS):
        return found
    if "on_target" in wanted:
        cosines = np.asarray(grid.icons.cosines, np.float32)
        found["on_target"] = np.clip(cosines, 0, 1)
    given = IconInput(
        task.network, task.params, task.atlas, owner, grid, task.images, task.config, task.run
    )
    if "natural" in wanted:
        found["natural"] = naturalness(given, facts.neighbors.distances[:, 0])
    if "faithful" in wanted:
        found["faithful"] = faithfulness(given)
    if "stable" in wanted:
        found["stable"] = stability(given, key=task.keys[1])
    return found
