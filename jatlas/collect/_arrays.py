"""Images that are arrays already: one array, a list of images, or any iterable of batches."""

import hashlib
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from jatlas.collect._form import form_of, is_rgb
from jatlas.collect._source import Loaded, check_load, select
from jatlas.types import HostArray, checks


class Arrays:
    """Images that are arrays already; made by `arrays`.

    Attributes:
      count: number of images; None unless they were passed as an array, a list or a tuple.
    """

    def __init__(self, content: Iterable[Any], *, count: int | None) -> None:
        self._content = content
        self._exhausted = False
        self.count = count

    def name(self, index: int) -> str:
        """Return "image" and the index, as an array has no name."""
        return f"image {index}"

    def fingerprint(self) -> dict[str, Any] | None:
        """Return a digest of the pixels; None unless `count` is known.

        The digest does not depend on how the images are split into batches. It is computed anew
        by each call, as arrays may be written to.

        Raises:
          ValueError: if a batch has another shape, type or range than it should.
        """
        if self.count is None:
            return None
        digest = hashlib.sha256()
        form: list[Any] = []
        for batch in _checked_batches(iter(self._content)):
            digest.update(np.ascontiguousarray(batch).data)
            form = [*batch.shape[1:], batch.dtype.name]
        return {
            "kind": "arrays",
            "count": self.count,
            "form": form,
            "sha256": digest.hexdigest(),
        }

    def load(self, start: int = 0, *, workers: int = 2) -> Generator[Loaded, None, None]:
        """Yield every image from index `start` on, in order.

        Args:
          start: index of the first image to yield; those before it are skipped.
          workers: unused, as nothing needs decoding; every source has it.

        Returns:
          A generator of (h, w, 3) images, uint8 or float32 in [0, 1].

        Raises:
          ValueError: if `start` is negative, or the images came from an iterator that was read
            before; and, while loading, if a batch has another shape, type or range than it should.
        """
        check_load(start, workers)
        if self._exhausted:
            raise ValueError(
                "content: expected a list, an array or an object whose __iter__ starts again, got "
                "an iterator, which can be read only once"
            )
        stream = iter(self._content)
        self._exhausted = stream is self._content
        return _load(stream, start)

    def reload(
        self, indices: Sequence[int], *, workers: int = 2
    ) -> Generator[Loaded, None, None] | None:
        """Yield the images of ascending indices; None unless `count` is known.

        Any other iterable may give its images in another order the next time.
        """
        del workers
        return None if self.count is None else select(self.load(), indices)


def arrays(content: Any) -> Arrays:
    """Use images that are arrays already.

    Args:
      content: one batch (b, h, w, 3) as a NumPy, JAX or other array; a list or tuple of images
        (h, w, 3); or any iterable of batches of any lengths. Values are uint8, or floats in
        [0, 1]. All images have one size and one type. An iterable that starts again can be loaded
        again, and so resumed; an iterator, such as a generator, is read once.

    Returns:
      The source. The index of an image is its position in the whole.

    Raises:
      ValueError: if `content` is none of these, or an array or a member of a list does not hold
        RGB images. Members of other iterables, and all values, are checked as they are loaded.

    Example:
      >>> arrays(np.zeros((5, 8, 8, 3), np.uint8)).count
      5
      >>> source = arrays([np.zeros((8, 8, 3)), np.ones((8, 8, 3))])
      >>> [(item.index, item.image.mean().item()) for item in source.load()]
      [(0, 0.0), (1, 1.0)]
    """
    if hasattr(content, "shape"):
        shape = tuple(content.shape)
        if len(shape) != 4 or not is_rgb(shape):
            raise ValueError(
                f"content: expected RGB images (b, h, w, 3), {checks.PIXELS}, got shape {shape}"
            )
        content = (content,)
    if not isinstance(content, Iterable) or isinstance(content, str | bytes | Mapping):
        raise ValueError(
            "content: expected an array (b, h, w, 3), a list of images (h, w, 3) or an iterable of "
            f"batches, got {type(content).__name__}"
        )
    if not isinstance(content, list | tuple):
        return Arrays(content, count=None)
    shapes = [np.shape(member) for member in content]
    for number, (member, shape) in enumerate(zip(content, shapes, strict=True)):
        _check_shape(member, shape, number)
    return Arrays(content, count=sum(shape[0] if len(shape) == 4 else 1 for shape in shapes))


def _load(stream: Iterator[Any], start: int) -> Generator[Loaded, None, None]:
    """Yield the images of a stream of batches or images from index `start` on."""
    first = 0  # index of the first image of the batch
    for batch in _checked_batches(stream):
        for offset in range(max(0, start - first), len(batch)):
            yield Loaded(index=first + offset, image=batch[offset])
        first += len(batch)


def _checked_batches(stream: Iterator[Any]) -> Iterator[HostArray]:
    """Yield each member of a stream as a batch, (b, h, w, 3) uint8 or float32."""
    expected = ""
    for number, member in enumerate(stream):
        array = _checked(member, number)
        form = form_of(array)
        expected = expected or form
        if form != expected:
            raise ValueError(f"content[{number}]: expected {expected} as in content[0], got {form}")
        yield array if array.ndim == 4 else array[None]


def _check_shape(member: Any, shape: tuple[int, ...], number: int) -> None:
    """Check that a member of the content is an RGB image or a batch of them."""
    if len(shape) not in (3, 4) or not is_rgb(shape):
        what = f"shape {shape}" if shape else type(member).__name__
        raise ValueError(
            f"content[{number}]: expected RGB images (h, w, 3) or (b, h, w, 3), {checks.PIXELS}, "
            f"got {what}"
        )


def _checked(member: Any, number: int) -> HostArray:
    """Return a member of the content as uint8 or float32 after checking it."""
    array = np.asarray(member)
    _check_shape(member, array.shape, number)
    return checks.pixels(f"content[{number}]", array)
