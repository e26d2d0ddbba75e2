"""The Atlas record, and the folder it is saved as: format `jatlas/1`."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any, get_args

import numpy as np

from jatlas import files, strips
from jatlas.records import Grid as Grid
from jatlas.records import Kind
from jatlas.records import Map as Map
from jatlas.show import plot, tiles
from jatlas.types import HostArray

FORMAT = "jatlas/1"
LABELS = 5
_OVERVIEW_PX = 2400
JSON = "atlas.json"
_ARRAYS = ("vectors", "points", "source", "evidence", "moment")


@dataclasses.dataclass(frozen=True)
class Atlas:
    """An activation atlas.

    Attributes:
      maps: of layers, and of classes at a layer. Sample i of every layer's map is the same place
        of the same image; the other maps hold some of them, see their `rows`.
      images: name of every image that was offered, by index.
      classes: name of each class; empty where nobody knows them.
      info: JSON values: network, weights_sha256, seed, settings, versions, source, skipped.
    """

    maps: tuple[Map, ...]
    images: tuple[str, ...]
    classes: tuple[str, ...]
    info: dict[str, Any]

    def find(self, path: str) -> Map:
        """Return the map of a name, `Map.path`.

        Raises:
          ValueError: if there is none; the message names those there are.
        """
        for each in self.maps:
            if each.path == path:
                return each
        known = ", ".join(each.path for each in self.maps)
        raise ValueError(f"map: there is no {path!r}; the atlas has: {known}")

    def save(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write the atlas as a folder of format `jatlas/1`, whole or not at all.

        Args:
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
            _write(self, folder)
        return target

    @classmethod
    def load(cls, path: str | Path) -> Atlas:
        """Read an atlas folder.

        Raises:
          FileNotFoundError: if there is none.
          ValueError: if it is of another format, or a file is missing or damaged.
        """
        folder = Path(path)
        info = read_info(folder)
        try:
            maps = tuple(_read_map(folder, entry) for entry in info.pop("maps"))
            images = tuple((folder / "images.txt").read_text().splitlines())
            classes = tuple(info.pop("classes"))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{folder} is a damaged atlas: {error}") from error
        info.pop("format")
        return cls(maps, images, classes, info)

    def show(self, *, height: int = 600) -> Any:
        """Show the atlas in a notebook: `.selection` of what is returned is the pinned cell.

        Needs the extra `widget`; without it, a frame that looks the same and tells nothing.

        Args:
          height: of the view in pixels.

        Returns:
          What the notebook displays.
        """
        from jatlas.show import widget  # the widget reads atlases: it imports this module

        return widget.show(self, height=height)


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
        info = json.loads((folder / JSON).read_text())
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
    for name in _ARRAYS:
        files.write_array(folder / f"{name}.npy", getattr(each, name))
    if each.rows is not None:
        files.write_array(folder / "rows.npy", each.rows)
    for grid in each.grids:
        _write_grid(folder, grid)


def map_entry(each: Map, atlas: Atlas) -> dict[str, Any]:
    """Return what atlas.json says of a map."""
    entry: dict[str, Any] = {"kind": each.kind, "layer": each.layer, "path": each.path}
    entry["samples"] = len(each.vectors)
    if each.classes:
        names = [class_name(index, atlas.classes) for index in each.classes]
        entry |= {"classes": list(each.classes), "title": f"{' / '.join(names)} ({each.layer})"}
    for name in ("axes", "settings"):
        if getattr(each, name) is not None:
            entry[name] = getattr(each, name)
    return entry | {"grids": [_grid_entry(grid, each, atlas.classes) for grid in each.grids]}


def _write_grid(folder: Path, grid: Grid) -> None:
    names = ("mean", "count", "evidence", "cells", "scores", "cosines", "exemplars")
    arrays = {name: getattr(grid, name) for name in names if getattr(grid, name) is not None}
    files.write_arrays(folder / f"cells-{grid.size}.npz", arrays)
    sprite = grid.sprite()
    files.write_image(folder / f"icons-{grid.size}.png", sprite)
    overview = plot.shrink(sprite, longest=_OVERVIEW_PX)
    files.write_image(folder / f"overview-{grid.size}.png", overview)
    if grid.crops is not None:
        files.write_image(folder / f"exemplars-{grid.size}.png", strips.join(grid.crops))


def _grid_entry(grid: Grid, owner: Map, classes: tuple[str, ...]) -> dict[str, Any]:
    cells = []
    for i, (cell, cosine) in enumerate(
        zip(grid.cells.tolist(), grid.cosines.tolist(), strict=True)
    ):
        row, column = divmod(cell, grid.size)
        labels = top_classes(grid.evidence[row, column], classes, count=LABELS)
        entry = {"row": row, "col": column, "count": int(grid.count[row, column])}
        # JSON has no number that is none.
        known = round(cosine, 4) if math.isfinite(cosine) else None
        entry |= {"cosine": known, "labels": labels}
        if grid.exemplars is not None:
            rows = grid.exemplars[i]
            entry["exemplars"] = owner.source[rows[rows >= 0], 0].tolist()
        cells.append(entry)
    made: dict[str, Any] = {"size": grid.size, "icon_px": grid.icons.shape[1]}
    if grid.settings is not None:
        made["settings"] = grid.settings
    if grid.crops is not None:
        made["exemplars"] = {
            "file": f"exemplars-{grid.size}.png",
            "per_cell": grid.crops.shape[1],
            "px": grid.crops.shape[2],
            "columns": strips.columns(len(grid.cells)),
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


def class_name(index: int, classes: tuple[str, ...]) -> str:
    """Return the name of a class; one beyond the known names is called by its index."""
    return classes[index] if index < len(classes) else f"class {index}"


def _read_map(folder: Path, entry: dict[str, Any]) -> Map:
    place = folder / entry["path"]
    if not place.resolve().is_relative_to(folder.resolve()):
        raise ValueError(f"map path {entry['path']!r} leads out of the folder")
    arrays = {name: files.read_array(place / f"{name}.npy") for name in _ARRAYS}
    kind = entry.get("kind", "layer")
    if kind not in get_args(Kind):
        raise ValueError(f"{entry['path']}: unknown kind of map {kind!r}")
    return Map(
        layer=entry["layer"],
        grids=tuple(_read_grid(place, grid) for grid in entry["grids"]),
        kind=kind,
        classes=tuple(entry.get("classes", ())),
        rows=None if kind == "layer" else files.read_array(place / "rows.npy"),
        axes=entry.get("axes"),
        settings=entry.get("settings"),
        **arrays,
    )


def _read_grid(folder: Path, entry: dict[str, Any]) -> Grid:
    size, px = entry["size"], entry["icon_px"]
    arrays = files.read_arrays(folder / f"cells-{size}.npz")
    place = folder / f"icons-{size}.png"
    pixels = np.asarray(tiles.open_sprite(place, width=size * px, height=size * px))
    # Atlases of the first days had no cosines.
    arrays.setdefault("cosines", np.full(len(arrays["cells"]), np.nan, np.float32))
    rows, columns = np.divmod(arrays["cells"], size)
    icons = pixels.reshape(size, px, size, px, 3)[rows, :, columns]
    crops = None
    if "exemplars" in entry:
        crops = _read_crops(folder, entry["exemplars"], len(arrays["cells"]))
    return Grid(size=size, icons=icons, crops=crops, settings=entry.get("settings"), **arrays)


def _read_crops(folder: Path, about: dict[str, Any], cells: int) -> HostArray:
    path = folder / about["file"]
    if path.parent != folder:
        raise ValueError(f"exemplars file {about['file']!r} leads out of the folder")
    each, px, columns = about["per_cell"], about["px"], about["columns"]
    width, height = columns * each * px, -(-cells // columns) * px
    pixels = np.asarray(tiles.open_sprite(path, width=width, height=height))
    return strips.split(pixels, cells=cells, each=each, px=px, columns=columns)
