"""The server serves the files of the folder, and nothing else, to this machine only."""

import errno
import http.client
import io
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest
import served
import viewer_atlas
from served import SECRET

from jatlas.show import _server, _view, has_page, serving, view
from jatlas.show._server import HOST, is_loopback, locate
from jatlas.storage import load


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    inside = served.make(tmp_path_factory.mktemp("outside"))
    (inside / "viewer" / "a name.jpg").write_bytes(b"\xff\xd8")
    (inside / ".hidden").write_bytes(SECRET)
    (inside / "within.js").symlink_to(inside / "viewer" / "data" / "atlas.js")
    return inside


@pytest.fixture(scope="module")
def url(folder: Path) -> Iterator[str]:
    with serving(folder) as address:
        yield address


def get(
    url: str, target: str, *, host: str | None = None, method: str = "GET", **headers: str
) -> tuple[int, bytes, http.client.HTTPMessage]:
    place = urlsplit(url).netloc
    connection = http.client.HTTPConnection(place, timeout=5)
    # As given: http.client would refuse or repair some of these paths.
    connection._validate_path = lambda url: None  # type: ignore[attr-defined]
    connection._encode_request = lambda request: request.encode("latin-1")  # type: ignore
    connection.putrequest(method, target, skip_host=True)
    connection.putheader("Host", place if host is None else host)
    for name, value in headers.items():
        connection.putheader(name.replace("_", "-"), value)
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
def test_files_of_the_folder_are_served(url: str, target: str, kind: str) -> None:
    status, body, headers = get(url, target)
    assert status == 200 and body
    assert headers["Content-Type"].startswith(kind)
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    status, nothing, head = get(url, target, method="HEAD")
    assert (status, nothing, head["Content-Length"]) == (200, b"", str(len(body)))


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
        "/loop",
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
def test_nothing_else_is_served(url: str, folder: Path, target: str) -> None:
    status, body, headers = get(url, target)
    assert status in (400, 404)
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert SECRET not in body and b"root:" not in body
    with pytest.raises((ValueError, OSError)):
        locate(folder.resolve(), target)


@pytest.mark.parametrize(
    "host",
    [
        "elsewhere.example",
        "elsewhere.example:{port}",
        "192.168.0.5:{port}",
        "0.0.0.0:{port}",
        "[::]:{port}",
        "[::2]",
        "[::1",
        "::1",
        "127.1",
        "127.0.0.256",
        "127.0.0.1.",
        "127.0.0.1.elsewhere.example",
        "2130706433",
        "atlas.localhost:{port}",
        "localhost.elsewhere.example",
        "elsewherelocalhost",
        "localhost..",
        "localhost:",
        "localhost:0",
        "localhost:65536",
        "localhost:+80",
        "localhost:80:80",
        "localhost, elsewhere.example",
        "localhost@elsewhere.example",
        "someone@localhost",
        "http://localhost",
        "",
    ],
)
def test_requests_for_another_host_are_refused_and_told_why(url: str, host: str) -> None:
    port = urlsplit(url).port
    status, body, headers = get(url, "/", host=host.format(port=port))
    assert status == 421
    assert headers["Content-Type"].startswith("text/plain")
    assert f"http://127.0.0.1:{port}/ and http://localhost:{port}/" in body.decode()
    assert b"elsewhere" not in body
    assert not is_loopback(host.format(port=port))


@pytest.mark.parametrize(
    "host",
    [
        "localhost:{port}",
        "LocalHost:{port}",
        "localhost.:{port}",
        "127.0.0.1:{port}",
        "[::1]:{port}",
        # Behind a port that is forwarded under another number, or to that of http.
        "localhost:9999",
        "localhost:65535",
        "localhost",
        "127.0.0.1:1",
        "127.0.0.1",
        "127.1.2.3:80",
        "[::1]:9999",
        "[::1]",
    ],
)
def test_any_name_of_the_loopback_interface_is_accepted_at_any_port(url: str, host: str) -> None:
    assert get(url, "/", host=host.format(port=urlsplit(url).port))[0] == 200


