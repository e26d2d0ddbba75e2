"""Classes that fill the frame with a regular pattern. One unit of u and v is one period."""

import math

import jax.numpy as jnp

from jatlas.synthetic._canvas import Canvas, hashed, painting, uniform
from jatlas.synthetic._shapes import box, disc, fold, intersection, union
from jatlas.types import Array

TURN = 2 * math.pi


def _frac(x: Array) -> Array:
    return x - jnp.floor(x)


def grating(c: Canvas) -> Array:
    """Paint plain stripes across u, from soft to sharp."""
    wave = jnp.cos(TURN * c.u) * (0.6 + 4 * c.spare[0])
    return painting(c, jnp.clip(0.5 + 0.5 * wave, 0, 1))


def checkerboard(c: Canvas) -> Array:
    """Paint squares of two alternating colours."""
    sign = jnp.sin(math.pi * c.u) * jnp.sin(math.pi * c.v)
    return painting(c, jnp.clip(0.5 + sign / (2.5 * c.pixel), 0, 1))


def polka_dots(c: Canvas) -> Array:
    """Paint discs in staggered rows."""
    row = jnp.floor(c.v)
    u, v = _frac(c.u + 0.5 * row) - 0.5, c.v - row - 0.5
    d = disc(u, v, 0.22 + 0.16 * c.spare[0])
    return painting(c, c.fill(d))


def brick_wall(c: Canvas) -> Array:
    """Paint bricks of varied tone with mortar between them."""
    row = jnp.floor(2.4 * c.v)
    along = c.u + 0.5 * (row - 2 * jnp.floor(row / 2))
    name = uniform(hashed(jnp.floor(along), row, c.seed))
    d = box(_frac(along) - 0.5, (c.v - (row + 0.5) / 2.4), 0.455, 0.163) + 0.012 * c.high
    return painting(
        c,
        0.8 * name,
        c.fill(-d),
        height=-0.7 * jnp.clip(-d, 0, 0.06),
        shade=0.85 + 0.25 * name + 0.07 * c.high,
    )


def tiles(c: Canvas) -> Array:
    """Paint glazed tiles with a ring, a diamond and quarter discs in the corners."""
    u, v = _frac(c.u) - 0.5, _frac(c.v) - 0.5
    a, b = jnp.abs(u), jnp.abs(v)
    corner = disc(a - 0.5, b - 0.5, 0.26)
    ring = jnp.abs(disc(u, v, 0.3)) - 0.04
    grout = 0.475 - jnp.maximum(a, b)
    return painting(
        c, c.fill(corner), c.fill(ring), c.fill(a + b - 0.17), c.fill(grout), height=0.3 * c.low
    )


def honeycomb(c: Canvas) -> Array:
    """Paint hexagonal cells with walls of wax."""
    root = math.sqrt(3)
    u1, v1 = c.u - jnp.round(c.u), c.v - root * jnp.round(c.v / root)
    u2 = c.u - 0.5 - jnp.round(c.u - 0.5)
    v2 = c.v - root / 2 - root * jnp.round(c.v / root - 0.5)
    first = u1 * u1 + v1 * v1 < u2 * u2 + v2 * v2
    u, v = jnp.where(first, u1, u2), jnp.where(first, v1, v2)
    d = intersection(jnp.abs(u), 0.5 * jnp.abs(u) + root / 2 * jnp.abs(v)) - 0.42
    name = uniform(hashed(jnp.round(2 * (c.u - u)), jnp.round(2 * (c.v - v)), c.seed))
    return painting(
        c,
        c.fill(d) * (0.55 + 0.45 * name),
        c.fill(d + 0.08) * (name < 0.45),
        height=-0.5 * jnp.clip(-d, 0, 0.25),
        shade=1.08 + 0.6 * jnp.clip(d, -0.4, 0),
    )


def scales(c: Canvas) -> Array:
    """Paint overlapping round scales, darker where the row above covers them."""
    row = jnp.floor(2 * c.v)
    odd = 0.5 * (row - 2 * jnp.floor(row / 2))
    v = c.v - row / 2
    u1 = _frac(c.u + odd) - 0.5
    u2 = _frac(c.u + 0.5 - odd) - 0.5
    d1, d2 = disc(u1, v, 0.5), disc(u2, v - 0.5, 0.5)
    upper = d1 < 0
    d = jnp.where(upper, d1, d2)
    down = jnp.where(upper, v, v - 0.5)
    name = uniform(hashed(jnp.round(c.u - jnp.where(upper, u1, u2)), row + ~upper, c.seed))
    return painting(
        c,
        jnp.clip(0.5 - 1.2 * down, 0, 1) * 0.7 + 0.3 * name,
        c.fill(-d - 0.14),
        c.fill(-d - 0.05),
        shade=0.95 + 0.45 * down,
    )


