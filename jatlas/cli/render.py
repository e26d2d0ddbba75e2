"""`jatlas render`."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from tyro.conf import OmitArgPrefixes, Positional

from jatlas.build import CellConfig, recommended, render_cell, rerender
from jatlas.cli import _session as session
from jatlas.cli._cluster import ClusterOptions, joined, shared_folder
from jatlas.cli._maps import store_map
from jatlas.cli._options import IconOptions, Place
from jatlas.model import Network
from jatlas.pixels import to_uint8
from jatlas.records import Atlas, Map
from jatlas.storage import check_file, files, inside, load, local, map_folder
from jatlas.types import Params, Run


@dataclasses.dataclass(frozen=True, kw_only=True)
class Render:
    """Render the icons of an atlas again, with other settings, or one cell larger.

    Without --cell the icons of a grid are replaced. After an interruption, the same command
    resumes.

    Attributes:
      atlas: folder of the atlas, or its URL.
      map: map to render, such as mixed4c or mixed4c-class-277. Without it, the first.
      grid: cells along each side of the grid to render. Without it, the first of the map.
      cell: row and column of one cell to render by itself; the atlas is not changed.
      out: file for that cell, a PNG.
      seed: seeds the icons.
      whiten: whether icons follow whitened directions. Without it, as in the map.
      ridge: steadies the whitening. Without it, as in the map.
      icons: settings of the icons; they are not taken from the atlas. One cell is seen in views
        that grow with it, unless --view-size is given.
      chunk: icons that are optimized at once; does not change the result. Without it, what fits.
      cluster: how several processes share the icons.
    """

    atlas: Positional[Place]
    map: str | None = None
    grid: int | None = None
    cell: tuple[int, int] | None = None
    out: Path | None = None
    seed: int = 0
    whiten: bool | None = None
    ridge: float | None = None
    icons: OmitArgPrefixes[IconOptions] = IconOptions()
    chunk: int | None = None
    cluster: OmitArgPrefixes[ClusterOptions] = ClusterOptions()

    @property
    def resumes(self) -> bool:
        """Whether the same command goes on after an interruption."""
        return self.cell is None

    def run(self) -> None:
        """Render and say where the picture is."""
        if (self.cell is None) != (self.out is None):
            raise ValueError("cell, out: expected both or none")
        check_file(self.out)
        if self.cell is not None:
            self._render_cell(load(self.atlas), *self.cell)
            return
        folder = local(self.atlas)
        with joined(self.cluster), shared_folder(folder) as (cache, leads):
            atlas = load(folder)
            owner, size = self._choose(atlas)
            network, params = session.open_network_of(atlas)
            result = rerender(
                network, params, atlas, owner.path,
                size=size, key=session.make_key(self.seed),
                cells=self._cells(network, params, atlas, owner, size),
                run=Run(chunk=self.chunk, cache=cache),
            )  # fmt: skip
            if leads:
                store_map(folder, result, result.find(owner.path), stored=atlas)
        print(inside(self.atlas, f"{map_folder(owner)}/overview-{size}.png"))

    def _render_cell(self, atlas: Atlas, row: int, column: int) -> None:
        owner, size = self._choose(atlas)
        network, params = session.open_network_of(atlas)
        icon = render_cell(
            network, params, atlas, owner.path,
            size=size, row=row, column=column, key=session.make_key(self.seed),
            cells=self._cells(network, params, atlas, owner, size),
        )  # fmt: skip
        assert self.out is not None
        files.write_image(self.out, to_uint8(icon.images[0]))
        print(f"{self.out}: cosine {icon.cosines[0]:.3f}")

    def _choose(self, atlas: Atlas) -> tuple[Map, int]:
        """Return the map and the size of the grid that are meant."""
        owner = atlas.maps[0] if self.map is None else atlas.find(self.map)
        grid = owner.grids[0] if self.grid is None else owner.grid(self.grid)
        return owner, grid.size

    def _cells(
        self, network: Network, params: Params, atlas: Atlas, owner: Map, size: int
    ) -> CellConfig:
        fast = recommended(network, params, (owner.layer,)).icons
        settings: dict[str, Any] = dict(owner.settings or atlas.info.get("settings", {}))
        if self.cell is not None:  # as those of its grid, which may have been rendered again
            settings |= owner.grid(size).settings or {}
        ridge = settings.get("ridge", CellConfig.ridge) if self.ridge is None else self.ridge
        whiten = settings.get("whiten", CellConfig.whiten) if self.whiten is None else self.whiten
        icons = self.icons
        if self.cell is not None and icons.view_size is None and icons.preset == "fast":
            # Views much smaller than the picture leave most of its pixels noise.
            minimum = fast.views.size
            side = fast.icon_size if icons.icon_size is None else icons.icon_size
            icons = dataclasses.replace(icons, view_size=max(minimum, 2 * side // 5))
        return CellConfig(whiten=whiten, ridge=ridge, icons=icons.config(fast))
