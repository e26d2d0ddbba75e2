"""Results of stages, kept under the digest of what decides them."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from jatlas.storage import files
from jatlas.storage._copies import remote_of, results_folder, share
from jatlas.types import HostArray

log = logging.getLogger(__name__)

Arrays: TypeAlias = dict[str, HostArray]
"""Named arrays: the result of a stage."""

StageReference: TypeAlias = tuple[str, str]
"""Name and digest of a stage."""

_OWNER = "stage digest and piece"  # in the file too: it may have been renamed


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
        nothing. In a local copy of a place by URL, what is kept is there too.
      known: results that are elsewhere already, by digest.
    """

    name: str
    digest: str
    folder: Path | None
    known: Mapping[str, Callable[[], Arrays]]

    @classmethod
    def begin(
        cls,
        folder: Path | str | None,
        name: str,
        *,
        known: Mapping[str, Callable[[], Arrays]] | None = None,
        **inputs: Any,
    ) -> CachedStage:
        """Begin a chain with a stage that is decided by `inputs`, JSON values."""
        place = None if folder is None else results_folder(folder)
        return cls(name, _digest(name, inputs), place, known or {})

    @classmethod
    def at(
        cls,
        folder: Path,
        reference: StageReference,
        *,
        known: Mapping[str, Callable[[], Arrays]] | None = None,
    ) -> CachedStage:
        """Return a stage by its `reference`, as another process finds it in a shared folder."""
        name, digest = reference
        return cls(name, digest, folder, known or {})

    @property
    def reference(self) -> StageReference:
        """Name and digest, by which another process finds the stage: see `at`."""
        return self.name, self.digest

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
        """Return the result or a piece of it; None if it is not there, damaged, or another's."""
        if self.digest in self.known and not piece:
            return self.known[self.digest]()
        if self.folder is None:
            return None
        return self._checked(piece, files.map_arrays)

    def _checked(self, piece: str, read: Callable[[Path], Arrays]) -> Arrays | None:
        """Read a piece; None if it is not there, damaged, or another's."""
        path = self._path(piece)
        try:
            remote = remote_of(path.parent)
            if remote is not None and not path.exists():
                remote.download(path.name, path)
            arrays = read(path)
            owner = arrays.pop(_OWNER, np.array(""))
            if not np.array_equal(owner, self._owner(piece)):
                raise ValueError(f"{path} is damaged: it holds the result of another stage")
            return arrays
        except FileNotFoundError:
            return None
        except ValueError as error:
            log.warning("%s: it is computed again", error)
            return None

    def holds(self, piece: str) -> bool:
        """Return whether a piece seems to be there, without reading it: `get` may find damage."""
        if self.folder is None:
            return False
        remote, path = remote_of(self.folder), self._path(piece)
        if remote is not None and not path.exists():
            return remote.file(path.name) is not None
        owner_alone = functools.partial(files.read_arrays, names=(_OWNER,))
        return self._checked(piece, owner_alone) is not None

    def held(self) -> list[str]:
        """Return the names of the pieces that seem to be there, as of `holds`."""
        names = self.pieces()
        if self.folder is None or remote_of(self.folder) is not None:
            return names  # whole, as they were uploaded
        return [name for name in names if self.holds(name)]

    def put(self, arrays: Arrays, piece: str = "") -> None:
        """Keep the result or a piece of it."""
        if self.folder is None:
            return
        path = self._path(piece)
        files.make_way(path)  # nothing but a result has such a name
        files.write_arrays(path, arrays | {_OWNER: self._owner(piece)})
        share(path)

    def pieces(self) -> list[str]:
        """Return the names of the pieces that are there, sorted."""
        if self.folder is None:
            return []
        remote = remote_of(self.folder)
        if remote is not None:
            names = remote.names()
        else:
            names = os.listdir(self.folder) if self.folder.is_dir() else []
        before, after = self._path("*").name.split("*")
        found = (x for x in names if x.startswith(before) and x.endswith(after))
        return sorted(name[len(before) : -len(after)] for name in found)

    def _owner(self, piece: str) -> HostArray:
        return np.array(f"{self.digest} {piece}")

    def _path(self, piece: str) -> Path:
        assert self.folder is not None
        name = f"{files.safe_name(self.name)}-{self.digest[:24]}"
        return self.folder / (f"{name}.{piece}.npz" if piece else f"{name}.npz")


def _digest(name: str, inputs: dict[str, Any]) -> str:
    text = json.dumps([name, inputs], sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()
