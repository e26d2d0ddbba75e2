"""`build`: the stages strung together, from images to an atlas."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jatlas.arrange import UMAP, layout, prepare_layout, to_unit_square, umap_neighbors
from jatlas.build import _identity as identity
from jatlas.build._cells import draw_grid
from jatlas.build._config import BuildConfig
from jatlas.build._plan import (
    Plan,
    Request,
    check,
    check_cells,
    describe,
    grid_sizes,
    is_incomplete,
    layer_names,
)
from jatlas.collect import Collected, Folder, ImageSource, as_source, collect, names_of
from jatlas.model import Network, digest
from jatlas.records import Atlas, Info, Map, Samples
from jatlas.show import export_folder, has_page
from jatlas.storage import Arrays, check_folder, check_output, load, update, working_folder
from jatlas.types import HostArray, Key, Params, Run, checks

log = logging.getLogger(__name__)


def build(
    network: Network,
    params: Params,
    images: str | Path | HostArray | ImageSource,
    *,
    layers: Sequence[str],
    grids: Sequence[int],
    key: Key,
    config: BuildConfig | None = None,
    out: str | Path | None = None,
    overwrite: bool = False,
    run: Run | None = None,
) -> Atlas:
    """Build an activation atlas of images. A host function.

    The same arguments give the same atlas, on the same machine with the same versions byte for
    byte on a CPU. Another batch size, chunk or number of devices changes it by rounding.

    With `out`, the result of each stage is kept there under the digest of what decides it until
    the atlas is complete; after an interruption the same call resumes. An atlas that is in `out`
    already is extended by further layers and grids, and what it holds is reused.

    Args:
      network: the network to look into.
      params: its parameters.
      images: a folder of images, an array (n, h, w, 3), or a source; see `jatlas.collect`.
      layers: names of the layers; each becomes a map.
      grids: cells along each side, one grid per number on each map.
      key: seeds everything that is random.
      config: settings; None means `BuildConfig()`.
      out: folder to save the atlas in, with its page; None keeps it in memory only.
      overwrite: whether an atlas in `out` with other settings may be replaced; what the settings
        do not change is reused.
      run: batch size, chunk, threads, progress bars, and another place for the results of stages.

    Returns:
      The atlas; with `out` it has been saved.

    Raises:
      ValueError: for an unknown layer, a grid that the samples cannot fill, images none of which
        can be used, or an output folder that holds something else.
      OSError: if it cannot be saved, for lack of space say; what is done stays in `out`.

    Reference:
      Carter et al., "Activation Atlas", Distill 2019.
    """
    checks.instance("network", network, kinds=(Network,))
    request = Request(
        network=network,
        params=params,
        source=as_source(images, size=network.input_size),
        layers=layer_names(layers),
        grids=grid_sizes(grids),
        keys=identity.parts_of(key),
        config=checks.instance("config", config or BuildConfig(), kinds=(BuildConfig,)),
        run=checks.instance("run", run or Run(), kinds=(Run,)),
    )
    check(request)
    target = None if out is None else Path(os.path.abspath(out))
    holds_atlas = target is not None and check_output(target)  # before every image is read
    for place in (target, request.run.cache):
        check_folder(place)
    fingerprint = request.source.fingerprint()
    info, reusable = describe(request, key, fingerprint), fingerprint is not None
    if target is None:
        plan = Plan.of(request, info, request.run.cache, None, reusable=reusable)
        return _assemble(request, plan, info, None)
    with working_folder(target) as folder:
        stored = _stored(target, overwrite=overwrite) if holds_atlas else None
        plan = Plan.of(request, info, request.run.cache or folder, stored, reusable=reusable)
        changed = is_incomplete(
            target, plan, info, stored, classes=network.classes, overwrite=overwrite
        )
        if stored is None or changed:
            atlas = _assemble(request, plan, info, stored)
            with timed("save"):
                update(target, atlas, stored=stored)
        else:
            log.info("%s is complete", target)
            atlas = stored
        if changed or not has_page(target):
            with timed("page"):
                export_folder(target)
    return atlas


def _stored(target: Path, *, overwrite: bool) -> Atlas | None:
    """Return the atlas that is in a folder; None if it is damaged and may be overwritten."""
    try:
        return load(target)
    except ValueError as error:
        if not overwrite:
            raise ValueError(f"{error}: choose another output folder, or overwrite it") from error
        log.warning("%s: it is built again", error)
        return None


def _assemble(request: Request, plan: Plan, info: dict[str, Any], stored: Atlas | None) -> Atlas:
    """Run the stages, or take what is known of them."""
    with timed("images"):
        samples, images, skipped = _samples(request, plan, stored)
    if not plan.reusable:  # as the images cannot be told from others, their samples have to be
        known = {"samples_sha256": digest(samples)}
        info = info | {"source": info["source"] | known}
        plan = Plan.of(request, info, None, None, reusable=False)
    # Only now is it known how many images were damaged.
    check_cells(len(samples[request.layers[0]]), request.grids, request.config)
    drawn = {layer: _map(request, plan, layer, samples[layer]) for layer in request.layers}
    maps = [each for each, _ in drawn.values()]
    recall = {layer: share for layer, (_, share) in drawn.items() if share is not None}
    digests = plan.digests()
    if stored is not None:
        maps = [_unless_equal(each, stored, digests) for each in maps]
        class_maps, kept = _class_maps(stored, digests, names=request.network.classes)
        maps, digests = maps + class_maps, digests | kept
    return Atlas(
        maps=tuple(maps),
        images=images,
        classes=request.network.classes,
        info=Info(info | {"skipped": skipped, "stages": digests, identity.RECALL: recall}),
    )


def _class_maps(
    stored: Atlas, digests: dict[str, str], *, names: tuple[str, ...]
) -> tuple[list[Map], dict[str, str]]:
    """Return the class maps of an atlas whose layers have the same samples, and their digests."""
    before, maps = stored.info.get("stages", {}), []
    kept: dict[str, str] = {}
    for each in stored.maps:
        name, prefix = identity.samples_name(each.layer), f"{each.path}-"
        if each.kind == "layer":
            continue
        if name in digests and before.get(name) == digests[name]:
            maps.append(_with_axes(each, names) if names != stored.classes else each)
            kept |= {stage: x for stage, x in before.items() if stage.startswith(prefix)}
        else:
            log.warning("%s is dropped: it is of other samples of %s", each.path, each.layer)
    return maps, kept


def _with_axes(each: Map, names: tuple[str, ...]) -> Map:
    """Return a class map with other names of its classes."""
    if each.axes is None or not names:
        return each
    return dataclasses.replace(each, axes=Info(x=[names[index] for index in each.classes]))


def _unless_equal(new: Map, stored: Atlas, digests: dict[str, str]) -> Map:
    """Return a stored map in place of a new one if all its stages are the same."""
    before = stored.info.get("stages", {})
    for other in stored.maps:
        same_grids = [grid.size for grid in other.grids] == [grid.size for grid in new.grids]
        if other.path == new.path and same_grids:
            sizes = [grid.size for grid in new.grids]
            names = [identity.samples_name(new.layer), identity.points_name(new.path)]
            names += [identity.icons_name(new.path, size) for size in sizes]
            names += [identity.exemplars_name(new.path, size) for size in sizes]
            if all(before.get(name) == digests[name] for name in names):
                return other
    return new


def _samples(
    request: Request, plan: Plan, stored: Atlas | None
) -> tuple[dict[str, Samples], tuple[str, ...], list[list[str]]]:
    """Return samples by layer, the names of the images, and which were skipped and why."""
    known = {layer: stage.get() for layer, stage in plan.samples.items()}
    samples = {layer: Samples(**arrays) for layer, arrays in known.items() if arrays is not None}
    missing = {layer: x for layer, x in plan.samples.items() if layer not in samples}
    if not missing:
        assert stored is not None
        return samples, stored.images, stored.info.get("skipped", [])
    images, per_image = request.source.count, request.config.per_image
    count = None if images is None else images * per_image
    prepare_layout(request.config.layout, count=count)
    collected = collect(
        request.network,
        request.params,
        request.source,
        stages=missing,
        per_image=per_image,
        key=request.keys[0],
        run=request.run,
    )
    names = names_of(request.source, collected.images)
    return samples | collected.samples, names, _skipped(request.source, collected)


def _skipped(source: ImageSource, collected: Collected) -> list[list[str]]:
    skipped = [[source.name(index), reason] for index, reason in collected.skipped]
    return skipped + (
        [list(item) for item in source.unusable] if isinstance(source, Folder) else []
    )


def _map(request: Request, plan: Plan, layer: str, samples: Samples) -> tuple[Map, float | None]:
    """Return the map of a layer's samples, and the recall of their neighbours if it is known."""
    config, run = request.config, request.run
    _, for_layout, for_icons = request.keys

    def lay_out() -> Arrays:
        near = None
        if isinstance(config.layout, UMAP):
            near = umap_neighbors(samples.vectors, config=config.layout, progress=run.progress)
        points = layout(
            samples.vectors,
            key=for_layout, config=config.layout, neighbors=near, progress=run.progress,
        )  # fmt: skip
        known = {} if near is None else {"recall": np.array(near.recall)}
        return {"points": np.asarray(to_unit_square(points))} | known

    with timed(f"{layer} layout"):
        placed = plan.points[layer].once(lay_out)
    laid_out = Map(layer=layer, samples=samples, points=placed["points"], grids=())
    with timed(f"{layer} icons"):
        grids = tuple(
            draw_grid(
                request.network,
                request.params,
                laid_out,
                size=size,
                min_count=config.min_count,
                config=config,
                images=request.source,
                key=for_icons,
                stages=plan.grids[layer, size],
                run=run,
            )
            for size in request.grids
        )
    recall = round(float(placed["recall"]), 4) if "recall" in placed else None
    return dataclasses.replace(laid_out, grids=grids), recall


@contextlib.contextmanager
def timed(what: str) -> Iterator[None]:
    """Log how long a stage took."""
    start = time.perf_counter()
    yield
    log.info("%-20s %7.1f s", what, time.perf_counter() - start)
