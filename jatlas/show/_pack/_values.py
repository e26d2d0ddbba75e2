"""Texts of a table as numbers, or as categories."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from jatlas.show._pack._table import Table
from jatlas.types import HostArray, checks

_CATEGORIES = 256
_LETTERS = 200  # of a category


class Values(NamedTuple):
    """The values of a column.

    Attributes:
      kind: "number" or "category".
      values: float64, NaN where there is none; or int64 numbers of categories, -1 where there is
        none.
      vocabulary: the categories, sorted; None for numbers.
    """

    kind: str
    values: HostArray
    vocabulary: list[str] | None

    @property
    def missing(self) -> float:
        """What stands where there is no value."""
        return math.nan if self.vocabulary is None else -1


def parse_values(table: Table, name: str) -> Values:
    """Return the values of a column: numbers if all texts are, else categories.

    Args:
      table: the table.
      name: of the column. Empty texts are no values, nor is "nan" among numbers.

    Raises:
      ValueError: if there is no value, a number is not finite in single precision, or there are
        too many or too long texts; the message names the file and the line.
    """
    place = table.header.index(name)
    texts = [row[place].strip() for row in table.rows]
    numbers = [_as_number(text) for text in texts]
    other = next((i for i, x in enumerate(numbers) if x is None), None)
    if other is not None:
        return _categories(table, name, texts, other)
    values = np.array(numbers, np.float64)
    if np.isnan(values).all():
        raise ValueError(f"{table.path}: {name}: expected values, got none")
    beyond = np.abs(values) > np.finfo(np.float32).max
    if beyond.any():
        row = int(np.argmax(beyond))
        raise table.error(row, f"{name}: expected a finite number, got {checks.shown(texts[row])}")
    return Values("number", values, None)


def _as_number(text: str) -> float | None:
    """Return a number, NaN for no value; None for a text."""
    if not text:
        return math.nan
    try:
        return float(text) if "_" not in text else None
    except ValueError:
        return None


def _categories(table: Table, name: str, texts: list[str], first: int) -> Values:
    vocabulary = sorted(set(texts) - {""})
    if len(vocabulary) > _CATEGORIES:
        raise table.error(
            first,
            f"{name}: expected numbers, or at most {_CATEGORIES} different texts, "
            f"got {len(vocabulary)}, such as {checks.shown(texts[first])}",
        )
    for row, text in enumerate(texts):
        if len(text) > _LETTERS:
            raise table.error(row, f"{name}: expected at most {_LETTERS} letters, got {len(text)}")
    index = {text: number for number, text in enumerate(vocabulary)}
    return Values("category", np.array([index.get(x, -1) for x in texts], np.int64), vocabulary)
