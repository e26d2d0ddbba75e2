"""Picture files that commands are given."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from jatlas.collect import ImageError, Preprocess, decode, folder, image_size, read_image
from jatlas.types import HostArray


def read_picture(path: Path) -> HostArray:
    """Read a picture at its own size: (h, w, 3) or, with opacity, (h, w, 4) float32 in [0, 1].

    Raises:
      ValueError: if it cannot be read.
    """
    with naming(path):
        return read_image(path) / np.float32(255)


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """Have an error about an image name its file.

    Raises:
      ValueError: in place of an ImageError.
    """
    try:
        yield
    except ImageError as error:
        raise ValueError(f"{path}: {error}") from error


class Pictures:
    """Image files that are read each time they are iterated over: there may be many.

    Attributes:
      paths: the files that can be read.
      preprocess: how they become squares.
      fitted: whether one that has the network's size already is taken as it is.
    """

    def __init__(
        self, given: tuple[Path, ...], preprocess: Preprocess, *, fitted: bool = True
    ) -> None:
        self.preprocess, self.fitted = preprocess, fitted
        self.paths: list[Path] = []
        for path in itertools.chain.from_iterable(map(_files, given)):
            try:
                self._read(path)
            except ImageError as error:
                _skip(path, str(error))
            else:
                self.paths.append(path)

    def __iter__(self) -> Iterator[HostArray]:
        for path in self.paths:
            try:
                yield self._read(path)
            except ImageError as error:
                raise ValueError(f"{path}: it was read before, and now: {error}") from error

    def _read(self, path: Path) -> HostArray:
        """Read an image: (size, size, 3) float32 in [0, 1]."""
        preprocess = self.preprocess
        if self.fitted and image_size(path) == (preprocess.size, preprocess.size):
            # It is not scaled and cropped again.
            preprocess = dataclasses.replace(preprocess, fit="squash")
        return decode(path, preprocess=preprocess) / np.float32(255)


def _files(path: Path) -> list[Path]:
    """Return a file, or those of a folder; what of it cannot be used is named."""
    if not path.is_dir():
        return [path]
    try:
        found = folder(path)
    except ValueError as error:
        _skip(path, str(error))
        return []
    for name, reason in found.unusable:
        _skip(path / name, reason)
    return [path / name for name in found.paths]


def _skip(path: Path, reason: str) -> None:
    print(f"skipped {path}: {reason}", file=sys.stderr)
