"""The files of a map: arrays, icons and crops."""

from pathlib import Path
from typing import Any, get_args

import numpy as np

from jatlas.records import Atlas, Grid, Icons, Info, Kind, Map, Samples
from jatlas.storage import files
from jatlas.storage._checks import check_cells
from jatlas.storage._entries import GridEntry, MapEntry
from jatlas.storage._overview import write_overview
from jatlas.storage._trust import read_trust, write_trust
from jatlas.types import HostArray

_SAMPLES = ("vectors", "source", "evidence", "moment")


def write_map(folder: Path, atlas: Atlas, atlas_map: Map) -> dict[str, str]:
    """Write the files of a map into a new folder; atlas.json, which names it, is left alone.

    Args:
      folder: of the map.
      atlas: what the map is of, which its figures name.
      atlas_map: the map.

    Returns:
      Their checksums, by name.
    """
    files.write_array(folder / "points.npy", atlas_map.points)
    for name in _SAMPLES:
        files.write_array(folder / f"{name}.npy", getattr(atlas_map.samples, name))
    if atlas_map.rows is not None:
        files.write_array(folder / "rows.npy", atlas_map.rows)
    for grid in atlas_map.grids:
        _write_grid(folder, grid)
        write_overview(folder / f"overview-{grid.size}.png", atlas, atlas_map, grid)
    return files.checksums(folder)


def _write_grid(folder: Path, grid: Grid) -> None:
    names = ("mean", "count", "evidence", "cells", "exemplars", "boxes")
    arrays = {name: getattr(grid, name) for name in names if getattr(grid, name) is not None}
    arrays |= {"scores": grid.icons.scores, "cosines": grid.icons.cosines}
    files.write_arrays(folder / f"cells-{grid.size}.npz", arrays)
    files.write_array(folder / f"icons-{grid.size}.npy", np.asarray(grid.icons.images))
    if grid.crops is not None:
        files.write_array(folder / f"exemplars-{grid.size}.npy", np.asarray(grid.crops))
    if grid.trust is not None:
        write_trust(folder, grid.trust, size=grid.size)


def map_place(folder: Path, entry: MapEntry) -> Path:
    """Return the folder of a map.

    Raises:
      ValueError: if it is not in the atlas.
    """
    place = folder / entry.path
    if not place.resolve().is_relative_to(folder.resolve()):
        raise ValueError(f"map path {entry.path!r} leads out of the folder")
    return place


def read_map(folder: Path, entry: MapEntry) -> Map:
    """Map the arrays of a map into memory: they are read where they are looked at.

    Args:
      folder: the atlas.
      entry: what its atlas.json says of the map.

    Raises:
      OSError: if a file cannot be read.
      ValueError: if one is damaged, or is not what the entry says.
    """
    place = map_place(folder, entry)
    if entry.kind not in get_args(Kind):
        raise ValueError(f"{entry.path}: unknown kind of map {entry.kind!r}")
    if entry.layer is None:
        raise ValueError(f"{entry.path}: layer is missing")
    files.verify(place, entry.sums)
    read = Map(
        layer=entry.layer,
        samples=Samples(**{name: files.map_array(place / f"{name}.npy") for name in _SAMPLES}),
        points=files.map_array(place / "points.npy"),
        grids=tuple(_read_grid(place, grid) for grid in entry.grids),
        kind=entry.kind,  # type: ignore[arg-type]
        classes=entry.classes,
        rows=None if entry.kind == "layer" else files.map_array(place / "rows.npy"),
        axes=_info(entry.axes),
        regions=entry.regions,
        settings=_info(entry.settings),
    )
    found = read.samples.vectors.shape
    if entry.samples is not None and found[:1] != (entry.samples,):
        raise ValueError(f"{place / 'vectors.npy'}: expected {entry.samples} samples, got {found}")
    return read


def _read_grid(folder: Path, entry: GridEntry) -> Grid:
    size = entry.size
    path = folder / f"cells-{size}.npz"
    arrays = files.map_arrays(path)
    needed = ("mean", "count", "evidence", "cells", "scores", "cosines")
    if missing := [name for name in needed if name not in arrays]:
        raise ValueError(f"{path}: {', '.join(missing)} is missing")
    cells, count = arrays["cells"], arrays["count"]
    check_cells(str(path), cells, count, size=size)
    if not (
        np.array_equal(cells, entry.cells)
        and np.array_equal(count.ravel()[cells], np.asarray(entry.counts, np.int64))
    ):
        raise ValueError(f"{path}: its cells are not those that atlas.json lists")
    return Grid(
        size=size,
        mean=arrays["mean"],
        count=count,
        evidence=arrays["evidence"],
        cells=cells,
        icons=Icons(
            images=map_icons(folder, entry), scores=arrays["scores"], cosines=arrays["cosines"]
        ),
        exemplars=arrays.get("exemplars"),
        crops=None if entry.crops is None else map_crops(folder, entry),
        boxes=arrays.get("boxes"),
        names=entry.names,
        evidence_names=entry.evidence_names,
        settings=_info(entry.settings),
        trust=None if entry.trust is None else read_trust(folder, entry),
    )


def map_icons(folder: Path, grid: GridEntry) -> HostArray:
    """Map the icons of a grid into memory: (m, px, px, 3) uint8; raises as `read_map`."""
    shape = (len(grid.cells), grid.icon_px, grid.icon_px, 3)
    return _map_pictures(folder / f"icons-{grid.size}.npy", shape)


def map_crops(folder: Path, grid: GridEntry) -> HostArray:
    """Map the crops of a grid that has some: (m, k, px, px, 3) uint8; raises as `read_map`."""
    assert grid.crops is not None
    shape = (len(grid.cells), grid.crops.per_cell, grid.crops.px, grid.crops.px, 3)
    return _map_pictures(folder / f"exemplars-{grid.size}.npy", shape)


def _map_pictures(path: Path, shape: tuple[int, ...]) -> HostArray:
    array = files.map_array(path)
    if array.shape != shape or array.dtype != np.uint8:
        raise ValueError(
            f"{path} is damaged: expected uint8 of shape {shape}, got {array.dtype} {array.shape}"
        )
    return array


def _info(values: dict[str, Any] | None) -> Info | None:
    return None if values is None else Info(values)
