"""The real places behind the cells of a grid, as the viewer keeps them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from jatlas.show._encode import packed
from jatlas.storage import GridEntry, files
from jatlas.types import HostArray

STEPS = 65536
"""Steps of a point to a side of the map."""

_LARGEST = 65535


def place_columns(place: Path, grid: GridEntry) -> dict[str, Any]:
    """Return where the exemplars of a grid's cells are from, one row per cell.

    Args:
      place: folder of the map.
      grid: the grid.

    Returns:
      "place_image", (m, k) number of each one's image, -1 for none; "places", (m, k, 2) its point
      on the map, x and y in steps; and if it is known, "place_box", (m, k, 4) left, top, right and
      bottom of its crop in the square that the network saw, 65,535 to a side, all 0 for none.
      Nothing, if the atlas holds no rows of samples, as another tool may leave it.

    Raises:
      ValueError: if they do not fit the map or what atlas.json says.
    """
    path = place / f"cells-{grid.size}.npz"
    needed = (path, place / "points.npy", place / "source.npy")
    arrays = files.map_arrays(path) if all(each.exists() for each in needed) else {}
    rows = arrays.get("exemplars")
    if rows is None or not rows.size or grid.images is None:
        return {}
    points, source = files.map_array(needed[1]), files.map_array(needed[2])
    if source.shape != (len(points), 3) or source.dtype.kind not in "iu":
        raise ValueError(
            f"{needed[2]}: expected whole numbers of shape {(len(points), 3)}, "
            f"got {source.dtype} {source.shape}"
        )
    _check(path, grid, rows, len(points))
    known = rows >= 0
    image: HostArray = np.full(rows.shape, -1, np.int64)
    point = np.zeros((*rows.shape, 2))
    image[known] = source[rows[known], 0]
    point[known] = points[rows[known]]
    if [line[line >= 0].tolist() for line in image] != grid.images:
        raise ValueError(f"{path}: exemplars: expected those of the images that atlas.json lists")
    columns = {"place_image": packed(image.ravel()), "places": packed(steps(point).ravel())}
    boxes = arrays.get("boxes")
    if boxes is not None:
        columns["place_box"] = packed(_boxes(path, boxes, rows.shape).ravel())
    return columns


def steps(points: HostArray) -> HostArray:
    """Return points of the unit square in whole steps: uint16.

    Example:
      >>> steps(np.array([0.0, 0.5, 1.0])).tolist()
      [0, 32768, 65535]
    """
    # In float64: half precision does not reach 65536.
    scaled = np.floor(np.asarray(points, np.float64) * STEPS)
    return np.clip(scaled, 0, STEPS - 1).astype("<u2")


def _boxes(path: Path, boxes: HostArray, shape: tuple[int, ...]) -> HostArray:
    """Return boxes as left, top, right, bottom in whole steps; raises as `place_columns`."""
    fits = boxes.shape == (*shape, 4) and boxes.dtype.kind == "f"
    if not fits or not ((boxes >= 0) & (boxes <= 1)).all():
        raise ValueError(
            f"{path}: boxes: expected {(*shape, 4)} from 0 to 1, got {boxes.dtype} {boxes.shape}"
        )
    return np.round(boxes[..., [1, 0, 3, 2]].astype(np.float64) * _LARGEST).astype(np.int64)


def _check(path: Path, grid: GridEntry, rows: HostArray, samples: int) -> None:
    if rows.ndim != 2 or len(rows) != len(grid.cells) or rows.dtype.kind not in "iu":
        raise ValueError(
            f"{path}: exemplars: expected whole numbers for {len(grid.cells)} cells, "
            f"got {rows.dtype} {rows.shape}"
        )
    if rows.min() < -1 or rows.max() >= samples:
        raise ValueError(
            f"{path}: exemplars: expected numbers from -1 to {samples - 1}, "
            f"got {rows.min()} to {rows.max()}"
        )
