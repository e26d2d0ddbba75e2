"""Files of images at a URL: what the store lists of them, and how one is read."""

import collections
import hashlib
import io
import logging
import posixpath
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, BinaryIO

from jatlas.collect._decode import ImageError, suffixes
from jatlas.collect._files import MUCH, listing_sha256, remote_at
from jatlas.collect._listing import passed_over
from jatlas.collect._source import unlistable
from jatlas.storage import ATLAS_FILE, FOLDER, Remote, RemoteFile
from jatlas.types import one_line

log = logging.getLogger(__name__)

_READERS = 16  # that wait for the network most of the time


def list_files(url: str) -> dict[str, RemoteFile]:
    """Return what the store says of the files of a folder, at any depth, by relative path.

    Raises:
      ImportError: if a package for the URL is not installed.
      ValueError: if there is no such protocol.
      OSError: if it cannot be listed.
    """
    return Remote.open(url).files()


def list_images(
    url: str, entries: Mapping[str, RemoteFile]
) -> tuple[list[str], list[tuple[str, str]]]:
    """Return the sorted names of the images among files, and the unusable ones.

    Args:
      url: of the folder.
      entries: the files in it, as `list_files` returns them.

    Raises:
      ValueError: if the folder is an atlas.
    """
    own = _written_by_jatlas(Remote.open(url), entries)
    if "." in own:
        raise ValueError(f"path: expected a folder of images, got {url!r}, which is an atlas")
    paths: list[str] = []
    unusable = [(repr(place), "written by jatlas: no photographs") for place in own]
    others: collections.Counter[str] = collections.Counter()
    known = suffixes()
    for name, entry in entries.items():
        if any(part.startswith(".") for part in name.split("/")):
            continue
        if any(name.startswith(f"{place}/") for place in own):
            continue
        if not name.lower().endswith(known):
            others[posixpath.splitext(name)[1].lower()] += 1
        elif reason := unlistable(name) or (None if entry.regular else "not a file"):
            unusable.append((repr(name), reason))
        else:
            paths.append(name)
    return sorted(paths), unusable + [passed_over(*item) for item in others.items()]


def _written_by_jatlas(remote: Remote, entries: Mapping[str, RemoteFile]) -> list[str]:
    """Return the folders among files that are atlases, or are being built: "." for all of it."""
    found = set()
    for name in entries:
        place, _, last = name.rpartition("/")
        if last == ATLAS_FILE and b'"format": "jatlas/' in (remote.read(name) or b"")[:200]:
            found.add(place or ".")
        parts = name.split("/")
        if FOLDER in parts:
            found.add("/".join(parts[: parts.index(FOLDER)]) or ".")
    return sorted(found)


def read_file(url: str, name: str) -> BinaryIO:
    """Return the content of a file.

    Raises:
      ImageError: if it is not there, or may not be read.
      OSError: if the store does not answer: it would not for the next file either.
    """
    try:
        content = remote_at(url).read(name)
    except PermissionError as error:
        raise ImageError(one_line(error)) from error
    if content is None:
        raise ImageError(f"{url}/{name} is not there")
    return io.BytesIO(content)


def remote_identity(
    url: str, names: Sequence[str], entries: Mapping[str, RemoteFile]
) -> dict[str, Any]:
    """Return what tells files from others, as JSON values, without reading them if possible.

    Args:
      url: of the folder.
      names: of the files.
      entries: what the store says of them.
    """
    identity = {"listing_sha256": listing_sha256(names, _sizes(names, entries))}
    marks = [entries[name].mark if name in entries else "" for name in names]
    if None in marks:
        log.info("%s: the store tells no checksums: reading %d files once", url, len(names))
        return identity | {"content_sha256": _content_sha256(url, names)}
    listing = "".join(f"{mark}\n" for mark in marks)
    return identity | {"marks_sha256": hashlib.sha256(listing.encode()).hexdigest()}


def is_same(
    url: str,
    names: Sequence[str],
    entries: Mapping[str, RemoteFile],
    fingerprint: Mapping[str, Any],
) -> bool:
    """Return whether a fingerprint of a folder is of these files, wherever they were.

    Those that were elsewhere are compared by content, if that is known and up to 4 GB; else by
    names and sizes.
    """
    sizes = _sizes(names, entries)
    if fingerprint.get("listing_sha256") != listing_sha256(names, sizes):
        return False
    if fingerprint.get("root") == url and "marks_sha256" in fingerprint:
        now = remote_identity(url, names, entries)
        return bool(now.get("marks_sha256") == fingerprint["marks_sha256"])
    if "content_sha256" not in fingerprint or sum(sizes) > MUCH:
        return True
    return bool(_content_sha256(url, names) == fingerprint["content_sha256"])


def _sizes(names: Sequence[str], entries: Mapping[str, RemoteFile]) -> list[int]:
    """Return the size of each file in bytes, -1 for one that is not there."""
    return [entries[name].size if name in entries else -1 for name in names]


def _content_sha256(url: str, names: Sequence[str]) -> str:
    """Return what `content_sha256` does of the same files in a folder."""
    remote = remote_at(url)

    def digest(name: str) -> str:
        return hashlib.sha256(remote.read(name) or b"").hexdigest()

    with ThreadPoolExecutor(_READERS) as pool:
        content = "".join(f"{digest}\n" for digest in pool.map(digest, names))
    return hashlib.sha256(content.encode()).hexdigest()
