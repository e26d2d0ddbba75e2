"""What `jatlas look` and `jatlas walk` have in common."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from tyro.conf import OmitArgPrefixes

from jatlas.build import CellConfig, cells_like, directions
from jatlas.cli import _session as session
from jatlas.cli._options import IconOptions
from jatlas.model import Network
from jatlas.pixels import to_uint8
from jatlas.records import Atlas, Map
from jatlas.storage import load
from jatlas.types import HostArray, Params
from jatlas.visualize import render


@dataclasses.dataclass(frozen=True, kw_only=True)
class LookOptions:
    """What looking at an image and walking through a map have in common.

    Attributes:
      layer: layer of the atlas. Without it, its only one.
      seed: seeds the icons.
      icons: settings of the icons; whitening is as in the atlas.
    """

    layer: str | None = None
    seed: int = 0
    icons: OmitArgPrefixes[IconOptions] = IconOptions()


@dataclasses.dataclass(frozen=True)
class OpenLayer:
    """A layer of an atlas with the network it is of, ready to render more icons like its own."""

    network: Network
    params: Params
    atlas: Atlas
    map: Map
    cells: CellConfig

    @classmethod
    def of(cls, folder: str | Path, options: LookOptions) -> OpenLayer:
        """Open a layer of an atlas folder.

        Raises:
          FileNotFoundError: if there is no atlas.
          ValueError: if it has no such layer, or its network is not known.
        """
        atlas = load(folder)
        owner = atlas.layer(options.layer)
        network, params = session.open_network_of(atlas)
        cells = cells_like(network, params, atlas, layer=owner.layer)
        cells = dataclasses.replace(cells, icons=options.icons.config(cells.icons))
        return cls(network, params, atlas, owner, cells)

    def icons(self, vectors: HostArray, *, seed: int) -> HostArray:
        """Render icons of vectors (m, channels) as the atlas does: (m, px, px, 3) uint8."""
        rendered = render(
            self.network,
            self.params,
            directions(vectors, self.map.samples.moment, config=self.cells),
            layer=self.map.layer,
            key=session.make_key(seed),
            config=self.cells.icons,
        )
        return to_uint8(rendered.images)
