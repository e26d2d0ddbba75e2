"""Whether the arrays of an atlas belong together."""

from __future__ import annotations

import numpy as np

from jatlas.records import Atlas, Grid, Map, Names, Regions
from jatlas.storage._describe import map_folder
from jatlas.storage._trust import check_measure, trust_file
from jatlas.types import HostArray

_KINDS = {"f": "floats", "iu": "integers", "u": "bytes"}
_CLASSES = {"layer": 0, "class": 1, "comparison": 2}


def check_atlas(atlas: Atlas) -> None:
    """Check that an atlas is consistent.

    Raises:
      ValueError: if it is not; the message names the file whose content does not fit.
    """
    if not atlas.maps:
        raise ValueError("maps: expected at least one")
    for each in atlas.maps:
        check_map(each, atlas)
    _check_labels(atlas)
    first, *others = [each for each in atlas.maps if each.kind == "layer"] or [atlas.maps[0]]
    for each in others:
        if not np.array_equal(each.samples.source[:, 0], first.samples.source[:, 0]):
            raise ValueError(
                f"{map_folder(each)}/source.npy: expected samples of the same images as those of "
                f"{map_folder(first)}"
            )


def _check_labels(atlas: Atlas) -> None:
    """Check the classes of the images; raises as `check_atlas`."""
    images, labels = len(atlas.images), atlas.labels
    if atlas.predictions is not None:
        _expect("predictions.npy", atlas.predictions, "iu", (images,))
    if labels is not None:
        _expect("labels.npy", labels.index, "iu", (images,))
        _between("labels.npy", labels.index, -1, labels.hierarchy.classes - 1)


def check_map(each: Map, atlas: Atlas) -> None:
    """Check that a map is consistent, and fits its atlas.

    Args:
      each: the map, which need not be one of the atlas.
      atlas: the atlas.

    Raises:
      ValueError: as `check_atlas`.
    """
    place = map_folder(each)
    count, channels = _expect(f"{place}/vectors.npy", each.samples.vectors, "f", (None, None))
    source, evidence = each.samples.source, each.samples.evidence
    _expect(f"{place}/source.npy", source, "iu", (count, 3))
    _, classes = _expect(f"{place}/evidence.npy", evidence, "f", (count, None))
    _expect(f"{place}/moment.npy", each.samples.moment, "f", (channels, channels))
    _expect(f"{place}/points.npy", each.points, "f", (count, 2))
    _between(f"{place}/points.npy", each.points, 0, 1)
    _between(f"{place}/source.npy", source[:, 1:], 0, None)
    _between(f"{place}/source.npy: images", source[:, 0], 0, len(atlas.images) - 1)
    if len(atlas.classes) > classes:
        expected = f"expected evidence for {len(atlas.classes)} classes"
        raise ValueError(f"{place}/evidence.npy: {expected}, got {classes}")
    _check_kind(each, place, classes)
    if each.rows is not None:
        _expect(f"{place}/rows.npy", each.rows, "iu", (count,))
        _between(f"{place}/rows.npy", each.rows, 0, _last_row(each.layer, atlas))
    if not each.grids:
        raise ValueError(f"{place}: expected at least one grid")
    for grid in each.grids:
        _check_grid(f"{place}/cells-{grid.size}.npz", grid, count, channels, classes)
        for names in (grid.names, grid.evidence_names):
            _check_names(
                f"{place}: names of the {grid.size} x {grid.size} grid", names, len(grid.cells)
            )
        for name, values in ({} if grid.trust is None else grid.trust.measures).items():
            check_measure(f"{place}/{trust_file(grid.size)}: {name}", values, cells=len(grid.cells))
    _check_regions(f"{place}: regions", each.regions)


def _last_row(layer: str, atlas: Atlas) -> int | None:
    """Return the number of the last sample in the map of all of a layer; None without one."""
    for each in atlas.maps:
        if each.kind == "layer" and each.layer == layer:
            return each.samples.vectors.shape[0] - 1 if each.samples.vectors.ndim else -1
    return None


def _check_kind(each: Map, place: str, classes: int) -> None:
    if len(each.classes) != _CLASSES[each.kind] or not all(0 <= x < classes for x in each.classes):
        raise ValueError(
            f"{place}: expected {_CLASSES[each.kind]} classes of {classes} for a map of kind "
            f"{each.kind!r}, got {list(each.classes)}"
        )
    if (each.rows is None) != (each.kind == "layer"):
        raise ValueError(f"{place}/rows.npy: expected for maps of classes, and for those alone")


