"""What a build is going to do: its arguments, checked, and the stages they lead to."""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import jax

from jatlas.arrange import MIN_SAMPLES
from jatlas.build import _identity as identity
from jatlas.build._cells import grid_stages
from jatlas.build._config import BuildConfig
from jatlas.build._labels import Parents
from jatlas.collect import SEGMENT, ImageSource, names_of
from jatlas.model import Network
from jatlas.records import Atlas
from jatlas.storage import CachedStage
from jatlas.types import GENERATOR, Key, Params, Run, checks
from jatlas.visualize import check_jaxlib


@dataclasses.dataclass(frozen=True, kw_only=True)
class Request:
    """The arguments of `build`, checked."""

    network: Network
    params: Params
    source: ImageSource
    layers: tuple[str, ...]
    grids: tuple[int, ...]
    keys: tuple[Key, ...]
    config: BuildConfig
    run: Run
    labels: tuple[str | None, ...] | Literal["predicted"] | None
    parents: Parents | None

    @property
    def labels_digest(self) -> str:
        """What decides the names of cells, next to the samples."""
        return identity.labels_digest(self.labels, self.parents, self.config.names)


@dataclasses.dataclass(frozen=True)
class Plan:
    """The stages of a build.

    Attributes:
      samples: by layer.
      points: by layer.
      grids: by layer and size, the stages of icons and of exemplars.
      reusable: whether the images can be told from others; if not, no result may be reused.
      labels: digest of what decides the names of cells.
    """

    samples: dict[str, CachedStage]
    points: dict[str, CachedStage]
    grids: dict[tuple[str, int], tuple[CachedStage, CachedStage]]
    reusable: bool
    labels: str

    @classmethod
    def of(
        cls,
        request: Request,
        info: dict[str, Any],
        folder: Path | str | None,
        stored: Atlas | None,
        *,
        reusable: bool,
    ) -> Plan:
        config, (for_samples, for_layout, for_icons) = request.config, request.keys
        known = None if stored is None else identity.results_of(stored)
        once = None
        if not reusable and request.run.processes is not None:  # which share results, this once
            known, once = None, secrets.token_hex(16)
        elif not reusable:
            folder, known = None, None
        begin = CachedStage.begin(
            folder,
            "images",
            known=known,
            network=info["network"],
            weights_sha256=info["weights_sha256"],
            code_sha256=info["code_sha256"],
            source=info["source"],
            per_image=config.per_image,
            key=identity.key_data(for_samples),
            segment=SEGMENT,
            keeps=["predicted", "labels"],
            **({} if once is None else {"once": once}),
            versions=identity.deciding_versions("jax", "jaxlib"),
        )
        samples = {x: begin.then(identity.samples_name(x), layer=x) for x in request.layers}
        layout = {
            "layout": identity.settings(config.layout),
            "key": identity.key_data(for_layout),
            "versions": identity.deciding_versions(*identity.LAYOUT_PACKAGES),
        }
        points = {x: samples[x].then(identity.points_name(x), **layout) for x in request.layers}
        return cls.after(
            samples, points, request.grids,
            config=config, key=for_icons, labels=request.labels_digest, reusable=reusable,
        )  # fmt: skip

    @classmethod
    def after(
        cls,
        samples: dict[str, CachedStage],
        points: dict[str, CachedStage],
        sizes: tuple[int, ...],
        *,
        config: BuildConfig,
        key: Key,
        labels: str,
        reusable: bool = True,
    ) -> Plan:
        """Return a plan whose stages of samples and points are known, by layer."""
        grids = {
            (layer, size): grid_stages(
                points[layer], layer,
                size=size, min_count=config.min_count, config=config, key=key,
            )
            for layer in samples
            for size in sizes
        }  # fmt: skip
        return cls(samples, points, grids, reusable, labels)

    @property
    def folder(self) -> Path | None:
        """Where results are kept."""
        return next(iter(self.samples.values())).folder

    def digests(self) -> dict[str, str]:
        """Return the digest of every stage by its name."""
        pairs = (stage for pair in self.grids.values() for stage in pair)
        stages = (*self.samples.values(), *self.points.values(), *pairs)
        return {stage.name: stage.digest for stage in stages} | {identity.LABELS: self.labels}


