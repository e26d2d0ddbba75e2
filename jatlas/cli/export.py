"""`jatlas export`."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Any

from tyro.conf import Positional, UseAppendAction, arg

from jatlas.cli._options import Place
from jatlas.show import ONE_FILE, PAGE, PackConfig, export, overview, to_csv, to_json, to_parquet
from jatlas.storage import check_file, check_folder, inside, local

_TABLES: dict[str, Any] = {".csv": to_csv, ".json": to_json, ".parquet": to_parquet}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Export:
    """Write an atlas as a page, one file to send or a folder to publish, a figure or a table.

    Attributes:
      atlas: folder of the atlas, or its URL.
      html: file to write; it holds everything.
      site: folder to write instead; it holds only what the page needs. Without any of these, the
        page is written into the atlas.
      overview: figure of one map to write, .png or .svg; the page is then written only with --html
        or --site.
      table: table of one map to write, .parquet, .csv or .json, one row per sample; the page is
        then written only with --html or --site. .parquet has neighbors and pictures too, and
        needs pyarrow.
      map: map of the figure or table, such as mixed4c or mixed4c-class-277. Without it, the first
        for a figure, the only layer's for a table.
      grid: cells along each side of the grid of the figure. Without it, the first of the map.
      paths: whether the page or the table names the images that the samples came from.
      column: a CSV or Parquet file of your own values for the page: a header with `image` (name or
        number), or `sample` (row in a layer), or `map,grid,row,column` (a cell), and one or more
        columns of numbers or of at most 256 different texts; may be given several times.
      others: folder of another atlas, or its URL, whose maps the page shows too; may be given
        several times.
      title: what the page calls that atlas, instead of the name of its folder.
      images: longer side in pixels, at most, of the whole images that the page shows behind its
        real places; 0 for none, as they may be private.
      images_from: folder, or its URL, that the images have moved to. Without it, where they were.
    """

    atlas: Positional[Place]
    html: Path | None = None
    site: Path | None = None
    overview: Path | None = None
    table: Path | None = None
    map: str | None = None
    grid: int | None = None
    paths: bool = False
    column: UseAppendAction[tuple[Path, ...]] = ()
    others: Annotated[UseAppendAction[tuple[Place, ...]], arg(name="with", metavar="PATH")] = ()
    title: UseAppendAction[tuple[str, ...]] = ()
    images: int = 0
    images_from: Annotated[str | None, arg(name="from", metavar="PATH")] = None

    def run(self) -> None:
        """Write what is asked for, and say where it is."""
        self._check()
        if self.overview is not None:
            print(overview(local(self.atlas), self.overview, map=self.map, grid=self.grid))
        if self.table is not None:
            write = _TABLES[self.table.suffix.lower()]
            print(write(local(self.atlas), self.table, map=self.map, paths=self.paths))
        alone = self.overview is None and self.table is None
        if alone or self.html is not None or self.site is not None:
            page = self._page()
            there = self.html is None and self.site is None
            print(inside(self.atlas, PAGE) if there else page)

    def _check(self) -> None:
        if self.overview is None and self.table is None and self.map is not None:
            raise ValueError("map: expected only with --overview or --table")
        if self.overview is None and self.grid is not None:
            raise ValueError("grid: expected only with --overview")
        for file in (self.html, self.overview, self.table):
            check_file(file)
        check_folder(self.site)
        if self.table is not None and self.table.suffix.lower() not in _TABLES:
            raise ValueError(
                f"table: expected a name that ends in {', '.join(_TABLES)}, got {self.table}"
            )

    def _page(self) -> Path:
        base = PackConfig() if self.html is None else ONE_FILE
        config = dataclasses.replace(
            base,
            paths=self.paths,
            columns=tuple(map(str, self.column)),
            titles=self.title,
            images=self.images,
            images_from=self.images_from,
        )
        return export(self.atlas, html=self.html, site=self.site, others=self.others, config=config)
