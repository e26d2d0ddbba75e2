"""The server under requests of every wrong kind: it gives nothing away, and goes on."""

import contextlib
import random
import re
import socket
import ssl
import struct
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import served
from served import SECRET

from jatlas.show import serving

MARK = "<script>alert(1)</script>"
KNOWN = "Host: localhost"

STARTS = [
    "/", "/", "/", "/", "//", "///", "", "*", "/./", "/%2f", "/\\", "/%5c", "/%00", "/C:/",
    "//elsewhere.example/", "http://elsewhere.example/", "http://localhost/", "file:///", "/~/",
    "/.hidden/", "/linked/", "/viewer/", "/viewer/..;/", "/%", "/c%3a\\",
]  # fmt: skip
UPS = [
    "../", "%2e%2e/", ".%2E/", "..%2f", "%2e%2e%2f", "..%252f", "%252e%252e%252f", "..\\", "..%5c",
    "%c0%ae%c0%ae/", "..%c0%af", "%e0%80%ae%e0%80%ae/", "%uff0e%uff0e/", "\uff0e\uff0e/", "..%00/",
    "....//", "..;/", ".../", "./", "viewer/../",
]  # fmt: skip
NAMES = [
    "index.html", "index.html", "viewer/viewer.js", "viewer/large.png", "viewer", "secret.txt",
    ".hidden/secret.txt", "link.txt", "linked/secret.txt", "loop", "loop/secret.txt", "pipe",
    "atlas-2/secret.txt", "etc/passwd", "Windows/win.ini", "CON", "", "\u00e9", MARK, "a" * 300,
    "viewer/" * 500, "x" * 70_000,
]  # fmt: skip
ENDS = ["", "", "", "", "", "?a=b", "#a", "/", "/.", "/..", ".", "%20", "%00", "%00.js", "::$DATA"]
METHODS = [
    *["GET"] * 50, *["HEAD"] * 5, "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT", "get",
    "PRI", "GET\0", "__init__", "\u00e9", "", MARK, "A" * 500, "A" * 66_000,
]  # fmt: skip
VERSIONS = [
    *["HTTP/1.1"] * 50, "HTTP/1.0", "HTTP/0.9", "", "HTTP/2.0", "HTTP/9.9", "HTTP/1", "HTTP/1.1.1",
    "HTTP/-1.0", "HTTP/1.\u00b2", "HTTP/1.x", "HTTP/99999999999.1", "http/1.1", "TLS/1.3", MARK,
    "HTTP/1.1 again",
]  # fmt: skip
HOSTS = [
    "elsewhere.example", "localhost.elsewhere.example:80", "localhost@elsewhere.example", "",
    "127.0.0.1:80@elsewhere.example", "192.168.0.5", "localhost:99999", "localhost:-1", "[::]:80",
    "[::1", "0.0.0.0", "elsewhere.example\r\nHost: localhost", "elsewhere.example\r\n localhost",
    "localhost\r\nHost: elsewhere.example", MARK, "\u00e9", "\0", "x" * 70_000,
]  # fmt: skip
HEADERS = [
    "Connection: keep-alive", "Expect: 100-continue", "Transfer-Encoding: chunked",
    "Content-Length: 5", "Content-Length: -1", "Content-Length: x", "Content-Length: 99999999999",
    "If-Modified-Since: never", "If-Modified-Since: Wed, 21 Oct 99999 07:28:00 GMT", "From nobody",
    "Range: bytes=-1", "no colon", ": no name", " folded", "A : b", "A: b\rC: d", "A: \0\xff",
    "Content-Type: multipart/mixed; boundary=a", "Content-Type: message/rfc822", f"A: {MARK}",
    "Content-Type: multipart/mixed; boundary*=a%00b''c",
    f"Content-Type: multipart/mixed; boundary*{'1' * 5000}=a", "A: " + "b" * 66_000,
    "\r\n".join(f"A{number}: b" for number in range(200)),
]  # fmt: skip
BODIES = [
    "",
    "",
    "",
    "",
    "a=b",
    "5\r\nhello\r\n0\r\n\r\n",
    "x" * 300_000,
    "GET /.. HTTP/1.1\r\n\r\n",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    inside = served.make(tmp_path_factory.mktemp("outside"))
    (inside / "viewer" / "large.png").write_bytes(bytes(4_000_000))
    (inside / ".hidden").mkdir()
    (inside / ".hidden" / "secret.txt").write_bytes(SECRET)
    return inside


@pytest.fixture(scope="module")
def url(folder: Path) -> Iterator[str]:
    with serving(folder) as address:
        yield address


def exchange(url: str, data: bytes, *, way: str = "whole") -> bytes:
    """Return all that the server answers until it closes the connection."""
    place = urlsplit(url)
    answer = bytearray()
    with socket.create_connection((place.hostname, place.port), timeout=5) as client:
        step = max(1, len(data) // 5 if way == "slow" else len(data))
        for start in range(0, len(data), step):
            client.sendall(data[start : start + step])
            time.sleep(0.005 if way == "slow" else 0)
        client.shutdown(socket.SHUT_WR)
        if way == "reset":
            client.recv(1000)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return b""
        while piece := client.recv(1 << 20):
            answer += piece
    return bytes(answer)


def parse(answer: bytes, *, sent: bytes) -> tuple[int, bytes]:
    """Return status and body of an answer, which is whole, and repeats nothing that was sent."""
    said = f"to {sent[:200]!r}: {answer[:400]!r}"
    assert MARK.encode() not in answer, said
    head, end, body = answer.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    status = re.fullmatch(r"HTTP/1\.0 (\d{3}) [ -~]{1,100}", first)
    assert status and end, said
    assert all(re.fullmatch(r"[A-Za-z-]+: [ -~]*", line) for line in lines), said
    headers = dict(line.split(": ", 1) for line in lines)
    assert len(headers) == len(lines), said
    assert "default-src 'none'" in headers["Content-Security-Policy"], said
    asked = sent.decode("latin-1").split()[0]
    assert len(body) == int(headers["Content-Length"]) or (asked == "HEAD" and not body), said
    return int(status[1]), body


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET /\r\nHost: localhost\r\n\r\n", 200),
        (b"GET / HTTP/0.9\r\nHost: localhost\r\n\r\n", 200),
        (b"GET / HTTP/1.0\r\n\r\n", 421),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n", 421),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: elsewhere.example\r\n\r\n", 421),
        (b"GET / HTTP/1.1\r\nHost: elsewhere.example\r\n localhost\r\n\r\n", 421),
        (b"GET / HTTP/1.1 " + b"a" * 65_000 + b"\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n" + b"a" * 1_000_000, 501),
        (b"GET /" + b"a" * 1_000_000 + b" HTTP/1.1\r\n\r\n", 414),
        (f"{MARK} / HTTP/1.1\r\n\r\n".encode(), 501),
    ],
)
def test_every_answer_is_whole(url: str, data: bytes, status: int) -> None:
    assert parse(exchange(url, data), sent=data)[0] == status