@pytest.mark.parametrize(
    "kind",
    [
        "multipart/mixed; boundary=a",
        "multipart/mixed; boundary*=a%00b''c",
        f"multipart/mixed; boundary*{'1' * 5000}=a",
    ],
)
def test_headers_are_not_parsed_as_a_mail(url: str, kind: str) -> None:
    assert get(url, "/", Content_Type=kind)[0] == 200


def test_other_methods_are_not_implemented(url: str) -> None:
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        assert get(url, "/", method=method)[0] == 501


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="no /proc")
def test_listens_on_loopback_only(url: str) -> None:
    port = urlsplit(url).port
    # Linux: address and port in hexadecimal, state 0A is listening.
    lines = Path("/proc/net/tcp").read_text(encoding="utf-8").splitlines()[1:]
    listening = [line.split()[1] for line in lines if line.split()[3] == "0A"]
    ours = [address for address in listening if address.endswith(f":{port:04X}")]
    assert ours == [f"0100007F:{port:04X}"]
    assert f":{port:04X} " not in Path("/proc/net/tcp6").read_text(encoding="utf-8")


def test_idle_connections_neither_block_nor_outlive_the_server(folder: Path) -> None:
    before = set(threading.enumerate())
    with serving(folder) as url:
        place = urlsplit(url)
        idle = [socket.create_connection((place.hostname, place.port)) for _ in range(20)]
        assert get(url, "/")[0] == 200
        start = time.monotonic()
    assert time.monotonic() - start < 3
    assert set(threading.enumerate()) <= before
    for connection in idle:
        connection.close()
    with pytest.raises(OSError):
        socket.create_connection((HOST, place.port), timeout=1)


def test_a_file_of_an_older_atlas_in_the_cache_is_not_reused(url: str) -> None:
    status, body, _ = get(url, "/", If_Modified_Since="Wed, 21 Oct 2099 07:28:00 GMT")
    assert (status, body) == (200, b"<p>page")


def test_a_file_that_shrinks_while_it_is_sent_ends_the_connection(url: str, folder: Path) -> None:
    file = folder / "viewer" / "large.png"
    file.write_bytes(b"x" * 64_000_000)
    place = urlsplit(url)
    with socket.create_connection((place.hostname, place.port), timeout=5) as client:
        client.sendall(f"GET /viewer/large.png HTTP/1.1\r\nHost: {place.netloc}\r\n\r\n".encode())
        received = len(client.recv(1000))
        os.truncate(file, 1000)
        while piece := client.recv(1 << 20):  # would time out on a connection that stays open
            received += len(piece)
    assert received < 64_000_000
    assert get(url, "/")[0] == 200


def test_a_file_that_grows_while_it_is_sent_is_sent_as_announced(url: str, folder: Path) -> None:
    file = folder / "viewer" / "growing.png"
    file.write_bytes(bytes(64_000_000))
    place = urlsplit(url)
    with socket.create_connection((place.hostname, place.port), timeout=5) as client:
        client.sendall(f"GET /viewer/growing.png HTTP/1.1\r\nHost: {place.netloc}\r\n\r\n".encode())
        head, _, start = client.recv(1000).partition(b"\r\n\r\n")
        with file.open("ab") as end:
            end.write(b"x" * 1000)
        received = len(start)
        while piece := client.recv(1 << 20):
            received += len(piece)
    assert b"Content-Length: 64000000\r\n" in head
    assert received == 64_000_000


