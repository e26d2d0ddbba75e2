"""Writing that is whole or not at all: to a temporary name beside the target, then renamed."""

import contextlib
import json
import os
import secrets
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
from PIL import Image

from jatlas.types import HostArray


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """Open a file that takes the place of `path` only when the block ends without an error.

    Parent folders are made. On an error the temporary file is removed and `path` is as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:40]}-")
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
        os.chmod(name, 0o666 & ~_umask())
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def replacing_folder(target: Path) -> Iterator[Path]:
    """Give a new folder that takes the target's place if all goes well, else goes away.

    Parent folders are made. What was there stays until the new one is complete.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    token = secrets.token_hex(4)
    new, old = (target.with_name(f".{target.name}-{kind}-{token}") for kind in ("new", "old"))
    new.mkdir()
    try:
        yield new
        if target.exists():
            target.rename(old)
        new.rename(target)
    except BaseException:
        if old.exists() and not target.exists():
            old.rename(target)
        raise
    finally:
        shutil.rmtree(new, ignore_errors=True)
        if target.exists():
            shutil.rmtree(old, ignore_errors=True)


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


def _umask() -> int:
    # It can be read only by setting it.
    mask = os.umask(0)
    os.umask(mask)
    return mask
