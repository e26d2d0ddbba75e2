"""`Wasserstein`: whether a layer responds to an icon as it does to real places."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from jatlas.types import Array, HostArray
from jatlas.visualize._compose import ObjectiveInput
from jatlas.visualize._objectives import OfDirections


def quantile_means(values: Array, *, count: int) -> Array:
    """Return the means of equal parts of sorted values: the nearest distribution of few values.

    Of all sets of `count` values, these have the smallest 2-Wasserstein distance from the given
    ones.

    A pure function: it works under `jit`, `vmap` and `grad`.

    Args:
      values: (n, channels); each channel is sorted by itself. n need not be a multiple of `count`.
      count: number of parts.

    Returns:
      (count, channels), ascending.

    Example:
      >>> quantile_means(jnp.array([[4.0], [1.0], [3.0], [2.0]]), count=2)[:, 0]
      Array([1.5, 3.5], dtype=float32)
    """
    n, channels = values.shape
    start = jnp.zeros((1, channels), values.dtype)
    total = jnp.concatenate([start, jnp.cumsum(jnp.sort(values, axis=0), axis=0)])
    # The integral of the quantile function is linear between its values.
    at = np.arange(count + 1) * n / count
    low = np.minimum(at.astype(int), n - 1)
    part = (at - low)[:, None].astype(np.float32)
    integral = total[low] * (1 - part) + total[low + 1] * part
    return jnp.diff(integral, axis=0) * (count / n)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Wasserstein(OfDirections):
    """How far the activations of a view are from those of real places: a penalty to subtract.

    For each channel, the squared 2-Wasserstein distance between its activations at the positions
    of the view, sorted a_1 <= ... <= a_p, and the means b_1 <= ... <= b_p of p equal parts of its
    sorted references. Their sum over the channels, with l the root mean square length of a vector
    b_i and t the target:

        |t| / l * mean over i of |a_i - b_i|^2.

    It is at least 0, and |t| l if nothing is active: as large as the dot product of a direction
    with a reference that points along it. So a weight means the same for all layers and cells. Of
    those tried with `Direction(power=0.5)`, 0.1 was best at GoogLeNet's mixed4c; at its mixed5b it
    lowered the cosine and gained nothing.

    References are vectors (n, r, channels), r for each icon: the activations, at all positions, of
    a few real crops as large as a view. Then neither size nor border tells them from views.

    Targets are directions (n, channels), of which only the length counts.

    Reference:
      Matching of sorted activations with those of real images: VITAL, ICCV 2025, for one icon over
      several layers. Here it is the layer of the directions alone, and each icon has its own
      references. The distance in one dimension: Villani, "Topics in Optimal Transportation", 2003,
      theorem 2.18.
    """

    @property
    def needs_references(self) -> bool:
        """True: activations are compared with those of the references."""
        return True

    def references(self, references: Array | ArrayLike, *, shape: tuple[int, ...]) -> HostArray:
        """Check references (n, r, channels) and return b (n, p, channels)."""
        table = np.asarray(references, np.float32)
        if table.ndim != 3 or not table.size or table.shape[2] != shape[-1]:
            raise ValueError(f"references: expected vectors (n, r, {shape[-1]}), got {table.shape}")
        if not np.isfinite(table).all():
            raise ValueError("references: some are not finite (NaN or infinity)")
        means = jax.jit(functools.partial(quantile_means, count=shape[0] * shape[1]))
        return np.stack([np.asarray(means(one)) for one in table])

    def __call__(self, given: ObjectiveInput, target: Array) -> Array:
        """Compare the activations of a view with the references of its icon."""
        if given.references is None:
            raise ValueError("references: expected some for Wasserstein, got none")
        wanted = given.references
        found = jnp.sort(given.activation.reshape(wanted.shape), axis=0)
        square = jnp.square(wanted).sum(axis=-1).mean()
        length = jnp.sqrt(jnp.where(square > 0, square, 1))
        distance = jnp.square(found - wanted).sum(axis=-1).mean()
        return jnp.linalg.norm(target) * distance / length
