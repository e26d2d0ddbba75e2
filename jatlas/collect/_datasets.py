"""The images of data sets with random access: those of Grain, TFDS, Hugging Face, and files."""

import contextlib
import dataclasses
from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import Any, Literal

from jatlas.collect._decode import decoder
from jatlas.collect._folder import load_ahead
from jatlas.collect._preprocess import Preprocess
from jatlas.collect._records import (
    LABEL,
    FileRecords,
    RandomAccess,
    RecordForm,
    checked_classes,
    class_names,
    unreadable,
)
from jatlas.collect._source import Loaded, check_load, spread
from jatlas.types import checks, in_order

_TRIED = 16  # records that are looked at before a run starts
_ENDLESS = 2**48  # more records than any data set has: one of Grain that repeats has 2**63

# Records that wait for a thread, per worker: they may hold pictures of any size.
_AHEAD = 4

# Libraries that read their records on several threads themselves.
_ON_THREADS = ("grain", "tensorflow_datasets", "array_record")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Dataset:
    """The images of a data set; made by `dataset`, `tfds`, `tar` and `array_record`.

    Attributes:
      content: the records.
      preprocess: how each image becomes a square.
      image: key of the image in a record.
      label: key of the label in a record; None takes "label", where there is one.
      classes: names of the classes, for labels that are numbers.
      limit: number of records that are used, evenly spread; None means all.
      title: name of the data set; one line.
      version: identifies the content; None if nothing does. Files identify themselves.

    Raises:
      ValueError: if there are no records, or the title is not one line.
    """

    content: RandomAccess | FileRecords
    preprocess: Preprocess = dataclasses.field(default_factory=Preprocess)
    image: str = "image"
    label: str | None = None
    classes: tuple[str, ...] = ()
    limit: int | None = None
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
                + (": pass it to jatlas.stream" if hasattr(kind, "__iter__") else "")
            )
        if len(self.content) == 0:
            raise ValueError("content: expected records, got none")
        if len(self.content) > _ENDLESS:
            raise ValueError("content: expected a data set that ends, got one that repeats")
        for name in ("image", "label", "title", "version"):
            checks.field(self, name, checks.text, optional=name in ("label", "version"))
        object.__setattr__(self, "classes", checked_classes(self.classes))
        checks.field(self, "limit", checks.whole, optional=True)

    @property
    def count(self) -> int:
        """Number of records that are used."""
        return len(self.content) if self.limit is None else min(self.limit, len(self.content))

    @property
    def unusable(self) -> tuple[tuple[str, str], ...]:
        """(name, reason) of what was found in the files but is no record."""
        return self.content.unusable if isinstance(self.content, FileRecords) else ()

    def name(self, index: int) -> str:
        """Return the name of a record, or the title of the data set and its number."""
        row = self._row(index)
        if isinstance(self.content, FileRecords):
            return self.content.name(row)
        return f"{self.title}/{row}"

    def fingerprint(self) -> dict[str, Any] | None:
        """Return what identifies the images; None without a version.

        Files are read once.
        """
        if isinstance(self.content, FileRecords):
            known = self.content.identity()
        elif self.version is not None:
            known = {"version": self.version}
        else:
            return None
        return {
            "kind": "dataset",
            **known,
            "count": self.count,
            "records": len(self.content),
            **self._form.identity(),
            "preprocess": dataclasses.asdict(self.preprocess),
            "decoder": decoder(),
        }

    def load(self, start: int = 0, *, workers: int = 2) -> Generator[Loaded, None, None]:
        """Yield every image from index `start` on, in order, decoding ahead on threads.

        Args:
          start: index of the first record to read.
          workers: number of threads. They also read the records of libraries and files that allow
            it; others are read one by one.

        Returns:
          A generator of (size, size, 3) uint8 images with their labels, with the reason in place of
          one that cannot be used.

        Raises:
          ValueError: if `start` is negative, `workers` is less than 1, the size is not known, or
            the first records have no such key.
        """
        check_load(start, workers)
        _ = self.preprocess.side  # checked before the first image is asked for
        self._check_first()
        return self.reload(range(start, self.count), workers=workers)

    def reload(self, indices: Sequence[int], *, workers: int = 2) -> Generator[Loaded, None, None]:
        """Yield the images of some records, in the order of the indices; no other is read."""
        check_load(0, workers)
        _ = self.preprocess.side  # checked before the first image is asked for
        if _on_threads(self.content):
            return load_ahead(lambda index: self._fit(self._read(index)), indices, workers=workers)
        return in_order(
            self._fit, self._one_by_one(indices),
            workers=workers, ahead=_AHEAD * workers, name="jatlas-images",
        )  # fmt: skip

    @property
    def _form(self) -> RecordForm:
        return RecordForm(image=self.image, label=self.label, classes=self.classes)

    def _row(self, index: int) -> int:
        """Return the number of the record that an index stands for."""
        records, count = len(self.content), self.count
        return index if count == records else spread(index, count, records)

    def _one_by_one(self, indices: Sequence[int]) -> Iterator[tuple[int, Any]]:
        """Yield records, or what stands for one that cannot be read, with their indices."""
        for index in indices:
            yield self._read(index)

    def _read(self, index: int) -> tuple[int, Any]:
        """Return the record of an index, or what stands for one that cannot be read."""
        try:
            return index, self.content[self._row(index)]
        except Exception as error:  # of any kind, as records are anything
            return index, unreadable(index, error)

    def _fit(self, read: tuple[int, Any]) -> Loaded:
        """Return the image of a record that was read."""
        index, record = read
        if isinstance(record, Loaded):
            return record
        return self._form.read(index, record, preprocess=self.preprocess)

    def _check_first(self) -> None:
        """Raise ValueError if some of the first records can be read, but none has an image."""
        problems = []
        for index in range(min(self.count, _TRIED)):
            with contextlib.suppress(Exception):  # of any kind, as records are anything
                if (record := self.content[self._row(index)]) is None:
                    continue
                problem = self._form.problem(record)
                if problem is None:
                    return
                problems.append(problem)
        if problems:  # else what is wrong with each is said as it is loaded
            raise ValueError(problems[0])


