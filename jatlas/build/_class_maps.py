"""Maps of one class and of two compared, added to an atlas."""

from __future__ import annotations

import dataclasses
import logging
from typing import Any

from jatlas.build import _identity as identity
from jatlas.build._cells import draw_grid, grid_stages, lacks_crops
from jatlas.build._config import CellConfig, check_opaque
from jatlas.build._crops import can_reread, own_images
from jatlas.build._icons import sharing_icons
from jatlas.build._naming import with_names
from jatlas.build._output import timed
from jatlas.build._recommended import cells_like
from jatlas.collect import ImageSource
from jatlas.explain import (
    ClassSelection,
    ComparisonSelection,
    Selection,
    select_class,
    select_comparison,
)
from jatlas.model import Network, class_names, find_class
from jatlas.records import Atlas, Info, Map
from jatlas.storage import Arrays, CachedStage
from jatlas.types import Key, Params, Run

log = logging.getLogger(__name__)


def class_map(
    network: Network,
    params: Params,
    atlas: Atlas,
    name: str | int,
    *,
    key: Key,
    layer: str | None = None,
    selection: ClassSelection | None = None,
    cells: CellConfig | None = None,
    images: ImageSource | None = None,
    overwrite: bool = False,
    run: Run | None = None,
) -> Atlas:
    """Add a map of the samples that matter for one class. A host function.

    Args:
      network: the network that the atlas is of.
      params: its parameters.
      atlas: the atlas; it is not changed.
      name: the class, by its name or index.
      key: seeds the layout and the icons.
      layer: whose samples are used; None means the only layer of the atlas.
      selection: which samples, how many cells, and their layout; None means `ClassSelection()`.
      cells: how cells become pictures; None means `cells_like` the atlas.
      images: where the atlas's images are; None means where they were, if it was a folder.
      overwrite: whether a map of the class with other settings may be replaced.
      run: how it is carried out; with a cache, an interrupted call resumes.

    Returns:
      The atlas with the map: the last, or in the place of the one it replaces. The same atlas if
      it has this map already.

    Raises:
      ValueError: if the atlas is of another network or has such a map with other settings, there
        is no such class or layer, or too few samples matter.
    """
    return _with_map(
        network, params, atlas, (name,), ClassSelection() if selection is None else selection,
        key=key, layer=layer, cells=cells, images=images, overwrite=overwrite, run=run or Run(),
    )  # fmt: skip


def comparison_map(
    network: Network,
    params: Params,
    atlas: Atlas,
    left: str | int,
    right: str | int,
    *,
    key: Key,
    layer: str | None = None,
    selection: ComparisonSelection | None = None,
    cells: CellConfig | None = None,
    images: ImageSource | None = None,
    overwrite: bool = False,
    run: Run | None = None,
) -> Atlas:
    """Add a map of the samples that matter for two classes, from left to right. A host function.

    Args:
      network: the network that the atlas is of.
      params: its parameters.
      atlas: the atlas; it is not changed.
      left: the class on the left, by its name or index.
      right: the class on the right.
      key: as for `class_map`.
      layer: as for `class_map`.
      selection: which samples, how many cells, and their layout; None means
        `ComparisonSelection()`.
      cells: as for `class_map`.
      images: as for `class_map`.
      overwrite: as for `class_map`.
      run: as for `class_map`.

    Returns:
      The atlas with the map, as `class_map`.

    Raises:
      ValueError: as `class_map`.
    """
    selection = ComparisonSelection() if selection is None else selection
    return _with_map(
        network, params, atlas, (left, right), selection,
        key=key, layer=layer, cells=cells, images=images, overwrite=overwrite, run=run or Run(),
    )  # fmt: skip


