"""An atlas folder as the named parts that the viewer asks for, one at a time.

Text and numbers are JSON, arrays are base64 inside it, pictures are JPEG and PNG. The names:
`atlas` (the manifest), `m0-thumb`, `m0-samples`, and for each grid `m0-g20` (its cells),
`m0-g20-0-3-4` (the tile at level 0, column 3, row 4), `m0-g20-e0` (evidence, a range of classes
each) and `m0-g20-x0` (exemplars, a range of cells each). They hold numbers of maps and not their
names, which may be anything.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jatlas.records import Names, Regions
from jatlas.show import _tiles as tiles
from jatlas.show._encode import embeddable, encoded, packed, quantized, rounded
from jatlas.show._notes import read_notes
from jatlas.storage import (
    GridEntry,
    MapEntry,
    files,
    map_crops,
    map_icons,
    map_place,
    read_about,
    read_classes,
    read_info,
    read_maps,
    read_names,
    read_sums,
    read_trust,
    trust_file,
)
from jatlas.types import HostArray, blocks, checks

FORMAT = "jatlas-viewer/1"

_LOWEST = 3  # classes with the most negative evidence that a cell lists
_EXEMPLAR_CELLS = 32  # per picture
_SORTED = 4096  # cells whose classes are sorted at once
_EVIDENCE_VALUES = 2**18  # per part, about
_ABOUT = ("network", "weights_sha256", "seed", "versions", "settings")


@dataclasses.dataclass(frozen=True, kw_only=True)
class PackConfig:
    """How much of an atlas its page holds.

    Attributes:
      paths: whether it holds the names of the image files, which may say much about their owner.
      evidence: maximum number of evidence values per grid. For a grid with more, the viewer lights
        cells by the evidence of a coarser grid, or else by their top classes alone.
      samples: maximum number of samples per map that can be found again in other maps; of more,
        every second, third ... is kept.

    Raises:
      ValueError: if a value is of another kind or out of range.

    Example:
      >>> PackConfig(samples=0)
      Traceback (most recent call last):
      ValueError: samples: expected at least 1, got 0
    """

    paths: bool = False
    evidence: int = 32_000_000
    samples: int = 200_000

    def __post_init__(self) -> None:
        """Check the ranges."""
        checks.field(self, "paths", checks.flag)
        checks.field(self, "evidence", checks.whole, minimum=0)
        checks.field(self, "samples", checks.whole)


class Part(NamedTuple):
    """One thing that the viewer may ask for.

    Attributes:
      name: the name it is asked for by.
      kind: "json", "jpg" or "png".
      data: the content of the file.
    """

    name: str
    kind: str
    data: bytes


def pack(folder: str | Path, *, config: PackConfig | None = None) -> Iterator[Part]:
    """Read an atlas folder and yield the parts of its page, the manifest last.

    The same atlas gives the same parts, byte for byte, wherever its folder is.

    Args:
      folder: an atlas of format `jatlas/1`, with its notes, if it has any.
      config: how much of it; None means `PackConfig()`.

    Yields:
      Parts.

    Raises:
      FileNotFoundError: if there is no atlas.
      ValueError: if it is damaged, or its `notes.json` is.
    """
    root = Path(folder)
    config = PackConfig() if config is None else config
    info = read_info(root)
    try:
        maps, classes, about = read_maps(info), read_classes(info), read_about(info)
        images = _images(root, info, maps)
        entries = []
        for number, entry in enumerate(maps):
            parts = _map_parts(root, entry, f"m{number}", len(classes), config)
            entries.append((yield from parts))
    except (OSError, ValueError) as error:
        raise ValueError(f"{root} is a damaged atlas: {error}") from error
    notes = read_notes(root, {x.name: [grid.size for grid in x.grids] for x in maps})
    manifest: dict[str, Any] = {
        "format": FORMAT,
        "about": {x: about[x] for x in _ABOUT if x in about} | {"images": len(images)},
        "classes": _class_names(classes, maps),
        "maps": entries,
    }
    if notes:
        manifest["notes"] = notes
    if config.paths:
        manifest["images"] = images
    yield _json("atlas", manifest)


def _images(root: Path, info: dict[str, Any], maps: tuple[MapEntry, ...]) -> list[str]:
    """Read the names of the images, none if they were not saved."""
    files.verify(root, read_sums(info))
    if not (root / "images.txt").exists():
        return []
    names = list(read_names(root))
    shown = (index for entry in maps for grid in entry.grids for each in grid.images or []
             for index in each)  # fmt: skip
    if (last := max(shown, default=-1)) >= len(names):
        raise ValueError(
            f"{root / 'images.txt'}: expected more than {last} names, got {len(names)}"
        )
    return names


def _class_names(known: list[str], maps: tuple[MapEntry, ...]) -> list[str]:
    """Names by index: the known ones, then those that labels mention, "class 7" in between."""
    names = dict(enumerate(known))
    for entry in maps:
        for grid in entry.grids:
            for labels in grid.labels:
                for index, name, _ in labels:
                    names.setdefault(index, name)
    return [names.get(i, f"class {i}") for i in range(max(names, default=-1) + 1)]


def _map_parts(
    root: Path, entry: MapEntry, name: str, classes: int, config: PackConfig
) -> Generator[Part, None, dict[str, Any]]:
    """Yield the parts of a map; returns what the manifest says about it."""
    place = map_place(root, entry)
    grids = sorted(entry.grids, key=lambda grid: grid.size)
    _verify(place, entry)
    manifest: dict[str, Any] = {
        "id": entry.name,
        "kind": entry.kind,
        "layer": entry.layer,
        "title": entry.title,
        "samples": entry.samples,
        "axes": entry.axes,
        "grids": [],
    }
    if entry.regions is not None:
        manifest["regions"] = _regions(entry.regions)
    # The thumbnail needs a grid that is fine, but not much finer than its pixels.
    sizes = [grid.size for grid in grids]
    best = max((size for size in sizes if size <= 80), default=sizes[0])
    for grid in grids:
        thumb = f"{name}-thumb" if grid.size == best else None
        parts = _grid_parts(place, grid, f"{name}-g{grid.size}", thumb, classes, config)
        manifest["grids"].append((yield from parts))
    if (place / "points.npy").exists():
        points = _points(place / "points.npy", entry.samples)
        stride = max(-(-len(points) // config.samples), 1)
        # In float64: half precision does not reach 65536.
        scaled = points[::stride].astype(np.float64) * 65536
        kept = np.clip(np.floor(scaled), 0, 65535).astype("<u2")
        manifest["stride"] = stride
        yield _json(f"{name}-samples", {"xy": encoded(kept)})
    return manifest


def _verify(place: Path, entry: MapEntry) -> None:
    """Check that the files of a map that a page is made of are those that were saved."""
    used = {"points.npy"}
    for grid in entry.grids:
        used |= {f"cells-{grid.size}.npz", f"icons-{grid.size}.npy"}
        used |= set() if grid.crops is None else {f"exemplars-{grid.size}.npy"}
        used |= set() if grid.trust is None else {trust_file(grid.size)}
    files.verify(place, {name: x for name, x in entry.sums.items() if name in used})


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


def _grid_parts(
    place: Path, grid: GridEntry, name: str, thumb: str | None, classes: int, config: PackConfig
) -> Generator[Part, None, dict[str, Any]]:
    """Yield the parts of a grid; returns what the manifest says about it."""
    icons = map_icons(place, grid)
    evidence = _evidence(place, grid, classes)
    columns = _columns(grid, evidence, paths=config.paths)
    trust = _trust(place, grid)
    yield _json(name, columns | trust)
    for tile in tiles.cut(icons, grid.cells, size=grid.size):
        yield Part(f"{name}-{tile.level}-{tile.column}-{tile.row}", "jpg", tile.data)
    if thumb:
        yield Part(thumb, "png", tiles.thumbnail(icons, grid.cells, size=grid.size))
    shape = tiles.levels(grid.size, grid.icon_px)
    manifest: dict[str, Any] = {
        "size": grid.size,
        "cells": len(grid.cells),
        "tile": shape.cells,
        "px": list(shape.icon_px),
    }
    if evidence is not None and 0 < evidence.size <= config.evidence:
        classes = evidence.shape[1]
        chunk = max(1, min(classes, _EVIDENCE_VALUES // len(grid.cells)))
        manifest["evidence"] = {"classes": classes, "chunk": chunk}
        for first in range(0, classes, chunk):
            yield _json(f"{name}-e{first // chunk}", quantized(evidence[:, first : first + chunk]))
    known = {"cosines": grid.cosines, "names": grid.names, "trust": grid.trust}
    manifest |= {name: True for name, column in known.items() if column is not None}
    if grid.trust is not None:
        manifest["measures"] = list(trust["trust"])
    if grid.crops is not None:
        manifest["exemplars"] = {
            "per_cell": grid.crops.per_cell,
            "px": grid.crops.px,
            "chunk": _EXEMPLAR_CELLS,
        }
        pictures = tiles.strips(map_crops(place, grid), chunk=_EXEMPLAR_CELLS)
        for number, picture in enumerate(pictures):
            yield Part(f"{name}-x{number}", "jpg", picture)
    return manifest


def _evidence(place: Path, grid: GridEntry, classes: int) -> HostArray | None:
    """Read the evidence of a grid's cells: (m, classes) float32, None if there is none."""
    path = place / f"cells-{grid.size}.npz"
    evidence = files.map_arrays(path).get("evidence") if path.exists() else None
    if evidence is None:
        return None
    shape = (grid.size, grid.size)
    if evidence.ndim != 3 or evidence.shape[:2] != shape or evidence.dtype.kind != "f":
        raise ValueError(
            f"{path}: expected evidence as floats of shape {(*shape, 'classes')}, "
            f"got {evidence.dtype} {evidence.shape}"
        )
    if evidence.shape[2] < classes:
        raise ValueError(
            f"{path}: expected evidence for {classes} classes, got {evidence.shape[2]}"
        )
    table = evidence.reshape(grid.size**2, evidence.shape[2])[grid.cells]
    return table.astype(np.float32, copy=False) if table.any() else None


