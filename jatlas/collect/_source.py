"""The interface of image sources, and their images in batches.

A source yields its images one by one and in order, each with its index. An image that cannot be
decoded is yielded as an index and a reason, so that the caller can count and name it at the end.
"""

from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np

from jatlas.collect._form import form_of, is_rgb
from jatlas.types import HostArray, checks


@dataclass(frozen=True, kw_only=True, slots=True)
class Loaded:
    """One image of a source, or the reason why it could not be read.

    Attributes:
      index: position of the image in its source, from 0.
      image: (h, w, 3) RGB, uint8 or float32 in [0, 1]; None if it could not be read.
      error: why it could not be read, in one line; None if it could.
      label: what it shows, the name of a class; None if that is not known.

    Example:
      >>> Loaded(index=3, image=None, error="truncated").error
      'truncated'
    """

    index: int
    image: HostArray | None
    error: str | None = None
    label: str | None = None


@runtime_checkable
class ImageSource(Protocol):
    """Numbered and named images: all that jatlas asks of a source.

    `Folder`, `Arrays`, `Dataset` and `jatlas.Synthetic` are sources, and so is any object of your
    own with these members.
    """

    @property
    def count(self) -> int | None:
        """Number of images, damaged ones included; None if it is not known yet."""

    def name(self, index: int) -> str:
        """Return the name of an image for people to read: one line of UTF-8 text."""

    def fingerprint(self) -> dict[str, Any] | None:
        """Return what identifies the images, as JSON values.

        Sources with equal fingerprints yield equal images, so that results computed from one may
        be reused for the other. None if the images cannot be told from others; their results are
        never reused.
        """

    def load(self, start: int = 0, *, workers: int = 2) -> Generator[Loaded, None, None]:
        """Yield every image from index `start` on, in order.

        The generator may hold threads until it is exhausted or closed. An exception in a loop over
        it does neither, as the traceback keeps it alive, so close it explicitly::

            with contextlib.closing(source.load()) as images:
                for item in images:
                    ...
        """


@runtime_checkable
class Rereadable(ImageSource, Protocol):
    """A source that can yield selected images again, the same as before."""

    def reload(
        self, indices: Sequence[int], *, workers: int = 2
    ) -> Generator[Loaded, None, None] | None:
        """Yield the images of ascending indices; None if they cannot be read again.

        Close the generator as that of `load`.
        """


def select(loaded: Iterable[Loaded], indices: Sequence[int]) -> Generator[Loaded, None, None]:
    """Pick images out of a stream, reading no further than the last of them.

    Args:
      loaded: images in ascending order of their indices, as `load` of a source yields them.
      indices: the indices to pick, ascending.

    Yields:
      The images with these indices.

    Example:
      >>> stream = (Loaded(index=i, image=None) for i in range(1_000_000))
      >>> [item.index for item in select(stream, [2, 5])]
      [2, 5]
    """
    remaining = iter(indices)
    wanted = next(remaining, None)
    if wanted is None:
        return
    for item in loaded:
        if item.index == wanted:
            yield item
            wanted = next(remaining, None)
            if wanted is None:
                return


def spread(index: int, limit: int, count: int) -> int:
    """Return one of `limit` numbers that are evenly spread over 0 to `count` - 1.

    It is the middle of each of `limit` equal stretches, in integers: nothing is rounded.

    Example:
      >>> [spread(index, 3, 10) for index in range(3)]
      [1, 5, 8]
    """
    return (2 * index + 1) * count // (2 * limit)


def check_load(start: int, workers: int) -> None:
    """Check the arguments of `load`.

    Args:
      start: index of the first image.
      workers: number of threads.

    Raises:
      ValueError: if `start` is negative or `workers` is less than 1.
    """
    checks.whole("start", start, minimum=0, expected="the index of an image, 0 or more")
    checks.whole("workers", workers, unit="thread")


def names_of(source: ImageSource, count: int) -> tuple[str, ...]:
    """Return the names of the first images of a source.

    Raises:
      ValueError: if a name is not one line of UTF-8 text, as a list of names could not be kept.
    """
    return tuple(checks.text(f"name({index})", source.name(index)) for index in range(count))


def unlistable(name: str) -> str | None:
    """Return why a name cannot be one line of a UTF-8 text file; None if it can.

    The names of an atlas's images are kept in such a file: a line break in one would shift the
    names of all images after it.
    """
    if name.splitlines() != [name]:
        return "line break in its name"
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return "name is not UTF-8"
    return None


def batches(
    loaded: Iterable[Loaded], size: int, *, skipped: list[tuple[int, str]]
) -> Iterator[tuple[HostArray, HostArray, int]]:
    """Stack images into batches of one size, leaving out the damaged ones.

    The last batch is padded by repeating its last image, so that a jitted function compiles
    once. No image after a batch has been read when the batch is yielded: to resume after it
    later, load from `index[valid - 1] + 1`.

    Args:
      loaded: what `load` of a source yields.
      size: images per batch.
      skipped: a list to which (index, reason) of every damaged image is appended as it is met.

    Yields:
      Images (size, h, w, 3) in the type they were loaded, uint8 or float32; their indices (size,)
      int64; and the number of images, from the front, that are not padding.

    Raises:
      ValueError: if `size` is less than 1, or an image is not what `Loaded` says, or has another
        size or type than those before it.

    Example:
      >>> image = np.zeros((8, 8, 3), np.uint8)
      >>> stream = [Loaded(index=i, image=image) for i in range(3)]
      >>> for images, index, valid in batches(stream, 2, skipped=[]):
      ...     print(images.shape, index.tolist(), valid)
      (2, 8, 8, 3) [0, 1] 2
      (2, 8, 8, 3) [2, 2] 1
    """
    checks.whole("size", size, unit="image")
    images: list[HostArray] = []
    index: list[int] = []
    first: tuple[str, int] | None = None
    for item in loaded:
        if item.image is None:
            skipped.append((item.index, item.error or "no reason given"))
            continue
        image = _checked(item)
        form = form_of(image)
        expected, number = first = first or (form, item.index)
        if form != expected:
            raise ValueError(
                f"image {item.index}: expected {expected} as image {number}, got {form}"
            )
        images.append(image)
        index.append(item.index)
        if len(images) == size:
            yield np.stack(images), np.array(index), size
            images, index = [], []
    if images:
        padding = size - len(images)
        yield (
            np.stack(images + images[-1:] * padding),
            np.array(index + index[-1:] * padding),
            len(images),
        )


def _checked(item: Loaded) -> HostArray:
    """Return the image of an item, which a source of one's own may not have checked."""
    shape = np.shape(item.image) if item.image is not None else ()
    if len(shape) != 3 or not is_rgb(shape):
        raise ValueError(
            f"image {item.index}: expected an RGB image (h, w, 3), {checks.PIXELS}, got "
            + (f"shape {shape}" if shape else type(item.image).__name__)
        )
    return checks.pixels(f"image {item.index}", item.image)
