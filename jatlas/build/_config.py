"""Settings of the cells of a map, and of an atlas."""

from __future__ import annotations

import dataclasses
import math

from jatlas.arrange import TSNE, UMAP
from jatlas.model import Network
from jatlas.records import Atlas
from jatlas.types import Params
from jatlas.visualize import RandomViews, RenderConfig

_RIDGE = 0.1
_CELLS_IN_VIEW = 3  # of the layer, along each side


@dataclasses.dataclass(frozen=True, kw_only=True)
class CellConfig:
    """How the cells of a grid become pictures.

    Attributes:
      whiten: whether icons follow whitened directions, as the article's do.
      ridge: what is added to the layer's second moment before it is inverted, as a share of the
        mean of its diagonal.
      exemplars: real places kept with each cell, the nearest ones, each of another image; 0 for
        none. Crops of them are kept if the images can be read again.
      icons: settings of the icons.
    """

    whiten: bool = True
    ridge: float = 1e-2
    exemplars: int = 4
    icons: RenderConfig = RenderConfig()

    def __post_init__(self) -> None:
        """Check the ranges."""
        if not 0 < self.ridge < math.inf:
            raise ValueError(f"ridge: expected a finite number above 0, got {self.ridge}")
        if self.exemplars < 0:
            raise ValueError(f"exemplars: expected at least 0, got {self.exemplars}")


@dataclasses.dataclass(frozen=True, kw_only=True)
class BuildConfig(CellConfig):
    """Settings of an atlas that are the same for all its layers and grids.

    Attributes:
      per_image: random positions kept of each image; the article keeps one of a million images.
      min_count: samples a cell must hold to get an icon.
      layout: settings of UMAP, or of t-SNE for few samples.
      whiten: as in `CellConfig`.
      ridge: as in `CellConfig`.
      exemplars: as in `CellConfig`.
      icons: settings of the icons.
    """

    per_image: int = 1
    min_count: int = 1
    layout: UMAP | TSNE = UMAP()

    def __post_init__(self) -> None:
        """Check the ranges."""
        super().__post_init__()
        for name in ("per_image", "min_count"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: expected at least 1, got {getattr(self, name)}")


def cells_like(network: Network, params: Params, atlas: Atlas, *, layer: str) -> CellConfig:
    """Return how cells of few samples of an atlas become pictures: as its own, but readable.

    Whitening and exemplars are as in the atlas. Views grow until they hold three cells of the layer
    along each side: smaller ones show a late layer hardly anything but its own padding. And the
    ridge is at least 0.1. Of 12 cells of mixed5b, 14,000 samples of 700 images, with 128 steps and
    views that go anywhere, the network took 1 icon for its cell's label with views of 48 px, 5 with
    96 px and 8 with the larger ridge too; among its first five it had 2, 7 and 11 of them.

    Args:
      network: the network that the atlas is of.
      params: its parameters.
      atlas: the atlas.
      layer: name of a layer.

    Raises:
      ValueError: if there is no such layer, or it has no positions.
    """
    side = network.input_size
    cells, _, _ = network.activation_shape(params, (side, side), layer=layer)
    views = RandomViews(size=max(RandomViews.size, _CELLS_IN_VIEW * side // cells))
    made = atlas.info.get("settings", {})
    return CellConfig(
        whiten=made.get("whiten", CellConfig.whiten),
        ridge=max(made.get("ridge", CellConfig.ridge), _RIDGE),
        exemplars=made.get("exemplars", CellConfig.exemplars),
        icons=RenderConfig(views=views),
    )
