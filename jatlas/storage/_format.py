"""The atlas on disk: format `jatlas/1`."""

import json
import math
from pathlib import Path
from typing import Any, get_args

import numpy as np

from jatlas import pixels
from jatlas.records import Atlas, Grid, Icons, Info, Kind, Map, Samples, class_name
from jatlas.storage import _files as files
from jatlas.types import HostArray

FORMAT = "jatlas/1"
LABELS = 5
_OVERVIEW_PX = 2400
JSON = "atlas.json"
_SAMPLES = ("vectors", "source", "evidence", "moment")


def save(atlas: Atlas, path: str | Path, *, overwrite: bool = False) -> Path:
    """Write an atlas as a folder of format `jatlas/1`, whole or not at all.

    Args:
      atlas: the atlas.
      path: the folder; it must not exist, or be empty.
      overwrite: whether an atlas that is there may be replaced. Anything else never is.

    Returns:
      The folder.

    Raises:
      ValueError: if the folder holds something.
      OSError: if it cannot be written; nothing is left behind.
    """
    target = Path(path)
    check_free(target, overwrite=overwrite)
    with files.replacing_folder(target) as folder:
        _write(atlas, folder)
    return target


def load(path: str | Path) -> Atlas:
    """Read an atlas folder.

    Args:
      path: the folder.

    Raises:
      FileNotFoundError: if there is none.
      ValueError: if it is of another format, or a file is missing or damaged.
    """
    folder = Path(path)
    info = read_info(folder)
    try:
        maps = tuple(_read_map(folder, entry) for entry in info.pop("maps"))
        images = read_names(folder)
        classes = tuple(info.pop("classes"))
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise ValueError(f"{folder} is a damaged atlas: {error}") from error
    info.pop("format")
    return Atlas(maps=maps, images=images, classes=classes, info=Info(info))


def read_names(folder: Path) -> tuple[str, ...]:
    """Read the names of an atlas's images, one a line."""
    text = (folder / "images.txt").read_text(encoding="utf-8")
    return tuple(text.split("\n")[:-1])


