"""Packages that numba compiles."""

import atexit
import importlib
import importlib.util
import shutil
import tempfile
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any

from jatlas.storage import can_write, user_cache


def import_compiled(name: str) -> ModuleType:
    """Import umap or pynndescent, which takes seconds: numba compiles what its cache does not hold.

    Args:
      name: of the package.

    Raises:
      ImportError: if it cannot be imported.
    """
    _keep_compiled(name)
    with warnings.catch_warnings():
        # umap says that TensorFlow is missing, which only its parametric variant needs.
        warnings.filterwarnings("ignore", category=ImportWarning)
        return importlib.import_module(name)


def _keep_compiled(name: str) -> None:
    """Give numba a folder for what it compiles, if a package's own cannot be written.

    Without one, the package cannot be imported: in a container whose files are read-only, or that
    runs as a user without a home.
    """
    import numba

    config: Any = numba.config
    found = importlib.util.find_spec(name)
    if config.CACHE_DIR or found is None or found.origin is None:
        return
    if not can_write(Path(found.origin).parent / "__pycache__"):
        config.CACHE_DIR = str(_cache_folder())


def _cache_folder() -> Path:
    """Return the user's cache of numba's programs; without one, a folder of this process."""
    folder = user_cache("numba")
    if folder is None:
        # Not a known name: numba runs what it finds there.
        folder = Path(tempfile.mkdtemp(prefix="jatlas-numba-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
