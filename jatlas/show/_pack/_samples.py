"""The samples of maps: where they lie, where they are from, which are the same on other maps."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from jatlas.show._encode import encoded, packed
from jatlas.show._pack._part import Part, json_part
from jatlas.show._pack._source import Source, damage
from jatlas.show._places import steps
from jatlas.storage import MapEntry, files, map_place
from jatlas.types import HostArray


class _Group(NamedTuple):
    """Maps whose samples are numbered alike.

    Attributes:
      images: names of the images.
      layers: by name of a layer, the (n, 3) source of its samples.
      name: of the group.
    """

    images: list[str]
    layers: dict[str | None, HostArray]
    name: str

    @property
    def numbered(self) -> int:
        """Number of samples of a layer."""
        return len(next(iter(self.layers.values())))


class Placed(NamedTuple):
    """The samples of a map.

    Attributes:
      points: (n, 2) from 0 to 1.
      source: (n, 3) image, row and column; None if unknown.
      ids: (n,) numbers, the same for the same sample on every map of `places`; None if unknown.
      places: equal for maps whose numbers can be compared; None if unknown.
      numbered: number of samples of the layer; of the map if they have no numbers.
      stride: samples whose number is a multiple of it are kept.
    """

    points: HostArray
    source: HostArray | None
    ids: HostArray | None
    places: str | None
    numbered: int
    stride: int

    def kept(self) -> HostArray:
        """Return the rows of the samples that the page holds."""
        ids = np.arange(len(self.points)) if self.ids is None else self.ids
        return np.flatnonzero(ids % self.stride == 0)


def placed_samples(sources: list[Source], *, maximum: int) -> list[list[Placed | None]]:
    """Find the samples of all maps of a page, and number them.

    The samples of a layer are numbered by their row. Maps of classes hold some of them, and say
    which; else they are found by their image, row and column, of equal ones the first.

    Args:
      sources: the atlases.
      maximum: samples that are kept of a layer.

    Returns:
      For each atlas, for each of its maps its samples; None where there are no points.

    Raises:
      ValueError: if a file is damaged.
    """
    groups: list[_Group] = []
    found = []
    for source in sources:
        with damage(source.root):
            found.append(_placed(source, groups, maximum))
    return found


def _placed(source: Source, groups: list[_Group], maximum: int) -> list[Placed | None]:
    tables = [_source(source, entry) for entry in source.maps]
    layers = {
        entry.layer: table
        for entry, table in zip(source.maps, tables, strict=True)
        if entry.kind == "layer" and table is not None
    }
    own = _join(layers, source.images, groups)
    found: list[Placed | None] = []
    for entry, table in zip(source.maps, tables, strict=True):
        place, group = map_place(source.root, entry), own.get(entry.layer)
        if not (place / "points.npy").exists():
            found.append(None)
            continue
        points = _points(place / "points.npy", entry.samples)
        if table is not None and len(table) != len(points):
            raise ValueError(f"{place / 'source.npy'}: expected {len(points)}, got {len(table)}")
        ids = None
        if group is not None and table is not None:
            ids = _ids(place, entry, table, group.layers[entry.layer])
        linked = group if ids is not None else None
        numbered = len(points) if linked is None else linked.numbered
        name = None if linked is None else linked.name
        stride = max(-(-numbered // maximum), 1)
        found.append(Placed(points, table, ids, name, numbered, stride))
    return found


def _join(
    layers: dict[str | None, HostArray], images: list[str], groups: list[_Group]
) -> dict[str | None, _Group]:
    """Put the layers of an atlas into groups; new ones are added to `groups`.

    Within an atlas, layers whose samples are of the same images belong together. An atlas belongs
    to one before it if the images are the same, and the samples of all layers that both have.
    """
    found: dict[str | None, _Group] = {}
    new: list[_Group] = []
    for layer, table in layers.items():
        for group in new:
            if np.array_equal(next(iter(group.layers.values()))[:, 0], table[:, 0]):
                group.layers[layer] = table
                break
        else:
            group = _Group(images, {layer: table}, "")
            new.append(group)
        found[layer] = group
    names = {id(group): _name(group, groups) for group in new}
    return {layer: group._replace(name=names[id(group)]) for layer, group in found.items()}


def _name(group: _Group, groups: list[_Group]) -> str:
    for other in groups:
        common = group.layers.keys() & other.layers.keys()
        if (
            group.images
            and group.images == other.images
            and common
            and all(np.array_equal(group.layers[x], other.layers[x]) for x in common)
        ):
            return other.name
    groups.append(group._replace(name=f"a{len(groups)}"))
    return groups[-1].name


def _ids(place: Path, entry: MapEntry, table: HostArray, layer: HostArray) -> HostArray | None:
    """Return the rows of a map's samples in the map of their layer; None if it lacks some."""
    if entry.kind == "layer":
        return np.arange(len(table))
    path = place / "rows.npy"
    if not path.exists():
        return _match(table, layer)
    rows = files.map_array(path)
    if (
        rows.shape != (len(table),)
        or rows.dtype.kind not in "iu"
        or (rows.size and not (rows.min() >= 0 and rows.max() < len(layer)))
        or not np.array_equal(layer[rows], table)
    ):
        raise ValueError(f"{path}: expected the rows of its samples in the layer's map")
    return np.asarray(rows, np.int64)


def _match(table: HostArray, layer: HostArray) -> HostArray | None:
    """Find rows in a table, the first of equal ones; None if some are not in it."""
    both = np.concatenate([layer, table])
    _, first, inverse = np.unique(both, axis=0, return_index=True, return_inverse=True)
    rows = first[np.ravel(inverse)[len(layer) :]]
    return rows if (rows < len(layer)).all() else None


def _source(source: Source, entry: MapEntry) -> HostArray | None:
    """Read image, row and column of a map's samples; None if they were not saved."""
    path = map_place(source.root, entry) / "source.npy"
    if not path.exists():
        return None
    table = files.map_array(path)
    last = len(source.images) - 1 if source.images else np.iinfo(np.int32).max
    if (
        table.ndim != 2
        or table.shape[1] != 3
        or table.dtype.kind not in "iu"
        or (table.size and not (table.min() >= 0 and table[:, 0].max() <= last))
    ):
        raise ValueError(
            f"{path}: expected (n, 3) integers from 0 of {last + 1} images, "
            f"got {table.dtype} {table.shape}"
        )
    return table


def _points(path: Path, samples: int | None) -> HostArray:
    points = files.map_array(path)
    count = len(points) if samples is None and points.ndim else samples
    if (
        points.shape != (count, 2)
        or points.dtype.kind != "f"
        or not ((points >= 0) & (points <= 1)).all()
    ):
        raise ValueError(
            f"{path}: expected finite ({count}, 2) from 0 to 1, got {points.dtype} {points.shape}"
        )
    return points


def sample_parts(placed: Placed, name: str) -> Iterator[Part]:
    """Yield where the kept samples of a map lie and where they are from.

    Args:
      placed: the samples.
      name: of the map, such as m0.
    """
    rows = placed.kept()
    columns: dict[str, object] = {"xy": encoded(steps(placed.points[rows]))}
    if placed.ids is not None:
        ids = placed.ids[rows]
        if not np.array_equal(ids, np.arange(len(ids)) * placed.stride):
            columns["id"] = packed(ids)
    yield json_part(f"{name}-samples", columns)
    if placed.source is not None:
        image, row, column = placed.source[rows].T
        places = {"image": packed(image), "row": packed(row), "column": packed(column)}
        yield json_part(f"{name}-source", places)
