"""Take images that are arrays already: one, or any iterable of batches."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from jatlas.collect._source import Loaded, check_load, only
from jatlas.types import HostArray

_BATCH = "images (b, h, w, 3), uint8 or float in [0, 1]"


class Arrays:
    """Images that are arrays already; made by `arrays`.

    Attributes:
      count: how many images there are; None if the batches are not a list or tuple.
    """

    def __init__(self, content: Iterable[Any], *, count: int | None) -> None:
        self._content = content
        self._spent = False
        self.count = count

    def name(self, index: int) -> str:
        """Return "image" and the index: an array has no name."""
        return f"image {index}"

    def fingerprint(self) -> dict[str, Any]:
        """Return nothing: the arrays may not be there until they are asked for."""
        return {}

    def load(self, start: int = 0, *, workers: int = 2) -> Iterator[Loaded]:
        """Yield every image from index `start` on, in order.

        Args:
          start: index of the first image to yield; those before it are passed over.
          workers: not used: there is nothing to decode. Here because every source has it.

        Returns:
          An iterator of (h, w, 3) images, uint8 or float32 in [0, 1].

        Raises:
          ValueError: if `start` is negative, or the images came from an iterator that was read
            before; and, on the way, if a batch has another shape, type or range than it must.
        """
        check_load(start, workers)
        if self._spent:
            raise ValueError(
                "the images came from an iterator, which can be read only once; pass a list, an "
                "array or an object whose __iter__ starts again"
            )
        stream = iter(self._content)
        self._spent = stream is self._content
        return self._load(stream, start)

    def reload(self, indices: Sequence[int], *, workers: int = 2) -> Iterator[Loaded] | None:
        """Yield the images of ascending indices; None unless the batches are a list or tuple.

        What else can be read again may come in another order the next time.
        """
        del workers
        return None if self.count is None else only(self.load(), indices)

    def _load(self, stream: Iterator[Any], start: int) -> Iterator[Loaded]:
        """Yield the images of a stream of batches."""
        first = 0  # index of the first image of the batch
        form: tuple[Any, ...] | None = None
        for number, content in enumerate(stream):
            batch = _checked(content, number)
            form = form or (batch.shape[1:], batch.dtype.name)
            if (batch.shape[1:], batch.dtype.name) != form:
                raise ValueError(
                    f"all images must have one shape and type, {form[0]} {form[1]} as in batch 0; "
                    f"batch {number} has {batch.shape[1:]} {batch.dtype.name}"
                )
            for place in range(max(0, start - first), len(batch)):
                yield Loaded(index=first + place, image=batch[place])
            first += len(batch)


def arrays(content: Any) -> Arrays:
    """Take images that are arrays already.

    Args:
      content: one batch, (b, h, w, 3), as a NumPy, JAX or other array; or any iterable of such
        batches, of any lengths. Values are uint8, or floats in [0, 1]. All images have one
        size and one type. An iterable that starts again can be loaded again, and so resumed;
        an iterator, such as a generator, is read once.

    Returns:
      The source; each image has its place in the whole as its index.

    Raises:
      ValueError: if `content` is neither, or an array or a member of a list is not a batch of
        images. Batches of other iterables, and all values, are checked as they are loaded.
    """
    if hasattr(content, "shape"):
        content = (content,)
    if not isinstance(content, Iterable) or isinstance(content, str | bytes | Mapping):
        raise ValueError(
            f"content must be {_BATCH} or an iterable of them; got {type(content).__name__}"
        )
    if not isinstance(content, list | tuple):
        return Arrays(content, count=None)
    shapes = [np.shape(batch) for batch in content]
    for number, shape in enumerate(shapes):
        _check_shape(shape, number)
    return Arrays(content, count=sum(shape[0] for shape in shapes))


def _check_shape(shape: tuple[int, ...], number: int) -> None:
    """Check that a batch is one of RGB images."""
    if len(shape) != 4 or shape[3] != 3 or 0 in shape[1:]:
        raise ValueError(f"batch {number} must be {_BATCH}; got shape {shape}")


def _checked(content: Any, number: int) -> HostArray:
    """Return a batch as uint8 or float32 after checking it."""
    batch = np.asarray(content)
    _check_shape(batch.shape, number)
    if batch.dtype == np.uint8:
        return batch
    if batch.dtype.kind != "f" and batch.dtype.name != "bfloat16":
        raise ValueError(f"batch {number} must be {_BATCH}; got type {batch.dtype.name}")
    batch = batch.astype(np.float32)
    # "Not inside" rather than "outside", which would let NaN pass.
    if batch.size and not (batch.min() >= 0 and batch.max() <= 1):
        raise ValueError(
            f"batch {number} must be {_BATCH}; got values from {batch.min():.6g} to "
            f"{batch.max():.6g}"
        )
    return batch
