"""Options that several commands share."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any, Literal, TypeAlias

from tyro.conf import arg

from jatlas.visualize import (
    ATLAS_NOTEBOOK,
    MACO,
    Direction,
    Parameterization,
    Pixels,
    Precision,
    RandomViews,
    RenderConfig,
    Views,
    paper,
)

Place: TypeAlias = Annotated[str, arg(metavar="PATH")]
"""A folder or its URL: a path would drop one of the slashes of `gs://`."""

OptionalPlace: TypeAlias = Annotated[str | None, arg(metavar="PATH")]
"""A `Place`, or None."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class IconOptions:
    """Settings of the icons; what is not given is as the preset has it.

    Attributes:
      preset: "fast" reaches the article's quality in a fifth of the steps, with settings that suit
        the network; "paper" is what the article's notebooks do.
      icon_size: side of an icon in pixels.
      steps: optimization steps per icon.
      learning_rate: of the optimizer.
      power: exponent of the cosine that the dot product is multiplied with; 0 leaves it out.
      parameterization: what is optimized in place of pixels.
      view_size: side in pixels of what the network sees of the canvas at a step.
      window: smallest and largest share of the canvas' side that it sees.
      rotate: largest rotation of a view to either side, in degrees.
      restarts: initial images of each icon, the best result is kept.
      precision: that the network is run in. Without it, that of its parameters.
    """

    preset: Literal["fast", "paper"] = "fast"
    icon_size: int | None = None
    steps: int | None = None
    learning_rate: float | None = None
    power: float | None = None
    parameterization: Literal["fourier", "pixels", "maco"] | None = None
    view_size: int | None = None
    window: tuple[float, float] | None = None
    rotate: float | None = None
    restarts: int = 1
    precision: Precision | None = None

    def config(self, fast: RenderConfig) -> RenderConfig:
        """Return the settings.

        Args:
          fast: what the preset "fast" is for a network.

        Raises:
          ValueError: for a value out of range, or a window for the chain of the paper.
        """
        base = paper() if self.preset == "paper" else fast
        size = base.icon_size if self.icon_size is None else self.icon_size
        optimizer = base.optimizer
        if self.learning_rate is not None:
            optimizer = dataclasses.replace(optimizer, learning_rate=self.learning_rate)
        return dataclasses.replace(
            base,
            icon_size=size,
            steps=base.steps if self.steps is None else self.steps,
            optimizer=optimizer,
            parameterization=_parameterization(self.parameterization) or base.parameterization,
            views=self._views(base, size),
            objective=base.objective if self.power is None else Direction(power=self.power),
            restarts=self.restarts,
            precision=self.precision,
        )

    def _views(self, base: RenderConfig, icon_size: int) -> Views:
        given = {"size": self.view_size, "window": self.window, "rotate": self.rotate}
        changes: dict[str, Any] = {name: x for name, x in given.items() if x is not None}
        if isinstance(base.views, RandomViews):
            return dataclasses.replace(base.views, **changes)
        if changes:
            raise ValueError(f"{', '.join(changes)}: the preset paper has a chain of its own")
        return ATLAS_NOTEBOOK.fitted(icon_size)


def _parameterization(name: str | None) -> Parameterization | None:
    kinds: dict[str, Parameterization] = {
        "fourier": RenderConfig.parameterization,
        "pixels": Pixels(),
        "maco": MACO(),
    }
    return None if name is None else kinds[name]
