"""Whitening: directions in units of the layer's statistics, so that common ones do not dominate.

Reference:
  Carter et al., "Activation Atlas", Distill 2019: the second moment is not centred, and a
  direction v becomes M^-1 v. The original had no ridge, and failed on singular moments.
"""

import jax
import jax.numpy as jnp

from jatlas.types import Array, checks

MAX_RIDGE = 1e6
"""Beside a larger one, hardly anything is left of the moment in float32."""


def second_moment(vectors: Array) -> Array:
    """Average the outer products of vectors, not centred.

    A pure function: it works under `jit`, `vmap` and `grad`.

    Args:
      vectors: (n, channels).

    Returns:
      (channels, channels) float32, symmetric.

    Raises:
      ValueError: for anything but at least one vector.

    Example:
      >>> second_moment(jnp.array([[1.0, 0.0], [1.0, 2.0]])).tolist()
      [[1.0, 1.0], [1.0, 2.0]]
    """
    table = jnp.asarray(vectors, jnp.float32)
    if table.ndim != 2 or not len(table):
        raise ValueError(f"vectors: expected (n, channels), at least one, got {table.shape}")
    return jnp.matmul(table.T, table, precision=jax.lax.Precision.HIGHEST) / len(table)


def inverse(moment: Array, *, ridge: float) -> Array:
    """Invert a second moment after adding a ridge to its diagonal.

    A pure function: it works under `jit`, `vmap` and `grad`.

    Args:
      moment: (channels, channels) symmetric, as `second_moment` gives it; may be singular (fewer
        samples than channels, channels that never fire).
      ridge: share of the mean of the diagonal that is added to it; above 0, at most a million. A
        singular moment needs about 1e-4 or more: with 512 channels a smaller one is lost to float32
        rounding.

    Returns:
      (channels, channels) float32, symmetric.

    Raises:
      ValueError: if the moment is not square, or the ridge is out of range or too small to make the
        moment invertible (under `jit` the result is NaN instead).

    Example:
      >>> inverse(jnp.diag(jnp.array([3.0, 1.0])), ridge=0.5).round(3).tolist()
      [[0.25, 0.0], [0.0, 0.5]]
    """
    if not checks.is_traced(ridge):
        ridge = checks.number("ridge", ridge, above=0, expected="a share above 0", limit=MAX_RIDGE)
    moment = jnp.asarray(moment)
    if moment.ndim != 2 or moment.shape[0] != moment.shape[1]:
        raise ValueError(f"moment: expected (channels, channels), got {moment.shape}")
    inverted, finite = _inverse(moment, ridge)
    if not isinstance(finite, jax.core.Tracer) and not finite:
        raise ValueError(
            f"ridge: {ridge} is too small for this moment in float32, or the moment is not finite"
        )
    return inverted


@jax.jit
def _inverse(moment: Array, ridge: float) -> tuple[Array, Array]:
    """Return the inverse, and whether it is finite."""
    channels = len(moment)
    scale = jnp.trace(moment) / channels
    # A layer that never fires has no scale of its own; any will do.
    scale = jnp.where(scale > 0, scale, 1.0)
    identity = jnp.eye(channels, dtype=jnp.float32)
    factor = jax.scipy.linalg.cho_factor(moment / scale + ridge * identity)
    inverted = jax.scipy.linalg.cho_solve(factor, identity) / scale
    inverted = (inverted + inverted.T) / 2
    return inverted, jnp.isfinite(inverted).all()


def whiten(directions: Array, inverse_moment: Array) -> Array:
    """Whiten directions on both sides of the dot product: v becomes v M^-1.

    A pure function: it works under `jit`, `vmap` and `grad`.

    Args:
      directions: (..., channels).
      inverse_moment: (channels, channels), as `inverse` gives it.

    Returns:
      (..., channels).

    Example:
      >>> whiten(jnp.array([[4.0, 4.0]]), jnp.diag(jnp.array([0.25, 0.5]))).tolist()
      [[1.0, 2.0]]
    """
    return jnp.matmul(directions, inverse_moment, precision=jax.lax.Precision.HIGHEST)
