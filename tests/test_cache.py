"""Results of stages on disk: kept under the digest of what decides them."""

import errno
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jatlas.storage import FOLDER, CachedStage, files, working_folder


def arrays(value: float) -> dict[str, np.ndarray]:
    return {"x": np.full((2, 3), value, np.float32), "names": np.array(["a", "bc"])}


def assert_equal(got: dict[str, np.ndarray] | None, expected: dict[str, np.ndarray]) -> None:
    assert got is not None and got.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(got[name], array)


def test_what_is_kept_is_there_again(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "cache"
    stage = CachedStage.begin(folder, "points", seed=1)
    assert stage.get() is None and not folder.exists()
    stage.put(arrays(2))
    assert_equal(CachedStage.begin(folder, "points", seed=1).get(), arrays(2))
    assert CachedStage.begin(folder, "points", seed=2).get() is None
    assert CachedStage.begin(folder, "other", seed=1).get() is None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": 1}, {"a": 2}),
        ({"a": 1}, {"b": 1}),
        ({"a": [1, 2]}, {"a": [2, 1]}),
        ({"a": "1"}, {"a": 1}),
        ({"a": {"b": None}}, {"a": {"b": 0}}),
        ({}, {"a": None}),
    ],
)
def test_every_input_decides_the_digest_and_of_what_follows(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    first, second = (CachedStage.begin(None, "samples", **inputs) for inputs in (one, other))
    assert first.digest != second.digest
    assert first.then("points").digest != second.then("points").digest
    assert first.then("points", **one).digest != first.then("points", **other).digest


def test_the_order_of_inputs_does_not_matter() -> None:
    assert (
        CachedStage.begin(None, "x", a=1, b=2).digest
        == CachedStage.begin(None, "x", b=2, a=1).digest
    )


def test_once_computes_once(tmp_path: Path) -> None:
    calls: list[int] = []

    def compute() -> dict[str, np.ndarray]:
        calls.append(1)
        return arrays(len(calls))

    stage = CachedStage.begin(tmp_path, "a")
    assert_equal(stage.once(compute), arrays(1))
    assert_equal(CachedStage.begin(tmp_path, "a").once(compute), arrays(1))
    assert_equal(stage.then("b").once(compute), arrays(2))
    assert len(calls) == 2


def test_what_fails_is_not_kept(tmp_path: Path) -> None:
    def fail() -> dict[str, np.ndarray]:
        raise RuntimeError("no luck")

    stage = CachedStage.begin(tmp_path, "a")
    with pytest.raises(RuntimeError, match="no luck"):
        stage.once(fail)
    assert_equal(stage.once(lambda: arrays(4)), arrays(4))


def test_without_a_folder_nothing_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    stage = CachedStage.begin(None, "a")
    stage.put(arrays(0))
    assert stage.get() is None and stage.pieces() == []
    assert_equal(stage.once(lambda: arrays(1)), arrays(1))
    assert_equal(stage.once(lambda: arrays(2)), arrays(2))
    assert list(tmp_path.iterdir()) == []


def test_what_is_known_is_not_read_from_the_folder(tmp_path: Path) -> None:
    digest = CachedStage.begin(None, "a", x=1).digest
    stage = CachedStage.begin(tmp_path, "a", x=1, known={digest: lambda: arrays(7)})
    assert_equal(stage.once(lambda: arrays(0)), arrays(7))
    assert stage.then("b").get() is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["mixed4c-icons", "features/conv1", "block[0]*", "..", "a.b"])
def test_pieces_are_those_of_the_stage_alone(tmp_path: Path, name: str) -> None:
    stage = CachedStage.begin(tmp_path, name)
    for piece in ("b2", "b10", "a1"):
        stage.put(arrays(0), piece)
    stage.then(name).put(arrays(1), "z")
    CachedStage.begin(tmp_path, f"{name}-more").put(arrays(1), "y")
    (tmp_path / ".b-1.npz-abc123").write_bytes(b"a temporary file")
    assert stage.pieces() == ["a1", "b10", "b2"]
    assert_equal(stage.get("a1"), arrays(0))
    assert stage.get() is None
    assert {path.parent for path in tmp_path.rglob("*")} == {tmp_path}


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"text", None])
def test_a_damaged_result_is_not_there_and_said(
    tmp_path: Path, content: bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    stage = CachedStage.begin(tmp_path, "a")
    stage.put(arrays(1))
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:200] if content is None else content)
    assert stage.get() is None
    assert f"{path} is damaged" in caplog.text and "computed again" in caplog.text
    assert_equal(stage.once(lambda: arrays(3)), arrays(3))
    assert_equal(stage.get(), arrays(3))


