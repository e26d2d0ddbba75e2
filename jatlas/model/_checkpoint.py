"""Parameters on disk: an Orbax checkpoint, and a record of its origin.

FOLDER/params/          the checkpoint
FOLDER/provenance.json  where it comes from, and the digest of each of its files
"""

import contextlib
import errno
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jatlas.storage import files
from jatlas.types import Params, blocks

PROVENANCE = "provenance.json"

# How TensorStore ends the text of an error of the system.
_BLOCK = 2**26  # bytes that are read at once
_SYSTEM_ERROR = re.compile(r"\[os_error_code='(\d+)'|OS error (\d+)")


def write_params(folder: Path, params: Params, *, provenance: Mapping[str, Any]) -> None:
    """Write parameters and their provenance to a folder, replacing what was there.

    They are written beside it and renamed when complete.

    Args:
      folder: where to write.
      params: nested dicts of arrays.
      provenance: where they come from, in values that JSON can represent.

    Raises:
      OSError: if it cannot be written.
    """
    import orbax.checkpoint as ocp

    import jatlas

    # As NumPy arrays they do not name the device they were on, so any machine can read them.
    params = jax.tree.map(np.asarray, params)
    with files.replacing_folder(folder) as new:
        _check_space(new, params, folder)
        with _system_errors(folder), ocp.StandardCheckpointer() as checkpointer:
            checkpointer.save((new / "params").absolute(), params)
        marker = new / "params" / "commit_success.txt"
        if marker.exists():  # some versions of Orbax write this machine's path into it
            marker.write_text("complete\n", encoding="utf-8")
        record = dict(provenance) | {
            "jatlas": jatlas.__version__,
            "params_sha256": digest(params),
            "files": _file_digests(new / "params"),
        }
        files.write_json(new / PROVENANCE, record)


def _check_space(place: Path, params: Params, folder: Path) -> None:
    """Raise OSError on a full disk: Orbax would say so too, in hundreds of lines."""
    total, _, free = shutil.disk_usage(place)
    needed = sum(leaf.nbytes for leaf in jax.tree.leaves(params))
    if total and free < needed:  # some network folders state no size at all
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))


def read_params(folder: Path, *, expected: Params) -> Params:
    """Read the parameters in a folder.

    Args:
      folder: a folder that `write_params` has written.
      expected: their names, shapes and dtypes, as nested dicts of `jax.ShapeDtypeStruct`.

    Returns:
      Nested dicts of arrays on the default device, not committed to it: a computation on other
      devices takes them.

    Raises:
      OSError: if a file is missing or cannot be read.
      RuntimeError: if none of the devices that JAX is to use is there.
      ValueError: if the folder is damaged or has other parameters.
    """
    start_backend()
    file_digests, params_digest = _recorded_digests(folder / PROVENANCE)
    if file_digests != _file_digests(folder / "params"):
        raise ValueError(f"{folder} is damaged: its files have changed since they were written")
    params = _restore((folder / "params").absolute(), expected)
    if params_digest != digest(params):
        raise ValueError(f"{folder} is damaged: its numbers are not those that were written")
    return jax.device_put(params)


def digest(params: Params) -> str:
    """Return the sha256, in hex, of the names, shapes, dtypes and numbers of parameters.

    It does not depend on the file they were read from or the device they are on.

    Args:
      params: a PyTree of arrays.

    Example:
      >>> digest({"a": np.zeros(2, np.float32), "b": np.ones((), np.float32)})[:16]
      '34d9daecd40e9970'
    """
    sha = hashlib.sha256()
    for path, leaf in sorted(_leaves(params).items()):
        dtype = jnp.result_type(leaf)
        # The state of a model with dropout holds a random key.
        is_key = jnp.issubdtype(dtype, jax.dtypes.prng_key)
        array = np.asarray(jax.random.key_data(leaf) if is_key else leaf)
        sha.update(f"{path} {array.shape} {dtype if is_key else array.dtype}\n".encode())
        flat = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
        for block in blocks(flat, _BLOCK):
            sha.update(block.data)
    return sha.hexdigest()


def mismatches(params: Params, *, expected: Params) -> list[str]:
    """Describe the differences in names, shapes and dtypes, one line each.

    Example:
      >>> mismatches({"a": np.zeros(2)}, expected={"a": np.zeros(3)})
      ['a: expected float64(3,), got float64(2,)']
    """
    got, wanted = _descriptions(params), _descriptions(expected)
    return [
        f"{path}: expected {wanted.get(path, 'nothing')}, got {got.get(path, 'nothing')}"
        for path in sorted(got.keys() | wanted.keys())
        if got.get(path) != wanted.get(path)
    ]


def _descriptions(params: Params) -> dict[str, str]:
    return {path: f"{leaf.dtype}{leaf.shape}" for path, leaf in _leaves(params).items()}


def _leaves(params: Params) -> dict[str, Any]:
    leaves = jax.tree_util.tree_leaves_with_path(params)
    return {jax.tree_util.keystr(path, simple=True, separator="/"): leaf for path, leaf in leaves}


def start_backend() -> None:
    """Start JAX's backend, so that its errors are not taken for those of anything else.

    Raises:
      RuntimeError: if there is none of the kind that JAX was told to use.
    """
    try:
        jax.devices()
    except AssertionError as error:  # JAX says nothing if there is no GPU for JAX_PLATFORMS=cuda
        raise RuntimeError("JAX finds no device of the kind that JAX_PLATFORMS names") from error


def _recorded_digests(path: Path) -> tuple[dict[str, str], str]:
    """Return the digests of the files and of the parameters that a provenance states."""
    content = path.read_bytes()
    try:
        record = json.loads(content)
        return record["files"], record["params_sha256"]
    except (ValueError, TypeError, LookupError, RecursionError) as error:
        raise ValueError(f"{path} is damaged: {error!r}") from error


def _restore(path: Path, expected: Params) -> Params:
    """Return the parameters of a checkpoint as NumPy arrays."""
    import orbax.checkpoint as ocp

    # NumPy arrays as targets: those of JAX would be committed to a device.
    target = jax.tree.map(
        lambda leaf: np.broadcast_to(np.zeros((), leaf.dtype), leaf.shape), expected
    )
    with ocp.StandardCheckpointer() as checkpointer:
        with _unreadable(path):
            stored = checkpointer.metadata(path).item_metadata.tree
        problems = mismatches(stored, expected=expected)
        if problems:
            raise ValueError(f"{path} does not fit: {'; '.join(problems)}")
        with _unreadable(path):
            return checkpointer.restore(path, target)


@contextlib.contextmanager
def _unreadable(path: Path) -> Iterator[None]:
    """Say that Orbax cannot read a checkpoint, unless the system cannot."""
    try:
        with _system_errors(path):
            yield
    except (OSError, MemoryError):
        raise
    except Exception as error:  # Orbax and TensorStore raise nearly anything on what they read
        raise ValueError(f"{path} cannot be read by Orbax: {error!r}") from error


@contextlib.contextmanager
def _system_errors(path: Path) -> Iterator[None]:
    """Raise errors of the system as OSError: TensorStore raises a full disk as ValueError."""
    try:
        yield
    except Exception as error:
        found = None if isinstance(error, OSError) else _SYSTEM_ERROR.search(str(error))
        if found is None:
            raise
        number = int(found[1] or found[2])
        raise OSError(number, os.strerror(number), str(path)) from error


def _file_digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): _file_digest(path) for path in files}


def _file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
