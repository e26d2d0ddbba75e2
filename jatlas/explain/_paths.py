"""Vectors to draw icons of that are no cells of a map: those of one image, and of a path.

Reference:
  Olah et al., "The Building Blocks of Interpretability", Distill 2018 (activation grids); Carter
  et al., "Activation Atlas", Distill 2019 (paths).
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jatlas.explain._exemplars import nearest
from jatlas.model import Network
from jatlas.types import Array, HostArray, Params


class ActivationGrid(NamedTuple):
    """One image as a layer sees it.

    Attributes:
      directions: (h, w, channels) activation vectors, row 0 at the top.
      magnitudes: (h, w) their lengths, as shares of the longest: the side of each icon.
    """

    directions: Array
    magnitudes: Array


@functools.partial(jax.jit, static_argnames=("network", "layer"))
def activation_grid(
    network: Network, params: Params, image: Array, *, layer: str
) -> ActivationGrid:
    """Return what a layer says at each position of an image.

    Args:
      network: the network.
      params: its parameters.
      image: (h, w, 3) in [0, 1].
      layer: the stage.

    Returns:
      ActivationGrid.

    Raises:
      ValueError: if the layer is unknown or has no positions.
    """
    directions = network.run(params, image, until=layer)
    if directions.ndim != 3:
        raise ValueError(f"layer: {layer!r} has no positions (its shape is {directions.shape})")
    length = jnp.linalg.norm(directions, axis=-1)
    longest = length.max()
    return ActivationGrid(directions, length / jnp.where(longest > 0, longest, 1.0))


class Found(NamedTuple):
    """Where vectors fall on a map.

    Attributes:
      rows: (...) int32 number of the sample nearest to each.
      points: (..., 2) where that sample lies.
    """

    rows: Array
    points: Array


def find_on_map(
    directions: Array | HostArray, vectors: Array | HostArray, points: Array | HostArray
) -> Found:
    """Find where vectors would lie on a map: where the sample at the smallest angle lies.

    Args:
      directions: (..., channels) to look for.
      vectors: (n, channels) samples of the map, of the same layer.
      points: (n, 2) where they lie.

    Returns:
      Found.
    """
    queries = jnp.asarray(directions, jnp.float32)
    flat = queries.reshape(-1, queries.shape[-1])
    rows = nearest(flat, jnp.asarray(vectors, jnp.float32)).reshape(queries.shape[:-1])
    return Found(rows, jnp.asarray(points)[rows])


class Path(NamedTuple):
    """A line through a map.

    Attributes:
      points: (count, 2) equally spaced, from the start to the end.
      directions: (count, channels) average activation around each.
      reach: (count,) distance of the farthest sample in that average: large where the map is
        empty, and the average says little.
    """

    points: Array
    directions: Array
    reach: Array


@functools.partial(jax.jit, static_argnames=("count", "samples"))
def path(
    points: Array,
    vectors: Array,
    *,
    start: Array,
    end: Array,
    count: int = 20,
    samples: int = 20,
) -> Path:
    """Average the samples of a map along a line.

    Args:
      points: (n, 2) where the samples lie.
      vectors: (n, channels) of each.
      start: (2,) of (x, y).
      end: (2,) of (x, y).
      count: points on the line, both ends among them; the article's paths have 20.
      samples: how many of the nearest are averaged at each, at most n.

    Returns:
      Path.

    Raises:
      ValueError: if count is below 2 or samples below 1.
    """
    for name, value, least in (("count", count, 2), ("samples", samples, 1)):
        if value < least:
            raise ValueError(f"{name}: expected at least {least}, got {value}")
    points, start, end = (jnp.asarray(x, jnp.float32) for x in (points, start, end))
    along = jnp.linspace(0.0, 1.0, count)[:, None]
    line = (1 - along) * start + along * end

    def one(point: Array) -> tuple[Array, Array]:
        distance = jnp.linalg.norm(points - point, axis=-1)
        near, rows = jax.lax.top_k(-distance, min(samples, len(points)))
        return jnp.asarray(vectors, jnp.float32)[rows].mean(0), -near[-1]

    directions, reach = jax.lax.map(one, line)
    return Path(line, directions, reach)
