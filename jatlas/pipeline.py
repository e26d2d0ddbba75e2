"""`build`: the stages strung together, from images to an Atlas."""

import dataclasses
import functools
import hashlib
import importlib.metadata
import logging
import os
import platform
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jatlas.arrange import whiten
from jatlas.arrange.grid import average
from jatlas.arrange.layout import FEWEST, UMAPConfig, normalize, umap_layout
from jatlas.atlas import Atlas, Grid, Map, check_free, read_info
from jatlas.collect.images import Folder
from jatlas.collect.source import ImageSource
from jatlas.collect.store import Checkpoints, differences
from jatlas.model.network import Network
from jatlas.model.weights import digest
from jatlas.samples import Samples, collect
from jatlas.show.export import export_folder
from jatlas.show.plot import to_uint8
from jatlas.types import HostArray, Key, Params
from jatlas.visualize.config import Ascent, RenderConfig
from jatlas.visualize.constant import Constant
from jatlas.visualize.render import render_each

log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, kw_only=True)
class BuildConfig:
    """Settings of an atlas that are the same for all its layers and grids.

    Attributes:
      per_image: random positions kept of each image; the article keeps one of a million images.
      min_count: samples a cell must hold to get an icon.
      whiten: whether icons follow whitened directions, as the article's do.
      ridge: what is added to the layer's second moment before it is inverted, as a share of the
        mean of its diagonal.
      layout: settings of the layout.
      render: settings of the icons.
    """

    per_image: int = 1
    min_count: int = 1
    whiten: bool = True
    ridge: float = 1e-2
    layout: UMAPConfig = UMAPConfig()
    render: RenderConfig = RenderConfig()

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name in ("per_image", "min_count"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: expected at least 1, got {getattr(self, name)}")
        if not self.ridge > 0:
            raise ValueError(f"ridge: expected above 0, got {self.ridge}")


_ONE_OF_A_KIND = (BuildConfig, UMAPConfig, RenderConfig, Ascent)


def build(
    network: Network,
    params: Params,
    images: ImageSource,
    *,
    layers: Sequence[str],
    grids: Sequence[int],
    key: Key,
    config: BuildConfig | None = None,
    out: str | Path | None = None,
    batch_size: int = 32,
    chunk: int | None = None,
    workers: int = 2,
    progress: bool = True,
) -> Atlas:
    """Build an activation atlas of images.

    Equal arguments give equal atlases, byte for byte on the same machine. With `out`, what is
    done is kept beside it in `OUT.partial`, and after an interruption the same call goes on from
    there; the folder itself appears only when it is whole.

    Args:
      network: the network to look into.
      params: its parameters.
      images: what it is shown; see `jatlas.collect.folder` and `jatlas.collect.arrays`.
      layers: names of the layers; each becomes a map.
      grids: cells along each side, one grid per number on each map.
      key: seeds everything that is random.
      config: settings; None means `BuildConfig()`.
      out: folder to save the atlas in; None keeps it in memory only.
      batch_size: images that go through the network at once; no matter for the result.
      chunk: icons that are optimized at once, no matter for the result; None asks the compiler
        how many fit into the memory.
      workers: threads that decode images.
      progress: whether to show progress bars.

    Returns:
      The atlas; it has been saved if `out` is given.

    Raises:
      ValueError: for an unknown layer, a grid that the samples cannot fill, images none of which
        can be used, or an output folder that holds something else.
      OSError: if it cannot be saved, for lack of space say; what is done stays beside it.
    """
    config = BuildConfig() if config is None else config
    layers, grids = tuple(layers), tuple(grids)
    _check(network, params, images, layers, grids, config, batch_size=batch_size, chunk=chunk)
    info = _describe(network, params, images, layers, grids, key, config)
    target = None if out is None else Path(os.path.abspath(out))
    if target is not None:
        if (target / "atlas.json").exists():
            return _finished(target, info)
        check_free(target)
    partial = None if target is None else target.with_name(f"{target.name}.partial")
    checkpoints = Checkpoints.open(partial, info)
    for_samples, for_layout, for_icons = jax.random.split(key, 3)
    with _timed("images"), _given_up_if_hopeless(checkpoints):
        collected = collect(
            network,
            params,
            images,
            layers=layers,
            per_image=config.per_image,
            key=for_samples,
            checkpoints=checkpoints,
            batch_size=batch_size,
            workers=workers,
            progress=progress,
        )
        # Only now is it known how many images were damaged.
        _check_cells(len(collected.samples[layers[0]].vectors), grids, config)
    maps = []
    for layer in layers:
        job = _Layer(network, params, layer, collected.samples[layer], config, checkpoints)
        with _timed(f"{layer} layout"):
            points = _points(job, key=for_layout, progress=progress)
        with _timed(f"{layer} icons"):
            draw = functools.partial(_grid, job, points, chunk=chunk, progress=progress)
            drawn = tuple(draw(size, key=for_icons) for size in grids)
        maps.append(Map(layer=layer, points=points, grids=drawn, **job.samples._asdict()))
    skipped = [[images.name(index), reason] for index, reason in collected.skipped]
    if isinstance(images, Folder):
        skipped += [list(item) for item in images.unusable]
    names = tuple(images.name(index) for index in range(collected.images))
    atlas = Atlas(tuple(maps), names, network.classes, info | {"skipped": skipped})
    if target is not None:
        with _timed("save"):
            atlas.save(target)
        checkpoints.close()
        with _timed("page"):
            export_folder(target)
    return atlas


class _Layer(NamedTuple):
    """What the stages of one layer share."""

    network: Network
    params: Params
    name: str
    samples: Samples
    config: BuildConfig
    checkpoints: Checkpoints


def _check(
    network: Network,
    params: Params,
    images: ImageSource,
    layers: tuple[str, ...],
    grids: tuple[int, ...],
    config: BuildConfig,
    *,
    batch_size: int,
    chunk: int | None,
) -> None:
    """Raise ValueError for what can be known to be wrong before anything is computed."""
    for name, values in (("layers", layers), ("grids", grids)):
        if not values:
            raise ValueError(f"{name}: expected at least one")
        if len(set(values)) < len(values):
            raise ValueError(f"{name}: each may be given once, got {list(values)}")
    for name, value in (("batch_size", batch_size), ("chunk", chunk), ("grids", min(grids))):
        if value is not None and value < 1:
            raise ValueError(f"{name}: expected at least 1, got {value}")
    side = config.render.views.size
    for layer in layers:
        network.activation_shape(params, (side, side), layer=layer)
    if images.count is not None:
        _check_cells(images.count * config.per_image, grids, config)


def _check_cells(samples: int, grids: tuple[int, ...], config: BuildConfig) -> None:
    if samples < FEWEST:
        raise ValueError(
            f"a layout needs at least {FEWEST} samples, these images give {samples}: use more, or "
            "more positions per image"
        )
    largest = int((samples / config.min_count) ** 0.5)
    if max(grids) > largest:
        raise ValueError(
            f"grid: {samples} samples cannot fill {max(grids)} x {max(grids)} cells with "
            f"{config.min_count} each: use a grid of at most {largest}, more images, or more "
            "positions per image"
        )


@contextmanager
def _given_up_if_hopeless(checkpoints: Checkpoints) -> Iterator[None]:
    # The images are at fault: mended or not, no later call can go on from what is kept.
    try:
        yield
    except ValueError:
        checkpoints.close()
        raise


def _describe(
    network: Network,
    params: Params,
    images: ImageSource,
    layers: tuple[str, ...],
    grids: tuple[int, ...],
    key: Key,
    config: BuildConfig,
) -> dict[str, Any]:
    """Say everything that decides the result, as JSON values."""
    settings = {"layers": list(layers), "grids": list(grids), **_settings(config)}
    source = {"root": None, "images": images.count} | images.fingerprint()
    packages = ("jatlas", "jax", "jaxlib", "numpy", "optax", "umap-learn")
    versions = {name: importlib.metadata.version(name) for name in packages}
    return {
        "network": network.name,
        "weights_sha256": digest(params),
        "seed": np.asarray(jax.random.key_data(key)).tolist(),
        "settings": settings,
        "versions": versions | {"python": platform.python_version()},
        "source": source,
    }


def _settings(value: Any) -> Any:
    """Turn settings into JSON values; where there is a choice of kinds, they say which."""
    if isinstance(value, Constant):
        return {"sha256": hashlib.sha256(np.asarray(value).tobytes()).hexdigest()}
    if dataclasses.is_dataclass(value):
        fields = {
            each.name: _settings(getattr(value, each.name)) for each in dataclasses.fields(value)
        }
        return (
            fields if isinstance(value, _ONE_OF_A_KIND) else {"kind": type(value).__name__} | fields
        )
    if isinstance(value, tuple):
        return [_settings(item) for item in value]
    return value


def _finished(target: Path, info: dict[str, Any]) -> Atlas:
    """Return the atlas that is there, if it is the one that was asked for."""
    there = {name: read_info(target).get(name) for name in info}
    differ = differences(there, info)
    if differ:
        raise ValueError(
            f"{target} holds an atlas with other settings ({differ}): choose another output folder"
        )
    log.info("%s is finished already", target)
    return Atlas.load(target)


@contextmanager
def _timed(stage: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    log.info("%-20s %7.1f s", stage, time.perf_counter() - start)


def _points(job: _Layer, *, key: Key, progress: bool) -> HostArray:
    """Lay the samples of a layer out in the unit square."""

    def compute() -> dict[str, HostArray]:
        vectors, config = job.samples.vectors, job.config.layout
        return {
            "points": normalize(umap_layout(vectors, key=key, config=config, progress=progress))
        }

    return job.checkpoints.once(f"{job.name}-points", compute)["points"]


def _grid(
    job: _Layer, points: HostArray, size: int, *, key: Key, chunk: int | None, progress: bool
) -> Grid:
    """Average the samples of each cell and draw the icons of the full ones."""
    places = jnp.asarray(points)
    averages = average(jnp.asarray(job.samples.vectors), places, size=size)
    speaks_for = average(jnp.asarray(job.samples.evidence), places, size=size).mean
    count = np.asarray(averages.count)
    # At least one, as the grid has been found to be one that the samples can fill.
    cells = np.flatnonzero(count.ravel() >= job.config.min_count).astype(np.int32)
    directions = averages.mean.reshape(size * size, -1)[cells]
    if job.config.whiten:
        moment = jnp.asarray(job.samples.moment)
        directions = whiten.whiten(directions, whiten.inverse(moment, ridge=job.config.ridge))
    icons = functools.partial(_icons, job, f"{job.name}-icons-{size}", chunk=chunk)
    drawn = icons(np.asarray(directions), cells, key=key, progress=progress)
    return Grid(
        size=size,
        mean=np.asarray(averages.mean),
        count=count,
        evidence=np.asarray(speaks_for),
        cells=cells,
        **drawn,
    )


def _icons(
    job: _Layer,
    name: str,
    directions: HostArray,
    cells: HostArray,
    *,
    key: Key,
    chunk: int | None,
    progress: bool,
) -> dict[str, HostArray]:
    """Render the icons of a grid; each chunk that is done is kept, and not done again.

    Returns:
      What a `Grid` has one of for each cell: icons, scores, cosines.
    """
    kept = [job.checkpoints.load(piece) for piece in job.checkpoints.names(f"{name}-")]
    done = {int(cell) for piece in kept for cell in piece["cells"]}
    todo = np.array([i for i, cell in enumerate(cells.tolist()) if cell not in done], np.int32)
    if len(todo):
        for part, icons in render_each(
            job.network,
            job.params,
            directions[todo],
            layer=job.name,
            key=key,
            config=job.config.render,
            cells=cells[todo],
            chunk=chunk,
            progress=progress,
        ):
            now = cells[todo[part]]
            piece = {
                "cells": now,
                "icons": to_uint8(icons.images),
                "scores": icons.scores,
                "cosines": icons.cosines,
            }
            job.checkpoints.keep(f"{name}-{now[0]:06d}", piece)
            kept.append(piece)
    order = np.argsort(np.concatenate([piece["cells"] for piece in kept]))
    drawn = {
        field: np.concatenate([piece[field] for piece in kept])[order]
        for field in ("icons", "scores", "cosines")
    }
    dead = cells[~np.isfinite(drawn["scores"])]
    if len(dead):
        log.warning("%s: the objective of %d cells is not finite: %s", name, len(dead), dead)
    return drawn
