"""The samples of a map as a table that other tools open: CSV, JSON or Parquet."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from jatlas.arrange import Neighbors, nearest_neighbors
from jatlas.records import Atlas, Map
from jatlas.show._columns import Column, table_columns
from jatlas.show._parquet import import_pyarrow, write_parquet
from jatlas.show._row_pictures import RowPictures
from jatlas.storage import files, load
from jatlas.types import HostArray, checks

_BLOCK = 16_384  # rows of text that are written at once
_RECALL = 0.98  # as the layout searches


def to_csv(
    atlas: Atlas | str | Path, file: str | Path, *, map: str | None = None, paths: bool = False
) -> Path:
    """Write the samples of a map as CSV in UTF-8, one row each, with a row of headings.

    The columns are those of `to_parquet` without "neighbors" and "picture"; what is not known is
    empty.

    Args:
      atlas: folder of an atlas, or an atlas in memory.
      file: the file to write; an existing one is replaced, whole or not at all.
      map: name of the map, `Map.path`; None for the only layer's.
      paths: whether there is a column with the names of the images.

    Returns:
      The file.

    Raises:
      FileNotFoundError: if there is no atlas.
      ValueError: if it is damaged, has no such map, or several layers to choose from.
      OSError: if the file cannot be written.
    """
    target, (loaded, chosen) = Path(file), _open(atlas, map)
    columns = table_columns(loaded, chosen, paths=paths)
    with files.replacing(target) as out:
        out.write(_csv([[column.name for column in columns]]))
        for rows in _blocks(columns, len(chosen.samples)):
            out.write(_csv(rows))
    return target


def to_json(
    atlas: Atlas | str | Path, file: str | Path, *, map: str | None = None, paths: bool = False
) -> Path:
    """Write the samples of a map as a JSON array, one object each, one a line.

    The columns are those of `to_parquet` without "neighbors" and "picture"; what is not known is
    null.

    Args:
      atlas: folder of an atlas, or an atlas in memory.
      file: the file to write; an existing one is replaced, whole or not at all.
      map: name of the map, `Map.path`; None for the only layer's.
      paths: whether there is a column with the names of the images.

    Returns:
      The file.

    Raises:
      FileNotFoundError: if there is no atlas.
      ValueError: if it is damaged, has no such map, or several layers to choose from.
      OSError: if the file cannot be written.
    """
    target, (loaded, chosen) = Path(file), _open(atlas, map)
    columns = table_columns(loaded, chosen, paths=paths)
    names = [column.name for column in columns]
    with files.replacing(target) as out:
        before = "[\n"
        for rows in _blocks(columns, len(chosen.samples)):
            lines = (json.dumps(dict(zip(names, x, strict=True)), ensure_ascii=False) for x in rows)
            out.write((before + ",\n".join(lines)).encode())
            before = ",\n"
        out.write(b"\n]\n")
    return target


def to_parquet(
    atlas: Atlas | str | Path,
    file: str | Path,
    *,
    map: str | None = None,
    paths: bool = False,
    neighbors: int = 15,
    pictures: bool = True,
    progress: bool = True,
) -> Path:
    """Write the samples of a map as a Parquet file, one row each.

    Columns that the atlas has nothing for are left out:

    - sample: its row in the layer's own map; image: number of the image; image_name, if asked for;
    - label: what the image shows, if labels were given; prediction: what the network takes it for;
    - row, column: of the activation in the layer;
    - x to the right and y down, in the unit square;
    - evidence_class, evidence: the class the sample has the most evidence for, and how much;
    - for a grid of 20 x 20 cells cell_20, row-major from the top left, cell_20_row, cell_20_column,
      cell_20_name, and a column for each measure of `Trust`, such as cell_20_pure;
    - neighbors: {ids, distances} of the samples with the most similar vectors, nearest first: their
      numbers in the table, from 0, and 1 - cosine;
    - picture: {bytes, path}, a JPEG: the sample's own place in its image if it is an exemplar of a
      cell, or else the icon of its cell.

    It needs the extra `parquet` (pyarrow). Searching neighbours takes the memory of a layout.

    Args:
      atlas: folder of an atlas, or an atlas in memory.
      file: the file to write; an existing one is replaced, whole or not at all.
      map: name of the map, `Map.path`; None for the only layer's.
      paths: whether there is a column with the names of the images.
      neighbors: how many of each sample, at most; 0 leaves the column out.
      pictures: whether there is a column of pictures.
      progress: whether to show a progress bar.

    Returns:
      The file.

    Raises:
      FileNotFoundError: if there is no atlas.
      ImportError: if pyarrow is not installed.
      ValueError: if the atlas is damaged, has no such map, or several layers to choose from, or a
        number of neighbours is none.
      OSError: if the file cannot be written.
    """
    neighbors = checks.whole("neighbors", neighbors, minimum=0)
    import_pyarrow()
    target, (loaded, chosen) = Path(file), _open(atlas, map)
    columns = table_columns(loaded, chosen, paths=paths)
    near = None
    if neighbors:
        near = other_neighbors(chosen.samples.vectors, k=neighbors, progress=progress)
    write_parquet(
        target, columns, count=len(chosen.samples), neighbors=near,
        pictures=RowPictures(chosen) if pictures and chosen.grids else None,
    )  # fmt: skip
    return target


def other_neighbors(vectors: HostArray, *, k: int, progress: bool) -> Neighbors:
    """Return the k nearest of each vector, or as many as there are, without the vector itself."""
    k = min(k, len(vectors) - 1)
    table = jnp.asarray(vectors)
    found = nearest_neighbors(table, k=k + 1, recall=_RECALL, progress=progress)
    # Among equal vectors it may not be the first, and of very many not be there at all.
    itself = found.indices == np.arange(len(vectors))[:, None]
    order = np.argsort(itself, axis=1, kind="stable")[:, :k]
    return Neighbors(
        np.take_along_axis(found.indices, order, axis=1),
        np.take_along_axis(found.distances, order, axis=1),
        found.recall,
    )


def _open(atlas: Atlas | str | Path, path: str | None) -> tuple[Atlas, Map]:
    loaded = atlas if isinstance(atlas, Atlas) else load(atlas)
    if path is not None:
        return loaded, loaded.find(path)
    layers = [each for each in loaded.maps if each.kind == "layer"]
    if len(layers) == 1:
        return loaded, layers[0]
    known = ", ".join(each.path for each in loaded.maps)
    raise ValueError(f"map: expected one of {known}, got none")


def _blocks(columns: list[Column], count: int) -> Iterator[list[tuple[Any, ...]]]:
    for first in range(0, count, _BLOCK):
        rows = slice(first, min(first + _BLOCK, count))
        yield list(zip(*(column.read(rows) for column in columns), strict=True))


def _csv(rows: list[Any]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()
