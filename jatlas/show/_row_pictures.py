"""A picture for each sample: its own place in the image if it is kept, or else its cell's icon."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from PIL import Image

from jatlas.records import Grid, Map
from jatlas.show._columns import cells_of, numbers_of_icons
from jatlas.show._tiles import jpeg

_FINEST = 80  # cells along each side: of a finer grid, the icons would fill the file


class PicturesOfRows(NamedTuple):
    """The pictures of some rows.

    Attributes:
      codes: number of the picture of each row, None for none.
      files: the pictures as JPEG.
      names: what each shows, as the name of a file.
    """

    codes: list[int | None]
    files: list[bytes]
    names: list[str]


class RowPictures:
    """The pictures of the samples of a map, encoded when they are asked for."""

    def __init__(self, atlas_map: Map) -> None:
        self._grid = _grid_of_icons(atlas_map)
        cell = cells_of(np.asarray(atlas_map.points), size=self._grid.size)
        self._icon = numbers_of_icons(self._grid, cell)
        self._crops = _crops(atlas_map)
        self._encoded: dict[int, bytes] = {}

    def read(self, rows: slice) -> PicturesOfRows:
        """Return the pictures of some rows, each once."""
        found = PicturesOfRows([], [], [])
        known: dict[int, int] = {}
        first, last, _ = rows.indices(len(self._icon))
        for row in range(first, last):
            icon = int(self._icon[row])
            if row in self._crops:
                found.codes.append(len(found.files))
                self._add_crop(row, found)
            elif icon < 0:
                found.codes.append(None)
            else:
                if icon not in known:
                    known[icon] = len(found.files)
                    self._add_icon(icon, found)
                found.codes.append(known[icon])
        return found

    def _add_crop(self, row: int, found: PicturesOfRows) -> None:
        grid, cell, number = self._crops[row]
        assert grid.crops is not None
        found.files.append(jpeg(Image.fromarray(np.asarray(grid.crops[cell, number]))))
        found.names.append(f"place-{row}.jpg")

    def _add_icon(self, icon: int, found: PicturesOfRows) -> None:
        if icon not in self._encoded:
            pixels = np.asarray(self._grid.icons.images[icon])
            self._encoded[icon] = jpeg(Image.fromarray(pixels).convert("RGB"))
        row, column = divmod(int(self._grid.cells[icon]), self._grid.size)
        found.files.append(self._encoded[icon])
        found.names.append(f"icon-{self._grid.size}-{row}-{column}.jpg")


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
