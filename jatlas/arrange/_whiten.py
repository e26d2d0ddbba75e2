"""Directions seen through the statistics of the layer, so that common ones do not drown rare ones.

Reference:
  Carter et al., "Activation Atlas", Distill 2019: the second moment is not centred, and a
  direction v becomes M^-1 v. The original had no ridge, and failed on singular cases.
"""

import jax
import jax.numpy as jnp

from jatlas.types import Array


def second_moment(vectors: Array) -> Array:
    """Average the outer products of vectors, not centred: (n, c) -> (c, c) float32."""
    table = jnp.asarray(vectors, jnp.float32)
    return jnp.matmul(table.T, table, precision=jax.lax.Precision.HIGHEST) / len(table)


def inverse(moment: Array, *, ridge: float) -> Array:
    """Invert a second moment after adding a ridge to its diagonal.

    Args:
      moment: (c, c) symmetric, as `second_moment` gives it; may be singular (fewer samples than
        channels, channels that never fire).
      ridge: share of the mean of the diagonal that is added to it; above 0. A singular moment
        needs about 1e-4 or more: float32 sees no smaller one beside 512 channels.

    Returns:
      (c, c) float32, symmetric.

    Raises:
      ValueError: if the ridge is not above 0, or too small to make the moment invertible (under
        `jit` the result is NaN instead).
    """
    if not ridge > 0:
        raise ValueError(f"ridge: expected a share above 0, got {ridge}")
    channels = len(moment)
    scale = jnp.trace(moment) / channels
    # A layer that never fires has no scale of its own; any will do.
    scale = jnp.where(scale > 0, scale, 1.0)
    factor = jax.scipy.linalg.cho_factor(moment / scale + ridge * jnp.eye(channels))
    inverted = jax.scipy.linalg.cho_solve(factor, jnp.eye(channels)) / scale
    inverted = (inverted + inverted.T) / 2
    if not isinstance(inverted, jax.core.Tracer) and not jnp.isfinite(inverted).all():
        raise ValueError(
            f"ridge: {ridge} is too small for this moment in float32, or the moment is not finite"
        )
    return inverted


def whiten(directions: Array, inverse_moment: Array) -> Array:
    """Turn directions (..., c) into what they are after whitening both sides: v M^-1."""
    return jnp.matmul(directions, inverse_moment, precision=jax.lax.Precision.HIGHEST)
