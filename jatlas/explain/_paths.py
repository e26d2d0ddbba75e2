"""Directions for icons beside the cells of a map: those of one image, and along a path.

Reference:
  Olah et al., "The Building Blocks of Interpretability", Distill 2018 (activation grids); Carter
  et al., "Activation Atlas", Distill 2019 (paths).
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jatlas.explain._exemplars import nearest_by_cosine
from jatlas.model import Network
from jatlas.types import Array, HostArray, Params, checks


class ActivationGrid(NamedTuple):
    """One image as a layer sees it.

    Attributes:
      directions: (h, w, channels) activation vectors, row 0 at the top.
      magnitudes: (h, w) their lengths, as shares of the longest: the side to draw each icon with.
    """

    directions: Array
    magnitudes: Array


@functools.partial(jax.jit, static_argnames=("network", "layer"))
def activation_grid(
    network: Network, params: Params, image: Array, *, layer: str
) -> ActivationGrid:
    """Return the activation vector at each position of an image, and its magnitude.

    A pure function: it works under `jit`, `vmap` and `grad`.

    Args:
      network: the network.
      params: its parameters.
      image: (h, w, 3) in [0, 1].
      layer: name of the layer.

    Returns:
      ActivationGrid.

    Raises:
      ValueError: if the layer is unknown or has no map.
    """
    directions = network.run(params, image, until=layer)
    length = jnp.linalg.norm(directions, axis=-1)
    longest = length.max()
    return ActivationGrid(directions, length / jnp.where(longest > 0, longest, 1.0))


class Location(NamedTuple):
    """Where directions lie on a map.

    Attributes:
      rows: (...) int32 number of the sample nearest to each.
      points: (..., 2) where that sample lies.
    """

    rows: Array
    points: Array


def find_on_map(
    directions: Array | HostArray, vectors: Array | HostArray, points: Array | HostArray
) -> Location:
    """Find where directions lie on a map: where the sample at the smallest angle lies.

    A pure function: it works under `jit`, `vmap` and `grad` (with respect to the points).

    Args:
      directions: (..., channels) to locate.
      vectors: (n, channels) samples of the map, of the same layer.
      points: (n, 2) where they lie.

    Returns:
      Location.

    Example:
      >>> vectors, points = jnp.eye(2), jnp.array([[0.25, 0.5], [0.75, 0.5]])
      >>> find_on_map(jnp.array([1.0, 7.0]), vectors, points).points.tolist()
      [0.75, 0.5]
    """
    queries = jnp.asarray(directions, jnp.float32)
    flat = queries.reshape(-1, queries.shape[-1])
    rows = nearest_by_cosine(flat, jnp.asarray(vectors, jnp.float32)).reshape(queries.shape[:-1])
    return Location(rows, jnp.asarray(points)[rows])


class MapPath(NamedTuple):
    """A straight path through a map.

    Attributes:
      points: (count, 2) equally spaced, from the start to the end.
      directions: (count, channels) average activation around each point.
      radius: (count,) distance of the farthest sample in that average: large where the map is
        empty, and the average means little.
    """

    points: Array
    directions: Array
    radius: Array


def path_through_map(
    points: Array,
    vectors: Array,
    *,
    start: Array,
    end: Array,
    count: int = 20,
    samples: int = 20,
) -> MapPath:
    """Average the samples of a map along a straight path.

    A pure function: it works under `jit`, `vmap` and `grad`.

    Args:
      points: (n, 2) where the samples lie.
      vectors: (n, channels) of each.
      start: (2,) of (x, y), from 0 to 1.
      end: (2,) of (x, y), from 0 to 1.
      count: points on the path, both ends among them, at most 4096; the article's paths have 20.
      samples: how many of the nearest samples are averaged at each point; all if there are fewer.

    Returns:
      MapPath.

    Raises:
      ValueError: if count or samples is out of range, points and vectors differ in number, or an
        end is not in the unit square (a traced one is not checked).

    Example:
      >>> points, vectors = jnp.array([[0.0, 0.0], [1.0, 0.0]]), jnp.array([[2.0], [6.0]])
      >>> ends = {"start": jnp.array([0.0, 0.0]), "end": jnp.array([1.0, 0.0])}
      >>> path = path_through_map(points, vectors, **ends, count=3, samples=1)
      >>> path.points[:, 0].tolist(), path.directions[:, 0].tolist(), path.radius.tolist()
      ([0.0, 0.5, 1.0], [2.0, 2.0, 6.0], [0.0, 0.5, 0.0])
    """
    if not len(points) or len(points) != len(vectors):
        raise ValueError(
            f"points, vectors: expected one each, got {len(points)} and {len(vectors)}"
        )
    count = checks.whole("count", count, minimum=2, maximum=checks.MAX_SIDE)
    samples = min(checks.whole("samples", samples), len(points))
    for name, place in (("start", start), ("end", end)):
        if not checks.is_traced(place):
            expected = "x and y from 0 to 1"
            checks.numbers(name, place, length=2, minimum=0, maximum=1, expected=expected)
    points, vectors, start, end = (
        jnp.asarray(x, jnp.float32) for x in (points, vectors, start, end)
    )
    return _path(points, vectors, start, end, count=count, samples=samples)


@functools.partial(jax.jit, static_argnames=("count", "samples"))
def _path(
    points: Array, vectors: Array, start: Array, end: Array, *, count: int, samples: int
) -> MapPath:
    along = jnp.linspace(0.0, 1.0, count)[:, None]
    line = (1 - along) * start[None] + along * end[None]

    def average_near(point: Array) -> tuple[Array, Array]:
        distance = jnp.linalg.norm(points - point[None], axis=-1)
        near, rows = jax.lax.top_k(-distance, samples)
        return vectors[rows].mean(0), -near[-1]

    directions, radius = jax.lax.map(average_near, line)
    return MapPath(line, directions, radius)
