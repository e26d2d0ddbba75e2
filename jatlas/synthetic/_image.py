"""What all classes share: the set-up of an image before it is painted, and its lighting after."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jatlas.synthetic import _palettes as palettes
from jatlas.synthetic._canvas import LAYERS, SPARE, Canvas, lattice_count, smooth_noise
from jatlas.types import Array, HostArray, Key

_TABLE = palettes.table()
_DRAWN = 32  # uniform numbers per image, apart from those of the noise and the spare ones
_HUE_SPREAD = 0.045  # turns, to either side
_SLOPE = 0.85  # strength of the light on a relief
_HALO = 0.05  # width of the dark halo around an object, as a share of the side


class Factors(NamedTuple):
    """The factors of variation of an image: floats, the same fields for every class.

    Attributes:
      orientation: rotation of the class in radians, clockwise as seen. Stripes are perpendicular
        to this direction; objects are upright at 0. Round shapes are rotated too, though it does
        not show.
      scale: length of one unit of the class as a share of the image's side: the period of a
        texture, the radius of an object; in a scene about the whole image.
      y: vertical position of the class' origin, downwards, as a share of the side: the centre of
        an object or of a spiral, the horizon of a scene, the start of a period of a texture.
      x: its horizontal position, from the left.
      hue: of the main ink of the image's palette, in turns: 0 is red, 1/3 green.
      light: direction of the light in radians, clockwise from rightwards. It affects the gradient
        of brightness, and the relief of classes that have one.
    """

    orientation: Array
    scale: Array
    y: Array
    x: Array
    hue: Array
    light: Array


class Ranges(NamedTuple):
    """Ranges of the factors of a class; arrays, so that many classes share a program.

    Attributes:
      palettes: (3,) int rows of the table of palettes, one of which is chosen at random.
      inks: (1 + LAYERS,) int: ink of the ground and of each layer.
      tilt: maximum orientation to either side, in radians.
      scale: (2,) minimum and maximum scale.
      shift: (2,) maximum distance of the position from the centre, vertical and horizontal.
    """

    palettes: Array | HostArray
    inks: Array | HostArray
    tilt: Array | HostArray
    scale: Array | HostArray
    shift: Array | HostArray


class Finish(NamedTuple):
    """What turns painted planes into an image.

    Attributes:
      colors: (1 + LAYERS, 3) RGB of the ground and of each layer.
      ground: (2, 3) colours behind an object.
      light: direction of the light, in radians.
      blots: (size, size) smooth noise that mixes the colours behind an object.
      grain: (size, size) fine noise on the whole image.
      drawn: (_DRAWN,) uniform in [0, 1).
    """

    colors: Array
    ground: Array
    light: Array
    blots: Array
    grain: Array
    drawn: Array


def set_up(ranges: Ranges, *, key: Key, size: int) -> tuple[Canvas, Factors, Finish]:
    """Draw the factors of one image and set up its canvas."""
    count = _DRAWN + SPARE + lattice_count()
    values = jax.random.uniform(key, (count,), jnp.float32)
    r, spare, knots = values[:_DRAWN], values[_DRAWN : _DRAWN + SPARE], values[_DRAWN + SPARE :]
    orientation = jnp.asarray(ranges.tilt) * (2 * r[0] - 1)
    scale = ranges.scale[0] * (ranges.scale[1] / ranges.scale[0]) ** r[1]
    y, x = 0.5 + ranges.shift[0] * (2 * r[2] - 1), 0.5 + ranges.shift[1] * (2 * r[3] - 1)
    light = 2 * math.pi * r[4]
    inks = _inks(ranges.palettes[(3 * r[5]).astype(jnp.int32)], r)
    places = (jnp.arange(size) + 0.5) / size
    across, down = places[None, :] - x, places[:, None] - y
    cos, sin = jnp.cos(orientation), jnp.sin(orientation)
    low, mid, high = smooth_noise(knots, size)
    # Noise unlike that of the class: the same, transposed. Transposing the planes is slower.
    far, near, grain = smooth_noise(knots, size, turned=True)
    canvas = Canvas(
        u=(cos * across + sin * down) / scale,
        v=(cos * down - sin * across) / scale,
        pixel=1 / (size * scale),
        low=low,
        mid=mid,
        high=high,
        spare=spare,
        seed=(r[6] * 2**24).astype(jnp.int32).astype(jnp.uint32),
    )
    colors = inks[ranges.inks]
    factors = Factors(orientation, scale, y, x, hue(inks[0]), light)
    blots = 0.5 * far + 0.25 * near
    return canvas, factors, Finish(colors, _ground(colors[0], r), light, blots, grain, r)


def _inks(palette: Array, r: Array) -> Array:
    """Return the six inks of a palette with jittered hue, saturation and lightness."""
    inks = jnp.asarray(_TABLE)[palette]
    # Changing the hue is a rotation about the grey axis.
    angle = 2 * math.pi * _HUE_SPREAD * (2 * r[7] - 1)
    cos, sin = jnp.cos(angle), jnp.sin(angle) / math.sqrt(3)
    shift = cos * inks + sin * (jnp.roll(inks, 1, -1) - jnp.roll(inks, -1, -1))
    grey = inks.mean(-1, keepdims=True)
    turned = shift + (1 - cos) * grey
    strong = grey + (turned - grey) * (0.9 + 0.3 * r[8])
    return jnp.clip(strong + 0.05 * (2 * r[9] - 1), 0, 1)


def _ground(main: Array, r: Array) -> Array:
    """Return two background colours (2, 3) of any palette, in contrast to the main ink."""
    inks = jnp.asarray(_TABLE)[(24 * r[10]).astype(jnp.int32)]
    pair = jnp.where(r[11] < 0.5, inks[:2], inks[1:6:3])
    luma = jnp.array([0.3, 0.6, 0.1])
    bright = main @ luma > 0.52
    return jnp.where(bright, pair * 0.58, pair * 0.65 + 0.34)


def hue(color: Array) -> Array:
    """Return the hue of an RGB colour (3,), in turns in [0, 1).

    Example:
      >>> round(float(hue(jnp.array([0.0, 1.0, 0.0]))), 3)
      0.333
    """
    red, green, blue = color
    angle = jnp.arctan2(math.sqrt(3) * (green - blue), 2 * red - green - blue)
    return (angle / (2 * math.pi)) % 1.0


def develop(planes: Array, finish: Finish) -> Array:
    """Render painted planes into pixels.

    Args:
      planes: (3 + LAYERS, size, size), as stacked by `painting`.
      finish: colours, light and noise of the image.

    Returns:
      (size, size, 3) RGB in [0, 1].
    """
    size = planes.shape[-1]
    r = finish.drawn
    places = (jnp.arange(size) + 0.5) / size * 2 - 1
    toward = jnp.cos(finish.light) * places[None, :] + jnp.sin(finish.light) * places[:, None]
    distance, shade = planes[0], planes[2] * _relief(planes[1], finish.light)
    cover = jnp.clip(0.5 - distance, 0, 1)
    halo = 1 - 0.45 * jnp.exp(-jnp.maximum(distance, 0) / (_HALO * size))
    behind = _behind(finish.blots, places, r)
    bright = 1 - (0.1 + 0.12 * r[14]) * toward
    grain = (0.006 + 0.012 * r[15]) * finish.grain
    contrast, lift = 0.92 + 0.2 * r[16], 0.06 * (2 * r[17] - 1)
    channels = []
    for channel in range(3):
        color = finish.colors[0, channel]
        for layer in range(LAYERS):
            color = color + planes[3 + layer] * (finish.colors[layer + 1, channel] - color)
        ground = finish.ground[:, channel]
        back = (ground[0] + behind * (ground[1] - ground[0])) * halo
        mixed = (back + cover * (color * shade - back)) * bright
        channels.append(jnp.clip((mixed - 0.5) * contrast + 0.5 + lift + grain, 0, 1))
    return jnp.stack(channels, -1)


def _relief(height: Array, light: Array) -> Array:
    """Return the brightness that light from one side gives a relief (size, size) in pixels."""
    framed = jnp.pad(height, 1, mode="edge")
    across = (framed[1:-1, 2:] - framed[1:-1, :-2]) / 2
    down = (framed[2:, 1:-1] - framed[:-2, 1:-1]) / 2
    return 1 + jnp.clip(_SLOPE * (jnp.cos(light) * across + jnp.sin(light) * down), -0.45, 0.5)


def _behind(blots: Array, places: Array, r: Array) -> Array:
    """Return the mixture of the background colours: blots, a gradient or faint stripes."""
    angle = 2 * math.pi * r[18]
    along = jnp.cos(angle) * places[None, :] + jnp.sin(angle) * places[:, None]
    stripes = jnp.clip(4 * _sine((6 + 14 * r[19]) * along), -1, 1)
    mixed = 0.5 + 0.35 * along * r[20] + 0.5 * blots * r[21] + 0.3 * stripes * (r[22] < 0.35)
    return jnp.clip(mixed, 0, 1)


def _sine(x: Array) -> Array:
    """Return the sine of a few turns to 1e-6; XLA's own is not vectorized on a CPU."""
    half_turns = jnp.round(x * (1 / math.pi))
    y = x - half_turns * math.pi
    z = y * y
    wave = y * (1 + z * (-1 / 6 + z * (1 / 120 + z * (-1 / 5040 + z / 362880))))
    odd = half_turns - 2 * jnp.floor(half_turns / 2)
    return wave * (1 - 2 * odd)
