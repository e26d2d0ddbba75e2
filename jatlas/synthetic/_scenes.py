"""Classes that fill the frame with a scene. The origin of u and v is on the horizon."""

import math

import jax.numpy as jnp

from jatlas.synthetic._canvas import Canvas, hashed, noise_at, painting, three, uniform
from jatlas.synthetic._shapes import box, disc, fold, intersection, union
from jatlas.types import Array


def _frac(x: Array) -> Array:
    return x - jnp.floor(x)


def _sky(c: Canvas) -> Array:
    """Return the share of the lower colour of the sky, 1 at the horizon."""
    return jnp.clip(1 + 1.7 * c.v, 0, 1)


def meadow(c: Canvas) -> Array:
    """Paint a field of flowers under clouds."""
    hill = c.v - 0.05 * jnp.sin(5 * c.u + 6 * c.spare[0])
    depth = jnp.clip(hill + 0.06, 0.05, 1)
    x, y = c.u / depth * 1.6, 3.2 * jnp.log(depth) + 3
    i, j = jnp.floor(x), jnp.floor(y)
    a, b, d = three(hashed(i, j, c.seed))
    flower = disc(x - i - 0.3 - 0.4 * a, (y - j - 0.3 - 0.4 * b), 0.24) * depth / 1.6
    ground = c.fill(-hill)
    bloom = ground * c.fill(flower)
    cloud = jnp.clip(1.1 * c.low + 0.5 * c.mid - 0.2, 0, 1) * (1 - ground)
    return painting(
        c,
        _sky(c),
        0.95 * cloud,
        ground,
        bloom * (d < 0.5),
        bloom * (d >= 0.5),
        shade=1 + ground * (0.15 * c.high - 0.2 + 0.5 * depth),
    )


def mountains(c: Canvas) -> Array:
    """Paint two ridges with snow on the higher one."""

    def ridge(x: Array) -> Array:
        tooth = jnp.abs(_frac(x) - 0.5) + 0.5 * jnp.abs(_frac(2.3 * x + 0.3) - 0.5)
        return tooth + 0.22 * jnp.abs(_frac(5.1 * x) - 0.5)

    x = 1.4 * c.u + 3 * c.spare[0]
    far = c.v + 0.55 * ridge(x) - 0.02 * c.high
    near = c.v - 0.2 + 0.3 * ridge(1.3 * c.u + 5 * c.spare[1])
    snow = intersection(-far, far - 0.12 - 0.05 * c.high)
    lit = jnp.sin(2 * math.pi * x) > 0
    return painting(
        c,
        _sky(c),
        c.fill(-far) * 0.95,
        c.fill(snow),
        c.fill(-near),
        shade=1 - 0.22 * lit * (far > 0) * (near < 0) + 0.05 * c.high * (far > 0),
    )


def night_sky(c: Canvas) -> Array:
    """Paint a crescent moon and stars above dark hills."""
    x, y = 9 * c.u, 9 * c.v
    i, j = jnp.floor(x), jnp.floor(y)
    a, b, d = three(hashed(i, j, c.seed))
    star = disc(x - i - 0.2 - 0.6 * a, y - j - 0.2 - 0.6 * b, 0.02 + 0.12 * d * d) / 9
    left = 0.5 * (c.spare[0] - 0.5)
    moon = disc(c.u - left, c.v + 0.38, 0.17)
    crescent = intersection(moon, -disc(c.u - left + 0.09, c.v + 0.42, 0.14))
    hills = c.v - 0.18 - 0.09 * jnp.sin(4 * c.u + 6 * c.spare[1]) - 0.02 * c.mid
    return painting(
        c,
        jnp.clip(0.9 + 1.1 * c.v + 0.2 * c.low, 0, 1),
        c.fill(star) * (moon > 0.05),
        jnp.clip(0.35 - 1.4 * moon, 0, 0.35),
        c.fill(crescent),
        c.fill(-hills),
    )