def waves(c: Canvas) -> Array:
    """Paint wavy bands in three colours."""
    phase = c.v + (0.22 + 0.2 * c.spare[0]) * jnp.sin(TURN * (0.55 + 0.3 * c.spare[1]) * c.u)
    return painting(
        c,
        c.stripe(phase, share=0.55, slope=1.4),
        c.stripe(phase / 2, share=0.28, slope=0.7),
        c.stripe(phase + 0.35, share=0.1, slope=1.4),
        shade=1 + 0.16 * jnp.cos(TURN * phase),
    )


def tartan(c: Canvas) -> Array:
    """Paint crossing bands with the twill of woven wool."""
    twill = 0.5 + 0.5 * c.stripe((c.u + c.v) * 9, slope=12)
    across, down = c.stripe(c.u, share=0.42), c.stripe(c.v, share=0.42)
    thin = union(jnp.abs(_frac(c.u) - 0.5), jnp.abs(_frac(c.v) - 0.5)) - 0.035
    dark = jnp.maximum(c.stripe(c.u + 0.34, share=0.12), c.stripe(c.v + 0.34, share=0.12))
    return painting(c, 0.55 * (across + down) * (0.7 + 0.3 * twill), dark * twill, c.fill(thin))


def zebra(c: Canvas) -> Array:
    """Paint stripes that meander and fork."""
    phase = c.u + 0.62 * c.low + 0.2 * c.mid
    return painting(c, c.stripe(phase, share=0.5, slope=1.6), shade=1 + 0.05 * c.high)


def spiral(c: Canvas) -> Array:
    """Paint spiral arms about the position."""
    rho, phi = c.field
    arms = 1 + jnp.floor(3 * c.spare[0])
    turns = rho + arms * phi / TURN
    return painting(
        c, c.stripe(turns, share=0.5), c.stripe(turns + 0.5, share=0.12), shade=1.1 - 0.06 * rho
    )


def rings(c: Canvas) -> Array:
    """Paint concentric circles about the position."""
    rho, _ = c.field
    return painting(
        c,
        c.stripe(rho, share=0.5),
        c.stripe(rho / 2, share=0.25, slope=0.5),
        c.fill(rho - 0.12),
    )


def sunburst(c: Canvas) -> Array:
    """Paint rays that spread from the position."""
    rho, phi = c.field
    count = 8 + jnp.floor(9 * c.spare[0])
    side = jnp.abs(fold(phi, count)) - math.pi / 2 / count
    return painting(
        c, c.fill(side * rho), c.fill(rho - 0.62), c.fill(rho - 0.45), shade=1.1 - 0.07 * rho
    )


def weave(c: Canvas) -> Array:
    """Paint strands that go over and under each other."""
    i, j = jnp.floor(c.u), jnp.floor(c.v)
    u, v = c.u - i - 0.5, c.v - j - 0.5
    over = (i + j) * 0.5 == jnp.floor((i + j) * 0.5)
    along, across = jnp.where(over, u, v), jnp.where(over, v, u)
    strand = jnp.abs(_frac(across * 2) - 0.5)
    return painting(
        c,
        1.0 * over,
        c.fill(0.44 - strand),
        height=0.2 * jnp.cos(math.pi * along),
        shade=0.7 + 0.35 * jnp.cos(math.pi * along) - 0.3 * strand,
    )


def maze(c: Canvas) -> Array:
    """Paint paths of quarter circles (Truchet tiles), flipped at random in each square."""
    i, j = jnp.floor(c.u), jnp.floor(c.v)
    u, v = c.u - i - 0.5, c.v - j - 0.5
    u = jnp.where(hashed(i, j, c.seed) & 64 > 0, u, -u)
    d = union(jnp.abs(disc(u - 0.5, v - 0.5, 0.5)), jnp.abs(disc(u + 0.5, v + 0.5, 0.5)))
    return painting(c, c.fill(d - 0.2), c.fill(d - 0.1), height=0.5 * jnp.clip(0.2 - d, 0, 0.1))


def chain_link(c: Canvas) -> Array:
    """Paint a wire mesh in front of a background."""
    bend = 0.04 * jnp.sin(TURN * 2 * (c.u + c.v))
    a, b = c.u + c.v, c.u - c.v
    d = union(jnp.abs(a - jnp.round(a) + bend), jnp.abs(b - jnp.round(b) + bend)) * 0.7 - 0.055
    return painting(c, distance=d, height=0.9 * jnp.clip(-d, 0, 0.05))
