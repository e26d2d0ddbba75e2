"""Samples, icons, grids, maps and the atlas."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Literal

import jax
import numpy as np

from jatlas.records._info import Info
from jatlas.records._labels import Labels
from jatlas.records._names import Names, Regions
from jatlas.records._trust import Trust
from jatlas.types import HostArray

Kind = Literal["layer", "class", "comparison"]
"""What the samples of a map have in common."""

_STATIC = {"static": True}


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Samples:
    """Activation vectors of one layer.

    Attributes:
      vectors: (n, channels) float32 activation vectors.
      source: (n, 3) int32 of image index, row and column of the activation.
      evidence: (n, classes) float16 linear class evidence of each vector.
      moment: (channels, channels) float32 second moment of the layer, over all positions off its
        border, for whitening.
    """

    vectors: HostArray
    source: HostArray
    evidence: HostArray
    moment: HostArray

    def __len__(self) -> int:
        return len(self.vectors)

    def take(self, rows: HostArray) -> Samples:
        """Return some of the samples, of the same layer.

        Args:
          rows: (m,) int.
        """
        return dataclasses.replace(
            self,
            vectors=self.vectors[rows],
            source=self.source[rows],
            evidence=self.evidence[rows],
        )


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Icons:
    """Pictures made by feature visualization.

    Attributes:
      images: (n, px, px, 3) RGB, 4 channels with opacity: float32 in [0, 1] as they are rendered,
        uint8 in an atlas.
      scores: (n,) float32, the objective, mean over fixed views; not finite where rendering failed.
      cosines: (n,) float32, cosine between the direction of an icon and what the layer makes of
        the icon as it is, without any transform.
    """

    images: HostArray
    scores: HostArray
    cosines: HostArray

    def __len__(self) -> int:
        return len(self.images)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Grid:
    """One grid of cells over a map.

    Attributes:
      size: cells along each side.
      mean: (size, size, channels) float32 average activation; row 0 at the top.
      count: (size, size) int32 samples per cell; the counts add up to the samples.
      evidence: (size, size, classes) float32 average class evidence.
      cells: (m,) int32 row-major numbers of the cells that have an icon, ascending.
      icons: m icons, uint8.
      exemplars: (m, k) int32 rows of those of each cell's samples that are nearest to its mean: the
        best of each image, nearest first, then the second best of each, and so on; -1 where the
        cell has no more. None if they were not looked for.
      crops: (m, k, px, px, 3) uint8 of the receptive fields of those samples; None if the images
        could not be read again.
      boxes: (m, k, 4) float32 of top, left, bottom and right of those crops, as shares of the sides
        of the square that the network saw; all 0 where there is no crop.
      names: what the images of each cell have in common more than those of the whole map; None if
        it is not known what the images show.
      evidence_names: the same of the classes that the samples of each cell have the most evidence
        for, where most of them agree; None without evidence.
      settings: how the icons were made, where it differs from the map's settings.
      trust: how far each of the m cells can be trusted; None if it was not measured.
    """

    size: int = dataclasses.field(metadata=_STATIC)
    mean: HostArray
    count: HostArray
    evidence: HostArray
    cells: HostArray
    icons: Icons
    exemplars: HostArray | None = None
    crops: HostArray | None = None
    boxes: HostArray | None = None
    names: Names | None = None
    evidence_names: Names | None = None
    settings: Info | None = dataclasses.field(default=None, metadata=_STATIC)
    trust: Trust | None = None

    @property
    def cell_means(self) -> HostArray:
        """(m, channels) average activation of the cells that have an icon."""
        return self.mean.reshape(self.size**2, -1)[self.cells]


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Map:
    """Samples of one layer laid out: all of them, or those that matter for one or two classes.

    Attributes:
      layer: name of the layer.
      samples: the samples.
      points: (n, 2) float32 of x to the right and y down, in the unit square.
      grids: grids over the points.
      kind: "layer" for all samples of the layer, "class" for those that matter for a class,
        "comparison" for those that matter for two, from left to right.
      classes: indices of those classes.
      rows: (n,) int64 rows of the samples in the layer's own map; None for all of them.
      axes: by "x" and "y" what a direction means: its name, or a pair of names for its two ends.
      regions: named parts of the map; None if it is not known what the images show.
      settings: how the map was made, where it differs from the atlas's `info`.
    """

    layer: str = dataclasses.field(metadata=_STATIC)
    samples: Samples
    points: HostArray
    grids: tuple[Grid, ...]
    kind: Kind = dataclasses.field(default="layer", metadata=_STATIC)
    classes: tuple[int, ...] = dataclasses.field(default=(), metadata=_STATIC)
    rows: HostArray | None = None
    axes: Info | None = dataclasses.field(default=None, metadata=_STATIC)
    regions: Regions | None = None
    settings: Info | None = dataclasses.field(default=None, metadata=_STATIC)

    @property
    def path(self) -> str:
        """Name of the map in its atlas, such as mixed4c-class-277."""
        words = {"layer": (), "class": ("class",), "comparison": ("compare",)}[self.kind]
        return "-".join((self.layer, *words, *map(str, self.classes)))

    def grid(self, size: int) -> Grid:
        """Return the grid with so many cells along each side.

        Raises:
          ValueError: if there is none; the message lists the sizes there are.
        """
        for grid in self.grids:
            if grid.size == size:
                return grid
        known = ", ".join(str(grid.size) for grid in self.grids)
        raise ValueError(f"grid: expected one of {known} for the map {self.path}, got {size}")


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Atlas:
    """An activation atlas.

    Attributes:
      maps: of layers, and of classes at a layer. Sample i of every layer's map is the same place
        of the same image; the other maps hold some of them, see `Map.rows`.
      images: name of every image that was offered, by index.
      classes: name of each class; empty if unknown.
      predictions: (images,) int32 class that the network takes each image for, -1 if unknown; None
        if it is not known of any.
      labels: what the images show, which names are chosen by; None if it is not known.
      info: JSON values: network, weights_sha256, seed, settings, versions, source, skipped,
        neighbor_recall by layer.
    """

    maps: tuple[Map, ...]
    images: tuple[str, ...] = dataclasses.field(metadata=_STATIC)
    classes: tuple[str, ...] = dataclasses.field(metadata=_STATIC)
    info: Info = dataclasses.field(metadata=_STATIC)
    predictions: HostArray | None = None
    labels: Labels | None = None

    def find(self, path: str) -> Map:
        """Return the map of a name, `Map.path`.

        Raises:
          ValueError: if there is none; the message lists the names there are.
        """
        for atlas_map in self.maps:
            if atlas_map.path == path:
                return atlas_map
        known = ", ".join(atlas_map.path for atlas_map in self.maps)
        raise ValueError(f"map: expected one of {known}, got {path!r}")

    def layer(self, name: str | None = None) -> Map:
        """Return the map of all samples of a layer.

        Args:
          name: of the layer; None for the only one.

        Raises:
          ValueError: if there is no such layer, or several to choose from.
        """
        known = {each.layer: each for each in self.maps if each.kind == "layer"}
        if name is None and len(known) == 1:
            return next(iter(known.values()))
        if name not in known:
            raise ValueError(f"layer: expected one of {', '.join(known)}, got {name}")
        return known[name]

    def class_name(self, index: int) -> str:
        """Return the name of a class; "class 7" if class 7 has no name."""
        return class_name(index, self.classes)


def class_name(index: int, classes: Sequence[str]) -> str:
    """Return the name of a class; "class 7" if class 7 has no name.

    Example:
      >>> class_name(1, ("cat", "dog")), class_name(7, ("cat", "dog"))
      ('dog', 'class 7')
    """
    return classes[index] if index < len(classes) else f"class {index}"


def top_classes(
    evidence: HostArray, classes: Sequence[str], *, count: int
) -> list[tuple[int, str, float]]:
    """Return the classes with the most evidence.

    Args:
      evidence: (classes,).
      classes: their names.
      count: how many, at most.

    Returns:
      (index, name, evidence to five digits), most first; [] without evidence for any class.

    Example:
      >>> top_classes(np.array([0.5, 2.0, 1.0]), ("cat", "dog", "fox"), count=2)
      [(1, 'dog', 2.0), (2, 'fox', 1.0)]
    """
    if not np.any(evidence):
        return []
    some = np.arange(len(evidence))
    if count < len(evidence) and np.isfinite(evidence).all():
        # Sorting all of a thousand classes takes longer than finding out which may be among them.
        some = np.flatnonzero(evidence >= np.partition(evidence, -count)[-count])
    best = some[np.argsort(-evidence[some], kind="stable")][:count].tolist()
    return [(i, class_name(i, classes), float(f"{evidence[i]:.5g}")) for i in best]
