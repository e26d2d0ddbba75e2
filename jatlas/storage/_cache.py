"""Results of stages on disk, so that an interrupted build goes on from what is there."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jatlas.storage import _files as files
from jatlas.types import HostArray

_IDENTITY = "build.json"


class Checkpoints:
    """Named arrays that are computed once, in a folder or, without one, only in memory.

    Attributes:
      folder: where they are kept; None keeps nothing.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder

    @classmethod
    def open(cls, folder: Path | None, identity: dict[str, Any]) -> Checkpoints:
        """Open a folder for a build that `identity` describes, or begin one.

        Args:
          folder: the folder of an unfinished build, or one to be made; None for memory only.
          identity: JSON values that decide the build's result.

        Raises:
          ValueError: if the folder belongs to a build of another identity, or is none.
        """
        if folder is None:
            return cls(None)
        marker = folder / _IDENTITY
        foreign = not folder.is_dir() or (not marker.exists() and any(folder.iterdir()))
        if folder.exists() and foreign:
            raise ValueError(f"{folder} is in the way and is not an unfinished build: move it")
        if marker.exists():
            try:
                there = json.loads(marker.read_text(encoding="utf-8"))
            except ValueError:
                there = None
            if there != json.loads(json.dumps(identity)):
                raise ValueError(
                    f"{folder} is an unfinished build with other settings "
                    f"({differences(there, identity)}): give the same again, choose another "
                    "output folder, or delete it"
                )
        else:
            files.write_json(marker, identity)
        return cls(folder)

    def has(self, name: str) -> bool:
        """Say whether arrays of that name are there."""
        return self.folder is not None and (self.folder / f"{name}.npz").exists()

    def load(self, name: str) -> dict[str, HostArray]:
        """Read the arrays of a name that `has` found."""
        assert self.folder is not None
        try:
            return files.read_arrays(self.folder / f"{name}.npz")
        except ValueError as error:
            raise ValueError(f"{error}; delete it and run again") from error

    def names(self, prefix: str) -> list[str]:
        """Return the sorted names that begin with a prefix."""
        if self.folder is None:
            return []
        return sorted(path.stem for path in self.folder.glob(f"{prefix}*.npz"))

    def keep(self, name: str, arrays: dict[str, HostArray]) -> None:
        """Keep arrays under a name."""
        if self.folder is not None:
            files.write_arrays(self.folder / f"{name}.npz", arrays)

    def once(self, name: str, compute: Callable[[], dict[str, HostArray]]) -> dict[str, HostArray]:
        """Return the arrays of a name, computed only if they are not there yet."""
        if self.has(name):
            return self.load(name)
        arrays = compute()
        self.keep(name, arrays)
        return arrays

    def close(self) -> None:
        """Remove the folder: the build is finished."""
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)


def differences(there: Any, here: Any) -> str:
    """Name the settings in which two builds differ, for a message."""
    if not isinstance(there, dict):
        return "its settings cannot be read"
    here = json.loads(json.dumps(here))
    names = [name for name in sorted({*there, *here}) if there.get(name) != here.get(name)]
    short = [
        f"{name}: {_short(there.get(name))} there, {_short(here.get(name))} now" for name in names
    ]
    return "; ".join(short)


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."
