"""How much of an atlas its page holds."""

from __future__ import annotations

import dataclasses
from typing import Any

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
      columns: CSV or Parquet files of your own values, for the viewer to show on the map. Their
        header names what the rows are about, and the values: `image` (its name or number),
        `sample` (its row in a layer's samples), or `map`, `grid`, `row` and `column` of a cell,
        and one or more columns of numbers or of at most 256 different texts. Parquet needs
        pyarrow.
      images: longer side in pixels, at most, of the whole images that the exemplars are of; 0 for
        none of them, as they may be private. They keep no metadata.
      images_from: folder that the images have moved to; None means where they were.
      titles: what the page calls further atlases, in their order; without one, by its folder.

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
    columns: tuple[str, ...] = ()
    titles: tuple[str, ...] = ()
    images: int = 0
    images_from: str | None = None

    def __post_init__(self) -> None:
        """Check the ranges."""
        checks.field(self, "paths", checks.flag)
        checks.field(self, "evidence", checks.whole, minimum=0)
        checks.field(self, "samples", checks.whole)
        checks.field(self, "columns", _paths)
        checks.field(self, "titles", _texts)
        checks.field(self, "images", checks.whole, minimum=0, maximum=checks.MAX_SIDE)
        checks.field(self, "images_from", checks.text, optional=True)


def _paths(name: str, value: Any) -> tuple[str, ...]:
    each = checks.as_tuple(value)
    if each is None:
        raise ValueError(f"{name}: expected a tuple of paths, got {checks.shown(value)}")
    return tuple(str(checks.path(name, path)) for path in each)


def _texts(name: str, value: Any) -> tuple[str, ...]:
    each = checks.as_tuple(value)
    if each is None:
        raise ValueError(f"{name}: expected a tuple of texts, got {checks.shown(value)}")
    return tuple(checks.text(name, text) for text in each)
