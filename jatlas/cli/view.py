"""`jatlas view`."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from tyro.conf import Positional, UseAppendAction

from jatlas.cli._options import Place
from jatlas.show import PackConfig, view


@dataclasses.dataclass(frozen=True, kw_only=True)
class View:
    """Show an atlas in the browser, until Ctrl-C. Nothing leaves this machine.

    Attributes:
      atlas: folder of the atlas, or its URL.
      port: port to listen on; 0 takes a free one.
      browser: whether to open the browser.
      column: a CSV or Parquet file of your own values, which are written into the page, see
        `jatlas export`; may be given several times.
    """

    atlas: Positional[Place]
    port: int = 0
    browser: bool = True
    column: UseAppendAction[tuple[Path, ...]] = ()

    def run(self) -> None:
        """Serve the atlas on the loopback interface."""
        columns = tuple(map(str, self.column))
        config = PackConfig(columns=columns) if columns else None
        view(self.atlas, port=self.port, browser=self.browser, config=config)
