"""Parameters on disk: an Orbax checkpoint, and beside it what it was made from.

FOLDER/params/          the checkpoint
FOLDER/provenance.json  where it is from, and the digest of each of its files
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jatlas.model._download import file_digest
from jatlas.storage import files
from jatlas.types import Params

PROVENANCE = "provenance.json"


def write(folder: Path, params: Params, *, provenance: Mapping[str, Any]) -> None:
    """Write parameters and their provenance to a folder, replacing what was there.

    They are written beside it and renamed when complete: nothing half-written is ever seen, and
    what was there stays until then.

    Args:
      folder: where to.
      params: nested dicts of arrays.
      provenance: where they are from, in values that JSON knows.

    Raises:
      OSError: if it cannot be written.
    """
    import orbax.checkpoint as ocp

    import jatlas

    # NumPy arrays leave no trace of the device they were on, so any machine can read them.
    params = jax.tree.map(np.asarray, params)
    with files.replacing_folder(folder) as new:
        with ocp.StandardCheckpointer() as checkpointer:
            checkpointer.save((new / "params").absolute(), params)
        marker = new / "params" / "commit_success.txt"
        if marker.exists():  # some versions of Orbax name this machine's folder in it
            marker.write_text("complete\n")
        record = dict(provenance) | {
            "jatlas": jatlas.__version__,
            "params_sha256": digest(params),
            "files": _file_digests(new / "params"),
        }
        files.write_json(new / PROVENANCE, record)


def read(folder: Path, *, expected: Params) -> Params:
    """Read the parameters in a folder.

    Args:
      folder: what `write` wrote.
      expected: their names, shapes and dtypes, as nested dicts of `jax.ShapeDtypeStruct`.

    Returns:
      Nested dicts of arrays on the default device.

    Raises:
      ValueError: if what is there is damaged, or holds other parameters.
    """
    try:
        record = json.loads((folder / PROVENANCE).read_text())
        if record["files"] != _file_digests(folder / "params"):
            raise ValueError("its files are not those that were written")
        return _restore((folder / "params").absolute(), expected)
    except Exception as error:  # Orbax and TensorStore raise nearly anything on what they read
        raise ValueError(f"{folder} is damaged: {error!r}") from error


def digest(params: Params) -> str:
    """Return the sha256, in hex, of the names, shapes, dtypes and numbers of parameters.

    It names parameters whatever file they came from and whatever device they are on.

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
    """Say where parameters differ from others in names, shapes or dtypes, a line each."""

    def told(tree: Params) -> dict[str, str]:
        return {path: f"{leaf.dtype}{leaf.shape}" for path, leaf in _leaves(tree).items()}

    got, wanted = told(params), told(expected)
    return [
        f"{path}: expected {wanted.get(path, 'nothing')}, got {got.get(path, 'nothing')}"
        for path in sorted(got.keys() | wanted.keys())
        if got.get(path) != wanted.get(path)
    ]


def _leaves(params: Params) -> dict[str, Any]:
    leaves = jax.tree_util.tree_leaves_with_path(params)
    return {jax.tree_util.keystr(path, simple=True, separator="/"): leaf for path, leaf in leaves}


def _restore(path: Path, expected: Params) -> Params:
    import orbax.checkpoint as ocp

    # Stated, or Orbax would look for the device that saved.
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
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        path.relative_to(folder).as_posix(): file_digest(path, like="sha256:") for path in found
    }
