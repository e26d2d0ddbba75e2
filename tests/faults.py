"""Fault injection: functions and disks that fail, and builds short enough to do it often."""

import contextlib
import errno
import functools
import importlib.metadata
import io
import os
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from atlases import make_images

from jatlas import BuildConfig, RandomViews, RenderConfig, Run
from jatlas.build import _build, _draw_map
from jatlas.build import _identity as identity
from jatlas.explain import _selection

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


ICONS = RenderConfig(icon_size=8, steps=1, views=RandomViews(size=8))
SMALL: dict[str, Any] = {
    "layers": ("conv2",),
    "grids": (2,),
    "config": BuildConfig(per_image=2, icons=ICONS, exemplars=1),
    "run": Run(chunk=4, workers=1, progress=False),
}
"""Arguments of a build of `few_images` that takes a tenth of a second, in `short_builds`."""


def few_images(folder: Path) -> Path:
    """Fill a folder with a dozen small pictures, one of them damaged."""
    make_images(folder)
    for path in sorted(folder.iterdir())[12:]:
        path.unlink()
    return folder


@contextlib.contextmanager
def short_builds() -> Iterator[None]:
    """Leave out of builds what takes long and writes nothing."""

    def layout(vectors: Any, *, dimensions: int = 2, **rest: Any) -> np.ndarray:
        return np.asarray(vectors)[:, :dimensions]

    version = functools.cache(importlib.metadata.version)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_draw_map, "layout", layout)
        patch.setattr(_build, "prepare_layout", lambda config, **known: None)
        patch.setattr(_selection, "layout", layout)
        patch.setattr(identity.importlib.metadata, "version", version)
        yield


class Killed(BaseException):
    """Stands for a killed process: no handler catches it."""


