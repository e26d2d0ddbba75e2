"""Classes that show one man-made object. One unit of u and v is its radius."""

import math

import jax.numpy as jnp

from jatlas.synthetic._canvas import Canvas, painting
from jatlas.synthetic._shapes import (
    box,
    disc,
    dome,
    ellipse,
    fold,
    half_plane,
    intersection,
    lens,
    union,
)
from jatlas.types import Array


def star(c: Canvas) -> Array:
    """Paint a faceted star with five to seven points."""
    rho, phi = c.field
    count = 5 + jnp.floor(3 * c.spare[0])
    sector = fold(phi + math.pi / 2, count)
    u, v = rho * jnp.cos(sector), rho * jnp.abs(jnp.sin(sector))
    inner, angle = 0.45, math.pi / count
    x, y = inner * jnp.cos(angle), inner * jnp.sin(angle)
    d = ((u - 1) * y + v * (1 - x)) / jnp.sqrt((1 - x) ** 2 + y * y)
    return painting(c, 1.0 * (sector > 0), c.fill(-d - 0.06), distance=d)


def gem(c: Canvas) -> Array:
    """Paint a cut stone: a polygon with facets around a flat table."""
    rho, phi = c.field
    corners = 5 + jnp.floor(4 * c.spare[0])
    near = rho * jnp.cos(fold(phi, corners))
    table = near - 0.45
    part = jnp.round(phi * corners / (2 * math.pi))
    light = jnp.sin(2.3 * part + 6 * c.spare[1])
    facet = c.fill(-table)
    return painting(
        c,
        facet * jnp.clip(0.5 + 0.5 * light, 0, 1),
        c.fill(jnp.abs(table) - 0.025),
        c.fill(table) * (0.25 + 0.4 * c.fill(half_plane(c.u, c.v, -0.05, -0.05, 35))),
        distance=near - 0.83,
        shade=1 - 0.35 * facet * jnp.clip(-light, -0.4, 1),
    )


def heart(c: Canvas) -> Array:
    """Paint a heart."""
    a, v = jnp.abs(c.u), c.v + 0.05
    d = union(
        disc(a - 0.43, v + 0.33, 0.46),
        intersection(half_plane(a, v, 0.74, 0.01, 41), -(v + 0.33), a - 0.9),
    )
    return painting(
        c,
        c.fill(-d - 0.06) * 0.7,
        c.fill(ellipse(c.u + 0.45 + 0.3 * (v + 0.4), v + 0.42, 0.1, 0.17)),
        distance=d,
        height=dome(d, depth=0.4),
    )


def wheel(c: Canvas) -> Array:
    """Paint a wheel with a tyre, a rim, spokes and a hub, and openings between them."""
    rho, phi = c.field
    count = 5 + jnp.floor(8 * c.spare[0])
    spoke = jnp.abs(jnp.sin(fold(phi, count))) * rho - 0.05
    tyre = jnp.abs(rho - 0.85) - 0.15
    rim = jnp.abs(rho - 0.66) - 0.06
    hub = rho - 0.17
    d = union(tyre, rim, hub, intersection(spoke, rho - 0.7))
    return painting(
        c, c.fill(tyre), c.fill(hub + 0.05), distance=d, height=0.8 * jnp.clip(-d, 0, 0.12)
    )


def doughnut(c: Canvas) -> Array:
    """Paint a ring of dough under icing with sprinkles."""
    rho, phi = c.field
    ring = jnp.abs(rho - 0.62) - 0.34
    icing = jnp.abs(rho - 0.62) - 0.24 - 0.04 * jnp.sin(7 * phi + 9 * c.spare[0])
    along = phi * 22 / (2 * math.pi)
    row = jnp.round((rho - 0.62) / 0.16)
    along = along + 0.37 * row
    slip = box(
        (along - jnp.round(along)) * 0.17, rho - 0.62 - 0.16 * row + 0.025 * c.high, 0.05, 0.022
    )
    colored = c.fill(slip) * (icing < -0.06)
    which = jnp.round(along) - 3 * jnp.round(along / 3)
    return painting(
        c,
        c.fill(icing),
        colored * (which == 0),
        colored * (which == 1),
        colored * (which == -1),
        distance=ring,
        height=dome(ring, depth=0.3),
    )


def house(c: Canvas) -> Array:
    """Paint a house with a roof, a door and two windows."""
    a = jnp.abs(c.u)
    wall = box(c.u, c.v - 0.4, 0.68, 0.5)
    roof = intersection((a - 0.92 + (-0.1 - c.v) * 1.1) * 0.67, c.v + 0.1)
    chimney = box(c.u - 0.45, c.v + 0.6, 0.11, 0.3)
    pane = box(a - 0.4, c.v - 0.22, 0.15, 0.15)
    cross = intersection(union(jnp.abs(a - 0.4), jnp.abs(c.v - 0.22)) - 0.018, pane)
    door = box(c.u, c.v - 0.6, 0.15, 0.3)
    return painting(
        c,
        c.fill(intersection(union(roof, chimney), wall + 9 * (c.v > -0.1))),
        c.fill(union(door, pane - 0.04)),
        c.fill(union(pane, disc(c.u - 0.09, c.v - 0.6, 0.03))),
        c.fill(cross),
        distance=union(wall, roof, chimney),
        height=0.4 * jnp.clip(-roof, 0, 0.1),
        shade=1 - 0.12 * (jnp.sin(c.v * 30) > 0.6),
    )


