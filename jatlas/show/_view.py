"""An atlas in the browser."""

from __future__ import annotations

import contextlib
import time
import webbrowser
from pathlib import Path

from jatlas.records import Atlas
from jatlas.show._export import as_folder, export_folder, has_page
from jatlas.show._pack import PackConfig
from jatlas.show._server import check_port, serving


def view(
    atlas: Atlas | str | Path,
    *,
    port: int = 0,
    browser: bool = True,
    config: PackConfig | None = None,
) -> None:
    """Serve an atlas on 127.0.0.1 and open it in the browser; returns at Ctrl-C.

    A folder without a page gets one first. Nothing leaves this machine.

    Args:
      atlas: folder of an atlas, or an atlas in memory, which is served from a temporary folder.
      port: the port; 0 picks a free one.
      browser: whether to open the page in the browser. Its address is printed either way.
      config: how much of the atlas the page holds. The page in the folder is then replaced; with
        None, one that is there is served as it is.

    Raises:
      FileNotFoundError: if the folder holds no atlas.
      ValueError: if the atlas is damaged, or there is no such port.
      OSError: if the port is in use or reserved, or the page cannot be written.
    """
    check_port(port)
    with as_folder(atlas) as folder:
        if config is not None or not has_page(folder):
            export_folder(folder, config=config)
        with serving(folder, port=port) as url, contextlib.suppress(KeyboardInterrupt):
            print(f"{url} (Ctrl-C stops)", flush=True)
            if browser and not _open_browser(url):
                print("no browser opens here: open the address in one yourself", flush=True)
            while True:
                time.sleep(60)  # Ctrl-C ends this on Windows too, unlike waiting for an event


def _open_browser(url: str) -> bool:
    try:
        return webbrowser.open(url)
    except Exception:  # whatever it is, the server is ready
        return False
