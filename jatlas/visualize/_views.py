"""Random views of a canvas, which make an icon robust, as one resampling.

Padding, jitter, scaling and rotation one after another would blur the image four times, and the
network would see images of many sizes. Here they only move a square window, which is resampled
once, to a fixed size.
"""

import dataclasses
import functools
import math
from typing import NamedTuple, Protocol

import jax
import jax.numpy as jnp

from jatlas.types import Array, Key, checks

_MAX_DRAWS = 1000


class View(NamedTuple):
    """A window: centre (y, x) and side as fractions of the canvas, angle in radians."""

    center: Array
    side: Array
    angle: Array


class Views(Protocol):
    """A distribution of views of a canvas. A frozen dataclass, hashable."""

    @property
    def size(self) -> int:
        """Side in pixels of the network's input."""

    @property
    def fill(self) -> float:
        """Grey value outside the canvas, in [0, 1]."""

    def draw(self, canvas_size: int, *, key: Key) -> View:
        """Draw the view of one step of a canvas of `canvas_size` pixels."""

    def typical(self, canvas_size: int) -> tuple[float, float]:
        """Return the windows' mean side and their centres' standard deviation along each axis.

        Both are fractions of the canvas.
        """


@dataclasses.dataclass(frozen=True, kw_only=True)
class RandomViews:
    """Square windows of random side, angle and place.

    The defaults follow the article's notebook, whose chain of pad 2, jitter 32, scale, rotate and
    jitter 2 shows the network a random part of an 80 px canvas at 32 to 51 px (lucid,
    `activation-atlas-simple.ipynb`; 43 px on average).

    Attributes:
      size: side in pixels of the network's input, at most 4096.
      window: minimum and maximum side of the window, as fractions of the canvas.
      rotate: maximum rotation in either direction, in degrees.
      pad: how far a window may extend beyond the canvas, as a fraction of the canvas.
      concentration: a window's place is the mean of this many uniform draws, at most 1000. 1 is
        uniform; more keep windows near the middle, as the jitters of the article do, and what an
        icon shows gathers there.
      fill: grey value outside the canvas, in [0, 1].

    Example:
      >>> view = RandomViews(rotate=0).draw(80, key=jax.random.key(0))
      >>> bool(0.55 <= view.side <= 0.75), bool(view.angle == 0)
      (True, True)
    """

    size: int = 48
    window: tuple[float, float] = (0.55, 0.75)
    rotate: float = 15.0
    pad: float = 0.025
    concentration: int = 4
    fill: float = 1.0

    def __post_init__(self) -> None:
        """Check the ranges."""
        checks.field(self, "size", checks.whole, maximum=checks.MAX_SIDE, unit="pixel")
        checks.field(self, "concentration", checks.whole, maximum=_MAX_DRAWS)
        ordered = "0 < minimum <= maximum"
        checks.field(self, "window", checks.numbers, length=2, above=0, expected=ordered)
        if self.window[0] > self.window[1]:
            raise ValueError(f"window: expected {ordered}, got {self.window}")
        try:
            checks.field(self, "rotate", checks.number, minimum=0)
            checks.field(self, "pad", checks.number, minimum=0)
        except ValueError:
            got = f"{checks.shown(self.rotate)}, {checks.shown(self.pad)}"
            raise ValueError(f"rotate, pad: expected at least 0, got {got}") from None
        grey = "a grey value in [0, 1]"
        checks.field(self, "fill", checks.number, minimum=0, maximum=1, expected=grey)

    def draw(self, canvas_size: int, *, key: Key) -> View:
        """Draw the view of one step; everything is relative to the canvas."""
        del canvas_size
        for_side, for_angle, for_center = jax.random.split(key, 3)
        low, high = self.window
        side = jax.random.uniform(for_side, (), jnp.float32, minval=low, maxval=high)
        # The sum of two uniform draws: small angles are likelier, as in the article's lists.
        turns = jax.random.uniform(for_angle, (2,), jnp.float32, minval=-0.5, maxval=0.5)
        angle = self.rotate * turns.sum()
        room = jnp.maximum(1 + 2 * self.pad - side, 0)
        shape = (self.concentration, 2)
        places = jax.random.uniform(for_center, shape, jnp.float32, minval=-0.5, maxval=0.5)
        return View(0.5 + room * places.mean(0), side, jnp.deg2rad(angle))

    def typical(self, canvas_size: int) -> tuple[float, float]:
        """Return the mean side and the centres' standard deviation, as fractions of the canvas."""
        del canvas_size
        side = sum(self.window) / 2
        # The standard deviation of a uniform draw is its range / sqrt(12).
        return side, max(1 + 2 * self.pad - side, 0) / math.sqrt(12 * self.concentration)


def whole_view() -> View:
    """Return the view of the whole canvas, upright."""
    return View(jnp.full((2,), 0.5), jnp.asarray(1.0), jnp.asarray(0.0))


def fixed_views(views: Views, *, canvas_size: int) -> View:
    """Return the five views in which icons are evaluated.

    One is at the centre, the others a standard deviation away from it along each axis, towards
    the corners. All are upright and have the mean side.

    Args:
      views: the distribution of views in which the icons were optimized.
      canvas_size: side of an icon in pixels.

    Returns:
      View of five: center (5, 2), side (5,), angle (5,).

    Raises:
      ValueError: for a canvas without pixels, or of which the views show nothing.
    """
    canvas_size = checks.whole("canvas_size", canvas_size, unit="pixel")
    side, spread = views.typical(canvas_size)
    places = jnp.array([(0, 0), (-1, -1), (-1, 1), (1, -1), (1, 1)], jnp.float32)
    return View(0.5 + spread * places, jnp.full((5,), side), jnp.zeros(5))


