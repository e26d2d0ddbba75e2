"""Whole-or-nothing files: written under a temporary name, flushed to the disk, then renamed."""

import contextlib
import hashlib
import json
import os
import secrets
import shutil
import urllib.parse
import zipfile
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
from PIL import Image

from jatlas.types import HostArray


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """Open a file that takes the place of `path` only if the block ends without an error.

    Parent folders are made. On an error the temporary file is removed and `path` is as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name[:40]}-{secrets.token_hex(4)}")
    # The mode is masked by the process's own umask, which tempfile's 0o600 would not be.
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    try:
        with os.fdopen(os.open(temporary, flags, 0o666), "wb") as file:
            yield file
            file.flush()
            # Or a power cut could leave the new name with none of its bytes.
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def replacing_folder(target: Path, *, last: str = "") -> Iterator[Path]:
    """Give a new folder whose content becomes the target's if the block ends without an error.

    The target appears by one rename, and one that exists gives way only then. An empty folder, a
    mount and a link to a folder are filled rather than replaced: what they held is moved out and
    the new content in. On an error the target is as it was.

    Args:
      target: the folder.
      last: name of the file in it that says it is complete: moved out first and in last.

    Yields:
      The folder to write to.
    """
    fixed = target.is_symlink() or os.path.ismount(target)
    fill = target.exists() and (fixed or not any(target.iterdir()))
    token = secrets.token_hex(4)
    if fill:
        new, old = target / f".new-{token}", target / f".old-{token}"
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        new, old = (target.with_name(f".{target.name[:40]}-{x}-{token}") for x in ("new", "old"))
    new.mkdir()
    try:
        yield new
        if fill:
            _fill(target, new, old, last=last)
        else:
            _swap(target, new, old)
    finally:
        shutil.rmtree(new, ignore_errors=True)
        if target.exists():
            shutil.rmtree(old, ignore_errors=True)


def _swap(target: Path, new: Path, old: Path) -> None:
    """Put a folder in the place of another one."""
    try:
        if target.exists():
            target.rename(old)
        new.rename(target)
    except BaseException:
        if old.exists() and not target.exists():
            old.rename(target)
        raise


def _fill(target: Path, new: Path, old: Path, *, last: str) -> None:
    """Move what a folder holds to `old`, and what `new` holds into it; undo both on an error."""
    moved: list[tuple[Path, Path]] = []

    def move(source: Path, to: Path) -> None:
        source.rename(to)
        moved.append((source, to))

    present = [path for path in target.iterdir() if path not in (new, old)]
    outgoing = sorted(present, key=lambda path: path.name == last)
    incoming = sorted(new.iterdir(), key=lambda path: path.name == last)
    old.mkdir()
    try:
        for path in reversed(outgoing):
            move(path, old / path.name)
        for path in incoming:
            move(path, target / path.name)
    except BaseException:
        for source, to in reversed(moved):
            to.rename(source)
        raise


def write_text(path: Path, text: str) -> None:
    """Write text as UTF-8."""
    with replacing(path) as file:
        file.write(text.encode())


def write_json(path: Path, value: Any) -> None:
    """Write a value as JSON that a person can read too."""
    with replacing(path) as file:
        file.write(json_bytes(value))


def json_bytes(value: Any) -> bytes:
    """Return a value as JSON that a person can read too, in UTF-8."""
    text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False)
    return f"{text}\n".encode()


def write_array(path: Path, array: HostArray) -> None:
    """Write one array as .npy."""
    if array.dtype.hasobject:
        raise ValueError(f"{path}: Object arrays cannot be saved: they would be pickled")
    array = np.ascontiguousarray(array)
    with replacing(path) as file:
        # Not np.save, which on a full disk says how many bytes, but not why.
        header = np.lib.format.header_data_from_array_1_0(array)
        np.lib.format.write_array_header_1_0(file, header)
        file.write(array.data if array.size else b"")


def write_arrays(path: Path, arrays: dict[str, HostArray]) -> None:
    """Write several named arrays as .npz."""
    # Not np.savez: before NumPy 2.2 it takes `allow_pickle=False` for one more array, and pickles.
    with replacing(path) as file, zipfile.ZipFile(file, "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asanyarray(array), allow_pickle=False)


def read_array(path: Path) -> HostArray:
    """Read what `write_array` wrote.

    Raises:
      OSError: if it cannot be opened.
      ValueError: if it is damaged, or holds a pickle.
    """
    with _reading(path) as file:
        array: HostArray = np.load(file, allow_pickle=False)
        return array


def read_arrays(path: Path) -> dict[str, HostArray]:
    """Read what `write_arrays` wrote; raises as `read_array`."""
    with _reading(path) as file, np.load(file, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[IO[bytes]]:
    with open(path, "rb") as file:
        try:
            yield file
        except Exception as error:  # bad bytes make zipfile and NumPy raise nearly anything
            raise ValueError(f"{path} is damaged: {error}") from error


def write_image(path: Path, pixels: HostArray) -> None:
    """Write (h, w, 3) uint8 pixels as PNG."""
    with replacing(path) as file:
        Image.fromarray(pixels).save(file, format="png")


_RESERVED = {"con", "prn", "aux", "nul", *(f"{x}{n}" for x in ("com", "lpt") for n in range(10))}
_LONGEST = 100


def safe_name(name: str, *, taken: Collection[str] = ()) -> str:
    """Return a name that every file system takes for a file or folder; another for each name.

    Letters, digits and most punctuation stay; everything else is percent-encoded as in a URL.

    Args:
      name: any text.
      taken: lower-case names that the result must not be.

    Example:
      >>> safe_name("mixed4c"), safe_name("features/conv1"), safe_name("..")
      ('mixed4c', 'features%2Fconv1', '%2E%2E')
    """
    quoted = urllib.parse.quote(name, safe="+=@,()[]")
    reserved = quoted.split(".")[0].lower() in _RESERVED or quoted.lower() in taken
    if not quoted:
        return "%"
    # Windows drops a dot at the end, and a dot at the beginning hides a file elsewhere.
    if quoted[-1] == ".":
        quoted = f"{quoted[:-1]}%2E"
    if reserved or quoted[0] == ".":
        quoted = f"%{ord(quoted[0]):02X}{quoted[1:]}"
    if len(quoted) > _LONGEST:
        quoted = f"{quoted[:_LONGEST]}-{hashlib.sha256(name.encode()).hexdigest()[:16]}"
    return quoted
