"""The parts of a map: its grids, its samples, cells that are alike."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from jatlas.records import Regions
from jatlas.show._encode import packed, rounded
from jatlas.show._pack._config import PackConfig
from jatlas.show._pack._grid import grid_parts, grid_tables
from jatlas.show._pack._part import Part, json_part
from jatlas.show._pack._samples import Placed, sample_parts
from jatlas.show._pack._source import Source
from jatlas.show._pack._vectors import cell_vectors
from jatlas.storage import MapEntry, map_place

_THUMBNAIL = 80  # cells along its side, at most


def map_parts(
    source: Source, entry: MapEntry, name: str, placed: Placed | None, config: PackConfig
) -> Generator[Part, None, dict[str, Any]]:
    """Yield the parts of a map.

    Args:
      source: its atlas.
      entry: the map.
      name: of its parts, such as m0.
      placed: its samples; None if it is not known where they lie.
      config: how much of it.

    Returns:
      What the manifest says about it.
    """
    manifest = _manifest(source, entry)
    place = map_place(source.root, entry)
    grids = sorted(entry.grids, key=lambda grid: grid.size)
    # The thumbnail needs a grid that is fine, but not much finer than its pixels.
    sizes = [grid.size for grid in grids]
    best = max((size for size in sizes if size <= _THUMBNAIL), default=sizes[0])
    tables = {grid.size: grid_tables(place, grid, classes=len(source.known)) for grid in grids}
    means = {size: x.mean for size, x in tables.items() if x.mean is not None}
    vectors = cell_vectors(grids, means)
    for grid in grids:
        described = yield from grid_parts(
            place,
            grid,
            f"{name}-g{grid.size}",
            tables[grid.size],
            first_class=source.first_class,
            thumb=f"{name}-thumb" if grid.size == best else None,
            config=config,
        )
        if grid.size in vectors:
            described["vectors"] = vectors[grid.size].shape[1]
            part = {"vectors": packed(vectors[grid.size].ravel())}
            yield json_part(f"{name}-g{grid.size}-v", part)
        manifest["grids"].append(described)
    if placed is not None:
        manifest |= {"stride": placed.stride, "places": placed.places}
        manifest["source"] = placed.source is not None
        yield from sample_parts(placed, name)
    return manifest


def _manifest(source: Source, entry: MapEntry) -> dict[str, Any]:
    manifest: dict[str, Any] = {
        "id": source.map_id(entry),
        "kind": entry.kind,
        "layer": entry.layer,
        "title": entry.title if source.title is None else f"{entry.title} ({source.title})",
        "samples": entry.samples,
        "axes": entry.axes,
        "grids": [],
    }
    if entry.regions is not None:
        manifest["regions"] = _regions(entry.regions)
    return manifest


def _regions(regions: Regions) -> list[dict[str, Any]]:
    """Return the regions of a map, as the viewer keeps them."""
    names = regions.names
    return [
        {
            "name": names[i],
            "level": int(regions.level[i]),
            "shown": int(names.shown[i]),
            "images": int(names.images[i]),
            "at": [rounded(float(x)) for x in regions.center[i]],
        }
        for i in range(len(regions))
    ]
