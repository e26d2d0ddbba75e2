"""The server gives what is in the folder, and nothing else, to this machine alone."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from jatlas.show import serve, serving
from jatlas.show._server import HOST, locate

SECRET = b"not for you"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    inside = tmp_path / "atlas"
    (inside / "viewer" / "data").mkdir(parents=True)
    (inside / "index.html").write_text("<p>page")
    (inside / "viewer" / "data" / "atlas.js").write_text("1")
    (inside / "viewer" / "a name.jpg").write_bytes(b"\xff\xd8")
    (inside / ".hidden").write_bytes(SECRET)
    (tmp_path / "secret.txt").write_bytes(SECRET)
    (tmp_path / "atlas-2").mkdir()
    (tmp_path / "atlas-2" / "secret.txt").write_bytes(SECRET)
    (inside / "link.txt").symlink_to(tmp_path / "secret.txt")
    (inside / "linked").symlink_to(tmp_path)
    (inside / "within.js").symlink_to(inside / "viewer" / "data" / "atlas.js")
    os.mkfifo(inside / "pipe")
    return inside


@pytest.fixture
def url(folder: Path) -> Iterator[str]:
    with serving(folder) as address:
        yield address


def get(
    url: str, target: str, *, host: str | None = None, method: str = "GET"
) -> tuple[int, bytes, http.client.HTTPMessage]:
    place = urlsplit(url).netloc
    connection = http.client.HTTPConnection(place, timeout=5)
    # As it is: http.client would refuse or mend some of these paths.
    connection._validate_path = lambda url: None  # type: ignore[attr-defined]
    connection._encode_request = lambda request: request.encode("latin-1")  # type: ignore
    connection.putrequest(method, target, skip_host=True)
    connection.putheader("Host", place if host is None else host)
    connection.endheaders()
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, body, answer.headers


@pytest.mark.parametrize(
    ("target", "kind"),
    [
        ("/", "text/html"),
        ("/index.html", "text/html"),
        ("/?a=b", "text/html"),
        ("/viewer/data/atlas.js", "text/javascript"),
        ("/viewer/data/atlas.js?1", "text/javascript"),
        ("/viewer/a%20name.jpg", "image/jpeg"),
        ("/within.js", "text/javascript"),
    ],
)
def test_gives_what_is_in_the_folder(url: str, target: str, kind: str) -> None:
    status, body, headers = get(url, target)
    assert status == 200 and body
    assert headers["Content-Type"].startswith(kind)
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    status, nothing, again = get(url, target, method="HEAD")
    assert (status, nothing, again["Content-Length"]) == (200, b"", str(len(body)))


@pytest.mark.parametrize(
    "target",
    [
        "/../secret.txt",
        "/viewer/../../secret.txt",
        "/%2e%2e/secret.txt",
        "/..%2fsecret.txt",
        "/%2e%2e%2fsecret.txt",
        "/..%252fsecret.txt",
        "/viewer%2fdata%2fatlas.js",
        "/..\\secret.txt",
        "/%5c..%5csecret.txt",
        "/../atlas-2/secret.txt",
        "/link.txt",
        "/linked/secret.txt",
        "//etc/passwd",
        "/%2fetc/passwd",
        "/etc/passwd",
        "/.hidden",
        "/./index.html",
        "/index.html%00.js",
        "/%00",
        "/%ff",
        "/viewer",
        "/viewer/",
        "/pipe",
        "/index.html/",
        "index.html",
        "http://elsewhere/index.html",
        "*",
        "/" + "a" * 5000,
        "/nothing",
    ],
)
def test_gives_nothing_else(url: str, folder: Path, target: str) -> None:
    status, body, _ = get(url, target)
    assert status in (400, 404)
    assert SECRET not in body and b"root:" not in body
    with pytest.raises((ValueError, OSError)):
        locate(folder.resolve(), target)


@pytest.mark.parametrize("host", ["elsewhere.example", "127.0.0.1", "127.0.0.1:1", "", "[::1]"])
def test_answers_to_its_own_name_alone(url: str, host: str) -> None:
    assert get(url, "/", host=host)[0] == 421


def test_localhost_is_its_name_too(url: str) -> None:
    assert get(url, "/", host=f"localhost:{urlsplit(url).port}")[0] == 200


def test_takes_no_other_method(url: str) -> None:
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        assert get(url, "/", method=method)[0] == 501


def test_listens_on_loopback_alone(url: str) -> None:
    port = urlsplit(url).port
    # Linux: address and port in hexadecimal, state 0A is listening.
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    listening = [line.split()[1] for line in lines if line.split()[3] == "0A"]
    found = [address for address in listening if address.endswith(f":{port:04X}")]
    assert found == [f"0100007F:{port:04X}"]
    assert f":{port:04X} " not in Path("/proc/net/tcp6").read_text()


def test_many_ask_at_once_and_it_ends(folder: Path) -> None:
    with serving(folder) as url:
        place = urlsplit(url)
        idle = [socket.create_connection((place.hostname, place.port)) for _ in range(20)]
        assert get(url, "/")[0] == 200
        start = time.monotonic()
    assert time.monotonic() - start < 3
    for each in idle:
        each.close()
    with pytest.raises(OSError):
        socket.create_connection((HOST, place.port), timeout=1)


def test_a_folder_without_a_viewer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no viewer"):
        serve(tmp_path, open_browser=False)


def test_ctrl_c_ends_it(folder: Path) -> None:
    code = (
        # A process begun in the background is not told of Ctrl-C, unless it asks.
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "from jatlas.show import serve; "
        "serve(sys.argv[1], open_browser=False); print('ended')"
    )
    run = [sys.executable, "-c", code, str(folder)]
    process = subprocess.Popen(run, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line.startswith(f"http://{HOST}:")
    assert get(line.split()[0], "/")[0] == 200
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=10)
    assert (process.returncode, out, err) == (0, "ended\n", "")
