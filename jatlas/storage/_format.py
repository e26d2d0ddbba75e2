"""The atlas on disk: format `jatlas/1`."""

import json
import math
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np

from jatlas import pixels
from jatlas.records import Atlas, Grid, Icons, Info, Kind, Map, Samples, class_name
from jatlas.storage import files
from jatlas.storage._cache import FOLDER
from jatlas.types import HostArray

FORMAT = "jatlas/1"
ATLAS_FILE = "atlas.json"
LABELS = 5
_OVERVIEW_PX = 2400
_SAMPLES = ("vectors", "source", "evidence", "moment")
_TAKEN = ("viewer", "index.html", ATLAS_FILE, "images.txt")


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
      OSError: if it cannot be written; the folder is as it was.
    """
    target = Path(path)
    if check_output(target) and not overwrite:
        raise ValueError(f"{target} holds an atlas already: choose another output folder")
    with files.replacing_folder(target, last=ATLAS_FILE) as folder:
        for atlas_map in atlas.maps:
            _write_map(folder / map_folder(atlas_map), atlas_map)
        _write_index(folder, atlas)
    return target


def update(path: str | Path, atlas: Atlas, *, stored: Atlas | None) -> None:
    """Write an atlas into a folder map by map, atlas.json last.

    Each map's folder is complete before it takes its place. Killed on the way, a new folder is no
    atlas yet, and a stored atlas no longer says which stages its maps are the results of.

    Args:
      path: the folder, which exists.
      atlas: the atlas; those of its maps that are the very records of `stored` are left alone.
      stored: the atlas that the folder holds; None if it holds none.

    Raises:
      OSError: if it cannot be written.
    """
    folder = Path(path)
    before = () if stored is None else stored.maps
    if stored is not None:
        files.write_json(folder / ATLAS_FILE, _describe(stored) | {"stages": {}})
    for atlas_map in atlas.maps:
        if not any(atlas_map is other for other in before):
            with files.replacing_folder(folder / map_folder(atlas_map)) as target:
                _write_map(target, atlas_map)
    _write_index(folder, atlas)
    current = {map_folder(atlas_map) for atlas_map in atlas.maps}
    for atlas_map in before:
        if map_folder(atlas_map) not in current:
            shutil.rmtree(folder / map_folder(atlas_map), ignore_errors=True)


def _write_index(folder: Path, atlas: Atlas) -> None:
    files.write_text(folder / "images.txt", "".join(f"{name}\n" for name in atlas.images))
    files.write_json(folder / ATLAS_FILE, _describe(atlas))


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


def add_map(path: str | Path, atlas: Atlas, new: Map) -> None:
    """Write one map into an atlas folder, in the place of the map of its name if there is one.

    The map's folder is complete before it takes its place, and atlas.json is replaced last. While
    the folder of a class map is replaced, atlas.json does not name it: killed there, the atlas
    lacks the map and is whole. A layer's map, which the others need, stays named.

    Args:
      path: the atlas folder.
      atlas: the atlas with the new map; its other maps may be out of date.
      new: the map.

    Raises:
      OSError: if it cannot be written; the atlas is as it was.
    """
    folder = Path(path)
    stored = read_info(folder)  # another map may have come meanwhile
    names = [entry["name"] for entry in stored["maps"]]
    place = names.index(new.path) if new.path in names else len(names)
    complete, without = list(stored["maps"]), list(stored["maps"])
    complete[place : place + 1] = [_describe_map(new, atlas.classes)]
    del without[place : place + 1]
    stages = stored.get("stages", {}) | atlas.info.get("stages", {})
    hidden = False
    try:
        with files.replacing_folder(folder / map_folder(new)) as target:
            _write_map(target, new)
            if new.path in names and new.kind != "layer":
                files.write_json(folder / ATLAS_FILE, stored | {"maps": without})
                hidden = True
    except OSError:
        if hidden:
            files.write_json(folder / ATLAS_FILE, stored)
        raise
    files.write_json(folder / ATLAS_FILE, stored | {"maps": complete, "stages": stages})


def check_output(folder: Path) -> bool:
    """Return whether a folder holds an atlas that would be replaced.

    Raises:
      ValueError: if the folder is none, or holds anything but an atlas or an unfinished one.
    """
    if not folder.exists():
        if folder.is_symlink():
            raise ValueError(f"{folder} is a link to a folder that is not there: remove the link")
        return False
    if not folder.is_dir():
        raise ValueError(f"{folder} is a file: choose another output folder")
    if (folder / ATLAS_FILE).exists():
        read_info(folder)
        return True
    if any(folder.iterdir()) and not (folder / FOLDER).is_dir():
        raise ValueError(f"{folder} holds something else: choose another output folder")
    return False


def read_info(folder: Path) -> dict[str, Any]:
    """Read atlas.json.

    Raises:
      FileNotFoundError: if there is none.
      ValueError: if it is not of format `jatlas/1`.
    """
    try:
        info = json.loads((folder / ATLAS_FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FileNotFoundError(f"{folder} is no atlas: it has no {ATLAS_FILE}") from None
    except ValueError as error:
        raise ValueError(f"{folder / ATLAS_FILE} is damaged: {error}") from error
    found = info.get("format") if isinstance(info, dict) else None
    if found != FORMAT:
        raise ValueError(f"{folder / ATLAS_FILE}: expected format {FORMAT!r}, got {found!r}")
    return info


def read_names(folder: Path) -> tuple[str, ...]:
    """Read the names of an atlas's images, one a line of images.txt."""
    # Not splitlines or read_text, which also split at characters that a name may hold.
    return tuple((folder / "images.txt").read_bytes().decode().split("\n")[:-1])


