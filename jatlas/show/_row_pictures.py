"""A picture for each sample: its own place in the image if it is kept, or else its cell's icon."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from PIL import Image

from jatlas.records import Grid, Map
from jatlas.show._columns import cells_of, numbers_of_icons
from jatlas.show._tiles import jpeg
from jatlas.types import HostArray

_FINEST = 80  # cells along each side: of a finer grid, the icons would fill the file


class Picture(NamedTuple):
    """A picture.

    Attributes:
      file: the content of a JPEG file.
      path: name of such a file, which says what it shows.
    """

    file: bytes
    path: str


class RowPictures:
    """The pictures of the samples of a map, encoded when they are asked for."""

    def __init__(self, atlas_map: Map) -> None:
        self._grid = _grid_of_icons(atlas_map)
        cell = cells_of(np.asarray(atlas_map.points), size=self._grid.size)
        self._icon = numbers_of_icons(self._grid, cell)
        self._crops = _crops(atlas_map)
        self._encoded: dict[int, Picture] = {}

    def read(self, rows: slice) -> list[Picture | None]:
        """Return the pictures of some rows, None where there is none."""
        first, last, _ = rows.indices(len(self._icon))
        return [self._picture(row) for row in range(first, last)]

    def _picture(self, row: int) -> Picture | None:
        if row in self._crops:
            grid, cell, number = self._crops[row]
            assert grid.crops is not None
            return _encode(grid.crops[cell, number], "place.jpg")
        icon = int(self._icon[row])
        if icon < 0:
            return None
        if icon not in self._encoded:
            self._encoded[icon] = _encode(self._grid.icons.images[icon], "icon.jpg")
        return self._encoded[icon]


def _encode(pixels: HostArray, path: str) -> Picture:
    return Picture(jpeg(Image.fromarray(np.asarray(pixels)).convert("RGB")), path)


def _grid_of_icons(atlas_map: Map) -> Grid:
    grids = sorted(atlas_map.grids, key=lambda each: each.size)
    return next((grid for grid in reversed(grids) if grid.size <= _FINEST), grids[0])


def _crops(atlas_map: Map) -> dict[int, tuple[Grid, int, int]]:
    """Return by row of the map where the crop of its sample is: grid, cell and number."""
    found: dict[int, tuple[Grid, int, int]] = {}
    for grid in atlas_map.grids:
        if grid.crops is not None and grid.exemplars is not None:
            for cell, rows in enumerate(np.asarray(grid.exemplars).tolist()):
                found |= {row: (grid, cell, i) for i, row in enumerate(rows) if row >= 0}
    return found
