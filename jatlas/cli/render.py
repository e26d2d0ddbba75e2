"""`jatlas render`."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from tyro.conf import OmitArgPrefixes, Positional

from jatlas.build import DrawConfig, draw_cell, redraw
from jatlas.cli._options import IconOptions
from jatlas.cli._session import use_all_cores
from jatlas.model import load_network
from jatlas.pixels import to_uint8
from jatlas.storage import _files as files
from jatlas.storage import load, read_info
from jatlas.visualize import RandomViews


@dataclasses.dataclass(frozen=True, kw_only=True)
class Render:
    """Draw the icons of an atlas anew, with other settings, or one cell larger.

    Without --cell the icons of a grid are replaced. After an interruption, the same command goes
    on from what is done.

    Attributes:
      atlas: folder of the atlas.
      map: map to draw, such as mixed4c or mixed4c-class-277. Without it, the first.
      grid: cells along each side of the grid to draw. Without it, the first of the map.
      cell: row and column of one cell to draw by itself; the atlas is not changed.
      out: file for that cell, a PNG.
      seed: seeds the icons.
      whiten: whether icons follow whitened directions. Without it, as the map has it.
      ridge: steadies the whitening. Without it, as the map has it.
      icons: settings of the icons; they are not taken from the atlas. One cell is seen in views
        that grow with it, unless --view-size is given.
      chunk: icons that are optimized at once, no matter for the result. Without it, what fits.
    """

    atlas: Positional[Path]
    map: str | None = None
    grid: int | None = None
    cell: tuple[int, int] | None = None
    out: Path | None = None
    seed: int = 0
    whiten: bool | None = None
    ridge: float | None = None
    icons: OmitArgPrefixes[IconOptions] = IconOptions()
    chunk: int | None = None

    def run(self) -> None:
        """Draw and say where it is."""
        import jax

        if (self.cell is None) != (self.out is None):
            raise ValueError("cell, out: expected both or none")
        use_all_cores()
        info = read_info(self.atlas)
        entry = self._entry(info)
        grid = self.grid if self.grid is not None else entry["grids"][0]["size"]
        network, params = load_network(info["network"])
        drawing = self._drawing(entry.get("settings") or info.get("settings", {}))
        key = jax.random.key(self.seed)
        if self.cell is None:
            made = redraw(
                self.atlas, network, params, path=entry["path"], size=grid, key=key,
                drawing=drawing, chunk=self.chunk,
            )  # fmt: skip
            print(self.atlas / made.path / f"overview-{grid}.png")
            return
        row, column = self.cell
        icon = draw_cell(
            network, params, load(self.atlas), path=entry["path"], size=grid, row=row,
            column=column, key=key, drawing=drawing,
        )  # fmt: skip
        assert self.out is not None
        files.write_image(self.out, to_uint8(icon.images[0]))
        print(f"{self.out}: cosine {icon.cosines[0]:.3f}")

    def _entry(self, info: dict[str, Any]) -> dict[str, Any]:
        """Return what atlas.json says of the map that is meant."""
        known = {entry["path"]: entry for entry in info["maps"]}
        path = next(iter(known)) if self.map is None else self.map
        if path not in known:
            raise ValueError(f"map: there is no {path!r}; the atlas has: {', '.join(known)}")
        return known[path]

    def _drawing(self, there: dict[str, Any]) -> DrawConfig:
        ridge = there.get("ridge", DrawConfig.ridge) if self.ridge is None else self.ridge
        whiten = there.get("whiten", DrawConfig.whiten) if self.whiten is None else self.whiten
        icons = self.icons
        if self.cell is not None and icons.view_size is None and icons.preset == "fast":
            # Views much smaller than the picture leave most of its pixels noise.
            least = RandomViews().size
            icons = dataclasses.replace(icons, view_size=max(least, 2 * icons.icon_size // 5))
        return DrawConfig(whiten=whiten, ridge=ridge, render=icons.config())
