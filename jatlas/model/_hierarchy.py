"""What classes are kinds of: groups of classes, and groups of those."""

from __future__ import annotations

import csv
import functools
from collections.abc import Sequence
from pathlib import Path

from jatlas.model._labels import NO_WNID, known_classes, table_rows, wnids
from jatlas.records import Hierarchy
from jatlas.types import checks

_NETWORKS = ("googlenet_bvlc", "inception5h", "textures")  # an order of classes each
_COLUMNS = ["name", "parent"]


def read_parents(path: str | Path) -> dict[str, list[str]]:
    """Read what classes are kinds of from a CSV file with the columns name and parent.

    Args:
      path: the file, UTF-8; a line says that a class, or a group, is a kind of a group.

    Returns:
      By the name of a class or group, the groups that it is a kind of.

    Raises:
      OSError: if the file cannot be read.
      ValueError: if it is no such table.
    """
    table = csv.reader(Path(path).read_text(encoding="utf-8-sig").splitlines())
    if (first := next(table, [])) != _COLUMNS:
        raise ValueError(f"{path}: expected the columns {','.join(_COLUMNS)}, got {first}")
    parents: dict[str, list[str]] = {}
    for line in table:
        if len(line) != 2 or not all(line):
            raise ValueError(
                f"{path}: expected a name and a parent a line, got {checks.shown(line)}"
            )
        parents.setdefault(line[0], []).append(line[1])
    return parents


def class_hierarchy(classes: Sequence[str], *, count: int) -> Hierarchy:
    """Return what the classes of a network are kinds of, by their names.

    Those of ImageNet, in the order of a known network, by WordNet 3.0, of which names that say
    little are left out; those of the synthetic images are textures, things or scenes; of others
    nothing is known.

    Args:
      classes: names of its classes; the others are called "class 7".
      count: number of its classes.

    Example:
      >>> hierarchy = class_hierarchy(known_classes("textures"), count=64)
      >>> hierarchy.names[hierarchy.parents[hierarchy.names.index("cat")][0]]
      'thing'
      >>> class_hierarchy(("cat",), count=2).names
      ('cat', 'class 1')
    """
    for network in _NETWORKS:
        if len(classes) == count and tuple(classes) == known_classes(network):
            return _known(network)
    return Hierarchy.flat([*classes, *(f"class {i}" for i in range(len(classes), count))])


@functools.cache
def _known(network_name: str) -> Hierarchy:
    names, ids = known_classes(network_name), wnids(network_name)
    if all(wnid == NO_WNID for wnid in ids):
        rows = table_rows("labels_textures.tsv")
        return Hierarchy.of(names, {row["name"]: [row["group"]] for row in rows})
    return _of_ids(ids, names)


def wordnet_hierarchy(wnids: Sequence[str]) -> Hierarchy | None:
    """Return what classes are kinds of that are given by their WordNet ids.

    Args:
      wnids: such as "n02119022", of classes of ImageNet or of groups of them, in any order.

    Returns:
      Their names and what they are kinds of; None if some are no such ids.

    Example:
      >>> wordnet_hierarchy(["n02119022", "n02119789"]).names[:3]
      ('red fox', 'kit fox', 'animal')
    """
    table = _wordnet()
    if not all(wnid in table for wnid in wnids):
        return None
    return _of_ids(tuple(wnids), tuple(table[wnid]["name"] for wnid in wnids))


def _of_ids(ids: tuple[str, ...], names: tuple[str, ...]) -> Hierarchy:
    """Return a hierarchy by WordNet ids, as two classes or groups may have one name."""
    table, own = _wordnet(), set(ids)
    above = {wnid for each in own & table.keys() for wnid in _above(each)} - own
    groups = [wnid for wnid in table if wnid in above]
    index = {wnid: len(ids) + number for number, wnid in enumerate(groups)}
    parents = (
        [index[x] for x in table[each]["parents"].split() if x in index] if each in table else []
        for each in (*ids, *groups)
    )
    group_names = (table[wnid]["name"] for wnid in groups)
    return Hierarchy((*names, *group_names), tuple(map(tuple, parents)), classes=len(ids))


def _above(wnid: str) -> set[str]:
    """Return all groups that a class or group is a kind of."""
    parents = set(_wordnet()[wnid]["parents"].split())
    return parents.union(*(_above(parent) for parent in parents))


@functools.cache
def _wordnet() -> dict[str, dict[str, str]]:
    return {row["wnid"]: row for row in table_rows("wordnet.tsv")}
