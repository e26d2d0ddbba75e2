"""Activation vectors at random positions of images."""

import jax
import jax.numpy as jnp

from jatlas.types import Array, Key, as_key


def to_float(image: Array) -> Array:
    """Return an image, uint8 or float in [0, 1], as float32 in [0, 1].

    Example:
      >>> to_float(jnp.array([0, 255], jnp.uint8)).tolist()
      [0.0, 1.0]
    """
    if image.dtype == jnp.uint8:
        return image.astype(jnp.float32) / 255.0
    return image.astype(jnp.float32)


def draw_places(*, key: Key, image: Array, per_image: int) -> Array:
    """Draw random positions in one image.

    Args:
      key: of the whole collection.
      image: () int index of the image; besides the key, its places depend on nothing else.
      per_image: number of places.

    Returns:
      (per_image, 2) float32 of (y, x) in [0, 1), relative to the interior of a layer, so that
      they are the same places of the image at every layer.

    Example:
      >>> draw_places(key=jax.random.key(0), image=jnp.array(7), per_image=3).shape
      (3, 2)
    """
    own = jax.random.fold_in(as_key(key), image)
    return jax.random.uniform(own, (per_image, 2), jnp.float32)


def grid_positions(places: Array, *, height: int, width: int) -> Array:
    """Convert places to rows and columns of a layer, leaving out its border.

    Args:
      places: (..., 2) of (y, x) in [0, 1).
      height: rows of the layer.
      width: its columns.

    Returns:
      (..., 2) int32 of (row, column) in 1..height - 2 and 1..width - 2; along an axis of fewer
      than three cells, all of which are border, any of them.

    Example:
      >>> grid_positions(jnp.array([[0.0, 0.99]]), height=10, width=20).tolist()
      [[1, 18]]
    """

    def inside(place: Array, cells: int) -> Array:
        border = 1 if cells >= 3 else 0
        interior = cells - 2 * border
        return border + jnp.minimum((place * interior).astype(jnp.int32), interior - 1)

    return jnp.stack([inside(places[..., 0], height), inside(places[..., 1], width)], axis=-1)


def pick(activation: Array, positions: Array) -> Array:
    """Return the vectors of an activation at some positions.

    Args:
      activation: (h, w, c).
      positions: (k, 2) int of (row, column).

    Returns:
      (k, c).

    Example:
      >>> pick(jnp.arange(12).reshape(2, 3, 2), jnp.array([[1, 0]])).tolist()
      [[6, 7]]
    """
    return activation[positions[:, 0], positions[:, 1]]


def interior(activation: Array) -> Array:
    """Return the vectors off the border of an activation, where samples are from.

    Args:
      activation: (h, w, c).

    Returns:
      (positions, c), row by row; along an axis of fewer than three cells, all of which are border,
      all of them.

    Example:
      >>> interior(jnp.arange(9.0).reshape(3, 3, 1)).tolist()
      [[4.0]]
    """
    height, width, channels = activation.shape
    rows = slice(1, -1) if height >= 3 else slice(None)
    columns = slice(1, -1) if width >= 3 else slice(None)
    return activation[rows, columns].reshape(-1, channels)


def interior_moment(activation: Array) -> Array:
    """Average the outer products of an activation's vectors, leaving out its border.

    Whitening needs the second moment of the layer, and every position of the interior is a sample
    of it: with few images, these are a hundred times as many as the positions that are kept.

    Args:
      activation: (h, w, c).

    Returns:
      (c, c), in the type of the activation.

    Example:
      >>> interior_moment(jnp.full((5, 5, 1), 3.0)).tolist()
      [[9.0]]
    """
    inner = interior(activation)
    return jnp.matmul(inner.T, inner, precision=jax.lax.Precision.HIGHEST) / len(inner)
