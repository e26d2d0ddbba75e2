"""The samples of a map as a table: its columns, read some rows at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, NamedTuple

import jax.numpy as jnp
import numpy as np

from jatlas.arrange import cell_index
from jatlas.records import Atlas, Grid, Map, class_name
from jatlas.types import HostArray, blocks

_BLOCK = 8192  # rows of evidence that are looked at at once
_UNKNOWN = -1


class Column(NamedTuple):
    """One column.

    Attributes:
      name: its heading.
      kind: of its values.
      read: returns the values of some rows, None where there is none.
    """

    name: str
    kind: Literal["whole", "number", "text"]
    read: Callable[[slice], list[Any]]


def table_columns(atlas: Atlas, atlas_map: Map, *, paths: bool) -> list[Column]:
    """Return the columns of the table of a map, which has one row per sample.

    Args:
      atlas: the atlas.
      atlas_map: one of its maps.
      paths: whether there is a column with the names of the images.

    Raises:
      ValueError: if names are asked for, and the atlas has none.
    """
    count = len(atlas_map.samples)
    rows = np.arange(count) if atlas_map.rows is None else np.asarray(atlas_map.rows)
    source, points = np.asarray(atlas_map.samples.source), np.asarray(atlas_map.points)
    columns = [
        _wholes("sample", rows),
        _wholes("image", source[:, 0]),
        *_of_images(atlas, source[:, 0], paths=paths),
        _wholes("row", source[:, 1]),
        _wholes("column", source[:, 2]),
        _numbers("x", points[:, 0]),
        _numbers("y", points[:, 1]),
        _numbers("y_up", 1 - points[:, 1]),
        *_of_evidence(atlas, atlas_map),
    ]
    for grid in sorted(atlas_map.grids, key=lambda each: each.size):
        columns += _of_grid(grid, cells_of(points, size=grid.size))
    return columns


def cells_of(points: HostArray, *, size: int) -> HostArray:
    """Return the row-major number of the cell of each point: (n,) int32."""
    parts = [np.asarray(cell_index(jnp.asarray(part), size=size)) for part in blocks(points, 2**16)]
    return np.concatenate(parts)


def numbers_of_icons(grid: Grid, cell: HostArray) -> HostArray:
    """Return which of a grid's icons is that of each cell: (n,) int32, -1 for none."""
    place = np.full(grid.size**2, _UNKNOWN, np.int32)
    place[np.asarray(grid.cells)] = np.arange(len(grid.cells))
    return place[cell]


def _of_images(atlas: Atlas, image: HostArray, *, paths: bool) -> Iterator[Column]:
    if paths:
        if not atlas.images:
            raise ValueError("paths: the atlas has no names of images")
        yield _texts("image_name", image, atlas.images)
    labels = atlas.labels
    if labels is not None and labels.given:
        yield _texts("label", np.asarray(labels.index)[image], labels.hierarchy.names)
    if atlas.predictions is not None:
        found = np.asarray(atlas.predictions)[image]
        yield _texts("prediction", found, _class_names(atlas, found))


def _of_evidence(atlas: Atlas, atlas_map: Map) -> Iterator[Column]:
    evidence = atlas_map.samples.evidence
    if not evidence.shape[1]:
        return
    best, value = _strongest(evidence)
    yield _texts("evidence_class", best, _class_names(atlas, best))
    yield _numbers("evidence", value)


def _strongest(evidence: HostArray) -> tuple[HostArray, HostArray]:
    """Return the class with the most evidence and how much; -1 and NaN where none has any."""
    found = []
    for part in blocks(evidence, _BLOCK):
        table = np.nan_to_num(np.asarray(part, np.float32))
        best = table.argmax(axis=1)
        value = np.take_along_axis(table, best[:, None], axis=1)[:, 0]
        some = table.any(axis=1)
        found.append((np.where(some, best, _UNKNOWN), np.where(some, value, np.float32(np.nan))))
    best, value = (np.concatenate(each) for each in zip(*found, strict=True))
    return best.astype(np.int32), value


def _of_grid(grid: Grid, cell: HostArray) -> Iterator[Column]:
    prefix = f"cell_{grid.size}"
    icon = numbers_of_icons(grid, cell)
    yield _wholes(prefix, cell)
    yield _wholes(f"{prefix}_row", cell // grid.size)
    yield _wholes(f"{prefix}_column", cell % grid.size)
    if grid.names is not None:
        # The last is read where there is no icon.
        name = np.append(np.asarray(grid.names.name), _UNKNOWN)
        yield _texts(f"{prefix}_name", name[icon], grid.names.vocabulary)
    measures = {} if grid.trust is None else grid.trust.measures
    for measure, values in measures.items():
        padded = np.append(np.asarray(values, np.float32), np.float32(np.nan))
        yield _numbers(f"{prefix}_{measure}", padded[icon])


def _class_names(atlas: Atlas, used: HostArray) -> list[str]:
    return [class_name(i, atlas.classes) for i in range(int(used.max(initial=_UNKNOWN)) + 1)]


def _wholes(name: str, values: HostArray) -> Column:
    return Column(name, "whole", lambda rows: values[rows].tolist())


def _numbers(name: str, values: HostArray) -> Column:
    def read(rows: slice) -> list[float | None]:
        # Nine digits tell any two values of single precision apart.
        return [float(f"{x:.9g}") if np.isfinite(x) else None for x in values[rows].tolist()]

    return Column(name, "number", read)


def _texts(name: str, codes: HostArray, vocabulary: Sequence[str]) -> Column:
    def read(rows: slice) -> list[str | None]:
        return [None if i < 0 else _unicode(vocabulary[i]) for i in codes[rows].tolist()]

    return Column(name, "text", read)


def _unicode(text: str) -> str:
    # Names of files that are not UTF-8 hold lone surrogates, which no encoding can write.
    return text.encode("utf-8", "backslashreplace").decode()
