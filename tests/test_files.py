"""Writing that is whole or not at all."""

import contextlib
import errno
import json
import os
import shutil
import stat
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
import pytest
from faults import Fault, Killed, disk
from PIL import Image

from jatlas.storage import files


@pytest.fixture
def umask() -> Iterator[Callable[[int], None]]:
    before = os.umask(0o022)
    yield lambda mask: os.umask(mask) and None
    os.umask(before)


def content(folder: Path) -> dict[str, bytes]:
    """Return every file under a folder, hidden ones too."""
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def visible(folder: Path) -> dict[str, bytes]:
    """Return every file under a folder that is not hidden, nor in a hidden folder."""
    return {name: x for name, x in content(folder).items() if "/." not in f"/{name}"}


def test_a_file_takes_its_place_at_the_end(tmp_path: Path) -> None:
    target = tmp_path / "new" / "folder" / "file.bin"
    with files.replacing(target) as file:
        file.write(b"one")
        file.flush()
        assert not target.exists()
    assert content(tmp_path) == {"new/folder/file.bin": b"one"}
    with files.replacing(target) as file:
        file.write(b"two")
        file.flush()
        assert target.read_bytes() == b"one"
    assert content(tmp_path) == {"new/folder/file.bin": b"two"}


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("there", [True, False])
def test_an_error_leaves_what_was_there_and_nothing_else(
    tmp_path: Path, there: bool, error: type[BaseException]
) -> None:
    target = tmp_path / "file.bin"
    if there:
        target.write_bytes(b"old")
    before = content(tmp_path)
    with pytest.raises(error, match="stop"), files.replacing(target) as file:
        file.write(b"half of the ne")
        raise error("stop")
    assert content(tmp_path) == before


def test_an_error_in_writing_names_the_file(tmp_path: Path) -> None:
    error = OSError(errno.ENOSPC, "No space left on device")
    with (
        pytest.raises(OSError, match=r"No space .*: '.*/file\.bin'"),
        files.replacing(tmp_path / "file.bin"),
    ):
        raise error


def test_a_rename_that_fails_leaves_nothing(tmp_path: Path) -> None:
    target = tmp_path / "taken"
    target.mkdir()
    (target / "inside").write_bytes(b"kept")
    with pytest.raises(OSError, match="taken"), files.replacing(target) as file:
        file.write(b"new")
    assert content(tmp_path) == {"taken/inside": b"kept"}


def test_a_parent_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"kept")
    with pytest.raises(OSError, match="file"), files.replacing(tmp_path / "file" / "below"):
        pass
    assert content(tmp_path) == {"file": b"kept"}


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o027, 0o640), (0o077, 0o600)])
def test_permissions_follow_the_umask(
    tmp_path: Path, umask: Callable[[int], None], mask: int, mode: int
) -> None:
    umask(mask)
    files.write_text(tmp_path / "file", "text")
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == mode
    assert os.umask(mask) == mask  # looking at it has not changed it


def test_the_longest_file_names_are_taken(tmp_path: Path) -> None:
    for name in ("a" * 255, "é" * 127):
        files.write_text(tmp_path / name, "text")
        assert (tmp_path / name).read_text() == "text"
    assert len(content(tmp_path)) == 2


