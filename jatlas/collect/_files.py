"""Files of images: found by pattern, opened, and told from others. The one place that does so."""

import functools
import glob
import hashlib
import itertools
import logging
import os
import re
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, BinaryIO

from jatlas.collect._decode import no_file
from jatlas.storage import Remote
from jatlas.types import checks, is_url, one_line

log = logging.getLogger(__name__)

Paths = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]
"""A file, a pattern of files, or several of them."""

File = Path | str
"""A file here, or the URL of one."""

MUCH = 4 * 2**30
"""Bytes that take seconds to read."""

_BRACES = re.compile(r"\{([0-9]+)\.\.([0-9]+)\}")


def open_file(path: File, *, ahead: bool = True) -> BinaryIO:
    """Open a file for reading.

    Args:
      path: of the file, or its URL.
      ahead: whether it is read in order; of a URL nothing but what is asked for is read otherwise.

    Raises:
      OSError: if it cannot be opened.
    """
    if isinstance(path, str) and is_url(path):
        place, name = _parted(path)
        return remote_at(place).stream(name, ahead=ahead)
    return open(path, "rb")


remote_at = functools.lru_cache(maxsize=8)(Remote.open)
"""Open a place by URL once for all threads, each of which would connect by itself."""


def _parted(url: str) -> tuple[str, str]:
    """Return the URL of the folder that a file is in, and its name."""
    place, _, name = url.rpartition("/")
    return place, name


def find_files(paths: Paths, *, kind: str) -> tuple[File, ...]:
    """Return the files that paths and patterns name.

    Args:
      paths: a file, or a pattern: "*", "?" and "[...]" as in a shell, "**" for folders at any
        depth, and "{000..146}" for numbers as in WebDataset. Or several of them, or URLs.
      kind: of the files, for messages.

    Returns:
      The files: in the order of several patterns, those of one in that of their names.

    Raises:
      ValueError: if a pattern matches no file, or a file is named twice.

    Example:
      >>> find_files("nowhere/*.tar", kind="tar files")
      Traceback (most recent call last):
      ...
      ValueError: paths: expected tar files, got 'nowhere/*.tar', which matches none
    """
    patterns = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
    if not patterns:
        raise ValueError(f"paths: expected {kind}, got none")
    found: list[File] = []
    for pattern in patterns:
        if not isinstance(pattern, str | os.PathLike) or not os.fspath(pattern):
            raise ValueError(f"paths: expected {kind}, got {checks.shown(pattern)}")
        files = _matches(os.fspath(pattern))
        if not files:
            raise ValueError(
                f"paths: expected {kind}, got {os.fspath(pattern)!r}, {_lack(pattern)}"
            )
        found += files
    if len(set(found)) < len(found):
        twice = next(path for path in found if found.count(path) > 1)
        raise ValueError(f"paths: expected each file once, got {str(twice)!r} twice")
    return tuple(found)


def _matches(pattern: str) -> list[File]:
    """Return the files that a path or pattern names."""
    if not is_url(pattern) and os.path.exists(pattern):  # also one whose name looks like a pattern
        return [] if no_file(Path(pattern)) else [Path(pattern)]
    if (braces := _BRACES.search(pattern)) is not None:
        first, last = braces.groups()
        numbers = (f"{number:0{len(first)}d}" for number in range(int(first), int(last) + 1))
        head, tail = pattern[: braces.start()], pattern[braces.end() :]
        return [path for number in numbers for path in _matches(f"{head}{number}{tail}")]
    if is_url(pattern):
        return list(_matches_at(pattern))
    paths = [Path(path) for path in sorted(glob.glob(pattern, recursive=True))]
    return [path for path in paths if not no_file(path)]


