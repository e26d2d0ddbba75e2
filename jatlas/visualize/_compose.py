"""Objectives: their input, their targets, and sums and multiples of them."""

import abc
import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
from numpy.typing import ArrayLike

from jatlas.types import Array, HostArray, checks

_MAX_FACTOR = 1e6  # the optimizer squares gradients


class ObjectiveInput(NamedTuple):
    """What the objective of one icon is computed from.

    Attributes:
      activation: (h, w, channels) of the layer for the current view of the icon; only the centre
        (1, 1, channels) for an objective that is `central`.
      image: (size, size, 3) the whole canvas of the icon, in [0, 1].
      alpha: (size, size) its opacity in [0, 1]; None for an icon without opacity.
      references: what the objective made of the icon's references; None without any.
    """

    activation: Array
    image: Array
    alpha: Array | None = None
    references: Array | None = None


class Objective(abc.ABC):
    """What is maximized: (ObjectiveInput, target) -> scalar. Subclasses are frozen dataclasses.

    Sums, differences and multiples by a number are objectives too.

    Example:
      >>> from jatlas.visualize import Direction, TotalVariation
      >>> objective = Direction(power=1) - 0.02 * TotalVariation()
      >>> objective.kind, objective.central
      ('directions', True)
    """

    @property
    def kind(self) -> str | None:
        """What targets are, in the plural; None if the objective does not depend on its target."""
        return None

    @property
    def compares(self) -> bool:
        """Whether it compares the icons of a group, along the axis `GROUP`."""
        return False

    @property
    def central(self) -> bool:
        """Whether it depends on the centre of the activation only; the rest is not computed."""
        return False

    @property
    def needs_opacity(self) -> bool:
        """Whether it uses the opacity of an icon, which only some parameterizations have."""
        return False

    @property
    def needs_references(self) -> bool:
        """Whether it compares an icon with references of its own, see `references`."""
        return False

    @abc.abstractmethod
    def __call__(self, given: ObjectiveInput, target: Array) -> Array:
        """Return the score () of one icon for its target."""

    def targets(self, targets: Array | ArrayLike, *, shape: tuple[int, ...]) -> HostArray:
        """Check the targets of all icons and return them as an array.

        Args:
          targets: one for each icon.
          shape: (h, w, channels) of the layer's activation.

        Returns:
          (n, ...): the target of each icon.

        Raises:
          ValueError: for targets that do not fit the layer, or an objective without targets.
        """
        del targets, shape
        raise ValueError(f"objective: nothing to maximize, {self} depends on no target")

    def references(self, references: Array | ArrayLike, *, shape: tuple[int, ...]) -> HostArray:
        """Check the references of all icons and return what a step needs of them.

        Args:
          references: some for each icon, (n, ...).
          shape: (h, w, channels) of the layer's activation.

        Returns:
          (n, ...): for each icon what becomes `ObjectiveInput.references`.

        Raises:
          ValueError: for references that do not fit the layer, or an objective without any.
        """
        del references, shape
        raise ValueError(f"references: expected none for {self}, which does not depend on them")

    def vector(self, activation: Array) -> Array:
        """Return what is compared with a target's direction: the activation at the centre.

        Args:
          activation: (h, w, channels).

        Returns:
          (channels,).
        """
        return center(activation)

    def direction(self, target: Array, *, channels: int) -> Array:
        """Return the direction (channels,) of a target, zero if it has none."""
        if self.kind == "directions":
            return target
        if self.kind == "channels":
            return jax.nn.one_hot(target, channels)
        return jnp.zeros(channels)

    def __add__(self, other: object) -> "Sum":
        if not isinstance(other, Objective):
            return NotImplemented
        return Sum(parts=(*_parts(self), *_parts(other)))

    def __radd__(self, other: object) -> "Objective":
        # sum() starts with 0.
        return self if isinstance(other, int) and other == 0 else NotImplemented

    def __sub__(self, other: object) -> "Sum":
        return self + -other if isinstance(other, Objective) else NotImplemented

    def __neg__(self) -> "Scaled":
        return Scaled(factor=-1.0, part=self)

    def __mul__(self, factor: object) -> "Scaled":
        number = checks.as_number(factor)
        return NotImplemented if number is None else Scaled(factor=number, part=self)

    __rmul__ = __mul__


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sum(Objective):
    """The sum of objectives, all for the same targets.

    Attributes:
      parts: the terms.
    """

    parts: tuple[Objective, ...]

    def __post_init__(self) -> None:
        """Check that all parts are objectives that take the same kind of target."""
        parts = checks.as_tuple(self.parts)
        if not parts:
            got = checks.shown(self.parts)
            raise ValueError(f"parts: expected at least one objective, got {got}")
        for part in parts:
            checks.settings("parts", part, like=Objective)
        object.__setattr__(self, "parts", parts)
        kinds = sorted({part.kind for part in self.parts if part.kind is not None})
        if len(kinds) > 1:
            raise ValueError(f"parts: expected one kind of target, got {' and '.join(kinds)}")

    @property
    def kind(self) -> str | None:
        """What targets are; None if no part depends on its target."""
        return next((part.kind for part in self.parts if part.kind is not None), None)

    @property
    def compares(self) -> bool:
        """Whether a part compares the icons of a group."""
        return any(part.compares for part in self.parts)

    @property
    def central(self) -> bool:
        """Whether all parts depend on the centre of the activation only."""
        return all(part.central for part in self.parts)

    @property
    def needs_opacity(self) -> bool:
        """Whether a part uses the opacity."""
        return any(part.needs_opacity for part in self.parts)

    @property
    def needs_references(self) -> bool:
        """Whether a part compares an icon with references."""
        return any(part.needs_references for part in self.parts)

    def __call__(self, given: ObjectiveInput, target: Array) -> Array:
        """Add the scores of the parts."""
        scores = [part(given, target) for part in self.parts]
        return sum(scores[1:], start=scores[0])

    def targets(self, targets: Array | ArrayLike, *, shape: tuple[int, ...]) -> HostArray:
        """Check the targets against every part that has any; see `Objective.targets`."""
        tables = [part.targets(targets, shape=shape) for part in self.parts if part.kind]
        return tables[0] if tables else super().targets(targets, shape=shape)

    def references(self, references: Array | ArrayLike, *, shape: tuple[int, ...]) -> HostArray:
        """Return those of the first part that needs any; see `Objective.references`."""
        for part in self.parts:
            if part.needs_references:
                return part.references(references, shape=shape)
        return super().references(references, shape=shape)

    def vector(self, activation: Array) -> Array:
        """Return that of the first part that has targets; see `Objective.vector`."""
        with_targets = [part for part in self.parts if part.kind is not None]
        return (with_targets or self.parts)[0].vector(activation)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Scaled(Objective):
    """An objective times a number.

    Attributes:
      factor: the number, at most a million in magnitude.
      part: the objective.
    """

    factor: float
    part: Objective

    def __post_init__(self) -> None:
        """Check the factor and the objective."""
        checks.field(self, "factor", checks.number, limit=_MAX_FACTOR)
        checks.field(self, "part", checks.settings, like=Objective)

    @property
    def kind(self) -> str | None:
        """What targets of the objective are."""
        return self.part.kind

    @property
    def compares(self) -> bool:
        """Whether the objective compares the icons of a group."""
        return self.part.compares

    @property
    def central(self) -> bool:
        """Whether the objective depends on the centre of the activation only."""
        return self.part.central

    @property
    def needs_opacity(self) -> bool:
        """Whether the objective uses the opacity."""
        return self.part.needs_opacity

    @property
    def needs_references(self) -> bool:
        """Whether the objective compares an icon with references."""
        return self.part.needs_references

    def __call__(self, given: ObjectiveInput, target: Array) -> Array:
        """Multiply the score."""
        return self.factor * self.part(given, target)

    def targets(self, targets: Array | ArrayLike, *, shape: tuple[int, ...]) -> HostArray:
        """Check the targets as the objective does."""
        return self.part.targets(targets, shape=shape)

    def references(self, references: Array | ArrayLike, *, shape: tuple[int, ...]) -> HostArray:
        """Check the references as the objective does."""
        return self.part.references(references, shape=shape)

    def vector(self, activation: Array) -> Array:
        """Return that of the objective; see `Objective.vector`."""
        return self.part.vector(activation)


def center(activation: Array) -> Array:
    """Return (channels,) at the centre of (h, w, channels); after the middle if even."""
    height, width, _ = activation.shape
    return activation[height // 2, width // 2]


def _parts(objective: Objective) -> tuple[Objective, ...]:
    return objective.parts if isinstance(objective, Sum) else (objective,)
