"""What an icon is optimized for: what the network sees of it -> one number to maximize.

Objectives are added, subtracted and scaled: `Direction() - 0.1 * TotalVariation()`. What lowers
an objective is in `jatlas.visualize._penalties`.
"""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from jatlas.types import Array, HostArray
from jatlas.visualize._compose import Objective as Objective
from jatlas.visualize._compose import Scaled as Scaled
from jatlas.visualize._compose import Seen as Seen
from jatlas.visualize._compose import Sum as Sum

GROUP = "group"
"""The `jax.vmap` axis along which the icons of one target lie side by side."""

_COSINE_FLOOR = 0.1
_EPSILON = 1e-4
_GRAM_FLOOR = 1e-10


def cosine(activation: Array, direction: Array) -> Array:
    """Return the cosine of the angle between two vectors (channels,); 0 where one is zero."""
    norms = jnp.linalg.norm(activation) * jnp.linalg.norm(direction)
    dot = jnp.vdot(activation, direction)
    return jnp.where(norms > 0, dot / jnp.where(norms > 0, norms, 1), 0)


class _Following(Objective):
    """What objectives share whose targets are directions (n, channels), with a power."""

    power: float

    def __post_init__(self) -> None:
        """Check the exponent."""
        if not 0 <= self.power < math.inf:
            raise ValueError(f"power: expected a number of at least 0, got {self.power}")

    @property
    def kind(self) -> str:
        """Directions."""
        return "directions"

    @property
    def central(self) -> bool:
        """Only the centre is looked at."""
        return True

    def targets(self, targets: Array | ArrayLike, *, shape: tuple[int, ...]) -> HostArray:
        """Check directions (n, channels) and return them in float32."""
        return _directions(targets, shape)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Direction(_Following):
    """The dot product with a direction at the centre, times a power of the cosine.

    The article maximizes dot * cos^n. The power rewards pointing the right way over being
    strong. Note that with whitened directions the article's own code had, by its scaling,
    no cosine term in effect: power 0 is what made its pictures.

    Targets are directions (n, channels). The centre of an even number of positions is the one
    after the middle.

    Attributes:
      power: exponent of the cosine, which counts as at least 0.1 so that an icon that starts in
        the opposite direction still finds a slope. 0 is the plain dot product.

    Reference:
      Carter et al., "Activation Atlas", Distill 2019; the floor is lucid's.
    """

    power: float = 0.0

    def __call__(self, seen: Seen, target: Array) -> Array:
        """Score the activation at the centre against a direction (channels,)."""
        activation = _center(seen.activation)
        # Not vdot: a batch of those is a matrix product, whose rounding hangs on the batch.
        dot = jnp.sum(activation * target)
        if self.power == 0:
            return dot
        aligned = dot / _norm(activation) / (jnp.linalg.norm(target) + _EPSILON)
        return dot * jnp.maximum(_COSINE_FLOOR, aligned) ** self.power


@dataclasses.dataclass(frozen=True, kw_only=True)
class LucidNotebook(_Following):
    """The form that the atlas notebooks maximize, scaling and all.

    dot * max(0.1, dot / |activation|)^power with dot the mean over the channels, and without the
    direction's own length: the power acts only where directions are long (unwhitened means). For
    whitened ones the floor holds always, and this is `Direction()` times a constant. Prefer
    `Direction` where nothing has to be compared with the notebooks.

    Targets are directions (n, channels).

    Attributes:
      power: exponent of the quotient; 4 in the notebooks, 2 in lucid's recipe.

    Reference:
      lucid, `notebooks/activation-atlas/activation-atlas-simple.ipynb`,
      `direction_neuron_cossim_S`.
    """

    power: float = 4.0

    def __call__(self, seen: Seen, target: Array) -> Array:
        """Score the activation at the centre against a direction (channels,)."""
        activation = _center(seen.activation)
        dot = jnp.mean(activation * target)
        return dot * jnp.maximum(_COSINE_FLOOR, dot / _norm(activation)) ** self.power


