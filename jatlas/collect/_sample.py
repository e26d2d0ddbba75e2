"""Activation vectors at random positions of images."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from jatlas.model import Network
from jatlas.types import Array, Key, Params


def to_float(image: Array) -> Array:
    """Return an image as float32 in [0, 1], whether it came as that or as uint8."""
    if image.dtype == jnp.uint8:
        return image.astype(jnp.float32) / 255.0
    return image.astype(jnp.float32)


def activations(
    network: Network, params: Params, images: Array, *, layers: Sequence[str]
) -> dict[str, Array]:
    """Run images once and keep what several layers say.

    Args:
      network: the network.
      params: its parameters.
      images: (h, w, c) or (n, h, w, c) in [0, 1].
      layers: names of stages, in any order.

    Returns:
      The activations by layer, batched as the images are.
    """
    found: dict[str, Array] = {}
    last, x = None, images
    for layer in sorted(set(layers), key=network.index):
        x = network.run(params, x, after=last, until=layer)
        found[layer], last = x, layer
    return found


def draw_places(*, key: Key, image: Array, per_image: int) -> Array:
    """Draw where one image is looked at.

    Args:
      key: of the whole collection.
      image: the image's index: its places depend on nothing else.
      per_image: how many places.

    Returns:
      (per_image, 2) of (y, x) in [0, 1), as shares of a layer's interior, so that they mean the
      same places of the image at every layer.
    """
    return jax.random.uniform(jax.random.fold_in(key, image), (per_image, 2))


def grid_positions(places: Array, *, height: int, width: int) -> Array:
    """Turn places into rows and columns of a layer, its border left out.

    Args:
      places: (..., 2) of (y, x) in [0, 1).
      height: rows of the layer.
      width: its columns.

    Returns:
      (..., 2) int32 of (row, column) in 1..height - 2 and 1..width - 2; along an axis of fewer
      than three cells, which is all border, anywhere.
    """
    border = jnp.array([height >= 3, width >= 3], jnp.int32)
    room = jnp.array([height, width], jnp.int32) - 2 * border
    return border + jnp.minimum((places * room).astype(jnp.int32), room - 1)


def pick(activation: Array, positions: Array) -> Array:
    """Read an activation (h, w, c) at positions (k, 2) of (row, column): (k, c)."""
    return activation[positions[:, 0], positions[:, 1]]


def interior_moment(activation: Array, weight: Array) -> Array:
    """Sum the weighted second moments of activations off their borders.

    The whitening needs the layer's statistics, and every position off the border is a sample of
    them: with few images that is a hundred times what the positions kept would give.

    Args:
      activation: (b, h, w, c).
      weight: (b,) of each image.

    Returns:
      (c, c): of each image the mean outer product over its positions off the border, weighted and
      summed.
    """
    batch, height, width, channels = activation.shape
    rows = slice(1, -1) if height >= 3 else slice(None)
    columns = slice(1, -1) if width >= 3 else slice(None)
    inner = activation[:, rows, columns].reshape(batch, -1, channels)
    weighted = inner * (weight / inner.shape[1])[:, None, None]
    flat = (-1, channels)
    return jnp.matmul(
        inner.reshape(flat).T, weighted.reshape(flat), precision=jax.lax.Precision.HIGHEST
    )
