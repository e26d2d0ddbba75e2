"""Settings of the icons."""

import dataclasses
import math
from typing import Literal

import optax

from jatlas.visualize._chain import ATLAS_NOTEBOOK
from jatlas.visualize._compose import Objective
from jatlas.visualize._objectives import Direction
from jatlas.visualize._parameterize import Fourier, Parameterization
from jatlas.visualize._views import RandomViews, Views

Precision = Literal["float32", "bfloat16"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ascent:
    """How the parameters of an icon climb: Adam, with what makes it arrive sooner.

    Little momentum, looked ahead (Nesterov), suits a slope that changes with every random view,
    and a short memory of its size one that grows as an icon takes shape. With GoogLeNet's mixed4c
    it reached in 96 steps a higher mean cosine than plain Adam (0.9, 0.999, no look-ahead, 0.05)
    does in 512. The rate falls in the end, which takes the grain out.

    Attributes:
      learning_rate: the step size.
      momentum: decay of the mean of the slopes.
      memory: decay of the mean of their squares.
      nesterov: whether to look ahead along the mean of the slopes.
      cooldown: share of the steps, at the end, in which the rate falls to a tenth.
    """

    learning_rate: float = 0.12
    momentum: float = 0.6
    memory: float = 0.95
    nesterov: bool = True
    cooldown: float = 0.25

    def __post_init__(self) -> None:
        """Check the ranges."""
        if not 0 < self.learning_rate < math.inf:
            raise ValueError(f"learning_rate: expected above 0, got {self.learning_rate}")
        if not 0 <= self.momentum < 1:
            raise ValueError(f"momentum: expected at least 0, below 1, got {self.momentum}")
        if not 0 < self.memory < 1:
            raise ValueError(f"memory: expected above 0, below 1, got {self.memory}")
        if not 0 <= self.cooldown <= 1:
            raise ValueError(f"cooldown: expected a share in [0, 1], got {self.cooldown}")

    def optimizer(self, steps: int) -> optax.GradientTransformation:
        """Return what makes that many steps."""
        last = round(self.cooldown * steps)
        full = optax.constant_schedule(self.learning_rate)
        fall = optax.linear_schedule(self.learning_rate, self.learning_rate / 10, last)
        rate = optax.join_schedules([full, fall], [steps - last]) if last else self.learning_rate
        return optax.adam(rate, b1=self.momentum, b2=self.memory, nesterov=self.nesterov)


@dataclasses.dataclass(frozen=True, kw_only=True)
class RenderConfig:
    """Settings of the icons.

    The defaults are what was found to reach the article's quality soonest; `paper` has its own
    settings.

    Attributes:
      icon_size: side of an icon in pixels.
      steps: optimization steps.
      ascent: the optimizer.
      parameterization: what is optimized in place of pixels.
      views: the random views that make icons robust.
      objective: what is maximized.
      attempts: how many beginnings each icon is optimized from; the one that does best on fixed
        views is kept.
      group: how many targets, one after the other, belong together for an objective that compares
        icons (`Diversity`).
      retry_below: icons whose cosine with their direction stays below this are made once more,
        from another beginning, with ReLUs that do not block the first slopes; the better one is
        kept. 0 retries those that never came to life.
      precision: of the network; spectra and optimizer are float32 always.
    """

    icon_size: int = 80
    steps: int = 96
    ascent: Ascent = Ascent()
    parameterization: Parameterization = Fourier(decay=1.25)
    views: Views = RandomViews()
    objective: Objective = Direction(power=0.5)
    attempts: int = 1
    group: int = 1
    retry_below: float = 0.0
    precision: Precision = "float32"

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name in ("icon_size", "steps", "attempts", "group"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: expected at least 1, got {getattr(self, name)}")
        if self.attempts > 1 and self.group > 1:
            raise ValueError("attempts: expected 1 with a group, whose icons belong together")
        if self.objective.compares and self.group == 1:
            raise ValueError("group: expected at least 2 icons for an objective that compares them")
        if not -1 <= self.retry_below <= 1:
            raise ValueError(f"retry_below: expected a cosine, got {self.retry_below}")
        if self.precision not in ("float32", "bfloat16"):
            raise ValueError(f"precision: expected float32 or bfloat16, got {self.precision!r}")


def paper() -> RenderConfig:
    """Return the settings of the article's notebooks, five times the steps of the default.

    80 px, 512 steps of Adam at 0.05, lucid's spectrum, the notebooks' chain of transforms, and
    the plain dot product, which is what their objective amounts to with whitened directions.

    Reference:
      Carter et al. 2019, `activation-atlas-simple.ipynb`.
    """
    return RenderConfig(
        steps=512,
        ascent=Ascent(learning_rate=0.05, momentum=0.9, memory=0.999, nesterov=False, cooldown=0.0),
        parameterization=Fourier(),
        views=ATLAS_NOTEBOOK,
        objective=Direction(),
    )
