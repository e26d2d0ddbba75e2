"""Settings of the icons."""

import dataclasses
import itertools
from typing import Literal, get_args

import jax.numpy as jnp
import optax

from jatlas.types import Array, checks
from jatlas.visualize._chain import ATLAS_NOTEBOOK
from jatlas.visualize._compose import Objective
from jatlas.visualize._maco import MACO
from jatlas.visualize._objectives import Direction
from jatlas.visualize._parameterize import Alpha, Fourier, Parameterization, Pixels
from jatlas.visualize._views import RandomViews, Views

Precision = Literal["float32", "bfloat16"]

_FINAL = 0.1
"""The learning rate at the end of a cooldown, as a fraction of that before it."""

_MAX_STEPS = 1_000_000
_MAX_RESTARTS = 1000


@dataclasses.dataclass(frozen=True, kw_only=True)
class Adam:
    """Adam (Kingma and Ba 2015) with Nesterov momentum and a cooldown.

    A small b1 with Nesterov's look-ahead suits gradients that change with every random view, and
    a small b2 gradients that grow as an icon takes shape. With GoogLeNet's mixed4c it reached in
    96 steps a higher mean cosine than plain Adam (b1 0.9, b2 0.999, without Nesterov, learning
    rate 0.05) does in 512. The cooldown removes grain.

    Attributes:
      learning_rate: the step size, at most 1000.
      b1: decay of the mean of the gradients.
      b2: decay of the mean of their squares.
      nesterov: whether to use Nesterov momentum (Dozat 2016).
      cooldown: fraction of the steps, at the end, over which the learning rate falls linearly to
        a tenth.
    """

    learning_rate: float = 0.12
    b1: float = 0.6
    b2: float = 0.95
    nesterov: bool = True
    cooldown: float = 0.25

    def __post_init__(self) -> None:
        """Check the ranges."""
        checks.field(self, "learning_rate", checks.number, above=0, limit=1000)
        checks.field(self, "b1", checks.number, minimum=0, below=1)
        checks.field(self, "b2", checks.number, above=0, below=1)
        checks.field(self, "nesterov", checks.flag)
        share = "a fraction in [0, 1]"
        checks.field(self, "cooldown", checks.number, minimum=0, maximum=1, expected=share)

    def transformation(self, steps: int | Array) -> optax.GradientTransformation:
        """Return the optax transformation for that many steps.

        Args:
          steps: number of steps. It may be traced: one program then serves any number.

        Raises:
          ValueError: for a number of steps below 1.

        Example:
          >>> adam = Adam(learning_rate=0.5).transformation(8)
          >>> update, _ = adam.update(jnp.array(2.0), adam.init(jnp.array(0.0)))
          >>> bool(update < 0)  # down the gradient
          True
        """
        if not checks.is_traced(steps):
            steps = checks.whole("steps", steps)
        total = jnp.asarray(steps, jnp.float32)
        falling = jnp.round(self.cooldown * total)

        def rate(number: Array) -> Array:
            share = (number.astype(jnp.float32) - (total - falling)) / jnp.maximum(falling, 1)
            return self.learning_rate * (1 - (1 - _FINAL) * jnp.clip(share, 0, 1))

        return optax.adam(rate, b1=self.b1, b2=self.b2, nesterov=self.nesterov)


