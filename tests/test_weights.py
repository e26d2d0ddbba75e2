"""Weights on disk and from a server on this machine: complete and right, or an error."""

import contextlib
import hashlib
import http.server
import json
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from weight_files import SMALL, caffe_file, draw, foreign, graphdef_file

from jatlas import synthetic
from jatlas.model import CONFIGS, TEXTURES, inception_v1
from jatlas.model import _checkpoint as checkpoint
from jatlas.model import _convert as convert
from jatlas.model import _download as download
from jatlas.model import _weights as weights
from jatlas.model._weights import Source

NAME = "googlenet_bvlc"
PROVENANCE = {"file": "x.caffemodel", "licence": "unrestricted"}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for weights of its own for each test; no proxy between it and its server."""
    monkeypatch.setenv("JATLAS_WEIGHTS_DIR", str(tmp_path / "home"))
    for variable in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    return tmp_path / "home"


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Parameters of a small network, which takes the place of both real ones."""
    monkeypatch.setattr(convert, "abstract_params", lambda config: SMALL)
    monkeypatch.setattr(weights, "abstract_params", lambda config: SMALL)
    return draw(SMALL)


def file_of(name: str, params: Any) -> bytes:
    writer = {"googlenet_bvlc": caffe_file, "inception5h": graphdef_file}[name]
    return writer(foreign(convert.table(CONFIGS[name]), params))


def assert_equal(got: Any, expected: Any) -> None:
    assert jax.tree.structure(got) == jax.tree.structure(expected)
    jax.tree.map(np.testing.assert_array_equal, got, expected)