def a_target(rng: random.Random) -> str:
    if rng.random() < 0.2:
        return f"/{rng.choice(NAMES[:4])}"
    ups = "".join(rng.choices(UPS, k=rng.choice((0, 0, 1, 2, 8))))
    target = rng.choice(STARTS) + ups + rng.choice(NAMES) + rng.choice(ENDS)
    if rng.random() < 0.2:
        target = "".join(f"%{ord(c):02x}" if rng.random() < 0.3 else c for c in target)
    return target


def a_request(rng: random.Random) -> bytes:
    first = f"{rng.choice(METHODS)} {a_target(rng)} {rng.choice(VERSIONS)}"
    host = KNOWN if rng.random() < 0.8 else f"Host: {rng.choice(HOSTS)}"
    lines = [host, *rng.choices(HEADERS, k=rng.choice((0, 0, 1, 2)))]
    rng.shuffle(lines)
    end = rng.choice(("\r\n", "\r\n", "\r\n", "\n"))
    request = bytearray((end.join([first, *lines, "", ""]) + rng.choice(BODIES)).encode())
    if rng.random() < 0.1:
        for _ in range(rng.randrange(1, 20)):
            request[rng.randrange(len(request))] = rng.randrange(256)
    if rng.random() < 0.1:
        del request[rng.randrange(len(request)) :]
    return bytes(request)


def a_hello() -> bytes:
    """Return how a browser begins that was told https."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    with pytest.raises(ssl.SSLWantReadError):
        context.wrap_bio(incoming, outgoing, server_hostname="localhost").do_handshake()
    return outgoing.read()


def hostile(rng: random.Random) -> bytes:
    kind = rng.random()
    if kind < 0.05:
        return rng.randbytes(rng.choice((1, 100, 70_000)))
    if kind < 0.07:
        return a_hello()
    # One, or several without waiting for the answers.
    return b"".join(a_request(rng) for _ in range(rng.choice((1, 1, 1, 1, 3))))


@pytest.mark.slow
def test_a_thousand_hostile_requests(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    visible = ("index.html", "viewer/viewer.js", "viewer/large.png")
    public = {(folder / name).read_bytes() for name in visible}
    rng = random.Random(0)
    sent = [hostile(rng) for _ in range(1000)]
    ways = rng.choices(["whole", "slow", "reset"], [85, 10, 5], k=len(sent))
    before = set(threading.enumerate())
    with contextlib.ExitStack() as stalled, serving(folder) as url:
        place = urlsplit(url)
        for data in sent[:20]:  # these requests never end
            client = socket.create_connection((place.hostname, place.port))
            stalled.enter_context(client).sendall(data[:10])
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda data, way: exchange(url, data, way=way), sent, ways))
        normal = f"GET / HTTP/1.1\r\n{KNOWN}\r\n\r\n".encode()
        assert parse(exchange(url, normal), sent=normal) == (200, b"<p>page")
    assert set(threading.enumerate()) <= before
    seen = Counter[int]()
    for data, answer, way in zip(sent, answers, ways, strict=True):
        assert SECRET not in answer and b"root:" not in answer
        if way == "reset" or not data.decode("latin-1").split("\n")[0].strip():
            continue  # no answer, or nothing asked
        status, body = parse(answer, sent=data)
        if status == 200:
            assert body in public or not body
            assert re.search(rb"\nHost: localhost(\r?\n|\Z)", data)
        seen[status] += 1
    # The requests were of all kinds.
    assert set(seen) == {200, 400, 404, 414, 421, 431, 501, 505}
    assert capfd.readouterr().err == ""