def sunset(c: Canvas) -> Array:
    """Paint the sun over the sea and its reflection on the water."""
    sea = c.fill(-c.v)
    depth = jnp.clip(c.v, 0.02, 1)
    sun = disc(c.u, c.v + 0.08 + 0.12 * c.spare[0], 0.17)
    ripple = noise_at(c.u * 5 / (0.15 + depth), 16 * jnp.sqrt(depth), c.seed)
    path = jnp.clip(1.6 * ripple - 0.35 - jnp.abs(c.u) / (0.12 + 0.5 * depth), 0, 1)
    return painting(
        c,
        jnp.clip(1 + 1.5 * c.v, 0, 1),
        0.45 * jnp.exp(-4 * jnp.clip(sun, 0, 2)),
        c.fill(sun),
        sea * jnp.clip(0.95 - 0.4 * ripple, 0, 1),
        sea * jnp.clip(2.5 * path, 0, 1),
    )


def picket_fence(c: Canvas) -> Array:
    """Paint a fence of pointed boards in front of grass and sky."""
    x = c.u * 6.5
    side = jnp.abs(x - jnp.round(x)) / 6.5
    picket = intersection(side - 0.052, side * 1.2 - 0.3 - c.v, c.v - 0.42)
    rails = jnp.abs(jnp.abs(c.v - 0.03) - 0.17) - 0.03
    fence = union(picket, rails)
    ground = c.fill(-c.v + 0.05 * jnp.sin(4 * c.u))
    return painting(
        c,
        _sky(c),
        ground,
        c.fill(fence - 0.012) * 0.6,
        c.fill(fence),
        height=0.5 * jnp.clip(-picket, 0, 0.03),
        shade=1 + 0.14 * c.high * ground * (fence > 0) - 0.1 * (rails < 0) * (picket > 0),
    )


def road(c: Canvas) -> Array:
    """Paint a road to the horizon with a dashed line."""
    depth = jnp.clip(c.v, 0.01, 1)
    across = (c.u - 0.25 * (c.spare[0] - 0.5) * depth) / depth
    ground = c.fill(-c.v)
    ink = jnp.clip(0.5 - (jnp.abs(across) - 0.75) * depth / c.pixel, 0, 1) * ground
    edge = jnp.clip(0.5 - (jnp.abs(jnp.abs(across) - 0.66) - 0.035) * depth / c.pixel, 0, 1)
    middle = jnp.clip(0.5 - (jnp.abs(across) - 0.05) * depth / c.pixel, 0, 1)
    dash = _frac(0.55 / depth + c.spare[1]) < 0.55
    hills = c.fill(-(c.v + 0.07 + 0.06 * jnp.sin(5 * c.u + 6 * c.spare[2]) + 0.02 * c.low))
    return painting(
        c,
        _sky(c),
        hills,
        ink,
        ground * jnp.maximum(edge, middle * dash),
        shade=1 + 0.1 * c.high * ground + 0.35 * (hills - ground) * (c.v < 0),
    )


def skyline(c: Canvas) -> Array:
    """Paint towers with lit windows against the sky."""

    def towers(step: float, low: float, high: float, salt: int) -> Array:
        i = jnp.floor(c.u * step)
        a, b, _ = three(hashed(i, i * 0, c.seed + salt))
        side = jnp.abs(c.u * step - i - 0.5) / step
        return intersection(side - (0.4 + 0.1 * b) / step, -c.v - low - high * a)

    far = towers(6.0, 0.12, 0.4, 1)
    near = towers(4.0, -0.12, 0.4, 2)
    x, y = c.u * 24, c.v * 20
    i, j = jnp.floor(x), jnp.floor(y)
    on = uniform(hashed(i, j, c.seed)) < 0.55
    pane = intersection(box(x - i - 0.5, y - j - 0.5, 0.28, 0.3) / 22, near + 0.02)
    return painting(c, _sky(c), c.fill(far) * 0.55, c.fill(near), c.fill(pane) * on)


