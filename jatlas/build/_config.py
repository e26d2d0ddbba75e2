"""Settings of the cells of a map, and of an atlas."""

from __future__ import annotations

import dataclasses
from typing import Literal, get_args

from jatlas.arrange import MAX_RIDGE, TSNE, UMAP
from jatlas.types import checks
from jatlas.visualize import Alpha, RenderConfig

NamesBy = Literal["images", "evidence"]
"""What cells are named by."""

_MAX_EXEMPLARS = 1000  # a row of them, 48 px each, is one JPEG of at most 65,535 px
_MAX_PER_IMAGE = 10_000  # of the 12,544 positions that the largest layer of GoogLeNet has


@dataclasses.dataclass(frozen=True, kw_only=True)
class CellConfig:
    """How the cells of a grid become pictures.

    Attributes:
      whiten: whether icons follow whitened directions, as the article's do.
      ridge: what is added to the layer's second moment before it is inverted, as a share of the
        mean of its diagonal; at most a million.
      exemplars: real places kept with each cell, 0 for none, at most 1000: its samples that are
        nearest to its mean, of different images first. Crops of them are kept if the images can be
        read again.
      icons: settings of the icons. Their objective must be one of directions, and need no
        references.
    """

    whiten: bool = True
    ridge: float = 1e-2
    exemplars: int = 9
    icons: RenderConfig = RenderConfig()

    def __post_init__(self) -> None:
        """Check the settings."""
        checks.field(self, "whiten", checks.flag)
        checks.field(self, "ridge", checks.number, above=0, limit=MAX_RIDGE)
        checks.field(self, "exemplars", checks.whole, minimum=0, maximum=_MAX_EXEMPLARS)
        checks.field(self, "icons", checks.instance, kinds=(RenderConfig,))
        if self.icons.objective.needs_references:
            raise ValueError(
                f"icons: expected an objective without references, got {self.icons.objective}"
            )
        kind = self.icons.objective.kind
        if kind != "directions":
            raise ValueError(
                "icons: expected an objective whose targets are directions, as those of cells are, "
                f"got {self.icons.objective}: its targets are {kind}"
            )


@dataclasses.dataclass(frozen=True, kw_only=True)
class BuildConfig(CellConfig):
    """Settings of an atlas that are the same for all its layers and grids.

    Attributes:
      per_image: random positions kept of each image, at most 10,000; the article keeps one of a
        million images.
      min_count: samples a cell must hold to get an icon.
      layout: settings of UMAP, or of t-SNE for few samples.
      names: what cells and regions are named by: "images", what their images show, or "evidence",
        the classes that their samples have most evidence for.
      whiten: as in `CellConfig`.
      ridge: as in `CellConfig`.
      exemplars: as in `CellConfig`.
      icons: as in `CellConfig`, without opacity: an atlas has none.
    """

    per_image: int = 1
    min_count: int = 1
    layout: UMAP | TSNE = UMAP()
    names: NamesBy = "images"

    def __post_init__(self) -> None:
        """Check the settings."""
        super().__post_init__()
        checks.field(self, "per_image", checks.whole, maximum=_MAX_PER_IMAGE)
        checks.field(self, "min_count", checks.whole)
        checks.field(self, "layout", checks.instance, kinds=(UMAP, TSNE))
        checks.field(self, "names", checks.choice, options=get_args(NamesBy))
        check_opaque(self)


def check_opaque(cells: CellConfig) -> None:
    """Raise ValueError for icons with opacity, which an atlas has no place for."""
    if isinstance(cells.icons.parameterization, Alpha):
        raise ValueError("icons: expected a parameterization without opacity, got Alpha")
