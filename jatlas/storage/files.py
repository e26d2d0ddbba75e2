"""Whole-or-nothing files: written under a temporary name, flushed to the disk, then renamed."""

import contextlib
import hashlib
import json
import os
import shutil
import urllib.parse
import zipfile
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
from PIL import Image

from jatlas.storage._flush import flush
from jatlas.storage._folders import hidden, hold, is_unfinished
from jatlas.storage._folders import moved_away as moved_away
from jatlas.storage._folders import recover as recover
from jatlas.storage._folders import recover_target as recover_target
from jatlas.storage._folders import refusal as refusal
from jatlas.storage._folders import replacing_folder as replacing_folder
from jatlas.storage._reading import checksum as checksum
from jatlas.storage._reading import checksums as checksums
from jatlas.storage._reading import map_array as map_array
from jatlas.storage._reading import map_arrays as map_arrays
from jatlas.storage._reading import read_array as read_array
from jatlas.storage._reading import read_arrays as read_arrays
from jatlas.storage._reading import read_json as read_json
from jatlas.storage._reading import read_text as read_text
from jatlas.storage._reading import verify as verify
from jatlas.types import HostArray, blocks

_BLOCK = 2**26  # bytes that are written at once
_ONE_LINE = 6  # how deep in JSON a value is one line: a cell, in the cells of a grid of a map
_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """Open a file that takes the place of `path` only if the block ends without an error.

    Parent folders are made. On an error the temporary file is removed and `path` is as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = hidden(path, "tmp")
    alone = not is_unfinished(path)
    # The mode is masked by the process's own umask, which tempfile's 0o600 would not be.
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    try:
        with os.fdopen(os.open(temporary, flags, 0o666), "wb") as file:
            hold(file.fileno())
            yield file
            file.flush()
            if alone:
                # Or a power cut could leave the new name with none of its bytes.
                os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is None:
            error.filename = str(path)  # writing to an open file does not say which
        raise
    if alone:
        flush(path.parent)  # or it could leave the old name


def make_way(path: Path) -> None:
    """Remove a folder, with all that is in it, from where a file is to be."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)


def write_text(path: Path, text: str) -> None:
    """Write text as UTF-8."""
    with replacing(path) as file:
        file.write(text.encode())


def write_json(path: Path, value: Any) -> None:
    """Write a value as JSON that a person can read too."""
    with replacing(path) as file:
        file.write(json_bytes(value))


def json_bytes(value: Any) -> bytes:
    """Return a value as JSON that a person can read too, in UTF-8.

    Each value has a line of its own, but what is very deep, such as a cell of a grid, is one line.
    """
    # Names of files that are not UTF-8 hold lone surrogates, which only an escape can write.
    return f"{_json_text(value, 0)}\n".encode("utf-8", "backslashreplace")


def _json_text(value: Any, depth: int) -> str:
    # Not json.dumps(indent=1), which is pure Python: of 100,000 cells it took 20 s.
    if depth == _ONE_LINE or not isinstance(value, dict | list | tuple) or not value:
        return _ENCODER.encode(value)
    if isinstance(value, dict):
        start, end = "{}"
        inside = [f"{_ENCODER.encode(x)}: {_json_text(y, depth + 1)}" for x, y in value.items()]
    else:
        start, end = "[]"
        inside = [_json_text(item, depth + 1) for item in value]
    line = f"\n{' ' * depth}"
    return f"{start}{line} {f',{line} '.join(inside)}{line}{end}"


def write_array(path: Path, array: HostArray) -> None:
    """Write one array as .npy."""
    if array.dtype.hasobject:
        raise ValueError(f"{path}: Object arrays cannot be saved: they would be pickled")
    array = np.asarray(array, order="C")
    with replacing(path) as file:
        # Not np.save, which on a full disk says how many bytes, but not why.
        header = np.lib.format.header_data_from_array_1_0(array)
        np.lib.format.write_array_header_1_0(file, header)
        for block in blocks(array.reshape(-1).view(np.uint8), _BLOCK):
            file.write(block.data)


def write_arrays(path: Path, arrays: dict[str, HostArray]) -> None:
    """Write several named arrays as .npz."""
    # Not np.savez: before NumPy 2.2 it takes `allow_pickle=False` for one more array, and pickles.
    with replacing(path) as file, zipfile.ZipFile(file, "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asanyarray(array), allow_pickle=False)


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
