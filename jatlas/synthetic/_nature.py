"""Classes that show one animal, plant or natural object. One unit of u and v is its radius."""

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
    segment,
    union,
)
from jatlas.types import Array


def eye(c: Canvas) -> Array:
    """Paint an eye that looks to one side or the other."""
    opening = lens(c.u, c.v, 0.95, 0.52)
    u, v = c.u - 0.5 * (c.spare[0] - 0.5), c.v - 0.15 * (c.spare[1] - 0.5)
    iris = disc(u, v, 0.42)
    glint = disc(u + 0.12, v + 0.14, 0.09)
    lid = union(-opening - 0.045, jnp.abs(lens(c.u, c.v + 0.22, 0.98, 0.52)) - 0.03)
    return painting(
        c,
        c.fill(iris),
        c.fill(jnp.abs(iris + 0.01) - 0.03) * 0.8,
        c.fill(disc(u, v, 0.2)),
        c.fill(glint),
        c.fill(lid),
        distance=opening - 0.1,
        shade=1 + 0.35 * jnp.clip(iris + 0.25, -0.2, 0) + 0.12 * c.v,
    )


def face(c: Canvas) -> Array:
    """Paint a smiling face with hair and red cheeks."""
    head = ellipse(c.u, c.v, 0.78, 0.92)
    a = jnp.abs(c.u)
    hair = intersection(head - 0.03, c.v + 0.38 + 0.35 * (c.spare[0] - 0.4) * c.u - 0.15 * a)
    eyes = ellipse(a - 0.3, c.v + 0.08, 0.09, 0.13)
    mouth = intersection(jnp.abs(disc(c.u, c.v - 0.12, 0.42)) - 0.055, 0.28 - c.v)
    return painting(
        c,
        0.8 * c.fill(disc(a - 0.48, c.v - 0.22, 0.15)),
        c.fill(hair),
        c.fill(union(eyes, mouth)),
        c.fill(disc(a - 0.28, c.v + 0.12, 0.035)),
        distance=head - 0.04,
        height=dome(head),
    )


def cat(c: Canvas) -> Array:
    """Paint the head of a cat: pointed ears, slit eyes, whiskers."""
    a = jnp.abs(c.u)
    head = ellipse(a, c.v - 0.12, 0.82, 0.7)
    ear = intersection(
        half_plane(a, c.v, 0.8, -0.4, -12), half_plane(a, c.v, 0.2, -0.45, 214), c.v - 0.2
    )
    eyes = lens(a - 0.34, c.v - 0.0, 0.2, 0.15)
    pupil = ellipse(a - 0.34, c.v, 0.045, 0.13)
    nose = intersection(c.v - 0.38, half_plane(a, c.v, 0.1, 0.27, 40))
    whisker = union(
        segment(a, c.v, (0.3, 0.38), (0.95, 0.28)), segment(a, c.v, (0.3, 0.44), (0.95, 0.5))
    )
    marks = intersection(jnp.abs(a - 0.14 * jnp.round(a / 0.14)) - 0.035, c.v + 0.22, a - 0.22)
    return painting(
        c,
        c.fill(intersection(ear + 0.12, c.v + 0.35)),
        c.fill(eyes),
        c.fill(union(pupil, jnp.maximum(nose, 0.24 - c.v), marks)),
        c.fill(union(whisker - 0.013, disc(a - 0.13, c.v - 0.46, 0.12))),
        distance=union(head, ear),
        height=dome(head),
    )


def fish(c: Canvas) -> Array:
    """Paint a fish from the side, with bands."""
    u, v = c.u + 0.12, c.v
    body = lens(u, v, 0.8, 0.47)
    tail = intersection(
        half_plane(u, jnp.abs(v), 0.62, 0.0, 130), u - 0.98 + 0.12 * jnp.cos(8 * v), 0.5 - u
    )
    fin = intersection(lens(u - 0.1, v + 0.3, 0.45, 0.36), v + 0.2)
    side = lens(u + 0.05, v - 0.12, 0.2, 0.1)
    bands = c.stripe(u * 2.4 + 0.2 * v, share=0.35, slope=2.4) * (u > -0.38)
    eye = disc(u + 0.5, v + 0.08, 0.1)
    return painting(
        c,
        c.fill(-body),
        bands * c.fill(body),
        c.fill(side),
        c.fill(eye),
        c.fill(eye + 0.055),
        distance=union(body, tail, fin),
        height=dome(body),
    )


