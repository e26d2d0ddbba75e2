"""Read the images under a folder, decoding ahead on threads."""

import dataclasses
import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from jatlas.collect._decode import ImageError, Preprocess, decode, in_one_line
from jatlas.collect._source import Loaded, check_load

EXTENSIONS = (".jpg", ".jpeg", ".jpe", ".png", ".webp", ".bmp", ".gif")

# Images decoded ahead of the one asked for, per worker: about the batch that is on the
# accelerator, 10 MB at 224 px and two workers.
_AHEAD = 32


@dataclass(frozen=True, kw_only=True)
class Folder:
    """The image files under a folder; made by `folder`.

    Attributes:
      root: the folder.
      paths: the files in order, relative to `root`, with forward slashes.
      preprocess: how each file becomes an array.
      unusable: (repr of the relative path, reason) of what was found but left out of `paths`.
    """

    root: Path
    paths: tuple[str, ...]
    preprocess: Preprocess = field(default_factory=Preprocess)
    unusable: tuple[tuple[str, str], ...] = ()

    def __len__(self) -> int:
        return len(self.paths)

    @property
    def count(self) -> int:
        """How many files there are, damaged ones included."""
        return len(self.paths)

    def name(self, index: int) -> str:
        """Return the relative path of a file."""
        return self.paths[index]

    def fingerprint(self) -> dict[str, Any]:
        """Return the folder, a digest of the files' names and sizes, and the preprocessing.

        Raises:
          OSError: if a file is gone.
        """
        listing = [f"{(self.root / path).stat().st_size} {path}\n" for path in self.paths]
        return {
            "root": str(self.root.resolve()),
            "listing_sha256": hashlib.sha256("".join(listing).encode()).hexdigest(),
            "preprocess": dataclasses.asdict(self.preprocess),
        }

    def load(self, start: int = 0, *, workers: int = 2) -> Iterator[Loaded]:
        """Yield every image from index `start` on, in order, decoding ahead on threads.

        The threads end with the iterator: when it is exhausted, closed or thrown away.

        Args:
          start: index of the first file to decode.
          workers: number of threads.

        Returns:
          An iterator of (size, size, 3) uint8 images, or of reasons for what is damaged.

        Raises:
          ValueError: if `start` is negative or `workers` is less than 1.
        """
        check_load(start, workers)
        return _in_order(self._load_one, range(start, len(self.paths)), workers)

    def reload(self, indices: Sequence[int], *, workers: int = 2) -> Iterator[Loaded]:
        """Yield the images of some indices, in their order, decoding ahead on threads."""
        return _in_order(self._load_one, indices, workers)

    def _load_one(self, index: int) -> Loaded:
        """Decode one file."""
        try:
            image = decode(self.root / self.paths[index], preprocess=self.preprocess)
        except ImageError as error:
            return Loaded(index=index, image=None, error=str(error))
        return Loaded(index=index, image=image)


def folder(
    path: str | os.PathLike[str],
    *,
    size: int = 224,
    fit: Literal["crop", "squash"] = "crop",
    limit: int | None = None,
) -> Folder:
    """List the images under a folder, at any depth, in an order that is the same everywhere.

    Files count by extension, in either case: .jpg .jpeg .jpe .png .webp .bmp .gif. Hidden files
    and folders do not. Links are followed, but each folder is entered only once. Files whose path
    does not fit on a line of UTF-8 text, and folders that cannot be read, are listed in
    `Folder.unusable`.

    Args:
      path: the folder.
      size: side of the square that each image becomes, in pixels.
      fit: how it becomes one; see `Preprocess`.
      limit: take at most this many, evenly spread over the ordered list rather than the first
        ones: where each class has a folder of its own, all classes get their share.

    Returns:
      The list; nothing is decoded yet.

    Raises:
      ValueError: if `path` is not a folder, or holds no image, or another argument is out of
        range.
    """
    if limit is not None and limit < 1:
        raise ValueError(f"limit must be at least 1, or None for all images; got {limit}")
    preprocess = Preprocess(size=size, fit=fit)
    root = Path(path)
    if not root.is_dir():
        raise ValueError(
            f"path must be a folder of images; {str(root)!r} "
            + ("is not a folder" if root.exists() else "does not exist")
        )
    paths, unusable = _walk(root)
    if not paths:
        raise ValueError(
            f"path must hold images ({' '.join(EXTENSIONS)}, at any depth, not hidden); found "
            f"none in {str(root)!r}" + (f" but {len(unusable)} unusable" if unusable else "")
        )
    if limit is not None and limit < len(paths):
        # The middle of each of `limit` equal stretches, in whole numbers: no rounding to differ.
        paths = [paths[(2 * i + 1) * len(paths) // (2 * limit)] for i in range(limit)]
    return Folder(
        root=root, paths=tuple(paths), preprocess=preprocess, unusable=tuple(sorted(unusable))
    )


def _walk(root: Path) -> tuple[list[str], list[tuple[str, str]]]:
    """Return the sorted relative paths of the images under a folder, and the unusable ones."""
    paths: list[str] = []
    unusable: list[tuple[str, str]] = []
    seen: set[tuple[int, int]] = set()  # folders, as device and inode: a link may lead back up

    def unreadable(error: OSError) -> None:
        unusable.append((repr(os.path.relpath(error.filename, root)), in_one_line(error)))

    for place, folders, files in os.walk(root, onerror=unreadable, followlinks=True):
        status = os.stat(place)
        new = (status.st_dev, status.st_ino) not in seen
        seen.add((status.st_dev, status.st_ino))
        folders[:] = sorted(name for name in folders if new and not name.startswith("."))
        for name in files:
            if new and not name.startswith(".") and name.lower().endswith(EXTENSIONS):
                relative = (Path(place) / name).relative_to(root).as_posix()
                if reason := _unlistable(relative):
                    unusable.append((repr(relative), reason))
                else:
                    paths.append(relative)
    return sorted(paths), unusable


def _unlistable(path: str) -> str | None:
    """Return why a path cannot stand in a text file of one path per line, if it cannot."""
    if path.splitlines() != [path]:
        return "line break in its name"
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        return "name is not UTF-8"
    return None


def _in_order(
    load_one: Callable[[int], Loaded], indices: Iterable[int], workers: int
) -> Iterator[Loaded]:
    """Call a function for each index on threads, a bounded way ahead; yield in order."""
    pool = ThreadPoolExecutor(workers, thread_name_prefix="jatlas-images")
    ahead: deque[Future[Loaded]] = deque()
    try:
        for index in indices:
            ahead.append(pool.submit(load_one, index))
            if len(ahead) > _AHEAD * workers:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
