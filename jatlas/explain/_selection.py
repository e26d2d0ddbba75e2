"""Which samples matter for a class.

Reference:
  Carter et al., "Activation Atlas", Distill 2019, section on class activation atlases, and the
  notebook class-activation-atlas of lucid.
"""

import dataclasses
from typing import Literal, Self, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from jatlas.arrange import TSNE, UMAP
from jatlas.types import Array, HostArray

Rule: TypeAlias = Literal["winner", "magnitude", "either"]

_BLOCK = 65536
_MOST = 2000


@dataclasses.dataclass(frozen=True, kw_only=True)
class Choice:
    """Which samples matter for a class, and how they are laid out.

    Attributes:
      rule: which samples matter: "winner", those that speak for the class more than for others;
        "magnitude", those that speak for it most; "either".
      rank: a winner has the class among its first this many.
      most: by magnitude, at most this many samples; None lets it follow the sample, see `fitted`.
      size: cells along each side.
      min_count: samples a cell must hold to get an icon.
      layout: settings of the layout, UMAP's or t-SNE's.

    Reference:
      The article's notebook joins both rules, counting a sample that meets both twice; here each
      counts once. It asks for 4 samples a cell; 20 / 0.02 / cosine are the published layouts.
    """

    rule: Rule = "either"
    rank: int = 1
    most: int | None = None
    size: int
    min_count: int = 4
    layout: UMAP | TSNE = UMAP(n_neighbors=20, min_dist=0.02)

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.rule not in ("winner", "magnitude", "either"):
            raise ValueError(f"rule: expected 'winner', 'magnitude' or 'either', got {self.rule!r}")
        for name in ("rank", "most", "size", "min_count"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name}: expected at least 1, got {value}")

    def fitted(self, samples: int) -> Self:
        """Return the choice with a number for `most`.

        The article takes 2000 of a million samples. Of the 14,000 that 700 images give, the last
        of 2000 would say a twentieth of what the first says for the class, and most of the map
        would be of other things. So by default it is 3 in 100, the last of which say a sixth to a
        third; but no fewer than fill the cells, and no more than the article takes.

        Args:
          samples: how many there are to choose from.

        Returns:
          The choice itself if it has a number.
        """
        if self.most is not None:
            return self
        fill = self.size**2 * self.min_count
        return dataclasses.replace(self, most=min(max(3 * samples // 100, fill), _MOST))


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClassConfig(Choice):
    """What decides the map of one class: a `Choice`, of 8 x 8 cells as the published ones."""

    size: int = 8


@dataclasses.dataclass(frozen=True, kw_only=True)
class ComparisonConfig(Choice):
    """What decides the map of two classes: a `Choice` for each, and how far apart they lie.

    Attributes:
      percentile: the difference of evidence at this percentile of its size reaches the edge; None
        lets it follow the sample, see `reach`.

    Reference:
      The published comparisons: 10 x 10, the 99th percentile. They order the samples from top to
      bottom by t-SNE, `TSNE(learning_rate=10)`; this by UMAP, as the class maps.
    """

    size: int = 10
    percentile: float | None = None

    def __post_init__(self) -> None:
        """Check the ranges."""
        super().__post_init__()
        if self.percentile is not None and not 0 < self.percentile <= 100:
            raise ValueError(f"percentile: expected above 0, up to 100, got {self.percentile}")

    def reach(self, samples: int) -> float:
        """Return the percentile for a map.

        A few samples differ far more than all others, and crowd these in the middle. By default as
        many are moved to the edges as fill one column of cells: one in a hundred of the article's
        4673, which is its 99th percentile, and one in 17 of 700; at most one in ten.

        Args:
          samples: how many the map shows.
        """
        if self.percentile is not None:
            return self.percentile
        return 100 * (1 - min(self.size * self.min_count / max(samples, 1), 0.1))


def winners(evidence: Array | HostArray, *, index: int, rank: int = 1) -> HostArray:
    """Choose the samples that have a class among the first `rank` of their evidence.

    Of classes with equal evidence the first counts more; a sample that speaks against the class,
    or not for it, is no winner.

    Args:
      evidence: (n, classes).
      index: of the class.
      rank: how far down the class may stand.

    Returns:
      (m,) int64 numbers of samples, ascending.

    Raises:
      ValueError: if there is no such class.
    """
    check_class(evidence, index)
    blocks = range(0, len(evidence), _BLOCK)  # a million rows need not be on the device at once
    won = [_wins(jnp.asarray(evidence[i : i + _BLOCK]), index, rank) for i in blocks]
    return np.flatnonzero(np.concatenate([np.zeros(0, bool), *won]))


@jax.jit
def _wins(evidence: Array, index: int, rank: int) -> Array:
    own = evidence[:, index, None]
    before = jnp.arange(evidence.shape[1]) < index
    above = ((evidence > own) | ((evidence == own) & before)).sum(1)
    return (above < rank) & (own[:, 0] > 0)


def largest(evidence: Array | HostArray, *, index: int, most: int = _MOST) -> HostArray:
    """Choose the samples that speak for a class most; none that do not speak for it.

    Args:
      evidence: (n, classes).
      index: of the class.
      most: how many, at most; of samples with equal evidence the first are taken.

    Returns:
      (m,) int64 numbers of samples, ascending.

    Raises:
      ValueError: if there is no such class.
    """
    check_class(evidence, index)
    own = np.asarray(evidence[:, index])
    best = np.argsort(-own, kind="stable")[:most]
    return np.sort(best[own[best] > 0])


def choose(evidence: Array | HostArray, *, index: int, config: Choice) -> HostArray:
    """Choose the samples that matter for a class, each once.

    Args:
      evidence: (n, classes).
      index: of the class.
      config: which those are.

    Returns:
      (m,) int64 numbers of samples, ascending.

    Raises:
      ValueError: if there is no such class.
    """
    chosen = np.zeros(len(evidence), bool)
    if config.rule in ("winner", "either"):
        chosen[winners(evidence, index=index, rank=config.rank)] = True
    if config.rule in ("magnitude", "either"):
        most = config.fitted(len(evidence)).most
        assert most is not None
        chosen[largest(evidence, index=index, most=most)] = True
    return np.flatnonzero(chosen)


def check_class(evidence: Array | HostArray, index: int) -> None:
    """Raise ValueError unless a class is one of those that there is evidence for."""
    classes = evidence.shape[-1]
    if not 0 <= index < classes:
        raise ValueError(f"class: expected an index from 0 to {classes - 1}, got {index}")
