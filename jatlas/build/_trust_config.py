"""Settings of how it is measured how far cells can be trusted."""

from __future__ import annotations

import dataclasses
from typing import Any

from jatlas.records import MEASURES
from jatlas.types import checks
from jatlas.visualize import RenderConfig

_MOST_PLACES = 100
_MOST_LAYERS = 100
_MOST_NEIGHBORS = 10_000


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrustConfig:
    """How it is measured how far the cells of an atlas can be trusted.

    Attributes:
      skip: measures that are not made, of those that `jatlas.records.Trust` has.
      places: real places that an icon is compared with, at most 100; those nearest to its cell.
      layers: earlier layers in which it is compared, at most 100; evenly spread.
      neighbors: nearest samples that count, on the map and as vectors. Fifteen are about as many as
        a cell holds, and of 5, 10, 15, 30, 50 and 100 a number at which the shares spread widest.
      icons: settings of the icons that are rendered once more; None means those of the atlas.
    """

    skip: tuple[str, ...] = ()
    places: int = 4
    layers: int = 4
    neighbors: int = 15
    icons: RenderConfig | None = None

    def __post_init__(self) -> None:
        """Check the settings."""
        checks.field(self, "skip", _measures)
        checks.field(self, "places", checks.whole, minimum=2, maximum=_MOST_PLACES)
        checks.field(self, "layers", checks.whole, maximum=_MOST_LAYERS)
        checks.field(self, "neighbors", checks.whole, maximum=_MOST_NEIGHBORS)
        checks.field(self, "icons", checks.instance, optional=True, kinds=(RenderConfig,))


def _measures(name: str, value: Any) -> tuple[str, ...]:
    names = checks.as_tuple(value)
    if names is None or not all(isinstance(each, str) and each in MEASURES for each in names):
        expected = f"some of {', '.join(MEASURES)}"
        raise ValueError(f"{name}: expected {expected}, got {checks.shown(value)}")
    # Plain strings, and the same object if nothing is changed.
    plain = tuple(str(each) for each in names)
    return value if type(value) is tuple and plain == value else plain
