"""From samples and where they lie to the cells of a grid: averages, icons, exemplars."""

import dataclasses
import hashlib
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from jatlas.arrange import _whiten as whiten
from jatlas.arrange import average
from jatlas.arrange import UMAP
from jatlas.records import Grid
from jatlas.collect import ImageSource
from jatlas.storage import Checkpoints
from jatlas.explain import exemplars
from jatlas.model import Network
from jatlas.build._crops import thumbnails
from jatlas.records import Samples
from jatlas.pixels import to_uint8
from jatlas.records import Icons
from jatlas.types import Array, HostArray, Key, Params, Run
from jatlas.visualize import Adam, RenderConfig
from jatlas.visualize import Constant
from jatlas.visualize import render_each

log = logging.getLogger(__name__)

_ONE_OF_A_KIND = (UMAP, RenderConfig, Adam)


@dataclasses.dataclass(frozen=True, kw_only=True)
class DrawConfig:
    """How cells become pictures.

    Attributes:
      whiten: whether icons follow whitened directions, as the article's do.
      ridge: what is added to the layer's second moment before it is inverted, as a share of the
        mean of its diagonal.
      exemplars: real places kept with each cell, the nearest of as many images; 0 for none.
      render: settings of the icons.
    """

    whiten: bool = True
    ridge: float = 1e-2
    exemplars: int = 4
    render: RenderConfig = RenderConfig()

    def __post_init__(self) -> None:
        """Check the ranges."""
        if not self.ridge > 0:
            raise ValueError(f"ridge: expected above 0, got {self.ridge}")
        if self.exemplars < 0:
            raise ValueError(f"exemplars: expected at least 0, got {self.exemplars}")


class Job(NamedTuple):
    """What all the grids of a map share.

    Attributes:
      network: the network.
      params: its parameters.
      layer: the stage.
      samples: the samples of the map.
      images: where their images come from; None if that is not known.
      min_count: samples a cell must hold to get an icon.
      config: how cells are drawn.
      checkpoints: where to keep what is done.
    """

    network: Network
    params: Params
    layer: str
    samples: Samples
    images: ImageSource | None
    min_count: int
    config: DrawConfig
    checkpoints: Checkpoints


def draw(
    job: Job, points: HostArray, size: int, *, key: Key, chunk: int | None, progress: bool
) -> Grid:
    """Average the samples of each cell, draw the icons of the full ones, find their exemplars.

    Args:
      job: the map.
      points: (n, 2) where its samples lie in the unit square.
      size: cells along each side.
      key: seeds the icons.
      chunk: icons that are optimized at once; None asks the compiler.
      progress: whether to show a progress bar.

    Returns:
      Grid.

    Raises:
      ValueError: if no cell holds enough samples.
    """
    places = jnp.asarray(points)
    averages = average(jnp.asarray(job.samples.vectors), places, size=size)
    speaks_for = average(jnp.asarray(job.samples.evidence), places, size=size).mean
    count = np.asarray(averages.count)
    cells = np.flatnonzero(count.ravel() >= job.min_count).astype(np.int32)
    if not len(cells):
        raise ValueError(
            f"min_count: no cell of {size} x {size} holds {job.min_count} of the {len(points)} "
            f"samples, the fullest has {count.max()}: ask for fewer, or a smaller size"
        )
    means = averages.mean.reshape(size * size, -1)[cells]
    icons = draw_icons(job, means, cells, size, key=key, chunk=chunk, progress=progress)
    found = _exemplars(job, means, size)
    return Grid(
        size=size,
        mean=np.asarray(averages.mean),
        count=count,
        evidence=np.asarray(speaks_for),
        cells=cells,
        exemplars=found.get("exemplars"),
        crops=found.get("crops"),
        icons=icons,
    )


def _exemplars(job: Job, means: Array, size: int) -> dict[str, HostArray]:
    """Find the samples nearest to each cell: a grid's exemplars and, if they can be had, crops."""
    count, samples = job.config.exemplars, job.samples
    if not count:
        return {}

    def compute() -> dict[str, HostArray]:
        inverse = whiten.inverse(jnp.asarray(samples.moment), ridge=job.config.ridge)
        found = exemplars(
            means,
            samples.vectors,
            samples.source[:, 0],
            count=count,
            inverse_moment=inverse if job.config.whiten else None,
        )
        crops = thumbnails(
            job.network, job.params, job.images, samples.source, found.rows, layer=job.layer
        )
        return {"exemplars": found.rows} | ({} if crops is None else {"crops": crops})

    return job.checkpoints.once(f"{job.layer}-exemplars-{size}", compute)


def directions(means: Array | HostArray, moment: HostArray, *, config: DrawConfig) -> HostArray:
    """Return what the icons of cells follow.

    Args:
      means: (m, channels) of the cells.
      moment: (channels, channels) second moment of the layer.
      config: whether and how to whiten.

    Returns:
      (m, channels) float32.
    """
    table = jnp.asarray(means)
    if config.whiten:
        table = whiten.whiten(table, whiten.inverse(jnp.asarray(moment), ridge=config.ridge))
    return np.asarray(table)


def draw_icons(
    job: Job,
    means: Array | HostArray,
    cells: HostArray,
    size: int,
    *,
    key: Key,
    chunk: int | None,
    progress: bool,
) -> Icons:
    """Render the icons of a grid; each chunk that is done is kept, and not done again.

    Args:
      job: the map.
      means: (m, channels) of the cells.
      cells: (m,) row-major numbers of the cells.
      size: cells along each side.
      key: seeds the icons.
      chunk: icons that are optimized at once; None asks the compiler.
      progress: whether to show a progress bar.

    Returns:
      Icons, uint8, one for each cell.
    """
    targets = directions(means, job.samples.moment, config=job.config)
    name = f"{job.layer}-icons-{size}"
    kept = [job.checkpoints.load(piece) for piece in job.checkpoints.names(f"{name}-")]
    done = {int(cell) for piece in kept for cell in piece["cells"]}
    todo = np.array([i for i, cell in enumerate(cells.tolist()) if cell not in done], np.int32)
    if len(todo):
        for part, icons in render_each(
            job.network,
            job.params,
            targets[todo],
            layer=job.layer,
            key=key,
            config=job.config.render,
            ids=cells[todo],
            run=Run(chunk=chunk, progress=progress),
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
    return Icons(images=drawn["icons"], scores=drawn["scores"], cosines=drawn["cosines"])


def settings(config: Any) -> dict[str, Any]:
    """Return the fields of a config as JSON values; where there is a choice of kinds, with it."""
    return {each.name: _json(getattr(config, each.name)) for each in dataclasses.fields(config)}


def _json(value: Any) -> Any:
    if isinstance(value, Constant):
        return {"sha256": hashlib.sha256(np.asarray(value).tobytes()).hexdigest()}
    if dataclasses.is_dataclass(value):
        named = {} if isinstance(value, _ONE_OF_A_KIND) else {"kind": type(value).__name__}
        return named | settings(value)
    if isinstance(value, tuple):
        return [_json(item) for item in value]
    return value


@contextmanager
def timed(what: str) -> Iterator[None]:
    """Log how long a stage took."""
    start = time.perf_counter()
    yield
    log.info("%-20s %7.1f s", what, time.perf_counter() - start)
