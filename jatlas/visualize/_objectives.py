"""Objectives that follow a target, and `Diversity`, which compares icons.

They can be added, subtracted and scaled: `Direction() - 0.1 * TotalVariation()`. Penalties are in
`_penalties.py`.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from jatlas.types import Array, HostArray, checks
from jatlas.visualize._compose import Objective as Objective
from jatlas.visualize._compose import ObjectiveInput as ObjectiveInput
from jatlas.visualize._compose import Scaled as Scaled
from jatlas.visualize._compose import Sum as Sum
from jatlas.visualize._compose import center

GROUP = "group"
"""The `jax.vmap` axis of the icons of a group."""

_COSINE_FLOOR = 0.1
_MAX_POWER = 30  # of the floor: float32 has nothing much smaller
_EPSILON = 1e-4
_GRAM_FLOOR = 1e-10


def cosine(activation: Array, direction: Array) -> Array:
    """Return the cosine of the angle between two vectors (channels,); 0 if one is zero.

    Example:
      >>> float(cosine(jnp.array([1.0, 0.0]), jnp.array([3.0, 4.0])))
      0.6000000238418579
    """
    norms = jnp.linalg.norm(activation) * jnp.linalg.norm(direction)
    dot = jnp.vdot(activation, direction)
    return jnp.where(norms > 0, dot / jnp.where(norms > 0, norms, 1), 0)


class OfDirections(Objective):
    """An objective whose targets are directions (n, channels)."""

    @property
    def kind(self) -> str:
        """Directions."""
        return "directions"

    def targets(self, targets: Array | ArrayLike, *, shape: tuple[int, ...]) -> HostArray:
        """Check directions (n, channels) and return them in float32."""
        table = np.asarray(targets, np.float32)
        if table.ndim != 2 or len(table) < 1 or table.shape[1] != shape[-1]:
            raise ValueError(f"targets: expected directions (n, {shape[-1]}), got {table.shape}")
        return table


class _Aligned(OfDirections):
    """An objective at the centre whose targets are directions, with a power."""

    power: float

    def __post_init__(self) -> None:
        """Check the exponent."""
        expected = "a number of at least 0"
        checks.field(self, "power", checks.number, minimum=0, expected=expected, limit=_MAX_POWER)

    @property
    def central(self) -> bool:
        """True: it depends on the centre of the activation only."""
        return True


@dataclasses.dataclass(frozen=True, kw_only=True)
class Direction(_Aligned):
    """The dot product of the activation at the centre with a direction, times cosine^power.

    The article maximizes dot * cos^n. The power rewards the right direction over strength. With
    whitened directions the scaling in the article's own code left no cosine term in effect: its
    pictures were made with power 0.

    Targets are directions (n, channels); the cosine does not depend on their length. The centre
    of an even number of positions is the one after the middle.

    Attributes:
      power: exponent of the cosine, which is clipped to at least 0.1, so that an icon that starts
        in the opposite direction has a gradient. 0 gives the plain dot product; at most 30.

    Reference:
      Carter et al., "Activation Atlas", Distill 2019; the floor is lucid's.
    """

    power: float = 0.0

    def __call__(self, given: ObjectiveInput, target: Array) -> Array:
        """Score the activation at the centre for a direction (channels,)."""
        activation = center(given.activation)
        dot = jnp.sum(activation * target)
        if self.power == 0:
            return dot
        aligned = jnp.sum(activation * _unit(target)) / _norm(activation)
        return dot * jnp.maximum(_COSINE_FLOOR, aligned) ** self.power


@dataclasses.dataclass(frozen=True, kw_only=True)
class LucidNotebook(_Aligned):
    """The objective of the atlas notebooks, with their scaling.

    dot * max(0.1, dot / |activation|)^power, where dot is the mean over the channels and the
    length of the direction is missing from the quotient: the power has an effect only for long
    directions (means that are not whitened). For whitened ones the quotient is always below 0.1,
    and this is `Direction()` times a constant. Prefer `Direction` unless results are to be compared
    with the notebooks.

    Targets are directions (n, channels).

    Attributes:
      power: exponent of the quotient, at most 30; 4 in the notebooks, 2 in lucid's recipe.

    Reference:
      lucid, `notebooks/activation-atlas/activation-atlas-simple.ipynb`,
      `direction_neuron_cossim_S`.
    """

    power: float = 4.0

    def __call__(self, given: ObjectiveInput, target: Array) -> Array:
        """Score the activation at the centre for a direction (channels,)."""
        activation = center(given.activation)
        dot = jnp.mean(activation * target)
        return dot * jnp.maximum(_COSINE_FLOOR, dot / _norm(activation)) ** self.power


@dataclasses.dataclass(frozen=True, kw_only=True)
class Channel(Objective):
    """The mean of one channel over all positions. Targets are channel numbers (n,)."""

    @property
    def kind(self) -> str:
        """Channels."""
        return "channels"

    def __call__(self, given: ObjectiveInput, target: Array) -> Array:
        """Return the mean of channel number `target`."""
        return jnp.take(given.activation, target, axis=-1).mean()

    def vector(self, activation: Array) -> Array:
        """Return the mean over all positions; see `Objective.vector`."""
        return activation.mean((0, 1))

    def targets(self, targets: Array | ArrayLike, *, shape: tuple[int, ...]) -> HostArray:
        """Check channel numbers (n,) and return them in int32."""
        return _channels(targets, shape)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Neuron(Objective):
    """One channel at one position. Targets are channel numbers (n,).

    Attributes:
      position: (row, column) in the activation of a view; None means the centre, as for
        `Direction`.
    """

    position: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        """Check the position, as far as it can be without a layer."""
        checks.field(
            self, "position", checks.wholes,
            optional=True, length=2, minimum=0, expected="(row, column), both at least 0",
        )  # fmt: skip

    @property
    def kind(self) -> str:
        """Channels."""
        return "channels"

    @property
    def central(self) -> bool:
        """Whether the position is the centre."""
        return self.position is None

    def __call__(self, given: ObjectiveInput, target: Array) -> Array:
        """Return channel number `target` at the position."""
        return jnp.take(self.vector(given.activation), target)

    def vector(self, activation: Array) -> Array:
        """Return the activation at the position, or the nearest; see `Objective.vector`."""
        if self.position is None:
            return center(activation)
        # A whole canvas may be smaller than a view.
        row, column = np.minimum(self.position, np.array(activation.shape[:2]) - 1).tolist()
        return activation[row, column]

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

    Minus the sum of the cosine similarities between the Gram matrix of its activations (which
    channels are active together, at any position) and those of the other icons, divided by the
    size of the group: the scores of a group add up to minus lucid's `diversity`. In a group of one
    it is 0. It must run under `jax.vmap` with axis name `GROUP`, as in the renderer.

    Reference:
      Olah, Mordvintsev and Schubert, "Feature Visualization", Distill 2017, "Diversity".
    """

    @property
    def compares(self) -> bool:
        """True: it compares the icons of a group."""
        return True

    def __call__(self, given: ObjectiveInput, target: Array) -> Array:
        """Compare the activations of one icon with those of its group."""
        del target
        positions = given.activation.reshape(-1, given.activation.shape[-1])
        # The inner product of two Gram matrices a'a and b'b is the sum of the squares of ab',
        # which is the smaller matrix: a view has few positions.
        energy = _overlap(positions, positions)
        unit = positions * jnp.maximum(energy, _GRAM_FLOOR) ** -0.25
        group = jax.lax.all_gather(unit, GROUP)
        similar = jax.vmap(_overlap, in_axes=(None, 0))(unit, group)
        others = jnp.arange(len(group)) != jax.lax.axis_index(GROUP)
        return -jnp.where(others, similar, 0).sum() / len(group)


def _overlap(one: Array, other: Array) -> Array:
    return jnp.square(jnp.matmul(one, other.T, precision=jax.lax.Precision.HIGHEST)).sum()


def _unit(target: Array) -> Array:
    """Scale a direction to length 1, however short it is; zero stays zero."""
    # Two steps, as the squares of a short direction may underflow.
    largest = jnp.abs(target).max()
    scaled = target / jnp.where(largest > 0, largest, 1)
    square = jnp.sum(jnp.square(scaled))
    return scaled * jax.lax.rsqrt(jnp.where(square > 0, square, 1))


def _norm(activation: Array) -> Array:
    # Bounded below, as in lucid: the gradient of an icon that activates nothing stays finite.
    return jnp.sqrt(jnp.sum(jnp.square(activation)) + _EPSILON**2) + _EPSILON


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
