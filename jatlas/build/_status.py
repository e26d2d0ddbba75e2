"""How far a build is: what of its stages is in its working folder."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from typing import Any

from jatlas.build._draw_map import full_cells
from jatlas.build._plan import Plan, Request
from jatlas.collect import SEGMENT, Segments
from jatlas.storage import ATLAS_FILE, FOLDER, STAGES, CachedStage, files, load, work_holder
from jatlas.types import checks


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
      out: the output folder of `build`.

    Returns:
      Status.

    Raises:
      ValueError: if nothing was built there, or what is there is damaged.
    """
    target = checks.path("out", out)
    folder = target / FOLDER
    complete = (target / ATLAS_FILE).exists()
    plan = _plan(folder)
    if not complete and plan is None:
        raise ValueError(f"{target}: there is no atlas, and none is being built")
    stages = () if plan is None else tuple(_stages(plan))
    return Status(
        complete=complete,
        maps=tuple(each.path for each in load(target).maps) if complete else (),
        stages=stages,
        holder=work_holder(folder) if plan is not None else {},
        idle=None if plan is None else _idle(Path(plan["folder"])),
    )


def record_stages(target: Path, request: Request, plan: Plan) -> None:
    """Write down which stages a build has, for `status`."""
    if plan.folder is None:
        return
    layers = {
        layer: {
            "samples": _name(plan.samples[layer]),
            "points": _name(plan.points[layer]),
            "icons": {str(size): _name(plan.grids[layer, size][0]) for size in request.grids},
        }
        for layer in request.layers
    }
    about = {
        "folder": str(plan.folder.absolute()),
        "images": request.source.count,
        "min_count": request.config.min_count,
        "layers": layers,
    }
    files.write_json(target / FOLDER / STAGES, about)


def _stage(name: list[str], folder: Path) -> CachedStage:
    return CachedStage(name[0], name[1], folder, {})


def _name(stage: CachedStage) -> list[str]:
    return [stage.name, stage.digest]


def _plan(folder: Path) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = files.read_json(folder / STAGES)
    except FileNotFoundError:
        return None
    return found


def _stages(plan: dict[str, Any]) -> list[StageStatus]:
    folder = Path(plan["folder"])
    found = []
    for layer, names in plan["layers"].items():
        samples, points = (_stage(names[x], folder) for x in ("samples", "points"))
        found.append(_images(samples, layer, plan["images"]))
        placed = points.get()
        done = int(placed is not None)
        found.append(StageStatus(layer=layer, what="layout", done=done, total=1))
        for size, name in names["icons"].items():
            cells = None
            if placed is not None:
                cells = full_cells(placed["points"], int(size), plan["min_count"])
            found.append(_icons(_stage(name, folder), layer, int(size), cells))
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


def _idle(folder: Path) -> float | None:
    """Return how long ago the last result was kept, in seconds."""
    times = [path.stat().st_mtime for path in folder.glob("*.npz")]
    return max(time.time() - max(times), 0.0) if times else None