def _with_map(
    network: Network,
    params: Params,
    atlas: Atlas,
    names: tuple[str | int, ...],
    selection: ClassSelection | ComparisonSelection,
    *,
    key: Key,
    layer: str | None,
    cells: CellConfig | None,
    images: ImageSource | None,
    overwrite: bool,
    run: Run,
) -> Atlas:
    """Select the samples of a map, lay them out and draw its cells."""
    code = identity.check_network(atlas, network, params)
    source = own_images(atlas, images, size=network.input_size)
    owner = atlas.layer(layer)
    known = class_names(network, params, known=atlas.classes)
    classes = tuple(find_class(name, known) for name in names)
    cells = cells_like(network, params, atlas, layer=owner.layer) if cells is None else cells
    check_opaque(cells)
    selection = selection.fitted(len(owner.samples))
    blank = _blank(owner, classes, known, selection, cells, key)
    _, for_layout, for_icons = identity.parts_of(key)
    points, grid = _stages(atlas, blank, selection, cells, (for_layout, for_icons), run, code=code)
    if any(each.path == blank.path for each in atlas.maps):
        digests = {stage.name: stage.digest for stage in (points, *grid)}
        same = digests.items() <= atlas.info.get("stages", {}).items()
        if same and not (lacks_crops(atlas.find(blank.path), cells) and can_reread(source)):
            log.info("%s is complete", blank.path)
            return atlas
        if not (same or overwrite):
            raise ValueError(
                f"the atlas already has the map {blank.path} with other settings "
                f"({_difference(atlas.find(blank.path), blank)}): ask to overwrite it"
            )

    def select() -> Arrays:
        chosen = _select(owner, classes, selection, key=for_layout, progress=run.progress)
        return {"rows": chosen.rows, "points": chosen.points}

    with sharing_icons(network, params, config=cells.icons, key=for_icons, run=run) as run:
        with timed("layout"):
            laid_out = points.once(select)
        rows = laid_out["rows"]
        new = dataclasses.replace(
            blank, samples=owner.samples.take(rows), rows=rows, points=laid_out["points"]
        )
        with timed("icons"):
            drawn = draw_grid(
                network, params, new,
                size=selection.size, min_count=selection.min_count, config=cells, key=for_icons,
                images=source,
                stages=grid, run=run,
            )  # fmt: skip
    by = atlas.info.get("settings", {}).get("names", "images")
    drawn_map = dataclasses.replace(new, grids=(drawn,))
    named = with_names(drawn_map, atlas.labels, atlas.classes, by=by)
    return with_map(atlas, named, stages=(points, *grid))


def with_map(atlas: Atlas, new: Map, *, stages: tuple[CachedStage, ...]) -> Atlas:
    """Return an atlas with a map: in the place of the one of its name, or as the last.

    Args:
      atlas: the atlas.
      new: the map.
      stages: whose results the map is.
    """
    paths = [each.path for each in atlas.maps]
    maps = [new if each.path == new.path else each for each in atlas.maps]
    if new.path not in paths:
        maps.append(new)
    digests = atlas.info.get("stages", {}) | {stage.name: stage.digest for stage in stages}
    return dataclasses.replace(atlas, maps=tuple(maps), info=Info(atlas.info | {"stages": digests}))


def _blank(
    owner: Map,
    classes: tuple[int, ...],
    names: tuple[str, ...],
    selection: ClassSelection | ComparisonSelection,
    cells: CellConfig,
    key: Key,
) -> Map:
    """Return what a map is to be, with the samples of its whole layer."""
    seed = identity.seed_of(key)
    chosen = identity.settings(selection) | identity.settings(cells)
    return dataclasses.replace(
        owner,
        kind="class" if len(classes) == 1 else "comparison",
        classes=classes,
        axes=Info(x=[names[index] for index in classes]) if len(classes) == 2 else None,
        settings=Info({"seed": seed} | chosen),
        grids=(),
    )


def _difference(there: Map, wanted: Map) -> str:
    """Name the settings in which two maps of the same classes differ."""
    before: dict[str, Any] = dict(there.settings or {})
    for grid in there.grids:
        before |= grid.settings or {}  # of icons that were rendered again
    different = identity.differences(before, dict(wanted.settings or {}))
    return different or "other samples or package versions"


def _stages(
    atlas: Atlas,
    blank: Map,
    selection: ClassSelection | ComparisonSelection,
    cells: CellConfig,
    keys: tuple[Key, Key],
    run: Run,
    *,
    code: str,
) -> tuple[CachedStage, tuple[CachedStage, CachedStage]]:
    """Return the stages of a map's points, and of its grid."""
    for_layout, for_icons = keys
    points = CachedStage.begin(
        run.cache,
        identity.points_name(blank.path),
        samples=identity.stage_digest(atlas, identity.samples_name(blank.layer), blank.samples),
        known=identity.results_of(atlas),
        weights_sha256=atlas.info.get("weights_sha256"),
        code_sha256=code,
        classes=list(blank.classes),
        selection=identity.settings(selection),
        key=identity.key_data(for_layout),
        versions=identity.deciding_versions(*identity.LAYOUT_PACKAGES),
    )
    grid = grid_stages(
        points, blank.path,
        size=selection.size, min_count=selection.min_count, config=cells, key=for_icons,
    )  # fmt: skip
    return points, grid


def _select(
    owner: Map,
    classes: tuple[int, ...],
    selection: ClassSelection | ComparisonSelection,
    *,
    key: Key,
    progress: bool,
) -> Selection:
    vectors, evidence = owner.samples.vectors, owner.samples.evidence
    if isinstance(selection, ComparisonSelection):
        left, right = classes
        return select_comparison(
            vectors, evidence, left=left, right=right, key=key, config=selection, progress=progress
        )
    (index,) = classes
    return select_class(
        vectors, evidence, index=index, key=key, config=selection, progress=progress
    )
