"""Classes that fill the frame with a material. One unit of u and v is about one grain."""

import math

import jax
import jax.numpy as jnp

from jatlas.synthetic._canvas import Canvas, hashed, painting, three, uniform
from jatlas.synthetic._shapes import disc, lens
from jatlas.types import Array

TURN = 2 * math.pi


def _frac(x: Array) -> Array:
    return x - jnp.floor(x)


def wood(c: Canvas) -> Array:
    """Paint the grain of a board, bent around knots."""
    fine, coarse = c.field
    knot = jnp.exp(-((c.u / 1.3) ** 2) - (3.0 * (c.v - 0.2)) ** 2)
    rings = 2.6 * c.v + 0.55 * c.low + 1.6 * knot + 0.5 * coarse
    late = _frac(rings)
    board = c.line(c.v - 1.15 * jnp.round(c.v / 1.15) + 0.3, 0.012)
    return painting(
        c,
        late * late,
        0.55 * jnp.clip(late * 5 - 4, 0, 1) + 0.3 * (fine > 0.72),
        jnp.clip(knot * 6 - 4.6, 0, 0.9),
        board,
        shade=0.9 + 0.2 * fine,
    )


def fur(c: Canvas) -> Array:
    """Paint combed hair with light tips."""
    fine, coarse = c.field
    hair = fine * 0.65 + coarse * 0.35 + 0.1 * c.mid
    return painting(
        c,
        jnp.clip(1.6 * hair - 0.3, 0, 1),
        jnp.clip(0.9 - 3.2 * hair, 0, 0.85),
        jnp.clip(3.4 * hair - 2.1, 0, 0.8),
        height=0.1 * fine,
    )


def grass(c: Canvas) -> Array:
    """Paint leaning blades in four rows, one in front of the other."""
    shade, tips = jnp.full_like(c.u, 0.42), jnp.zeros_like(c.u)
    warm = tips
    for row in range(4):
        v = c.v * 0.9 + 0.37 * row
        j = jnp.floor(v)
        u = c.u * 3.2 + 0.31 * row + 0.25 * c.low
        rise = 1 - (v - j)
        a0 = uniform(hashed(jnp.floor(u), j, c.seed + row + 7))
        u = u + (a0 - 0.5) * 1.1 * rise * rise
        a, b, d = three(hashed(jnp.floor(u), j, c.seed + row))
        side = jnp.abs(_frac(u) - 0.5)
        blade = c.fill((side - 0.4 * (1 - rise / (0.55 + 0.45 * a))) / 3.2)
        shade = shade + blade * (0.5 + 0.16 * row + 0.3 * rise - 0.5 * side - shade)
        tips = tips + blade * (b - tips)
        warm = warm + blade * ((d > 0.9) * 0.8 - warm)
    return painting(c, tips, warm, shade=shade)


def pebbles(c: Canvas) -> Array:
    """Paint rounded stones, each of its own tone."""
    _, gap, name, _, _ = c.field
    stone = jnp.clip(gap * 3.2, 0, 1)
    return painting(
        c,
        name,
        (name > 0.72) * 0.8,
        (name < 0.16) * 0.8,
        1 - jnp.clip((gap - 0.05) / (2 * c.pixel) + 0.5, 0, 1),
        height=0.3 * stone * (2 - stone),
        shade=0.72 + 0.3 * stone + 0.05 * c.high,
    )


def cracked_mud(c: Canvas) -> Array:
    """Paint dry plates with deep cracks."""
    _, gap, name, _, _ = c.field
    open_ = gap - 0.055 - 0.02 * c.high
    return painting(
        c,
        0.5 + 0.25 * c.mid,
        jnp.clip(0.5 - open_ / (2 * c.pixel), 0, 1),
        height=0.3 * jnp.clip(gap, 0, 0.18),
        shade=0.86 + 0.22 * name + 0.07 * c.high,
    )


def stained_glass(c: Canvas) -> Array:
    """Paint bright panes of many colours, separated by lead."""
    near, gap, name, _, _ = c.field
    ink = jnp.floor(name * 5)
    lead = jnp.clip(0.5 - (gap - 0.09) / (2 * c.pixel), 0, 1)
    return painting(
        c,
        1.0 * (ink == 1),
        1.0 * (ink == 2),
        1.0 * (ink == 3),
        1.0 * (ink == 4),
        lead,
        shade=1.12 - 0.35 * near + 0.06 * c.mid,
    )


