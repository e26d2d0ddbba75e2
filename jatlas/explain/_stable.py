"""Whether icons of the same cells look alike to the layer when they start elsewhere."""

import jax
import jax.numpy as jnp

from jatlas.types import Array


@jax.jit
def stable(first: Array, second: Array) -> Array:
    """Compare icons of the same cells that were rendered with different keys.

    With c the cosine of the mean activations of two icons, s that of the two icons of a cell, and
    d the mean c of an icon of the cell and one of another cell with the other key,

        stable = (s - d) / (1 - d), clipped to [0, 1]:

    1 if both icons excite the layer in the same way, 0 if they are as different as icons of two
    cells.

    A pure function: it works under `jit`, `vmap` and `grad`.

    Args:
      first: (m, channels) mean activation of the icon of each cell.
      second: (m, channels) of its icon with another key.

    Returns:
      (m,) float32. With one cell there is no other, and d is 0.

    Example:
      >>> first = jnp.array([[1.0, 0.0], [0.0, 1.0]])
      >>> stable(first, 2 * first).tolist(), stable(first, first[::-1]).tolist()
      ([1.0, 1.0], [0.0, 0.0])
    """
    one, two = _unit(first), _unit(second)
    same = (one * two).sum(axis=-1)
    with_others = one @ two.sum(axis=0) + two @ one.sum(axis=0) - 2 * same
    chance = with_others / (2 * max(len(first) - 1, 1))
    range_ = 1 - chance
    return jnp.clip((same - chance) / jnp.where(range_ > 0, range_, 1.0), 0, 1)


def _unit(vectors: Array) -> Array:
    squared = (vectors**2).sum(axis=-1, keepdims=True)
    return vectors * jax.lax.rsqrt(jnp.where(squared > 0, squared, 1.0))