def _columns(grid: GridEntry, evidence: HostArray | None, *, paths: bool) -> dict[str, Any]:
    """Return the cells of a grid column by column, as the viewer keeps them."""
    width = max(map(len, grid.labels), default=0)
    labels: list[int] = []
    values: list[float] = []
    for top in grid.labels:
        padding = width - len(top)
        labels += [index for index, _, _ in top] + [-1] * padding
        values += [rounded(value) for _, _, value in top] + [0.0] * padding
    columns: dict[str, Any] = {
        "cell": packed(grid.cells),
        "count": packed(grid.counts),
        "per": width,
        "labels": packed(labels),
        "values": packed(values),
    }
    if evidence is not None and evidence.shape[1] > width + _LOWEST:
        order = _lowest(evidence)
        lowest = np.take_along_axis(evidence, order, axis=1)
        columns["against"] = packed(order.ravel())
        columns["against_values"] = packed([rounded(value) for value in lowest.ravel().tolist()])
    if grid.cosines is not None:
        columns["cosine"] = packed([None if x is None else rounded(x) for x in grid.cosines])
    if grid.names is not None:
        columns["names"] = _names(grid.names)
    if grid.evidence_names is not None:
        columns["evidence_names"] = _names(grid.evidence_names)
    if paths and grid.images is not None:
        columns["exemplars"] = grid.images
    return columns


