"""The names of an atlas's cells and regions."""

from __future__ import annotations

import dataclasses

import numpy as np

from jatlas.build._config import NamesBy
from jatlas.build._labels import network_classes
from jatlas.explain import NameConfig, name_cells, name_regions
from jatlas.records import Grid, Hierarchy, Labels, Map, Names
from jatlas.types import HostArray, blocks

_BLOCK = 16_384
_DECISIVE = NameConfig(min_share=0.5)  # evidence that most samples of a cell agree on


def with_names(
    atlas_map: Map, labels: Labels | None, classes: tuple[str, ...], *, by: NamesBy = "images"
) -> Map:
    """Return a map with names of its cells and regions, if there is anything to name them by.

    Args:
      atlas_map: the map.
      labels: what the images show; None if it is not known: names are then chosen by evidence.
      classes: names of the classes that there is evidence for.
      by: "images" names cells by what their images show; "evidence" by the classes that their
        samples have most evidence for.
    """
    source = np.asarray(atlas_map.samples.source[:, 0])
    points = np.asarray(atlas_map.points)
    evidence = _by_evidence(atlas_map, labels, classes)
    images = None if labels is None else (np.asarray(labels.index)[source], labels.hierarchy)
    leading, other = (images, evidence) if by == "images" and images else (evidence, None)

    def named(
        grid: Grid, shown: tuple[HostArray, Hierarchy] | None, config: NameConfig
    ) -> Names | None:
        if shown is None:
            return None
        return name_cells(
            points, shown[0], source, shown[1],
            size=grid.size, cells=np.asarray(grid.cells), config=config,
        )  # fmt: skip

    grids = tuple(
        dataclasses.replace(
            grid,
            names=named(grid, leading, NameConfig()),
            evidence_names=named(grid, other, _DECISIVE),
        )
        for grid in atlas_map.grids
    )
    regions = None
    if leading is not None:
        regions = name_regions(
            points, leading[0], source, leading[1], vectors=atlas_map.samples.vectors
        )
    return dataclasses.replace(atlas_map, grids=grids, regions=regions)


def _by_evidence(
    atlas_map: Map, labels: Labels | None, classes: tuple[str, ...]
) -> tuple[HostArray, Hierarchy] | None:
    """Return the class that each sample has most evidence for, -1 for none; None without any."""
    table = atlas_map.samples.evidence
    best = np.full(len(table), -1, np.int64)
    for number, block in enumerate(blocks(table, _BLOCK)):
        if block.shape[1]:
            some = np.asarray(block).max(axis=1) > 0
            here = best[number * _BLOCK : number * _BLOCK + len(block)]
            here[some] = np.asarray(block)[some].argmax(axis=1)
    if not (best >= 0).any():
        return None
    if labels is not None and not labels.given:
        return best, labels.hierarchy
    return best, network_classes(classes, count=table.shape[1])
