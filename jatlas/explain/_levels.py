"""Levels of regions: what was merged is undone until enough regions have a name."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from jatlas.explain._counts import Counts, Sightings, count, regroup
from jatlas.explain._merging import Tree
from jatlas.explain._names import NameConfig, best_names, information
from jatlas.records import UNCLEAR, Hierarchy
from jatlas.types import HostArray

_HOLDS = 3.0  # nats that a name says about the images that it is checked on, at least


class Region(NamedTuple):
    """A named region of a level: a node of the tree, and what its name says, in nats."""

    node: int
    cells: list[int]
    name: int
    nats: float


class Naming(NamedTuple):
    """What the names of regions are chosen by."""

    seen: tuple[Sightings, Sightings]
    cells: HostArray
    share: HostArray
    hierarchy: Hierarchy
    config: NameConfig
    places: int

    def name(self, node: int, cells: list[int]) -> Region | None:
        """Return the cells of a node as a region; None without a name that passes its check.

        As regions are made of cells that show the same, a name fits those by chance that they are
        chosen on.
        """
        group = np.full(self.places, -1)
        group[self.cells[cells]] = 0
        chosen_on, checked_on = (regroup(half, group) for half in self.seen)
        if len(chosen_on.cell) < self.config.min_images:
            return None
        own = count(chosen_on, self.hierarchy, rows=1)
        best = best_names(own, own, self.share, self.hierarchy, self.config)
        name = int(best[0])
        if name == UNCLEAR:
            return None
        other = count(checked_on, self.hierarchy, rows=1)
        if self._nats(other, name) < _HOLDS:
            return None
        return Region(node, cells, name, self._nats(own, name))

    def _nats(self, counts: Counts, name: int) -> float:
        images = float(counts.images[0])
        held = counts.shown.toarray()[0] / max(images, 1e-9)
        return float(information(held, images, self.share)[name])


class _State(NamedTuple):
    """Nodes that no merge joins any more, once all but the first `merges` merges are undone."""

    nodes: frozenset[int]
    merges: int


def find_levels(tree: Tree, naming: Naming, sizes: tuple[int, ...]) -> list[list[Region]]:
    """Undo the merges one by one; return the states whose names say most, level by level."""
    count = tree.leaves + len(tree.merges)
    state = _State(frozenset({count - 1} if count else ()), len(tree.merges))
    named: dict[int, Region | None] = {}
    whole = set(range(count))
    levels: list[list[Region]] = []
    for most in sizes:
        found, state = _best_state(tree, naming, named, state, whole, most)
        if found and (not levels or found != levels[-1]):
            levels.append(found)
            # From here on, what is one region, or none, stays within itself.
            top = {region.node for region in found}
            below = set().union(*(tree.below(node) for node in top))
            whole = below.union(*(tree.below(node) for node in state.nodes - below))
    return levels or [[]]


def _best_state(
    tree: Tree,
    naming: Naming,
    named: dict[int, Region | None],
    state: _State,
    whole: set[int],
    most: int,
) -> tuple[list[Region], _State]:
    """Return the regions, at most so many, that say most, from a state on; and their state.

    Args:
      tree: what was merged.
      naming: what names are chosen by.
      named: regions by node, as far as they are known; others are added.
      state: where to start.
      whole: nodes that may be one region.
      most: regions, at most.
    """
    best: list[Region] = []
    best_state, nodes = state, set(state.nodes)
    for number in range(state.merges, -1, -1):
        for node in nodes - named.keys():
            named[node] = naming.name(node, tree.cells(node))
        found = _joined(tree, nodes, named, whole)
        if len(found) <= most and _total(found) > _total(best):
            best, best_state = found, _State(frozenset(nodes), number)
        if not number or len(found) > 2 * most:
            break
        nodes.discard(tree.leaves + number - 1)
        nodes |= set(tree.merges[number - 1])
    return best, best_state


def _total(regions: list[Region]) -> float:
    return sum(region.nats for region in regions)


def _joined(
    tree: Tree, nodes: set[int], named: dict[int, Region | None], whole: set[int]
) -> list[Region]:
    """Return the named regions of some nodes; where none but one name is found, the node above."""
    regions: dict[int, list[Region]] = {}
    for node in nodes:
        region = named[node]
        regions[node] = [] if region is None else [region]
    for number, parts in enumerate(tree.merges):
        if all(part in regions for part in parts):
            node = tree.leaves + number
            below = [region for part in parts for region in regions[part]]
            above = named.get(node) if node in whole else None
            if above is not None and {region.name for region in below} == {above.name}:
                below = [above]
            regions[node] = below
    return regions.get(tree.leaves + len(tree.merges) - 1, [])
