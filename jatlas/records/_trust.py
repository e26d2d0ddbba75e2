"""How far the cells of a grid can be trusted."""

from __future__ import annotations

import dataclasses

import jax

from jatlas.records._info import Info
from jatlas.types import HostArray

_STATIC = {"static": True}


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Trust:
    """How far each cell of a grid can be trusted: (m,) float32 in [0, 1], larger is better.

    A measure is None if it was not measured, and NaN in cells where it cannot be.

    Attributes:
      on_target: cosine of the icon with its direction.
      faithful: whether earlier layers treat the icon as they treat the cell's real places.
      natural: whether the layer sees in real images what it sees in the icon.
      stable: whether an icon with another key excites the layer in the same way.
      pure: how much of the spread of the cell's samples its mean explains.
      distinct: how many of the samples nearest to the cell's mean are its own.
      placed: how many neighbours on the map are neighbours in another layout too.
      kept: how many true neighbours are neighbours on the map.
      settings: how they were measured.
    """

    on_target: HostArray | None = None
    faithful: HostArray | None = None
    natural: HostArray | None = None
    stable: HostArray | None = None
    pure: HostArray | None = None
    distinct: HostArray | None = None
    placed: HostArray | None = None
    kept: HostArray | None = None
    settings: Info | None = dataclasses.field(default=None, metadata=_STATIC)

    @property
    def measures(self) -> dict[str, HostArray]:
        """What was measured, by the name of the field."""
        found = {name: getattr(self, name) for name in MEASURES}
        return {name: values for name, values in found.items() if values is not None}

    def without_icons(self) -> Trust | None:
        """Return what holds for other icons of the same cells too; None if nothing does."""
        blank = dataclasses.replace(self, **dict.fromkeys(OF_ICONS))
        return blank if blank.measures else None


MEASURES = tuple(x.name for x in dataclasses.fields(Trust) if x.name != "settings")
OF_ICONS = MEASURES[:4]
"""The measures of `Trust`, in order, and those that are of icons; the others are of samples."""
