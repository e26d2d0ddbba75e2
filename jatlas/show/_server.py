"""A server of one atlas folder, reachable from this machine only."""

import contextlib
import errno
import http.client
import http.server
import ipaddress
import os
import re
import socket
import socketserver
import stat
import sys
import threading
import time
import urllib.parse
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

from jatlas.types import checks

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
_OTHER = "application/octet-stream"
_MAX_PORT = 65535
_LINGER = 1.0  # s


def check_port(port: int) -> None:
    """Raise ValueError if there is no such port."""
    checks.whole("port", port, minimum=0, maximum=_MAX_PORT, expected=f"0 to {_MAX_PORT}")


@contextlib.contextmanager
def serving(folder: str | Path, *, port: int = 0) -> Iterator[str]:
    """Serve a folder with a page on 127.0.0.1 for the duration of the block.

    Only files inside the folder are served, and only to requests that name this machine as their
    host: a link that leads out of the folder is not followed. The end of the block closes all
    connections.

    Args:
      folder: a folder that holds `index.html`; see `export_folder`.
      port: the port; 0 picks a free one.

    Yields:
      The address, such as "http://127.0.0.1:43210/".

    Raises:
      FileNotFoundError: if there is no page.
      ValueError: if there is no such port.
      OSError: if the port is in use or reserved.
    """
    check_port(port)
    root = Path(folder).resolve()
    if not (root / "index.html").is_file():
        raise FileNotFoundError(f"{folder} has no viewer: export one first")
    with _listen(root, port) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1})
        thread.start()
        try:
            yield f"http://{HOST}:{server.port}/"
        finally:
            server.shutdown()
            thread.join()


def _listen(root: Path, port: int) -> "_Server":
    try:
        return _Server(root, port)
    except OSError as error:
        reason = {errno.EADDRINUSE: "in use", errno.EACCES: "reserved"}.get(error.errno or 0)
        if reason is None:
            raise
        advice = "choose another, or 0 for a free one"
        raise OSError(f"port {port} is {reason}: {advice}") from error


class _Server(socketserver.ThreadingTCPServer):
    # Not http.server's own, which looks up the name of its address: that may ask a name server, and
    # take seconds.

    # A browser opens several connections at once; one that the queue of the standard library, 5
    # long, turns away is tried again only after a second.
    request_queue_size = 64
    # For a port whose last connections have just been closed. On Windows, it would share a port
    # that is in use.
    allow_reuse_address = os.name != "nt"

    def __init__(self, root: Path, port: int) -> None:
        self.root = root
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        super().__init__((HOST, port), _Handler)

    @property
    def port(self) -> int:
        return self.server_address[1]

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def close_request(self, request: Any) -> None:
        with self._lock:
            self._open.discard(request)
            super().close_request(request)

    def server_close(self) -> None:
        # The base class waits for the threads, and these would wait for their clients.
        with self._lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        super().server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        # A closed tab is no error.
        if not isinstance(sys.exception(), (ConnectionError, TimeoutError)):
            # A traceback that cannot be written must not be the next error.
            with contextlib.suppress(OSError, ValueError):
                super().handle_error(request, client_address)


class _Headers(http.client.HTTPMessage):
    def get_content_type(self) -> str:
        # The parser is that of mails. Of one in parts it decodes the boundary between them, and
        # some raise errors.
        return "text/plain"


class _Handler(http.server.BaseHTTPRequestHandler):
    # HTTP/1.0, the default: the connection is closed after each answer, so that a file that
    # shrinks while it is sent spoils no other answer.
    server: _Server
    server_version = "jatlas"
    sys_version = ""
    timeout = 30
    error_content_type = "text/plain; charset=utf-8"
    error_message_format = "%(code)d %(message)s\n%(explain)s\n"
    MessageClass = _Headers

    def do_GET(self) -> None:
        if not self._is_for_us():
            port = self.server.port
            known = f"http://{HOST}:{port}/ and http://localhost:{port}/"
            self.send_error(
                HTTPStatus.MISDIRECTED_REQUEST,
                explain=f"This server answers to {known} only, at any port forwarded to it.",
            )
            return
        try:
            path = locate(self.server.root, self.path)
            file = path.open("rb")
        except (OSError, ValueError):
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        with file:
            size = os.fstat(file.fileno()).st_size
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Type", _TYPES.get(path.suffix.lower(), _OTHER))
            self.send_header("Content-Length", str(size))
            self.end_headers()
            if size and self.command == "GET":
                # No more than was announced, even if the file has grown.
                self.connection.sendfile(file, count=size)

    do_HEAD = do_GET

    def _is_for_us(self) -> bool:
        # A page elsewhere can make its own name resolve to this machine to read what is served.
        hosts = self.headers.get_all("Host", [])
        return len(hosts) == 1 and is_loopback(hosts[0])

    def send_response(self, code: int, message: str | None = None) -> None:
        # In HTTP/0.9, which is assumed of a request that cannot be read, an answer has no status
        # and no headers.
        self.request_version = self.protocol_version
        super().send_response(code, message)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        # Without the message, as some repeat what was sent.
        super().send_error(code, explain=explain)

    def end_headers(self) -> None:
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        super().end_headers()

    def finish(self) -> None:
        super().finish()
        # A connection that is closed with data unread is reset, and the client may lose the answer.
        end = time.monotonic() + _LINGER
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_WR)
            self.connection.settimeout(_LINGER)
            while self.connection.recv(1 << 16) and time.monotonic() < end:
                pass

    def log_message(self, format: str, *args: Any) -> None:
        pass


def is_loopback(host: str) -> bool:
    """Return whether a Host header names the loopback interface, at any port.

    The port may be another than the server's: `ssh -L` and editors forward it under a number of
    their own. No page elsewhere can have one of these names, at whatever port.

    Args:
      host: the value of the header.

    Returns:
      True for localhost, 127.0.0.0/8 and [::1]. Names such as atlas.localhost are none of them:
      not all browsers keep them on this machine.

    Example:
      >>> [is_loopback(host) for host in ("localhost:9999", "[::1]", "elsewhere.example:9999")]
      [True, True, False]
    """
    match = re.fullmatch(r"([a-z0-9.]+|\[::1\])(?::([0-9]{1,5}))?", host.lower())
    if match is None or not 0 < int(match[2] or 80) <= _MAX_PORT:
        return False
    if match[1] in ("localhost", "localhost.", "[::1]"):
        return True
    try:
        return ipaddress.IPv4Address(match[1]).is_loopback
    except ValueError:
        return False


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
    # Path.resolve has another error for links in a circle in some versions of Python.
    path = Path(os.path.realpath(root.joinpath(*parts), strict=True))
    if not path.is_relative_to(root) or not stat.S_ISREG(path.stat().st_mode):
        raise ValueError(f"target: {target!r} is not a file inside the folder")
    return path
