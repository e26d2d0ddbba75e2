"""A server of one atlas folder, reachable from this machine only."""

import contextlib
import functools
import http.server
import stat
import sys
import threading
import urllib.parse
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

HOST = "127.0.0.1"
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
        "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    # Another atlas may be served from the same port next time.
    "Cache-Control": "no-cache",
}
# The system's own table may be wrong, and the browser is told not to guess.
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".txt": "text/plain; charset=utf-8",
    ".jpg": "image/jpeg",
    ".png": "image/png",
}


@contextlib.contextmanager
def serving(folder: str | Path, *, port: int = 0) -> Iterator[str]:
    """Serve a folder with a page on 127.0.0.1 for the duration of the block.

    Only files inside the folder are served, and only to requests that name this machine as their
    host: a link that leads out of the folder is not followed.

    Args:
      folder: a folder that holds `index.html`; see `export_folder`.
      port: the port; 0 picks a free one.

    Yields:
      The address, such as "http://127.0.0.1:43210/".

    Raises:
      FileNotFoundError: if there is no page.
      OSError: if the port is taken.
    """
    root = Path(folder).resolve()
    if not (root / "index.html").is_file():
        raise FileNotFoundError(f"{folder} has no viewer: export one first")
    server = _Server((HOST, port), functools.partial(_Handler, directory=str(root)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1})
    thread.start()
    try:
        yield f"http://{HOST}:{server.server_port}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Server(http.server.ThreadingHTTPServer):
    # A browser opens several connections at once; one that the queue of the standard library, 5
    # long, turns away is tried again only after a second.
    request_queue_size = 64

    def handle_error(self, request: Any, client_address: Any) -> None:
        # A closed tab is no error.
        if not isinstance(sys.exception(), (ConnectionError, TimeoutError)):
            super().handle_error(request, client_address)


class _Handler(http.server.SimpleHTTPRequestHandler):
    # HTTP/1.0, the default: the connection is closed after each answer, so that a file that
    # shrinks or grows while it is sent spoils no other answer.
    server: _Server
    server_version = "jatlas"
    sys_version = ""
    timeout = 30
    extensions_map = _TYPES

    def send_head(self) -> Any:
        port = self.server.server_port
        if self.headers.get("Host") not in (f"{HOST}:{port}", f"localhost:{port}"):
            # A page elsewhere can make its own name resolve to this machine to read what is served.
            return self.send_error(HTTPStatus.MISDIRECTED_REQUEST)
        try:
            self._file = locate(Path(self.directory), self.path)
        except (OSError, ValueError):
            return self.send_error(HTTPStatus.NOT_FOUND)
        # What the browser has in its cache may be of another atlas, and newer.
        del self.headers["If-Modified-Since"]
        return super().send_head()

    def translate_path(self, path: str) -> str:
        return str(self._file)

    def end_headers(self) -> None:
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        super().end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        pass


def locate(root: Path, target: str) -> Path:
    """Return the file that a request asks for.

    Args:
      root: the folder that is served, resolved.
      target: the target of the request: a percent-encoded path that begins with /, maybe with a
        query.

    Returns:
      A regular file inside the folder.

    Raises:
      ValueError: if the target is not the path of a file inside the folder.
      OSError: if there is no such file.

    Example:
      >>> locate(Path("atlas"), "/../secret.txt")
      Traceback (most recent call last):
      ValueError: target: expected a path inside the folder, got '/../secret.txt'
    """
    raw = target.split("?", 1)[0].split("#", 1)[0]
    name = urllib.parse.unquote(raw, errors="strict")
    parts = name.split("/")[1:]
    if parts[-1:] == [""]:
        parts[-1] = "index.html"
    # Names of exported files contain no encoded slash or backslash and do not begin with a dot.
    bad = any(not part or part.startswith(".") or "\\" in part or "\0" in part for part in parts)
    if not name.startswith("/") or bad or "%2f" in raw.lower():
        raise ValueError(f"target: expected a path inside the folder, got {target!r}")
    path = root.joinpath(*parts).resolve(strict=True)
    if not path.is_relative_to(root) or not stat.S_ISREG(path.stat().st_mode):
        raise ValueError(f"target: {target!r} is not a file inside the folder")
    return path
