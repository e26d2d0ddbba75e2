"""Maps that were drawn become an atlas, with what an earlier one holds of the same."""

from __future__ import annotations

import dataclasses
import logging
from typing import Any

from jatlas.build import _identity as identity
from jatlas.build._config import NamesBy
from jatlas.build._naming import with_names
from jatlas.build._own_labels import OWN_LABELS
from jatlas.build._plan import Plan
from jatlas.records import Atlas, Info, Labels, Map
from jatlas.types import HostArray

log = logging.getLogger(__name__)


def as_atlas(
    drawn: dict[str, tuple[Map, float | None]],
    plan: Plan,
    info: dict[str, Any],
    stored: Atlas | None,
    *,
    images: tuple[str, ...],
    classes: tuple[str, ...],
    labels: Labels | None,
    by: NamesBy,
    predictions: HostArray | None = None,
    skipped: list[list[str]] | None = None,
    own_labels: str | None = None,
) -> Atlas:
    """Return an atlas of maps that were drawn.

    Args:
      drawn: by layer its map, and the recall of its samples' neighbours if it is known.
      plan: the stages that they are results of.
      info: everything that decides them.
      stored: an earlier atlas, of which equal maps and the maps of classes are kept.
      images: names of the images.
      classes: names of the classes.
      labels: what the images show.
      by: what cells are named by.
      predictions: (images,) what the network takes the images for.
      skipped: name and reason of each image that could not be used.
      own_labels: see `own_labels_digest`.
    """
    maps = [each for each, _ in drawn.values()]
    recall = {layer: share for layer, (_, share) in drawn.items() if share is not None}
    digests = plan.digests()
    if stored is not None:
        maps = [_unless_equal(each, stored, digests) for each in maps]
        class_maps, kept = _class_maps(stored, digests, names=classes)
        maps, digests = maps + class_maps, digests | kept
    there = {} if stored is None else stored.info.get("stages", {})
    same = there.get(identity.LABELS) == digests[identity.LABELS]
    named = stored.maps if stored is not None and same else ()
    maps = [each if each in named else with_names(each, labels, classes, by=by) for each in maps]
    about = {"skipped": skipped or [], "stages": digests, identity.RECALL: recall}
    if own_labels is not None:
        about[OWN_LABELS] = own_labels
    return Atlas(
        maps=tuple(maps),
        images=images,
        classes=classes,
        info=Info(info | about),
        predictions=None if predictions is None or (predictions < 0).all() else predictions,
        labels=labels,
    )


def _class_maps(
    stored: Atlas, digests: dict[str, str], *, names: tuple[str, ...]
) -> tuple[list[Map], dict[str, str]]:
    """Return the class maps of an atlas whose layers have the same samples, and their digests."""
    before, maps = stored.info.get("stages", {}), []
    kept: dict[str, str] = {}
    for each in stored.maps:
        name, prefix = identity.samples_name(each.layer), f"{each.path}-"
        if each.kind == "layer":
            continue
        if name in digests and before.get(name) == digests[name]:
            maps.append(_with_axes(each, names) if names != stored.classes else each)
            kept |= {stage: x for stage, x in before.items() if stage.startswith(prefix)}
        else:
            log.warning("%s is dropped: it is of other samples of %s", each.path, each.layer)
    return maps, kept


def _with_axes(each: Map, names: tuple[str, ...]) -> Map:
    """Return a class map with other names of its classes."""
    if each.axes is None or not names:
        return each
    return dataclasses.replace(each, axes=Info(x=[names[index] for index in each.classes]))


def _unless_equal(new: Map, stored: Atlas, digests: dict[str, str]) -> Map:
    """Return a stored map in place of a new one if all its stages are the same."""
    before = stored.info.get("stages", {})
    for other in stored.maps:
        same_grids = [grid.size for grid in other.grids] == [grid.size for grid in new.grids]
        if other.path == new.path and same_grids:
            sizes = [grid.size for grid in new.grids]
            names = [identity.samples_name(new.layer), identity.points_name(new.path)]
            names += [identity.icons_name(new.path, size) for size in sizes]
            names += [identity.exemplars_name(new.path, size) for size in sizes]
            names.append(identity.LABELS)
            if all(before.get(name) == digests[name] for name in names):
                return other
        if other.path == new.path:
            return _with_trust(new, other, before, digests)
    return new


def _with_trust(new: Map, other: Map, before: dict[str, str], digests: dict[str, str]) -> Map:
    """Return a map with what was measured of those of its grids whose icons are as they were."""
    known = {grid.size: grid.trust for grid in other.grids}
    same = [
        before.get(name) == digests[name]
        for name in (identity.icons_name(new.path, grid.size) for grid in new.grids)
    ]
    grids = tuple(
        dataclasses.replace(grid, trust=known.get(grid.size)) if equal else grid
        for grid, equal in zip(new.grids, same, strict=True)
    )
    return dataclasses.replace(new, grids=grids)
