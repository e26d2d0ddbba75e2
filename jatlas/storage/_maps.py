"""The files of a map: arrays, icons and crops."""

from pathlib import Path
from typing import Any, get_args

import numpy as np

from jatlas import pixels
from jatlas.records import Grid, Icons, Info, Kind, Map, Samples
from jatlas.storage import files
from jatlas.types import HostArray

_OVERVIEW_PX = 2400
_SAMPLES = ("vectors", "source", "evidence", "moment")


def write_map(folder: Path, atlas_map: Map) -> None:
    """Write the files of a map; atlas.json, which names it, is left alone."""
    files.write_array(folder / "points.npy", atlas_map.points)
    for name in _SAMPLES:
        files.write_array(folder / f"{name}.npy", getattr(atlas_map.samples, name))
    if atlas_map.rows is not None:
        files.write_array(folder / "rows.npy", atlas_map.rows)
    for grid in atlas_map.grids:
        _write_grid(folder, grid)


def _write_grid(folder: Path, grid: Grid) -> None:
    names = ("mean", "count", "evidence", "cells", "exemplars")
    arrays = {name: getattr(grid, name) for name in names if getattr(grid, name) is not None}
    arrays |= {"scores": grid.icons.scores, "cosines": grid.icons.cosines}
    files.write_arrays(folder / f"cells-{grid.size}.npz", arrays)
    sprite = pixels.sprite(grid.icons.images, grid.cells, size=grid.size)
    files.write_image(folder / f"icons-{grid.size}.png", sprite)
    overview = pixels.shrink(sprite, longest=_OVERVIEW_PX)
    files.write_image(folder / f"overview-{grid.size}.png", overview)
    if grid.crops is not None:
        files.write_image(folder / f"exemplars-{grid.size}.png", pixels.join_crops(grid.crops))


def read_map(folder: Path, entry: dict[str, Any]) -> Map:
    place = folder / entry["path"]
    if not place.resolve().is_relative_to(folder.resolve()):
        raise ValueError(f"map path {entry['path']!r} leads out of the folder")
    kind = entry.get("kind", "layer")
    if kind not in get_args(Kind):
        raise ValueError(f"{entry['path']}: unknown kind of map {kind!r}")
    return Map(
        layer=entry["layer"],
        samples=Samples(**{name: files.read_array(place / f"{name}.npy") for name in _SAMPLES}),
        points=files.read_array(place / "points.npy"),
        grids=tuple(_read_grid(place, grid) for grid in entry["grids"]),
        kind=kind,
        classes=tuple(entry.get("classes", ())),
        rows=None if kind == "layer" else files.read_array(place / "rows.npy"),
        axes=_info(entry.get("axes")),
        settings=_info(entry.get("settings")),
    )


def _read_grid(folder: Path, entry: dict[str, Any]) -> Grid:
    size, px = entry["size"], entry["icon_px"]
    arrays = files.read_arrays(folder / f"cells-{size}.npz")
    path = folder / f"icons-{size}.png"
    sprite = np.asarray(pixels.open_sprite(path, width=size * px, height=size * px))
    rows, columns = np.divmod(arrays["cells"], size)
    images = sprite.reshape(size, px, size, px, 3)[rows, :, columns]
    crops = None
    if "exemplars" in entry:
        crops = _read_crops(folder, entry["exemplars"], len(arrays["cells"]))
    return Grid(
        size=size,
        mean=arrays["mean"],
        count=arrays["count"],
        evidence=arrays["evidence"],
        cells=arrays["cells"],
        icons=Icons(images=images, scores=arrays["scores"], cosines=arrays["cosines"]),
        exemplars=arrays.get("exemplars"),
        crops=crops,
        settings=_info(entry.get("settings")),
    )


def _read_crops(folder: Path, about: dict[str, Any], cells: int) -> HostArray:
    path = folder / about["file"]
    if path.parent != folder:
        raise ValueError(f"exemplars file {about['file']!r} leads out of the folder")
    each, px, columns = about["per_cell"], about["px"], about["columns"]
    width, height = columns * each * px, -(-cells // columns) * px
    picture = np.asarray(pixels.open_sprite(path, width=width, height=height))
    return pixels.split_crops(picture, cells=cells, each=each, px=px)


def _info(values: dict[str, Any] | None) -> Info | None:
    return None if values is None else Info(values)
