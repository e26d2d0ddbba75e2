"""Patches: a square of one picture pasted into another, and how the network classifies it.

Reference:
  Carter et al., "Activation Atlas", Distill 2019, section on exploring with adversarial patches.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jatlas.model import Network
from jatlas.types import Array, HostArray, Key, Params, as_key, checks

Corner = tuple[float, float]
"""Where a patch lies, as (y, x): (0, 0) is the top left corner, (1, 1) the bottom right."""

CORNERS: tuple[Corner, ...] = ((0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (1.0, 1.0))
SIZES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6)
"""Sizes to try; those that the article tried are not published."""


def composite(
    image: Array, patch: Array, *, size: float | Array, corner: Corner | Array = (0.0, 0.0)
) -> Array:
    """Paste a patch into an image, as a square.

    The square has int(size * side) pixels along each side; the patch is stretched to fill it. It
    is resampled as Pillow resamples 8-bit pictures, by a Lanczos filter along the rows, then the
    columns, rounded to 8 bits each time. The image shows through where the patch is transparent.
    Size and corner may be traced: one compiled program
    serves all of them.

    A pure function: it works under `jit`, `vmap` and `grad` (with respect to the image; the
    rounding has no gradient).

    Args:
      image: (h, w, 3), uint8 or float in [0, 1].
      patch: (h', w', 3) of any size, likewise; or (h', w', 4), the last channel its opacity.
      size: side of the square as a share of the image's shorter side, from 0 to 1.
      corner: (2,) of (y, x): 0 puts it at the top or left, 1 at the bottom or right.

    Returns:
      (h, w, 3) float32.

    Raises:
      ValueError: for a size, a corner or pixels that are out of range, unless they are traced, and
        for another shape of the image or the patch.

    Reference:
      `composite_img` of the article's notebook.

    Example:
      >>> patched = composite(jnp.zeros((4, 4, 3)), jnp.ones((9, 9, 3)), size=0.5, corner=(1, 0))
      >>> patched[..., 0].tolist()[1:3]
      [[0.0, 0.0, 0.0, 0.0], [1.0, 1.0, 0.0, 0.0]]
    """
    if not checks.is_traced(size):
        size = checks.number("size", size, minimum=0, maximum=1)
    if not checks.is_traced(corner, *jax.tree.leaves(corner)):
        corner = _corner("corner", corner)
    pixels, stamp = as_picture("image", image), as_picture("patch", patch, opacity=True)
    return _composite(pixels, stamp, size, jnp.asarray(corner, jnp.float32))


def as_picture(name: str, value: Any, *, opacity: bool = False) -> Array:
    """Return a picture in floats, checked unless it is traced.

    Args:
      name: what it is called in messages.
      value: (h, w, 3), uint8 or float in [0, 1].
      opacity: whether it may have a fourth channel.

    Returns:
      The same shape, float32 in [0, 1].

    Raises:
      ValueError: for another shape or type, or values out of range.
    """
    shape = np.shape(value)
    if len(shape) != 3 or shape[-1] not in ((3, 4) if opacity else (3,)) or 0 in shape:
        channels = "3 or 4" if opacity else "3"
        raise ValueError(f"{name}: expected (h, w, {channels}), {checks.PIXELS}, got shape {shape}")
    return _as_float(name, value)


def _as_float(name: str, value: Any) -> Array:
    if not checks.is_traced(value):
        value = checks.pixels(name, value)
    return jnp.asarray(value, jnp.float32) / (255 if value.dtype == jnp.uint8 else 1)


@jax.jit
def _composite(image: Array, patch: Array, size: float | Array, corner: Array) -> Array:
    height, width, _ = image.shape
    # A thousandth of a pixel more: in float32, 0.7 * 10 is below 7.
    side = jnp.floor(jnp.asarray(size, jnp.float32) * min(height, width) + 1e-3)
    room = jnp.array([height, width], jnp.float32) - side
    start = jnp.floor(corner * room + 1e-3)
    # Colours times opacity: what is not seen does not colour its surroundings.
    opacity = patch[..., 3:] if patch.shape[-1] == 4 else jnp.ones_like(patch[..., :1])
    pixels = jnp.concatenate([patch[..., :3] * opacity, opacity], axis=-1)
    inside = jnp.ones((height, width, 1), bool)
    for axis in (1, 0):
        pixels = _stretch(pixels, axis=axis, length=image.shape[axis], side=side, at=start[axis])
        place = jnp.arange(image.shape[axis])
        within = (place >= start[axis]) & (place < start[axis] + side)
        inside &= jnp.expand_dims(within, (1 - axis, 2))
    opacity = pixels[..., 3:]
    # The filter overshoots at edges, differently for both: no colour is brighter than white.
    colours = jnp.minimum(pixels[..., :3], opacity)
    return jnp.where(inside, colours + (1 - opacity) * image, image)


def _stretch(pixels: Array, *, axis: int, length: int, side: Array, at: Array) -> Array:
    """Resample one axis to `length` pixels, of which it fills `side`, starting at `at`."""
    shape = list(pixels.shape)
    scale = jnp.maximum(side, 1.0) / shape[axis]
    shape[axis] = length
    stretched = jax.image.scale_and_translate(
        pixels, shape, (axis,), scale[None], at[None], method="lanczos3"
    )
    return jnp.round(jnp.clip(stretched, 0.0, 1.0) * 255) / 255


def noise_patch(*, key: Key, side: int = 64) -> Array:
    """Draw a patch of independent uniform pixels, as a control.

    A pure function: it works under `jit` and `vmap`; a key has no gradient.

    Args:
      key: seeds the noise.
      side: pixels along each side, at most 4096.

    Returns:
      (side, side, 3) float32 in [0, 1].

    Raises:
      ValueError: for a side out of range.

    Example:
      >>> noise_patch(key=jax.random.key(0), side=8).shape
      (8, 8, 3)
    """
    side = checks.whole("side", side, maximum=checks.MAX_SIDE, unit="pixel")
    return jax.random.uniform(as_key(key), (side, side, 3), jnp.float32)


def classify(network: Network, params: Params, images: Array, *, batch_size: int = 16) -> Array:
    """Classify images in batches.

    A host function: batches are run from Python, see `Network.run` for one image under `jit`.

    Args:
      network: the network; it has logits.
      params: its parameters.
      images: (n, h, w, 3), uint8 or float in [0, 1].
      batch_size: images that go through the network at once.

    Returns:
      (n, classes) probabilities.

    Raises:
      ValueError: for no images, pixels out of range, or a batch size below 1.
    """
    if not len(images):
        raise ValueError("images: expected at least one")
    pixels = _as_float("images", images)
    return _in_batches(functools.partial(_classify, network, params), pixels, batch_size)


@functools.partial(jax.jit, static_argnames=("network",))
def _classify(network: Network, params: Params, images: Array) -> Array:
    return jax.vmap(lambda image: jax.nn.softmax(network.run(params, image)))(images)


def _in_batches(function: Callable[[Array], Array], items: Array, batch_size: int) -> Array:
    """Apply a function of a batch to all items, the last batch padded with the last item."""
    # Driven from Python: inside an XLA loop, convolutions on a CPU use one core.
    size = min(checks.whole("batch_size", batch_size), len(items))
    results = []
    for start in range(0, len(items), size):
        rows = np.minimum(np.arange(start, start + size), len(items) - 1)
        results.append(function(items[rows]))
    return jnp.concatenate(results)[: len(items)]


def sweep(
    network: Network,
    params: Params,
    image: Array | HostArray,
    patch: Array | HostArray,
    *,
    sizes: Sequence[float] = SIZES,
    corners: Sequence[Corner] = CORNERS,
    batch_size: int = 16,
) -> Array:
    """Paste a patch in every size into every corner and classify the results.

    A host function: it runs outside `jit`.

    Args:
      network: the network; it has logits.
      params: its parameters.
      image: (h, w, 3), uint8 or float in [0, 1].
      patch: (h', w', 3), likewise, or (h', w', 4) with opacity.
      sizes: sides of the patch as shares of the image's, from 0 to 1.
      corners: places, see `composite`.
      batch_size: images that go through the network at once.

    Returns:
      (sizes, corners, classes) probabilities.

    Raises:
      ValueError: if there are no sizes or corners, or they, the batch size, the image or the patch
        are out of range.
    """
    sizes, corners = check_places(sizes, corners)
    places = [(size, *corner) for size in sizes for corner in corners]
    pixels, stamp = as_picture("image", image), as_picture("patch", patch, opacity=True)

    def classify_pasted(places: Array) -> Array:
        # Two programs: patches have many shapes, and the network is slow to compile.
        return _classify(network, params, _pasted(pixels, stamp, places))

    table = _in_batches(classify_pasted, jnp.asarray(places, jnp.float32), batch_size)
    return table.reshape(len(sizes), len(corners), -1)


@jax.jit
def _pasted(image: Array, patch: Array, places: Array) -> Array:
    return jax.vmap(lambda place: composite(image, patch, size=place[0], corner=place[1:]))(places)


def check_places(
    sizes: Sequence[float], corners: Sequence[Corner]
) -> tuple[tuple[float, ...], tuple[Corner, ...]]:
    """Return the sizes and corners of a sweep as plain numbers. A host function: it is not traced.

    Raises:
      ValueError: if there are none, or they are out of range.
    """
    for name, values in (("sizes", sizes), ("corners", corners)):
        if checks.as_tuple(values) == ():
            raise ValueError(f"{name}: expected at least one")
    pairs = checks.as_tuple(corners)
    if pairs is None:
        raise ValueError(f"corners: expected pairs (y, x), got {checks.shown(corners)}")
    return (
        checks.numbers("sizes", sizes, minimum=0, maximum=1, expected="0 to 1"),
        tuple(_corner("corners", pair) for pair in pairs),
    )


def _corner(name: str, corner: Any) -> Corner:
    y, x = checks.numbers(
        name, corner, length=2, minimum=0, maximum=1, expected="0 to 1 for y and for x"
    )
    return y, x
