"""Class atlases and comparison atlases: which samples of a layer they show, and where.

Both are chosen and laid out here, from the samples that a layer's atlas holds; averaging and
icons are then those of any other map.

Reference:
  Carter et al., "Activation Atlas", Distill 2019, section on class activation atlases, and the
  notebook class-activation-atlas of lucid.
"""

import dataclasses
from typing import Literal, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from jatlas.arrange.layout import FEWEST, UMAPConfig, normalize, umap_layout
from jatlas.types import Array, HostArray, Key

Rule: TypeAlias = Literal["winner", "magnitude", "either"]

_BLOCK = 65536
_LAYOUT = UMAPConfig(n_neighbors=20, min_dist=0.02)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClassConfig:
    """What decides the map of one class.

    Attributes:
      rule: which samples matter: "winner", those that speak for the class more than for others;
        "magnitude", those that speak for it most; "either".
      rank: a winner has the class among its first this many.
      most: by magnitude, at most this many samples.
      size: cells along each side.
      min_count: samples a cell must hold to get an icon.
      layout: settings of the layout.

    Reference:
      The published class atlases: 2000 samples, 8 x 8, 20 / 0.02 / cosine. The notebook joins both
      rules, counting a sample that meets both twice; here each counts once. It asks for 4 samples
      a cell.
    """

    rule: Rule = "either"
    rank: int = 1
    most: int = 2000
    size: int = 8
    min_count: int = 4
    layout: UMAPConfig = _LAYOUT

    def __post_init__(self) -> None:
        """Check the ranges."""
        _check(self)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ComparisonConfig:
    """What decides the map of two classes.

    Attributes:
      rule, rank, most: which samples of each class matter, as for the map of one class.
      size: cells along each side.
      min_count: samples a cell must hold to get an icon.
      percentile: the difference of evidence at this percentile of its size reaches the edge.
      layout: settings of the one-dimensional layout from top to bottom.

    Reference:
      The published comparisons: 10 x 10, the 99th percentile. They order the samples from top to
      bottom by t-SNE; this by UMAP, with the settings of the class atlases.
    """

    rule: Rule = "either"
    rank: int = 1
    most: int = 2000
    size: int = 10
    min_count: int = 4
    percentile: float = 99.0
    layout: UMAPConfig = _LAYOUT

    def __post_init__(self) -> None:
        """Check the ranges."""
        _check(self)
        if not 0 < self.percentile <= 100:
            raise ValueError(f"percentile: expected above 0, up to 100, got {self.percentile}")


def _check(config: ClassConfig | ComparisonConfig) -> None:
    if config.rule not in ("winner", "magnitude", "either"):
        raise ValueError(f"rule: expected 'winner', 'magnitude' or 'either', got {config.rule!r}")
    for name in ("rank", "most", "size", "min_count"):
        if getattr(config, name) < 1:
            raise ValueError(f"{name}: expected at least 1, got {getattr(config, name)}")


class Chosen(NamedTuple):
    """The samples of a map and where they lie.

    Attributes:
      rows: (m,) int64 numbers of samples, ascending, each once.
      points: (m, 2) float32 of x to the right and y down, in the unit square.
    """

    rows: HostArray
    points: HostArray


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
    _check_class(evidence, index)
    blocks = range(0, len(evidence), _BLOCK)  # a million rows need not be on the device at once
    won = [_wins(jnp.asarray(evidence[i : i + _BLOCK]), index, rank) for i in blocks]
    return np.flatnonzero(np.concatenate([np.zeros(0, bool), *won]))


@jax.jit
def _wins(evidence: Array, index: int, rank: int) -> Array:
    own = evidence[:, index, None]
    before = jnp.arange(evidence.shape[1]) < index
    above = ((evidence > own) | ((evidence == own) & before)).sum(1)
    return (above < rank) & (own[:, 0] > 0)


def largest(evidence: Array | HostArray, *, index: int, most: int = 2000) -> HostArray:
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
    _check_class(evidence, index)
    own = np.asarray(evidence[:, index])
    best = np.argsort(-own, kind="stable")[:most]
    return np.sort(best[own[best] > 0])