@pytest.mark.parametrize("there", [True, False])
def test_a_folder_takes_its_place_at_the_end(tmp_path: Path, there: bool) -> None:
    target = tmp_path / "parent" / "atlas"
    if there:
        files.write_text(target / "old" / "file", "old")
    before = content(target)
    with files.replacing_folder(target) as folder:
        files.write_text(folder / "new" / "file", "new")
        assert content(target) == before
    assert content(tmp_path) == {"parent/atlas/new/file": b"new"}
    assert [path.name for path in target.parent.iterdir()] == ["atlas"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
@pytest.mark.parametrize("there", [True, False])
def test_an_error_leaves_the_old_folder_and_nothing_else(
    tmp_path: Path, there: bool, error: type[BaseException]
) -> None:
    target = tmp_path / "atlas"
    if there:
        files.write_text(target / "file", "old")
    before = content(tmp_path)
    with pytest.raises(error, match="stop"), files.replacing_folder(target) as folder:
        files.write_text(folder / "file", "half")
        raise error("stop")
    assert content(tmp_path) == before
    assert [path.name for path in tmp_path.iterdir()] == (["atlas"] if there else [])


def test_a_folder_that_cannot_take_its_place_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "atlas"
    files.write_text(target / "file", "old")
    rename = Path.rename

    def rename_but_the_new(path: Path, to: Path) -> Path:
        if "-new-" in path.name:
            raise OSError("no space")
        return rename(path, to)

    monkeypatch.setattr(Path, "rename", rename_but_the_new)
    with pytest.raises(OSError, match="no space"), files.replacing_folder(target) as folder:
        files.write_text(folder / "file", "new")
    assert content(tmp_path) == {"atlas/file": b"old"}
    assert [path.name for path in tmp_path.iterdir()] == ["atlas"]


def linked(tmp_path: Path) -> Path:
    """A link to a folder with something in it."""
    files.write_text(tmp_path / "real" / "index", "old")
    files.write_text(tmp_path / "real" / "map" / "file", "old")
    (tmp_path / "link").symlink_to("real", target_is_directory=True)
    return tmp_path / "link"


def write_new(target: Path) -> None:
    with files.replacing_folder(target, last="index") as folder:
        files.write_text(folder / "index", "new")
        files.write_text(folder / "map" / "other", "new")


OLD = {"real/index": b"old", "real/map/file": b"old"}
NEW = {"real/index": b"new", "real/map/other": b"new"}


def test_a_link_and_an_empty_folder_are_filled(tmp_path: Path) -> None:
    link = linked(tmp_path)
    write_new(link)
    assert link.is_symlink() and content(tmp_path) == NEW
    shutil.rmtree(tmp_path / "real")
    (tmp_path / "real").mkdir(mode=0o750)
    write_new(tmp_path / "real")
    assert content(tmp_path) == NEW
    assert stat.S_IMODE((tmp_path / "real").stat().st_mode) == 0o750


def each_failing(
    tmp_path: Path, fault: Fault, prepare: Callable[[Path], Any], write: Callable[[Path], Any]
) -> Iterator[tuple[Path, str]]:
    """Have each operation of a write fail in turn; yield the folder after it, and which it was."""
    for at in range(100):
        root = tmp_path / str(at)
        prepare(root)
        with (
            contextlib.suppress(OSError, KeyboardInterrupt, Killed),
            disk(root, fault, at=at) as watched,
        ):
            write(root)
        if at >= len(watched.done):
            return
        yield root, watched.done[at]


@pytest.mark.parametrize("fault", ["denied", "interrupted", "interrupted after", "killed"])
def test_a_folder_is_filled_whole_or_not_at_all(tmp_path: Path, fault: Fault) -> None:
    """Have each rename fail; killed there, the next to look puts it right."""
    tried = 0
    for root, case in each_failing(tmp_path, fault, linked, lambda root: write_new(root / "link")):
        assert fault == "killed" or visible(root) in (OLD, NEW), case
        files.recover_target(root / "link")
        assert content(root) in (OLD, NEW), case
        assert not [path for path in root.rglob("*") if path.name.startswith(".")]
        tried += 1
    assert tried > 15


def test_what_cannot_be_undone_is_kept(tmp_path: Path) -> None:
    """The disk fails in the middle, and from then on: nothing of what was there is removed."""
    link = linked(tmp_path)
    with pytest.raises(OSError, match="disk"), pytest.MonkeyPatch.context() as patch:
        renamed, calls = os.rename, 0

        def rename(*args: Any) -> None:
            nonlocal calls
            calls += 1
            if calls > 2:
                raise OSError("the disk fails")
            renamed(*args)

        patch.setattr(os, "rename", rename)
        write_new(link)
    assert sorted(content(tmp_path).values()).count(b"old") == 2
    files.recover_target(link)
    assert content(tmp_path) == OLD


def write_with_index(root: Path) -> None:
    with files.replacing_folder(root / "map", index=root / "index") as folder:
        files.write_text(folder / "file", "new")
        files.write_text(folder / "index", "new")


def described(root: Path) -> None:
    """A folder, and what describes it."""
    files.write_text(root / "index", "old")
    files.write_text(root / "map" / "file", "old")


@pytest.mark.parametrize("fault", ["full", "denied", "interrupted", "interrupted after", "killed"])
def test_a_folder_comes_with_what_describes_it(tmp_path: Path, fault: Fault) -> None:
    tried = 0
    for root, case in each_failing(tmp_path, fault, described, write_with_index):
        states = ({"index": x, "map/file": x} for x in (b"old", b"new"))
        assert fault == "killed" or visible(root) in states, case
        files.recover(root, index="index")
        found = content(root)
        assert found.keys() == {"index", "map/file"}, (case, found)
        assert found["index"] == found["map/file"], case
        tried += 1
    assert tried > 10


def test_what_a_killed_process_left_is_put_right(tmp_path: Path) -> None:
    files.write_text(tmp_path / ".map-old-0123abcd" / "file", "old")
    files.write_text(tmp_path / ".map-new-0123abcd" / "file", "half")
    files.write_text(tmp_path / ".other-new-0123abce" / "file", "half")
    files.write_text(tmp_path / ".index-tmp-0123abcf", "half")
    mine = {".mine-12": b"kept", ".old-photographs": b"kept", ".a-new-xyz": b"kept"}
    for name in mine:
        files.write_text(tmp_path / name, "kept")
    files.recover(tmp_path)
    assert content(tmp_path) == mine | {"map/file": b"old"}
    files.recover(tmp_path / "nowhere")


def test_what_a_running_process_is_at_is_left_alone(tmp_path: Path) -> None:
    files.write_text(tmp_path / "map" / "file", "old")
    with (
        files.replacing_folder(tmp_path / "map") as folder,
        files.replacing(tmp_path / "index") as file,
    ):
        files.write_text(folder / "file", "new")
        before = content(tmp_path)
        files.recover(tmp_path)
        files.recover_target(tmp_path / "map")
        assert content(tmp_path) == before
        file.write(b"new")
    assert content(tmp_path) == {"map/file": b"new", "index": b"new"}


def test_all_is_flushed_before_it_is_renamed_and_the_rename_too(tmp_path: Path) -> None:
    with disk(tmp_path) as watched:
        files.write_text(tmp_path / "file", "text")
        assert watched.done[-3:] == ["fsync .file-tmp-#", "rename .file-tmp-#", "fsync ."]
        with files.replacing_folder(tmp_path / "atlas") as folder:
            files.write_text(folder / "map" / "file", "text")
            (folder / "other").write_bytes(b"text")
            start = len(watched.done)
        *flushed, renamed, last = watched.done[start:]
    new = ".atlas-new-#"
    assert {x for x in flushed if x.startswith("fsync")} == {
        f"fsync {new}", f"fsync {new}/map", f"fsync {new}/map/file", f"fsync {new}/other"
    }  # fmt: skip
    assert (renamed, last) == (f"rename {new}", "fsync .")


def test_folders_that_cannot_be_flushed_are_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed, opened = os.fsync, os.open

    def fsync(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "Invalid argument")
        flushed(descriptor)

    def no_folder(path: Any, flags: int, *args: Any, **rest: Any) -> int:
        if os.path.isdir(path):  # as on Windows
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return opened(path, flags, *args, **rest)

    for owner, function in (("fsync", fsync), ("open", no_folder)):
        with monkeypatch.context() as patch:
            patch.setattr(os, owner, function)
            files.write_text(tmp_path / owner, "text")
        assert (tmp_path / owner).read_text() == "text"


def test_text_is_utf8_and_keeps_its_line_ends(tmp_path: Path) -> None:
    files.write_text(tmp_path / "file", "Käse\r\n面\n")
    assert (tmp_path / "file").read_bytes() == "Käse\r\n面\n".encode()


def test_json_is_readable_and_comes_back(tmp_path: Path) -> None:
    value = {"name": "Käse", "numbers": [1, 2.5, None, True], "nested": {"empty": {}}}
    files.write_json(tmp_path / "file", value)
    text = (tmp_path / "file").read_text(encoding="utf-8")
    assert json.loads(text) == value
    assert '"name": "Käse"' in text and text.count("\n") > 4 and text.endswith("}\n")


def test_names_that_are_not_utf8_come_back_from_json(tmp_path: Path) -> None:
    value = {"root": os.fsdecode(b"/pictures/\xff"), "lone": "\ud800"}
    files.write_json(tmp_path / "file", value)
    assert files.read_json(tmp_path / "file") == value


@pytest.mark.parametrize(
    "text", ['{"a": NaN}', '{"a": -Infinity}', '{"a": 1e999}', "[" * 10**5, ""]
)
def test_json_that_is_none_is_damaged(tmp_path: Path, text: str) -> None:
    files.write_text(tmp_path / "file", text)
    with pytest.raises(ValueError, match="file is damaged: "):
        files.read_json(tmp_path / "file")


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        ({"score": float("nan")}, ValueError, "not JSON compliant"),
        ({"score": float("inf")}, ValueError, "not JSON compliant"),
        ({"array": np.ones(2)}, TypeError, "not JSON serializable"),
    ],
)
def test_what_json_does_not_know_leaves_the_old_file(
    tmp_path: Path, value: Any, error: type[Exception], message: str
) -> None:
    files.write_json(tmp_path / "file", "old")
    before = content(tmp_path)
    with pytest.raises(error, match=message):
        files.write_json(tmp_path / "file", value)
    assert content(tmp_path) == before


