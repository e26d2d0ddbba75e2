"""`jatlas export`."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from tyro.conf import Positional

from jatlas.show import PackConfig, export_folder, export_html
from jatlas.show._export import ONE_FILE


@dataclasses.dataclass(frozen=True, kw_only=True)
class Export:
    """Write an atlas as a page: one file to send, or a folder to publish.

    Attributes:
      atlas: folder of the atlas.
      html: file to write; it holds everything.
      site: folder to write instead; it holds only what the page needs. Without either, the page
        is written into the atlas.
      paths: whether the page names the images that the samples came from.
    """

    atlas: Positional[Path]
    html: Path | None = None
    site: Path | None = None
    paths: bool = False

    def run(self) -> None:
        """Write the page and say where it is."""
        if self.html is not None and self.site is not None:
            raise ValueError("html, site: expected one of them")
        if self.html is not None:
            config = dataclasses.replace(ONE_FILE, paths=self.paths)
            print(export_html(self.atlas, self.html, config=config))
        else:
            config = PackConfig(paths=self.paths)
            print(export_folder(self.atlas, out=self.site, config=config))
