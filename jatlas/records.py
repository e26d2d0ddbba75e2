"""What an atlas is made of: maps, and the grids over them."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal

from jatlas.show import plot
from jatlas.types import HostArray

Kind = Literal["layer", "class", "comparison"]


@dataclasses.dataclass(frozen=True)
class Grid:
    """One grid of cells over a map.

    Attributes:
      size: cells along each side.
      mean: (size, size, channels) float32 average activation; row 0 at the top.
      count: (size, size) int32 samples per cell; the counts add up to the samples.
      evidence: (size, size, classes) float32 average class evidence.
      cells: (m,) int32 row-major numbers of the cells that have an icon, ascending.
      icons: (m, px, px, 3) uint8.
      scores: (m,) float32 what the objective reached, mean over fixed views.
      cosines: (m,) float32 how well each icon, as it is, points the way of its cell's direction.
      exemplars: (m, k) int32 rows of the map's samples that are nearest to each cell, nearest
        first, each of another image; -1 where there are no more. None if they were not looked for.
      crops: (m, k, px, px, 3) uint8 of what those samples look at; None if the images could not
        be read again.
      settings: how the icons were made where that is not as the map's settings say; JSON values.
    """

    size: int
    mean: HostArray
    count: HostArray
    evidence: HostArray
    cells: HostArray
    icons: HostArray
    scores: HostArray
    cosines: HostArray
    exemplars: HostArray | None = None
    crops: HostArray | None = None
    settings: dict[str, Any] | None = None

    def sprite(self) -> HostArray:
        """Return all icons in one picture, (size * px, size * px, 3) uint8."""
        return plot.sprite(self.icons, self.cells, size=self.size)


@dataclasses.dataclass(frozen=True)
class Map:
    """Samples of one layer laid out: all of them, or those that matter for one or two classes.

    Attributes:
      layer: name of the layer.
      vectors: (n, channels) float32 activation vectors.
      points: (n, 2) float32 of x to the right and y down, in the unit square.
      source: (n, 3) int32 of image index, row and column of the activation.
      evidence: (n, classes) float16 class evidence of each vector.
      moment: (channels, channels) float32 second moment of the layer.
      grids: grids over the points.
      kind: "layer" holds all samples of the layer; "class" those that matter for a class;
        "comparison" those that matter for two, from left to right.
      classes: indices of those classes.
      rows: (n,) int64 which rows of the layer's own map the samples are; None for all of them.
      axes: by "x" and "y" what a direction means: its name, or a pair of names for its two ends.
      settings: how it was made where that is not as the atlas's `info` says; JSON values.
    """

    layer: str
    vectors: HostArray
    points: HostArray
    source: HostArray
    evidence: HostArray
    moment: HostArray
    grids: tuple[Grid, ...]
    kind: Kind = "layer"
    classes: tuple[int, ...] = ()
    rows: HostArray | None = None
    axes: dict[str, str | list[str]] | None = None
    settings: dict[str, Any] | None = None

    @property
    def path(self) -> str:
        """Name of the map in its atlas, and of its folder there, such as mixed4c-class-277."""
        words = {"layer": (), "class": ("class",), "comparison": ("compare",)}[self.kind]
        return "-".join((self.layer, *words, *map(str, self.classes)))
