"""The canvas that a class is painted on: coordinates, noise, and helpers that combine them."""

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import jax.numpy as jnp
import numpy as np

from jatlas.types import Array, HostArray

LAYERS = 5  # inks that a class may paint over its first
SPARE = 8  # random numbers for whatever a class needs
_LATTICE = (5, 10, 22)  # nodes along the side of the low, middle and high noise


class Canvas(NamedTuple):
    """One image before it is painted. Planes are (size, size).

    Attributes:
      u: plane, horizontal coordinate of the class: 0 at its position, rotated by its orientation,
        in units of its scale.
      v: plane, the vertical coordinate, downwards.
      pixel: side of a pixel in these units.
      low: plane of smooth noise of mean 0, about 4 blobs along the side; mostly in [-1, 1].
      mid: the same with about 9.
      high: the same with about 21.
      spare: (SPARE,) uniform in [0, 1).
      seed: uint32, for `noise_at` and `cells`.
      field: planes that several classes share, computed once for all of them; see `Spec.field`.
    """

    u: Array
    v: Array
    pixel: Array
    low: Array
    mid: Array
    high: Array
    spare: Array
    seed: Array
    field: tuple[Array, ...] = ()

    def fill(self, distance: Array) -> Array:
        """Return the antialiased coverage of a shape, 0 to 1, from its signed distance."""
        return jnp.clip(0.5 - distance / self.pixel, 0, 1)

    def line(self, distance: Array, width: float | Array) -> Array:
        """Return the coverage of a line with this half width, from the distance to its centre."""
        return self.fill(jnp.abs(distance) - width)

    def stripe(self, phase: Array, *, share: float | Array = 0.5, slope: float = 1.0) -> Array:
        """Return sharp stripes that cover a `share` of every unit of `phase`.

        Args:
          phase: plane; a stripe is centred at every integer.
          share: fraction of the period that is covered.
          slope: change of phase over a unit of u or v, which keeps edges one pixel wide.
        """
        away = jnp.abs(phase - jnp.round(phase))
        return jnp.clip(0.5 + (share / 2 - away) / (slope * self.pixel), 0, 1)


Paint: TypeAlias = Callable[[Canvas], Array]
Field: TypeAlias = Callable[[Canvas], tuple[Array, ...]]


def painting(
    c: Canvas,
    *layers: Array,
    distance: Array | None = None,
    height: Array | None = None,
    shade: Array | None = None,
) -> Array:
    """Stack the planes that a class has painted.

    Args:
      c: the canvas.
      *layers: up to LAYERS planes: how far ink 1, 2, ... covers what is below it.
      distance: signed distance to the outline, negative inside; None if the frame is filled.
      height: relief, in units of u and v, to be lit from the side.
      shade: factor on the colour; None means 1.

    Returns:
      (3 + LAYERS, size, size): distance and height in pixels, shade, and the layers.
    """
    flat = jnp.zeros_like(c.u)
    out = flat - 1e3 if distance is None else distance / c.pixel
    relief = flat if height is None else height / c.pixel
    factor = flat + 1 if shade is None else shade
    covers = (*layers, *(flat for _ in range(LAYERS - len(layers))))
    return jnp.stack([jnp.broadcast_to(p, c.u.shape) for p in (out, relief, factor, *covers)])


def lattice_count() -> int:
    """Return how many random numbers the noise of one image needs.

    Example:
      >>> lattice_count() == 5**2 + 10**2 + 22**2
      True
    """
    return sum(n * n for n in _LATTICE)


def smooth_noise(values: Array, size: int, *, turned: bool = False) -> tuple[Array, ...]:
    """Interpolate random numbers over a plane by cubic splines: matrix products, no gathers.

    Args:
      values: (lattice_count(),) uniform in [0, 1).
      size: side of the plane.
      turned: whether to transpose.

    Returns:
      Planes (size, size) from low to high frequency, with a standard deviation of about 1.
    """
    planes, first = [], 0
    for nodes in _LATTICE:
        spread = jnp.asarray(_spline(nodes, size))
        knots = 7 * (values[first : first + nodes * nodes] - 0.5).reshape(nodes, nodes)
        planes.append(spread @ (knots.T if turned else knots) @ spread.T * 0.45)
        first += nodes * nodes
    return tuple(planes)