ARRAYS = {
    "floats": np.random.default_rng(0).standard_normal((3, 4)).astype(np.float32),
    "halves": np.array([1, 2.5], np.float16),
    "ints": np.arange(6, dtype=np.int64).reshape(1, 2, 3),
    "empty": np.zeros((0, 3), np.float32),
    "scalar": np.array(7),
    "text": np.array(["", "damaged", "Käse 面"], np.str_),
    "layer.with.dots": np.array([True, False]),
    "columns": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "file": np.ones(1),  # names that np.savez keeps for itself
    "allow_pickle": np.ones(2),
}


def test_arrays_come_back_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "arrays.npz"
    files.write_arrays(path, ARRAYS)
    assert content(tmp_path).keys() == {"arrays.npz"}
    found = files.read_arrays(path)
    with np.load(path, allow_pickle=False) as archive:  # anything else that reads .npz can, too
        theirs = {name: archive[name] for name in archive.files}
    assert found.keys() == theirs.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert found[name].dtype == theirs[name].dtype == array.dtype, name
        np.testing.assert_array_equal(found[name], array)
        np.testing.assert_array_equal(theirs[name], array)


def test_equal_arrays_make_equal_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files.write_arrays(tmp_path / "a.npz", ARRAYS)
    monkeypatch.setattr("time.time", lambda: 2e9)
    files.write_arrays(tmp_path / "b.npz", ARRAYS)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_one_array_comes_back(tmp_path: Path) -> None:
    for name, array in ARRAYS.items():
        files.write_array(tmp_path / "array.npy", array)
        found = files.read_array(tmp_path / "array.npy")
        assert found.dtype == array.dtype, name
        np.testing.assert_array_equal(found, array)


