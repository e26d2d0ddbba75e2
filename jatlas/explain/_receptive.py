"""Which part of an image a position of a layer looks at."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jatlas.model import Network
from jatlas.types import Array, HostArray, Params


class Field(NamedTuple):
    """What the middle position of a layer sees.

    Attributes:
      energy: (h, w) share of each pixel in the squared gradient; adds up to 1.
      centre: (2,) of (y, x), where the position lies in the image, in pixels.
    """

    energy: Array
    centre: Array


def field(network: Network, params: Params, images: Array, *, layer: str) -> Field:
    """Measure what the middle position of a layer sees, by the gradient of its activity.

    The gradient of the squared length of the activation vector with respect to the pixels,
    squared and averaged over images. Where it is zero for every image, the position sees nothing.

    Args:
      network: the network.
      params: its parameters.
      images: (n, h, w, 3) in [0, 1]; of some ten the result hardly changes any more.
      layer: the stage.

    Returns:
      Field.

    Raises:
      ValueError: if the layer is unknown or has no positions.
    """
    height, width = images.shape[1:3]
    rows, columns, _ = network.activation_shape(params, (height, width), layer=layer)
    position = rows // 2, columns // 2
    # From Python: inside a loop of XLA's, a CPU convolves on one core.
    each = [_energy(network, params, image, layer=layer, position=position) for image in images]
    energy = jnp.stack(each).mean(0)
    centre = (np.array(position) + 0.5) / (rows, columns) * (height, width)
    total = jnp.maximum(energy.sum(), jnp.finfo(jnp.float32).tiny)
    return Field(energy / total, jnp.asarray(centre, jnp.float32))


@functools.partial(jax.jit, static_argnames=("network", "layer", "position"))
def _energy(
    network: Network, params: Params, image: Array, *, layer: str, position: tuple[int, int]
) -> Array:
    def activity(image: Array) -> Array:
        vector = network.run(params, image, until=layer)[position]
        return jnp.vdot(vector, vector)

    energy = jnp.square(jax.grad(activity)(image)).sum(-1)
    total = energy.sum()
    # Each image counts alike, however strongly it excites the layer.
    return energy / jnp.where(total > 0, total, 1.0)


def receptive_share(
    network: Network, params: Params, images: Array, *, layer: str, energy: float = 0.9
) -> float:
    """Return the side of the square a layer's position really sees, as a share of the image's.

    Most of what a position could see by the size of its windows hardly matters to it. This is the
    smallest square around it that holds a given share of the squared gradient.

    Args:
      network: the network.
      params: its parameters.
      images: (n, h, w, 3) in [0, 1] to measure on.
      layer: the stage.
      energy: share of the squared gradient, above 0; 1 asks for all that can be seen.

    Returns:
      Side of the square divided by the shorter side of the image, at most 1.

    Raises:
      ValueError: if the share is out of range.

    Reference:
      Luo et al., "Understanding the Effective Receptive Field", 2016.
    """
    if not 0 < energy <= 1:
        raise ValueError(f"energy: expected above 0, up to 1, got {energy}")
    found = field(network, params, images, layer=layer)
    weight, centre = np.asarray(found.energy, np.float64), np.asarray(found.centre)
    y, x = (np.abs(np.arange(n) + 0.5 - c) for n, c in zip(weight.shape, centre, strict=True))
    # How far a square must reach to hold the whole pixel.
    reach = np.maximum(y[:, None], x[None, :]).ravel() + 0.5
    order = np.argsort(reach, kind="stable")
    held = np.cumsum(weight.ravel()[order])
    last = np.searchsorted(held, energy * held[-1] * (1 - 1e-12))
    return float(min(2 * reach[order][last] / min(weight.shape), 1.0))


def receptive_box(
    positions: Array | HostArray, *, grid: tuple[int, int], share: float
) -> HostArray:
    """Return the square of the image around positions of a layer.

    Args:
      positions: (..., 2) int of (row, column).
      grid: rows and columns of the layer.
      share: side of the square as a share of the image's, as `receptive_share` gives it.

    Returns:
      (..., 4) float32 of top, left, bottom and right as shares of the image's sides. A square
      that would hang over the edge is moved inside.

    Raises:
      ValueError: if the share is not above 0 and at most 1.
    """
    if not 0 < share <= 1:
        raise ValueError(f"share: expected above 0, up to 1, got {share}")
    middle = (np.asarray(positions) + 0.5) / np.asarray(grid)
    start = np.clip(middle - share / 2, 0.0, 1.0 - share)
    return np.concatenate([start, start + share], axis=-1).astype(np.float32)


def crop(image: HostArray, box: HostArray) -> HostArray:
    """Cut a box out of an image.

    Args:
      image: (h, w, 3).
      box: (4,) of top, left, bottom and right as shares of its sides.

    Returns:
      (h', w', 3), in whole pixels, at least one.
    """
    height, width = image.shape[:2]
    sides = np.array([height, width, height, width])
    top, left, bottom, right = np.round(np.asarray(box, np.float64) * sides).astype(int).tolist()
    top, left = min(top, height - 1), min(left, width - 1)
    return image[top : max(bottom, top + 1), left : max(right, left + 1)]