def is_incomplete(
    target: Path,
    plan: Plan,
    info: dict[str, Any],
    stored: Atlas | None,
    *,
    classes: tuple[str, ...],
    overwrite: bool,
) -> bool:
    """Return whether a stored atlas lacks something that is asked for.

    Raises:
      ValueError: if it holds something that is not, and may not be overwritten.
    """
    if stored is None:
        return True
    wanted, others = plan.digests(), [x.path for x in stored.maps if x.kind != "layer"]
    there = {
        name: digest
        for name, digest in stored.info.get("stages", {}).items()
        if not name.startswith(tuple(f"{path}-" for path in others))
    }
    renamed = stored.classes != classes
    if plan.reusable and not renamed and there and there.items() <= wanted.items():
        return wanted != there
    if overwrite:
        return True
    described = {name: stored.info.get(name) for name in info}
    different = identity.differences(described, info)
    if renamed:
        different = different or f"classes: {identity.classes_differ(stored.classes, classes)}"
    elif plan.reusable:
        different = different or _other_stages(there, wanted)
    different = different or "its images cannot be told from others"
    raise ValueError(
        f"{target} holds an atlas with other settings ({different}): choose another output folder, "
        "or ask to overwrite it"
    )


def _other_stages(there: Mapping[str, str], wanted: Mapping[str, str]) -> str:
    """Name the stages whose results in the atlas are different ones, for a message."""
    names = sorted(name for name, found in there.items() if found != wanted.get(name))
    return f"{', '.join(names)} differ"


def layer_names(layers: Any) -> tuple[str, ...]:
    """Return the names of layers, or raise ValueError."""
    names = checks.as_tuple(layers)
    if names is None or not all(isinstance(name, str) for name in names):
        raise ValueError(f"layers: expected a list of names, got {checks.shown(layers)}")
    return names


def grid_sizes(grids: Any) -> tuple[int, ...]:
    """Return cells along each side of grids, or raise ValueError."""
    sizes = checks.as_tuple(grids)
    if sizes is None:
        raise ValueError(f"grids: expected a list of whole numbers, got {checks.shown(grids)}")
    return tuple(checks.whole("grids", size, maximum=checks.MAX_SIDE) for size in sizes)


def check(request: Request) -> None:
    """Raise ValueError for what can be known to be wrong before anything is computed."""
    layers, grids, config = request.layers, request.grids, request.config
    for name, values in (("layers", layers), ("grids", grids)):
        check_each_once(name, values)
    check_jaxlib(jax.local_devices()[0])
    request.network.class_count(request.params)
    for side in (request.network.input_size, config.icons.views.size):
        for layer in layers:
            request.network.activation_shape(request.params, (side, side), layer=layer)
    if request.source.count is not None:
        names_of(request.source, request.source.count)
        check_cells(request.source.count * config.per_image, grids, config)


def check_each_once(name: str, values: tuple[Any, ...]) -> None:
    """Raise ValueError for no values, or some that are there twice."""
    if not values:
        raise ValueError(f"{name}: expected at least one")
    if len(set(values)) < len(values):
        raise ValueError(f"{name}: expected each once, got {list(values)}")


def check_cells(
    samples: int,
    grids: tuple[int, ...],
    config: BuildConfig,
    *,
    laid_out: bool = False,
    advice: str = "more images, or more positions per image",
) -> None:
    """Raise ValueError if there are too few samples for a layout, or for cells."""
    if samples < MIN_SAMPLES and not laid_out:
        raise ValueError(
            f"a layout needs at least {MIN_SAMPLES} samples, there are {samples}: use {advice}"
        )
    largest = int((samples / config.min_count) ** 0.5)
    if max(grids) > largest:
        raise ValueError(
            f"grid: {samples} samples cannot fill {max(grids)} x {max(grids)} cells with "
            f"{config.min_count} each: use a grid of at most {largest}, {advice}"
        )


def describe(request: Request, key: Key, fingerprint: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return everything that decides the result, as JSON values.

    Args:
      request: the arguments of the build.
      key: as it was passed.
      fingerprint: of the images; None if they cannot be told from others.
    """
    chosen = {"layers": list(request.layers), "grids": list(request.grids)}
    return {
        **identity.network_identity(request.network, request.params),
        "seed": identity.seed_of(key),
        "settings": chosen | identity.settings(request.config),
        "generator": GENERATOR,
        "jax": identity.jax_settings(),
        "versions": identity.versions(),
        "source": {"root": None, "images": request.source.count} | dict(fingerprint or {}),
    }
