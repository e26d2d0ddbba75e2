"""Read the images under a folder, decoding ahead on threads."""

import dataclasses
import hashlib
import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from jatlas.collect._decode import ImageError, Preprocess, decode, one_line
from jatlas.collect._source import Loaded, check_load, unlistable

EXTENSIONS = (".jpg", ".jpeg", ".jpe", ".png", ".webp", ".bmp", ".gif")

# Images decoded ahead of the one that is consumed, per worker: about the batch that is on the
# accelerator, 10 MB at 224 px and two workers.
AHEAD = 32


@dataclass(frozen=True, kw_only=True)
class Folder:
    """The image files under a folder; made by `folder`.

    Attributes:
      root: the folder.
      paths: the files in order, relative to `root`, with forward slashes.
      preprocess: how each file becomes a square.
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
        """Number of files, damaged ones included."""
        return len(self.paths)

    def name(self, index: int) -> str:
        """Return the relative path of a file."""
        return self.paths[index]

    def fingerprint(self) -> dict[str, Any]:
        """Return the folder, a digest of the names and sizes of its files, and the preprocessing.

        Raises:
          OSError: if a file is gone.
        """
        listing = [f"{(self.root / path).stat().st_size} {path}\n" for path in self.paths]
        return {
            "root": str(self.root.resolve()),
            "listing_sha256": hashlib.sha256("".join(listing).encode()).hexdigest(),
            "preprocess": dataclasses.asdict(self.preprocess),
        }

    def load(self, start: int = 0, *, workers: int = 2) -> Generator[Loaded, None, None]:
        """Yield every image from index `start` on, in order, decoding ahead on threads.

        The threads end with the generator: when it is exhausted or closed.

        Args:
          start: index of the first file to decode.
          workers: number of threads.

        Returns:
          A generator of (size, size, 3) uint8 images, with the reason in place of a damaged one.

        Raises:
          ValueError: if `start` is negative, `workers` is less than 1 or the size is not known.
        """
        check_load(start, workers)
        _ = self.preprocess.side  # checked before the first image is asked for
        return load_ahead(self._load_one, range(start, len(self.paths)), workers=workers)

    def reload(self, indices: Sequence[int], *, workers: int = 2) -> Generator[Loaded, None, None]:
        """Yield the images of some indices, in their order, decoding ahead on threads."""
        check_load(0, workers)
        _ = self.preprocess.side
        return load_ahead(self._load_one, indices, workers=workers)

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
    size: int | None = None,
    fit: Literal["crop", "squash"] = "crop",
    limit: int | None = None,
) -> Folder:
    """List the images in a folder, at any depth, in an order that is the same everywhere.

    Files are selected by extension, in either case: .jpg .jpeg .jpe .png .webp .bmp .gif. Hidden
    files and folders are ignored. Links are followed, but each folder is entered only once. Files
    whose path is not one line of UTF-8 text, and folders that cannot be read, are listed in
    `Folder.unusable`.

    Args:
      path: the folder.
      size: side of the square that each image becomes, in pixels; None means that of the images
        of the network that they are used with.
      fit: how it becomes one; see `Preprocess`.
      limit: maximum number of images, taken at even distances over the ordered list rather than
        from its start: where each class has a folder of its own, all classes get their share.

    Returns:
      The list; nothing is decoded yet.

    Raises:
      ValueError: if `path` is not a folder, or contains no image, or another argument is out of
        range.

    Example:
      >>> import tempfile
      >>> from PIL import Image
      >>> with tempfile.TemporaryDirectory() as path:
      ...     Image.new("RGB", (40, 30), "red").save(f"{path}/red.png")
      ...     images = folder(path, size=16)
      ...     print(images.paths, [item.image.shape for item in images.load()])
      ('red.png',) [(16, 16, 3)]
    """
    if limit is not None and limit < 1:
        raise ValueError(f"limit: expected at least 1, or None for all images, got {limit}")
    preprocess = Preprocess(size=size, fit=fit)
    root = Path(path)
    if not root.is_dir():
        raise ValueError(
            f"path: expected a folder of images, got {str(root)!r}, which "
            + ("is not a folder" if root.exists() else "does not exist")
        )
    paths, unusable = _walk(root)
    if not paths:
        raise ValueError(
            f"path: expected images ({' '.join(EXTENSIONS)}, at any depth, not hidden), found "
            f"none in {str(root)!r}" + (f" but {len(unusable)} unusable" if unusable else "")
        )
    if limit is not None and limit < len(paths):
        # The middle of each of `limit` equal stretches, in integers: nothing is rounded.
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
        unusable.append((repr(os.path.relpath(error.filename, root)), one_line(error)))

    for place, folders, files in os.walk(root, onerror=unreadable, followlinks=True):
        status = os.stat(place)
        new = (status.st_dev, status.st_ino) not in seen
        seen.add((status.st_dev, status.st_ino))
        folders[:] = sorted(name for name in folders if new and not name.startswith("."))
        for name in files:
            if new and not name.startswith(".") and name.lower().endswith(EXTENSIONS):
                relative = (Path(place) / name).relative_to(root).as_posix()
                if reason := unlistable(relative):
                    unusable.append((repr(relative), reason))
                else:
                    paths.append(relative)
    return sorted(paths), unusable


def load_ahead(
    load_one: Callable[[int], Loaded], indices: Iterable[int], *, workers: int
) -> Generator[Loaded, None, None]:
    """Load images on threads, at most `AHEAD * workers` beyond the one that is consumed.

    Args:
      load_one: loads the image of an index; called on the threads.
      indices: the indices to load.
      workers: number of threads.

    Yields:
      The images, in the order of the indices. The threads end before a call of `close` returns.
    """
    pool = ThreadPoolExecutor(workers, thread_name_prefix="jatlas-images")
    pending: deque[Future[Loaded]] = deque()
    try:
        for index in indices:
            pending.append(pool.submit(load_one, index))
            if len(pending) > AHEAD * workers:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
