"""Writing that is whole or not at all: to a temporary name beside the target, then renamed."""

import contextlib
import json
import os
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


def write_text(path: Path, text: str) -> None:
    """Write text as UTF-8."""
    with replacing(path) as file:
        file.write(text.encode())


def write_json(path: Path, value: Any) -> None:
    """Write a value as JSON that a person can read too."""
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def write_array(path: Path, array: HostArray) -> None:
    """Write one array as .npy."""
    with replacing(path) as file:
        np.save(file, array, allow_pickle=False)


def write_arrays(path: Path, arrays: dict[str, HostArray]) -> None:
    """Write several named arrays as .npz."""
    # Not np.savez: before NumPy 2.2 it takes `allow_pickle=False` for one more array, and pickles.
    with replacing(path) as file, zipfile.ZipFile(file, "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asanyarray(array), allow_pickle=False)


def read_arrays(path: Path) -> dict[str, HostArray]:
    """Read what `write_arrays` wrote.

    Raises:
      OSError: if the file cannot be read.
      ValueError: if it is damaged or something else.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except OSError:
        raise
    except Exception as error:  # bad bytes make zipfile and NumPy raise nearly anything
        raise ValueError(f"not a whole .npz file: {error}") from error


def write_image(path: Path, pixels: HostArray) -> None:
    """Write (h, w, 3) uint8 pixels as PNG."""
    with replacing(path) as file:
        Image.fromarray(pixels).save(file, format="png")


def _umask() -> int:
    # It can be read only by setting it.
    mask = os.umask(0)
    os.umask(mask)
    return mask
