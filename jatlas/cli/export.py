"""`jatlas export`."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, UseAppendAction, arg

from jatlas.show import ONE_FILE, PackConfig, export
from jatlas.storage import check_file, check_folder


@dataclasses.dataclass(frozen=True, kw_only=True)
class Export:
    """Write an atlas as a page: one file to send, or a folder to publish.

    Attributes:
      atlas: folder of the atlas.
      html: file to write; it holds everything.
      site: folder to write instead; it holds only what the page needs. Without either, the page
        is written into the atlas.
      paths: whether the page names the images that the samples came from.
      column: a CSV or Parquet file of your own values for the page: a header with `image` (name or
        number), or `sample` (row in a layer), or `map,grid,row,column` (a cell), and one or more
        columns of numbers or of at most 256 different texts; may be given several times.
      others: folder of another atlas whose maps the page shows too; may be given several times.
      title: what the page calls that atlas, instead of the name of its folder.
    """

    atlas: Positional[Path]
    html: Path | None = None
    site: Path | None = None
    paths: bool = False
    column: UseAppendAction[tuple[Path, ...]] = ()
    others: Annotated[UseAppendAction[tuple[Path, ...]], arg(name="with")] = ()
    title: UseAppendAction[tuple[str, ...]] = ()

    def run(self) -> None:
        """Write the page and say where it is."""
        check_file(self.html)
        check_folder(self.site)
        base = PackConfig() if self.html is None else ONE_FILE
        columns = tuple(map(str, self.column))
        config = dataclasses.replace(base, paths=self.paths, columns=columns, titles=self.title)
        page = export(self.atlas, html=self.html, site=self.site, others=self.others, config=config)
        print(page)
