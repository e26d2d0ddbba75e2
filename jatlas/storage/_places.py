"""Whether files can be written to a place: tried before anything is computed."""

import contextlib
import os
from pathlib import Path


def check_file(path: Path | None) -> None:
    """Raise OSError if a file cannot be written; None is no file."""
    if path is None:
        return
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder: give the name of a file in it")
    _existing(path)
    check_folder(path.parent)


def check_folder(path: Path | None) -> None:
    """Raise OSError if a folder cannot be written to or made; None is no folder."""
    if path is None:
        return
    place = _existing(path)
    if not place.is_dir():
        raise NotADirectoryError(f"{place} is not a folder: {path} cannot be made")
    if not os.access(place, os.W_OK | os.X_OK):
        raise PermissionError(f"{place} cannot be written to: choose another place than {path}")


def _existing(path: Path) -> Path:
    """Return the folder itself, or what is nearest above it.

    Raises:
      OSError: if there cannot be such a folder, as its name is too long, say.
    """
    path = Path(os.path.abspath(path))
    for place in (path, *path.parents):
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            os.lstat(place)
            return place
    return path
