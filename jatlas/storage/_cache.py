"""Results of stages, kept under the digest of what decides them."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import logging
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from jatlas.storage import files
from jatlas.types import HostArray

log = logging.getLogger(__name__)

FOLDER = ".jatlas"
"""Where the results of a build's stages are, in its output folder, until it is complete."""

Arrays: TypeAlias = dict[str, HostArray]
"""Named arrays: the result of a stage."""

_LOCK = "lock"


@dataclasses.dataclass(frozen=True)
class CachedStage:
    """A stage of a computation: what decides its result, and where that is kept.

    Stages form chains, as each is decided by the ones before it:

    >>> samples = CachedStage.begin(None, "samples", source="sha256 of the images", per_image=1)
    >>> points = samples.then("points", n_neighbors=15)
    >>> points.digest == samples.then("points", n_neighbors=15).digest
    True
    >>> points.digest == samples.then("points", n_neighbors=50).digest
    False

    Attributes:
      name: what is computed; any text.
      digest: sha256, in hex, of the name and of everything that decides the result.
      folder: where the result is kept; it is made when there is something to keep. None keeps
        nothing.
      known: results that are elsewhere already, by digest.
    """

    name: str
    digest: str
    folder: Path | None
    known: Mapping[str, Callable[[], Arrays]]

    @classmethod
    def begin(
        cls,
        folder: Path | None,
        name: str,
        *,
        known: Mapping[str, Callable[[], Arrays]] | None = None,
        **inputs: Any,
    ) -> CachedStage:
        """Begin a chain with a stage that is decided by `inputs`, JSON values."""
        return cls(name, _digest(name, inputs), folder, known or {})

    def then(self, name: str, **inputs: Any) -> CachedStage:
        """Return a stage that is decided by this one and `inputs`, JSON values."""
        digest = _digest(name, {"after": self.digest, **inputs})
        return dataclasses.replace(self, name=name, digest=digest)

    def once(self, compute: Callable[[], Arrays]) -> Arrays:
        """Return the result, computed only if it is not there or damaged."""
        stored = self.get()
        if stored is None:
            stored = compute()
            self.put(stored)
        return stored

    def get(self, piece: str = "") -> Arrays | None:
        """Return the result or a piece of it; None if it is not there or damaged."""
        if self.digest in self.known and not piece:
            return self.known[self.digest]()
        if self.folder is None:
            return None
        try:
            return files.read_arrays(self._path(piece))
        except FileNotFoundError:
            return None
        except ValueError as error:
            log.warning("%s: it is computed again", error)
            return None

    def put(self, arrays: Arrays, piece: str = "") -> None:
        """Keep the result or a piece of it."""
        if self.folder is not None:
            files.write_arrays(self._path(piece), arrays)

    def pieces(self) -> list[str]:
        """Return the names of the pieces that are there, sorted."""
        if self.folder is None or not self.folder.is_dir():
            return []
        before, after = self._path("*").name.split("*")
        names = [path.name for path in self.folder.iterdir()]
        found = (x for x in names if x.startswith(before) and x.endswith(after))
        return sorted(name[len(before) : -len(after)] for name in found)

    def _path(self, piece: str) -> Path:
        assert self.folder is not None
        name = f"{files.safe_name(self.name)}-{self.digest[:24]}"
        return self.folder / (f"{name}.{piece}.npz" if piece else f"{name}.npz")


def _digest(name: str, inputs: dict[str, Any]) -> str:
    text = json.dumps([name, inputs], sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


@contextlib.contextmanager
def working_folder(target: Path) -> Iterator[Path]:
    """Hold the folder in which the results of an output's stages are kept, alone.

    It is removed if the block ends without an error, or if nothing was kept in it.

    Args:
      target: the output folder; it is made.

    Yields:
      The folder, inside the target.

    Raises:
      ValueError: if another process holds it.
      OSError: if it cannot be made.
    """
    import filelock

    folder, new = target / FOLDER, not target.exists()
    folder.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(folder / _LOCK, timeout=0)
    try:
        lock.acquire()
    except filelock.Timeout as error:
        raise ValueError(
            f"{target}: another process is writing to it: wait for it, or choose another folder"
        ) from error
    done = False
    try:
        yield folder
        done = True
    finally:
        lock.release()
        if done or {path.name for path in folder.iterdir()} <= {_LOCK}:
            shutil.rmtree(folder, ignore_errors=True)
            if new and not any(target.iterdir()):
                target.rmdir()