def test_a_flipped_bit_is_damage(tmp_path: Path) -> None:
    stage = CachedStage.begin(tmp_path, "a")
    stage.put({"x": np.zeros(1000, np.float32)})
    (path,) = tmp_path.iterdir()
    content = bytearray(path.read_bytes())
    content[1000] ^= 1
    path.write_bytes(content)
    assert stage.get() is None


def test_the_file_of_another_stage_or_piece_is_not_taken_for_ones_own(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    one, other = (CachedStage.begin(tmp_path, name) for name in ("one", "other"))
    one.put(arrays(1))
    one.put(arrays(2), "a")
    other.put(arrays(3))
    for place, content in ((("one", ""), other), (("one", "a"), one), (("other", ""), one)):
        caplog.clear()
        stage, piece = (one if place[0] == "one" else other), place[1]
        kept = stage._path(piece).read_bytes()
        shutil.copy(content._path(""), stage._path(piece))
        assert stage.get(piece) is None
        assert f"{stage._path(piece)} is damaged: it holds the result of another" in caplog.text
        stage._path(piece).write_bytes(kept)
        assert stage.get(piece) is not None
    np.savez(one._path(""), **arrays(1))  # of a version that did not say whose it is
    assert one.get() is None


def test_what_is_no_file_is_replaced(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    stage = CachedStage.begin(tmp_path, "a")
    for make in (os.mkfifo, lambda path: (path / "deep").mkdir(parents=True)):
        stage._path("").unlink(missing_ok=True)
        make(stage._path(""))
        assert_equal(stage.once(lambda: arrays(3)), arrays(3))
        assert "is damaged: it is not a file: it is computed again" in caplog.text
        assert_equal(stage.get(), arrays(3))
        caplog.clear()


def test_the_working_folder_goes_when_all_is_well_only(tmp_path: Path) -> None:
    out = tmp_path / "atlas"
    with pytest.raises(RuntimeError), working_folder(out) as folder:
        files.write_text(folder / "kept", "text")
        raise RuntimeError
    assert (out / FOLDER / "kept").read_text() == "text"
    with working_folder(out) as folder:
        assert (folder / "kept").exists()
        with pytest.raises(ValueError, match="another process"), working_folder(out):
            pass
    assert list(out.iterdir()) == []


def test_folders_that_were_made_for_nothing_go(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), working_folder(tmp_path / "a" / "b"):
        raise RuntimeError
    assert os.listdir(tmp_path) == []


def test_what_was_written_stays_an_unfinished_atlas(tmp_path: Path) -> None:
    """With --cache nothing is kept in the folder, which else would seem to hold something else."""
    out = tmp_path / "atlas"
    with pytest.raises(RuntimeError), working_folder(out):
        files.write_text(out / "conv2" / "points.npy", "text")
        raise RuntimeError
    assert (out / FOLDER).is_dir()
    files.write_text(out / "atlas.json", "text")
    with pytest.raises(RuntimeError), working_folder(out):
        raise RuntimeError
    assert not (out / FOLDER).exists()


def test_what_a_killed_process_left_is_put_right_first(tmp_path: Path) -> None:
    out = tmp_path / "atlas"
    files.write_text(out / ".conv2-old-01234567" / "points.npy", "text")
    files.write_text(out / ".atlas.json-tmp-01234567", "te")
    with working_folder(out):
        assert sorted(os.listdir(out)) == [FOLDER, "conv2"]


def test_who_writes_to_an_atlas_is_said(tmp_path: Path) -> None:
    who = rf"\(process {os.getpid()} on {socket.gethostname()}, since \d{{4}}-\d\d-\d\d \d\d:"
    with working_folder(tmp_path), pytest.raises(ValueError, match=who), working_folder(tmp_path):
        pass
    with working_folder(tmp_path) as folder:
        for content in ("", "{", "[]", "{}", '{"pid": 1}'):
            (folder / "holder.json").write_text(content)
            with (
                pytest.raises(ValueError, match="is writing to it: wait"),
                working_folder(tmp_path),
            ):
                pass


@pytest.mark.parametrize("name", ["lock", "holder.json"])
def test_a_damaged_lock_blocks_nobody_or_is_named(tmp_path: Path, name: str) -> None:
    path = tmp_path / FOLDER / name
    for make in (
        lambda: (path / "deep").mkdir(parents=True),
        lambda: os.mkfifo(path),
        lambda: path.write_bytes(b"\xff" * 99),
    ):
        path.parent.mkdir()
        make()
        if path.is_dir() and name == "lock":
            with pytest.raises(OSError, match="lock cannot be written"), working_folder(tmp_path):
                pass
            shutil.rmtree(path)
        with working_folder(tmp_path):
            pass
        assert os.listdir(tmp_path) == []


HOLD = """
import sys, time
from pathlib import Path
from jatlas.storage import working_folder
with working_folder(Path(sys.argv[1])) as folder:
    (folder / "kept").touch()
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.mark.slow
def test_a_lock_ends_with_its_process(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline() == b"held\n"
        who = f"process {process.pid} on"
        with pytest.raises(ValueError, match=who), working_folder(tmp_path):
            pass
        process.kill()
        process.wait()
        with working_folder(tmp_path) as folder:
            assert (folder / "kept").exists()


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
@pytest.mark.filterwarnings("ignore:flock not supported")
def test_a_file_stands_for_a_lock_where_there_are_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr(pytest.importorskip("fcntl"), "flock", lambda *_: failed(number))
    with (
        working_folder(tmp_path),
        pytest.raises(ValueError, match="is writing to it") as caught,
        working_folder(tmp_path),
    ):
        pass
    with working_folder(tmp_path):
        pass
    assert os.listdir(tmp_path) == []
    if number != errno.ENOSYS:  # filelock has a way of its own then
        assert f"if it has ended, remove {tmp_path / FOLDER}" in str(caught.value)


@pytest.mark.parametrize("host", ["this", "another"])
def test_a_file_that_stands_for_a_lock_does_not_outlive_its_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    monkeypatch.setattr(pytest.importorskip("fcntl"), "flock", lambda *_: failed(errno.ENOLCK))
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    name = socket.gethostname() if host == "this" else "elsewhere"
    folder = tmp_path / FOLDER
    holder = {"pid": ended.pid, "host": name, "since": "yesterday"}
    files.write_json(folder / "holder.json", holder)
    (folder / "lock-file").write_text(f"{os.getpid()}\n{name}\n")
    if host == "this":
        with working_folder(tmp_path):
            pass
        assert os.listdir(tmp_path) == []
    else:  # which cannot be asked
        with (
            pytest.raises(ValueError, match=r"on elsewhere, since yesterday\).*remove .*lock-file"),
            working_folder(tmp_path),
        ):
            pass


def failed(number: int) -> None:
    raise OSError(number, os.strerror(number))


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("mixed4c", "mixed4c"),
        ("mixed4c-class-277", "mixed4c-class-277"),
        ("features/conv1", "features%2Fconv1"),
        ("block[0]", "block[0]"),
        (".", "%2E"),
        ("..", "%2E%2E"),
        (".hidden", "%2Ehidden"),
        ("CON", "%43ON"),
        ("nul.x", "%6Eul.x"),
        ("Viewer", "%56iewer"),
        ("a\\b:c*?", "a%5Cb%3Ac%2A%3F"),
        ("über", "%C3%BCber"),
        ("", "%"),
    ],
)
def test_names_are_safe_on_every_system(name: str, safe: str) -> None:
    assert files.safe_name(name, taken=("viewer",)) == safe


def test_long_names_are_cut_and_stay_apart() -> None:
    one, other = files.safe_name("x" * 400), files.safe_name("x" * 401)
    assert len(one) < 130 and one != other
