"""What each process does of a build that several share.

The one that leads runs the build, and calls all to what can be shared: segments of images,
neighbours, layouts, icons. All read and write the same folder of results.
"""

from __future__ import annotations

import contextlib
import hashlib
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from jatlas.arrange import UMAP, Neighbors, shares_neighbors, umap_neighbors
from jatlas.build import _identity as identity
from jatlas.build._draw_map import lay_out_vectors
from jatlas.build._icons import share_icons
from jatlas.build._output import timed
from jatlas.build._plan import Plan, Request
from jatlas.collect import SEGMENT, Segments, fill, names_of, vectors_of
from jatlas.storage import (
    FOLDER,
    Arrays,
    CachedStage,
    StageReference,
    load,
    place_of,
    results_folder,
)
from jatlas.types import Handlers, Processes

_PATIENCE = 30  # seconds in which a network file system shows a file that another machine wrote


@contextlib.contextmanager
def leading(request: Request, info: Mapping[str, Any], target: Path) -> Iterator[None]:
    """Lead the processes that share a build, until the block ends."""
    processes = request.run.processes
    if processes is None:
        yield
        return
    with processes.leading(_handlers(processes, request, info, target)):
        yield


def follow(processes: Processes, request: Request, info: Mapping[str, Any], target: Path) -> None:
    """Do a process's share of a build that another one leads, until that ends.

    Args:
      processes: those that share the build.
      request: what is to be built.
      info: everything that decides the result, but for the images.
      target: the output folder.

    Raises:
      ProcessError: if the build fails.
    """
    processes.follow(_handlers(processes, request, info, target))


def begin(request: Request, info: Mapping[str, Any], plan: Plan) -> None:
    """Make sure that all processes are to build the same, in the same place.

    Raises:
      ProcessError: if one is not.
    """
    if request.run.processes is None:
        return
    assert plan.folder is not None
    session = secrets.token_hex(8)
    _place(plan.folder, session).put({"here": np.array(True)})
    request.run.processes.call(
        "begin", settings=_settings(info), images=_listing(request), session=session
    )


def _handlers(
    processes: Processes, request: Request, info: Mapping[str, Any], target: Path
) -> Handlers:
    """Return what a process does when it is called, see `Processes`."""
    (for_samples, for_layout, for_icons), run = request.keys, request.run
    folder = results_folder(run.cache or target / FOLDER)

    def same(settings: dict[str, Any], images: str, session: str) -> None:
        different = identity.differences(settings, _settings(info))
        if different:
            raise ValueError(f"it was started with other settings than process 0: {different}")
        if images != _listing(request):
            raise ValueError(
                "it sees other images than process 0: all need the same, under the same names"
            )
        _check_shared(folder, session)

    def extract(stages: dict[str, StageReference], numbers: list[int] | None) -> None:
        kept = {layer: Segments(CachedStage.at(folder, x)) for layer, x in stages.items()}
        fill(
            request.network, request.params, request.source, kept,
            numbers=numbers, per_image=request.config.per_image, key=for_samples, run=run,
            segment=SEGMENT,
        )  # fmt: skip

    def search(layers: list[tuple[StageReference, StageReference]], stored: bool) -> None:
        config = request.config.layout
        assert isinstance(config, UMAP)
        piece, known = _part(processes.index, processes.count), held(stored)
        for sampled, placed in layers:
            stage = _near(CachedStage.at(folder, placed))
            if stage.holds(piece):
                continue
            vectors = vectors_of(CachedStage.at(folder, sampled, known=known))
            rows = np.arange(len(vectors))[processes.share(len(vectors))]
            near = umap_neighbors(vectors, config=config, rows=rows, progress=run.progress)
            found = {"indices": near.indices, "distances": near.distances}
            stage.put(found | {"recall": np.array(near.recall)}, piece)

    def lay_out(layers: list[tuple[StageReference, StageReference]], stored: bool) -> None:
        known = held(stored)
        for sampled, placed in layers[processes.index :: processes.count]:
            vectors = vectors_of(CachedStage.at(folder, sampled, known=known))
            stage = CachedStage.at(folder, placed)
            points = lay_out_vectors(
                vectors, key=for_layout, config=request.config.layout,
                neighbors=_joined(_near(stage), processes.count), progress=run.progress,
            )  # fmt: skip
            stage.put(points)

    def held(stored: bool) -> dict[str, Callable[[], Arrays]]:
        """Return the results that the atlas in the output holds, if they are needed."""
        return identity.results_of(load(target)) if stored else {}

    icons = share_icons(
        request.network, request.params,
        config=request.config.icons, key=for_icons, folder=folder, run=run,
    )  # fmt: skip
    return {
        "begin": same,
        "extract": extract,
        "neighbors": search,
        "layout": lay_out,
        "icons": icons,
    }


def lay_out_shared(
    request: Request, plan: Plan, samples: Mapping[str, CachedStage], count: int
) -> None:
    """Have processes lay out layers: neighbours are searched by all, then each lays out a layer.

    Args:
      request: what is built.
      plan: its stages.
      samples: by layer, the stage that the samples were collected in: not the plan's
        if the images cannot be told from others, as the samples then decide its digest.
      count: number of samples.
    """
    todo = {layer: stage for layer, stage in plan.points.items() if stage.get() is None}
    if request.run.processes is None or not todo:
        return
    config = request.config.layout
    stages: dict[str, Any] = {
        "layers": [(samples[layer].reference, stage.reference) for layer, stage in todo.items()],
        "stored": any(stage.digest in stage.known for stage in samples.values()),
    }
    if isinstance(config, UMAP) and shares_neighbors(count, recall=config.recall):
        with timed("neighbours"):
            request.run.processes.call("neighbors", **stages)
    elif len(todo) == 1:  # the caller's
        return
    with timed("layouts"):
        request.run.processes.call("layout", **stages)


def _near(points: CachedStage) -> CachedStage:
    """Return where the neighbours are kept that a layout is computed from."""
    return points.then("neighbors")


def _part(index: int, count: int) -> str:
    """Return the name of the piece that holds what one of several processes has found."""
    return f"{index}-of-{count}"


def _joined(stage: CachedStage, count: int) -> Neighbors | None:
    """Return neighbours that processes have searched; None if they are not all there."""
    parts = [part for i in range(count) if (part := stage.get(_part(i, count))) is not None]
    if len(parts) < count:
        return None
    sizes = [len(part["indices"]) for part in parts]
    return Neighbors(
        np.concatenate([part["indices"] for part in parts]),
        np.concatenate([part["distances"] for part in parts]),
        float(np.average([part["recall"] for part in parts], weights=sizes)),
    )


def _settings(info: Mapping[str, Any]) -> dict[str, Any]:
    """Return what processes must agree in before the images are read."""
    return {name: value for name, value in info.items() if name != "source"}


def _listing(request: Request) -> str:
    """Return what tells apart which images processes see, without reading them."""
    source = request.source
    names = [] if source.count is None else names_of(source, source.count)
    return hashlib.sha256("\n".join(names).encode("utf-8", "surrogatepass")).hexdigest()


def _place(folder: Path, session: str) -> CachedStage:
    return CachedStage.begin(folder, "processes", session=session)


def _check_shared(folder: Path, session: str) -> None:
    """Raise ValueError unless a folder is the one in which the leading process has put a file."""
    end = time.monotonic() + _PATIENCE
    while _place(folder, session).get() is None:
        if time.monotonic() > end:
            raise ValueError(
                f"{place_of(folder)} is not the folder that process 0 writes to: all processes "
                "need an output on storage that they share"
            )
        time.sleep(0.5)
