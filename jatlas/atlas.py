"""The Atlas record, and the folder it is saved as: format `jatlas/1`."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from jatlas import files
from jatlas.show import plot
from jatlas.types import HostArray

FORMAT = "jatlas/1"
LABELS = 5
_OVERVIEW_PX = 2400
_JSON = "atlas.json"


@dataclasses.dataclass(frozen=True)
class Grid:
    """One grid of cells over a map.

    Attributes:
      size: cells along each side.
      mean: (size, size, channels) float32 average activation; row 0 at the top.
      count: (size, size) int32 samples per cell; the counts add up to the samples.
      evidence: (size, size, classes) float32 average class evidence.
      cells: (m,) int32 row-major numbers of the cells that have an icon, ascending.
      icons: (m, px, px, 3) uint8.
      scores: (m,) float32 what the objective reached, mean over fixed views.
      cosines: (m,) float32 how well each icon, as it is, points the way of its cell's direction.
    """

    size: int
    mean: HostArray
    count: HostArray
    evidence: HostArray
    cells: HostArray
    icons: HostArray
    scores: HostArray
    cosines: HostArray

    def sprite(self) -> HostArray:
        """Return all icons in one picture, (size * px, size * px, 3) uint8."""
        return plot.sprite(self.icons, self.cells, size=self.size)


@dataclasses.dataclass(frozen=True)
class Map:
    """One layer laid out.

    Attributes:
      layer: name of the layer.
      vectors: (n, channels) float32 activation vectors.
      points: (n, 2) float32 of x to the right and y down, in the unit square.
      source: (n, 3) int32 of image index, row and column of the activation.
      evidence: (n, classes) float16 class evidence of each vector.
      moment: (channels, channels) float32 second moment of the layer.
      grids: grids over the points.
    """

    layer: str
    vectors: HostArray
    points: HostArray
    source: HostArray
    evidence: HostArray
    moment: HostArray
    grids: tuple[Grid, ...]


@dataclasses.dataclass(frozen=True)
class Atlas:
    """An activation atlas.

    Attributes:
      maps: one per layer. Sample i of every map is the same place of the same image.
      images: name of every image that was offered, by index.
      classes: name of each class; empty where nobody knows them.
      info: JSON values: network, weights_sha256, seed, settings, versions, source, skipped.
    """

    maps: tuple[Map, ...]
    images: tuple[str, ...]
    classes: tuple[str, ...]
    info: dict[str, Any]

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
    if not (folder / _JSON).exists():
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
        info = json.loads((folder / _JSON).read_text())
    except FileNotFoundError:
        raise FileNotFoundError(f"{folder} is no atlas: it has no {_JSON}") from None
    except ValueError as error:
        raise ValueError(f"{folder / _JSON} is damaged: {error}") from error
    found = info.get("format") if isinstance(info, dict) else None
    if found != FORMAT:
        raise ValueError(f"{folder / _JSON}: expected format {FORMAT!r}, got {found!r}")
    return info


def _write(atlas: Atlas, folder: Path) -> None:
    for each in atlas.maps:
        for name in ("vectors", "points", "source", "evidence", "moment"):
            files.write_array(folder / each.layer / f"{name}.npy", getattr(each, name))
        for grid in each.grids:
            _write_grid(folder / each.layer, grid)
    files.write_text(folder / "images.txt", "".join(f"{name}\n" for name in atlas.images))
    maps = [
        {
            "kind": "layer",
            "layer": each.layer,
            "path": each.layer,
            "samples": len(each.vectors),
            "grids": [_grid_entry(grid, atlas.classes) for grid in each.grids],
        }
        for each in atlas.maps
    ]
    info = {"format": FORMAT, **atlas.info, "classes": list(atlas.classes), "maps": maps}
    files.write_json(folder / _JSON, info)


def _write_grid(folder: Path, grid: Grid) -> None:
    names = ("mean", "count", "evidence", "cells", "scores", "cosines")
    arrays = {name: getattr(grid, name) for name in names}
    files.write_arrays(folder / f"cells-{grid.size}.npz", arrays)
    sprite = grid.sprite()
    files.write_image(folder / f"icons-{grid.size}.png", sprite)
    overview = plot.shrink(sprite, longest=_OVERVIEW_PX)
    files.write_image(folder / f"overview-{grid.size}.png", overview)


def _grid_entry(grid: Grid, classes: tuple[str, ...]) -> dict[str, Any]:
    cells = []
    for cell, cosine in zip(grid.cells.tolist(), grid.cosines.tolist(), strict=True):
        row, column = divmod(cell, grid.size)
        labels = top_classes(grid.evidence[row, column], classes, count=LABELS)
        entry = {"row": row, "col": column, "count": int(grid.count[row, column])}
        # JSON has no number that is none.
        known = round(cosine, 4) if math.isfinite(cosine) else None
        cells.append(entry | {"cosine": known, "labels": labels})
    return {"size": grid.size, "icon_px": grid.icons.shape[1], "cells": cells}


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
    return [
        (i, classes[i] if i < len(classes) else f"class {i}", float(f"{evidence[i]:.5g}"))
        for i in best
    ]


def _read_map(folder: Path, entry: dict[str, Any]) -> Map:
    place = folder / entry["path"]
    if not place.resolve().is_relative_to(folder.resolve()):
        raise ValueError(f"map path {entry['path']!r} leads out of the folder")
    arrays = {
        name: files.read_array(place / f"{name}.npy")
        for name in ("vectors", "points", "source", "evidence", "moment")
    }
    grids = tuple(_read_grid(place, grid["size"], grid["icon_px"]) for grid in entry["grids"])
    return Map(layer=entry["layer"], grids=grids, **arrays)


def _read_grid(folder: Path, size: int, px: int) -> Grid:
    from PIL import Image

    arrays = files.read_arrays(folder / f"cells-{size}.npz")
    # An atlas of the user's own making: its sprite may be larger than what Pillow calls a bomb.
    with Image.open(folder / f"icons-{size}.png") as image:
        if image.size != (size * px, size * px):
            raise ValueError(f"icons-{size}.png: expected {size * px} px, got {image.size}")
        pixels = np.asarray(image.convert("RGB"))
    # Atlases of the first days had no cosines.
    arrays.setdefault("cosines", np.full(len(arrays["cells"]), np.nan, np.float32))
    rows, columns = np.divmod(arrays["cells"], size)
    icons = pixels.reshape(size, px, size, px, 3)[rows, :, columns]
    return Grid(size=size, icons=icons, **arrays)
