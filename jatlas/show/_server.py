"""A server for one atlas folder, for this machine alone."""

import contextlib
import http.server
import mimetypes
import os
import stat
import threading
import urllib.parse
import webbrowser
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import IO, Any

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
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".txt": "text/plain; charset=utf-8",
}


def serve(folder: str | Path, *, port: int = 0, open_browser: bool = True) -> None:
    """Serve an atlas folder on 127.0.0.1 until Ctrl-C.

    Nothing outside the folder is served, links that lead out of it included, and nothing to a page
    that reached this machine under another name than its own.

    Args:
      folder: a folder with a viewer in it; see `jatlas.show._export.export_folder`.
      port: the port; 0 takes one that is free.
      open_browser: whether to open the page.

    Raises:
      FileNotFoundError: if there is no viewer.
      OSError: if the port is taken.
    """
    with serving(folder, port=port) as url:
        print(f"{url} (Ctrl-C stops)", flush=True)
        if open_browser:
            webbrowser.open(url)
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()


@contextlib.contextmanager
def serving(folder: str | Path, *, port: int = 0) -> Iterator[str]:
    """Serve an atlas folder on 127.0.0.1 while the block runs, and give its address.

    Args:
      folder: a folder with a viewer in it.
      port: the port; 0 takes one that is free.

    Raises:
      FileNotFoundError: if there is no viewer.
      OSError: if the port is taken.
    """
    root = Path(folder).resolve()
    if not (root / "index.html").is_file():
        raise FileNotFoundError(f"{folder} has no viewer: export one first")
    server = _Server((HOST, port), _Handler)
    server.root = root
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1})
    thread.start()
    try:
        yield f"http://{HOST}:{server.server_address[1]}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    root: Path


class _Handler(http.server.BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    server_version = "jatlas"
    sys_version = ""
    timeout = 30

    def do_GET(self) -> None:
        self._answer(body=True)

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def _answer(self, *, body: bool) -> None:
        port = self.server.server_address[1]
        if self.headers.get("Host") not in (f"{HOST}:{port}", f"localhost:{port}"):
            # A page elsewhere can have its own name lead to this machine, to read what is served.
            return self._refuse(HTTPStatus.MISDIRECTED_REQUEST, body=body)
        try:
            path = locate(self.server.root, self.path)
            file = open(path, "rb")  # noqa: SIM115
        except (OSError, ValueError):
            return self._refuse(HTTPStatus.NOT_FOUND, body=body)
        with file:
            self._send(path, file, body=body)

    def _send(self, path: Path, file: IO[bytes], *, body: bool) -> None:
        guess = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        left = os.fstat(file.fileno()).st_size
        self._head(HTTPStatus.OK, _TYPES.get(path.suffix, guess), left)
        with contextlib.suppress(ConnectionError, TimeoutError):
            while body and left > 0 and (piece := file.read(min(left, 1 << 20))):
                self.wfile.write(piece)
                left -= len(piece)

    def _refuse(self, status: HTTPStatus, *, body: bool) -> None:
        text = f"{status.value} {status.phrase}\n".encode()
        self._head(status, _TYPES[".txt"], len(text))
        if body:
            self.wfile.write(text)

    def _head(self, status: HTTPStatus, kind: str, length: int) -> None:
        self.send_response(status)
        for name, value in (("Content-Type", kind), ("Content-Length", str(length))):
            self.send_header(name, value)
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        self.end_headers()


def locate(root: Path, target: str) -> Path:
    """Find the file that a request asks for.

    Args:
      root: the folder that is served, resolved.
      target: what came after GET: a path that begins with /, percent-encoded, maybe with a query.

    Returns:
      A regular file inside the folder.

    Raises:
      ValueError: if the path is not one of a file inside the folder.
      OSError: if there is no such file.
    """
    raw = target.split("?", 1)[0].split("#", 1)[0]
    name = urllib.parse.unquote(raw, errors="strict")
    parts = name.split("/")[1:]
    if parts[-1:] == [""]:
        parts[-1] = "index.html"
    # An encoded slash, a backslash or a dot name is never part of a name that we write.
    bad = any(not part or part.startswith(".") or "\\" in part or "\0" in part for part in parts)
    if not name.startswith("/") or bad or "%2f" in raw.lower():
        raise ValueError(f"target: expected a path inside the folder, got {target!r}")
    path = root.joinpath(*parts).resolve(strict=True)
    if not path.is_relative_to(root) or not stat.S_ISREG(path.stat().st_mode):
        raise ValueError(f"target: {target!r} is no file inside the folder")
    return path