def _names(names: Names) -> dict[str, Any]:
    """Return names, and how well they hold, as the viewer keeps them."""
    known = np.isfinite(names.held_out).tolist()
    held_out = [x if ok else None for x, ok in zip(names.held_out.tolist(), known, strict=True)]
    return {
        "vocabulary": list(names.vocabulary),
        "name": packed(names.name),
        "shown": packed(names.shown),
        "images": packed(names.images),
        "held_out": packed(held_out),
    }


def _regions(regions: Regions) -> list[dict[str, Any]]:
    """Return the regions of a map, as the viewer keeps them."""
    names = regions.names
    return [
        {
            "name": names[i],
            "level": int(regions.level[i]),
            "shown": int(names.shown[i]),
            "images": int(names.images[i]),
            "at": [rounded(float(x)) for x in regions.center[i]],
        }
        for i in range(len(regions))
    ]


def _trust(place: Path, grid: GridEntry) -> dict[str, Any]:
    """Return how far each cell can be trusted, a column for each measure, if it was measured."""
    if grid.trust is None:
        return {}
    measures = read_trust(place, grid).measures
    return {"trust": {name.replace("_", " "): packed(x) for name, x in measures.items()}}


def _lowest(evidence: HostArray) -> HostArray:
    """Return the classes with the least evidence in each cell, least first."""
    parts = blocks(evidence, _SORTED)
    some = [np.sort(np.argpartition(part, _LOWEST, axis=1)[:, :_LOWEST]) for part in parts]
    low = np.concatenate(some)
    order = np.argsort(np.take_along_axis(evidence, low, axis=1), axis=1, kind="stable")
    return np.take_along_axis(low, order, axis=1)


def _json(name: str, value: Any) -> Part:
    return Part(name, "json", embeddable(value).encode())
