"""The random views of a canvas that make an icon robust, composed into one resampling.

Padding, jitter, scaling and rotation one after the other would blur the image four times and
give it four sizes. Here they only move a square window, which is sampled once at a fixed size.
"""

import dataclasses
import functools
import math
from typing import NamedTuple, Protocol

import jax
import jax.numpy as jnp

from jatlas.types import Array, Key


class View(NamedTuple):
    """One window: centre (y, x) and side as shares of the canvas, angle in radians."""

    center: Array
    side: Array
    angle: Array


class Views(Protocol):
    """How the network's view of the canvas varies. A frozen dataclass, hashable."""

    @property
    def size(self) -> int:
        """Side in pixels of what the network sees."""

    @property
    def fill(self) -> float:
        """Grey value outside the canvas, in [0, 1]."""

    def draw(self, canvas_size: int, *, key: Key) -> View:
        """Draw the window of one step on a canvas of `canvas_size` pixels."""

    def typical(self, canvas_size: int) -> tuple[float, float]:
        """Return a window's mean side and its centre's standard deviation along each axis.

        Both are shares of the canvas.
        """


@dataclasses.dataclass(frozen=True, kw_only=True)
class RandomViews:
    """How the network's view of the canvas varies from step to step.

    The defaults follow the article's notebook, whose chain of pad 2, jitter 32, scale, rotate and
    jitter 2 shows the network a random part of an 80 px canvas at 32 to 51 px (lucid,
    `activation-atlas-simple.ipynb`; 43 px on average).

    Attributes:
      size: side in pixels of what the network sees.
      window: smallest and largest side of the window, as a share of the canvas' side.
      rotate: largest rotation to either side, in degrees.
      pad: how far beyond the canvas a window may reach, as a share of the canvas' side.
      draws: how many even draws a window's place is the mean of. With 1 all places are alike;
        several keep it near the middle, as the jitters of the article do, and what is shown
        gathers there.
      fill: grey value outside the canvas, in [0, 1].
    """

    size: int = 48
    window: tuple[float, float] = (0.55, 0.75)
    rotate: float = 15.0
    pad: float = 0.025
    draws: int = 4
    fill: float = 1.0

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.size < 1:
            raise ValueError(f"size: expected at least 1 pixel, got {self.size}")
        if self.draws < 1:
            raise ValueError(f"draws: expected at least 1, got {self.draws}")
        low, high = self.window
        if not 0 < low <= high < math.inf:
            raise ValueError(f"window: expected 0 < smallest <= largest, got {self.window}")
        if not (0 <= self.rotate < math.inf and 0 <= self.pad < math.inf):
            raise ValueError(f"rotate, pad: expected at least 0, got {self.rotate}, {self.pad}")
        if not 0 <= self.fill <= 1:
            raise ValueError(f"fill: expected a grey value in [0, 1], got {self.fill}")

    def draw(self, canvas_size: int, *, key: Key) -> View:
        """Draw the window of one step; all is relative to the canvas."""
        del canvas_size
        return draw_view(self, key=key)

    def typical(self, canvas_size: int) -> tuple[float, float]:
        """Return the mean side and the centres' standard deviation, as shares of the canvas."""
        del canvas_size
        side = sum(self.window) / 2
        # Of an even draw it is the range over the root of 12, of a mean of n less by their root.
        return side, max(1 + 2 * self.pad - side, 0) / math.sqrt(12 * self.draws)


def draw_view(config: RandomViews, *, key: Key) -> View:
    """Draw the window of one step."""
    for_side, for_angle, for_center = jax.random.split(key, 3)
    side = jax.random.uniform(for_side, minval=config.window[0], maxval=config.window[1])
    # The sum of two uniform draws: like the article's lists, small angles are likelier.
    angle = config.rotate * jax.random.uniform(for_angle, (2,), minval=-0.5, maxval=0.5).sum()
    room = jnp.maximum(1 + 2 * config.pad - side, 0)
    places = jax.random.uniform(for_center, (config.draws, 2), minval=-0.5, maxval=0.5)
    center = 0.5 + room * places.mean(0)
    return View(center, side, jnp.deg2rad(angle))


def whole_view() -> View:
    """Return the view that shows the whole canvas, upright."""
    return View(jnp.full((2,), 0.5), jnp.asarray(1.0), jnp.asarray(0.0))


def fixed_views(views: Views, *, canvas_size: int) -> View:
    """Return five views to judge icons by: the centre, and as far from it as most are.

    The others lie to its four corners, a standard deviation away along each axis. They are
    upright and have the mean side.

    Args:
      views: what varied while the icons were optimized.
      canvas_size: side of an icon in pixels.

    Returns:
      View of five: center (5, 2), side (5,), angle (5,).
    """
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
    """
    height, width, _ = image.shape
    y, x = _sample_points(view, size=size, height=height, width=width)
    # A TPU is slow at picking pixels, and fast at products that are mostly zeros.
    return jax.lax.platform_dependent(
        image,
        y,
        x,
        tpu=functools.partial(_multiply, fill=fill),
        default=functools.partial(_pick, fill=fill),
    )


def _pick(image: Array, y: Array, x: Array, *, fill: float) -> Array:
    """Sample by reading the four pixels around each point."""
    height, width, channels = image.shape
    # A frame of one pixel of `fill`: whatever lies outside is clipped onto it.
    framed = jnp.pad(image, ((1, 1), (1, 1), (0, 0)), constant_values=fill)
    y, x = jnp.clip(y + 1, 0, height + 1), jnp.clip(x + 1, 0, width + 1)
    top = jnp.clip(jnp.floor(y), 0, height).astype(jnp.int32)
    left = jnp.clip(jnp.floor(x), 0, width).astype(jnp.int32)
    down, right = (y - top)[..., None], (x - left)[..., None]
    pixels = framed.reshape(-1, channels)
    corner = top * (width + 2) + left

    def at(offset: int) -> Array:
        return pixels[corner + offset]

    upper = (1 - right) * at(0) + right * at(1)
    lower = (1 - right) * at(width + 2) + right * at(width + 3)
    return (1 - down) * upper + down * lower


def _multiply(image: Array, y: Array, x: Array, *, fill: float) -> Array:
    """Sample by products with the weights of all rows and columns, the same for every icon."""
    height, width, _ = image.shape
    rows = jnp.maximum(1 - jnp.abs(y.ravel()[:, None] - jnp.arange(height)), 0)
    columns = jnp.maximum(1 - jnp.abs(x.ravel()[:, None] - jnp.arange(width)), 0)
    weights = (rows[:, :, None] * columns[:, None, :]).reshape(len(rows), -1)
    # Three passes of bfloat16: weights and pixels need no more than eight bits, and a few.
    seen = jnp.matmul(
        weights, (image - fill).reshape(height * width, -1), precision=jax.lax.Precision.HIGH
    )
    return seen.reshape(*y.shape, -1) + fill


def _sample_points(view: View, *, size: int, height: int, width: int) -> tuple[Array, Array]:
    # Pixel centres of the result, from -0.5 to 0.5 across the window.
    steps = (jnp.arange(size) + 0.5) / size - 0.5
    cos, sin = jnp.cos(view.angle), jnp.sin(view.angle)
    across, along = steps[None, :], steps[:, None]
    y = view.center[0] + view.side * (cos * along - sin * across)
    x = view.center[1] + view.side * (sin * along + cos * across)
    return y * height - 0.5, x * width - 0.5
