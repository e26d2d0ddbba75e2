"""Signed distances to simple shapes, negative inside, in units of the coordinates."""

import math

import jax.numpy as jnp

from jatlas.types import Array


def disc(u: Array, v: Array, radius: float | Array) -> Array:
    """Return the distance to a circle about the origin.

    Example:
      >>> round(float(disc(jnp.asarray(3.0), jnp.asarray(4.0), 1.0)), 3)
      4.0
    """
    return jnp.sqrt(u * u + v * v + 1e-9) - radius


def ellipse(u: Array, v: Array, a: float, b: float) -> Array:
    """Return the approximate distance to an ellipse with semi-axes a (along u) and b."""
    return disc(u / a, v / b, 1.0) * min(a, b)


def box(u: Array, v: Array, a: float | Array, b: float | Array) -> Array:
    """Return the distance to a box with half sides a (along u) and b, in the maximum norm."""
    return jnp.maximum(jnp.abs(u) - a, jnp.abs(v) - b)


def segment(u: Array, v: Array, start: tuple[float, float], end: tuple[float, float]) -> Array:
    """Return the distance to the segment between two points (u, v)."""
    du, dv = end[0] - start[0], end[1] - start[1]
    x, y = u - start[0], v - start[1]
    t = jnp.clip((x * du + y * dv) / (du * du + dv * dv), 0, 1)
    return disc(x - t * du, y - t * dv, 0.0)


def half_plane(u: Array, v: Array, x: float, y: float, degrees: float) -> Array:
    """Return the distance to a half plane.

    Args:
      u: horizontal coordinates.
      v: vertical coordinates, downwards.
      x: u of a point on its edge.
      y: v of that point.
      degrees: direction of its outward normal, clockwise from u.
    """
    angle = math.radians(degrees)
    return (u - x) * math.cos(angle) + (v - y) * math.sin(angle)


def lens(u: Array, v: Array, a: float, b: float) -> Array:
    """Return the distance to a pointed oval with semi-axes a (along u, to the tips) and b."""
    radius = (a * a + b * b) / (2 * b)
    return disc(u, jnp.abs(v) + (radius - b), radius)


def fold(phi: Array, times: int | Array) -> Array:
    """Fold the circle into equal sectors: return the angle (radians) from the middle of each."""
    turn = phi * (times / (2 * math.pi))
    return (turn - jnp.round(turn)) * (2 * math.pi / times)


def union(*distances: Array) -> Array:
    """Return the distance to the union of shapes."""
    nearest = distances[0]
    for distance in distances[1:]:
        nearest = jnp.minimum(nearest, distance)
    return nearest


def intersection(*distances: Array) -> Array:
    """Return the distance to the intersection of shapes."""
    farthest = distances[0]
    for distance in distances[1:]:
        farthest = jnp.maximum(farthest, distance)
    return farthest


def dome(distance: Array, *, depth: float = 0.3) -> Array:
    """Return the height of a relief that is rounded towards the outline of a shape."""
    inside = jnp.clip(-distance / depth, 0, 1)
    return 0.6 * depth * inside * (2 - inside)