def check_free(folder: Path, *, overwrite: bool = False) -> None:
    """Raise ValueError unless an atlas may be written to a folder."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise ValueError(f"{folder} is a file: choose another output folder")
    if not any(folder.iterdir()):
        return
    if not (folder / JSON).exists():
        raise ValueError(f"{folder} holds something else: choose another output folder")
    read_info(folder)
    if not overwrite:
        raise ValueError(f"{folder} holds an atlas already: choose another output folder")


def read_info(folder: Path) -> dict[str, Any]:
    """Read atlas.json.

    Raises:
      FileNotFoundError: if there is none.
      ValueError: if it is not of format `jatlas/1`.
    """
    try:
        info = json.loads((folder / JSON).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FileNotFoundError(f"{folder} is no atlas: it has no {JSON}") from None
    except ValueError as error:
        raise ValueError(f"{folder / JSON} is damaged: {error}") from error
    found = info.get("format") if isinstance(info, dict) else None
    if found != FORMAT:
        raise ValueError(f"{folder / JSON}: expected format {FORMAT!r}, got {found!r}")
    return info


def _write(atlas: Atlas, folder: Path) -> None:
    for each in atlas.maps:
        write_map(folder / each.path, each)
    files.write_text(folder / "images.txt", "".join(f"{name}\n" for name in atlas.images))
    maps = [map_entry(each, atlas) for each in atlas.maps]
    info = {"format": FORMAT, **atlas.info, "classes": list(atlas.classes), "maps": maps}
    files.write_json(folder / JSON, info)


def write_map(folder: Path, each: Map) -> None:
    """Write the files of a map into its folder; atlas.json, which names it, is left alone."""
    files.write_array(folder / "points.npy", each.points)
    for name in _SAMPLES:
        files.write_array(folder / f"{name}.npy", getattr(each.samples, name))
    if each.rows is not None:
        files.write_array(folder / "rows.npy", each.rows)
    for grid in each.grids:
        _write_grid(folder, grid)


def map_entry(each: Map, atlas: Atlas) -> dict[str, Any]:
    """Return what atlas.json says of a map."""
    entry: dict[str, Any] = {"kind": each.kind, "layer": each.layer, "path": each.path}
    entry["samples"] = len(each.samples)
    if each.classes:
        names = [class_name(index, atlas.classes) for index in each.classes]
        entry |= {"classes": list(each.classes), "title": f"{' / '.join(names)} ({each.layer})"}
    for name in ("axes", "settings"):
        if getattr(each, name) is not None:
            entry[name] = getattr(each, name)
    return entry | {"grids": [_grid_entry(grid, each, atlas.classes) for grid in each.grids]}


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


def _grid_entry(grid: Grid, owner: Map, classes: tuple[str, ...]) -> dict[str, Any]:
    cells = []
    for i, (cell, cosine) in enumerate(
        zip(grid.cells.tolist(), grid.icons.cosines.tolist(), strict=True)
    ):
        row, column = divmod(cell, grid.size)
        labels = top_classes(grid.evidence[row, column], classes, count=LABELS)
        entry = {"row": row, "col": column, "count": int(grid.count[row, column])}
        # JSON has no number that is none.
        known = round(cosine, 4) if math.isfinite(cosine) else None
        entry |= {"cosine": known, "labels": labels}
        if grid.exemplars is not None:
            rows = grid.exemplars[i]
            entry["exemplars"] = owner.samples.source[rows[rows >= 0], 0].tolist()
        cells.append(entry)
    made: dict[str, Any] = {"size": grid.size, "icon_px": grid.icons.images.shape[1]}
    if grid.settings is not None:
        made["settings"] = grid.settings
    if grid.crops is not None:
        made["exemplars"] = {
            "file": f"exemplars-{grid.size}.png",
            "per_cell": grid.crops.shape[1],
            "px": grid.crops.shape[2],
            "columns": pixels.crop_columns(len(grid.cells)),
        }
    return made | {"cells": cells}


def top_classes(
    evidence: HostArray, classes: tuple[str, ...], *, count: int
) -> list[tuple[int, str, float]]:
    """Name the classes with the most evidence.

    Args:
      evidence: (classes,).
      classes: their names; a class beyond them is called by its index.
      count: how many, at most.

    Returns:
      (index, name, evidence to five digits), most first.
    """
    best = np.argsort(-evidence, kind="stable")[:count].tolist()
    return [(i, class_name(i, classes), float(f"{evidence[i]:.5g}")) for i in best]


def _read_map(folder: Path, entry: dict[str, Any]) -> Map:
    place = folder / entry["path"]
    if not place.resolve().is_relative_to(folder.resolve()):
        raise ValueError(f"map path {entry['path']!r} leads out of the folder")
    samples = Samples(**{name: files.read_array(place / f"{name}.npy") for name in _SAMPLES})
    kind = entry.get("kind", "layer")
    if kind not in get_args(Kind):
        raise ValueError(f"{entry['path']}: unknown kind of map {kind!r}")
    return Map(
        layer=entry["layer"],
        samples=samples,
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
    place = folder / f"icons-{size}.png"
    picture = np.asarray(pixels.open_sprite(place, width=size * px, height=size * px))
    rows, columns = np.divmod(arrays["cells"], size)
    images = picture.reshape(size, px, size, px, 3)[rows, :, columns]
    icons = Icons(images=images, scores=arrays.pop("scores"), cosines=arrays.pop("cosines"))
    crops = None
    if "exemplars" in entry:
        crops = _read_crops(folder, entry["exemplars"], len(arrays["cells"]))
    settings = _info(entry.get("settings"))
    return Grid(size=size, icons=icons, crops=crops, settings=settings, **arrays)


def _info(values: dict[str, Any] | None) -> Info | None:
    return None if values is None else Info(values)


def _read_crops(folder: Path, about: dict[str, Any], cells: int) -> HostArray:
    path = folder / about["file"]
    if path.parent != folder:
        raise ValueError(f"exemplars file {about['file']!r} leads out of the folder")
    each, px, columns = about["per_cell"], about["px"], about["columns"]
    width, height = columns * each * px, -(-cells // columns) * px
    picture = np.asarray(pixels.open_sprite(path, width=width, height=height))
    return pixels.split_crops(picture, cells=cells, each=each, px=px)
