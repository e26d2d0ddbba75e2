"""Settings of the icons."""

import dataclasses
import math

from jatlas.visualize.objectives import Direction
from jatlas.visualize.transforms import RandomViews


@dataclasses.dataclass(frozen=True, kw_only=True)
class RenderConfig:
    """Settings of the icons.

    Attributes:
      icon_size: side of an icon in pixels.
      steps: optimization steps.
      learning_rate: of Adam.
      views: the random views that make icons robust.
      objective: what is maximized.

    Reference:
      Carter et al. 2019 and its notebooks: 80 px, Adam at 0.05, 512 (notebooks) to 1024
      (article) steps.
    """

    icon_size: int = 80
    steps: int = 512
    learning_rate: float = 0.05
    views: RandomViews = RandomViews()
    objective: Direction = Direction()

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name in ("icon_size", "steps"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: expected at least 1, got {getattr(self, name)}")
        if not 0 < self.learning_rate < math.inf:
            raise ValueError(f"learning_rate: expected above 0, got {self.learning_rate}")
