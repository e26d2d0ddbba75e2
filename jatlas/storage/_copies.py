"""Local copies of atlases that are elsewhere, and their way back."""

from __future__ import annotations

import atexit
import contextlib
import dataclasses
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from jatlas.storage._describe import ATLAS_FILE
from jatlas.storage._holder import FOLDER, HOLDER
from jatlas.storage._remote import Remote
from jatlas.storage._remote_commit import (
    Pending,
    download_latest,
    pending,
    read_latest,
    replace_together,
    settle,
)
from jatlas.storage._remote_lock import hold
from jatlas.types import is_url


@dataclasses.dataclass
class _Copy:
    """A local copy: what of it is as it is at the other place, by size and time of change."""

    remote: Remote
    same: dict[str, tuple[int, int]]


_copies: dict[Path, _Copy] = {}
_latest: dict[str, Path] = {}
_results: dict[str, Path] = {}
_temporary: list[Path] = []


def local(path: str | Path) -> Path:
    """Return the folder of an atlas; of a URL a local copy, which lasts as long as the process.

    It is copied again only if the atlas there has changed.

    Args:
      path: a folder, or its URL, where there may be no atlas yet.

    Raises:
      ImportError: if a package for the URL is not installed.
      ValueError: if there is something else, or no such protocol.
      OSError: if it cannot be read.
    """
    if not is_url(path):
        return Path(path)
    remote = Remote.open(str(path))
    left = pending(remote.within(FOLDER))
    index = read_latest(remote, remote.within(FOLDER), left, ATLAS_FILE)
    known = _latest.get(remote.url)
    if known is not None and index is not None and _content(known / ATLAS_FILE) == index:
        return known
    names = remote.names()
    others = [name for name in names if not name.startswith(f"{FOLDER}/")]
    if index is None and others and len(others) == len(names):
        raise ValueError(f"{remote.url} holds something else: choose another place")
    folder = _place_for(remote)
    if index is not None:
        _fetch(folder, others, left)
    _latest[remote.url] = folder
    return folder


def results_folder(place: Path | str) -> Path:
    """Return a folder of results of stages; of a URL a local one, whose results are there too.

    Raises:
      ImportError: if a package for the URL is not installed.
      ValueError: if there is no such protocol.
    """
    if not is_url(place):
        return Path(place)
    remote = Remote.open(str(place))
    if remote.url not in _results:
        _results[remote.url] = _place_for(remote)
    return _results[remote.url]


def remove_copies() -> None:
    """Remove all local copies: before a process ends in a way of which Python does not know."""
    while _temporary:
        shutil.rmtree(_temporary.pop(), ignore_errors=True)


atexit.register(remove_copies)


def _place_for(remote: Remote) -> Path:
    """Return a new local folder for what is at a place."""
    scratch = Path(tempfile.mkdtemp(prefix="jatlas-"))
    _temporary.append(scratch)
    folder = scratch / (remote.root.rpartition("/")[2] or "atlas")
    _copies[folder] = _Copy(remote, {})
    return folder


def _fetch(folder: Path, there: list[str], left: Pending) -> None:
    """Make a copy hold the files that are there, as they are once all are replaced."""
    copy = _copies[folder]
    names = [name for name in there if name not in left.gone]
    for name in names:
        download_latest(copy.remote, copy.remote.within(FOLDER), left, name, folder / name)
    for name in copy.same.keys() - set(names):
        (folder / name).unlink(missing_ok=True)
    copy.same = {name: _stamp(folder / name) for name in names}


def remote_of(folder: Path) -> Remote | None:
    """Return what a local folder is a copy of, or lies in a copy of; None if of nothing."""
    if not _copies:
        return None
    for place in (folder, *folder.parents):
        if place in _copies:
            remote = _copies[place].remote
            inside = folder.relative_to(place).as_posix()
            return remote if inside == "." else remote.within(inside)
    return None


def place_of(folder: Path) -> str:
    """Return where the results in a folder are for all: its path, or the URL it stands for."""
    remote = remote_of(folder)
    return str(folder.absolute()) if remote is None else remote.url


@contextlib.contextmanager
def holding(folder: Path) -> Iterator[None]:
    """Hold the place that a folder is a copy of, alone; nothing for any other folder.

    It is copied again if the atlas there has changed since.

    Raises:
      ValueError: if another process holds it.
    """
    copy = _copies.get(folder)
    if copy is None:
        yield
        return
    work = copy.remote.within(FOLDER)
    with hold(work, copy.remote.url):
        settle(copy.remote, work)
        if copy.remote.read(ATLAS_FILE) != _content(folder / ATLAS_FILE):
            names = copy.remote.names()
            _fetch(folder, [x for x in names if not x.startswith(f"{FOLDER}/")], Pending())
        yield


def share(path: Path) -> None:
    """Bring a file in the working folder of a copy to its place at once.

    Raises:
      OSError: if it cannot be written.
    """
    remote = remote_of(path.parent)
    if remote is not None:
        remote.upload(path, path.name)


def publish(folder: Path) -> None:
    """Bring what has changed in a copy to its place, which holds the old atlas or the new one.

    Each file arrives whole. New files come first, beside the old atlas; then those that replace
    others do so together, atlas.json among them. The results of stages at the place are removed at
    the end.

    Raises:
      OSError: if it cannot be written; the same command resumes.
    """
    copy = _copies.get(folder)
    if copy is None:
        return
    current = {name: _stamp(folder / name) for name in _names(folder)}
    changed = [name for name, stamp in current.items() if copy.same.get(name) != stamp]
    changed.sort(key=lambda name: (name == ATLAS_FILE, name))
    replaced = [name for name in changed if name in copy.same]
    for name in changed:
        if name not in copy.same:
            copy.remote.upload(folder / name, name)
    work, gone = copy.remote.within(FOLDER), copy.same.keys() - current.keys()
    if replaced or gone:
        replace_together(copy.remote, work, folder, names=replaced, gone=gone)
    copy.same = current
    for name in work.names():
        if name != HOLDER:
            work.remove(name)


@contextlib.contextmanager
def updating(path: str | Path) -> Iterator[Path]:
    """Yield the folder of an atlas to write to; a copy of a URL's is published at the end."""
    folder = local(path)
    with holding(folder):
        yield folder
        publish(folder)


def _names(folder: Path) -> list[str]:
    """Return the names of the files of a copy, without those of its working folder."""
    found = []
    for place, _, names in os.walk(folder):
        inside = Path(place).relative_to(folder)
        if inside.parts[:1] != (FOLDER,):
            found += [(inside / name).as_posix() for name in names]
    return found


def _stamp(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None
