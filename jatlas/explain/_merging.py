"""Cells of a map merged with their neighbours, those first whose common name says most."""

from __future__ import annotations

import heapq
from typing import NamedTuple

import numpy as np
from scipy import sparse
from scipy.spatial import cKDTree

from jatlas.explain._counts import Counts
from jatlas.explain._names import information
from jatlas.types import HostArray


class Tree(NamedTuple):
    """What was merged: leaf i is cell i; merge k makes node (number of leaves + k) of two."""

    leaves: int
    merges: list[tuple[int, int]]

    def below(self, node: int) -> set[int]:
        """Return a node and all nodes that it was made of."""
        found, waiting = set(), [node]
        while waiting:
            each = waiting.pop()
            found.add(each)
            if each >= self.leaves:
                waiting += self.merges[each - self.leaves]
        return found

    def cells(self, node: int) -> list[int]:
        """Return the leaves below a node."""
        return sorted(each for each in self.below(node) if each < self.leaves)


def merge(counts: Counts, cells: HostArray, share: HostArray, *, size: int) -> Tree:
    """Merge neighbours until one region is left, those first that lose least.

    Two regions lose what their names say about them, less what one name says about both together.

    Args:
      counts: of the cells, such that the counts of several add up.
      cells: (m,) row-major numbers of the cells, ascending.
      share: (names,) of all images.
      size: cells along each side of the map.
    """
    shown, images = list(counts.shown.toarray()), counts.images.tolist()
    near = _neighbors(cells, size=size)
    nats = [_best(shown[i], images[i], share) for i in range(len(cells))]
    merges: list[tuple[int, int]] = []
    heap: list[tuple[float, int, int]] = []

    def offer(one: int, other: int) -> None:
        together = _best(shown[one] + shown[other], images[one] + images[other], share)
        heapq.heappush(heap, (nats[one] + nats[other] - together, one, other))

    for one, others in enumerate(near):
        for other in others:
            if one < other:
                offer(one, other)
    gone: set[int] = set()
    while heap:
        _, one, other = heapq.heappop(heap)
        if one in gone or other in gone:
            continue
        new = len(nats)
        gone |= {one, other}
        merges.append((one, other))
        shown.append(shown[one] + shown[other])
        images.append(images[one] + images[other])
        nats.append(_best(shown[new], images[new], share))
        near.append({each for each in near[one] | near[other] if each not in gone})
        for each in sorted(near[new]):
            near[each].add(new)
            offer(each, new)
    return Tree(len(cells), merges)


def _best(shown: HostArray, images: float, share: HostArray) -> float:
    """Return how much the name that says most says about a region's images, in nats."""
    return float(information(shown / max(images, 1e-9), images, share).max(initial=0.0))


def _neighbors(cells: HostArray, *, size: int) -> list[set[int]]:
    """Return the neighbours of each cell; islands are joined by their shortest bridges."""
    place = np.stack(np.divmod(cells, size), axis=1)
    if not len(cells):
        return []
    pairs = cKDTree(place).query_pairs(1.5, output_type="ndarray")
    while True:
        graph = sparse.coo_array((np.ones(len(pairs)), pairs.T), shape=(len(cells),) * 2)
        count, island = sparse.csgraph.connected_components(graph, directed=False)
        if count <= 1:
            break
        inside, outside = np.flatnonzero(island == 0), np.flatnonzero(island != 0)
        distance, nearest = cKDTree(place[outside]).query(place[inside])
        first = int(distance.argmin())
        bridge = [[inside[first], outside[nearest[first]]]]
        pairs = np.concatenate([pairs, np.sort(bridge, axis=1)])
    near: list[set[int]] = [set() for _ in cells]
    for one, other in pairs.tolist():
        near[one].add(other)
        near[other].add(one)
    return near
