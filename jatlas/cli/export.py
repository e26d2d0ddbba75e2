"""`jatlas export`."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from tyro.conf import Positional

from jatlas.show import ONE_FILE, PackConfig, export, to_csv, to_json, to_parquet
from jatlas.storage import check_file, check_folder

_TABLES: dict[str, Any] = {".csv": to_csv, ".json": to_json, ".parquet": to_parquet}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Export:
    """Write an atlas as a page, one file to send or a folder to publish, or as a table.

    Attributes:
      atlas: folder of the atlas.
      html: file to write; it holds everything.
      site: folder to write instead; it holds only what the page needs. Without any, the page
        is written into the atlas.
      table: file to write instead, .parquet, .csv or .json: one row per sample of a map.
        .parquet has neighbors and pictures too, and needs pyarrow.
      map: name of the map of the table. Without it, the only layer's.
      paths: whether it names the images that the samples came from.
    """

    atlas: Positional[Path]
    html: Path | None = None
    site: Path | None = None
    table: Path | None = None
    map: str | None = None
    paths: bool = False

    def run(self) -> None:
        """Write the page or the table and say where it is."""
        for file in (self.html, self.table):
            check_file(file)
        check_folder(self.site)
        if self.table is not None:
            print(self._write_table(self.table))
            return
        if self.map is not None:
            raise ValueError("map: a page has all maps; only a table is of one")
        base = PackConfig() if self.html is None else ONE_FILE
        config = dataclasses.replace(base, paths=self.paths)
        print(export(self.atlas, html=self.html, site=self.site, config=config))

    def _write_table(self, file: Path) -> Path:
        if self.html is not None or self.site is not None:
            raise ValueError("table: expected without --html and --site")
        if file.suffix.lower() not in _TABLES:
            raise ValueError(
                f"table: expected a name that ends in {', '.join(_TABLES)}, got {file}"
            )
        write = _TABLES[file.suffix.lower()]
        return write(self.atlas, file, map=self.map, paths=self.paths)
