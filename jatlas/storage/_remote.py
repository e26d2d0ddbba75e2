"""A place by URL, such as a bucket: whole objects in and out, through fsspec."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import posixpath
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from jatlas.storage import files
from jatlas.storage._folders import hidden
from jatlas.types import is_url, one_line

_OBJECTS = {"abfs", "abfss", "adl", "az", "gcs", "gs", "memory", "s3", "s3a"}
"""Protocols of stores where an object is there whole, or not at all."""

_PART = ".jatlas-part-"
_TIMES = ("mtime", "LastModified", "last_modified", "updated", "modified", "created")
_MARKS = ("md5Hash", "content_md5", "crc32c", "ETag", "etag", "checksum", *_TIMES)
"""What stores say of a file that changes with its content, the most telling first."""


class RemoteFile(NamedTuple):
    """What a store says of a file.

    Attributes:
      size: bytes.
      mark: a checksum, or when it was written, with its name; None if the store says neither.
      changed: when it was written, in seconds since 1970; None if the store does not say.
      regular: whether it is a file: not a pipe, say, on a file system.
    """

    size: int
    mark: str | None
    changed: float | None
    regular: bool


def inside(place: str | Path, name: str) -> str:
    """Return what a file in a folder, or in a place by URL, is called."""
    return f"{str(place).rstrip('/')}/{name}" if is_url(place) else str(Path(place) / name)


@dataclasses.dataclass(frozen=True)
class Remote:
    """A folder by URL.

    Attributes:
      url: the URL, without a slash at the end.
      fs: fsspec's file system.
      root: the folder's path in it.
    """

    url: str
    fs: Any
    root: str

    @classmethod
    def open(cls, url: str) -> Remote:
        """Open a place.

        Raises:
          ImportError: if fsspec, or its package for the protocol, is not installed.
          ValueError: if there is no such protocol.
        """
        try:
            import fsspec
        except ImportError as error:
            raise ImportError(f"{url}: a URL needs fsspec: pip install 'jatlas[url]'") from error
        try:
            fs, root = fsspec.url_to_fs(url)
        except ImportError as error:
            raise ImportError(f"{url}: {one_line(error)}") from error
        except ValueError as error:
            raise ValueError(f"{url}: {one_line(error)}") from error
        return cls(url.rstrip("/"), fs, str(root).rstrip("/"))

    def within(self, name: str) -> Remote:
        """Return a folder in this one."""
        return Remote(f"{self.url}/{name}", self.fs, f"{self.root}/{name}")

    def names(self) -> list[str]:
        """Return the names of all files at any depth, relative to the folder, sorted."""
        return list(self.files())

    def files(self) -> dict[str, RemoteFile]:
        """Return what is known of all files at any depth, by names as of `names`."""
        with self._explained(""):
            self.fs.invalidate_cache()  # others write here too
            found = self.fs.find(self.root, detail=True)
        start = f"{self.root}/"
        listed = ((path.removeprefix(start), info) for path, info in found.items())
        return {
            name: _file(info)
            for name, info in sorted(listed, key=lambda item: item[0])
            if name not in ("", self.root) and not name.endswith("/") and _PART not in name
        }

    def file(self, name: str) -> RemoteFile | None:
        """Return what is known of one file; None if it is not there."""
        with self._explained(name), contextlib.suppress(FileNotFoundError):
            return _file(self.fs.info(f"{self.root}/{name}"))
        return None

    def matching(self, pattern: str) -> list[str]:
        """Return the names of the files that a pattern names, as in a shell, sorted."""
        with self._explained(pattern):
            found = self.fs.glob(f"{self.root}/{pattern}", detail=True)
        start = f"{self.root}/"
        return sorted(path.removeprefix(start) for path, x in found.items() if x["type"] == "file")

    def stream(self, name: str, *, ahead: bool = True) -> BinaryIO:
        """Open a file to read at any place of it.

        Args:
          name: of the file.
          ahead: whether it is read in order, and more than is asked for at once.
        """
        with self._explained(name):
            more = {} if ahead else {"cache_type": "none"}
            opened: BinaryIO = self.fs.open(f"{self.root}/{name}", "rb", **more)
            return opened

    def read(self, name: str) -> bytes | None:
        """Return what is in a small file; None if it is not there."""
        with self._explained(name), contextlib.suppress(FileNotFoundError):
            content: bytes = self.fs.cat_file(f"{self.root}/{name}")
            return content
        return None

    def download(self, name: str, path: Path) -> None:
        """Copy a file here, whole or not at all.

        Raises:
          FileNotFoundError: if it is not there.
          OSError: if it cannot be read.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = hidden(path, "tmp")
        try:
            with self._explained(name):
                self.fs.get_file(f"{self.root}/{name}", str(temporary))
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)

    def upload(self, path: Path, name: str) -> None:
        """Copy a file there, whole or not at all.

        Raises:
          OSError: if it cannot be written.
        """
        target = f"{self.root}/{name}"
        with self._explained(name):
            if self._is_store():
                self.fs.put_file(str(path), target)
                return
            self.fs.makedirs(posixpath.dirname(target), exist_ok=True)
            part = f"{target}{_PART}{secrets.token_hex(4)}"
            try:
                self.fs.put_file(str(path), part)
                self.fs.mv(part, target)
            except BaseException:
                with contextlib.suppress(Exception):
                    self.fs.rm_file(part)
                raise

    def write(self, content: bytes, name: str) -> None:
        """Write a small file; raises as `upload`."""
        import tempfile

        with tempfile.TemporaryDirectory(prefix="jatlas-") as scratch:
            path = Path(scratch) / "content"
            with files.replacing(path) as file:
                file.write(content)
            self.upload(path, name)

    def move(self, path: str, name: str) -> None:
        """Move a file of the same file system here, by its path in it, if it is there."""
        with self._explained(name), contextlib.suppress(FileNotFoundError):
            if not self.fs.exists(path):
                return
            if not self._is_store():
                self.fs.makedirs(posixpath.dirname(f"{self.root}/{name}"), exist_ok=True)
            self.fs.mv(path, f"{self.root}/{name}")

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""
        with self._explained(name), contextlib.suppress(FileNotFoundError):
            self.fs.rm_file(f"{self.root}/{name}")

    def _is_store(self) -> bool:
        names = self.fs.protocol
        return not _OBJECTS.isdisjoint({names} if isinstance(names, str) else set(names))

    @contextlib.contextmanager
    def _explained(self, name: str) -> Iterator[None]:
        """Have errors, of whatever kind in each package, be OSErrors that name the URL."""
        url = f"{self.url}/{name}" if name else self.url
        try:
            yield
        except FileNotFoundError as error:
            raise FileNotFoundError(f"{url} is not there: {one_line(error)}") from error
        except PermissionError as error:
            raise PermissionError(f"{url}: {one_line(error)}") from error
        except Exception as error:
            raise OSError(f"{url}: {one_line(error)}") from error


def _file(info: dict[str, Any]) -> RemoteFile:
    """Return what an entry of fsspec says of a file."""
    mark = next((f"{name} {info[name]}" for name in _MARKS if info.get(name)), None)
    time = next((info[name] for name in _TIMES if info.get(name)), None)
    regular = info.get("type", "file") == "file"
    return RemoteFile(int(info.get("size") or 0), mark, _seconds(time), regular)


def _seconds(time: Any) -> float | None:
    """Return a time, which each store gives in its own way, in seconds since 1970."""
    if isinstance(time, str):
        with contextlib.suppress(ValueError):
            time = datetime.datetime.fromisoformat(time)
    if isinstance(time, datetime.datetime):
        return time.timestamp()
    return float(time) if isinstance(time, int | float) else None
