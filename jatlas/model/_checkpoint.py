"""Parameters on disk: an Orbax checkpoint, and a record of its origin.

FOLDER/params/          the checkpoint
FOLDER/provenance.json  where it comes from, and the digest of each of its files
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jatlas.storage import files
from jatlas.types import Params

PROVENANCE = "provenance.json"


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
        with ocp.StandardCheckpointer() as checkpointer:
            checkpointer.save((new / "params").absolute(), params)
        marker = new / "params" / "commit_success.txt"
        if marker.exists():  # some versions of Orbax write this machine's path into it
            marker.write_text("complete\n")
        record = dict(provenance) | {
            "jatlas": jatlas.__version__,
            "params_sha256": digest(params),
            "files": _file_digests(new / "params"),
        }
        files.write_json(new / PROVENANCE, record)


def read_params(folder: Path, *, expected: Params) -> Params:
    """Read the parameters in a folder.

    Args:
      folder: a folder that `write_params` has written.
      expected: their names, shapes and dtypes, as nested dicts of `jax.ShapeDtypeStruct`.

    Returns:
      Nested dicts of arrays on the default device.

    Raises:
      ValueError: if the folder is missing, damaged or has other parameters.
    """
    try:
        record = json.loads((folder / PROVENANCE).read_text(encoding="utf-8"))
        if record["files"] != _file_digests(folder / "params"):
            raise ValueError("its files have changed since they were written")
        return _restore((folder / "params").absolute(), expected)
    except Exception as error:  # Orbax and TensorStore raise nearly anything on what they read
        raise ValueError(f"{folder} is damaged: {error!r}") from error


def digest(params: Params) -> str:
    """Return the sha256, in hex, of the names, shapes, dtypes and numbers of parameters.

    It does not depend on the file they were read from or the device they are on.

    Args:
      params: a PyTree of arrays.

    Example:
      >>> digest({"a": jnp.zeros(2), "b": jnp.ones(())})[:16]
      '34d9daecd40e9970'
    """
    sha = hashlib.sha256()
    for path, leaf in sorted(_leaves(params).items()):
        array = np.asarray(leaf)
        sha.update(f"{path} {array.shape} {array.dtype}\n".encode())
        sha.update(np.ascontiguousarray(array).tobytes())
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


def _restore(path: Path, expected: Params) -> Params:
    import orbax.checkpoint as ocp

    # Without a sharding Orbax would ask for the device that the parameters were saved from.
    (device,) = jnp.zeros(()).devices()
    sharding = jax.sharding.SingleDeviceSharding(device)
    target = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding), expected
    )
    with ocp.StandardCheckpointer() as checkpointer:
        stored = checkpointer.metadata(path).item_metadata.tree
        problems = mismatches(stored, expected=expected)
        if problems:
            raise ValueError("\n  ".join(["it does not fit:", *problems]))
        return checkpointer.restore(path, target)


def _file_digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): _file_digest(path) for path in files}


def _file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
