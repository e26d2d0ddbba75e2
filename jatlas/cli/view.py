"""`jatlas view`."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from tyro.conf import Positional

from jatlas.show import view


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
        view(self.atlas, port=self.port, browser=self.browser)
