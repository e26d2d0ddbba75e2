"""The images of data sets with random access: TensorFlow Datasets, Grain, Hugging Face."""

import contextlib
import dataclasses
import io
import os
from collections.abc import Generator, Mapping, Sequence
from typing import Any, Literal, Protocol

from jatlas.collect._decode import decode, decoder, fit_image, out_of_resources
from jatlas.collect._preprocess import Preprocess
from jatlas.collect._source import Loaded, check_load
from jatlas.types import HostArray, checks, one_line

_TRIED = 16  # records that are looked at before a run starts


class RandomAccess(Protocol):
    """Records by number: a list of dicts, a TFDS data source, a Grain MapDataset and the like."""

    def __len__(self) -> int:
        """Return the number of records."""

    def __getitem__(self, index: Any, /) -> Any:
        """Return one record, a mapping; None if it has been filtered out."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Dataset:
    """The images of a data set; made by `dataset` and `tfds`.

    Attributes:
      content: the records.
      preprocess: how each image becomes a square.
      image: key of the image in a record.
      title: name of the data set; one line.
      version: identifies the content; None if nothing does.

    Raises:
      ValueError: if there are no records, or the title is not one line.
    """

    content: RandomAccess
    preprocess: Preprocess = dataclasses.field(default_factory=Preprocess)
    image: str = "image"
    title: str = "dataset"
    version: str | None = None

    def __post_init__(self) -> None:
        kind = type(self.content)
        if isinstance(self.content, Mapping | str | bytes) or not (
            hasattr(kind, "__len__") and hasattr(kind, "__getitem__")
        ):
            raise ValueError(
                "content: expected records that can be counted and read by number, got "
                f"{kind.__name__}"
            )
        if len(self.content) == 0:
            raise ValueError("content: expected records, got none")
        for name in ("image", "title", "version"):
            checks.field(self, name, checks.text, optional=name == "version")

    @property
    def count(self) -> int:
        """Number of records."""
        return len(self.content)

    def name(self, index: int) -> str:
        """Return the title of the data set and the number of the record."""
        return f"{self.title}/{index}"

    def fingerprint(self) -> dict[str, Any] | None:
        """Return what identifies the images; None without a version."""
        if self.version is None:
            return None
        return {
            "kind": "dataset",
            "version": self.version,
            "count": self.count,
            "image": self.image,
            "preprocess": dataclasses.asdict(self.preprocess),
            "decoder": decoder(),
        }

    def load(self, start: int = 0, *, workers: int = 2) -> Generator[Loaded, None, None]:
        """Yield every image from index `start` on, in order.

        Args:
          start: index of the first record to read.
          workers: unused, as records may not allow reading from several threads; every source has
            it.

        Returns:
          A generator of (size, size, 3) uint8 images, with the reason in place of one that cannot
          be used.

        Raises:
          ValueError: if `start` is negative, `workers` is less than 1, the size is not known, or
            the first record has no such key.
        """
        check_load(start, workers)
        _ = self.preprocess.side  # checked before the first image is asked for
        self._check_first()
        return self.reload(range(start, len(self.content)))

    def reload(self, indices: Sequence[int], *, workers: int = 2) -> Generator[Loaded, None, None]:
        """Yield the images of some records, in the order of the indices."""
        check_load(0, workers)
        _ = self.preprocess.side  # checked before the first image is asked for
        return (self._load_one(index) for index in indices)

    def _check_first(self) -> None:
        """Raise ValueError if some of the first records can be read, but none has an image."""
        problems = []
        for index in range(min(len(self.content), _TRIED)):
            with contextlib.suppress(Exception):  # of any kind, as records are anything
                if (record := self.content[index]) is None:
                    continue
                problem = self._problem(record)
                if problem is None:
                    return
                problems.append(problem)
        if problems:  # else what is wrong with each is said as it is loaded
            raise ValueError(problems[0])

    def _problem(self, record: Any) -> str | None:
        """Return why a record has no image, None if it has one."""
        if record is None:  # Grain's `filter` keeps the numbers of the others
            return "no record: filtered out"
        if not isinstance(record, Mapping):
            return f"content: expected records by key, got {type(record).__name__}"
        if self.image not in record:
            return f"image: expected one of {sorted(map(str, record))}, got {self.image!r}"
        return None

    def _load_one(self, index: int) -> Loaded:
        """Read the image of one record."""
        try:
            record = self.content[index]
            if problem := self._problem(record):
                return Loaded(index=index, image=None, error=problem)
            pixels = _fit(record[self.image], self.preprocess)
        except Exception as error:  # a record may be anything, and one must not end a run
            if out_of_resources(error):
                raise
            return Loaded(index=index, image=None, error=one_line(error))
        return Loaded(index=index, image=pixels)


def _fit(image: Any, preprocess: Preprocess) -> HostArray:
    """Fit the image of a record to the square, decoded if it is the content of a file."""
    if isinstance(image, Mapping) and "bytes" in image:  # Hugging Face, with decode=False
        image = image["bytes"]
    if isinstance(image, bytes):
        return decode(io.BytesIO(image), preprocess=preprocess)
    return fit_image(image, preprocess=preprocess)


def dataset(
    content: RandomAccess,
    *,
    size: int | None = None,
    fit: Literal["crop", "squash"] = "crop",
    image: str = "image",
    title: str = "dataset",
    version: str | None = None,
) -> Dataset:
    """Use the images of a data set whose records are read by number.

    Args:
      content: has a length and returns a mapping for each number: a list of dicts, a Grain
        MapDataset, a Hugging Face Dataset. The image in a record is (h, w, 3) uint8 of any size,
        a Pillow image, or the bytes of an image file. A record that cannot be read is passed over
        and named.
      size: side of the square that each image becomes, in pixels; None means that of the images
        of the network that they are used with.
      fit: how it becomes one; see `Preprocess`.
      image: key of the image in a record.
      title: name of the data set in the atlas.
      version: names the content, such as "flowers 1.2 train": equal versions mean equal images.
        Without it, results are not reused.

    Returns:
      The source; nothing is read yet.

    Raises:
      ValueError: if there are no records, the title is not one line, or another argument is out
        of range.

    Example:
      >>> import numpy as np
      >>> records = [{"image": np.zeros((40, 30, 3), np.uint8), "label": 7}]
      >>> source = dataset(records, size=16, title="flowers")
      >>> [(source.name(item.index), item.image.shape) for item in source.load()]
      [('flowers/0', (16, 16, 3))]
      >>> source.fingerprint() is None
      True
    """
    return Dataset(
        content=content,
        preprocess=Preprocess(size=size, fit=fit),
        image=image,
        title=title,
        version=version,
    )


def tfds(
    name: str,
    *,
    split: str,
    size: int | None = None,
    fit: Literal["crop", "squash"] = "crop",
    image: str = "image",
    data_dir: str | os.PathLike[str] | None = None,
) -> Dataset:
    """Use the images of a TensorFlow Dataset, such as "imagenet_v2".

    Needs the extra `tfds`. The data set is downloaded and prepared if it is not on disk, as
    array_record files. Reading them does not need TensorFlow; preparing some data sets does.

    Args:
      name: name of the data set in TFDS.
      split: which part of it, "train[:10%]" for example.
      size: side of the square that each image becomes, in pixels; None means that of the images
        of the network that they are used with.
      fit: how it becomes one; see `Preprocess`.
      image: key of the image in a record.
      data_dir: folder of data sets; None means TFDS's own.

    Returns:
      The source, whose version is the full name of the data set and the split; no image is read
      yet.

    Raises:
      ImportError: if tensorflow-datasets is not installed.
      ValueError: if there are no records, or an argument is out of range.
    """
    try:
        import tensorflow_datasets
    except ImportError as error:
        raise ImportError(
            "TensorFlow Datasets is not installed: pip install 'jatlas[tfds]'"
        ) from error
    Preprocess(size=size, fit=fit)  # checked before anything is downloaded
    folder = None if data_dir is None else os.fspath(data_dir)
    content = tensorflow_datasets.data_source(name, split=split, data_dir=folder)
    return dataset(
        content,
        size=size,
        fit=fit,
        image=image,
        title=f"{name}:{split}",
        version=f"{content.dataset_info.full_name}:{split}",
    )