def leopard(c: Canvas) -> Array:
    """Paint rosettes: broken dark rings around a darker ground."""
    _, _, name, du, dv = c.field
    d = disc(du + 0.04 * c.mid, dv + 0.04 * c.high, 0.23 + 0.12 * name)
    broken = 0.075 + 0.05 * c.mid - 0.05 * c.high
    return painting(
        c, c.fill(d) * 0.85, c.fill(jnp.abs(d) - broken), shade=1 + 0.06 * c.high + 0.06 * c.low
    )


def leaf_litter(c: Canvas) -> Array:
    """Paint fallen leaves that overlap."""
    one = jnp.zeros_like(c.u)
    two, three_, vein, shade = one, one, one, one + 0.35
    for layer in range(5):
        x, y = c.u * 0.9 + 0.37 * layer, c.v * 0.9 + 0.61 * layer
        i, j = jnp.floor(x), jnp.floor(y)
        a, b, d = three(hashed(i, j, c.seed + layer))
        # A random direction without a sine: two random numbers of the cell as a vector.
        cos, sin = a - 0.5, d - 0.5
        long = jax.lax.rsqrt(cos * cos + sin * sin + 1e-4)
        cos, sin = cos * long, sin * long
        s, t = x - i - 0.5, y - j - 0.5
        s, t = s * cos - t * sin, s * sin + t * cos
        leaf = lens(s, t, 0.5, 0.24)
        inside = c.fill(leaf)
        one, two = one + inside * (b - one), two + inside * (((b > 0.35) & (b < 0.6)) - two)
        three_ = three_ + inside * ((b > 0.8) - three_)
        vein = vein + inside * (c.fill(jnp.abs(t) - 0.018) - vein)
        shade = shade + inside * (0.62 + 0.1 * layer + 0.5 * jnp.clip(-leaf, 0, 0.3) - shade)
    return painting(c, one, two * 0.85, three_ * 0.85, 0.6 * vein, shade=shade)


def bubbles(c: Canvas) -> Array:
    """Paint clear spheres of many sizes, each with a highlight."""
    glow = jnp.zeros_like(c.u)
    rim, glint, tint = glow, glow, glow
    for layer in range(3):
        x, y = c.u * (1.3 - 0.25 * layer) + 0.4 * layer, c.v * (1.3 - 0.25 * layer) + 0.7 * layer
        i, j = jnp.floor(x), jnp.floor(y)
        a, b, d = three(hashed(i, j, c.seed + layer))
        radius = 0.2 + 0.22 * d
        s, t = x - i - radius - (1 - 2 * radius) * a, y - j - radius - (1 - 2 * radius) * b
        out = disc(s, t, radius)
        inside = c.fill(out)
        rim = jnp.maximum(rim * (1 - 0.4 * inside), c.fill(jnp.abs(out + 0.03) - 0.028))
        glow = jnp.maximum(glow, inside * jnp.clip(1 + out / radius, 0, 1) ** 3)
        glint = jnp.maximum(glint, c.fill(disc(s + 0.4 * radius, t + 0.4 * radius, 0.2 * radius)))
        tint = jnp.maximum(tint, inside * (d > 0.6))
    return painting(
        c, 0.25 + 0.2 * c.low, 0.4 * tint, 0.5 * glow, 0.85 * rim, glint, shade=0.9 + 0.15 * glow
    )


def water(c: Canvas) -> Array:
    """Paint the caustics of sunlight on the floor of a pool."""
    first = jnp.sin(TURN * (0.5 * c.u + 0.32 * c.low) + 1.6 * c.mid)
    second = jnp.sin(TURN * (0.5 * c.v - 0.3 * c.low) - 1.6 * c.mid + 0.5 * c.high)
    net = jnp.clip(1 - 0.75 * jnp.abs(first + second), 0, 1)
    net = net * net
    return painting(c, net, jnp.clip(0.5 - 0.5 * c.low, 0, 0.5), net * net * 0.9)
