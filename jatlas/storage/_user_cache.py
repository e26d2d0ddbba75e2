"""The user's cache: what is kept to save time, where it can be."""

import contextlib
import tempfile
from pathlib import Path


def user_cache(name: str) -> Path | None:
    """Return a folder of the user's cache, which is made; None if none can be written.

    Args:
      name: what is kept in it.
    """
    import platformdirs

    with contextlib.suppress(RuntimeError):  # there is no home
        folder = Path(platformdirs.user_cache_dir("jatlas")) / name
        return folder if can_write(folder) else None
    return None


def can_write(folder: Path) -> bool:
    """Return whether files can be written to a folder, which is made."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False
