"""`build`: the stages strung together, from images to an Atlas."""

import dataclasses
import functools
import importlib.metadata
import logging
import os
import platform
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jatlas.arrange._layout import FEWEST
from jatlas.arrange import UMAP, to_unit_square, umap
from jatlas.storage import check_free, read_info
from jatlas.records import Atlas
from jatlas.records import Map
from jatlas.collect import Folder
from jatlas.collect import ImageSource
from jatlas.storage import Checkpoints
from jatlas.storage._cache import differences
from jatlas.build._cells import DrawConfig, Job, draw, settings, timed
from jatlas.model import Network
from jatlas.model import digest
from jatlas.collect._extract import collect
from jatlas.records import Samples
from jatlas.show import export_folder
from jatlas.records import Info
from jatlas.storage import load, save
from jatlas.types import HostArray, Key, Params
from jatlas.visualize import RenderConfig

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
      exemplars: real places kept with each cell, the nearest of as many images; 0 for none. What
        they show is kept too, if the images can be read again.
      layout: settings of the layout.
      render: settings of the icons.
    """

    per_image: int = 1
    min_count: int = 1
    whiten: bool = DrawConfig.whiten
    ridge: float = DrawConfig.ridge
    exemplars: int = DrawConfig.exemplars
    layout: UMAP = UMAP()
    render: RenderConfig = RenderConfig()

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name in ("per_image", "min_count"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: expected at least 1, got {getattr(self, name)}")
        _ = self.drawing  # checks the rest

    @property
    def drawing(self) -> DrawConfig:
        """What of it decides how cells become pictures."""
        names = [each.name for each in dataclasses.fields(DrawConfig)]
        return DrawConfig(**{name: getattr(self, name) for name in names})


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
      images: what it is shown; see `jatlas.collect.folder` and `jatlas.collect._arrays`.
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
    with timed("images"), _given_up_if_hopeless(checkpoints):
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
        samples = collected.samples[layer]
        with timed(f"{layer} layout"):
            points = _points(layer, samples, config, checkpoints, key=for_layout, progress=progress)
        job = Job(
            network, params, layer, samples, images, config.min_count, config.drawing, checkpoints
        )
        with timed(f"{layer} icons"):
            each = functools.partial(draw, job, points, chunk=chunk, progress=progress)
            drawn = tuple(each(size, key=for_icons) for size in grids)
        maps.append(Map(layer=layer, points=points, grids=drawn, samples=samples))
    skipped = [[images.name(index), reason] for index, reason in collected.skipped]
    if isinstance(images, Folder):
        skipped += [list(item) for item in images.unusable]
    names = tuple(images.name(index) for index in range(collected.images))
    atlas = Atlas(
        maps=tuple(maps), images=names, classes=network.classes, info=Info(info | {"skipped": skipped})
    )
    if target is not None:
        with timed("save"):
            save(atlas, target)
        checkpoints.close()
        with timed("page"):
            export_folder(target)
    return atlas


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
    chosen = {"layers": list(layers), "grids": list(grids), **settings(config)}
    source = {"root": None, "images": images.count} | (images.fingerprint() or {})
    packages = ("jatlas", "jax", "jaxlib", "numpy", "optax", "umap-learn")
    versions = {name: importlib.metadata.version(name) for name in packages}
    return {
        "network": network.name,
        "weights_sha256": digest(params),
        "seed": np.asarray(jax.random.key_data(key)).tolist(),
        "settings": chosen,
        "versions": versions | {"python": platform.python_version()},
        "source": source,
    }


def _finished(target: Path, info: dict[str, Any]) -> Atlas:
    """Return the atlas that is there, if it is the one that was asked for."""
    there = {name: read_info(target).get(name) for name in info}
    differ = differences(there, info)
    if differ:
        raise ValueError(
            f"{target} holds an atlas with other settings ({differ}): choose another output folder"
        )
    log.info("%s is finished already", target)
    return load(target)


def _points(
    name: str,
    samples: Samples,
    config: BuildConfig,
    checkpoints: Checkpoints,
    *,
    key: Key,
    progress: bool,
) -> HostArray:
    """Lay the samples of a layer out in the unit square."""

    def compute() -> dict[str, HostArray]:
        points = umap(samples.vectors, key=key, config=config.layout, progress=progress)
        return {"points": to_unit_square(points)}

    return checkpoints.once(f"{name}-points", compute)["points"]
