"""Images in ArrayRecord files, as Grain and TensorFlow Datasets write them."""

import bisect
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from jatlas.collect._datasets import Dataset
from jatlas.collect._files import Paths, files_identity, find_files, short_names
from jatlas.collect._preprocess import Preprocess
from jatlas.collect._records import LABEL, FileRecords, checked_classes
from jatlas.types import checks, is_url, one_line

_KIND = "ArrayRecord files"
_IMAGES = ("image", "image/encoded")  # in TFDS, and in ImageNet's records
_PICKLE = 0x80  # the first byte of a pickle, of an Example, and of no format of images
_EXAMPLE = 0x0A


class ArrayRecords(FileRecords):
    """The records of ArrayRecord files.

    Attributes:
      paths: the files.
    """

    def __init__(self, paths: Sequence[Path], *, image: str | None, label: str | None) -> None:
        """Count the records.

        Raises:
          ImportError: if array_record is not installed.
          ValueError: if a file is no ArrayRecord file.
        """
        try:
            from array_record.python.array_record_data_source import ArrayRecordDataSource
        except ImportError as error:
            raise ImportError(
                "ArrayRecord is not installed: pip install 'jatlas[arrayrecord]'; it does not "
                "exist for Windows"
            ) from error
        self.paths, self._image, self._label = tuple(paths), image, label
        self._names = short_names(self.paths)
        counts = []
        for path in self.paths:
            try:
                counts.append(len(ArrayRecordDataSource(str(path))))
            except Exception as error:  # of the library's own kinds
                raise ValueError(
                    f"paths: expected {_KIND}, got {str(path)!r}: {one_line(error)}"
                ) from error
        self._content = ArrayRecordDataSource([str(path) for path in self.paths])
        self._ends = [sum(counts[: number + 1]) for number in range(len(counts))]

    def __len__(self) -> int:
        """Return the number of records."""
        return self._ends[-1]

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Read a record: its image, and its label if it has one."""
        return self._parse(self._content[index])

    def name(self, index: int) -> str:
        """Return the name of the file and the number of the record in it."""
        number = bisect.bisect_right(self._ends, index)
        return f"{self._names[number]}/{index - (self._ends[number - 1] if number else 0)}"

    def identity(self) -> dict[str, Any]:
        """Return digests of the files and which of their features are used."""
        which = {"image": self._image, "label": self._label}
        return {"array_record": files_identity(self.paths, self._names) | which}

    def _parse(self, content: bytes) -> dict[str, Any]:
        """Return the image and the label of a record."""
        first = content[0] if content else None
        if first == _PICKLE:
            raise ValueError(
                "a pickle, which may run any code and is not read: read the files with Grain, "
                "and pass the data set to jatlas.dataset"
            )
        if first != _EXAMPLE:  # nothing but an image
            return {"image": content}
        from jatlas.collect._example import read_example

        record = read_example(content)
        keys = _IMAGES if self._image is None else (self._image,)
        image = next((key for key in keys if key in record), None)
        if image is None:
            raise ValueError(f"image: expected one of {sorted(record)}, got {keys[0]!r}")
        label = record.get(LABEL if self._label is None else self._label)
        return {"image": record[image]} | ({} if label is None else {"label": label})


def array_record(
    paths: Paths,
    *,
    size: int | None = None,
    fit: Literal["crop", "squash"] = "crop",
    image: str | None = None,
    label: str | None = None,
    classes: Sequence[str] = (),
    limit: int | None = None,
) -> Dataset:
    """Use the images in ArrayRecord files.

    Needs the extra `arrayrecord`. A record is the bytes of an image file, or a tf.train.Example
    that holds them, as in the files of TensorFlow Datasets; TensorFlow is not needed. A pickle is
    not read; for records of another kind, pass a Grain `MapDataset` that parses them to `dataset`.
    A record that cannot be read is passed over and named.

    Args:
      paths: a file, a pattern such as "data/*.array_record", or several.
      size: side of the square that each image becomes, in pixels; None means that of the images
        of the network that they are used with.
      fit: how it becomes one; see `Preprocess`.
      image: name of the feature that holds the image; None takes "image", else "image/encoded".
      label: name of the feature that holds the label, a text or the number of a class; None takes
        "label".
      classes: names of the classes, for labels that are numbers. Without them, those of the file
        LABEL.labels.txt that TFDS writes beside its records, else "class 7".
      limit: maximum number of records, taken at even distances over all of them.

    Returns:
      The source. Its images are named after the file and the number of the record in it.

    Raises:
      ImportError: if array_record is not installed.
      ValueError: if there is no such file, one is no ArrayRecord file, there are no records, or
        another argument is out of range.
    """
    preprocess = Preprocess(size=size, fit=fit)
    for name, value in (("image", image), ("label", label)):
        if value is not None:
            checks.text(name, value)
    for path in [paths] if isinstance(paths, str | os.PathLike) else paths:
        if is_url(path):
            raise ValueError(f"paths: expected {_KIND} here, got {path!r}: copy them first")
    files = [Path(path) for path in find_files(paths, kind=_KIND)]
    return Dataset(
        content=ArrayRecords(files, image=image, label=label),
        preprocess=preprocess,
        classes=checked_classes(classes) or _named(files, label or LABEL),
        limit=limit,
        title="records",
    )


def _named(files: Sequence[Path], label: str) -> tuple[str, ...]:
    """Return the names of the classes that TFDS keeps beside its records; none without them."""
    path = files[0].parent / f"{label.replace('/', '-')}.labels.txt"
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return ()
    return tuple(line.strip() for line in lines if line.strip())
