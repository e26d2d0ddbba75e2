"""Read the images under a folder, decoding ahead on threads."""

import dataclasses
import os
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Literal

from jatlas.collect._decode import ImageError, decode, decoder, suffixes
from jatlas.collect._files import MUCH, content_sha256, files_identity, listing_sha256, sizes_of
from jatlas.collect._listing import first_of, walk, written_by_jatlas
from jatlas.collect._preprocess import Preprocess
from jatlas.collect._remote_files import (
    is_same,
    list_files,
    list_images,
    read_file,
    remote_identity,
)  # fmt: skip
from jatlas.collect._source import Loaded, check_load, spread
from jatlas.storage import RemoteFile
from jatlas.types import checks, in_order, is_url

# Images decoded ahead of the one that is consumed, per worker: about the batch that is on the
# accelerator, 10 MB at 224 px and two workers.
AHEAD = 32


@dataclass(frozen=True, kw_only=True)
class Folder:
    """The image files under a folder; made by `folder`.

    Attributes:
      root: the folder, or its URL.
      paths: the files in order, relative to `root`, with forward slashes.
      preprocess: how each file becomes a square.
      unusable: (repr of the relative path, reason) of what was found but left out of `paths`; and
        for each suffix of other files, which may be images too, ("*.suffix", how many there are).
      listed: what the store says of the files by name, of a URL; None if that is to be asked for.
    """

    root: Path | str
    paths: tuple[str, ...]
    preprocess: Preprocess = field(default_factory=Preprocess)
    unusable: tuple[tuple[str, str], ...] = ()
    listed: Mapping[str, RemoteFile] | None = field(default=None, repr=False, compare=False)

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
        """Return the folder, digests of its files, and the preprocessing.

        Every file is read once. Of a URL the sizes and checksums that the store lists stand for
        the content, or the times of change; the files are read only if it lists neither.
        """
        return {
            **self._identity(),
            "preprocess": dataclasses.asdict(self.preprocess),
            "decoder": decoder(),
        }

    def _identity(self) -> dict[str, Any]:
        if isinstance(self.root, str):
            return {"root": self.root, **remote_identity(self.root, self.paths, self._entries())}
        return {"root": str(self.root.resolve()), **files_identity(self._files(), self.paths)}

    def matches(self, fingerprint: dict[str, Any]) -> bool:
        """Return whether a fingerprint is of these files, wherever they were.

        More than 4 GB are compared by names and sizes only.
        """
        if isinstance(self.root, str):
            return is_same(self.root, self.paths, self._entries(), fingerprint)
        files = self._files()
        sizes = sizes_of(files)
        if fingerprint.get("listing_sha256") != listing_sha256(self.paths, sizes):
            return False
        if "content_sha256" not in fingerprint or sum(sizes) > MUCH:
            return True
        return content_sha256(files) == fingerprint["content_sha256"]

    def _files(self) -> list[Path]:
        """Return the paths of the files."""
        return [Path(self.root) / path for path in self.paths]

    def _entries(self) -> Mapping[str, RemoteFile]:
        """Return what the store says of the files."""
        return list_files(str(self.root)) if self.listed is None else self.listed

    def file(self, index: int) -> Path | BinaryIO:
        """Return a file as decoders take it: its path, or its content if it is at a URL.

        Raises:
          ImageError: if it is not at the URL any more.
          OSError: if it cannot be read there.
        """
        if isinstance(self.root, str):
            return read_file(self.root, self.paths[index])
        return self.root / self.paths[index]

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
            image = decode(self.file(index), preprocess=self.preprocess)
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

    Files are selected by suffix, in either case: .jpg .jpeg .jpe .jfif .jif .png .apng .webp .bmp
    .dib .gif .tif .tiff, and where they can be read .avif .heic .heif .hif, see `decode`. Hidden
    files and folders are ignored, and so are folders that jatlas wrote. Links are followed, but
    each folder is entered only once. What is left out for another reason is listed in
    `Folder.unusable`: files whose path is not one line of UTF-8 text, links that lead nowhere,
    pipes and devices, folders that cannot be read, and files with other suffixes.

    Args:
      path: the folder, or its URL, which needs the extra `url`: each file is read when its image
        is asked for.
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
      ImportError: if a package for the URL is not installed.
      OSError: if what is at the URL cannot be listed.

    Example:
      >>> import tempfile
      >>> from PIL import Image
      >>> with tempfile.TemporaryDirectory() as path:
      ...     Image.new("RGB", (40, 30), "red").save(f"{path}/red.png")
      ...     images = folder(path, size=16)
      ...     print(images.paths, [item.image.shape for item in images.load()])
      ('red.png',) [(16, 16, 3)]
    """
    if limit is not None:
        checks.whole("limit", limit, expected="at least 1, or None for all images")
    preprocess = Preprocess(size=size, fit=fit)
    if not os.fspath(path):
        raise ValueError("path: expected a folder of images, got ''")
    root, paths, unusable, listed = _listed(path)
    if not paths:
        raise ValueError(
            f"path: expected images ({' '.join(suffixes())}, at any depth, not hidden), found none "
            f"in {str(root)!r}" + first_of(unusable)
        )
    if limit is not None and limit < len(paths):
        paths = [paths[spread(i, limit, len(paths))] for i in range(limit)]
    return Folder(
        root=root, paths=tuple(paths), preprocess=preprocess, unusable=tuple(sorted(unusable)),
        listed=listed,
    )  # fmt: skip


def _listed(
    path: str | os.PathLike[str],
) -> tuple[Path | str, list[str], list[tuple[str, str]], Mapping[str, RemoteFile] | None]:
    """Return a folder, the images in it, what is unusable, and what is known of files at a URL."""
    if is_url(path):
        url = str(path).rstrip("/")
        entries = list_files(url)
        return url, *list_images(url, entries), entries
    root = Path(path)
    if not root.is_dir():
        raise ValueError(
            f"path: expected a folder of images, got {str(root)!r}, which "
            + ("is not a folder" if root.exists() else "does not exist")
        )
    if written_by_jatlas(root):
        raise ValueError(f"path: expected a folder of images, got {str(root)!r}, which is an atlas")
    return root, *walk(root), None


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
    return in_order(load_one, indices, workers=workers, ahead=AHEAD * workers, name="jatlas-images")