def butterfly(c: Canvas) -> Array:
    """Paint a butterfly with spread wings."""
    a = jnp.abs(c.u)
    upper = ellipse(
        0.8 * (a - 0.5) - 0.6 * (c.v + 0.32), 0.6 * (a - 0.5) + 0.8 * (c.v + 0.32), 0.52, 0.34
    )
    lower = disc(a - 0.4, c.v - 0.4, 0.36)
    wings = union(upper, lower)
    body = ellipse(a, c.v, 0.075, 0.52)
    feeler = segment(a, c.v, (0.02, -0.45), (0.22, -0.85)) - 0.025
    spots = union(disc(a - 0.62, c.v + 0.45, 0.14), disc(a - 0.42, c.v - 0.42, 0.13))
    return painting(
        c,
        c.fill(wings + 0.09),
        c.fill(spots),
        c.fill(spots + 0.06),
        c.fill(union(body, feeler)),
        distance=union(wings, body, feeler),
        shade=1.05 - 0.2 * jnp.abs(a - 0.4),
    )


def beetle(c: Canvas) -> Array:
    """Paint a spotted beetle from above."""
    a = jnp.abs(c.u)
    shell = ellipse(c.u, c.v - 0.1, 0.66, 0.75)
    head = ellipse(c.u, c.v + 0.62, 0.38, 0.27)
    leg = a - 0.55 - 0.2 * c.v
    legs = intersection(
        jnp.abs(c.v + 0.3 * leg - 0.5 * jnp.round(c.v / 0.5)) - 0.045, a - 0.95, jnp.abs(c.v) - 0.65
    )
    spots = union(
        disc(a - 0.3, c.v + 0.18, 0.13), disc(a - 0.36, c.v - 0.25, 0.14), disc(a, c.v + 0.4, 0.1)
    )
    return painting(
        c,
        c.fill(shell),
        c.fill(union(intersection(spots, shell), intersection(a - 0.025, shell))),
        c.fill(ellipse(a - 0.2, c.v + 0.68, 0.08, 0.07)),
        c.fill(ellipse(c.u + 0.28, c.v + 0.3, 0.09, 0.16)) * 0.7,
        distance=union(shell, head, legs),
        height=dome(union(shell, head), depth=0.4),
    )


def daisy(c: Canvas) -> Array:
    """Paint a flower with a few broad petals around a disc."""
    rho, phi = c.field
    count = 5 + jnp.floor(5 * c.spare[0])
    sector = fold(phi, count)
    u, v = rho * jnp.cos(sector), rho * jnp.sin(sector)
    petal = disc((u - 0.58) / 0.42, v * count / 2.1, 1.0) * 0.3
    middle = disc(c.u, c.v, 0.27)
    return painting(
        c,
        jnp.clip(1.1 - 1.5 * rho, 0, 1),
        c.fill(jnp.abs(v) - 0.012) * (u < 0.75) * 0.5,
        c.fill(middle),
        c.fill(middle + 0.05) * jnp.clip(0.3 + 0.6 * c.high, 0, 1),
        distance=union(petal, middle),
        height=dome(union(petal, middle), depth=0.2),
    )


def sunflower(c: Canvas) -> Array:
    """Paint a flower with many pointed petals around a broad dark disc of seeds."""
    rho, phi = c.field
    one, two = fold(phi, 15), fold(phi + math.pi / 15, 15)
    front = jnp.abs(one) * rho - 0.5 * (0.98 - rho) * jnp.clip(rho, 0, 0.75)
    back = jnp.abs(two) * rho - 0.45 * (1.0 - rho) * jnp.clip(rho, 0, 0.75)
    middle = rho - 0.5
    seeds = jnp.sin(13 * phi + 26 * rho) * jnp.sin(13 * phi - 26 * rho)
    return painting(
        c,
        c.fill(-front) * 0.9,
        c.fill(middle),
        c.fill(rho - 0.47) * jnp.clip(seeds * 2, 0, 1) * 0.8,
        c.fill(rho - 0.16),
        distance=union(front, back, middle),
        shade=0.9 + 0.2 * rho + 0.08 * (front < 0),
    )


def citrus(c: Canvas) -> Array:
    """Paint a slice of citrus fruit."""
    rho, phi = c.field
    count = 8 + jnp.floor(3 * c.spare[0])
    sector = jnp.abs(fold(phi, count))
    wedge = intersection(rho - 0.78, 0.035 + 0.05 - (math.pi / count - sector) * rho, 0.1 - rho)
    return painting(
        c,
        c.fill(rho - 0.87),
        c.fill(wedge),
        c.fill(wedge) * jnp.clip(0.4 + 0.5 * jnp.sin(sector * 50) * c.high, 0, 0.6),
        distance=rho - 0.97,
        shade=1 + 0.06 * c.high - 0.1 * rho,
    )


