"""`jatlas compare`."""

from __future__ import annotations

import dataclasses

from tyro.conf import Positional

from jatlas.build import comparison_map
from jatlas.cli._maps import MapOptions, add
from jatlas.cli._options import Place
from jatlas.cli._session import make_key
from jatlas.explain import ComparisonSelection


@dataclasses.dataclass(frozen=True, kw_only=True)
class Compare(MapOptions):
    """Add a map of two classes to an atlas: samples that matter for either, from left to right.

    After an interruption, the same command resumes.

    Attributes:
      atlas: folder of the atlas, or its URL.
      left: the class on the left, by its name or index.
      right: the class on the right.
      size: cells along each side.
      percentile: the difference of evidence at this percentile of its size reaches the edge.
        Without it, the one that moves as many samples to the edges as fill one column.
    """

    atlas: Positional[Place]
    left: Positional[str]
    right: Positional[str]
    size: int = ComparisonSelection.size
    percentile: float | None = ComparisonSelection.percentile

    def run(self) -> None:
        """Make the map and say where it is."""
        selection = ComparisonSelection(
            size=self.size, percentile=self.percentile, **self.selection()
        )
        add(
            self.atlas,
            self,
            (self.left, self.right),
            lambda network, params, atlas, classes, cells, run: comparison_map(
                network, params, atlas, *classes,
                key=make_key(self.seed), layer=self.layer, selection=selection, cells=cells,
                overwrite=self.overwrite, run=run,
            ),
        )  # fmt: skip