def umbrella(c: Canvas) -> Array:
    """Paint an open umbrella of two colours."""
    dome = disc(c.u, c.v + 0.05, 0.92)
    scallop = jnp.abs(c.u / 0.46 - jnp.round(c.u / 0.46 - 0.5) - 0.5)
    cloth = intersection(dome, c.v + 0.02 + 0.1 * (1 - 4 * scallop * scallop) - 0.04)
    tall = jnp.sqrt(jnp.clip(0.85 - (c.v + 0.05) ** 2, 0.02, 1))
    gore = jnp.abs(c.u / tall)
    hook = intersection(jnp.abs(disc(c.u - 0.16, c.v - 0.7, 0.16)) - 0.045, 0.7 - c.v)
    stick = union(box(c.u, c.v - 0.3, 0.04, 0.42), hook, box(c.u, c.v + 0.97, 0.03, 0.07))
    return painting(
        c,
        c.fill(cloth),
        c.fill(intersection(cloth, jnp.maximum(0.33 - gore, gore - 0.72))),
        distance=union(cloth, stick),
        height=jnp.clip(-cloth, 0, 0.3) * 0.5,
    )


def balloon(c: Canvas) -> Array:
    """Paint a hot air balloon with gores and a basket."""
    ball = disc(c.u, c.v + 0.28, 0.66)
    neck = intersection(jnp.abs(c.u) - 0.62 + 0.85 * (c.v + 0.08), c.v - 0.5, -c.v)
    envelope = union(ball, neck)
    wide = jnp.sqrt(jnp.clip(0.45 - (c.v + 0.28) ** 2, 0.03, 1))
    gores = c.stripe(jnp.clip(c.u / wide, -1, 1) * 1.6, share=0.5, slope=3)
    basket = box(c.u, c.v - 0.82, 0.15, 0.12)
    ropes = intersection(jnp.abs(jnp.abs(c.u) - 0.14) - 0.018, jnp.abs(c.v - 0.6) - 0.12)
    return painting(
        c,
        gores * c.fill(envelope),
        c.fill(intersection(jnp.abs(c.v + 0.28 + 0.05 * jnp.cos(14 * c.u)) - 0.09, envelope)),
        c.fill(union(basket, ropes)),
        distance=union(envelope, basket, ropes),
        height=0.25 * jnp.clip(-envelope, 0, 0.4),
        shade=1.05 - 0.25 * c.u,
    )


def sailing_boat(c: Canvas) -> Array:
    """Paint a boat with two sails."""
    jib = intersection(0.12 - c.u, c.v - 0.35, half_plane(c.u, c.v, 0.12, -0.7, -30))
    main = intersection(c.u + 0.03, c.v - 0.42, half_plane(c.u, c.v, -0.05, -0.92, 205))
    hull = intersection(jnp.abs(c.u) - 0.85 + 0.55 * (c.v - 0.5), c.v - 0.85, 0.5 - c.v)
    mast = box(c.u - 0.02, c.v + 0.2, 0.03, 0.75)
    return painting(
        c,
        c.fill(intersection(jib, -main)),
        c.fill(hull),
        c.fill(intersection(hull, jnp.abs(c.v - 0.6) - 0.04)),
        c.fill(mast),
        distance=union(main, jib, hull, mast),
        shade=1 + 0.25 * jnp.clip(c.u, -0.6, 0.4),
    )


def rocket(c: Canvas) -> Array:
    """Paint a rocket with fins, a window and a flame."""
    a = jnp.abs(c.u)
    body = intersection(lens(c.v + 0.08, c.u, 0.9, 0.36), c.v - 0.5)
    fins = intersection(
        a - 0.62 + 0.45 * jnp.abs(c.v - 0.55),
        half_plane(a, c.v, 0.3, 0.1, -50),
        c.v - 0.72,
        0.05 - c.v,
    )
    flame = lens(c.v - 0.68, c.u, 0.32, 0.15)
    window = disc(c.u, c.v + 0.2, 0.15)
    return painting(
        c,
        c.fill(union(intersection(fins, -body), intersection(body, c.v + 0.5))),
        c.fill(intersection(flame, 0.5 - c.v)),
        c.fill(intersection(flame + 0.06, 0.5 - c.v)),
        c.fill(window),
        c.fill(window + 0.05),
        distance=union(body, fins, flame),
        shade=1.1 - 0.5 * c.u,
    )


