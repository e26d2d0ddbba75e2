"""What images are labelled with: by their folders, by a table, by the records of a data set."""

import csv
from collections.abc import Sequence
from pathlib import Path

from jatlas.collect._records import RandomAccess
from jatlas.types import checks

_COLUMNS = ["image", "label"]


def folder_labels(names: Sequence[str]) -> tuple[str, ...]:
    """Return the folder that each image is in.

    Args:
      names: of the images, as a folder source names them: paths with "/".

    Raises:
      ValueError: if an image is in no folder, or all are in one.

    Example:
      >>> folder_labels(["train/cat/1.jpg", "train/dog/7.jpg"])
      ('cat', 'dog')
    """
    labels = tuple(name.split("/")[-2] if "/" in name else "" for name in names)
    if "" in labels:
        raise ValueError(
            "labels: expected images in a folder for each class, "
            f"{names[labels.index('')]!r} is in none"
        )
    if len(set(labels)) < 2:
        raise ValueError(
            f"labels: expected a folder for each class, all images are in {labels[0]!r}"
            if labels
            else "labels: there are no images"
        )
    return labels


def read_labels(path: str | Path, names: Sequence[str]) -> tuple[str | None, ...]:
    """Read labels from a CSV file with the columns image and label; further columns are ignored.

    Args:
      path: the file, UTF-8.
      names: of the images; the file may name them in any order, and need not name all.

    Returns:
      The label of each image, None for those that the file does not name.

    Raises:
      OSError: if the file cannot be read.
      ValueError: if it is no such table, names an image twice, or names none of them.
    """
    lines = csv.reader(Path(path).read_text(encoding="utf-8-sig").splitlines())
    if (first := next(lines, [])[:2]) != _COLUMNS:
        raise ValueError(f"{path}: expected the columns {','.join(_COLUMNS)}, got {first}")
    table: dict[str, str] = {}
    for line in lines:
        if not line:
            continue
        if len(line) < 2 or not line[1]:
            raise ValueError(f"{path}: expected an image and its label, got {checks.shown(line)}")
        if line[0] in table:
            raise ValueError(f"{path}: names {line[0]!r} twice")
        table[line[0]] = line[1]
    if not table.keys() & set(names):
        known = f", such as {names[0]!r}" if names else ""
        raise ValueError(f"{path}: names none of the {len(names)} images{known}")
    return tuple(table.get(name) for name in names)


def record_labels(
    records: RandomAccess, *, label: str = "label", names: Sequence[str] = ()
) -> tuple[str | None, ...]:
    """Return the labels that the records of a data set hold.

    Args:
      records: as for `dataset`; all of them are read.
      label: key of the label in a record, a text or an index of `names`.
      names: of the classes, `info.features["label"].names` in TensorFlow Datasets.

    Raises:
      ValueError: if a record has no such key, or an index has no name.

    Example:
      >>> record_labels([{"label": 1}, {"label": 0}], names=["cat", "dog"])
      ('dog', 'cat')
    """
    found: list[str | None] = []
    for number in range(len(records)):
        record = records[number]
        if record is None:  # filtered out
            found.append(None)
            continue
        if label not in record:
            raise ValueError(f"label: expected one of {sorted(map(str, record))}, got {label!r}")
        value = record[label]
        if isinstance(value, str | bytes):
            found.append(value.decode() if isinstance(value, bytes) else value)
            continue
        index = checks.whole(f"record {number}: {label}", int(value), minimum=0)
        if names and index >= len(names):
            raise ValueError(f"record {number}: expected a label below {len(names)}, got {index}")
        found.append(names[index] if names else f"class {index}")
    return tuple(found)
