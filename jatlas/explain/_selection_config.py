"""Settings of class maps and comparison maps: which samples they show.

Reference:
  Carter et al., "Activation Atlas", Distill 2019, section on class activation atlases, and the
  notebook class-activation-atlas of lucid.
"""

import dataclasses
from typing import Literal, Self, TypeAlias, get_args

from jatlas.arrange import TSNE, UMAP
from jatlas.types import checks

Rule: TypeAlias = Literal["winner", "magnitude", "either"]
"""Which samples matter for a class: those it wins, those with the most evidence, or both."""

MAX_SAMPLES = 2000
"""Samples by magnitude that the article shows, of a million."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class SelectionConfig:
    """Which samples matter for a class, and how they are laid out.

    Attributes:
      rule: which samples matter: "winner", those with more evidence for the class than for others;
        "magnitude", those with the most evidence for it; "either".
      rank: a sample is a winner if the class is among its top `rank` classes.
      max_samples: maximum number of samples by magnitude; None chooses it by the number of
        samples, see `fitted`.
      size: cells along each side, at most 4096.
      min_count: samples a cell must hold to get an icon.
      layout: settings of the layout, UMAP's or t-SNE's.

    Reference:
      The article's notebook joins both rules, counting a sample that meets both twice; here each
      counts once. It asks for 4 samples a cell; 20 / 0.02 / cosine are the published layouts.
    """

    rule: Rule = "either"
    rank: int = 1
    max_samples: int | None = None
    size: int
    min_count: int = 4
    layout: UMAP | TSNE = UMAP(n_neighbors=20, min_dist=0.02)

    def __post_init__(self) -> None:
        """Check the settings."""
        checks.field(self, "rule", checks.choice, options=get_args(Rule))
        checks.field(self, "rank", checks.whole)
        checks.field(self, "max_samples", checks.whole, optional=True)
        checks.field(self, "size", checks.whole, maximum=checks.MAX_SIDE)
        checks.field(self, "min_count", checks.whole)
        checks.field(self, "layout", checks.instance, kinds=(UMAP, TSNE))

    def fitted(self, samples: int) -> Self:
        """Return the config with a number for `max_samples`.

        The article takes 2000 of a million samples. Of the 14,000 that 700 images give, the last
        of 2000 would have a twentieth of the first one's evidence for the class, and most of the
        map would show other things. So by default it is 3 in 100, the last of which have a sixth
        to a third; but no fewer than fill the cells, and no more than the article takes.

        Args:
          samples: how many there are to select from.

        Returns:
          The config itself if it has a number.

        Example:
          >>> ClassSelection().fitted(14_000).max_samples
          420
        """
        samples = checks.whole("samples", samples, minimum=0)
        if self.max_samples is not None:
            return self
        fill = self.size**2 * self.min_count
        number = min(max(3 * samples // 100, fill), MAX_SAMPLES)
        return dataclasses.replace(self, max_samples=number)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClassSelection(SelectionConfig):
    """Settings of the map of one class: 8 x 8 cells, as the published ones."""

    size: int = 8


@dataclasses.dataclass(frozen=True, kw_only=True)
class ComparisonSelection(SelectionConfig):
    """Settings of the map of two classes: a selection for each, and how they are spread.

    Attributes:
      percentile: the absolute difference of evidence at this percentile reaches the edge; None
        chooses it by the number of samples, see `edge_percentile`.

    Reference:
      The published comparisons: 10 x 10, the 99th percentile. They order the samples from top to
      bottom by t-SNE, `TSNE(learning_rate=10)`; this by UMAP, as the class maps.
    """

    size: int = 10
    percentile: float | None = None

    def __post_init__(self) -> None:
        """Check the settings."""
        super().__post_init__()
        checks.field(self, "percentile", checks.number, optional=True, above=0, maximum=100)

    def edge_percentile(self, samples: int) -> float:
        """Return the percentile for a map.

        A few samples differ far more than all others, and crowd these in the middle. By default
        the number moved to the edges is what fills one column of cells: one in a hundred of the
        article's 4673, which is its 99th percentile, and one in 17 of 700; at most one in ten.

        Args:
          samples: how many the map shows.

        Returns:
          `percentile` itself if it is set.

        Example:
          >>> round(ComparisonSelection().edge_percentile(4673), 1)
          99.1
        """
        samples = checks.whole("samples", samples, minimum=0)
        if self.percentile is not None:
            return self.percentile
        return 100 * (1 - min(self.size * self.min_count / max(samples, 1), 0.1))
