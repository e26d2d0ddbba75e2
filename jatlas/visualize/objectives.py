"""What an icon is optimized for: (activation, direction) -> how well one follows the other."""

import dataclasses
import math

import jax.numpy as jnp

from jatlas.types import Array

_COSINE_FLOOR = 0.1
_EPSILON = 1e-4


def cosine(activation: Array, direction: Array) -> Array:
    """Return the cosine of the angle between two vectors (channels,); 0 where one is zero."""
    norms = jnp.linalg.norm(activation) * jnp.linalg.norm(direction)
    dot = jnp.vdot(activation, direction)
    return jnp.where(norms > 0, dot / jnp.where(norms > 0, norms, 1), 0)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Direction:
    """The dot product with a direction, times a power of the cosine.

    The article maximizes dot * cos^n. The power rewards pointing the right way over being
    strong. Note that with whitened directions the article's own code had, by its scaling,
    no cosine term in effect: power 0 is what made its pictures.

    Attributes:
      power: exponent of the cosine, which counts as at least 0.1 so that an icon that starts in
        the opposite direction still finds a slope. 0 is the plain dot product.

    Reference:
      Carter et al., "Activation Atlas", Distill 2019; the floor is lucid's.
    """

    power: float = 0.0

    def __post_init__(self) -> None:
        """Check the exponent."""
        if not 0 <= self.power < math.inf:
            raise ValueError(f"power: expected a number of at least 0, got {self.power}")

    def __call__(self, activation: Array, direction: Array) -> Array:
        """Score one activation (channels,) against one direction (channels,)."""
        # Not vdot: a batch of those is a matrix product, whose rounding hangs on the batch.
        dot = jnp.sum(activation * direction)
        if self.power == 0:
            return dot
        # lucid keeps both norms away from zero; the gradient stays finite on a dead start.
        norm = jnp.sqrt(jnp.sum(jnp.square(activation)) + _EPSILON**2) + _EPSILON
        aligned = dot / norm / (jnp.linalg.norm(direction) + _EPSILON)
        return dot * jnp.maximum(_COSINE_FLOOR, aligned) ** self.power