def choose(
    evidence: Array | HostArray, *, index: int, config: ClassConfig | ComparisonConfig
) -> HostArray:
    """Choose the samples that matter for a class by the rule of a config, each once.

    Args:
      evidence: (n, classes).
      index: of the class.
      config: its `rule`, `rank` and `most` are used.

    Returns:
      (m,) int64 numbers of samples, ascending.

    Raises:
      ValueError: if there is no such class.
    """
    chosen = np.zeros(len(evidence), bool)
    if config.rule in ("winner", "either"):
        chosen[winners(evidence, index=index, rank=config.rank)] = True
    if config.rule in ("magnitude", "either"):
        chosen[largest(evidence, index=index, most=config.most)] = True
    return np.flatnonzero(chosen)


def class_map(
    vectors: Array | HostArray,
    evidence: Array | HostArray,
    *,
    index: int,
    key: Key,
    config: ClassConfig | None = None,
    progress: bool = True,
) -> Chosen:
    """Choose the samples that matter for a class and lay them out.

    Args:
      vectors: (n, channels) activation vectors.
      evidence: (n, classes) of each.
      index: of the class.
      key: seeds the layout.
      config: settings; None means `ClassConfig()`.
      progress: whether to show progress bars.

    Returns:
      Chosen.

    Raises:
      ValueError: if there is no such class, or too few samples matter for a layout.
    """
    config = ClassConfig() if config is None else config
    rows = choose(evidence, index=index, config=config)
    _check_enough(rows, f"class {index}")
    table = np.asarray(vectors)[rows]
    points = umap_layout(table, key=key, config=config.layout, progress=progress)
    return Chosen(rows, normalize(points))


def comparison_map(
    vectors: Array | HostArray,
    evidence: Array | HostArray,
    *,
    left: int,
    right: int,
    key: Key,
    config: ComparisonConfig | None = None,
    progress: bool = True,
) -> Chosen:
    """Choose the samples that matter for either of two classes and lay them out between them.

    From left to right they speak less for the first and more for the second; halfway, for both
    alike. From top to bottom like ones are near each other.

    Args:
      vectors: (n, channels) activation vectors.
      evidence: (n, classes) of each.
      left: index of the class on the left.
      right: index of the class on the right.
      key: seeds the layout.
      config: settings; None means `ComparisonConfig()`.
      progress: whether to show progress bars.

    Returns:
      Chosen.

    Raises:
      ValueError: if there is no such class, both are one, or too few samples matter for a layout.
    """
    if left == right:
        raise ValueError(f"right: expected another class than left, got {right} for both")
    config = ComparisonConfig() if config is None else config
    own, other = (choose(evidence, index=index, config=config) for index in (left, right))
    rows = np.union1d(own, other)
    _check_enough(rows, f"classes {left} and {right}")
    x = balance(np.asarray(evidence)[rows], left=left, right=right, percentile=config.percentile)
    table = np.asarray(vectors)[rows]
    line = umap_layout(table, key=key, config=config.layout, dimensions=1, progress=progress)
    return Chosen(rows, np.concatenate([x[:, None], normalize(line)], axis=1))


def balance(
    evidence: Array | HostArray, *, left: int, right: int, percentile: float = 99.0
) -> HostArray:
    """Place samples between two classes by the difference of their evidence.

    Args:
      evidence: (n, classes).
      left: index of the class at 0.
      right: index of the class at 1.
      percentile: the difference at this percentile of its size reaches 0 or 1, as all do that
        are larger.

    Returns:
      (n,) float32 in [0, 1]; 0.5 for what speaks for both alike.

    Raises:
      ValueError: if there is no such class.
    """
    _check_class(evidence, left)
    _check_class(evidence, right)
    table = np.asarray(evidence)
    difference = table[:, right].astype(np.float32) - table[:, left].astype(np.float32)
    scale = np.percentile(np.abs(difference), percentile) if len(difference) else 0.0
    scaled = np.clip(difference / scale, -1, 1) if scale > 0 else np.zeros_like(difference)
    return ((scaled + 1) / 2).astype(np.float32)


def _check_class(evidence: Array | HostArray, index: int) -> None:
    classes = evidence.shape[-1]
    if not 0 <= index < classes:
        raise ValueError(f"class: expected an index from 0 to {classes - 1}, got {index}")


def _check_enough(rows: HostArray, what: str) -> None:
    if len(rows) < FEWEST:
        raise ValueError(
            f"{what}: a layout needs at least {FEWEST} samples, {len(rows)} speak for it: use more "
            "images, more positions per image, or a later layer"
        )
