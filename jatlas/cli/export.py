"""`jatlas export`."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

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
      images: longer side in pixels, at most, of the whole images that the page shows behind its
        real places; 0 for none, as they may be private.
      images_from: folder that the images have moved to. Without it, where they were.
    """

    atlas: Positional[Path]
    html: Path | None = None
    site: Path | None = None
    paths: bool = False
    images: int = 0
    images_from: Annotated[Path | None, arg(name="from")] = None

    def run(self) -> None:
        """Write the page and say where it is."""
        check_file(self.html)
        check_folder(self.site)
        base = PackConfig() if self.html is None else ONE_FILE
        moved = None if self.images_from is None else str(self.images_from)
        config = dataclasses.replace(base, paths=self.paths, images=self.images, images_from=moved)
        print(export(self.atlas, html=self.html, site=self.site, config=config))
