"""`build`: the stages strung together, from images to an atlas."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from jatlas.arrange import prepare_layout
from jatlas.build import _identity as identity
from jatlas.build._config import BuildConfig
from jatlas.build._draw_map import draw_map
from jatlas.build._drawn import as_atlas
from jatlas.build._labels import (
    Parents,
    given_labels,
    network_classes,
    predicted_labels,
)
from jatlas.build._output import check_target, complete, timed
from jatlas.build._own_labels import (
    OwnLabels,
    checked_labels,
    known_own_labels,
    own_labels_digest,
    own_labels_lost,
)
from jatlas.build._plan import (
    Plan,
    Request,
    check,
    check_cells,
    describe,
    grid_sizes,
    layer_names,
)
from jatlas.build._recommended import recommended
from jatlas.build._sharing import begin, follow, lay_out_shared, leading
from jatlas.build._status import record_stages
from jatlas.collect import Collected, ImageSource, as_source, collect, names_of
from jatlas.model import Network, digest
from jatlas.records import Atlas, Labels, Map, Samples
from jatlas.storage import load
from jatlas.types import HostArray, Key, Params, Processes, Run, checks, sharing, together

log = logging.getLogger(__name__)


def build(
    network: Network,
    params: Params,
    images: str | Path | HostArray | ImageSource,
    *,
    layers: Sequence[str],
    grids: Sequence[int],
    key: Key,
    labels: Sequence[str | None] | Literal["predicted"] | None = None,
    parents: Parents | None = None,
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
      images: a folder of images, its URL, or another text that `jatlas.collect.open_images` takes,
        such as "tar:data/*.tar"; an array (n, h, w, 3); a Grain data set; or a source.
      layers: names of the layers; each becomes a map.
      grids: cells along each side, one grid per number on each map.
      key: seeds everything that is random.
      labels: what each image shows, None for those of which it is not known, to name cells by:
        names of classes or their WordNet ids; `jatlas.collect` reads them from folders and tables.
        None takes the labels of the data set itself; if it has none, what the network takes each
        image for. "predicted" takes that in any case.
      parents: by the name of a class or group, the groups that it is a kind of, to name cells by
        these too; None takes what is known of ImageNet's classes.
      config: settings; None means those that suit the network, see `recommended`.
      out: folder to save the atlas in, with its page, or its URL; None keeps it in memory only.
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
    names = layer_names(layers)
    settings = recommended(network, params, names) if config is None else config
    processes = None if out is None else sharing()
    with together(processes):
        request = Request(
            network=network,
            params=params,
            source=as_source(images, size=network.input_size),
            layers=names,
            grids=grid_sizes(grids),
            keys=identity.parts_of(key),
            config=checks.instance("config", settings, kinds=(BuildConfig,)),
            run=checks.instance("run", run or Run(), kinds=(Run,)),
            labels=checked_labels(labels),
            parents=parents,
        )
        return _conduct(request, key, out=out, overwrite=overwrite, processes=processes)


def _conduct(
    request: Request,
    key: Key,
    *,
    out: str | Path | None,
    overwrite: bool,
    processes: Processes | None,
) -> Atlas:
    """Build an atlas: lead the processes that share it, or follow the one that leads."""
    check(request)
    if request.source.count is not None:  # else what is wrong is said once they are read
        _labels(request, np.full(request.source.count, -1, np.int32), None)
    target, holds_atlas = check_target(out, request.run)  # before every image is read
    if target is None:
        return _build(request, key)
    if processes is not None:
        request = dataclasses.replace(request, run=request.run.shared_by(processes))
    if processes is not None and not processes.leads:
        follow(processes, request, describe(request, key, None), target)
        return load(target if out is None else out)
    return _build_into(target, request, key, holds_atlas=holds_atlas, overwrite=overwrite)


def _build(request: Request, key: Key) -> Atlas:
    """Build an atlas in memory."""
    fingerprint = request.source.fingerprint()
    info = describe(request, key, fingerprint)
    plan = Plan.of(request, info, request.run.cache, None, reusable=fingerprint is not None)
    return _assemble(request, plan, info, None)


def _build_into(
    target: Path, request: Request, key: Key, *, holds_atlas: bool, overwrite: bool
) -> Atlas:
    """Build an atlas into a folder, or what the one that is there lacks."""
    fingerprint = request.source.fingerprint()
    info, reusable = describe(request, key, fingerprint), fingerprint is not None

    def plan(folder: Path | None, stored: Atlas | None) -> Plan:
        cache = request.run.cache or folder
        return Plan.of(request, info, cache, stored, reusable=reusable)

    def assemble(plan: Plan, stored: Atlas | None) -> Atlas:
        record_stages(target, request, plan)
        return _assemble(request, plan, info, stored)

    with leading(request, info, target):
        return complete(
            target, plan, assemble,
            info=info, classes=request.network.classes, holds_atlas=holds_atlas,
            overwrite=overwrite,
        )  # fmt: skip


def _assemble(request: Request, plan: Plan, info: dict[str, Any], stored: Atlas | None) -> Atlas:
    """Run the stages, or take what is known of them."""
    begin(request, info, plan)
    with timed("images"):
        samples, images, skipped, predictions, own = _samples(request, plan, stored)
    kept = plan.samples
    if not plan.reusable:  # as the images cannot be told from others, their samples have to be
        known = {"samples_sha256": digest(samples)}
        info = info | {"source": info["source"] | known}
        plan = Plan.of(request, info, plan.folder, None, reusable=False)
    # Only now is it known how many images were damaged.
    check_cells(len(samples[request.layers[0]]), request.grids, request.config)
    lay_out_shared(request, plan, kept, len(samples[request.layers[0]]))
    drawn = {layer: _map(request, plan, layer, samples[layer]) for layer in request.layers}
    return as_atlas(
        drawn, plan, info, stored,
        images=images, classes=request.network.classes, skipped=skipped,
        predictions=predictions, labels=_labels(request, predictions, own),
        by=request.config.names, own_labels=own_labels_digest(request, own, stored),
    )  # fmt: skip


def _labels(request: Request, predictions: HostArray, own: OwnLabels) -> Labels | None:
    """Return what the images show: as they are labelled, or as the network takes them.

    Args:
      request: the arguments of the build.
      predictions: (images,) what the network takes the images for.
      own: the labels of the data set itself, as an earlier atlas has them or as texts.
    """
    chosen = own if request.labels is None else request.labels
    if isinstance(chosen, Labels):
        return chosen
    count = request.network.class_count(request.params)
    classes = network_classes(request.network.classes, count=count, parents=request.parents)
    if chosen is not None and chosen != "predicted":
        return given_labels(
            chosen, images=len(predictions), classes=classes, parents=request.parents
        )
    return predicted_labels(predictions, classes)


def _samples(
    request: Request, plan: Plan, stored: Atlas | None
) -> tuple[dict[str, Samples], tuple[str, ...], list[list[str]], HostArray, OwnLabels]:
    """Return samples by layer, names of images, which were skipped and why, predictions, labels."""
    known = {layer: stage.get() for layer, stage in plan.samples.items()}
    samples = {layer: Samples(**arrays) for layer, arrays in known.items() if arrays is not None}
    missing = {layer: x for layer, x in plan.samples.items() if layer not in samples}
    if not missing and own_labels_lost(request, stored):
        missing = dict(list(plan.samples.items())[:1])
    if not missing:
        assert stored is not None
        unknown = np.full(len(stored.images), -1, np.int32)
        predictions = unknown if stored.predictions is None else np.asarray(stored.predictions)
        skipped = stored.info.get("skipped", [])
        return samples, stored.images, skipped, predictions, known_own_labels(request, stored)
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
    return (
        samples | collected.samples,
        names,
        _skipped(request.source, collected),
        collected.predicted,
        collected.labels,
    )


def _skipped(source: ImageSource, collected: Collected) -> list[list[str]]:
    skipped = [[source.name(index), reason] for index, reason in collected.skipped]
    return skipped + [list(item) for item in getattr(source, "unusable", ())]


def _map(request: Request, plan: Plan, layer: str, samples: Samples) -> tuple[Map, float | None]:
    return draw_map(
        request.network, request.params, samples, request.source,
        layer=layer, points=plan.points[layer],
        grids={size: plan.grids[layer, size] for size in request.grids},
        keys=request.keys[1:], config=request.config, run=request.run,
    )  # fmt: skip
