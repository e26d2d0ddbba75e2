"""lucid's transforms (pad, jitter, scale, rotate, jitter) as one view of the canvas."""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np

from jatlas.types import Array, HostArray, Key, checks
from jatlas.visualize._views import View


@dataclasses.dataclass(frozen=True, kw_only=True)
class Chain:
    """The views that a chain of lucid's transforms gives.

    In lucid, padding and random crops cut an m x m part out of the canvas, which is scaled to
    int(scale * m) pixels, rotated, and cropped once more; the network sees images of many sizes.
    Here it always sees `size` pixels, which needs one program instead of dozens. Scale, place and
    angle have the same distribution as in lucid; what differs is the extent of a view: size / scale
    pixels of the canvas, a little more or less than in lucid. `fitted` chooses lucid's mean size.

    Two more differences: everything outside the canvas is `fill`, also in the corners that a
    rotation exposes, where lucid has black; and a degree is pi / 180, where lucid has 3.14 / 180.

    No number of pixels may be above 4096.

    Attributes:
      pad: pixels added on each side.
      jitter: pixels by which each of the random crops before scaling reduces the side.
      scales: the scales, each equally likely.
      angles: counterclockwise rotations of the image in degrees, each equally likely.
      jitter_after: pixels by which the random crop after the rotation reduces the side.
      fill: grey value outside the canvas, in [0, 1].
      size: side in pixels of the network's input.

    Example:
      >>> ATLAS_NOTEBOOK.fitted(80).size
      43

    Reference:
      lucid's `optvis/transform.py`.
    """

    pad: int
    jitter: tuple[int, ...]
    scales: tuple[float, ...]
    angles: tuple[float, ...]
    jitter_after: int
    fill: float
    size: int

    def __post_init__(self) -> None:
        """Check the ranges."""
        most = checks.MAX_SIDE
        checks.field(self, "size", checks.whole, maximum=most, unit="pixel")
        for name in ("pad", "jitter_after"):
            checks.field(self, name, checks.whole, minimum=0, maximum=most, unit="pixel")
        checks.field(
            self, "jitter", checks.wholes,
            least=0, minimum=0, maximum=most, expected="at least 0 pixels each",
        )  # fmt: skip
        checks.field(self, "scales", checks.numbers, above=0, expected="numbers above 0")
        checks.field(self, "angles", checks.numbers, expected="numbers of degrees")
        grey = "a grey value in [0, 1]"
        checks.field(self, "fill", checks.number, minimum=0, maximum=1, expected=grey)

    def fitted(self, canvas_size: int) -> "Chain":
        """Return the chain with lucid's mean size of the network's input for a canvas.

        Args:
          canvas_size: side of an icon in pixels.

        Raises:
          ValueError: for a canvas of which the crops leave nothing.
        """
        part = self._part(canvas_size)
        sides = np.round(part * self._zooms(canvas_size)) - self.jitter_after
        return dataclasses.replace(self, size=max(round(float(sides.mean())), 1))

    def draw(self, canvas_size: int, *, key: Key) -> View:
        """Draw the view of one step of a canvas of `canvas_size` pixels.

        Raises:
          ValueError: for a canvas of which the crops leave nothing.
        """
        for_jitter, for_scale, for_angle, for_after = jax.random.split(key, 4)
        # A crop moves the centre by whole pixels, relative to a crop of the middle.
        jitter = jnp.asarray(self.jitter, jnp.int32)[:, None]
        offsets = jax.random.randint(for_jitter, (len(self.jitter), 2), 0, jitter + 1, jnp.int32)
        moved = (offsets - jitter / 2).sum(0)
        zoom = _choose(self._zooms(canvas_size), key=for_scale)
        angle = -jnp.deg2rad(_choose(np.asarray(self.angles), key=for_angle))
        after = jax.random.randint(for_after, (2,), 0, self.jitter_after + 1, jnp.int32)
        down, right = (after - self.jitter_after / 2) / zoom
        cos, sin = jnp.cos(angle), jnp.sin(angle)
        moved = moved + jnp.stack([cos * down - sin * right, sin * down + cos * right])
        return View(0.5 + moved / canvas_size, self.size / zoom / canvas_size, angle)

    def typical(self, canvas_size: int) -> tuple[float, float]:
        """Return the mean side and the centres' standard deviation, as fractions of the canvas."""
        zooms = self._zooms(canvas_size)
        # The variance of a uniform draw of 0 to n is n (n + 2) / 12.
        before = sum(n * (n + 2) for n in self.jitter) / 12
        after = self.jitter_after * (self.jitter_after + 2) / 12 * np.mean(zooms**-2.0)
        side = float((self.size / zooms).mean())
        return side / canvas_size, math.sqrt(before + after) / canvas_size

    def _part(self, canvas_size: int) -> int:
        """Return the side in pixels after padding and the first crops."""
        canvas_size = checks.whole("canvas_size", canvas_size, unit="pixel")
        part = canvas_size + 2 * self.pad - sum(self.jitter)
        if int(min(self.scales) * part) <= self.jitter_after:
            minimum = 1 + sum(self.jitter) - 2 * self.pad
            raise ValueError(
                f"canvas_size: expected well above {minimum} pixels for this chain, "
                f"got {canvas_size}"
            )
        return part

    def _zooms(self, canvas_size: int) -> HostArray:
        """Return the scales after rounding to whole pixels."""
        part = self._part(canvas_size)
        return np.floor(np.asarray(self.scales, np.float32) * np.float32(part)) / part


def _choose(values: HostArray, *, key: Key) -> Array:
    return jnp.asarray(values, jnp.float32)[jax.random.randint(key, (), 0, len(values), jnp.int32)]


_ATLAS_JITTER = (4, 4, 8, 8, 8)
_ATLAS_ANGLES = (*range(-20, 20), *range(-10, 10), *range(-5, 5), 0, 0, 0, 0, 0)

LUCID_STANDARD = Chain(
    pad=12,
    jitter=(8,),
    scales=tuple(1 + (i - 5) / 50 for i in range(11)),
    angles=(*range(-10, 11), 0, 0, 0, 0, 0),
    jitter_after=4,
    fill=0.5,
    size=92,
)
"""lucid's `standard_transforms`, for a canvas of 80 px; see `Chain.fitted` for others."""

ATLAS_NOTEBOOK = Chain(
    pad=2,
    jitter=_ATLAS_JITTER,
    scales=(*(0.995**n for n in range(-5, 80)), *(2 * tuple(0.998**n for n in range(20, 40)))),
    angles=_ATLAS_ANGLES,
    jitter_after=2,
    fill=1.0,
    size=43,
)
"""The chain of the atlas notebooks, for a canvas of 80 px; see `Chain.fitted` for others."""

ATLAS_RECIPE = Chain(
    pad=16,
    jitter=_ATLAS_JITTER,
    scales=tuple(0.998**n for n in range(20, 40)),
    angles=_ATLAS_ANGLES,
    jitter_after=2,
    fill=0.5,
    size=73,
)
"""The chain of lucid's atlas recipe, for a canvas of 80 px; see `Chain.fitted` for others.

The recipe pads the network's input with black to the size of the canvas; this does not.
"""
