"""What sources of images have in common, and their images in batches.

A source hands out its images one by one and in order, each under its own index. What cannot be
decoded comes as an index and a reason, so that whoever collects can count and name it at the end.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np

from jatlas.types import HostArray


@dataclass(frozen=True, kw_only=True, slots=True)
class Loaded:
    """One image of a source, or why there is none.

    Attributes:
      index: place of the image in its source, from 0.
      image: (h, w, 3) RGB, uint8 or float32 in [0, 1]; None if it could not be read.
      error: why it could not be read, in one line; None if it could.
    """

    index: int
    image: HostArray | None
    error: str | None = None


class ImageSource(Protocol):
    """What `Folder` and `Arrays` have in common, and all that collecting asks of a source."""

    @property
    def count(self) -> int | None:
        """How many images there are, damaged ones included; None if that is not known yet."""

    def name(self, index: int) -> str:
        """Return what to call an image when talking to a person."""

    def fingerprint(self) -> dict[str, Any]:
        """Return what decides the images, as JSON values; {} where that cannot be told."""

    def load(self, start: int = 0, *, workers: int = 2) -> Iterator[Loaded]:
        """Yield every image from index `start` on, in order."""


@runtime_checkable
class Rereadable(ImageSource, Protocol):
    """A source that can give some of its images once more, the same as before."""

    def reload(self, indices: Sequence[int], *, workers: int = 2) -> Iterator[Loaded] | None:
        """Yield the images of ascending indices; None if they cannot be had again."""


def only(loaded: Iterable[Loaded], indices: Sequence[int]) -> Iterator[Loaded]:
    """Yield the images of ascending indices, and read no further than the last of them."""
    left = iter(indices)
    wanted = next(left, None)
    if wanted is None:
        return
    for item in loaded:
        if item.index == wanted:
            yield item
            wanted = next(left, None)
            if wanted is None:
                return


def check_load(start: int, workers: int) -> None:
    """Check the arguments of `load`.

    Args:
      start: index of the first image.
      workers: number of threads.

    Raises:
      ValueError: if `start` is negative or `workers` is less than 1.
    """
    if start < 0:
        raise ValueError(f"start must be the index of an image, 0 or more; got {start}")
    if workers < 1:
        raise ValueError(f"workers must be at least 1 thread; got {workers}")


def batches(
    loaded: Iterable[Loaded], size: int, *, skipped: list[tuple[int, str]]
) -> Iterator[tuple[HostArray, HostArray, int]]:
    """Stack images into batches of one size, leaving out the damaged ones.

    The last batch is filled up by repeating its last image, so that a jitted function compiles
    once. No image beyond a batch has been read when the batch is handed out: to go on after it
    later, load from `index[valid - 1] + 1`.

    Args:
      loaded: what `load` of a source yields.
      size: images per batch.
      skipped: a list to which (index, reason) of every damaged image is appended on the way.

    Yields:
      Images (size, h, w, 3) as they came, uint8 or float32; their indices (size,) int64; and
      how many of them, from the front, are not filling.

    Raises:
      ValueError: if `size` is less than 1.
    """
    if size < 1:
        raise ValueError(f"size must be at least 1 image; got {size}")
    images: list[HostArray] = []
    index: list[int] = []
    for item in loaded:
        if item.image is None:
            skipped.append((item.index, item.error or "no reason given"))
            continue
        images.append(item.image)
        index.append(item.index)
        if len(images) == size:
            yield np.stack(images), np.array(index), size
            images, index = [], []
    if images:
        filling = size - len(images)
        yield (
            np.stack(images + images[-1:] * filling),
            np.array(index + index[-1:] * filling),
            len(images),
        )
