"""Signed distances of plain shapes, negative inside, in units of the coordinates."""

import math

import jax.numpy as jnp

from jatlas.types import Array


def disc(u: Array, v: Array, radius: float | Array) -> Array:
    """Return the distance to a circle about the origin."""
    return jnp.sqrt(u * u + v * v + 1e-9) - radius


def ellipse(u: Array, v: Array, a: float, b: float) -> Array:
    """Return about the distance to an ellipse of half axes a (along u) and b."""
    return disc(u / a, v / b, 1.0) * min(a, b)


def box(u: Array, v: Array, a: float | Array, b: float | Array) -> Array:
    """Return about the distance to a box of half sides a (along u) and b."""
    return jnp.maximum(jnp.abs(u) - a, jnp.abs(v) - b)


def bar(u: Array, v: Array, start: tuple[float, float], end: tuple[float, float]) -> Array:
    """Return the distance to a straight line between two points (u, v)."""
    du, dv = end[0] - start[0], end[1] - start[1]
    x, y = u - start[0], v - start[1]
    t = jnp.clip((x * du + y * dv) / (du * du + dv * dv), 0, 1)
    return disc(x - t * du, y - t * dv, 0.0)


def half(u: Array, v: Array, x: float, y: float, degrees: float) -> Array:
    """Return the distance to a half plane through (x, y) that faces this angle, clockwise."""
    angle = math.radians(degrees)
    return (u - x) * math.cos(angle) + (v - y) * math.sin(angle)


def lens(u: Array, v: Array, a: float, b: float) -> Array:
    """Return the distance to a pointed oval of half axes a (along u, the tips) and b."""
    radius = (a * a + b * b) / (2 * b)
    return disc(u, jnp.abs(v) + (radius - b), radius)


def polygon(rho: Array, phi: Array, *, corners: int, radius: float) -> Array:
    """Return about the distance to a regular polygon."""
    sector = fold(phi, corners)
    return rho * jnp.cos(sector) - radius * math.cos(math.pi / corners)


def fold(phi: Array, times: int | Array) -> Array:
    """Fold the circle into equal sectors: the angle from the middle of each."""
    turn = phi * (times / (2 * math.pi))
    return (turn - jnp.round(turn)) * (2 * math.pi / times)


def either(*distances: Array) -> Array:
    """Join shapes."""
    joined = distances[0]
    for distance in distances[1:]:
        joined = jnp.minimum(joined, distance)
    return joined


def both(*distances: Array) -> Array:
    """Keep what shapes have in common."""
    kept = distances[0]
    for distance in distances[1:]:
        kept = jnp.maximum(kept, distance)
    return kept


def dome(distance: Array, *, depth: float = 0.3) -> Array:
    """Return the relief of a shape that is rounded towards its outline."""
    inside = jnp.clip(-distance / depth, 0, 1)
    return 0.6 * depth * inside * (2 - inside)
