"""A stream of synthetic images that `jatlas.build` can collect from."""

import itertools
from collections.abc import Generator, Sequence
from typing import Any

import jax
import numpy as np

from jatlas.collect import Loaded, select
from jatlas.synthetic._draw import CLASSES, batch, check_size, class_indices
from jatlas.types import Key, as_key, checks

_MAX_COUNT = 2**31 - 1  # images are numbered in int32
_BLOCK = 64  # images drawn at once: small blocks fit in the cache, 7 MB of pixels at 96 px


class Synthetic:
    """A source of synthetic images of each class in turn, drawn in blocks on demand.

    Image i is number `i // len(classes)` of class `classes[i % len(classes)]`. It depends on the
    key, the size, the classes and i, not on where loading starts.

    Attributes:
      count: number of images.
      size: their side in pixels.
      key: seeds them.
      classes: indices of their classes in `CLASSES`.

    Example:
      >>> source = Synthetic(6, key=jax.random.key(0), classes=("star", "car"))
      >>> source.name(3)
      'car 1'
    """

    def __init__(
        self, count: int, *, key: Key, size: int = 96, classes: Sequence[int | str] = CLASSES
    ) -> None:
        """Describe the images; none is drawn yet.

        Args:
          count: number of images.
          key: seeds them.
          size: their side in pixels, from 16 to 4096.
          classes: names or indices of their classes.

        Raises:
          ValueError: if `count` or `size` is out of range, or a class is unknown or repeated.
        """
        self.count = checks.whole("count", count, maximum=_MAX_COUNT, unit="image")
        self.size = check_size(size)
        self.key = as_key(key)
        self.classes = class_indices(classes)

    def name(self, index: int) -> str:
        """Return the class of an image and its number within the class, such as "star 12".

        Raises:
          ValueError: if there is no such image.
        """
        return f"{CLASSES[self.label(index)]} {index // len(self.classes)}"

    def label(self, index: int) -> int:
        """Return the class of an image as an index of `CLASSES`.

        Raises:
          ValueError: if there is no such image.
        """
        return self.classes[self._checked(index) % len(self.classes)]

    def fingerprint(self) -> dict[str, Any]:
        """Return what determines the images, as JSON values."""
        return {
            "kind": "synthetic",
            "count": self.count,
            "size": self.size,
            "key": np.asarray(jax.random.key_data(self.key)).tolist(),
            "classes": [CLASSES[index] for index in self.classes],
        }

    def load(self, start: int = 0, *, workers: int = 2) -> Generator[Loaded, None, None]:
        """Yield every image from index `start` on, in order.

        Args:
          start: index of the first image to yield.
          workers: unused, as XLA has its own threads; every source has this argument.

        Returns:
          A generator of (size, size, 3) float32 images in [0, 1].

        Raises:
          ValueError: if `start` is negative.
        """
        del workers
        expected = "the index of an image, 0 or more"
        return self._load(checks.whole("start", start, minimum=0, expected=expected))

    def reload(self, indices: Sequence[int], *, workers: int = 2) -> Generator[Loaded, None, None]:
        """Yield the images with ascending indices, drawing only the blocks that contain them.

        Raises:
          ValueError: if there is no such image.
        """
        del workers
        return self._reload([self._checked(index) for index in indices])

    def _reload(self, indices: list[int]) -> Generator[Loaded, None, None]:
        for first, group in itertools.groupby(
            indices, key=lambda index: index - index % self._block
        ):
            yield from select(self._load(first), list(group))

    def _checked(self, index: int) -> int:
        return checks.whole("index", index, minimum=0, maximum=self.count - 1)

    @property
    def _block(self) -> int:
        """Images in a block."""
        return max(1, _BLOCK // len(self.classes)) * len(self.classes)

    def _load(self, start: int) -> Generator[Loaded, None, None]:
        """Yield images block by block; blocks always start at the same images."""
        block = self._block
        for first in range(start - start % block, self.count, block):
            drawn = batch(
                key=self.key,
                per_class=block // len(self.classes),
                size=self.size,
                first=first // len(self.classes),
                classes=self.classes,
            )
            pixels = np.asarray(drawn.pixels)
            for index in range(max(first, start), min(first + block, self.count)):
                yield Loaded(index=index, image=pixels[index - first])