def test_python_objects_are_refused_and_the_old_file_stays(tmp_path: Path) -> None:
    objects = np.array([{"a": 1}, None], object)
    files.write_array(tmp_path / "one.npy", np.ones(2))
    files.write_arrays(tmp_path / "more.npz", {"a": np.ones(2)})
    before = content(tmp_path)
    with pytest.raises(ValueError, match="Object arrays cannot be saved"):
        files.write_array(tmp_path / "one.npy", objects)
    with pytest.raises(ValueError, match="Object arrays cannot be saved"):
        files.write_arrays(tmp_path / "more.npz", {"a": np.ones(3), "b": objects})
    assert content(tmp_path) == before


def test_pickles_are_not_read(tmp_path: Path) -> None:
    np.savez(tmp_path / "objects.npz", a=np.array([{"a": 1}], object))
    with pytest.raises(ValueError, match=r"objects\.npz is damaged: Object arrays cannot"):
        files.read_arrays(tmp_path / "objects.npz")
    np.array([{"a": 1}], object).dump(tmp_path / "pickle.npz")
    with pytest.raises(ValueError, match=r"pickle\.npz is damaged: .*pickle"):
        files.read_arrays(tmp_path / "pickle.npz")


def test_a_missing_archive_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        files.read_arrays(tmp_path / "nowhere.npz")


