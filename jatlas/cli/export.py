"""`jatlas export`."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from tyro.conf import Positional

from jatlas.show import ONE_FILE, PackConfig, export, overview
from jatlas.storage import check_file, check_folder


@dataclasses.dataclass(frozen=True, kw_only=True)
class Export:
    """Write an atlas as a page, one file to send or a folder to publish, or as a figure.

    Attributes:
      atlas: folder of the atlas.
      html: file to write; it holds everything.
      site: folder to write instead; it holds only what the page needs. Without either, the page
        is written into the atlas.
      overview: figure of one map to write, .png or .svg; the page is then written only with --html
        or --site.
      map: map of the figure, such as mixed4c or mixed4c-class-277. Without it, the first.
      grid: cells along each side of the grid of the figure. Without it, the first of the map.
      paths: whether the page names the images that the samples came from.
    """

    atlas: Positional[Path]
    html: Path | None = None
    site: Path | None = None
    overview: Path | None = None
    map: str | None = None
    grid: int | None = None
    paths: bool = False

    def run(self) -> None:
        """Write the page or the figure, and say where it is."""
        if self.overview is None and (self.map, self.grid) != (None, None):
            raise ValueError("map, grid: expected only with --overview")
        check_file(self.html)
        check_folder(self.site)
        if self.overview is not None:
            check_file(self.overview)
            print(overview(self.atlas, self.overview, map=self.map, grid=self.grid))
            if self.html is None and self.site is None:
                return
        base = PackConfig() if self.html is None else ONE_FILE
        config = dataclasses.replace(base, paths=self.paths)
        print(export(self.atlas, html=self.html, site=self.site, config=config))
