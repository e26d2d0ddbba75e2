"""Whether the layers before treat icons as they treat the real places of a cell."""

import jax
import jax.numpy as jnp

from jatlas.types import Array

_ROUNDING = 1e-4
"""A difference of correlations that is smaller may be one of float32 alone."""


@jax.jit
def faithful(icons: Array, places: Array, present: Array) -> Array:
    """Compare how one earlier layer sees icons with how it sees the real places of their cells.

    An icon may reach its direction by a way that no image takes. With r the Spearman correlation
    over channels of two mean activations, a the mean r of an icon and the places of its cell, s
    that of two places of the cell, and d that of a place of the cell and one of another cell,

        faithful = (a - d) / (s - d), clipped to [0, 1]:

    1 if the layer cannot tell the icon from the cell's places, 0 if it might be of any cell. The
    measure of a cell is the mean over several layers.

    A pure function: it works under `jit` and `vmap`; ranks have no gradient.

    Args:
      icons: (m, channels) mean activation of each icon.
      places: (m, k, channels) mean activations of k places of each cell.
      present: (m, k) bool, which of the places there are.

    Returns:
      (m,) float32; NaN for a cell with fewer than two places, and where the cell's places are no
      more alike than those of different cells: there the layer has nothing to say.

    Reference:
      The check, and its normalization by images of the same and of other classes: Geirhos et al.,
      "Don't trust your eyes: on the (un)reliability of feature visualizations", ICML 2024. Cells
      take the part of classes here.

    Example:
      >>> places = jnp.array([[[3.0, 2, 1], [9.0, 2, 1]], [[1.0, 2, 3], [1.0, 2, 9]]])
      >>> faithful(jnp.array([[5.0, 4, 0], [5.0, 4, 0]]), places, jnp.ones((2, 2), bool)).tolist()
      [1.0, 0.0]
    """
    weight = present.astype(jnp.float32)
    count = weight.sum(axis=1)
    real = _ranks(places) * weight[..., None]
    own = real.sum(axis=1)
    squared = (own**2).sum(axis=-1)
    alike = (_ranks(icons) * own).sum(axis=-1) / count
    same = (squared - (real**2).sum(axis=(1, 2))) / (count * (count - 1))
    others = count * (count.sum() - count)
    different = (own @ own.sum(axis=0) - squared) / others
    known = (count > 1) & (others > 0) & (same - different > _ROUNDING)
    range_ = jnp.where(known, same - different, 1.0)
    return jnp.where(known, jnp.clip((alike - different) / range_, 0, 1), jnp.nan)


def _ranks(values: Array) -> Array:
    """Return ranks along the last axis, centred, of length 1: their products are Spearman's r."""
    ranks = jax.scipy.stats.rankdata(values, axis=-1).astype(jnp.float32)
    centred = ranks - ranks.mean(axis=-1, keepdims=True)
    length = jnp.linalg.norm(centred, axis=-1, keepdims=True)
    return centred / jnp.where(length > 0, length, 1.0)
