"""Weights on disk and from a server on this machine: complete and right, or an error."""

import dataclasses
import errno
import hashlib
import http.server
import io
import json
import os
import pwd
import re
import shutil
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
import pooch
import pytest
from faults import failing
from forked import Forked
from weight_files import draw, small_config, weight_file

from jatlas import synthetic
from jatlas.cli.weights import WeightsList
from jatlas.model import (
    CONFIGS,
    PACKAGED_WEIGHTS,
    PUBLISHED_WEIGHTS,
    TEXTURES,
    WeightsSource,
    WeightsStatus,
    convert_weights,
    digest,
    fetch_weights,
    inception_v1,
    load_network,
    read_weight_file,
    save_weights,
    weights_directory,
    weights_status,
)
from jatlas.model._convert import convert_bytes
from jatlas.model._fetch import read_content
from jatlas.model._weights import shipped_folder

NAME = "googlenet_bvlc"
PROVENANCE = {"file": "x.caffemodel", "licence": "unrestricted"}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for weights of its own for each test; no package, no proxy before its server."""
    monkeypatch.setenv("JATLAS_WEIGHTS_DIR", str(tmp_path / "home"))
    for variable in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    for name, package in PACKAGED_WEIGHTS.items():  # see test_packaged.py
        absent = dataclasses.replace(package, module="not_installed_here")
        monkeypatch.setitem(PACKAGED_WEIGHTS, name, absent)
    return tmp_path / "home"


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Parameters of a small network, in the place of both published ones."""
    for name in PUBLISHED_WEIGHTS:
        monkeypatch.setitem(CONFIGS, name, small_config(name))
    return draw(CONFIGS[NAME])


def file_of(name: str, params: Any) -> bytes:
    return weight_file(CONFIGS[name], params)


def assert_equal(got: Any, expected: Any) -> None:
    assert jax.tree.structure(got) == jax.tree.structure(expected)
    jax.tree.map(np.testing.assert_array_equal, got, expected)


def status_of(name: str) -> WeightsStatus:
    return next(line for line in weights_status() if line.name == name)