@dataclasses.dataclass(frozen=True, kw_only=True)
class Channel(Objective):
    """The mean of one channel over all positions. Targets are the channels' numbers (n,)."""

    @property
    def kind(self) -> str:
        """Channels."""
        return "channels"

    def __call__(self, seen: Seen, target: Array) -> Array:
        """Return the mean of channel number `target`."""
        return jnp.take(seen.activation, target, axis=-1).mean()

    def targets(self, targets: Array | ArrayLike, *, shape: tuple[int, ...]) -> HostArray:
        """Check channel numbers (n,) and return them in int32."""
        return _channels(targets, shape)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Neuron(Objective):
    """One channel at one position. Targets are the channels' numbers (n,).

    Attributes:
      position: (row, column); None means the centre, as for `Direction`.
    """

    position: tuple[int, int] | None = None

    @property
    def kind(self) -> str:
        """Channels."""
        return "channels"

    @property
    def central(self) -> bool:
        """Whether no other position was asked for."""
        return self.position is None

    def __call__(self, seen: Seen, target: Array) -> Array:
        """Return channel number `target` at the position."""
        if self.position is None:
            return jnp.take(_center(seen.activation), target)
        return jnp.take(seen.activation[self.position], target)

    def targets(self, targets: Array | ArrayLike, *, shape: tuple[int, ...]) -> HostArray:
        """Check channel numbers (n,) and the position, and return the numbers in int32."""
        if self.position is not None:
            row, column = self.position
            if not (0 <= row < shape[0] and 0 <= column < shape[1]):
                raise ValueError(
                    f"position: expected one of {shape[0]} x {shape[1]}, got {self.position}"
                )
        return _channels(targets, shape)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Diversity(Objective):
    """How different an icon is from the others of its group, at most 0.

    Minus the cosine similarities between the Gram matrix of its activations (which channels
    occur together, wherever) and those of the other icons, divided by their number n with this
    one: the scores of a group add up to minus lucid's `diversity`. A group of one has 0. It is
    to be run under `jax.vmap` with axis name `GROUP`, as the renderer does.

    Reference:
      Olah, Mordvintsev and Schubert, "Feature Visualization", Distill 2017, "Diversity".
    """

    @property
    def compares(self) -> bool:
        """It does."""
        return True

    def __call__(self, seen: Seen, target: Array) -> Array:
        """Compare the activations of one icon with those of its group."""
        del target
        positions = seen.activation.reshape(-1, seen.activation.shape[-1])
        # The inner product of two Gram matrices a'a and b'b is the sum of squares of ab', which
        # is the smaller matrix: a view has few positions.
        energy = _overlap(positions, positions)
        unit = positions * jnp.maximum(energy, _GRAM_FLOOR) ** -0.25
        group = jax.lax.all_gather(unit, GROUP)
        similar = jax.vmap(_overlap, in_axes=(None, 0))(unit, group)
        others = jnp.arange(len(group)) != jax.lax.axis_index(GROUP)
        return -jnp.where(others, similar, 0).sum() / len(group)


def _overlap(one: Array, other: Array) -> Array:
    return jnp.square(jnp.matmul(one, other.T, precision=jax.lax.Precision.HIGHEST)).sum()


def _center(activation: Array) -> Array:
    height, width, _ = activation.shape
    return activation[height // 2, width // 2]


def _norm(activation: Array) -> Array:
    # lucid keeps both norms away from zero; the gradient stays finite on a dead start.
    return jnp.sqrt(jnp.sum(jnp.square(activation)) + _EPSILON**2) + _EPSILON


def _directions(targets: Array | ArrayLike, shape: tuple[int, ...]) -> HostArray:
    table = np.asarray(targets, np.float32)
    if table.ndim != 2 or len(table) < 1 or table.shape[1] != shape[-1]:
        raise ValueError(f"targets: expected directions (n, {shape[-1]}), got {table.shape}")
    return table


def _channels(targets: Array | ArrayLike, shape: tuple[int, ...]) -> HostArray:
    table = np.asarray(targets)
    if table.ndim != 1 or len(table) < 1 or not np.issubdtype(table.dtype, np.integer):
        raise ValueError(f"targets: expected channel numbers (n,), got {table.dtype} {table.shape}")
    if table.min() < 0 or table.max() >= shape[-1]:
        raise ValueError(
            f"targets: expected channels from 0 to {shape[-1] - 1}, "
            f"got {table.min()} to {table.max()}"
        )
    return table.astype(np.int32)
