"""Records that hold an image each, and perhaps a label: what they may be, and how one is read."""

import dataclasses
import hashlib
import io
import json
import operator
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from jatlas.collect._decode import decode, fit_image, out_of_resources
from jatlas.collect._preprocess import Preprocess
from jatlas.collect._source import Loaded
from jatlas.types import HostArray, checks, one_line

LABEL = "label"
"""The key of labels in TensorFlow Datasets, Hugging Face and most else."""

_NUMBER = re.compile(r"-?[0-9]{1,9}")


class RandomAccess(Protocol):
    """Records by number: a list of dicts, a TFDS data source, a Grain MapDataset and the like."""

    def __len__(self) -> int:
        """Return the number of records."""

    def __getitem__(self, index: Any, /) -> Any:
        """Return one record, a mapping; None if it has been filtered out."""


class FileRecords(ABC):
    """Records by number that are in files; several threads may read them.

    Attributes:
      unusable: (name, reason) of what was found in the files but is no record.
    """

    unusable: tuple[tuple[str, str], ...] = ()

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of records."""

    @abstractmethod
    def __getitem__(self, index: int) -> Mapping[str, Any]:
        """Return one record."""

    @abstractmethod
    def name(self, index: int) -> str:
        """Return the name of a record for people to read: one line of UTF-8 text."""

    @abstractmethod
    def identity(self) -> dict[str, Any]:
        """Return what tells the records from others, as JSON values; it reads every file."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class RecordForm:
    """Where the image and the label of a record are.

    Attributes:
      image: key of the image.
      label: key of the label; None takes "label", where a record has it.
      classes: names of the classes, for labels that are numbers.
    """

    image: str = "image"
    label: str | None = None
    classes: tuple[str, ...] = ()

    def problem(self, record: Any, *, keys: Sequence[str] = ("image", "label")) -> str | None:
        """Return what a record lacks, an image or a label; None if nothing."""
        if record is None:  # Grain's `filter` keeps the numbers of the others
            return "no record: filtered out"
        if not isinstance(record, Mapping):
            return f"content: expected records by key, got {type(record).__name__}"
        for name in keys:
            key = getattr(self, name)
            if key is not None and key not in record:
                return f"{name}: expected one of {sorted(map(str, record))}, got {key!r}"
        return None

    def read(self, index: int, record: Any, *, preprocess: Preprocess) -> Loaded:
        """Return the image of a record as a square, with its label, or why there is none."""
        try:
            if problem := self.problem(record, keys=("image",)):
                return Loaded(index=index, image=None, error=problem)
            pixels = _fit(record[self.image], preprocess)
            label = label_text(record.get(self.label or LABEL), self.classes)
        except Exception as error:  # a record may be anything, and one must not end a run
            return unreadable(index, error)
        return Loaded(index=index, image=pixels, label=label)

    def identity(self) -> dict[str, Any]:
        """Return what decides which image and which label of a record is used."""
        names = hashlib.sha256("\n".join(self.classes).encode()).hexdigest()
        return {"image": self.image, "label": self.label, "classes_sha256": names}


def unreadable(index: int, error: Exception) -> Loaded:
    """Return what stands for a record that raised an exception.

    Raises:
      Exception: the same one, if every record after it would raise it too.
    """
    if out_of_resources(error):
        raise error
    return Loaded(index=index, image=None, error=one_line(error))


def _fit(image: Any, preprocess: Preprocess) -> HostArray:
    """Fit the image of a record to the square, decoded if it is the content of a file."""
    if isinstance(image, Mapping) and "bytes" in image:  # Hugging Face, with decode=False
        image = image.get("path") if image["bytes"] is None else image["bytes"]
    if isinstance(image, str):
        return decode(image, preprocess=preprocess)
    if isinstance(image, bytes):
        return decode(io.BytesIO(image), preprocess=preprocess)
    return fit_image(image, preprocess=preprocess)


def label_text(value: Any, classes: Sequence[str] = ()) -> str | None:
    """Return the label of a record as a text; None for what is no label.

    Args:
      value: a text, or the number of a class; -1 stands for an unknown one.
      classes: their names; with them, a text that is a number is one.

    Example:
      >>> label_text(1, ["cat", "dog"]), label_text(7), label_text(b"red fox"), label_text(-1)
      ('dog', 'class 7', 'red fox', None)
      >>> label_text(b"1", ["cat", "dog"]), label_text("1")
      ('dog', '1')
    """
    if isinstance(value, bytes):
        value = value.decode("utf-8", errors="replace")
    if isinstance(value, str):
        text = " ".join(value.encode("utf-8", errors="replace").decode().split())
        if not (classes and text not in classes and _NUMBER.fullmatch(text)):
            return text or None
        value = int(text)  # WebDataset's own reader gives numbers as text
    try:
        number = operator.index(value)
    except TypeError:  # of several classes, say
        return None
    if number < 0:
        return None
    return classes[number] if number < len(classes) else f"class {number}"


def class_names(content: Any, label: str) -> tuple[str, ...]:
    """Return the names of the classes that a data set knows; none if it knows none.

    Args:
      content: a data set of Hugging Face, which has `features`, or of TFDS, which has them in its
        `dataset_info`.
      label: key of the labels.
    """
    for owner in (content, getattr(content, "dataset_info", None)):
        try:
            names = getattr(owner, "features", {})[label].names
        except (AttributeError, KeyError, TypeError, ValueError):
            continue
        if names:
            return tuple(map(str, names))
    return ()


def text_of_label(content: bytes, *, key: str | None) -> Any:
    """Return the label that a small file beside an image holds: a text, or a number.

    Args:
      content: of the file; what is not one is no label.
      key: of the label in a JSON object; None if the file holds nothing but the label.

    Example:
      >>> text_of_label(b"7", key=None), text_of_label(b'{"label": "cat"}', key="label")
      (7, 'cat')
    """
    if key is not None:
        try:
            value = json.loads(content)
        except ValueError:
            return None
        return value.get(key) if isinstance(value, dict) else None
    text = content.decode("utf-8", errors="replace").strip()
    return int(text) if _NUMBER.fullmatch(text) else text


def checked_classes(classes: Any) -> tuple[str, ...]:
    """Return names of classes, or raise ValueError."""
    names = checks.as_tuple(classes)
    if names is None:
        raise ValueError(f"classes: expected a list of names, got {checks.shown(classes)}")
    return tuple(checks.text("classes", name) for name in names)
