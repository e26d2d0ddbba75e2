"""`jatlas view` and `jatlas export`."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from tyro.conf import Positional

from jatlas.show import PackConfig
from jatlas.show import _export as export
from jatlas.show import _server as server


@dataclasses.dataclass(frozen=True, kw_only=True)
class View:
    """Show an atlas in the browser, until Ctrl-C. Nothing leaves this machine.

    Attributes:
      atlas: folder of the atlas.
      port: port to listen on; 0 takes a free one.
      browser: whether to open the browser.
    """

    atlas: Positional[Path]
    port: int = 0
    browser: bool = True

    def run(self) -> None:
        """Serve the atlas on the loopback interface."""
        if not export.has_page(self.atlas):
            export.export_folder(self.atlas)
        server.serve(self.atlas, port=self.port, open_browser=self.browser)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Export:
    """Write an atlas as a page: one file to send, or a folder to publish.

    Attributes:
      atlas: folder of the atlas.
      html: the file to write; it holds everything.
      site: the folder to write instead; it holds only what the page needs. Without either, the
        page is written into the atlas.
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
            config = dataclasses.replace(export.ONE_FILE, paths=self.paths)
            print(export.export_html(self.atlas, self.html, config=config))
        else:
            config = PackConfig(paths=self.paths)
            print(export.export_folder(self.atlas, out=self.site, config=config))