def _matches_at(pattern: str) -> list[str]:
    """Return the URLs of the files that a URL or a pattern of one names."""
    place, name = _parted(pattern)
    if not glob.has_magic(pattern):
        found = remote_at(place).file(name)
        return [pattern] if found is not None and found.regular else []
    while glob.has_magic(place):
        place, _, last = place.rpartition("/")
        name = f"{last}/{name}"
    return [f"{place}/{each}" for each in remote_at(place).matching(name)]


def _lack(pattern: str | os.PathLike[str]) -> str:
    """Say why there is no file."""
    path = os.fspath(pattern)
    if glob.has_magic(path) or _BRACES.search(path):
        return "which matches none"
    if is_url(path):
        return "where there is no file"
    return "which is not a file" if os.path.exists(path) else "which does not exist"


def short_names(paths: Sequence[File]) -> tuple[str, ...]:
    """Return the names of files, from the folder on that all are in, with forward slashes.

    Example:
      >>> short_names([Path("data/a/1.tar"), Path("data/b/1.tar")])
      ('a/1.tar', 'b/1.tar')
    """
    if any(is_url(path) for path in paths):
        return _short_urls([str(path) for path in paths])
    folders = [os.path.dirname(os.path.abspath(path)) for path in paths]
    common = os.path.commonpath(folders)
    return tuple(Path(os.path.relpath(os.path.abspath(x), common)).as_posix() for x in paths)


def _short_urls(urls: Sequence[str]) -> tuple[str, ...]:
    """Return what `short_names` does of files at URLs, perhaps beside some that are here."""
    parts = [url.replace(os.sep, "/").split("/") for url in urls]
    folders = zip(*(each[:-1] for each in parts), strict=False)
    common = sum(1 for _ in itertools.takewhile(lambda names: len(set(names)) == 1, folders))
    return tuple("/".join(each[common:]) for each in parts)


def sizes_of(paths: Iterable[File]) -> list[int]:
    """Return the size of each file in bytes, -1 for one that is not there."""
    return [_size(path) for path in paths]


def listing_sha256(names: Sequence[str], sizes: Sequence[int]) -> str:
    """Return a digest of the names and sizes of files."""
    listing = [f"{size} {name}\n" for size, name in zip(sizes, names, strict=True)]
    return hashlib.sha256("".join(listing).encode()).hexdigest()


def content_sha256(paths: Iterable[File]) -> str:
    """Return a digest of what is in files, each read once, on two threads."""
    with ThreadPoolExecutor(2) as pool:
        content = "".join(f"{digest}\n" for digest in pool.map(_digest, paths))
    return hashlib.sha256(content.encode()).hexdigest()


def files_identity(paths: Sequence[File], names: Sequence[str]) -> dict[str, Any]:
    """Return what tells files from others, wherever they are, as JSON values.

    Every file is read once, on two threads: at 0.8 GB/s per core, that is much faster than decoding
    it. A file that cannot be read counts as such. For one at a URL, the checksum or the time of
    change that the store tells stands for the content, if it tells one.
    """
    sizes = sizes_of(paths)
    if sum(sizes) > MUCH:
        log.info("reading %d files once to identify them, %.1f GB", len(paths), sum(sizes) / 1e9)
    return {
        "listing_sha256": listing_sha256(names, sizes),
        "content_sha256": content_sha256(paths),
    }


def _size(path: File) -> int:
    """Return the size of a file in bytes, -1 if it is not there."""
    if isinstance(path, str) and is_url(path):
        place, name = _parted(path)
        found = remote_at(place).file(name)
        return -1 if found is None else found.size
    try:
        return os.stat(path).st_size
    except OSError:
        return -1


def _digest(path: File) -> str:
    """Return the sha256 of a file in hex, or why it cannot be read; of a URL what stands for it."""
    if isinstance(path, str) and is_url(path):
        place, name = _parted(path)
        found = remote_at(place).file(name)
        if found is None or found.mark is not None:
            return "not there" if found is None else str(found.mark)
    elif reason := no_file(Path(path)):
        return reason
    try:
        with open_file(path) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
    except OSError as error:
        return one_line(error)
