"""What an objective is: what it sees, what it is aimed at, and sums and multiples of objectives."""

import abc
import dataclasses
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from jatlas.types import Array, HostArray


class Seen(NamedTuple):
    """What an objective judges an icon by.

    Attributes:
      activation: (h, w, channels) of the layer, for the current view of the icon; (1, 1, channels)
        of its centre for an objective that is `central`.
      image: (size, size, 3) the whole canvas of the icon, in [0, 1].
      alpha: (size, size) its opacity in [0, 1]; None for an icon that has none.
    """

    activation: Array
    image: Array
    alpha: Array | None = None


class Objective(abc.ABC):
    """What is maximized: (seen, target) -> scalar. Subclasses are frozen dataclasses.

    Sums, differences and multiples by a number are objectives too.
    """

    @property
    def kind(self) -> str | None:
        """What a target is, in the plural; None where the target is not looked at."""
        return None

    @property
    def compares(self) -> bool:
        """Whether the icons of a group are looked at together, along the axis `GROUP`."""
        return False

    @property
    def central(self) -> bool:
        """Whether of the activation only the centre is looked at, which may spare the rest."""
        return False

    @abc.abstractmethod
    def __call__(self, seen: Seen, target: Array) -> Array:
        """Score what is seen of one icon against its target."""

    def targets(self, targets: Array | ArrayLike, *, shape: tuple[int, ...]) -> HostArray:
        """Check the targets of all icons and return them as a table.

        Args:
          targets: one for each icon.
          shape: (h, w, channels) of the layer's activation.

        Returns:
          (n, ...): the target of each icon.

        Raises:
          ValueError: for targets that do not fit the layer, or an objective that has none.
        """
        del targets, shape
        raise ValueError(f"objective: nothing is maximized, {self} looks at no target")

    def direction(self, target: Array, *, channels: int) -> Array:
        """Return the direction (channels,) that a target stands for, zero where it has none."""
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
        # What sum() begins with.
        return self if isinstance(other, int) and other == 0 else NotImplemented

    def __sub__(self, other: object) -> "Sum":
        return self + -other if isinstance(other, Objective) else NotImplemented

    def __neg__(self) -> "Scaled":
        return Scaled(factor=-1.0, part=self)

    def __mul__(self, factor: object) -> "Scaled":
        if not isinstance(factor, int | float | np.integer | np.floating):
            return NotImplemented
        return Scaled(factor=float(factor), part=self)

    __rmul__ = __mul__


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sum(Objective):
    """The sum of objectives, all for the same targets.

    Attributes:
      parts: what is added.
    """

    parts: tuple[Objective, ...]

    def __post_init__(self) -> None:
        """Check that the parts look at one kind of target."""
        if not self.parts:
            raise ValueError("parts: expected at least one objective")
        kinds = sorted({part.kind for part in self.parts if part.kind is not None})
        if len(kinds) > 1:
            raise ValueError(f"parts: expected one kind of target, got {' and '.join(kinds)}")

    @property
    def kind(self) -> str | None:
        """What a target is; None where no part looks at it."""
        return next((part.kind for part in self.parts if part.kind is not None), None)

    @property
    def compares(self) -> bool:
        """Whether a part looks at the icons of a group together."""
        return any(part.compares for part in self.parts)

    @property
    def central(self) -> bool:
        """Whether no part looks beyond the centre."""
        return all(part.central for part in self.parts)

    def __call__(self, seen: Seen, target: Array) -> Array:
        """Add the scores of the parts."""
        scores = [part(seen, target) for part in self.parts]
        return sum(scores[1:], start=scores[0])

    def targets(self, targets: Array | ArrayLike, *, shape: tuple[int, ...]) -> HostArray:
        """Check the targets against every part that looks at them; see `Objective.targets`."""
        tables = [part.targets(targets, shape=shape) for part in self.parts if part.kind]
        return tables[0] if tables else super().targets(targets, shape=shape)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Scaled(Objective):
    """An objective times a number.

    Attributes:
      factor: the number.
      part: the objective.
    """

    factor: float
    part: Objective

    def __post_init__(self) -> None:
        """Check the factor."""
        if not math.isfinite(self.factor):
            raise ValueError(f"factor: expected a finite number, got {self.factor}")

    @property
    def kind(self) -> str | None:
        """What a target is to the objective."""
        return self.part.kind

    @property
    def compares(self) -> bool:
        """Whether the objective looks at the icons of a group together."""
        return self.part.compares

    @property
    def central(self) -> bool:
        """Whether the objective does not look beyond the centre."""
        return self.part.central

    def __call__(self, seen: Seen, target: Array) -> Array:
        """Multiply the score."""
        return self.factor * self.part(seen, target)

    def targets(self, targets: Array | ArrayLike, *, shape: tuple[int, ...]) -> HostArray:
        """Check the targets as the objective does."""
        return self.part.targets(targets, shape=shape)


def _parts(objective: Objective) -> tuple[Objective, ...]:
    return objective.parts if isinstance(objective, Sum) else (objective,)