def forest(c: Canvas) -> Array:
    """Paint trunks at three depths, paler with distance."""
    covers = []
    for depth, (step, wide) in enumerate(((11.0, 0.22), (7.0, 0.24), (4.0, 0.3))):
        x = c.u * step + 0.37 * depth + 0.12 * c.low
        i = jnp.floor(x)
        a, b, _ = three(hashed(i, i * 0, c.seed + depth))
        away = jnp.abs(x - i - 0.35 - 0.3 * a) - wide * (0.5 + 0.5 * b)
        covers.append(c.fill(away / step))
    ground = c.fill(-(c.v - 0.3 - 0.03 * c.mid))
    crowns = jnp.clip(-3.0 * (c.v + 0.33) + 0.9 * c.mid + 0.5 * c.high, 0, 1)
    return painting(
        c,
        0.35 * covers[0],
        0.75 * covers[1],
        ground * 0.9,
        covers[2],
        crowns,
        shade=1 + 0.12 * c.high * jnp.maximum(covers[2], crowns) - 0.1 * ground,
    )


def rainbow(c: Canvas) -> Array:
    """Paint a rainbow over hills."""
    rho = disc(c.u, c.v - 0.12, 0.0)
    band = (rho - 0.42) / 0.075
    hills = c.fill(-(c.v - 0.06 - 0.06 * jnp.sin(5 * c.u + 6 * c.spare[0])))
    sky = 1 - hills

    def arc(place: int) -> Array:
        return c.fill((jnp.abs(band - place) - 0.5) * 0.075) * sky

    return painting(
        c, arc(3), arc(2), arc(1), arc(0), hills, shade=1 + hills * (0.12 * c.high + 0.05)
    )


def windows(c: Canvas) -> Array:
    """Paint the front of a building: rows of windows, some lit."""
    x, y = c.u * 3.4, c.v * 2.8
    i, j = jnp.floor(x), jnp.floor(y)
    u, v = x - i - 0.5, y - j - 0.5
    pane = box(u, v, 0.27, 0.33)
    frame = union(pane - 0.06, box(u, v - 0.42, 0.38, 0.05))
    cross = intersection(union(jnp.abs(u), jnp.abs(v + 0.08)) - 0.03, pane)
    on = uniform(hashed(i, j, c.seed)) < 0.4
    inside = c.fill(pane / 3)
    return painting(
        c,
        c.fill(frame / 3),
        inside,
        inside * on,
        c.fill(cross / 3),
        height=0.3 * jnp.clip(-frame / 3, 0, 0.02),
        shade=1 + 0.05 * c.high - 0.25 * inside * (v + 0.3 * u),
    )


def fireworks(c: Canvas) -> Array:
    """Paint bursts of sparks in the dark."""

    def burst(u: Array, v: Array, radius: float, rays: int | Array) -> Array:
        rho, phi = jnp.sqrt(u * u + v * v + 1e-9), jnp.arctan2(v, u)
        side = jnp.abs(fold(phi, rays)) * rho
        spark = disc(rho / radius * 4 - jnp.round(rho / radius * 4), side * 24, 0.34)
        return jnp.clip(0.6 - 3 * spark, 0, 1) * jnp.clip((radius - rho) / c.pixel + 1, 0, 1)

    a, b, d, e = c.spare[0], c.spare[1], c.spare[2], c.spare[3]
    one = burst(c.u, c.v, 0.4, 9 + jnp.floor(8 * c.spare[4]))
    two = burst(c.u - 0.4 + 0.1 * a, c.v - 0.3 * b + 0.05, 0.24, 10)
    three_ = burst(c.u + 0.42 - 0.1 * d, c.v + 0.3 * e - 0.1, 0.22, 12)
    glow = jnp.exp(-9 * (c.u * c.u + c.v * c.v))
    return painting(c, 0.5 * glow + 0.15 * _sky(c), one, two, three_, one * (glow > 0.6))