def _check_grid(file: str, grid: Grid, count: int, channels: int, classes: int) -> None:
    check_cells(file, grid.cells, grid.count, size=grid.size)
    square, cells = (grid.size, grid.size), len(grid.cells)
    if (total := np.sum(np.asarray(grid.count), dtype=np.int64)) != count:
        raise ValueError(f"{file}: count: expected {count} samples, got {total}")
    _expect(f"{file}: mean", grid.mean, "f", (*square, channels))
    _expect(f"{file}: evidence", grid.evidence, "f", (*square, classes))
    icons = grid.icons
    _expect(f"{file}: icons", icons.images, "u", (cells, *_square(icons.images), 3))
    _expect(f"{file}: scores", icons.scores, "f", (cells,))
    _expect(f"{file}: cosines", icons.cosines, "f", (cells,))
    if grid.exemplars is not None:
        _expect(f"{file}: exemplars", grid.exemplars, "iu", (cells, None))
        _between(f"{file}: exemplars", grid.exemplars, -1, count - 1)
    if grid.crops is not None:
        each = None if grid.exemplars is None else grid.exemplars.shape[1]
        _expect(f"{file}: crops", grid.crops, "u", (cells, each, *_square(grid.crops), 3))
    if grid.boxes is not None:
        each = None if grid.exemplars is None else grid.exemplars.shape[1]
        _expect(f"{file}: boxes", grid.boxes, "f", (cells, each, 4))
        _between(f"{file}: boxes", grid.boxes, 0, 1)


def _check_names(where: str, names: Names | None, count: int) -> None:
    if names is None:
        return
    for name in ("name", "shown", "images", "held_out_images"):
        _expect(f"{where}: {name}", getattr(names, name), "iu", (count,))
    _expect(f"{where}: held_out", names.held_out, "f", (count,))
    _between(f"{where}: name", names.name, -1, len(names.vocabulary) - 1)


def _check_regions(where: str, regions: Regions | None) -> None:
    if regions is None:
        return
    count = len(regions.level)
    _check_names(where, regions.names, count)
    for name in ("level", "parent"):
        _expect(f"{where}: {name}", getattr(regions, name), "iu", (count,))
    for name in ("center", "typical"):
        _expect(f"{where}: {name}", getattr(regions, name), "f", (count, 2))
        _between(f"{where}: {name}", getattr(regions, name), 0, 1)
    _expect(f"{where}: cover", regions.cover, "iu", (None, None, None))
    _between(f"{where}: parent", regions.parent, -1, count - 1)
    _between(f"{where}: cover", regions.cover, -1, count - 1)


def check_cells(file: str, cells: HostArray, count: HostArray, *, size: int) -> None:
    """Check the cells of a grid and the numbers of its samples; raises as `check_atlas`."""
    _expect(f"{file}: cells", cells, "iu", (None,))
    _expect(f"{file}: count", count, "iu", (size, size))
    _between(f"{file}: cells", cells, 0, size * size - 1)
    _between(f"{file}: count", count, 0, None)
    if (cells[1:] <= cells[:-1]).any():
        raise ValueError(f"{file}: cells: expected each once, ascending")
    if (count.ravel()[cells] == 0).any():
        raise ValueError(f"{file}: count: expected samples in each cell with an icon")


def _square(pictures: HostArray) -> tuple[int | None, int | None]:
    """Return the shape of pictures as high as wide."""
    side = pictures.shape[-2] if pictures.ndim > 2 else None
    return side, side


def _expect(
    name: str, array: HostArray, kind: str, shape: tuple[int | None, ...]
) -> tuple[int, ...]:
    """Check type and shape of an array, None for any length; return its shape."""
    fits = len(array.shape) == len(shape) and all(
        wanted in (None, length) for wanted, length in zip(shape, array.shape, strict=True)
    )
    if array.dtype.kind not in kind or not fits:
        wanted = ", ".join("any" if length is None else str(length) for length in shape)
        raise ValueError(
            f"{name}: expected {_KINDS[kind]} of shape ({wanted}), got {array.dtype} {array.shape}"
        )
    return array.shape


def _between(name: str, array: HostArray, minimum: int, maximum: int | None) -> None:
    if not array.size:
        return
    low, high = array.min(), array.max()
    # Every comparison with NaN is false.
    if not (low >= minimum and (maximum is None or high <= maximum)):
        limit = "" if maximum is None else f" to {maximum}"
        raise ValueError(f"{name}: expected numbers from {minimum}{limit}, got {low} to {high}")
