"""Results on disk that an interrupted build goes on from."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jatlas.storage import Checkpoints
from jatlas.storage._cache import differences

IDENTITY = {"network": "tiny", "seed": 3, "grids": (4, 8), "source": "Käse", "layers": ["a", "b"]}


def arrays(value: float) -> dict[str, np.ndarray]:
    return {"x": np.full((2, 3), value, np.float32), "names": np.array(["a", "bc"])}


def assert_equal(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array)


def test_what_is_kept_is_there_again(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "build"
    first = Checkpoints.open(folder, IDENTITY)
    assert not first.has("images-00000")
    first.keep("images-00000", arrays(1))
    first.keep("layout-mixed4c", arrays(2))
    again = Checkpoints.open(folder, IDENTITY)
    assert again.has("images-00000") and not again.has("images-00001")
    assert_equal(again.load("images-00000"), arrays(1))
    again.keep("images-00000", arrays(5))
    assert_equal(first.load("images-00000"), arrays(5))


def test_names_are_sorted_and_of_the_prefix_only(tmp_path: Path) -> None:
    store = Checkpoints.open(tmp_path, IDENTITY)
    for name in ("b-2", "b-10", "a-1", "b-1"):
        store.keep(name, arrays(0))
    (tmp_path / ".b-1.npz-abc123").write_bytes(b"a temporary file")
    assert store.names("b-") == ["b-1", "b-10", "b-2"]
    assert store.names("c-") == []


def test_once_computes_once(tmp_path: Path) -> None:
    calls = []

    def compute() -> dict[str, np.ndarray]:
        calls.append(1)
        return arrays(len(calls))

    store = Checkpoints.open(tmp_path, IDENTITY)
    assert_equal(store.once("a", compute), arrays(1))
    assert_equal(store.once("a", compute), arrays(1))
    assert_equal(Checkpoints.open(tmp_path, IDENTITY).once("a", compute), arrays(1))
    assert len(calls) == 1
    assert_equal(store.once("b", compute), arrays(2))


def test_what_fails_is_not_kept(tmp_path: Path) -> None:
    store = Checkpoints.open(tmp_path, IDENTITY)

    def fail() -> dict[str, np.ndarray]:
        raise RuntimeError("no luck")

    with pytest.raises(RuntimeError, match="no luck"):
        store.once("a", fail)
    assert not store.has("a")
    assert_equal(store.once("a", lambda: arrays(4)), arrays(4))


@pytest.mark.parametrize("store", [Checkpoints(None), Checkpoints.open(None, IDENTITY)])
def test_without_a_folder_nothing_is_kept(
    store: Checkpoints, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    calls = []

    def compute() -> dict[str, np.ndarray]:
        calls.append(1)
        return arrays(len(calls))

    store.keep("a", arrays(0))
    assert not store.has("a") and store.names("") == []
    assert_equal(store.once("a", compute), arrays(1))
    assert_equal(store.once("a", compute), arrays(2))
    store.close()
    assert list(tmp_path.iterdir()) == []


def test_closing_removes_the_folder(tmp_path: Path) -> None:
    store = Checkpoints.open(tmp_path / "build", IDENTITY)
    store.keep("a", arrays(0))
    store.close()
    assert list(tmp_path.iterdir()) == []
    store.close()  # and may be done twice


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": 4}, r"with other settings \(seed: 3 there, 4 now\): give the same"),
        ({"grids": [4]}, r"\(grids: \[4, 8\] there, \[4\] now\)"),
        ({"seed": 4, "network": "x"}, r"\(network: \"tiny\" there, \"x\" now; seed: 3 there, 4"),
        ({"new": 1}, r"\(new: null there, 1 now\)"),
        ({"source": "y" * 99}, r"now\): give"),
    ],
)
def test_other_settings_are_refused_and_named(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    Checkpoints.open(tmp_path, IDENTITY).keep("a", arrays(1))
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(ValueError, match=message) as caught:
        Checkpoints.open(tmp_path, IDENTITY | change)
    assert str(tmp_path) in str(caught.value) and len(str(caught.value)) < 400
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff\xfe", b'"text"'])
def test_settings_that_cannot_be_read_are_refused(tmp_path: Path, content: bytes) -> None:
    Checkpoints.open(tmp_path, IDENTITY)
    (tmp_path / "build.json").write_bytes(content)
    with pytest.raises(ValueError, match=r"\(its settings cannot be read\): give the same"):
        Checkpoints.open(tmp_path, IDENTITY)


def test_a_folder_of_something_else_is_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("words")
    with pytest.raises(ValueError, match="is in the way and is not an unfinished build: move it"):
        Checkpoints.open(tmp_path, IDENTITY)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_file_is_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "build").write_text("words")
    with pytest.raises(ValueError, match="is in the way and is not an unfinished build: move it"):
        Checkpoints.open(tmp_path / "build", IDENTITY)
    assert (tmp_path / "build").read_text() == "words"


def test_an_empty_folder_is_taken(tmp_path: Path) -> None:
    Checkpoints.open(tmp_path, IDENTITY)
    kept = json.loads((tmp_path / "build.json").read_text(encoding="utf-8"))
    assert kept == json.loads(json.dumps(IDENTITY))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"text", None])
def test_damaged_arrays_are_named(tmp_path: Path, content: bytes | None) -> None:
    store = Checkpoints.open(tmp_path, IDENTITY)
    store.keep("a", arrays(1))
    path = tmp_path / "a.npz"
    path.write_bytes(path.read_bytes()[:200] if content is None else content)
    with pytest.raises(ValueError, match=r"a\.npz is damaged: .+; delete it and run again$"):
        store.load("a")


def test_differences() -> None:
    assert differences({"a": 1, "b": 2}, {"a": 1, "b": 2}) == ""
    assert differences({"a": 1, "b": [1, 2]}, {"a": 2, "b": (1, 2)}) == "a: 1 there, 2 now"
    assert differences(None, {"a": 1}) == "its settings cannot be read"
    long = differences({"a": "x" * 200}, {"a": 0})
    assert long == 'a: "' + "x" * 56 + "... there, 0 now"
