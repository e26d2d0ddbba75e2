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
from jatlas.storage._remote import Remote, is_url
from jatlas.storage._remote_lock import HOLDER, hold

WORK = ".jatlas"


@dataclasses.dataclass
class _Copy:
    """A local copy: what of it is as it is at the other place, by size and time of change."""

    remote: Remote
    same: dict[str, tuple[int, int]]


_copies: dict[Path, _Copy] = {}
_latest: dict[str, Path] = {}


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
    index = remote.read(ATLAS_FILE)
    known = _latest.get(remote.url)
    if known is not None and index is not None and _content(known / ATLAS_FILE) == index:
        return known
    names = remote.names()
    others = [name for name in names if not name.startswith(f"{WORK}/")]
    if index is None and others and len(others) == len(names):
        raise ValueError(f"{remote.url} holds something else: choose another place")
    scratch = Path(tempfile.mkdtemp(prefix="jatlas-"))
    atexit.register(shutil.rmtree, scratch, ignore_errors=True)
    folder = scratch / (remote.root.rpartition("/")[2] or "atlas")
    copy = _Copy(remote, {})
    if index is not None:
        for name in others:
            remote.download(name, folder / name)
            copy.same[name] = _stamp(folder / name)
    _copies[folder], _latest[remote.url] = copy, folder
    return folder


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


@contextlib.contextmanager
def holding(folder: Path) -> Iterator[None]:
    """Hold the place that a folder is a copy of, alone; nothing for any other folder.

    Raises:
      ValueError: if another process holds it.
    """
    copy = _copies.get(folder)
    if copy is None:
        yield
        return
    with hold(copy.remote.within(WORK), copy.remote.url):
        yield


def publish(folder: Path) -> None:
    """Bring what has changed in a copy to its place, atlas.json last; then remove what is gone.

    Each file arrives whole. New files come beside the old atlas, which stays readable unless files
    of its own change; interrupted there, it is damaged until the next call, and `load` says so.
    The results of stages at the place are removed at the end.

    Raises:
      OSError: if it cannot be written; the same command resumes.
    """
    copy = _copies.get(folder)
    if copy is None:
        return
    current = {name: _stamp(folder / name) for name in _names(folder)}
    changed = [name for name, stamp in current.items() if copy.same.get(name) != stamp]
    for name in sorted(changed, key=lambda name: (name == ATLAS_FILE, name)):
        copy.remote.upload(folder / name, name)
        copy.same[name] = current[name]
    for name in copy.same.keys() - current.keys():
        copy.remote.remove(name)
        del copy.same[name]
    work = copy.remote.within(WORK)
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
        if inside.parts[:1] != (WORK,):
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
