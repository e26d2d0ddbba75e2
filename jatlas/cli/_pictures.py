"""Picture files that commands are given."""

from __future__ import annotations

import dataclasses
import itertools
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from jatlas.collect import ImageError, Preprocess, decode, folder, one_line
from jatlas.types import HostArray


def read_picture(path: Path) -> HostArray:
    """Read a picture at its own size: (h, w, 3) float32 in [0, 1].

    Raises:
      ValueError: if it cannot be read.
    """
    try:
        with Image.open(path) as image:
            pixels = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    except Exception as error:  # bad bytes make decoders raise nearly anything
        raise ValueError(f"patches: {path}: {one_line(error)}") from error
    return pixels / np.float32(255)


class Pictures:
    """Image files that are read each time they are iterated over: there may be many.

    Attributes:
      paths: the files that can be read.
      preprocess: how they become squares.
    """

    def __init__(self, given: tuple[Path, ...], preprocess: Preprocess) -> None:
        self.preprocess = preprocess
        inside = (
            [path / name for name in folder(path).paths] if path.is_dir() else [path]
            for path in given
        )
        self.paths: list[Path] = []
        for path in itertools.chain.from_iterable(inside):
            try:
                self._read(path)
            except (ImageError, OSError) as error:
                print(f"skipped {path}: {one_line(error)}", file=sys.stderr)
            else:
                self.paths.append(path)

    def __iter__(self) -> Iterator[HostArray]:
        return (self._read(path) for path in self.paths)

    def _read(self, path: Path) -> HostArray:
        """Read an image: (size, size, 3) float32 in [0, 1]."""
        preprocess = self.preprocess
        with Image.open(path) as image:
            if image.size == (preprocess.size, preprocess.size):
                # One that has the network's size already is not scaled and cropped again.
                preprocess = dataclasses.replace(preprocess, fit="squash")
        return decode(path, preprocess=preprocess) / np.float32(255)