def content(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


# Save and load


def test_save_and_load(small: Any, home: Path) -> None:
    where = save_weights(small, name=NAME, provenance=PROVENANCE)
    assert where == home / NAME
    assert content(home) == [NAME]
    network, params = load_network(NAME)
    assert network is inception_v1(CONFIGS[NAME])
    assert_equal(params, small)
    for leaf in jax.tree.leaves(params):
        assert isinstance(leaf, jax.Array) and leaf.dtype == np.float32
        assert leaf.devices() == {jax.devices()[0]} and not leaf.committed
    record = json.loads((where / "provenance.json").read_text())
    assert record["file"] == "x.caffemodel"
    assert record["params_sha256"] == digest(small) == digest(params)


def test_load_from_another_folder(small: Any, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_weights(small, name=NAME, provenance=PROVENANCE)
    monkeypatch.setenv("JATLAS_WEIGHTS_DIR", str(home / "elsewhere"))
    with pytest.raises(FileNotFoundError, match="elsewhere"):
        load_network(NAME)
    assert_equal(load_network(NAME, directory=home)[1], small)


def test_save_replaces_what_was_there(small: Any, home: Path) -> None:
    save_weights(small, name=NAME, provenance=PROVENANCE)
    other = draw(CONFIGS[NAME], seed=1)
    save_weights(jax.tree.map(jax.numpy.asarray, other), name=NAME, provenance=PROVENANCE)
    assert_equal(load_network(NAME)[1], other)
    assert content(home) == [NAME]


def test_a_failed_save_leaves_what_was_there(small: Any, home: Path) -> None:
    save_weights(small, name=NAME, provenance=PROVENANCE)
    with pytest.raises(TypeError, match="JSON"):  # after the parameters are written
        save_weights(draw(CONFIGS[NAME], seed=1), name=NAME, provenance={"file": object()})
    assert content(home) == [NAME]
    assert_equal(load_network(NAME)[1], small)


def test_saved_with_a_mesh_loads_on_one_device(small: Any) -> None:
    mesh = jax.make_mesh((1,), ("all",))
    everywhere = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())
    save_weights(jax.device_put(small, everywhere), name=NAME, provenance=PROVENANCE)
    _, params = load_network(NAME)
    assert_equal(params, small)
    sharding = params["logits"]["kernel"].sharding
    assert isinstance(sharding, jax.sharding.SingleDeviceSharding)


def on_two_devices() -> None:
    jax.config.update("jax_platforms", "cpu")
    jax.config.update("jax_num_cpu_devices", 2)
    network, params = load_network("textures")
    spread = jax.sharding.NamedSharding(
        jax.make_mesh((2,), ("batch",)), jax.sharding.PartitionSpec("batch")
    )
    images = jax.device_put(jax.numpy.ones((2, 64, 64, 3)), spread)
    until = jax.jit(lambda params, x: network.run(params, x, until="maxpool0"))
    print(len(until(params, images).devices()))


@pytest.mark.slow
def test_loaded_weights_run_on_the_devices_of_the_batch(tmp_path: Path) -> None:
    _, said, errors = Forked(on_two_devices, folder=tmp_path / "said").end()
    assert said == "2\n", errors


def test_params_that_do_not_fit_are_not_saved(small: Any, home: Path) -> None:
    small["logits"]["kernel"] = small["logits"]["kernel"][:, :2]
    small["logits"]["bias"] = small["logits"]["bias"].astype(np.float16)
    small["extra"] = np.zeros(1)
    del small["conv2d0"]["bias"], small["conv2d0"]["kernel"]
    with pytest.raises(ValueError, match="params do not fit googlenet_bvlc") as caught:
        save_weights(small, name=NAME, provenance=PROVENANCE)
    assert len(str(caught.value).splitlines()) == 6
    assert "logits/kernel: expected float32(24, 5), got float32(24, 2)" in str(caught.value)
    assert content(home) == []


def test_unknown_names() -> None:
    for call in (
        lambda: load_network("resnet"),
        lambda: fetch_weights("resnet"),
        lambda: convert_weights("file", name="resnet"),
        lambda: save_weights({}, name="resnet", provenance={}),
    ):
        with pytest.raises(ValueError, match=r"no network 'resnet'; known are: .*inception5h"):
            call()


def test_missing_weights(home: Path) -> None:
    where = re.escape(str(home))
    told = rf"no weights of {NAME} in {where}.*weights fetch {NAME}`.*convert FILE --network"
    with pytest.raises(FileNotFoundError, match=told):
        load_network(NAME)


def test_damaged_checkpoints(small: Any) -> None:
    where = save_weights(small, name=NAME, provenance=PROVENANCE)
    files = [path for path in where.rglob("*") if path.is_file()]
    assert len(files) > 3
    for path in files:
        whole = path.read_bytes()
        if path.name != "provenance.json":
            path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]) if whole else b"x")
            with pytest.raises(ValueError, match=rf"{NAME} cannot be used.*weights fetch"):
                load_network(NAME)
        path.write_bytes(whole[: len(whole) // 2])
        if whole:
            with pytest.raises(ValueError, match=rf"{NAME} cannot be used.*weights fetch"):
                load_network(NAME)
        path.write_bytes(whole)
    assert_equal(load_network(NAME)[1], small)


def test_numbers_that_are_not_those_that_were_written(small: Any) -> None:
    where = save_weights(small, name=NAME, provenance=PROVENANCE)
    other = draw(CONFIGS[NAME], seed=1)
    record = (where / "provenance.json").read_text()
    (where / "provenance.json").write_text(record.replace(digest(small), digest(other)))
    with pytest.raises(ValueError, match=r"is damaged: its numbers are not those.*weights fetch"):
        load_network(NAME)


@pytest.mark.parametrize("record", [b"", b"[]", b"{}", b"\xff", b"[" * 99_999], ids=len)
def test_damaged_provenance(small: Any, record: bytes) -> None:
    where = save_weights(small, name=NAME, provenance=PROVENANCE)
    (where / "provenance.json").write_bytes(record)
    with pytest.raises(ValueError, match=rf"{NAME} cannot be used: .*provenance.json is damaged: "):
        load_network(NAME)


def test_a_backend_that_does_not_start_is_not_called_damage(small: Any) -> None:
    save_weights(small, name=NAME, provenance=PROVENANCE)
    fault = RuntimeError("Unable to initialize backend 'gpuu'")
    with failing(jax, "devices", fault), pytest.raises(RuntimeError) as caught:
        load_network(NAME)
    assert caught.value is fault
    told = "JAX finds no device of the kind that JAX_PLATFORMS names"
    with failing(jax, "devices", AssertionError()), pytest.raises(RuntimeError, match=told):
        load_network(NAME)


def load_on(platforms: str) -> None:
    jax.config.update("jax_platforms", platforms)
    load_network("textures")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("platforms", "told"), [("gpuu", "Unable to initialize backend 'gpuu'"), ("cuda", "JAX")]
)
def test_the_fault_of_a_backend_is_told(platforms: str, told: str, tmp_path: Path) -> None:
    code, _, errors = Forked(load_on, platforms, folder=tmp_path / "said").end()
    if platforms == "cuda" and code == 0:
        pytest.skip("there is a GPU")
    last = errors.splitlines()[-1]
    assert last.startswith("RuntimeError") and told in last and "damaged" not in errors


FULL = "RESOURCE_EXHAUSTED: Failed to write: No space left on device [os_error_code='28']"


def test_faults_of_the_system_are_not_called_damage(small: Any, home: Path) -> None:
    where = save_weights(small, name=NAME, provenance=PROVENANCE)
    denied = PermissionError(errno.EACCES, "Permission denied", "a/provenance.json")
    for owner, name, fault, expected, told in (
        (Path, "read_bytes", denied, PermissionError, "Permission denied: 'a/provenance.json'"),
        (hashlib, "file_digest", OSError(errno.EIO, "I/O error", "a/b"), OSError, "error: 'a/b'"),
        (hashlib, "sha256", MemoryError("all used"), MemoryError, "^all used$"),
        (ocp.StandardCheckpointer, "restore", MemoryError("all used"), MemoryError, "^all used$"),
        (ocp.StandardCheckpointer, "restore", ValueError(FULL), OSError, f"No space .*{where}"),
        (ocp.StandardCheckpointer, "metadata", denied, PermissionError, "Permission denied"),
    ):
        with failing(owner, name, fault), pytest.raises(expected, match=told) as caught:
            load_network(NAME)
        assert "damaged" not in str(caught.value)
    for name in ("metadata", "restore"):
        fault = RuntimeError("can't start new thread")
        told = r"params cannot be read by Orbax: RuntimeError\(\"can't start new thread\"\)\. Get"
        with failing(ocp.StandardCheckpointer, name, fault), pytest.raises(ValueError, match=told):
            load_network(NAME)


def test_a_full_disk_while_saving_is_an_error_of_the_system(small: Any, home: Path) -> None:
    with (
        failing(ocp.StandardCheckpointer, "save", ValueError(FULL)),
        pytest.raises(OSError, match=f"No space left on device: '{home / NAME}'") as caught,
    ):
        save_weights(small, name=NAME, provenance=PROVENANCE)
    assert caught.value.errno == errno.ENOSPC
    assert content(home) == []


def test_no_space_is_noticed_before_orbax_fills_the_screen(
    small: Any, home: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    free = 4 * sum(leaf.size for leaf in jax.tree.leaves(small))
    monkeypatch.setattr(shutil, "disk_usage", lambda path: (2 * free, free + 1, free - 1))
    with pytest.raises(OSError, match=f"No space left on device: '{home / NAME}'") as caught:
        save_weights(small, name=NAME, provenance=PROVENANCE)
    assert caught.value.errno == errno.ENOSPC
    assert not caplog.records and content(home) == []
    for usage in ((2 * free, free, free), (0, 0, 0)):  # enough, and unknown
        monkeypatch.setattr(shutil, "disk_usage", lambda path, usage=usage: usage)
        save_weights(small, name=NAME, provenance=PROVENANCE)


def test_a_checkpoint_of_another_network(
    small: Any, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_weights(small, name=NAME, provenance=PROVENANCE)
    (home / NAME).rename(home / "inception5h")
    larger = dataclasses.replace(CONFIGS["inception5h"], classes=6)
    monkeypatch.setitem(CONFIGS, "inception5h", larger)
    with pytest.raises(ValueError, match=r"cannot be used.*logits/kernel: expected float32\(24, 6"):
        load_network("inception5h")


def test_digest_depends_on_names_shapes_dtypes_and_numbers_only() -> None:
    x = np.arange(6, dtype=np.float32)
    same = [{"a": x, "b": x}, {"b": jax.numpy.asarray(x), "a": np.arange(12.0)[::2] / 2}]
    same[1]["a"] = same[1]["a"].astype(np.float32)
    assert len({digest(params) for params in same}) == 1
    others = [{"a": x}, {"a": x.reshape(2, 3)}, {"a": x + 1}, {"b": x}, {"a": x.view(np.int32)}]
    assert len({digest(params) for params in (*same, *others)}) == 6


def test_status_and_directory(
    small: Any, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert [line.installed for line in weights_status()] == [False, False, True, True, False]
    save_weights(small, name=NAME, provenance=PROVENANCE)
    first, second, third, own, fourth = weights_status()
    assert (first.name, first.installed, first.folder) == (NAME, True, home / NAME)
    assert (second.name, second.installed, second.licence) == ("inception5h", False, "Apache-2.0")
    assert (third.name, third.installed, third.url) == ("textures", True, "comes with jatlas")
    assert (fourth.name, fourth.installed) == ("efficientnet_lite0", False)
    assert (own.name, own.installed, own.url) == ("textures_vit", True, "comes with jatlas")
    monkeypatch.delenv("JATLAS_WEIGHTS_DIR")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert weights_directory().name == "weights"


@pytest.fixture
def homeless(monkeypatch: pytest.MonkeyPatch) -> None:
    """No folder for weights: neither variables nor a user that the system knows."""

    def unknown(uid: int) -> None:
        raise KeyError(f"getpwuid(): uid not found: {uid}")

    for variable in ("JATLAS_WEIGHTS_DIR", "HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)


@pytest.mark.slow
@pytest.mark.usefixtures("homeless", "small")
@pytest.mark.parametrize("old", [False, True])
def test_without_a_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: bool) -> None:
    if old:  # what platformdirs returned until it raised an error
        monkeypatch.setattr("platformdirs.user_data_dir", lambda *_, **__: "~/.local/share/jatlas")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_bytes(file_of(NAME, draw(CONFIGS[NAME])))
    assert [line.installed for line in weights_status()] == [False, False, True, True, False]
    assert [line.folder is None for line in weights_status()] == [True, True, False, False, True]
    assert load_network("textures")[0] is inception_v1(TEXTURES)
    for call in (
        weights_directory,
        lambda: load_network(NAME),
        lambda: fetch_weights(NAME),
        lambda: convert_weights("file", name=NAME),
    ):
        with pytest.raises(ValueError, match="no home folder to keep weights in: set JATLAS_WEI"):
            call()
    with pytest.raises(ValueError, match="~/x: there is no such home folder"):
        load_network(NAME, directory="~/x")
    monkeypatch.setenv("JATLAS_WEIGHTS_DIR", "~/x")  # asked for: not passed over
    for call in (weights_directory, weights_status, lambda: load_network("textures")):
        with pytest.raises(ValueError, match="~/x: there is no such home folder"):
            call()
    assert content(tmp_path) == ["file"]


@pytest.mark.parametrize("place", ["file", "file/within"])
def test_a_folder_for_weights_that_cannot_be_made(
    small: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    file = tmp_path / "file"
    file.write_bytes(file_of(NAME, small))
    monkeypatch.setenv("JATLAS_WEIGHTS_DIR", str(tmp_path / place))
    assert [line.installed for line in weights_status()] == [False, False, True, True, False]
    told = rf"cannot make the folder for weights \(.*\); set JATLAS_WEI.*: '{tmp_path / place}'"
    for call in (lambda: fetch_weights(NAME), lambda: convert_weights(file, name=NAME)):
        with pytest.raises(OSError, match=told):
            call()
    assert content(tmp_path) == ["file"]


def test_the_table_says_what_a_publisher_leaves_open(capsys: pytest.CaptureFixture[str]) -> None:
    WeightsList().run()
    first, *others = capsys.readouterr().out.splitlines()
    assert first.endswith("(plain http and a SHA-1 are all that its publisher gives)")
    assert PUBLISHED_WEIGHTS[NAME].url in first
    assert not any("SHA-1" in line for line in others)


# Shipped


@pytest.mark.slow
def test_shipped_weights_load_and_are_those_that_were_trained(home: Path) -> None:
    network, params = load_network("textures")
    assert network is inception_v1(TEXTURES)
    assert network.classes == synthetic.CLASSES
    where = status_of("textures").folder
    record = json.loads((where / "provenance.json").read_text())
    assert record["params_sha256"] == digest(params)
    assert record["script"] == "examples/04_train_textures.py"
    assert record["accuracy"] >= 0.95
    size = sum(path.stat().st_size for path in where.rglob("*") if path.is_file())
    assert size <= 10e6
    image = jax.ShapeDtypeStruct((96, 96, 3), np.float32)
    assert jax.eval_shape(network.run, params, image).shape == (64,)


@pytest.mark.slow
@pytest.mark.usefixtures("optimized")
def test_shipped_weights_classify_images_they_never_saw() -> None:
    network, params = load_network("textures")
    classify = jax.jit(lambda params, x: network.run(params, x).argmax(-1))
    key = jax.random.key(20_240_229)  # not a key of the training
    right = []
    for number in range(6):
        made = synthetic.batch(key=key, per_class=1, size=96, first=number)
        right.append(classify(params, made.pixels) == made.labels)
    assert np.mean(right) >= 0.93


@pytest.mark.slow
def test_saved_weights_take_precedence_over_shipped_ones(home: Path) -> None:
    assert status_of("textures").folder != home / "textures"
    saved = jax.tree.map(np.zeros_like, load_network("textures")[1])
    save_weights(saved, name="textures", provenance=PROVENANCE)
    assert status_of("textures").folder == home / "textures"
    assert_equal(load_network("textures")[1], saved)


def test_in_a_wheel_shipped_weights_are_in_the_package(tmp_path: Path) -> None:
    package = tmp_path / "jatlas" / "model"
    assert shipped_folder("textures", package=package) == tmp_path / "weights" / "textures"
    packed = package / "pretrained" / "textures"
    packed.mkdir(parents=True)
    assert shipped_folder("textures", package=package) == packed
    assert shipped_folder("textures").is_dir()


def test_shipped_weights_are_not_fetched_or_converted(home: Path) -> None:
    for call in (
        lambda: fetch_weights("textures"),
        lambda: convert_weights("file", name="textures"),
    ):
        with pytest.raises(ValueError, match=r"weights of textures come with jatlas: .*to fetch"):
            call()
    with pytest.raises(FileNotFoundError, match="install it again"):
        load_network("textures", directory=home)


def test_ones_own_weights_that_are_damaged_can_be_removed(home: Path) -> None:
    (home / "textures").mkdir(parents=True)
    (home / "textures" / "provenance.json").write_text("{")
    told = rf"of textures cannot be used: .*come with jatlas: remove {home / 'textures'}$"
    with pytest.raises(ValueError, match=told):
        load_network("textures")


# Convert


@pytest.mark.parametrize("name", PUBLISHED_WEIGHTS)
def test_convert(small: Any, home: Path, tmp_path: Path, name: str) -> None:
    file = tmp_path / "file.bin"
    file.write_bytes(file_of(name, small))
    where = convert_weights(file, name=name)
    assert_equal(load_network(name)[1], small)
    record = json.loads((where / "provenance.json").read_text())
    assert record["file"] == "file.bin"
    assert record["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()


@pytest.mark.slow
def test_convert_the_published_archive(small: Any, tmp_path: Path) -> None:
    file = tmp_path / "inception5h.zip"
    member = PUBLISHED_WEIGHTS["inception5h"].member
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(member, file_of("inception5h", small))
    convert_weights(file, name="inception5h")
    assert_equal(load_network("inception5h")[1], small)


def test_convert_bad_archives(small: Any, home: Path, tmp_path: Path) -> None:
    member, file = str(PUBLISHED_WEIGHTS["inception5h"].member), tmp_path / "file.zip"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("other.txt", "hello")
    told = r"cannot read tensorflow_inception_graph.* no such file, but other\.txt$"
    with pytest.raises(ValueError, match=told):
        convert_weights(file, name="inception5h")
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(member, bytes(100_000))
    with pytest.raises(ValueError, match="too large"):
        read_content(file, member=member, max_bytes=50_000)
    with pytest.raises(ValueError, match="bytes are too many"):
        read_content(file, member=member, max_bytes=50)
    whole = file.read_bytes()
    for start in range(30, len(whole) - 30, 7):
        file.write_bytes(whole[:start] + bytes(8) + whole[start + 8 :])
        with pytest.raises(ValueError, match=r"file\.zip"):
            data = read_content(file, member=member)
            convert_bytes(data, origin=str(file), config=CONFIGS[NAME])
    assert content(home) == []


GRAPH = "tensorflow_inception_graph.pb"


@pytest.mark.parametrize(
    ("name", "members"),
    [
        ("inception5h", [f"inception5h/{GRAPH}"]),
        ("inception5h", [f"inception5h/{GRAPH}", f"__MACOSX/inception5h/._{GRAPH}"]),
        ("inception5h", [f"inception5h\\{GRAPH}", "inception5h\\LICENSE"]),
        ("inception5h", [GRAPH, f"copy/{GRAPH}"]),
        (NAME, ["bvlc_googlenet.caffemodel"]),
        (NAME, ["model/iter_9.caffemodel", "model/deploy.prototxt", "model/", "._x.caffemodel"]),
    ],
)
def test_archives_made_again(small: Any, tmp_path: Path, name: str, members: list[str]) -> None:
    file = tmp_path / "again.zip"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for member in reversed(members[1:]):
            archive.writestr(member, b"")
        archive.writestr(members[0], file_of(name, small))
    convert_weights(file, name=name)
    assert_equal(load_network(name)[1], small)


@pytest.mark.parametrize(
    ("name", "members", "told"),
    [
        ("inception5h", [f"a/{GRAPH}", f"b/{GRAPH}"], f"it has several, but a/{GRAPH}, b/{GRAPH}$"),
        (NAME, ["a.caffemodel", "b.pb"], r"read a \.caffemodel or \.pb file in .*, b\.pb$"),
        (NAME, ["deploy.prototxt", "x.h5"], r"has no such file, but deploy\.prototxt, x\.h5$"),
        (NAME, ["folder/"], "has no such file, but nothing$"),
        (NAME, ["net/data.pkl", "net/data/0"], r"again\.zip: this is a PyTorch file"),
        ("inception5h", ["conv2d0_w.npy"], r"again\.zip: this is a NumPy file"),
    ],
)
@pytest.mark.usefixtures("small")
def test_archives_without_the_weight_file(
    home: Path, tmp_path: Path, name: str, members: list[str], told: str
) -> None:
    file = tmp_path / "again.zip"
    with zipfile.ZipFile(file, "w") as archive:
        for member in members:
            archive.writestr(member, b"x")
    with pytest.raises(ValueError, match=told) as caught:
        convert_weights(file, name=name)
    assert "again.zip" in str(caught.value) and "\n" not in str(caught.value)
    assert content(home) == []


def test_no_memory_is_not_a_damaged_archive(tmp_path: Path) -> None:
    file = tmp_path / "again.zip"
    file.write_bytes(zipped(b"x", GRAPH))
    for owner, name in ((zipfile, "ZipFile"), (zipfile.ZipFile, "open")):
        with failing(owner, name, MemoryError()), pytest.raises(MemoryError):
            read_content(file, member=GRAPH)


def test_what_is_not_a_file_is_not_converted(home: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for file, told in ((tmp_path, "is a folder"), (tmp_path / "pipe", "pipe is a pipe or")):
        with pytest.raises(ValueError, match=told):
            convert_weights(file, name=NAME)
    assert content(home) == []


def test_the_published_file_is_compared_with_its_parameters(
    small: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "file"
    file.write_bytes(file_of(NAME, small))
    known = PUBLISHED_WEIGHTS[NAME]
    monkeypatch.setitem(
        PUBLISHED_WEIGHTS, NAME, dataclasses.replace(known, sha256=sha256(file.read_bytes()))
    )
    convert_weights(file, name=NAME)
    (warning,) = caplog.messages
    told = rf"{known.url} is the expected file, but .*{known.params_sha256}.*report this$"
    assert re.match(told, warning) and digest(small) in warning
    caplog.clear()
    file.write_bytes(file_of(NAME, draw(CONFIGS[NAME], seed=1)))  # such as fine-tuned weights
    convert_weights(file, name=NAME)
    assert not caplog.messages


@pytest.mark.parametrize("data", [b"", b"<html>no</html>", b"\x12\x80junk" * 9, bytes(99)])
def test_a_bad_file_leaves_nothing_behind(home: Path, tmp_path: Path, data: bytes) -> None:
    (tmp_path / "bad").write_bytes(data)
    for name in PUBLISHED_WEIGHTS:
        with pytest.raises(ValueError, match=f"bad: .*{name}"):
            convert_weights(tmp_path / "bad", name=name)
    assert content(home) == []


@pytest.mark.slow
def test_convert_and_load_real_weights(test_data: Path) -> None:
    file = test_data / NAME / "googlenet_bvlc.caffemodel"
    convert_weights(file, name=NAME)
    network, params = load_network(NAME)
    assert network.layers[-1] == "logits"
    assert digest(params) == digest(read_weight_file(file, config=CONFIGS[NAME]))


# Fetch


class Server:
    """What the server is to send."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.data = b""
        self.status = 200
        self.cut_after: int | None = None


@pytest.fixture
def server() -> Iterator[Server]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(state.status)
            self.send_header("Content-Length", str(len(state.data)))
            self.end_headers()
            self.wfile.write(state.data[: state.cut_after])

        def log_message(self, *args: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        state = Server(f"http://127.0.0.1:{httpd.server_address[1]}/x.caffemodel")
        thread = threading.Thread(target=httpd.serve_forever, args=(0.01,))
        thread.start()
        yield state
        httpd.shutdown()
        thread.join()


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def source_of(server: Server, **changes: Any) -> WeightsSource:
    values = {"url": server.url, "sha256": sha256(server.data), "licence": "any"}
    return WeightsSource(**(values | changes))


def fetch(source: WeightsSource, name: str = NAME) -> Path:
    return fetch_weights(name, source=source, progress=False)


def test_fetch(small: Any, home: Path, server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    server.data = file_of(NAME, small)
    where = fetch_weights(NAME, source=source_of(server))
    assert "100%" in capsys.readouterr().err
    assert_equal(load_network(NAME)[1], small)
    assert content(home) == [NAME]
    record = json.loads((where / "provenance.json").read_text())
    assert record["file"] == "x.caffemodel"
    assert record["url"] == server.url
    assert record["sha256"] == sha256(server.data)


def test_a_complete_download_is_not_downloaded_again(
    small: Any, home: Path, server: Server
) -> None:
    server.data = file_of(NAME, small)
    source = source_of(server)
    home.mkdir()
    (home / f"{NAME}.download").write_bytes(server.data)
    server.status = 500
    fetch(source)
    assert_equal(load_network(NAME)[1], small)
    assert content(home) == [NAME]


def test_another_file_than_expected_is_refused(small: Any, home: Path, server: Server) -> None:
    server.data = file_of(NAME, small)
    source = source_of(server)
    server.data = server.data[:-1] + b"x"
    told = f"not the expected file: .*{source.sha256}.*{sha256(server.data)}.*weights convert FILE"
    with pytest.raises(ValueError, match=told) as caught:
        fetch(source)
    assert "\n" not in str(caught.value)
    assert content(home) == []


def test_a_web_page_is_refused(small: Any, home: Path, server: Server) -> None:
    source = source_of(server)
    server.data = b"<!DOCTYPE html><html>Please log in</html>"
    with pytest.raises(ValueError, match=r"expected file: it is a web page.*by hand and run"):
        fetch(source)
    assert content(home) == []


@pytest.mark.parametrize("status", [403, 404, 503])
def test_a_server_that_refuses(home: Path, server: Server, status: int) -> None:
    server.status = status
    with pytest.raises(OSError, match=f"answered {status} .*by hand and run: jatlas weights"):
        fetch(source_of(server))
    assert content(home) == []


def test_a_connection_that_breaks(small: Any, home: Path, server: Server) -> None:
    server.data = file_of(NAME, small)
    server.cut_after = len(server.data) // 2
    with pytest.raises(OSError, match=f"{NAME}: cannot download {server.url}: .*convert FILE"):
        fetch(source_of(server))
    assert content(home) == []


def test_no_network(home: Path, server: Server) -> None:
    with http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler) as unused:
        port = unused.server_address[1]
    url = f"http://127.0.0.1:{port}/file"
    told = f"{NAME}: cannot download {url}: .*[Rr]efused.*weights convert FILE"
    with pytest.raises(OSError, match=told) as caught:
        fetch(source_of(server, url=url))
    assert "\n" not in str(caught.value)
    assert content(home) == []


def test_other_parameters_than_expected_are_named(
    small: Any, home: Path, server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    server.data = file_of(NAME, small)
    fetch(source_of(server, params_sha256="0" * 64))
    (warning,) = caplog.messages
    told = f"but the parameters .*expected sha256 {'0' * 64}, got {digest(small)}"
    assert re.search(told, warning)
    caplog.clear()
    fetch(source_of(server, params_sha256=digest(small)))
    assert not caplog.messages
    assert_equal(load_network(NAME)[1], small)


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "No space left on device: '.*home'$"),
        (PermissionError("Pooch could not write to x"), "^Pooch could not write to x$"),
    ],
)
def test_faults_of_this_machine_are_not_those_of_the_server(
    home: Path, server: Server, fault: OSError, told: str
) -> None:
    with (
        failing(pooch.HTTPDownloader, "__call__", fault),
        pytest.raises(type(fault), match=told) as caught,
    ):
        fetch(source_of(server))
    assert caught.value.errno == fault.errno
    assert content(home) == []


def zipped(data: bytes, member: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(member, data)
    return buffer.getvalue()


def test_fetch_a_member_of_an_archive(small: Any, home: Path, server: Server) -> None:
    data = file_of("inception5h", small)
    server.data = zipped(data, "graph.pb")
    source = source_of(server, member="graph.pb", member_sha256=sha256(data))
    where = fetch(source, "inception5h")
    assert_equal(load_network("inception5h")[1], small)
    record = json.loads((where / "provenance.json").read_text())
    assert (record["file"], record["sha256"]) == ("graph.pb", sha256(data))
    assert content(home) == ["inception5h"]


@pytest.mark.parametrize(
    ("member", "told"), [("graph.pb", "graph.pb in .* is not the expected"), ("no.pb", "cannot")]
)
def test_a_wrong_archive_is_refused(
    small: Any, home: Path, server: Server, member: str, told: str
) -> None:
    server.data = zipped(file_of("inception5h", small), "graph.pb")
    with pytest.raises(ValueError, match=told):
        fetch(source_of(server, member=member, member_sha256="0" * 64), "inception5h")
    assert content(home) == []


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"sha256": "md5:0"}, "sha256: expected 64 lower-case hex digits, got 'md5:0'"),
        ({"member": "x", "member_sha256": "0" * 63}, "member_sha256: expected 64"),
        ({"member": "x"}, "member, member_sha256: expected both or neither"),
        ({"params_sha256": "A" * 64}, "params_sha256: expected 64 lower-case hex digits"),
    ],
)
def test_sources_with_wrong_digests_are_refused(changes: dict[str, str], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        WeightsSource(**({"url": "http://x", "sha256": "0" * 64, "licence": ""} | changes))


@pytest.mark.slow
def test_importing_the_package_does_not_import_what_only_downloads_need() -> None:
    code = "import sys, jatlas.model; print({'pooch', 'requests'} & sys.modules.keys())"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"