@dataclasses.dataclass(frozen=True, kw_only=True)
class RenderConfig:
    """Settings of the icons.

    The defaults reach the article's quality in the fewest steps of all settings that were tried;
    `paper` returns the article's own.

    Attributes:
      icon_size: side of an icon in pixels, at most 4096.
      steps: optimization steps, at most a million.
      optimizer: what moves the parameters.
      parameterization: what is optimized instead of pixels.
      views: distribution of the random views, which make icons robust.
      objective: what is maximized.
      restarts: initial images that each icon is optimized from, at most 1000; the result with the
        best score in fixed views is kept.
      halve_at: fractions of the steps, increasing, after which the better half of an icon's
        restarts goes on, by the score in fixed views, and the others are dropped. Before some 24
        steps, the score says little of how a restart will end. Empty takes all of them through
        all steps.
      group: consecutive targets that belong together for an objective that compares icons
        (`Diversity`).
      retry_below: icons whose cosine with their direction is at most this are optimized once more,
        from another initial image and with redirected gradients of closed ReLUs in the first
        steps; the better result is kept. 0 retries icons that never activated their direction, -1
        none. The cosine is of what the objective looks at, see `Objective.vector`.
      precision: that the network is run in: its parameters and the image are cast to it. None
        leaves the parameters as they are, and the image is float32. Parameters of icons and
        optimizer are always float32.

    Example:
      >>> RenderConfig(steps=512, restarts=2).optimizer.b1
      0.6
    """

    icon_size: int = 80
    steps: int = 96
    optimizer: Adam = Adam()
    parameterization: Parameterization = Fourier(decay=1.25)
    views: Views = RandomViews()
    objective: Objective = Direction(power=0.5)
    restarts: int = 1
    halve_at: tuple[float, ...] = ()
    group: int = 1
    retry_below: float = 0.0
    precision: Precision | None = None

    def __post_init__(self) -> None:
        """Check the settings, alone and together."""
        checks.field(self, "icon_size", checks.whole, maximum=checks.MAX_SIDE)
        checks.field(self, "steps", checks.whole, maximum=_MAX_STEPS)
        checks.field(self, "optimizer", checks.instance, kinds=(Adam,))
        checks.field(self, "parameterization", checks.settings, like=Parameterization)
        checks.field(self, "views", checks.settings, like=Views)
        checks.field(self, "objective", checks.settings, like=Objective)
        checks.field(self, "restarts", checks.whole, maximum=_MAX_RESTARTS)
        increasing = "fractions between 0 and 1, increasing"
        checks.field(
            self, "halve_at", checks.numbers, least=0, above=0, below=1, expected=increasing
        )
        if any(a >= b for a, b in itertools.pairwise(self.halve_at)):
            raise ValueError(f"halve_at: expected {increasing}, got {self.halve_at}")
        checks.field(self, "group", checks.whole)
        checks.field(self, "retry_below", checks.number, minimum=-1, maximum=1, expected="a cosine")
        checks.field(
            self, "precision", checks.choice,
            optional=True, options=get_args(Precision), expected="float32 or bfloat16",
        )  # fmt: skip
        self._check_together()

    def legs(self) -> tuple[tuple[int, int], ...]:
        """Return the legs of an icon's optimization: the step at which each ends, its restarts.

        Example:
          >>> RenderConfig(restarts=4, halve_at=(0.25, 0.5)).legs()
          ((24, 4), (48, 2), (96, 1))
          >>> RenderConfig(restarts=4).legs()
          ((96, 4),)
        """
        found, alive, last = [], self.restarts, 0
        for share in self.halve_at:
            end = round(share * self.steps)
            if alive > 1 and last < end < self.steps:
                found.append((end, alive))
                alive, last = -(-alive // 2), end
        return (*found, (self.steps, alive))

    def icon_steps(self) -> int:
        """Return the steps of all restarts of an icon together.

        Example:
          >>> RenderConfig(restarts=4, halve_at=(0.25, 0.5)).icon_steps()  # 24 x 4 + 24 x 2 + 48
          192
        """
        total = first = 0
        for last, alive in self.legs():
            total, first = total + (last - first) * alive, last
        return total

    def _check_together(self) -> None:
        """Raise ValueError for what fails only in combination: else at the first step."""
        if self.restarts > 1 and self.group > 1:
            raise ValueError("restarts: expected 1 with a group, whose icons belong together")
        if self.objective.compares and self.group == 1:
            raise ValueError("group: expected at least 2 icons for an objective that compares them")
        known = isinstance(self.parameterization, Fourier | Pixels | MACO)
        if self.objective.needs_opacity and known:
            raise ValueError("parameterization: expected Alpha for an objective with Opacity")
        self.views.typical(self.icon_size)  # a chain may leave nothing of a small canvas
        opaque = self.parameterization
        if isinstance(opaque, Alpha):
            opaque = opaque.color
        if isinstance(opaque, Fourier | MACO):
            opaque.check_size(self.icon_size)


def paper() -> RenderConfig:
    """Return the settings of the article's notebooks, five times the steps of the default.

    80 px, 512 steps of Adam at 0.05, lucid's spectrum, the notebooks' chain of transforms, and
    the plain dot product, to which their objective reduces for whitened directions.

    Reference:
      Carter et al. 2019, `activation-atlas-simple.ipynb`.
    """
    return RenderConfig(
        steps=512,
        optimizer=Adam(learning_rate=0.05, b1=0.9, b2=0.999, nesterov=False, cooldown=0.0),
        parameterization=Fourier(),
        views=ATLAS_NOTEBOOK,
        objective=Direction(),
    )
