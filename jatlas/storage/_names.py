"""Names of cells and regions, and what images show, as atlas.json says it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from jatlas.records import UNCLEAR, Hierarchy, Labels, Names, Regions
from jatlas.storage import _values as values
from jatlas.types import HostArray, checks

_LEVELS = 100  # of regions; the default has three
_SIDE = 256  # cells along each side of the grid that regions cover


def describe_name(names: Names, index: int) -> dict[str, Any]:
    """Return what atlas.json says of a name."""
    held_out = float(names.held_out[index])
    return {
        "name": names[index],
        "shown": int(names.shown[index]),
        "images": int(names.images[index]),
        "held_out": round(held_out, 4) if math.isfinite(held_out) else None,
        "held_out_images": int(names.held_out_images[index]),
    }


def read_names(entries: list[Any], where: str) -> Names:
    """Read names; raises ValueError if something is missing, of another type, or out of range."""
    texts: list[str | None] = []
    numbers: dict[str, list[int]] = {"shown": [], "images": [], "held_out_images": []}
    held_out: list[float] = []
    for number, entry in enumerate(entries):
        here = f"{where}[{number}]"
        texts.append(values.text(entry, "name", here, default=None))
        for name, column in numbers.items():
            column.append(values.integer(entry, name, here, maximum=values.INT32_MAX))
        share = values.get(entry, "held_out", here)
        if share is not None and not (values.is_number(share) and 0 <= share <= 1):
            raise ValueError(f"{here}.held_out: expected 0 to 1, got {checks.shown(share)}")
        held_out.append(math.nan if share is None else float(share))
    vocabulary = sorted({text for text in texts if text is not None})
    place = {text: number for number, text in enumerate(vocabulary)}
    return Names(
        vocabulary=tuple(vocabulary),
        name=np.array([UNCLEAR if x is None else place[x] for x in texts], np.int32),
        held_out=np.array(held_out, np.float32),
        **{name: np.array(column, np.int32) for name, column in numbers.items()},
    )


def describe_regions(regions: Regions) -> dict[str, Any]:
    """Return what atlas.json says of the regions of a map."""
    listed = [
        describe_name(regions.names, number)
        | {
            "level": int(regions.level[number]),
            "parent": int(regions.parent[number]),
            "center": _point(regions.center[number]),
            "typical": _point(regions.typical[number]),
        }
        for number in range(len(regions))
    ]
    return {"regions": listed, "cover": np.asarray(regions.cover).tolist()}


def _point(point: HostArray) -> list[float]:
    return [round(float(x), 4) for x in point]


def read_regions(entry: Any, where: str) -> Regions:
    """Read the regions of a map; raises as `read_names`."""
    listed = values.items(entry, "regions", where)
    count = len(listed)
    here = [f"{where}.regions[{number}]" for number in range(count)]
    level, parent = [], []
    for each, at in zip(listed, here, strict=True):
        level.append(values.integer(each, "level", at, maximum=_LEVELS))
        parent.append(values.integer(each, "parent", at, minimum=-1, maximum=count - 1))
    cover = values.items(entry, "cover", where)
    grid = np.array(cover) if _is_cube(cover) else None
    if grid is None or grid.dtype.kind != "i" or grid.shape[1] > _SIDE:
        raise ValueError(f"{where}.cover: expected squares of numbers")
    if grid.size and not (grid.min() >= -1 and grid.max() < count):
        raise ValueError(f"{where}.cover: expected numbers of {count} regions, or -1")
    return Regions(
        names=read_names(listed, f"{where}.regions"),
        level=np.array(level, np.int32),
        parent=np.array(parent, np.int32),
        center=_points(listed, "center", here),
        typical=_points(listed, "typical", here),
        cover=grid.astype(np.int32),
    )


def _is_cube(cover: list[Any]) -> bool:
    """Return whether a list holds squares of integers, all of one side."""
    rows = [row for square in cover if isinstance(square, list) for row in square]
    side = len(cover[0]) if cover and isinstance(cover[0], list) else 0
    return (
        len(rows) == side * len(cover) > 0
        and all(isinstance(row, list) and len(row) == side for row in rows)
        and all(type(x) is int and abs(x) <= values.INT32_MAX for row in rows for x in row)
    )


def _points(entries: list[Any], name: str, where: list[str]) -> HostArray:
    points = np.zeros((len(entries), 2), np.float32)
    for number, entry in enumerate(entries):
        point = values.items(entry, name, where[number])
        if len(point) != 2 or not all(values.is_number(x) and 0 <= x <= 1 for x in point):
            raise ValueError(
                f"{where[number]}.{name}: expected a point in the unit square, "
                f"got {checks.shown(point)}"
            )
        points[number] = point
    return points


def describe_labels(labels: Labels) -> dict[str, Any]:
    """Return what atlas.json says of the classes that images show."""
    hierarchy = labels.hierarchy
    return {
        "given": labels.given,
        "classes": hierarchy.classes,
        "names": list(hierarchy.names),
        "parents": [list(above) for above in hierarchy.parents],
    }


def read_labels(entry: Any, index: HostArray | None) -> Labels | None:
    """Read what images show; raises as `read_names`.

    Args:
      entry: of atlas.json; None if it is not known.
      index: (images,) the class of each; None if there is no such file.
    """
    where = "atlas.json: labels"
    if entry is None or index is None:
        if entry is not None:
            raise ValueError(f"{where}: expected the file of the labels")
        return None
    names = values.items(entry, "names", where)
    parents = values.items(entry, "parents", where)
    is_text = all(isinstance(name, str) for name in names)
    is_table = all(isinstance(x, list) and all(type(i) is int for i in x) for x in parents)
    if not is_text or not is_table:
        raise ValueError(f"{where}: expected names and lists of numbers")
    count = values.integer(entry, "classes", where, maximum=len(names))
    try:
        hierarchy = Hierarchy(tuple(names), tuple(map(tuple, parents)), classes=count)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error
    return Labels(index=index, hierarchy=hierarchy, given=bool(values.get(entry, "given", where)))
