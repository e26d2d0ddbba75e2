"""What images show, and groups of classes."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import numpy as np

from jatlas.records import Hierarchy, class_name
from jatlas.show._encode import packed
from jatlas.show._pack._part import Part, json_part
from jatlas.show._pack._source import Source
from jatlas.types import HostArray


def label_parts(source: Source, prefix: str) -> Generator[Part, None, dict[str, Any]]:
    """Yield what the images of an atlas show, and the groups that classes belong to.

    Args:
      source: the atlas.
      prefix: of the names of the parts.

    Returns:
      What the manifest says about them.
    """
    manifest: dict[str, Any] = {}
    labels, predictions = source.labels, source.predictions
    own = _own_vocabulary(source)
    given = labels.index if labels is not None and labels.given else None
    if given is not None or predictions is not None:
        columns = {}
        if given is not None:
            columns["label"] = packed(_shifted(given, 0 if own else source.first_class))
        if predictions is not None:
            columns["prediction"] = packed(_shifted(predictions, source.first_class))
        manifest["labels"] = {name: name in columns for name in ("label", "prediction")}
        if given is not None and own:
            manifest["labels"]["vocabulary"] = own
        yield json_part(f"{prefix}labels", columns)
    if labels is not None:
        groups = _groups(labels.hierarchy, labels.index, _used_names(source))
        if groups:
            manifest["groups"] = len(groups)
            yield json_part(f"{prefix}groups", _group_columns(groups, source, own))
    return manifest


def _shifted(index: HostArray, first: int) -> HostArray:
    """Return numbers of classes of the page; -1 stays."""
    known = np.asarray(index, np.int64)
    return np.where(known >= 0, known + first, -1)


def _own_vocabulary(source: Source) -> list[str] | None:
    """Return the names of given labels; None if they are the classes of the network."""
    if source.labels is None or not source.labels.given:
        return None
    hierarchy = source.labels.hierarchy
    names = list(hierarchy.names[: hierarchy.classes])
    if names and names == [class_name(i, source.known) for i in range(len(names))]:
        return None
    return names


def _used_names(source: Source) -> set[str]:
    """Return the names that cells and regions have."""
    grids = [grid for entry in source.maps for grid in entry.grids]
    every = [names for grid in grids for names in (grid.names, grid.evidence_names)]
    every += [entry.regions.names for entry in source.maps if entry.regions is not None]
    return {text for names in every if names is not None for text in names.vocabulary}


def _groups(hierarchy: Hierarchy, shown: HostArray, used: set[str]) -> list[tuple[str, list[int]]]:
    """Return the groups that say something, and their classes, in the order of the hierarchy.

    They hold two classes to half of all, and are the name of a cell or region, or images show at
    least two of their classes.
    """
    members: dict[int, list[int]] = {}
    for number in range(hierarchy.classes):
        for group in _above(hierarchy, number):
            members.setdefault(group, []).append(number)
    present = set(np.unique(shown).tolist())
    return [
        (hierarchy.names[group], classes)
        for group, classes in sorted(members.items())
        if 2 <= len(classes) <= hierarchy.classes / 2
        and (hierarchy.names[group] in used or len(present.intersection(classes)) >= 2)
    ]


def _above(hierarchy: Hierarchy, number: int) -> set[int]:
    """Return all groups that a class is a kind of."""
    found: set[int] = set()
    waiting = list(hierarchy.parents[number])
    while waiting:
        group = waiting.pop()
        if group not in found:
            found.add(group)
            waiting += hierarchy.parents[group]
    return found


def _group_columns(
    groups: list[tuple[str, list[int]]], source: Source, own: list[str] | None
) -> dict[str, Any]:
    """Return groups as the viewer keeps them: lists of classes one after another."""
    first = source.first_class
    columns: dict[str, Any] = {"name": [name for name, _ in groups]}
    lists = [classes for _, classes in groups]
    if own is not None:
        columns |= {"labels_count": packed(list(map(len, lists))), "labels": _flat(lists)}
        index = {name: i for i, name in reversed(list(enumerate(source.known)))}
        lists = [[index[own[i]] for i in classes if own[i] in index] for classes in lists]
    columns["count"] = packed(list(map(len, lists)))
    columns["classes"] = _flat([[i + first for i in classes] for classes in lists])
    return columns


def _flat(lists: list[list[int]]) -> dict[str, str]:
    return packed([i for each in lists for i in each])
