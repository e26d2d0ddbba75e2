"""Take the images of a data set that hands out records by number: TFDS, Grain, Hugging Face."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, Protocol

import numpy as np

from jatlas.collect._decode import ImageError, Preprocess, from_array
from jatlas.collect._source import Loaded, check_load


class RandomAccess(Protocol):
    """Records by number: a list of them, a TFDS data source, and the like."""

    def __len__(self) -> int:
        """Return how many records there are."""

    def __getitem__(self, index: Any, /) -> Mapping[str, Any]:
        """Return one record."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Records:
    """The images of a data set; made by `records` and `tfds`.

    Attributes:
      content: the records.
      preprocess: how images become squares.
      image: the key of the image in a record.
      title: what to call the data set.
    """

    content: RandomAccess
    preprocess: Preprocess
    image: str
    title: str

    @property
    def count(self) -> int:
        """How many images there are."""
        return len(self.content)

    def name(self, index: int) -> str:
        """Return the data set's name and the number of the record."""
        return f"{self.title}/{index}"

    def fingerprint(self) -> dict[str, Any]:
        """Return the data set's name, what is taken of its records, and the preprocessing."""
        return {
            "records": self.title,
            "count": self.count,
            "image": self.image,
            "preprocess": dataclasses.asdict(self.preprocess),
        }

    def load(self, start: int = 0, *, workers: int = 2) -> Iterator[Loaded]:
        """Yield every image from index `start` on, in order.

        Args:
          start: index of the first image to yield.
          workers: not used: what hands out the records decides. Here because every source has it.

        Returns:
          An iterator of (size, size, 3) uint8 images.

        Raises:
          ValueError: if `start` is negative or `workers` is less than 1; and, on the way, if a
            record has no such image.
        """
        check_load(start, workers)
        return (self._load_one(index) for index in range(start, len(self.content)))

    def reload(self, indices: Sequence[int], *, workers: int = 2) -> Iterator[Loaded]:
        """Yield the images of some indices, in their order."""
        del workers
        return (self._load_one(index) for index in indices)

    def _load_one(self, index: int) -> Loaded:
        """Take the image out of one record."""
        record = self.content[index]
        if self.image not in record:
            raise ValueError(f"image: expected one of {sorted(record)}, got {self.image!r}")
        try:
            pixels = from_array(np.asarray(record[self.image]), preprocess=self.preprocess)
        except ImageError as error:
            return Loaded(index=index, image=None, error=str(error))
        return Loaded(index=index, image=pixels)


def records(
    content: RandomAccess,
    *,
    size: int = 224,
    fit: Literal["crop", "squash"] = "crop",
    image: str = "image",
    title: str = "records",
) -> Records:
    """Take the images of a data set that hands out records by number.

    Args:
      content: has a length, and gives a mapping for each number; the image in it is
        (h, w, 3) uint8 of any size.
      size: side of the square that each image becomes, in pixels.
      fit: how it becomes one; see `Preprocess`.
      image: the key of the image in a record.
      title: what to call the data set in the atlas.

    Returns:
      The images; none is decoded yet.

    Raises:
      ValueError: if there are no records, or an argument is out of range.
    """
    if len(content) == 0:
        raise ValueError("content: expected records, got none")
    return Records(
        content=content, preprocess=Preprocess(size=size, fit=fit), image=image, title=title
    )


def tfds(
    name: str,
    *,
    split: str,
    size: int = 224,
    fit: Literal["crop", "squash"] = "crop",
    image: str = "image",
    data_dir: str | None = None,
) -> Records:
    """Take the images of a TensorFlow Dataset, such as "imagenet_v2".

    Needs the extra `tfds`. The data set is downloaded and prepared if it is not there, as
    array_record files. To read them takes no TensorFlow; to prepare some data sets does.

    Args:
      name: of the data set, as TFDS has it.
      split: which part, "train[:10%]" for example.
      size: side of the square that each image becomes, in pixels.
      fit: how it becomes one; see `Preprocess`.
      image: the key of the image in a record.
      data_dir: where data sets are; None means TFDS's own folder.

    Returns:
      The images; none is decoded yet.

    Raises:
      ImportError: if tensorflow-datasets is not installed.
      ValueError: if there are no records, or an argument is out of range.
    """
    try:
        import tensorflow_datasets
    except ImportError as error:
        raise ImportError("TensorFlow Datasets is not here: pip install 'jatlas[tfds]'") from error
    content = tensorflow_datasets.data_source(name, split=split, data_dir=data_dir)
    return records(content, size=size, fit=fit, image=image, title=f"{name}:{split}")