def clock(c: Canvas) -> Array:
    """Paint a clock that shows any time."""
    rho, phi = c.field
    mark = intersection(jnp.abs(jnp.sin(fold(phi, 12))) * rho - 0.03, jnp.abs(rho - 0.69) - 0.07)

    def hand(turn: Array, length: float, width: float) -> Array:
        cos, sin = jnp.cos(2 * math.pi * turn), jnp.sin(2 * math.pi * turn)
        along, across = c.u * cos + c.v * sin, c.v * cos - c.u * sin
        return box(along - length / 2, across, length / 2, width)

    hands = union(hand(c.spare[0], 0.62, 0.04), hand(c.spare[1], 0.4, 0.06), rho - 0.08)
    return painting(
        c,
        c.fill(rho - 0.8),
        c.fill(mark),
        c.fill(hands),
        c.fill(rho - 0.04),
        distance=rho - 0.97,
        height=0.8 * jnp.clip(0.12 - jnp.abs(rho - 0.88), 0, 0.12),
    )


def letter(c: Canvas) -> Array:
    """Paint a capital letter of straight strokes."""
    bit = jnp.floor(c.spare[0] * 8)

    def on(which: str) -> Array:
        """Return 0 for letters with the stroke, a large distance otherwise: E F H L T I N Z."""
        has = jnp.zeros(())
        for place, flag in enumerate(which):
            if flag == "1":
                has = has + (bit == place)
        return 9.0 * (1 - has)

    left = box(c.u + 0.48, c.v, 0.14, 0.86) + on("11110010")
    right = box(c.u - 0.48, c.v, 0.14, 0.86) + on("00100010")
    stem = box(c.u, c.v, 0.14, 0.86) + on("00001100")
    top = box(c.u, c.v + 0.72, 0.62, 0.14) + on("11001101")
    middle = box(c.u, c.v, 0.6, 0.13) + on("11100000")
    bottom = box(c.u, c.v - 0.72, 0.62, 0.14) + on("10010101")
    down = intersection(jnp.abs(c.u - 0.6 * c.v) * 0.86 - 0.14, box(c.u, c.v, 0.62, 0.86)) + on(
        "00000010"
    )
    up = intersection(jnp.abs(c.u + 0.6 * c.v) * 0.86 - 0.14, box(c.u, c.v, 0.62, 0.86)) + on(
        "00000001"
    )
    d = union(left, right, stem, top, middle, bottom, down, up)
    return painting(c, c.fill(-d - 0.045), distance=d, height=0.8 * jnp.clip(-d, 0, 0.06))


def car(c: Canvas) -> Array:
    """Paint a small car from the side."""
    body = disc(jnp.clip(jnp.abs(c.u) - 0.8, 0, 9), jnp.clip(jnp.abs(c.v - 0.15) - 0.1, 0, 9), 0.16)
    cabin = intersection(jnp.abs(c.u + 0.05) - 0.5 - 0.5 * (c.v + 0.1), -(c.v + 0.48), c.v - 0.1)
    pane = intersection(cabin + 0.09, c.v + 0.06, 0.035 - jnp.abs(c.u + 0.05))
    tyre = disc(jnp.abs(c.u) - 0.52, c.v - 0.42, 0.23)
    lamp = ellipse(c.u + 0.9, c.v - 0.1, 0.07, 0.09)
    return painting(
        c,
        c.fill(intersection(body, jnp.abs(c.v - 0.2) - 0.035)),
        c.fill(pane),
        c.fill(tyre),
        c.fill(union(tyre + 0.11, lamp)),
        distance=union(body, cabin, tyre),
        shade=1.05 - 0.35 * jnp.clip(c.v, -0.4, 0.5),
    )


def lantern(c: Canvas) -> Array:
    """Paint a glowing round paper lantern with ribs and a tassel."""
    ball = ellipse(c.u, c.v + 0.12, 0.82, 0.62)
    caps = union(box(c.u, c.v + 0.74, 0.28, 0.08), box(c.u, c.v - 0.5, 0.28, 0.08))
    tassel = box(c.u, c.v - 0.76, 0.08, 0.2)
    wide = jnp.sqrt(jnp.clip(1 - ((c.v + 0.12) / 0.62) ** 2, 0.03, 1))
    ribs = jnp.abs(c.u / wide * 3 - jnp.round(c.u / wide * 3)) / 3 * wide
    glow = jnp.clip(1 - 2.2 * (c.u * c.u + (c.v + 0.12) ** 2), 0, 1)
    return painting(
        c,
        0.8 * glow,
        0.7 * c.fill(intersection(ribs - 0.014, ball)),
        c.fill(union(caps, tassel)),
        distance=union(ball, caps, tassel),
        shade=0.85 + 0.4 * glow,
    )