@contextlib.contextmanager
def failing(owner: Any, name: str, error: BaseException, *, call: int = 1) -> Iterator[None]:
    """Make a function of a module raise an error, from a given call on."""
    function, calls = getattr(owner, name), 0

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls >= call:
            raise error
        return function(*args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(owner, name, wrapped)
        yield


Fault = Literal["full", "denied", "interrupted", "interrupted after", "killed"]
"""How an operation fails: the disk is full from then on, it is not allowed, Ctrl-C comes before it
or right after it, or the process is killed and none of those that follow is done either."""

FAULTS: tuple[Fault, ...] = ("full", "denied", "interrupted", "interrupted after", "killed")
ALLOCATING = {"create", "write", "fsync", "mkdir"}


class Disk:
    """What is done to the files under a folder.

    Attributes:
      done: kind and place of each operation, in order.
    """

    def __init__(self, root: Path, fault: Fault | None, at: int) -> None:
        self.done: list[str] = []
        self._root, self._fault, self._at = str(root), fault, at
        self._lock = threading.Lock()

    def operate(self, kind: str, path: str, operation: Callable[[], Any]) -> Any:
        """Count an operation and carry it out, or have it fail."""
        if not f"{path}/".startswith(f"{self._root}/"):
            return operation()
        with self._lock:
            number = len(self.done)
            place = re.sub("[0-9a-f]{8,}", "#", os.path.relpath(path, self._root))
            self.done.append(f"{kind} {place}")
        if self._fault == "killed" and number >= self._at:
            raise Killed
        if self._fault == "full" and number > self._at and kind in ALLOCATING:
            raise OSError(errno.ENOSPC, "No space left on device", path)
        if number == self._at:
            if self._fault == "interrupted after":
                operation()
            self._fail(path)
        # The tests need no power cut, and this is most of what they would wait for.
        return None if kind == "fsync" else operation()

    def _fail(self, path: str) -> None:
        match self._fault:
            case "full":
                raise OSError(errno.ENOSPC, "No space left on device", path)
            case "denied":
                raise OSError(errno.EACCES, "Permission denied", path)
            case "interrupted" | "interrupted after":
                raise KeyboardInterrupt


@contextlib.contextmanager
def disk(root: Path, fault: Fault | None = None, *, at: int = 0) -> Iterator[Disk]:
    """Watch what is done to the files under a folder, and have one operation fail.

    Operations are those that change something: creating, writing, flushing, renaming and removing
    files, making and removing folders, locking.

    Args:
      root: the folder.
      fault: how it fails; None lets all succeed.
      at: the number of the operation, from 0.
    """
    watched = Disk(root, fault, at)
    with pytest.MonkeyPatch.context() as patch:
        _watch_paths(watched, patch)
        _watch_descriptors(watched, patch)
        _watch_streams(watched, patch)
        yield watched


def _path_of(descriptor: int) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{descriptor}")
    except OSError:
        return ""  # not Linux: operations on descriptors are not counted


def _absolute(path: Any, folder: int | None = None) -> str:
    name = os.fsdecode(path)
    return os.path.abspath(name) if folder is None else os.path.join(_path_of(folder), name)


def _watch_paths(watched: Disk, patch: pytest.MonkeyPatch) -> None:
    """Watch the functions that take a path, or two."""
    kinds = {"mkdir": "mkdir", "unlink": "remove", "remove": "remove", "rmdir": "rmdir"}
    kinds |= {"rename": "rename", "replace": "rename"}

    def watching(name: str, kind: str) -> Callable[..., Any]:
        function = getattr(os, name)

        def call(path: Any, *args: Any, dir_fd: int | None = None, **rest: Any) -> Any:
            folder = {} if dir_fd is None else {"dir_fd": dir_fd}
            return watched.operate(
                kind, _absolute(path, dir_fd), lambda: function(path, *args, **folder, **rest)
            )

        return call

    for name, kind in kinds.items():
        patch.setattr(os, name, watching(name, kind))


def _watch_descriptors(watched: Disk, patch: pytest.MonkeyPatch) -> None:
    opened, fsync = os.open, os.fsync

    def open_(path: Any, flags: int, *args: Any, dir_fd: int | None = None, **rest: Any) -> int:
        def operation() -> int:
            return opened(path, flags, *args, dir_fd=dir_fd, **rest)

        if not flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            return operation()
        kind = "create" if flags & os.O_CREAT else "open"
        descriptor: int = watched.operate(kind, _absolute(path, dir_fd), operation)
        return descriptor

    def flush(descriptor: int) -> None:
        watched.operate("fsync", _path_of(descriptor), lambda: fsync(descriptor))

    patch.setattr(os, "open", open_)
    patch.setattr(os, "fsync", flush)
    if fcntl is not None:
        lock = fcntl.flock

        def flock(descriptor: int, operation: int) -> None:
            if operation & fcntl.LOCK_UN:  # the system does it for a process that is gone
                lock(descriptor, operation)
            else:
                watched.operate("lock", _path_of(descriptor), lambda: lock(descriptor, operation))

        patch.setattr(fcntl, "flock", flock)


def _watch_streams(watched: Disk, patch: pytest.MonkeyPatch) -> None:
    """Watch what is written to files that are open."""
    fdopen, opened = os.fdopen, io.open

    class Raw(io.FileIO):
        def write(self, content: Any) -> int:
            write = super().write
            count: int = watched.operate("write", _path_of(self.fileno()), lambda: write(content))
            return count

    def open_descriptor(descriptor: int, mode: str = "r", *args: Any, **rest: Any) -> Any:
        if mode != "wb":
            return fdopen(descriptor, mode, *args, **rest)
        return io.BufferedWriter(Raw(descriptor, "wb"))

    def open_file(path: Any, mode: str = "r", *args: Any, **rest: Any) -> Any:
        if mode != "wb" or isinstance(path, int):
            return opened(path, mode, *args, **rest)
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        return io.BufferedWriter(Raw(os.open(path, flags, 0o666), "wb"))

    patch.setattr(os, "fdopen", open_descriptor)
    patch.setattr(io, "open", open_file)
