"""The table of a map as a Parquet file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from jatlas.arrange import Neighbors
from jatlas.show._columns import Column
from jatlas.show._row_pictures import RowPictures
from jatlas.storage import files
from jatlas.types import HostArray

NEIGHBORS, PICTURE = "neighbors", "picture"
_GROUP = 2**16  # rows
_DICTIONARY = 2**27  # bytes of pictures in a group that are written once each


def import_pyarrow() -> Any:
    """Return the package.

    Raises:
      ImportError: if it is not installed; the message says how to install it.
    """
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise ImportError(
            f"a Parquet file needs pyarrow: pip install 'jatlas[parquet]' ({error})"
        ) from error
    return pyarrow


def write_parquet(
    file: Path,
    columns: list[Column],
    *,
    count: int,
    neighbors: Neighbors | None,
    pictures: RowPictures | None,
) -> None:
    """Write a table, whole or not at all.

    Args:
      file: the file.
      columns: its columns of numbers and text.
      count: number of rows.
      neighbors: of each row, without itself; None leaves the column out.
      pictures: of each row; None leaves the column out.
    """
    pa = import_pyarrow()
    # The types of dictionaries are not stored: a reader is to see bytes and text.
    schema = _schema(pa, columns, neighbors=neighbors is not None, pictures=pictures is not None)
    with (
        files.replacing(file) as out,
        pa.parquet.ParquetWriter(
            out, schema, compression="zstd", store_schema=False,
            dictionary_pagesize_limit=_DICTIONARY,
        ) as writer,
    ):  # fmt: skip
        for first in range(0, count, _GROUP):
            rows = slice(first, min(first + _GROUP, count))
            arrays = [
                pa.array(column.read(rows), schema.field(column.name).type) for column in columns
            ]
            if neighbors is not None:
                arrays.append(_neighbors(pa, neighbors, rows))
            if pictures is not None:
                arrays.append(_pictures(pa, pictures, rows))
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema), _GROUP)


def _schema(pa: Any, columns: list[Column], *, neighbors: bool, pictures: bool) -> Any:
    kinds = {"whole": pa.int64(), "number": pa.float32(), "text": pa.string()}
    fields = [(column.name, kinds[column.kind]) for column in columns]
    if neighbors:
        parts = {"ids": pa.list_(pa.int32()), "distances": pa.list_(pa.float32())}
        fields.append((NEIGHBORS, pa.struct(list(parts.items()))))
    if pictures:
        codes = pa.int32()
        parts = {
            "bytes": pa.dictionary(codes, pa.binary()),
            "path": pa.dictionary(codes, pa.string()),
        }
        fields.append((PICTURE, pa.struct(list(parts.items()))))
    return pa.schema(fields)


def _neighbors(pa: Any, near: Neighbors, rows: slice) -> Any:
    names = ["ids", "distances"]
    parts = (near.indices[rows], near.distances[rows])
    return pa.StructArray.from_arrays([_lists(pa, part) for part in parts], names=names)


def _lists(pa: Any, table: HostArray) -> Any:
    starts = np.arange(len(table) + 1, dtype=np.int32) * table.shape[1]
    return pa.ListArray.from_arrays(pa.array(starts), pa.array(table.ravel()))


def _pictures(pa: Any, pictures: RowPictures, rows: slice) -> Any:
    found = pictures.read(rows)
    missing = pa.array([each is None for each in found])
    parts = [
        _dictionary(pa, [each and each.file for each in found], pa.binary()),
        _dictionary(pa, [each and each.path for each in found], pa.string()),
    ]
    return pa.StructArray.from_arrays(parts, names=["bytes", "path"], mask=missing)


def _dictionary(pa: Any, values: list[Any], kind: Any) -> Any:
    """Return values of which each is kept once: of one that is there twice, Parquet keeps all."""
    numbers: dict[Any, int] = {}
    codes = [None if x is None else numbers.setdefault(x, len(numbers)) for x in values]
    return pa.DictionaryArray.from_arrays(pa.array(codes, pa.int32()), pa.array(numbers, kind))
