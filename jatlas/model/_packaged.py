"""Weights that come in a Python package of their own, read without importing it."""

import hashlib
import importlib.util
from pathlib import Path, PurePosixPath

import jax

from jatlas.model._checkpoint import start_backend
from jatlas.model._convert import MAX_BYTES
from jatlas.model._known import KNOWN
from jatlas.model._sources import PACKAGED_WEIGHTS
from jatlas.model._weight_files import read_whole
from jatlas.types import Params


def packaged_file(name: str) -> Path | None:
    """Return the weight file of a network in its package.

    Args:
      name: the network.

    Returns:
      The file; None if the package is not installed, or the network has none.
    """
    package = PACKAGED_WEIGHTS.get(name)
    if package is None:
        return None
    try:
        spec = importlib.util.find_spec(package.module)  # which runs none of its code
    except (ImportError, ValueError):  # something else has its name
        return None
    folders = spec.submodule_search_locations if spec is not None else None
    paths = (Path(folder, *PurePosixPath(package.file).parts) for folder in folders or ())
    return next((path for path in paths if path.is_file()), None)


def read_packaged(file: Path, *, name: str) -> Params:
    """Read and convert the weight file of a package.

    Args:
      file: where it is, see `packaged_file`.
      name: the network.

    Returns:
      Nested dicts of float32 arrays on the default device, not committed to it.

    Raises:
      OSError: if it cannot be read.
      RuntimeError: if none of the devices that JAX is to use is there.
      ValueError: if it is not the expected file.
    """
    start_backend()
    data = read_whole(file, max_bytes=MAX_BYTES)
    expected, got = PACKAGED_WEIGHTS[name].file_sha256, hashlib.sha256(data).hexdigest()
    if got != expected:
        raise ValueError(f"{file} is not the expected file: expected sha256 {expected}, got {got}")
    return jax.device_put(KNOWN[name].convert(data, origin=str(file)))
