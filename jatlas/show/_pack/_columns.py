"""A user's own values of images, samples or cells."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from jatlas.show._encode import packed
from jatlas.show._pack._part import Part, json_part
from jatlas.show._pack._samples import Placed
from jatlas.show._pack._source import Source
from jatlas.show._pack._table import Table, read_table
from jatlas.show._pack._values import Values, parse_values
from jatlas.types import HostArray, checks

_CELL = ("map", "grid", "row", "column")
_KEYS = "image, or sample, or map,grid,row,column"

Place = tuple[str, int]
"""Where a row of a table belongs: the name of an array of values, and the number in it."""


class _Key(NamedTuple):
    """What the rows of a table are about.

    Attributes:
      of: "image", "sample" or "cell".
      columns: of the table that name it.
      find: returns the place of a row by the texts of these columns; raises ValueError.
      lengths: by name of an array, how many values it has.
      stride: every so many values are kept.
    """

    of: str
    columns: tuple[str, ...]
    find: Callable[[list[str]], Place]
    lengths: dict[str, int]
    stride: int = 1


class Column(NamedTuple):
    """A column of values.

    Attributes:
      manifest: what the manifest says about it.
      part: the values, as the viewer keeps them.
    """

    manifest: dict[str, Any]
    part: dict[str, Any]


def read_columns(
    paths: Sequence[str], sources: list[Source], placed: list[list[Placed | None]]
) -> list[Column]:
    """Read the tables of a user.

    Args:
      paths: of the files.
      sources: the atlases of the page.
      placed: their samples.

    Raises:
      OSError: if a file cannot be read.
      ValueError: if it is no such table, or names what is not there, or one thing twice; the
        message names the file and the line.
    """
    found: list[Column] = []
    for path in paths:
        table = read_table(path)
        key = _key(table, sources, placed)
        places = _places(table, key)
        names = [name for name in table.header if name not in key.columns]
        if not names:
            raise ValueError(
                f"{table.path}: expected a column of values beside {','.join(key.columns)}, "
                f"got {','.join(table.header)}"
            )
        for name in names:
            if any(name == column.manifest["name"] for column in found):
                raise ValueError(
                    f"{table.path}: expected each column once, got {checks.shown(name)} again"
                )
            found.append(_column(name, parse_values(table, name), places, key))
    return found


def column_parts(columns: list[Column]) -> Iterator[Part]:
    """Yield the values of columns: `c0`, `c1` ..."""
    for number, column in enumerate(columns):
        yield json_part(f"c{number}", column.part)


def _key(table: Table, sources: list[Source], placed: list[list[Placed | None]]) -> _Key:
    """Return what the rows of a table are about."""
    header = set(table.header)
    found = [x for x in (("image",), ("sample",), _CELL) if header.issuperset(x)]
    if len(found) != 1:
        raise ValueError(
            f"{table.path}: expected a header with {_KEYS}, and columns of values, "
            f"got {checks.shown(','.join(table.header))}"
        )
    if found[0] == ("image",):
        return _image_key(sources[0].images)
    if found[0] == ("sample",):
        return _sample_key(table, placed[0])
    return _cell_key(sources)


def _image_key(images: list[str]) -> _Key:
    numbers = {name: number for number, name in enumerate(images)}
    several = {name for name, count in Counter(images).items() if count > 1}

    def find(texts: list[str]) -> Place:
        if texts[0] in several:
            raise ValueError(
                f"image: {checks.shown(texts[0])} is the name of several images: give numbers"
            )
        if texts[0] in numbers:
            return "values", numbers[texts[0]]
        if not texts[0].strip().isdecimal():
            known = f", such as {checks.shown(images[0])}," if images else ""
            raise ValueError(
                f"image: expected the name of an image{known} or its number, "
                f"got {checks.shown(texts[0])}"
            )
        return "values", _number("image", texts[0], len(images))

    return _Key("image", ("image",), find, {"values": len(images)})


def _sample_key(table: Table, placed: list[Placed | None]) -> _Key:
    layer = next((x for x in placed if x is not None and x.places == "a0"), None)
    if layer is None:
        raise ValueError(f"{table.path}: sample: the atlas does not say where samples are from")

    def find(texts: list[str]) -> Place:
        return "values", _number("sample", texts[0], layer.numbered)

    return _Key("sample", ("sample",), find, {"values": layer.numbered}, layer.stride)


def _cell_key(sources: list[Source]) -> _Key:
    maps = [(source, entry) for source in sources for entry in source.maps]
    names = {source.map_id(entry): number for number, (source, entry) in enumerate(maps)}
    grids = {
        (number, grid.size): grid for number, (_, entry) in enumerate(maps) for grid in entry.grids
    }
    cells = {
        key: {cell: place for place, cell in enumerate(grid.cells.tolist())}
        for key, grid in grids.items()
    }

    def find(texts: list[str]) -> Place:
        name, *rest = texts
        if name not in names:
            raise ValueError(f"map: expected one of {', '.join(names)}, got {checks.shown(name)}")
        number = names[name]
        sizes = [size for each, size in grids if each == number]
        size = _number("grid", rest[0], max(sizes) + 1)
        if size not in sizes:
            known = ", ".join(map(str, sorted(sizes)))
            raise ValueError(f"grid: expected one of {known}, got {size}")
        row, column = _number("row", rest[1], size), _number("column", rest[2], size)
        place = cells[number, size].get(row * size + column)
        if place is None:
            raise ValueError(
                f"row, column: expected a cell with an icon, ({row}, {column}) of {name} has none"
            )
        return f"m{number}-g{size}", place

    lengths = {f"m{number}-g{size}": len(grid.cells) for (number, size), grid in grids.items()}
    return _Key("cell", _CELL, find, lengths)


def _number(name: str, text: str, count: int) -> int:
    digits = text.strip()
    if digits.isascii() and digits.isdecimal() and len(digits) < 12 and int(digits) < count:
        return int(digits)
    raise ValueError(f"{name}: expected a number below {count}, got {checks.shown(text)}")


def _places(table: Table, key: _Key) -> list[Place]:
    """Return where each row belongs."""
    columns = [table.header.index(name) for name in key.columns]
    places: dict[Place, int] = {}
    for number, row in enumerate(table.rows):
        texts = [row[column] for column in columns]
        try:
            place = key.find(texts)
        except ValueError as error:
            raise table.error(number, str(error)) from None
        if place in places:
            raise table.error(
                number,
                f"{','.join(key.columns)}: expected each {key.of} once, "
                f"{checks.shown(','.join(texts))} is in {table.where(places[place])} too",
            )
        places[place] = number
    return list(places)


def _column(name: str, values: Values, places: list[Place], key: _Key) -> Column:
    """Put the values of a column where they belong."""
    manifest: dict[str, Any] = {"name": name, "of": key.of, "kind": values.kind}
    if values.vocabulary is None:
        low, high = np.nanmin(values.values), np.nanmax(values.values)
        manifest |= {"low": float(low), "high": float(high)}
    else:
        manifest |= {"low": 0, "high": len(values.vocabulary) - 1, "vocabulary": values.vocabulary}
    if key.of == "sample":
        manifest["places"] = "a0"
    rows: dict[str, list[int]] = {}
    for row, (array, _) in enumerate(places):
        rows.setdefault(array, []).append(row)
    part = {}
    for array in sorted(rows, key=list(key.lengths).index):
        full = np.full(key.lengths[array], values.missing, values.values.dtype)
        full[[places[row][1] for row in rows[array]]] = values.values[rows[array]]
        part[array] = packed(_smallest(full[:: key.stride]))
    if key.of == "cell":
        manifest["maps"] = sorted({int(array[1:].split("-")[0]) for array in part})
    return Column(manifest, part)


def _smallest(values: HostArray) -> HostArray:
    """Return whole numbers as such: they take fewer bytes."""
    whole = values.dtype.kind == "f" and np.isfinite(values).all() and (values % 1 == 0).all()
    return values.astype(np.int64) if whole and np.abs(values).max(initial=0) < 2**31 else values
