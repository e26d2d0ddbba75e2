"""What the measures of a map's samples need, found once for all its grids."""

from __future__ import annotations

import dataclasses
import functools
import logging

import numpy as np

from jatlas.arrange import cell_index
from jatlas.build._draw_map import lay_out_vectors
from jatlas.build._stored_config import stored_layout
from jatlas.build._trust_config import TrustConfig
from jatlas.explain import OtherNeighbors, neighbors_of_other_images
from jatlas.records import Atlas, Map
from jatlas.types import HostArray, Key, Run

log = logging.getLogger(__name__)

_RECALL = 0.98
"""Share of the true neighbours that is searched for, as in a layout."""


@dataclasses.dataclass(frozen=True)
class SampleFacts:
    """Neighbours and another layout of the samples of a map, found when they are asked for."""

    atlas: Atlas
    map: Map
    key: Key
    config: TrustConfig
    run: Run

    def cell(self, size: int) -> HostArray:
        """Return the cell of a grid that each sample lies in: (n,) int32."""
        return np.asarray(cell_index(np.asarray(self.map.points), size=size))

    @functools.cached_property
    def neighbors(self) -> OtherNeighbors:
        """The nearest samples of other images."""
        samples = self.map.samples
        return neighbors_of_other_images(
            samples.vectors,
            samples.source[:, 0],
            k=self.config.neighbors,
            recall=_RECALL,
            progress=self.run.progress,
        )

    @functools.cached_property
    def other_points(self) -> HostArray | None:
        """The samples laid out with another key; None if jatlas did not lay them out."""
        given = self.atlas.info.get("source", {}).get("points_sha256")
        if given is not None or self.map.kind == "comparison":
            log.info("%s: not placed: its points do not come from a layout alone", self.map.path)
            return None
        layout = stored_layout(self.atlas, self.map)
        found = lay_out_vectors(
            self.map.samples.vectors, key=self.key, config=layout, progress=self.run.progress
        )
        return np.asarray(found["points"])
