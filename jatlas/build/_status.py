"""How far a build is: what of its stages is in its working folder."""

from __future__ import annotations

import dataclasses
import json
import time
from pathlib import Path
from typing import Any, NamedTuple

from jatlas.build._draw_map import full_cells
from jatlas.build._plan import Plan, Request
from jatlas.collect import SEGMENT, Segments
from jatlas.storage import (
    ATLAS_FILE,
    FOLDER,
    STAGES,
    CachedStage,
    Remote,
    files,
    load,
    place_holder,
    place_of,
    read_maps,
    results_folder,
    share,
    work_holder,
)
from jatlas.types import checks, is_url, one_line


@dataclasses.dataclass(frozen=True, kw_only=True)
class StageStatus:
    """How far a stage is.

    Attributes:
      layer: the layer it is of.
      what: "images", "layout" or "icons".
      size: cells along each side of the grid, of icons.
      done: how many are done.
      total: how many there will be; None if that is not known yet.
    """

    layer: str
    what: str
    size: int | None = None
    done: int
    total: int | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Status:
    """How far a build is.

    Attributes:
      complete: whether the folder holds an atlas.
      maps: names of the maps that it holds.
      stages: of the build that is at work or was interrupted; none if there is no such build.
      holder: who is at work, or was: "pid", "host" and "since".
      idle: seconds since the last result was kept; None if there is none.
    """

    complete: bool
    maps: tuple[str, ...]
    stages: tuple[StageStatus, ...]
    holder: dict[str, Any]
    idle: float | None


def status(out: str | Path) -> Status:
    """Tell how far a build into a folder is. A host function.

    Args:
      out: the output folder of `build`, or its URL.

    Returns:
      Status.

    Raises:
      ValueError: if nothing was built there, or what is there is damaged.
    """
    found = _at_url(str(out)) if is_url(out) else _here(checks.path("out", out))
    plan = found.plan
    if found.maps is None and plan is None:
        raise ValueError(f"{out}: there is no atlas, and none is being built")
    return Status(
        complete=found.maps is not None,
        maps=found.maps or (),
        stages=() if plan is None else tuple(_stages(plan)),
        holder=found.holder if plan is not None else {},
        idle=None if plan is None else _idle(plan["folder"]),
    )


class _Found(NamedTuple):
    """What is in an output.

    Attributes:
      maps: of its atlas; None without one.
      plan: which stages its build has; None without one.
      holder: who holds it.
    """

    maps: tuple[str, ...] | None
    plan: dict[str, Any] | None
    holder: dict[str, Any]


def _here(target: Path) -> _Found:
    """Look into a folder."""
    folder = target / FOLDER
    complete = (target / ATLAS_FILE).exists()
    maps = tuple(each.path for each in load(target).maps) if complete else None
    try:
        plan = files.read_json(folder / STAGES)
    except FileNotFoundError:
        plan = None
    return _Found(maps, plan, work_holder(folder))


def _at_url(url: str) -> _Found:
    """Look into a place, of which nothing is copied but the results that are counted."""
    place = Remote.open(url)
    folder = place.within(FOLDER)
    about, stages = place.read(ATLAS_FILE), folder.read(STAGES)
    try:
        maps = None if about is None else tuple(x.path for x in read_maps(json.loads(about)))
        plan = None if stages is None else json.loads(stages)
    except ValueError as error:
        raise ValueError(f"{url} is damaged: {one_line(error)}") from error
    return _Found(maps, plan, place_holder(folder))


def record_stages(target: Path, request: Request, plan: Plan) -> None:
    """Write down which stages a build has, for `status`."""
    if plan.folder is None:
        return
    layers = {
        layer: {
            "samples": plan.samples[layer].reference,
            "points": plan.points[layer].reference,
            "icons": {str(size): plan.grids[layer, size][0].reference for size in request.grids},
        }
        for layer in request.layers
    }
    about = {
        "folder": place_of(plan.folder),
        "images": request.source.count,
        "min_count": request.config.min_count,
        "layers": layers,
    }
    files.write_json(target / FOLDER / STAGES, about)
    share(target / FOLDER / STAGES)


def _stages(plan: dict[str, Any]) -> list[StageStatus]:
    folder = results_folder(plan["folder"])
    found = []
    for layer, names in plan["layers"].items():
        samples, points = (CachedStage.at(folder, names[x]) for x in ("samples", "points"))
        found.append(_images(samples, layer, plan["images"]))
        placed = points.get()
        done = int(placed is not None)
        found.append(StageStatus(layer=layer, what="layout", done=done, total=1))
        for size, name in names["icons"].items():
            cells = None
            if placed is not None:
                cells = full_cells(placed["points"], int(size), plan["min_count"])
            found.append(_icons(CachedStage.at(folder, name), layer, int(size), cells))
    return found


def _images(samples: CachedStage, layer: str, images: int | None) -> StageStatus:
    done = len(Segments(samples).numbers) * SEGMENT
    if images is not None:
        done = min(done, images)
    return StageStatus(layer=layer, what="images", done=done, total=images)


def _icons(icons: CachedStage, layer: str, size: int, cells: int | None) -> StageStatus:
    kept = (icons.get(name) for name in icons.pieces())
    done = sum(len(piece["cells"]) for piece in kept if piece is not None)
    return StageStatus(layer=layer, what="icons", size=size, done=done, total=cells)


def _idle(folder: str) -> float | None:
    """Return how long ago the last result was kept, in seconds."""
    if is_url(folder):
        known = Remote.open(folder).files().items()
        changed = [file.changed for name, file in known if name.endswith(".npz")]
        times = [time for time in changed if time is not None]
    else:
        times = [path.stat().st_mtime for path in Path(folder).glob("*.npz")]
    return max(time.time() - max(times), 0.0) if times else None