def mushroom(c: Canvas) -> Array:
    """Paint a toadstool with pale spots."""
    cap = intersection(disc(c.u, (c.v - 0.1) * 0.92, 0.92), c.v - 0.08 - 0.1 * c.u * c.u)
    stem = intersection(jnp.abs(c.u) - 0.2 - 0.1 * (c.v - 0.2) ** 2, c.v - 0.92, -c.v)
    spots = union(
        disc(c.u + 0.42, c.v + 0.25, 0.15),
        disc(c.u - 0.12, c.v + 0.52, 0.17),
        disc(c.u - 0.55, c.v + 0.15, 0.13),
        disc(c.u - 0.05, c.v + 0.1, 0.1),
    )
    return painting(
        c,
        c.fill(cap),
        c.fill(intersection(-cap, box(c.u, c.v - 0.16, 0.3, 0.06))) * 0.5,
        c.fill(intersection(spots, cap)),
        distance=union(cap, stem),
        height=dome(union(cap, stem)),
    )


def tree(c: Canvas) -> Array:
    """Paint a broad tree: a crown of leaves on a trunk."""
    crown = union(disc(c.u, c.v + 0.42, 0.5), disc(jnp.abs(c.u) - 0.4, c.v + 0.12, 0.42))
    crown = crown + 0.06 * c.high
    fruit = union(
        disc(c.u + 0.35, c.v + 0.2, 0.09),
        disc(jnp.abs(c.u - 0.2) - 0.28, c.v, 0.09),
        disc(c.u - 0.2, c.v + 0.5, 0.09),
    )
    trunk = intersection(
        jnp.abs(c.u) - 0.12 - 0.25 * jnp.clip(c.v - 0.65, 0, 1), c.v - 0.95, 0.1 - c.v
    )
    return painting(
        c,
        c.fill(crown),
        jnp.clip(0.7 * c.high + 0.2 - 0.8 * c.v, 0, 1) * c.fill(crown) * 0.8,
        c.fill(fruit) * (c.spare[0] > 0.5),
        distance=union(crown, trunk),
        height=dome(crown, depth=0.3) + 0.04 * c.high,
    )


def cactus(c: Canvas) -> Array:
    """Paint a cactus with two arms and a flower."""
    body = segment(c.u, c.v, (0.0, -0.6), (0.0, 0.9)) - 0.26
    left = (
        union(
            segment(c.u, c.v, (0.0, 0.3), (-0.6, 0.3)),
            segment(c.u, c.v, (-0.6, 0.3), (-0.6, -0.15)),
        )
        - 0.15
    )
    right = (
        union(
            segment(c.u, c.v, (0.0, 0.05), (0.6, 0.05)),
            segment(c.u, c.v, (0.6, 0.05), (0.6, -0.45)),
        )
        - 0.15
    )
    d = intersection(union(body, left, right), c.v - 0.93)
    ribs = jnp.abs(c.u * 7 - jnp.round(c.u * 7))
    return painting(
        c,
        jnp.clip(1.4 - 5 * ribs, 0, 1) * 0.7,
        c.fill(disc(c.u, c.v + 0.87, 0.12)),
        c.fill(disc(c.u, c.v + 0.87, 0.05)),
        distance=union(d, disc(c.u, c.v + 0.87, 0.12)),
        height=dome(d, depth=0.22),
    )


def snowflake(c: Canvas) -> Array:
    """Paint six branched arms of ice."""
    rho, phi = c.field
    sector = fold(phi, 6)
    u, v = rho * jnp.cos(sector), rho * jnp.abs(jnp.sin(sector))
    width = 0.05
    long = 0.2 + 0.2 * c.spare[0]
    first = jnp.abs((u - 0.4) * 0.87 - v * 0.5)
    second = jnp.abs((u - 0.66) * 0.87 - v * 0.5)
    arms = union(
        intersection(v - width, u - 0.97),
        intersection(first - width, v - long),
        intersection(second - width, v - 0.22),
        jnp.abs(u - 0.22) - width,
    )
    return painting(c, c.fill(rho - 0.1), distance=arms, height=0.9 * jnp.clip(-arms, 0, 0.05))
