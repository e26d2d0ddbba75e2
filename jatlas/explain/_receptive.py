"""Receptive fields: which part of an image a position of a layer depends on."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jatlas.model import Network
from jatlas.types import Array, HostArray, Params, checks
from jatlas.types.programs import Program


class ReceptiveField(NamedTuple):
    """Which pixels the middle position of a layer depends on.

    Attributes:
      energy: (h, w) share of each pixel in the squared gradient; adds up to 1.
      centre: (2,) of (y, x), where the position lies in the image, in pixels.
    """

    energy: Array
    centre: Array


def receptive_field(
    network: Network, params: Params, images: Array, *, layer: str
) -> ReceptiveField:
    """Measure which pixels the middle position of a layer depends on, by the gradient.

    The gradient of the squared length of the activation vector with respect to the pixels,
    squared and averaged over images. Pixels where it is zero for every image are not seen.

    A host function: it runs outside `jit`.

    Args:
      network: the network.
      params: its parameters.
      images: (n, h, w, 3) in [0, 1]; with more than about ten the result hardly changes.
      layer: name of the layer.

    Returns:
      ReceptiveField.

    Raises:
      ValueError: if there are no images, or the layer is unknown or has no map.
    """
    if images.ndim != 4 or not len(images):
        raise ValueError(f"images: expected (n, h, w, 3), at least one, got {images.shape}")
    height, width = images.shape[1:3]
    rows, columns, _ = network.activation_shape(params, (height, width), layer=layer)
    position = rows // 2, columns // 2
    # Driven from Python: inside an XLA loop, convolutions on a CPU use one core.
    energies = [_ENERGY(network, params, image, layer=layer, position=position) for image in images]
    energy = jnp.stack(energies).mean(0)
    centre = (np.array(position) + 0.5) / (rows, columns) * (height, width)
    total = jnp.maximum(energy.sum(), jnp.finfo(jnp.float32).tiny)
    return ReceptiveField(energy / total, jnp.asarray(centre, jnp.float32))


@functools.partial(jax.jit, static_argnames=("network", "layer", "position"))
def _energy(
    network: Network, params: Params, image: Array, *, layer: str, position: tuple[int, int]
) -> Array:
    def activity(image: Array) -> Array:
        vector = network.run(params, image, until=layer)[position]
        return jnp.vdot(vector, vector)

    energy = jnp.square(jax.grad(activity)(image)).sum(-1)
    total = energy.sum()
    # All images have equal weight, however strongly they excite the layer.
    return energy / jnp.where(total > 0, total, 1.0)


_ENERGY = Program(_energy, static=("network", "layer", "position"))


def receptive_share(
    network: Network, params: Params, images: Array, *, layer: str, energy: float = 0.9
) -> float:
    """Return the side of a layer's effective receptive field, as a share of the image's.

    Most of the pixels in a position's theoretical receptive field hardly matter to it. This is the
    smallest square around it that holds a given share of the squared gradient.

    A host function: it runs outside `jit`.

    Args:
      network: the network.
      params: its parameters.
      images: (n, h, w, 3) in [0, 1] to measure on.
      layer: name of the layer.
      energy: share of the squared gradient, above 0; 1 gives the theoretical receptive field.

    Returns:
      Side of the square divided by the shorter side of the image, at most 1.

    Raises:
      ValueError: if the share is out of range, the layer is unknown or has no map.

    Reference:
      Luo et al., "Understanding the Effective Receptive Field", 2016.
    """
    energy = checks.number("energy", energy, above=0, maximum=1)
    field = receptive_field(network, params, images, layer=layer)
    weight, centre = np.asarray(field.energy, np.float64), np.asarray(field.centre)
    y, x = (np.abs(np.arange(n) + 0.5 - c) for n, c in zip(weight.shape, centre, strict=True))
    # Half the side of the smallest square that holds the whole pixel.
    half_side = np.maximum(y[:, None], x[None, :]).ravel() + 0.5
    order = np.argsort(half_side, kind="stable")
    held = np.cumsum(weight.ravel()[order])
    last = np.searchsorted(held, energy * held[-1] * (1 - 1e-12))
    return float(min(2 * half_side[order][last] / min(weight.shape), 1.0))


def receptive_box(
    positions: Array | HostArray, *, grid: tuple[int, int], share: float
) -> HostArray:
    """Return the square of the image around positions of a layer.

    A host function: it runs outside `jit`.

    Args:
      positions: (..., 2) int of (row, column).
      grid: rows and columns of the layer.
      share: side of the square as a share of the image's, as `receptive_share` gives it.

    Returns:
      (..., 4) float32 of top, left, bottom and right as shares of the image's sides. A square
      that would extend beyond the edge is moved inside.

    Raises:
      ValueError: if the share is not above 0 and at most 1, or the grid has no cells.

    Example:
      >>> receptive_box(np.array([[1, 2], [0, 3]]), grid=(4, 4), share=0.5).tolist()
      [[0.125, 0.375, 0.625, 0.875], [0.0, 0.5, 0.5, 1.0]]
    """
    share = checks.number("share", share, above=0, maximum=1)
    cells = checks.wholes("grid", grid, length=2, expected="rows and columns, at least 1 each")
    middle = (np.asarray(positions) + 0.5) / np.asarray(cells)
    start = np.clip(middle - share / 2, 0.0, 1.0 - share)
    return np.concatenate([start, start + share], axis=-1).astype(np.float32)


def crop(image: HostArray, box: HostArray) -> HostArray:
    """Cut a box out of an image.

    A host function: it runs outside `jit`.

    Args:
      image: (h, w, 3).
      box: (4,) of top, left, bottom and right as shares of its sides.

    Returns:
      (h', w', 3), in whole pixels, at least one.

    Example:
      >>> crop(np.zeros((8, 12, 3)), np.array([0.25, 0.5, 0.75, 1.0])).shape
      (4, 6, 3)
    """
    height, width = image.shape[:2]
    sides = np.array([height, width, height, width])
    top, left, bottom, right = np.round(np.asarray(box, np.float64) * sides).astype(int).tolist()
    top, left = min(top, height - 1), min(left, width - 1)
    return image[top : max(bottom, top + 1), left : max(right, left + 1)]
