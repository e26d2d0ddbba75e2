"""The icons of a grid: rendered chunk by chunk, and kept; by several processes, a share each."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from jatlas.model import Network
from jatlas.pixels import to_uint8
from jatlas.records import Icons
from jatlas.storage import Arrays, CachedStage, Rows, StageReference, results_folder
from jatlas.types import HostArray, Key, Params, Run, sharing
from jatlas.visualize import RenderConfig, render_each

log = logging.getLogger(__name__)

_NUMBERS = ("scores", "cosines")
_TARGETS = "targets"  # the name of the stage that tells processes what to render


def draw_icons(
    network: Network,
    params: Params,
    targets: HostArray,
    cells: HostArray,
    *,
    layer: str,
    config: RenderConfig,
    key: Key,
    stage: CachedStage,
    run: Run,
    shared: int = 0,
) -> Icons:
    """Render the icons of a grid; what is kept of them is not rendered again.

    Args:
      network: the network.
      params: its parameters.
      targets: (m, channels) direction of each cell.
      cells: (m,) row-major numbers of the cells, which seed their icons.
      layer: name of the layer.
      config: settings of the icons.
      key: seeds the icons.
      stage: where icons are kept.
      run: how it is carried out.
      shared: cells of the largest grid whose icons are rendered by the same program.

    Returns:
      Icons, uint8, one for each cell.
    """
    complete = stage.get()
    if complete is not None:
        return Icons(**complete)
    kept = _pieces(stage)
    known = {int(cell) for piece in kept.values() for cell in piece["cells"]}
    todo = np.array([i for i, cell in enumerate(cells.tolist()) if cell not in known], np.int32)
    shared = max(shared, len(cells))
    if len(todo) and run.processes is not None:
        stage.then(_TARGETS).put({"cells": cells[todo], "targets": targets[todo]})
        run.processes.call("icons", stage=stage.reference, layer=layer, shared=shared)
        kept = _pieces(stage)
        if sum(len(piece["cells"]) for piece in kept.values()) < len(cells):
            raise ValueError(f"{stage.folder}: some icons that were rendered are not there")
    elif len(todo):
        kept |= _render(
            network, params, targets[todo], cells[todo],
            layer=layer, config=config, key=key, stage=stage, run=run, shared=shared,
        )  # fmt: skip
    icons = _joined(list(kept.values()), folder=stage.folder)
    failed = cells[~np.isfinite(icons.scores)]
    if len(failed):
        log.warning("%s: the objective of cells %s is not finite", stage.name, failed)
    return icons


@contextlib.contextmanager
def sharing_icons(
    network: Network, params: Params, *, config: RenderConfig, key: Key, run: Run
) -> Iterator[Run]:
    """Let the processes of a program, if there are several, share the icons of a block.

    They need a cache that all of them see. The one that leads goes through the block; the others
    do their share of it first, and then find all results in the cache.

    Args:
      network: the network.
      params: its parameters.
      config: settings of the icons.
      key: seeds the icons.
      run: how it is carried out.

    Yields:
      How to carry out what is in the block.
    """
    processes = None if run.cache is None else sharing()
    if run.cache is None or processes is None:
        yield run
        return
    alike = run.shared_by(processes)
    icons = share_icons(
        network, params, config=config, key=key, folder=results_folder(run.cache), run=alike
    )
    with processes.together():
        if processes.leads:
            with processes.leading({"icons": icons}):
                yield alike
        else:
            processes.follow({"icons": icons})
            yield dataclasses.replace(run, progress=False)


def share_icons(
    network: Network,
    params: Params,
    *,
    config: RenderConfig,
    key: Key,
    folder: Path,
    run: Run,
) -> Callable[..., None]:
    """Return what renders one process's share of the icons that `draw_icons` is to draw.

    Args:
      network: the network.
      params: its parameters.
      config: settings of the icons.
      key: seeds the icons.
      folder: where icons are kept.
      run: how it is carried out, with the processes.
    """

    def render_share(stage: StageReference, layer: str, shared: int) -> None:
        processes = run.processes
        assert processes is not None
        kept = CachedStage.at(folder, stage)
        todo = kept.then(_TARGETS).get()
        if todo is None:
            raise ValueError(
                f"{folder} does not hold what process 0 wrote to its cache: all processes need a "
                "cache on storage that they share"
            )
        total = len(todo["cells"])
        own = processes.share(total)
        cells, targets = todo["cells"][own], todo["targets"][own]
        if len(cells):
            processes.whole = total / len(cells)
            _render(
                network, params, targets, cells,
                layer=layer, config=config, key=key, stage=kept, run=run, shared=shared,
            )  # fmt: skip

    return render_share


def _render(
    network: Network,
    params: Params,
    targets: HostArray,
    cells: HostArray,
    *,
    layer: str,
    config: RenderConfig,
    key: Key,
    stage: CachedStage,
    run: Run,
    shared: int,
) -> dict[str, Arrays]:
    """Render icons, keep each chunk as a piece, and return the pieces."""
    kept: dict[str, Arrays] = {}
    parts = render_each(
        network, params, targets,
        layer=layer, key=key, config=config, ids=cells, run=run, shared=shared,
    )  # fmt: skip
    for part, icons in parts:
        piece = {
            "cells": cells[part],
            "images": to_uint8(icons.images),
            "scores": icons.scores,
            "cosines": icons.cosines,
        }
        name = f"{piece['cells'][0]:06d}"
        stage.put(piece, name)
        # What is in a file is mapped, so that no more than a chunk is in memory.
        kept[name] = stage.get(name) or piece
    return kept


def _pieces(stage: CachedStage) -> dict[str, Arrays]:
    """Return the icons that are kept, by the names of their pieces."""
    stored = ((name, stage.get(name)) for name in stage.pieces())
    return {name: piece for name, piece in stored if piece is not None}


def _joined(pieces: list[Arrays], *, folder: Path | None) -> Icons:
    """Join pieces of a grid's icons in the order of the cells, which they hold in any."""
    place = np.concatenate([np.full(len(x["cells"]), i) for i, x in enumerate(pieces)])
    within = np.concatenate([np.arange(len(x["cells"])) for x in pieces])
    order = np.argsort(np.concatenate([x["cells"] for x in pieces]))
    place, within = place[order], within[order]
    images = Rows(folder, pieces[0]["images"].shape[1:], np.uint8)
    # Stretches that are side by side in one piece, so that each is copied at once.
    ends = np.flatnonzero((np.diff(place) != 0) | (np.diff(within) != 1)) + 1
    for stretch in np.split(np.arange(len(order)), ends):
        first = within[stretch[0]]
        images.append(pieces[place[stretch[0]]]["images"][first : first + len(stretch)])
    numbers = {x: np.concatenate([piece[x] for piece in pieces])[order] for x in _NUMBERS}
    return Icons(images=images.array(), **numbers)