def test_a_tab_closed_during_an_answer_is_not_an_error(
    url: str, folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (folder / "viewer" / "large.png").write_bytes(b"x" * 64_000_000)
    place = urlsplit(url)
    for target in ("/viewer/large.png", "/nothing"):
        client = socket.create_connection((place.hostname, place.port), timeout=5)
        client.sendall(f"GET {target} HTTP/1.1\r\nHost: {place.netloc}\r\n".encode())
        # Closed with data unread, so that the server's writes fail.
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.sendall(b"\r\n")
        if target != "/nothing":
            client.recv(1000)
        client.close()
    for _ in range(3):
        assert get(url, "/")[0] == 200
        time.sleep(0.05)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("stderr", [None, "closed"])
def test_an_error_that_cannot_be_reported_does_not_end_the_server(
    folder: Path, monkeypatch: pytest.MonkeyPatch, stderr: str | None
) -> None:
    def fail(*args: Any) -> None:
        raise RuntimeError("a bug")

    file = io.StringIO()
    file.close()
    monkeypatch.setattr(sys, "stderr", file if stderr == "closed" else None)
    # An error in a thread that nothing catches fails a test.
    with serving(folder) as url:
        with monkeypatch.context() as patch:
            patch.setattr(_server, "locate", fail)
            with pytest.raises((http.client.HTTPException, ConnectionError)):
                get(url, "/")
        assert get(url, "/")[0] == 200


@pytest.mark.parametrize("port", [-1, 65_536, 70_000])
def test_a_port_that_does_not_exist_is_refused(folder: Path, port: int) -> None:
    message = f"^port: expected 0 to 65535, got {port}$"
    with pytest.raises(ValueError, match=message), serving(folder, port=port):
        pass
    with pytest.raises(ValueError, match=message):
        view(folder, port=port, browser=False)


def test_a_port_that_cannot_be_had_is_refused_with_advice(
    url: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = urlsplit(url).port or 0
    advice = "choose another, or 0 for a free one"
    with (
        pytest.raises(OSError, match=f"^port {port} is in use: {advice}$"),
        serving(folder, port=port),
    ):
        pass

    def fail(server: Any) -> None:
        raise OSError(reason, "no")

    monkeypatch.setattr(_server._Server, "server_bind", fail)
    reason = errno.EACCES
    with pytest.raises(OSError, match=f"^port 80 is reserved: {advice}$"), serving(folder, port=80):
        pass
    reason = errno.EMFILE  # not of the port
    with pytest.raises(OSError, match=r"\] no$"), serving(folder, port=80):
        pass


def test_the_name_of_the_machine_is_not_looked_up(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("getfqdn", "gethostbyaddr", "getaddrinfo"):
        monkeypatch.setattr(socket, name, None)
    with serving(folder):
        pass


def test_a_folder_without_a_page_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no viewer"), serving(tmp_path):
        pass
    with pytest.raises(FileNotFoundError, match="no atlas"):
        view(tmp_path, browser=False)


def test_a_view_writes_the_page_of_a_folder_and_takes_an_atlas_in_memory(tmp_path: Path) -> None:
    folder = viewer_atlas.make(tmp_path / "atlas", sizes=(4,), layers=1)
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        # The port is taken last, so that a taken one ends a view that is otherwise ready.
        with pytest.raises(OSError, match="in use"):
            view(load(folder), port=port, browser=False)
        assert not has_page(folder)
        with pytest.raises(OSError, match="in use"):
            view(folder, port=port, browser=False)
        assert has_page(folder)


@pytest.mark.parametrize("opens", [True, False, RuntimeError, KeyboardInterrupt])
def test_a_browser_that_does_not_open_does_not_end_the_view(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    opens: bool | type[BaseException],
) -> None:
    folder = viewer_atlas.make(tmp_path / "atlas", sizes=(4,), layers=1)
    answers, said = [], []

    def open_browser(url: str) -> bool:
        answers.append(get(url, "/")[0])
        if isinstance(opens, bool):
            return opens
        raise opens

    def sleep(seconds: float) -> None:
        said.extend(capsys.readouterr().out.splitlines())
        answers.append(get(said[0].split()[0], "/")[0])
        raise KeyboardInterrupt

    monkeypatch.setattr(_view.webbrowser, "open", open_browser)
    monkeypatch.setattr(_view, "time", SimpleNamespace(sleep=sleep))
    view(folder)
    # Ctrl-C while a browser starts ends the view too.
    assert answers == ([200] if opens is KeyboardInterrupt else [200, 200])
    advice = ["no browser opens here: open the address in one yourself"]
    assert said[1:] == (advice if opens in (False, RuntimeError) else [])


@pytest.mark.slow
def test_ctrl_c_ends_a_view(folder: Path) -> None:
    code = (
        # A process started in the background ignores Ctrl-C unless it asks for it.
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "from jatlas.show import view; "
        "view(sys.argv[1], browser=False); print('ended')"
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