def map_folder(atlas_map: Map) -> str:
    """Return the name of a map's folder in its atlas."""
    return files.safe_name(atlas_map.path, taken=_TAKEN)


def top_classes(
    evidence: HostArray, classes: Sequence[str], *, count: int
) -> list[tuple[int, str, float]]:
    """Return the classes with the most evidence.

    Args:
      evidence: (classes,).
      classes: their names.
      count: how many, at most.

    Returns:
      (index, name, evidence to five digits), most first.

    Example:
      >>> top_classes(np.array([0.5, 2.0, 1.0]), ("cat", "dog", "fox"), count=2)
      [(1, 'dog', 2.0), (2, 'fox', 1.0)]
    """
    best = np.argsort(-evidence, kind="stable")[:count].tolist()
    return [(i, class_name(i, classes), float(f"{evidence[i]:.5g}")) for i in best]


def _write_map(folder: Path, atlas_map: Map) -> None:
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


def _describe(atlas: Atlas) -> dict[str, Any]:
    """Return what atlas.json says of an atlas."""
    maps = [_describe_map(atlas_map, atlas.classes) for atlas_map in atlas.maps]
    return {"format": FORMAT, **atlas.info, "classes": list(atlas.classes), "maps": maps}


def _describe_map(atlas_map: Map, classes: tuple[str, ...]) -> dict[str, Any]:
    """Return what atlas.json says of a map."""
    entry: dict[str, Any] = {
        "kind": atlas_map.kind,
        "layer": atlas_map.layer,
        "name": atlas_map.path,
        "path": map_folder(atlas_map),
        "samples": len(atlas_map.samples),
    }
    if atlas_map.classes:
        names = [class_name(index, classes) for index in atlas_map.classes]
        title = f"{' / '.join(names)} ({atlas_map.layer})"
        entry |= {"classes": list(atlas_map.classes), "title": title}
    for name in ("axes", "settings"):
        if getattr(atlas_map, name) is not None:
            entry[name] = getattr(atlas_map, name)
    return entry | {"grids": [_describe_grid(grid, atlas_map, classes) for grid in atlas_map.grids]}


def _describe_grid(grid: Grid, atlas_map: Map, classes: tuple[str, ...]) -> dict[str, Any]:
    entry: dict[str, Any] = {"size": grid.size, "icon_px": grid.icons.images.shape[1]}
    if grid.settings is not None:
        entry["settings"] = grid.settings
    if grid.crops is not None:
        entry["exemplars"] = {
            "file": f"exemplars-{grid.size}.png",
            "per_cell": grid.crops.shape[1],
            "px": grid.crops.shape[2],
            "columns": pixels.crop_columns(len(grid.cells)),
        }
    cells = [_describe_cell(i, grid, atlas_map, classes) for i in range(len(grid.cells))]
    return entry | {"cells": cells}


def _describe_cell(i: int, grid: Grid, atlas_map: Map, classes: tuple[str, ...]) -> dict[str, Any]:
    row, column = divmod(int(grid.cells[i]), grid.size)
    cosine = float(grid.icons.cosines[i])
    entry: dict[str, Any] = {
        "row": row,
        "col": column,
        "count": int(grid.count[row, column]),
        # JSON has no NaN.
        "cosine": round(cosine, 4) if math.isfinite(cosine) else None,
        "labels": top_classes(grid.evidence[row, column], classes, count=LABELS),
    }
    if grid.exemplars is not None:
        rows = grid.exemplars[i]
        entry["exemplars"] = atlas_map.samples.source[rows[rows >= 0], 0].tolist()
    return entry


def _read_map(folder: Path, entry: dict[str, Any]) -> Map:
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