def _spline(nodes: int, size: int) -> HostArray:
    """Return the weights (size, nodes) of a uniform cubic B-spline along a side."""
    place = (np.arange(size) + 0.5) / size * (nodes - 3) + 1
    t = np.abs(place[:, None] - np.arange(nodes))
    inner = 2 / 3 - t**2 + t**3 / 2
    outer = np.clip(2 - t, 0, None) ** 3 / 6
    return np.where(t < 1, inner, outer).astype(np.float32)


def hashed(i: Array, j: Array, salt: Array) -> Array:
    """Hash integer coordinates to uint32, equally on every machine."""
    x = i.astype(jnp.int32).astype(jnp.uint32) * np.uint32(0x9E3779B1)
    y = j.astype(jnp.int32).astype(jnp.uint32) * np.uint32(0x85EBCA77)
    h = (x ^ y) + salt
    h = (h ^ (h >> 15)) * np.uint32(0x2C1B3C6D)
    h = (h ^ (h >> 12)) * np.uint32(0x297A2D39)
    return h ^ (h >> 15)


def uniform(h: Array) -> Array:
    """Convert hashes to numbers in [0, 1)."""
    return (h >> 8).astype(jnp.int32).astype(jnp.float32) * np.float32(2**-24)


def three(h: Array) -> tuple[Array, Array, Array]:
    """Convert each hash to three numbers in [0, 1), multiples of 1/1024."""
    parts = (h & 1023, (h >> 10) & 1023, (h >> 20) & 1023)
    a, b, d = (part.astype(jnp.int32).astype(jnp.float32) * np.float32(1 / 1024) for part in parts)
    return a, b, d


def noise_at(x: Array, y: Array, salt: Array) -> Array:
    """Return value noise in [0, 1), one blob per unit, at any coordinates."""
    i, j = jnp.floor(x), jnp.floor(y)
    fx, fy = x - i, y - j
    fx, fy = fx * fx * (3 - 2 * fx), fy * fy * (3 - 2 * fy)
    a, b = uniform(hashed(i, j, salt)), uniform(hashed(i + 1, j, salt))
    d, e = uniform(hashed(i, j + 1, salt)), uniform(hashed(i + 1, j + 1, salt))
    top, bottom = a + fx * (b - a), d + fx * (e - d)
    return top + fy * (bottom - top)


def polar(c: Canvas) -> tuple[Array, Array]:
    """Field: radius and angle (radians) about the position."""
    return jnp.sqrt(c.u**2 + c.v**2 + 1e-9), jnp.arctan2(c.v, c.u)


def streaks(c: Canvas) -> tuple[Array, Array]:
    """Field: fine and coarse noise in [0, 1), stretched along u and bent by the low noise."""
    v = c.v + 0.35 * c.low
    return noise_at(c.u * 1.2, v * 9, c.seed), noise_at(c.u * 0.6, v * 3, c.seed + 1)


def voronoi(c: Canvas) -> tuple[Array, ...]:
    """Field: Voronoi cells of one random point per unit square.

    Returns:
      Distance to the nearest point; how much farther the second nearest is; a number in [0, 1) of
      the cell; and the vector (u, v) from its point.
    """
    i, j = jnp.floor(c.u), jnp.floor(c.v)
    near = jnp.full_like(c.u, 9.0)
    far, name, du, dv = near, near, near, near
    for m in (-1, 0, 1):
        for n in (-1, 0, 1):
            a, b, d = three(hashed(i + m, j + n, c.seed))
            x, y = c.u - (i + m + 0.1 + 0.8 * a), c.v - (j + n + 0.1 + 0.8 * b)
            square = x * x + y * y
            closer = square < near
            far = jnp.minimum(far, jnp.maximum(square, near))
            near = jnp.minimum(square, near)
            name, du, dv = (
                jnp.where(closer, new, old) for new, old in ((d, name), (x, du), (y, dv))
            )
    return jnp.sqrt(near), jnp.sqrt(far) - jnp.sqrt(near), name, du, dv
