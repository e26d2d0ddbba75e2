"""Names of cells, and named regions of a map."""

from __future__ import annotations

import dataclasses

import jax

from jatlas.types import HostArray

_STATIC = {"static": True}
UNCLEAR = -1
"""Stands in `Names.name` for what has no name that holds."""


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Names:
    """Names of cells or regions, chosen on half of their images and checked on the other half.

    Attributes:
      vocabulary: the names that are used.
      name: (m,) int32 numbers of names; `UNCLEAR` where none holds.
      shown: (m,) int32, how many of the images have the name.
      images: (m,) int32, how many there are.
      held_out: (m,) float32, share of the images of the other half that have the name; NaN where
        there are none, or no name.
      held_out_images: (m,) int32, how many images of the other half there are.
    """

    vocabulary: tuple[str, ...] = dataclasses.field(metadata=_STATIC)
    name: HostArray
    shown: HostArray
    images: HostArray
    held_out: HostArray
    held_out_images: HostArray

    def __len__(self) -> int:
        return len(self.name)

    def __getitem__(self, index: int) -> str | None:
        """Return a name; None where it is unclear."""
        number = int(self.name[index])
        return None if number == UNCLEAR else self.vocabulary[number]


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Regions:
    """Named parts of a map, level by level: those of each level lie within those of the one before.

    Attributes:
      names: of the regions, by level.
      level: (r,) int32 level of each, 0 for the largest.
      parent: (r,) int32 number of the region that holds it, of the level before; -1 for none.
      center: (r, 2) float32 point in the middle of its places with that name.
      typical: (r, 2) float32 point in its most typical cell.
      cover: (levels, side, side) int32 region of each cell of a coarse grid; -1 for none.
    """

    names: Names
    level: HostArray
    parent: HostArray
    center: HostArray
    typical: HostArray
    cover: HostArray

    def __len__(self) -> int:
        return len(self.level)
