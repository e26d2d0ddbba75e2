"""What atlas.json says of an atlas: its maps, their grids, their cells."""

import math
from collections.abc import Mapping
from typing import Any

from jatlas.records import Atlas, Grid, Map, class_name, top_classes
from jatlas.storage import files
from jatlas.storage._names import describe_labels, describe_name, describe_regions

FORMAT = "jatlas/1"
ATLAS_FILE = "atlas.json"
NOTES = "notes.json"
LABELS = 5
_TAKEN = ("viewer", "index.html", ATLAS_FILE, NOTES, "images.txt", "labels.npy", "predictions.npy")


def map_folder(atlas_map: Map) -> str:
    """Return the name of a map's folder in its atlas."""
    return files.safe_name(atlas_map.path, taken=_TAKEN)


def describe(atlas: Atlas, sums: Mapping[str, dict[str, str]]) -> dict[str, Any]:
    """Return what atlas.json says of an atlas.

    Args:
      atlas: the atlas.
      sums: checksums of the files of each map, by the map's folder, and of other files under "".
    """
    maps = [describe_map(x, atlas.classes, sums.get(map_folder(x), {})) for x in atlas.maps]
    about = {"format": FORMAT, **atlas.info, "classes": list(atlas.classes)}
    if atlas.labels is not None:
        about["labels"] = describe_labels(atlas.labels)
    return about | {"crc32": sums.get("", {}), "maps": maps}


def describe_map(
    atlas_map: Map, classes: tuple[str, ...], sums: Mapping[str, str]
) -> dict[str, Any]:
    """Return what atlas.json says of a map.

    Args:
      atlas_map: the map.
      classes: names of the atlas's classes.
      sums: checksums of the map's files by name; none if they are not known.
    """
    entry: dict[str, Any] = {
        "kind": atlas_map.kind,
        "layer": atlas_map.layer,
        "name": atlas_map.path,
        "path": map_folder(atlas_map),
        "samples": len(atlas_map.samples),
    }
    if sums:
        entry["crc32"] = dict(sums)
    if atlas_map.classes:
        names = [class_name(index, classes) for index in atlas_map.classes]
        title = f"{' / '.join(names)} ({atlas_map.layer})"
        entry |= {"classes": list(atlas_map.classes), "title": title}
    for name in ("axes", "settings"):
        if getattr(atlas_map, name) is not None:
            entry[name] = getattr(atlas_map, name)
    if atlas_map.regions is not None:
        entry |= describe_regions(atlas_map.regions)
    return entry | {"grids": [_describe_grid(grid, atlas_map, classes) for grid in atlas_map.grids]}


def _describe_grid(grid: Grid, atlas_map: Map, classes: tuple[str, ...]) -> dict[str, Any]:
    entry: dict[str, Any] = {"size": grid.size, "icon_px": grid.icons.images.shape[1]}
    if grid.settings is not None:
        entry["settings"] = grid.settings
    if grid.crops is not None:
        entry["exemplars"] = {"per_cell": grid.crops.shape[1], "px": grid.crops.shape[2]}
    if grid.trust is not None:
        entry["trust"] = grid.trust.settings or {}
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
    for name, names in (("name", grid.names), ("evidence_name", grid.evidence_names)):
        if names is not None:
            entry[name] = describe_name(names, i)
    if grid.exemplars is not None:
        rows = grid.exemplars[i]
        entry["exemplars"] = atlas_map.samples.source[rows[rows >= 0], 0].tolist()
    return entry