def test_an_array_cut_anywhere_is_a_value_error(tmp_path: Path) -> None:
    path = tmp_path / "array.npy"
    files.write_array(path, np.arange(12.0))
    whole = path.read_bytes()
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"array\.npy is damaged: "):
            files.read_array(path)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        files.read_array(tmp_path / "nowhere.npy")


def test_a_single_array_is_no_archive(tmp_path: Path) -> None:
    files.write_array(tmp_path / "a.npy", np.ones(3))
    with pytest.raises(ValueError, match=r"a\.npy is damaged: "):
        files.read_arrays(tmp_path / "a.npy")


def test_an_archive_cut_anywhere_is_a_value_error(tmp_path: Path) -> None:
    path = tmp_path / "arrays.npz"
    files.write_arrays(path, {"x": np.arange(12.0), "names": np.array(["a", "bc"])})
    whole = path.read_bytes()
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"arrays\.npz is damaged: "):
            files.read_arrays(path)


def test_flipped_bits_give_the_arrays_or_a_value_error(tmp_path: Path) -> None:
    path = tmp_path / "arrays.npz"
    values = np.arange(40.0)
    files.write_arrays(path, {"x": values})
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(300):
        damaged = bytearray(whole)
        damaged[rng.integers(len(whole))] ^= 1 << rng.integers(8)
        path.write_bytes(bytes(damaged))
        try:
            found = files.read_arrays(path)
        except ValueError:
            refused += 1
        else:  # the bit meant nothing, or, at the archive's end, that there is less in it
            assert not found or np.array_equal(found["x"], values)
    assert refused > 150


def test_images_come_back(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    files.write_image(tmp_path / "image.png", pixels)
    with Image.open(tmp_path / "image.png") as image:
        assert image.format == "PNG"
        np.testing.assert_array_equal(np.asarray(image), pixels)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_full_disk_is_said_to_be_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """NumPy's own writing says "1000 requested and 10 written", and nothing of the reason."""

    @contextlib.contextmanager
    def full(_: Path) -> Iterator[IO[bytes]]:
        with open("/dev/full", "wb") as file:
            yield file

    monkeypatch.setattr(files, "replacing", full)
    for write in (files.write_array, lambda path, array: files.write_arrays(path, {"a": array})):
        with pytest.raises(OSError, match="No space left on device"):
            write(tmp_path / "a", np.zeros(10**6))


READERS: dict[str, Callable[[Path], Any]] = {
    "array": files.read_array,
    "arrays": files.read_arrays,
    "json": files.read_json,
    "text": files.read_text,
    "mapped array": files.map_array,
    "mapped arrays": files.map_arrays,
    "sum": lambda path: files.verify(path.parent, {path.name: "00000000"}),
}


@pytest.mark.parametrize("kind", READERS)
def test_what_is_no_file_is_not_waited_for(tmp_path: Path, kind: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    for name in ("pipe", "folder"):
        with pytest.raises(ValueError, match=f"{name} is damaged: it is not a file"):
            READERS[kind](tmp_path / name)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        READERS[kind](tmp_path / "nowhere")


def test_archives_cannot_hold_more_than_they_do(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    content = {"x": np.zeros(100_000), "y": np.zeros(3)}
    np.savez_compressed(path, **content)
    np.testing.assert_array_equal(files.read_arrays(path)["x"], content["x"])
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("x.npy", b"text")
    with pytest.raises(ValueError, match="compressed in a way that is not read"):
        files.read_arrays(path)


def test_checksums_tell_files_apart(tmp_path: Path) -> None:
    for name in ("a", "b"):
        files.write_text(tmp_path / name, name)
    sums = files.checksums(tmp_path)
    assert sums == {"a": "e8b7be43", "b": "71beeff9"}
    files.verify(tmp_path, sums)
    files.write_text(tmp_path / "b", "a")
    with pytest.raises(ValueError, match="b is damaged: it is not the file that was saved"):
        files.verify(tmp_path, sums)
