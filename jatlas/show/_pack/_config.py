"""How much of an atlas its page holds."""

from __future__ import annotations

import dataclasses

from jatlas.types import checks


@dataclasses.dataclass(frozen=True, kw_only=True)
class PackConfig:
    """How much of an atlas its page holds.

    Attributes:
      paths: whether it holds the names of the image files, which may say much about their owner.
      evidence: maximum number of evidence values per grid. For a grid with more, the viewer lights
        cells by the evidence of a coarser grid, or else by their top classes alone.
      samples: maximum number of samples per map that can be found again in other maps; of more,
        every second, third ... is kept.

    Raises:
      ValueError: if a value is of another kind or out of range.

    Example:
      >>> PackConfig(samples=0)
      Traceback (most recent call last):
      ValueError: samples: expected at least 1, got 0
    """

    paths: bool = False
    evidence: int = 32_000_000
    samples: int = 200_000

    def __post_init__(self) -> None:
        """Check the ranges."""
        checks.field(self, "paths", checks.flag)
        checks.field(self, "evidence", checks.whole, minimum=0)
        checks.field(self, "samples", checks.whole)
