"""What atlas.json says, checked: it may be damaged, or hostile."""

from __future__ import annotations

import dataclasses
import math
import re
from typing import Any

import numpy as np

from jatlas.records import Names, Regions
from jatlas.storage import _values as values
from jatlas.storage._names import read_names, read_regions
from jatlas.types import HostArray, checks

MAX_CLASSES = 100_000
"""Indices of classes without a name are below this; the largest public label sets have 21,841."""

_PARTS = ("maps", "classes", "crc32", "labels")

Label = tuple[int, str, float]
"""Index of a class, its name, the evidence for it."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class CropsEntry:
    """The pictures of the exemplars of a grid.

    Attributes:
      per_cell: exemplars of a cell.
      px: side of an exemplar in pixels.
    """

    per_cell: int
    px: int


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class GridEntry:
    """One grid of a map.

    Attributes:
      size: cells along each side.
      icon_px: side of an icon in pixels.
      cells: (m,) int64 row-major numbers of the cells that have an icon.
      counts: m numbers of samples.
      labels: for each of the m cells its classes with the most evidence, most first.
      cosines: m cosines of icon and direction, None if unknown; None if no cell has one.
      images: indices of the images of each cell's exemplars; None if no cell has any.
      crops: the pictures of the exemplars, if there are any.
      names: of the m cells, if they have any.
      evidence_names: those chosen by evidence, if they have any.
      settings: how the icons were made, where it differs from the map's settings.
      trust: how it was measured how far cells can be trusted; None if it was not.
    """

    size: int
    icon_px: int
    cells: HostArray
    counts: list[int]
    labels: list[list[Label]]
    cosines: list[float | None] | None
    images: list[list[int]] | None
    crops: CropsEntry | None
    names: Names | None
    evidence_names: Names | None
    settings: dict[str, Any] | None
    trust: dict[str, Any] | None


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class MapEntry:
    """One map.

    Attributes:
      path: its folder in the atlas.
      name: its name, shown to people and used in links.
      kind: "layer", "class", "comparison", or what another version may know.
      layer: name of the layer.
      classes: indices of the classes that its samples matter for.
      title: its heading.
      samples: number of samples, if known.
      axes: by "x" and "y" what a direction means, if it means something.
      regions: its named regions, if it has any.
      settings: how it was made, where it differs from the atlas.
      sums: checksums of its files by name; none from versions that did not write them.
      grids: at least one, each of another size.
    """

    path: str
    name: str
    kind: str
    layer: str | None
    classes: tuple[int, ...]
    title: str
    samples: int | None
    axes: dict[str, Any] | None
    regions: Regions | None
    settings: dict[str, Any] | None
    sums: dict[str, str]
    grids: tuple[GridEntry, ...]


def read_maps(info: dict[str, Any]) -> tuple[MapEntry, ...]:
    """Read the maps of an atlas.

    Args:
      info: the content of atlas.json.

    Raises:
      ValueError: if something is missing, of another type, or out of range; the message names it.
    """
    bound = max(len(read_classes(info)), MAX_CLASSES)
    entries = values.items(info, "maps", "atlas.json")
    if not entries:
        raise ValueError("atlas.json: maps: expected at least one")
    maps = tuple(_map(entry, f"maps[{i}]", bound) for i, entry in enumerate(entries))
    for what in ("name", "path"):
        if len({getattr(entry, what) for entry in maps}) < len(maps):
            raise ValueError(f"atlas.json: maps: expected each {what} once")
    return maps


def read_classes(info: dict[str, Any]) -> list[str]:
    """Read the names of the classes; raises as `read_maps`."""
    names = values.items(info, "classes", "atlas.json")
    if not all(isinstance(name, str) for name in names):
        raise ValueError("atlas.json: classes: expected strings")
    return names


def read_about(info: dict[str, Any]) -> dict[str, Any]:
    """Return what atlas.json says of how the atlas was made; raises as `read_maps`."""
    about = {name: value for name, value in info.items() if name not in ("format", *_PARTS)}
    for name in ("network", "weights_sha256", "code_sha256"):
        if name in about and len(values.text(about, name, "atlas.json").splitlines()) > 1:
            raise ValueError(f"atlas.json: {name}: expected one line, got {about[name]!r}")
    for name in ("settings", "source", "versions", "neighbor_recall"):
        if name in about:
            values.mapping(about, name, "atlas.json")
    if not all(values.is_number(share) for share in about.get("neighbor_recall", {}).values()):
        raise ValueError("atlas.json: neighbor_recall: expected numbers")
    if "stages" in about:
        values.texts(about, "stages", "atlas.json")
    source = about.get("source", {})
    for name in ("root", "listing_sha256", "content_sha256"):
        if source.get(name) is not None:
            values.text(source, name, "atlas.json: source")
    if source.get("images") is not None:
        values.integer(source, "images", "atlas.json: source", maximum=checks.LARGEST_WHOLE)
    values.mapping(source, "preprocess", "atlas.json: source", default=None)
    for pair in values.items(about, "skipped", "atlas.json", ()):
        match pair:
            case [str(), str()]:
                continue
        raise ValueError(f"atlas.json: skipped: expected [name, reason], got {checks.shown(pair)}")
    return about


def read_sums(info: dict[str, Any]) -> dict[str, str]:
    """Return the checksums that an object of atlas.json holds; raises as `read_maps`."""
    return _sums(info, "atlas.json")


def _sums(entry: Any, where: str) -> dict[str, str]:
    sums = values.texts(entry, "crc32", where, {})
    for name in sums:
        _check_name(name, f"{where}.crc32")
    return sums


def _map(entry: Any, where: str, bound: int) -> MapEntry:
    path = values.text(entry, "path", where)
    layer = values.text(entry, "layer", where, default=None)
    name = values.text(entry, "name", where, default=path)
    samples = None
    if entry.get("samples") is not None:
        samples = values.integer(entry, "samples", where, maximum=checks.LARGEST_WHOLE)
    grids = [
        _grid(grid, f"{where}.grids[{i}]", bound)
        for i, grid in enumerate(values.items(entry, "grids", where))
    ]
    if not grids:
        raise ValueError(f"{where}.grids: expected at least one")
    if len({grid.size for grid in grids}) < len(grids):
        raise ValueError(f"{where}.grids: expected one of each size")
    return MapEntry(
        path=path,
        name=name,
        kind=values.text(entry, "kind", where),
        layer=layer,
        classes=tuple(_indices(values.items(entry, "classes", where, ()), f"{where}.classes")),
        title=values.text(entry, "title", where, default=None) or layer or name,
        samples=samples,
        axes=values.mapping(entry, "axes", where, default=None),
        settings=values.mapping(entry, "settings", where, default=None),
        regions=_regions(entry, where),
        sums=_sums(entry, where),
        grids=tuple(grids),
    )


def _grid(entry: Any, where: str, bound: int) -> GridEntry:
    size = values.integer(entry, "size", where, minimum=1, maximum=checks.MAX_SIDE)
    cells = values.items(entry, "cells", where)
    rows, columns, counts, labels = [], [], [], []
    for i, cell in enumerate(cells):
        here = f"{where}.cells[{i}]"
        rows.append(values.integer(cell, "row", here, maximum=size - 1))
        columns.append(values.integer(cell, "col", here, maximum=size - 1))
        counts.append(values.integer(cell, "count", here, maximum=checks.LARGEST_WHOLE))
        labels.append(
            [_label(label, here, bound) for label in values.items(cell, "labels", here, ())]
        )
    cosines = images = crops = None
    if any("cosine" in cell for cell in cells):
        cosines = [_cosine(cell, f"{where}.cells[{i}]") for i, cell in enumerate(cells)]
    if any("exemplars" in cell for cell in cells):
        images = [
            _indices(values.items(cell, "exemplars", where, ()), f"{where}.cells[{i}].exemplars")
            for i, cell in enumerate(cells)
        ]
    if entry.get("exemplars") is not None:
        crops = _crops(entry["exemplars"], f"{where}.exemplars")
    return GridEntry(
        size=size,
        icon_px=values.integer(entry, "icon_px", where, minimum=1, maximum=checks.MAX_SIDE),
        cells=np.array(rows, np.int64) * size + np.array(columns, np.int64),
        counts=counts,
        labels=labels,
        cosines=cosines,
        images=images,
        crops=crops,
        names=_names(cells, "name", where),
        evidence_names=_names(cells, "evidence_name", where),
        settings=values.mapping(entry, "settings", where, default=None),
        trust=values.mapping(entry, "trust", where, default=None),
    )


def _names(cells: list[Any], name: str, where: str) -> Names | None:
    """Read the names of cells; None if they have none."""
    if not any(name in cell for cell in cells):
        return None
    entries = [values.get(cell, name, f"{where}.cells[{i}]") for i, cell in enumerate(cells)]
    return read_names(entries, f"{where}: {name}")


def _regions(entry: Any, where: str) -> Regions | None:
    return read_regions(entry, where) if entry.get("regions") is not None else None


def _crops(entry: Any, where: str) -> CropsEntry:
    names = ("per_cell", "px")
    return CropsEntry(
        **{x: values.integer(entry, x, where, minimum=1, maximum=checks.MAX_SIDE) for x in names}
    )


def _check_name(name: str, where: str) -> None:
    """Check that a name is one of a file in the folder itself."""
    if re.search(r"[/\\:\0]", name) or name in ("", ".", ".."):
        raise ValueError(f"{where}: {checks.shown(name)} leads out of the folder")


def _label(value: Any, where: str, bound: int) -> Label:
    match value:
        case [index, str(name), evidence]:
            if values.is_index(index, bound) and values.is_number(evidence):
                return index, name, float(evidence)
    raise ValueError(
        f"{where}.labels: expected [index below {bound}, name, evidence], got {checks.shown(value)}"
    )


def _cosine(cell: dict[str, Any], where: str) -> float | None:
    value = cell.get("cosine")
    if value is None:
        return None
    if not values.is_number(value):
        raise ValueError(f"{where}.cosine: expected a number, got {checks.shown(value)}")
    return float(value) if math.isfinite(value) else None


def _indices(numbers: list[Any], where: str) -> list[int]:
    if not all(values.is_index(number, checks.LARGEST_WHOLE) for number in numbers):
        raise ValueError(f"{where}: expected indices, got {checks.shown(numbers)}")
    return numbers