def _on_threads(content: Any) -> bool:
    """Return whether records may be read on several threads."""
    if isinstance(content, FileRecords):
        return True
    return any(kind.__module__.split(".")[0] in _ON_THREADS for kind in type(content).__mro__)


def dataset(
    content: RandomAccess,
    *,
    size: int | None = None,
    fit: Literal["crop", "squash"] = "crop",
    image: str = "image",
    label: str | None = None,
    classes: Sequence[str] = (),
    limit: int | None = None,
    title: str = "dataset",
    version: str | None = None,
) -> Dataset:
    """Use the images of a data set whose records are read by number.

    Args:
      content: has a length and returns a mapping for each number: a list of dicts, a Grain
        MapDataset, a Hugging Face Dataset. The image in a record is (h, w, 3) uint8 of any size,
        a Pillow image, or an image file: its bytes or its path. A record that cannot be read is
        passed over and named.
      size: side of the square that each image becomes, in pixels; None means that of the images
        of the network that they are used with.
      fit: how it becomes one; see `Preprocess`.
      image: key of the image in a record.
      label: key of the label in a record, a text or the number of a class; None takes "label",
        where records have it.
      classes: names of the classes, for labels that are numbers. Without them, those that the
        data set's own `features` name, else "class 7".
      limit: maximum number of records, taken at even distances over all of them.
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
      >>> records = [{"image": np.zeros((40, 30, 3), np.uint8), "label": 1}]
      >>> source = dataset(records, size=16, title="pets", classes=["cat", "dog"])
      >>> [(source.name(x.index), x.image.shape, x.label) for x in source.load()]
      [('pets/0', (16, 16, 3), 'dog')]
      >>> source.fingerprint() is None
      True
    """
    return Dataset(
        content=content,
        preprocess=Preprocess(size=size, fit=fit),
        image=image,
        label=label,
        classes=tuple(classes) or class_names(content, label or LABEL),
        limit=limit,
        title=title,
        version=version,
    )