def content(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


# Save and load


def test_save_and_load(small: Any, home: Path) -> None:
    where = weights.save(small, name=NAME, provenance=PROVENANCE)
    assert where == home / NAME
    assert content(home) == [NAME]
    network, params = weights.load_network(NAME)
    assert network is inception_v1(CONFIGS[NAME])
    assert_equal(params, small)
    for leaf in jax.tree.leaves(params):
        assert isinstance(leaf, jax.Array) and leaf.dtype == np.float32
        assert leaf.devices() == {jax.devices()[0]}
    record = json.loads((where / "provenance.json").read_text())
    assert record["file"] == "x.caffemodel"
    assert record["params_sha256"] == weights.digest(small) == weights.digest(params)


def test_load_from_another_folder(small: Any, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights.save(small, name=NAME, provenance=PROVENANCE)
    monkeypatch.setenv("JATLAS_WEIGHTS_DIR", str(home / "elsewhere"))
    with pytest.raises(FileNotFoundError, match="elsewhere"):
        weights.load_network(NAME)
    assert_equal(weights.load_network(NAME, directory=home)[1], small)


def test_save_replaces_what_was_there(small: Any, home: Path) -> None:
    weights.save(small, name=NAME, provenance=PROVENANCE)
    other = draw(SMALL, seed=1)
    weights.save(jax.tree.map(jax.numpy.asarray, other), name=NAME, provenance=PROVENANCE)
    assert_equal(weights.load_network(NAME)[1], other)
    assert content(home) == [NAME]


@pytest.mark.parametrize("step", ["write", "rename"])
def test_a_broken_save_leaves_what_was_there(
    small: Any, home: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    weights.save(small, name=NAME, provenance=PROVENANCE)
    rename = Path.rename

    def fail(*args: Any) -> Any:
        raise KeyboardInterrupt

    def rename_not_the_new(path: Path, target: Path) -> Path:
        if "-new-" in path.name:
            raise OSError("no space")
        return rename(path, target)

    if step == "write":
        monkeypatch.setattr(checkpoint, "digest", fail)
    else:
        monkeypatch.setattr(Path, "rename", rename_not_the_new)
    with pytest.raises((KeyboardInterrupt, OSError)):
        weights.save(draw(SMALL, seed=1), name=NAME, provenance=PROVENANCE)
    assert content(home) == [NAME]
    assert_equal(weights.load_network(NAME)[1], small)


def test_saved_with_a_mesh_loads_on_one_device(small: Any) -> None:
    mesh = jax.make_mesh((1,), ("all",))
    everywhere = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())
    weights.save(jax.device_put(small, everywhere), name=NAME, provenance=PROVENANCE)
    _, params = weights.load_network(NAME)
    assert_equal(params, small)
    sharding = params["logits"]["kernel"].sharding
    assert isinstance(sharding, jax.sharding.SingleDeviceSharding)


def test_params_that_do_not_fit_are_not_saved(small: Any, home: Path) -> None:
    small["logits"]["kernel"] = small["logits"]["kernel"][:, :2]
    small["logits"]["bias"] = small["logits"]["bias"].astype(np.float16)
    small["extra"] = np.zeros(1)
    del small["conv2d0"]
    with pytest.raises(ValueError, match="params do not fit googlenet_bvlc") as caught:
        weights.save(small, name=NAME, provenance=PROVENANCE)
    assert len(str(caught.value).splitlines()) == 6
    assert "logits/kernel: expected float32(7, 5), got float32(7, 2)" in str(caught.value)
    assert content(home) == []


def test_unknown_names() -> None:
    for call in (
        lambda: weights.load_network("resnet"),
        lambda: weights.fetch("resnet"),
        lambda: weights.install("file", name="resnet"),
        lambda: weights.save({}, name="resnet", provenance={}),
    ):
        with pytest.raises(ValueError, match=r"no network 'resnet'; known are: .*inception5h"):
            call()


def test_weights_that_are_not_here(home: Path) -> None:
    told = rf"no weights of {NAME} in {home}.*weights fetch {NAME}`.*convert FILE --network"
    with pytest.raises(FileNotFoundError, match=told):
        weights.load_network(NAME)


def test_damaged_checkpoints(small: Any) -> None:
    where = weights.save(small, name=NAME, provenance=PROVENANCE)
    files = [path for path in where.rglob("*") if path.is_file()]
    assert len(files) > 3
    for path in files:
        whole = path.read_bytes()
        if path.name != "provenance.json":
            path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]) if whole else b"x")
            with pytest.raises(ValueError, match=rf"{NAME} cannot be used.*weights fetch"):
                weights.load_network(NAME)
        path.write_bytes(whole[: len(whole) // 2])
        if whole:
            with pytest.raises(ValueError, match=rf"{NAME} cannot be used.*weights fetch"):
                weights.load_network(NAME)
        path.write_bytes(whole)
    assert_equal(weights.load_network(NAME)[1], small)


def test_a_checkpoint_of_another_network(
    small: Any, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights.save(small, name=NAME, provenance=PROVENANCE)
    (home / NAME).rename(home / "inception5h")
    larger = SMALL | {"logits": {"kernel": jax.ShapeDtypeStruct((7, 6), np.float32)}}
    monkeypatch.setattr(weights, "abstract_params", lambda config: larger)
    with pytest.raises(ValueError, match=r"cannot be used.*logits/kernel: expected float32\(7, 6"):
        weights.load_network("inception5h")


def test_digest_depends_on_names_shapes_dtypes_and_numbers_only() -> None:
    x = np.arange(6, dtype=np.float32)
    same = [{"a": x, "b": x}, {"b": jax.numpy.asarray(x), "a": np.arange(12.0)[::2] / 2}]
    same[1]["a"] = same[1]["a"].astype(np.float32)
    assert len({weights.digest(params) for params in same}) == 1
    others = [{"a": x}, {"a": x.reshape(2, 3)}, {"a": x + 1}, {"b": x}, {"a": x.view(np.int32)}]
    assert len({weights.digest(params) for params in (*same, *others)}) == 6


def test_status_and_directory(
    small: Any, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert [line.installed for line in weights.status()] == [False, False, True]
    weights.save(small, name=NAME, provenance=PROVENANCE)
    first, second, third = weights.status()
    assert (first.name, first.installed, first.where) == (NAME, True, home / NAME)
    assert (second.name, second.installed, second.licence) == ("inception5h", False, "Apache-2.0")
    assert (third.name, third.installed, third.url) == ("textures", True, "comes with jatlas")
    assert [*weights.KNOWN, *weights.SHIPPED] == list(CONFIGS)
    monkeypatch.delenv("JATLAS_WEIGHTS_DIR")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert weights.directory().name == "weights"


# Shipped


def test_shipped_weights_load_and_are_those_that_were_trained(home: Path) -> None:
    network, params = weights.load_network("textures")
    assert network is inception_v1(TEXTURES)
    assert network.classes == synthetic.CLASSES
    where = weights.status()[-1].where
    record = json.loads((where / "provenance.json").read_text())
    assert record["params_sha256"] == weights.digest(params)
    assert record["script"] == "examples/04_train_textures.py"
    assert record["accuracy"] >= 0.95
    size = sum(path.stat().st_size for path in where.rglob("*") if path.is_file())
    assert size <= 10e6
    image = jax.ShapeDtypeStruct((96, 96, 3), np.float32)
    assert jax.eval_shape(network.run, params, image).shape == (64,)


@pytest.mark.slow
def test_shipped_weights_classify_images_they_never_saw() -> None:
    network, params = weights.load_network("textures")
    classify = jax.jit(lambda x: network.run(params, x).argmax(-1))
    key = jax.random.key(20_240_229)  # not a key of the training
    right = []
    for number in range(6):
        made = synthetic.batch(key=key, per_class=1, size=96, first=number)
        right.append(classify(made.pixels) == made.labels)
    assert np.mean(right) >= 0.93


def test_saved_weights_go_before_shipped_ones(small: Any, home: Path) -> None:
    assert weights.status()[-1].where != home / "textures"
    weights.save(small, name="textures", provenance=PROVENANCE)
    assert weights.status()[-1].where == home / "textures"
    assert_equal(weights.load_network("textures")[1], small)


def test_in_a_wheel_shipped_weights_are_in_the_package(
    small: Any, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint.write(tmp_path / "pretrained" / "textures", small, provenance=PROVENANCE)
    monkeypatch.setattr(weights.resources, "files", lambda package: tmp_path)
    assert weights.status()[-1].where == tmp_path / "pretrained" / "textures"
    assert_equal(weights.load_network("textures")[1], small)


def test_shipped_weights_are_not_fetched_or_converted(home: Path) -> None:
    for call in (
        lambda: weights.fetch("textures"),
        lambda: weights.install("file", name="textures"),
    ):
        with pytest.raises(ValueError, match=r"weights of textures come with jatlas: .*to fetch"):
            call()
    with pytest.raises(FileNotFoundError, match="install it again"):
        weights.load_network("textures", directory=home)


# Install


@pytest.mark.parametrize("name", weights.KNOWN)
def test_install(small: Any, home: Path, tmp_path: Path, name: str) -> None:
    file = tmp_path / "file.bin"
    file.write_bytes(file_of(name, small))
    where = weights.install(file, name=name)
    assert_equal(weights.load_network(name)[1], small)
    record = json.loads((where / "provenance.json").read_text())
    assert record["file"] == "file.bin"
    assert record["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()


def test_install_from_the_published_archive(small: Any, tmp_path: Path) -> None:
    file = tmp_path / "inception5h.zip"
    member = weights.KNOWN["inception5h"].member
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(member, file_of("inception5h", small))
    weights.install(file, name="inception5h")
    assert_equal(weights.load_network("inception5h")[1], small)


def test_install_from_bad_archives(
    small: Any, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    member, file = str(weights.KNOWN["inception5h"].member), tmp_path / "file.zip"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("other.txt", "hello")
    with pytest.raises(ValueError, match="cannot read tensorflow_inception_graph"):
        weights.install(file, name="inception5h")
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(member, bytes(100_000))
    with monkeypatch.context() as patch, pytest.raises(ValueError, match="too large"):
        patch.setattr(weights, "MOST_BYTES", 50_000)
        weights.install(file, name="inception5h")
    whole = file.read_bytes()
    for start in range(30, len(whole) - 30, 7):
        file.write_bytes(whole[:start] + bytes(8) + whole[start + 8 :])
        with pytest.raises(ValueError, match=r"file\.zip"):
            convert.convert_bytes(
                weights._content(file, member=member), origin=str(file), config=CONFIGS[NAME]
            )
    assert content(home) == []


@pytest.mark.parametrize("data", [b"", b"<html>no</html>", b"\x12\x80junk" * 9, bytes(99)])
def test_a_bad_file_leaves_nothing_behind(home: Path, tmp_path: Path, data: bytes) -> None:
    (tmp_path / "bad").write_bytes(data)
    for name in weights.KNOWN:
        with pytest.raises(ValueError, match=f"bad: .*{name}"):
            weights.install(tmp_path / "bad", name=name)
    assert content(home) == []


@pytest.mark.slow
def test_install_and_load_real_weights(test_data: Path) -> None:
    file = test_data / NAME / "googlenet_bvlc.caffemodel"
    weights.install(file, name=NAME)
    network, params = weights.load_network(NAME)
    assert network.layers[-1] == "logits"
    assert weights.digest(params) == weights.digest(convert.convert(file, config=CONFIGS[NAME]))


# Fetch


class Server:
    """What the server is to do, and what it was asked."""

    def __init__(self) -> None:
        self.data = b""
        self.status = 200
        self.kind = "application/octet-stream"
        self.ranges = True
        self.cut_after: int | None = None
        self.announce_length = True
        self.asked: list[str | None] = []
        self.sent: list[int] = []
        self.url = ""


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = self.headers.get("Range")
            state.asked.append(asked)
            start = int(asked[len("bytes=") : -1]) if asked and state.ranges else 0
            if start and start >= len(state.data):
                self.send_error(416)
                return
            if state.status >= 400:
                self.send_error(state.status)
                return
            self.send_response(206 if start else state.status)
            self.send_header("Content-Type", state.kind)
            if state.announce_length:
                self.send_header("Content-Length", str(len(state.data) - start))
            if start:
                last = len(state.data) - 1
                self.send_header("Content-Range", f"bytes {start}-{last}/{last + 1}")
            self.end_headers()
            body = state.data[start:]
            if state.cut_after is not None:
                body = body[: state.cut_after]
            with contextlib.suppress(OSError):
                self.wfile.write(body)
            state.sent.append(len(body))

        def log_message(self, *args: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        state.url = f"http://127.0.0.1:{httpd.server_address[1]}/x.caffemodel"
        thread = threading.Thread(target=httpd.serve_forever, args=(0.01,))
        thread.start()
        yield state
        httpd.shutdown()
        thread.join()


def source_of(server: Server, **changes: Any) -> Source:
    digest = f"sha1:{hashlib.sha1(server.data).hexdigest()}"
    values = {"url": server.url, "digest": digest, "licence": "any", "size": 1_000_000}
    return Source(**(values | changes))


def fetch(source: Source, name: str = NAME) -> Path:
    return weights.fetch(name, source=source, progress=False)


def test_fetch(small: Any, home: Path, server: Server) -> None:
    server.data = file_of(NAME, small)
    where = fetch(source_of(server))
    assert_equal(weights.load_network(NAME)[1], small)
    assert content(home) == [NAME]
    record = json.loads((where / "provenance.json").read_text())
    assert record["file"] == "x.caffemodel"
    assert record["url"] == server.url
    assert record["sha256"] == hashlib.sha256(server.data).hexdigest()


def test_fetch_shows_progress(
    small: Any, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    server.data = file_of(NAME, small)
    weights.fetch(NAME, source=source_of(server))
    assert "100%" in capsys.readouterr().err


@pytest.mark.parametrize("announce_length", [True, False])
def test_fetch_goes_on_where_the_connection_broke(
    small: Any, home: Path, server: Server, announce_length: bool
) -> None:
    server.data = file_of(NAME, small)
    half = len(server.data) // 2
    server.cut_after = half
    with pytest.raises(OSError, match=rf"broke after {half} of .*same command goes on"):
        fetch(source_of(server))
    assert content(home) == [f"{NAME}.part"]
    server.cut_after, server.announce_length = None, announce_length
    fetch(source_of(server))
    assert server.asked == [None, f"bytes={half}-"]
    assert server.sent == [half, len(server.data) - half]
    assert_equal(weights.load_network(NAME)[1], small)
    assert content(home) == [NAME]


def test_fetch_from_a_server_without_ranges(small: Any, home: Path, server: Server) -> None:
    server.data = file_of(NAME, small)
    server.ranges, server.cut_after = False, 100
    with pytest.raises(OSError, match="broke after 100 of"):
        fetch(source_of(server))
    server.cut_after = None
    fetch(source_of(server))
    assert server.sent == [100, len(server.data)]
    assert_equal(weights.load_network(NAME)[1], small)
    assert content(home) == [NAME]


@pytest.mark.parametrize("kind", ["complete", "longer", "as long", "of another file"])
def test_fetch_with_a_part_that_is_there(small: Any, home: Path, server: Server, kind: str) -> None:
    server.data = file_of(NAME, small)
    home.mkdir()
    old = {
        "complete": server.data,
        "longer": server.data + b"more",
        "as long": bytes(len(server.data)),
        "of another file": b"other",
    }
    (home / f"{NAME}.part").write_bytes(old[kind])
    fetch(source_of(server))
    asked = 0 if kind == "complete" else 2
    assert len(server.asked) == asked
    assert_equal(weights.load_network(NAME)[1], small)
    assert content(home) == [NAME]


def test_fetch_of_another_file_than_expected(small: Any, home: Path, server: Server) -> None:
    server.data = file_of(NAME, small)
    source = source_of(server)
    server.data = server.data[:-1] + b"x"
    got = hashlib.sha1(server.data).hexdigest()
    told = f"not the expected file: expected {source.digest}, got sha1:{got}.*weights convert FILE"
    with pytest.raises(ValueError, match=told):
        fetch(source)
    assert content(home) == []


def test_fetch_of_a_longer_file_than_expected(home: Path, server: Server) -> None:
    server.data = bytes(1000)
    with pytest.raises(ValueError, match="longer than 400 bytes"):
        fetch(source_of(server, size=100))
    assert content(home) == []


@pytest.mark.parametrize("kind", ["text/html; charset=utf-8", "application/octet-stream"])
def test_fetch_of_a_web_page(small: Any, home: Path, server: Server, kind: str) -> None:
    right = file_of(NAME, small)
    server.data = right
    source = source_of(server)
    server.data, server.kind = b"<!DOCTYPE html><html>Please log in</html>", kind
    with pytest.raises(ValueError, match=r"gave a web page instead of a file.*by hand and run"):
        fetch(source)
    assert content(home) == []
    home.mkdir(exist_ok=True)
    (home / f"{NAME}.part").write_bytes(right[:10])  # the page does no harm to what is there
    server.ranges = False
    with pytest.raises(ValueError, match="gave a web page"):
        fetch(source)
    assert (home / f"{NAME}.part").read_bytes() == right[:10]


@pytest.mark.parametrize("status", [403, 404, 416, 500, 503])
def test_fetch_when_the_server_refuses(home: Path, server: Server, status: int) -> None:
    server.status = status
    with pytest.raises(OSError, match=f"answered {status} .*by hand and run: jatlas weights"):
        fetch(source_of(server))
    assert content(home) == []


def test_fetch_from_nowhere(home: Path, server: Server) -> None:
    with http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler) as unused:
        port = unused.server_address[1]
    url = f"http://127.0.0.1:{port}/file"
    with pytest.raises(OSError, match=f"{NAME}: cannot reach {url}: .*weights convert FILE"):
        fetch(source_of(server, url=url))
    assert content(home) == []


def zipped(data: bytes, member: str) -> bytes:
    import io

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(member, data)
    return buffer.getvalue()


def test_fetch_a_member_of_an_archive(small: Any, home: Path, server: Server) -> None:
    data = file_of("inception5h", small)
    server.data = zipped(data, "graph.pb")
    right = f"sha256:{hashlib.sha256(data).hexdigest()}"
    where = fetch(source_of(server, member="graph.pb", member_digest=right), "inception5h")
    assert_equal(weights.load_network("inception5h")[1], small)
    record = json.loads((where / "provenance.json").read_text())
    assert (record["file"], f"sha256:{record['sha256']}") == ("graph.pb", right)
    assert content(home) == ["inception5h"]


@pytest.mark.parametrize(
    ("member", "told"), [("graph.pb", "graph.pb in .* is not the expected"), ("no.pb", "cannot")]
)
def test_fetch_of_a_wrong_archive(
    small: Any, home: Path, server: Server, member: str, told: str
) -> None:
    server.data = zipped(file_of("inception5h", small), "graph.pb")
    with pytest.raises(ValueError, match=told):
        fetch(source_of(server, member=member, member_digest="sha256:00"), "inception5h")
    assert content(home) == []


def test_sources_name_an_algorithm_that_is_known() -> None:
    with pytest.raises(ValueError, match=r"digest: expected 'sha256:\.\.\.' or .* got 'md5:0'"):
        Source(url="http://x", digest="md5:0", licence="", size=1)


def test_web_pages_are_told_from_files() -> None:
    assert download.is_web_page(b"\n\n<!doctype HTML>")
    assert not download.is_web_page(b"\n\tBVLC GoogLeNet")