def resample(image: Array, view: View, *, size: int, fill: float) -> Array:
    """Sample a window of a canvas bilinearly.

    Args:
      image: (h, w, channels) canvas.
      view: the window.
      size: side in pixels of the result.
      fill: value outside the canvas.

    Returns:
      (size, size, channels).

    Raises:
      ValueError: for a size below 1, or a fill that is no number.

    Example:
      >>> image = jnp.arange(16.0).reshape(4, 4, 1)
      >>> resample(image, whole_view(), size=2, fill=0.0)[..., 0]  # means of 2 x 2
      Array([[ 2.5,  4.5],
             [10.5, 12.5]], dtype=float32)
    """
    size = checks.whole("size", size, unit="pixel")
    if not checks.is_traced(fill):
        fill = checks.number("fill", fill)
    height, width, _ = image.shape
    y, x = _sample_points(view, size=size, height=height, width=width)
    # A TPU is slow at gathering pixels, and fast at matrix products even if mostly of zeros.
    return jax.lax.platform_dependent(
        image,
        y,
        x,
        tpu=functools.partial(_resample_by_product, fill=fill),
        default=functools.partial(_resample_by_gather, fill=fill),
    )


def _resample_by_gather(image: Array, y: Array, x: Array, *, fill: float) -> Array:
    """Interpolate between the four pixels around each point."""
    height, width, channels = image.shape
    # Far outside it is as one pixel outside.
    y, x = jnp.clip(y, -1, height), jnp.clip(x, -1, width)
    # XLA may compute them twice, for pixels and for weights, and round differently. At a whole
    # number, where points of an upright view lie, weights would then be those of other pixels.
    error = 2.0 ** (math.ceil(math.log2(max(height, width))) - 23)
    (rows, down), (columns, right) = (
        _neighbors(_at_whole(at, error), side) for at, side in ((y, height), (x, width))
    )
    corners = (rows[:, None] * width + columns[None]).reshape(4, *y.shape)
    weights = (down[:, None] * right[None]).reshape(4, *y.shape)
    sampled = _weighted(image.reshape(-1, channels), corners, weights)
    return sampled + fill * (1 - weights.sum(0))[..., None]


def _neighbors(at: Array, count: int) -> tuple[Array, Array]:
    """Return the two pixels (2, h, w) around each place, and their weights: 0 outside."""
    first = jnp.clip(jnp.floor(at), -1, count - 1)
    share = at - first
    lower = first.astype(jnp.int32)
    pixels = jnp.stack([lower, lower + 1])
    weights = jnp.where((pixels >= 0) & (pixels < count), jnp.stack([1 - share, share]), 0)
    return jnp.clip(pixels, 0, count - 1), weights


@jax.custom_jvp
def _weighted(pixels: Array, corners: Array, weights: Array) -> Array:
    """Add up the weighted pixels (p, channels) at corners (4, h, w): (h, w, channels)."""
    parts = (
        weight[..., None] * pixels[at.ravel()].reshape(*at.shape, -1)
        for at, weight in zip(corners, weights, strict=True)
    )
    return functools.reduce(jnp.add, parts)


# On a CPU, one gather for each corner is fast and its transpose is not; with one gather for all
# corners it is the other way round. So the derivative has the slow form, whose transpose, which
# reverse mode runs, is fast: 4 ms instead of 14 for 32 icons.
@_weighted.defjvp
def _weighted_jvp(
    primals: tuple[Array, Array, Array], tangents: tuple[Array, Array, Array]
) -> tuple[Array, Array]:
    pixels, corners, weights = primals
    of_pixels, _, of_weights = tangents
    gathered = of_pixels[corners.ravel()].reshape(*corners.shape, -1)
    moved = (weights[..., None] * gathered).sum(0)
    return _weighted(*primals), moved + _weighted(pixels, corners, of_weights)


@functools.partial(jax.custom_jvp, nondiff_argnums=(1,))
def _at_whole(x: Array, error: float) -> Array:
    """Move what is at a whole number, but for a rounding error, to that number."""
    whole = jnp.round(x)
    return jnp.where(jnp.abs(x - whole) < error, whole, x)


@_at_whole.defjvp
def _at_whole_jvp(
    error: float, primals: tuple[Array], tangents: tuple[Array]
) -> tuple[Array, Array]:
    return _at_whole(*primals, error), tangents[0]  # a view has a derivative


def _resample_by_product(image: Array, y: Array, x: Array, *, fill: float) -> Array:
    """Multiply with the weight of every pixel for every point, the same for all icons."""
    height, width, _ = image.shape

    def share(at: Array, count: int) -> Array:
        pixels = jnp.arange(count, dtype=jnp.float32)
        return jnp.maximum(1 - jnp.abs(at.ravel()[:, None] - pixels[None, :]), 0)

    rows, columns = share(y, height), share(x, width)
    weights = (rows[:, :, None] * columns[:, None, :]).reshape(len(rows), -1)
    # Three passes of bfloat16 on a TPU: enough for 8-bit pixels and their weights.
    sampled = jnp.matmul(
        weights, (image - fill).reshape(height * width, -1), precision=jax.lax.Precision.HIGH
    )
    return sampled.reshape(*y.shape, -1) + fill


def _sample_points(view: View, *, size: int, height: int, width: int) -> tuple[Array, Array]:
    # Pixel centres of the result, from -0.5 to 0.5 across the window.
    steps = (jnp.arange(size, dtype=jnp.float32) + 0.5) / size - 0.5
    cos, sin = jnp.cos(view.angle), jnp.sin(view.angle)
    across, along = steps[None, :], steps[:, None]
    y = view.center[0] + view.side * (cos * along - sin * across)
    x = view.center[1] + view.side * (sin * along + cos * across)
    return y * height - 0.5, x * width - 0.5
