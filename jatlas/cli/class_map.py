"""`jatlas class`."""

from __future__ import annotations

import dataclasses

from tyro.conf import Positional

from jatlas.build import class_map
from jatlas.cli._maps import MapOptions, add
from jatlas.cli._options import Place
from jatlas.cli._session import make_key
from jatlas.explain import ClassSelection


@dataclasses.dataclass(frozen=True, kw_only=True)
class Class(MapOptions):
    """Add a map of the samples that matter for a class to an atlas.

    After an interruption, the same command resumes.

    Attributes:
      atlas: folder of the atlas, or its URL.
      name: the class, by its name or index.
      size: cells along each side.
    """

    atlas: Positional[Place]
    name: Positional[str]
    size: int = ClassSelection.size

    def run(self) -> None:
        """Make the map and say where it is."""
        selection = ClassSelection(size=self.size, **self.selection())
        add(
            self.atlas,
            self,
            (self.name,),
            lambda network, params, atlas, classes, cells, run: class_map(
                network, params, atlas, *classes,
                key=make_key(self.seed), layer=self.layer, selection=selection, cells=cells,
                overwrite=self.overwrite, run=run,
            ),
        )  # fmt: skip
