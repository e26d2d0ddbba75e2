"""Class maps and comparison maps: which samples of a layer they show, and where.

Samples are selected and laid out here, from those that a layer's map holds; averages and icons are
then computed as for any other map.

Reference:
  Carter et al., "Activation Atlas", Distill 2019, section on class activation atlases, and the
  notebook class-activation-atlas of lucid.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jatlas.arrange import MIN_SAMPLES, layout, to_unit_square
from jatlas.explain._selection_config import (
    MAX_SAMPLES,
    ClassSelection,
    ComparisonSelection,
    SelectionConfig,
)
from jatlas.types import Array, HostArray, Key, checks

_BLOCK = 65536  # rows of evidence on the device at once


class Selection(NamedTuple):
    """The samples of a map and where they lie.

    Attributes:
      rows: (m,) int64 numbers of samples, ascending and unique.
      points: (m, 2) float32 of x to the right and y down, in the unit square.
    """

    rows: HostArray
    points: HostArray


def select_class(
    vectors: Array | HostArray,
    evidence: Array | HostArray,
    *,
    index: int,
    key: Key,
    config: ClassSelection | None = None,
    progress: bool = True,
) -> Selection:
    """Select the samples that matter for a class and lay them out.

    A host function: it runs outside `jit`.

    Args:
      vectors: (n, channels) activation vectors.
      evidence: (n, classes) class evidence of each.
      index: index of the class.
      key: seeds the layout.
      config: settings; None means `ClassSelection()`.
      progress: whether to show progress bars.

    Returns:
      Selection.

    Raises:
      ValueError: if there is no such class, vectors and evidence differ in number, or too few
        samples matter for a layout.
    """
    _check_pairs(vectors, evidence)
    config = ClassSelection() if config is None else config
    rows = select_samples(evidence, index=index, config=config)
    _check_enough(rows, f"class {index}")
    table = np.asarray(vectors)[rows]
    points = layout(table, key=key, config=config.layout, progress=progress)
    return Selection(rows, np.asarray(to_unit_square(points)))


def select_comparison(
    vectors: Array | HostArray,
    evidence: Array | HostArray,
    *,
    left: int,
    right: int,
    key: Key,
    config: ComparisonSelection | None = None,
    progress: bool = True,
) -> Selection:
    """Select the samples that matter for either of two classes and lay them out between them.

    From left to right, the evidence shifts from the first class to the second; halfway it is the
    same for both. From top to bottom, similar samples are near each other.

    A host function: it runs outside `jit`.

    Args:
      vectors: (n, channels) activation vectors.
      evidence: (n, classes) class evidence of each.
      left: index of the class on the left.
      right: index of the class on the right.
      key: seeds the layout.
      config: settings; None means `ComparisonSelection()`.
      progress: whether to show progress bars.

    Returns:
      Selection.

    Raises:
      ValueError: if there is no such class, both are the same, vectors and evidence differ in
        number, or too few samples matter for a layout.
    """
    _check_pairs(vectors, evidence)
    if left == right:
        raise ValueError(f"right: expected another class than left, got {right} for both")
    config = ComparisonSelection() if config is None else config
    rows = np.union1d(
        select_samples(evidence, index=left, config=config),
        select_samples(evidence, index=right, config=config),
    )
    _check_enough(rows, f"classes {left} and {right}")
    percentile = config.edge_percentile(len(rows))
    x = balance(np.asarray(evidence)[rows], left=left, right=right, percentile=percentile)
    table = np.asarray(vectors)[rows]
    line = layout(table, key=key, config=config.layout, dimensions=1, progress=progress)
    y = np.asarray(to_unit_square(line))
    return Selection(rows, np.concatenate([x[:, None], y], axis=1))


def balance(
    evidence: Array | HostArray, *, left: int, right: int, percentile: float = 99.0
) -> HostArray:
    """Place samples between two classes by the difference of their evidence.

    A host function: it runs outside `jit`.

    Args:
      evidence: (n, classes).
      left: index of the class at 0.
      right: index of the class at 1.
      percentile: the absolute difference at this percentile reaches 0 or 1, as do all larger ones.

    Returns:
      (n,) float32 in [0, 1]; 0.5 where both classes have the same evidence.

    Raises:
      ValueError: if there is no such class, or the percentile is not above 0 and at most 100.

    Example:
      >>> balance(np.array([[2.0, 0.0], [1.0, 1.0], [0.0, 1.0]]), left=0, right=1, percentile=100)
      array([0.  , 0.5 , 0.75], dtype=float32)
    """
    left, right = check_class(evidence, left), check_class(evidence, right)
    percentile = checks.number("percentile", percentile, above=0, maximum=100)
    table = np.asarray(evidence)
    difference = table[:, right].astype(np.float32) - table[:, left].astype(np.float32)
    scale = np.percentile(np.abs(difference), percentile) if len(difference) else 0.0
    scaled = np.clip(difference / scale, -1, 1) if scale > 0 else np.zeros_like(difference)
    return ((scaled + 1) / 2).astype(np.float32)


def select_samples(
    evidence: Array | HostArray, *, index: int, config: SelectionConfig
) -> HostArray:
    """Select the samples that matter for a class, each once.

    A host function: it runs outside `jit`.

    Args:
      evidence: (n, classes).
      index: index of the class.
      config: the rule, its rank and its maximum.

    Returns:
      (m,) int64 numbers of samples, ascending.

    Raises:
      ValueError: if there is no such class.

    Example:
      >>> table = np.array([[3.0, 1.0], [2.0, 5.0], [1.0, 0.0], [-1.0, -2.0]])
      >>> select_samples(table, index=0, config=ClassSelection(max_samples=2))
      array([0, 1, 2])
    """
    selected = np.zeros(len(evidence), bool)
    if config.rule in ("winner", "either"):
        selected[winners(evidence, index=index, rank=config.rank)] = True
    if config.rule in ("magnitude", "either"):
        number = config.fitted(len(evidence)).max_samples
        assert number is not None
        selected[largest(evidence, index=index, max_samples=number)] = True
    return np.flatnonzero(selected)


def winners(evidence: Array | HostArray, *, index: int, rank: int = 1) -> HostArray:
    """Select the samples that have a class among the top `rank` of their evidence.

    Of classes with equal evidence the first ranks higher. A sample with negative evidence for the
    class, or none, is no winner.

    A host function: it runs outside `jit`.

    Args:
      evidence: (n, classes).
      index: index of the class.
      rank: the lowest rank that counts; 1 is the first.

    Returns:
      (m,) int64 numbers of samples, ascending.

    Raises:
      ValueError: if there is no such class, or the rank is below 1.

    Example:
      >>> winners(np.array([[3.0, 1.0], [2.0, 5.0], [-1.0, -2.0]]), index=0)
      array([0])
    """
    index = check_class(evidence, index)
    rank = min(checks.whole("rank", rank), evidence.shape[-1])  # JAX counts in int32
    starts = range(0, len(evidence), _BLOCK)
    won = [_wins(jnp.asarray(evidence[start : start + _BLOCK]), index, rank) for start in starts]
    return np.flatnonzero(np.concatenate([np.zeros(0, bool), *won]))


@jax.jit
def _wins(evidence: Array, index: int, rank: int) -> Array:
    own = evidence[:, index, None]
    before = (jnp.arange(evidence.shape[1]) < index)[None, :]
    above = ((evidence > own) | ((evidence == own) & before)).sum(1)
    return (above < rank) & (own[:, 0] > 0)


def largest(
    evidence: Array | HostArray, *, index: int, max_samples: int = MAX_SAMPLES
) -> HostArray:
    """Select the samples with the most evidence for a class, if it is positive.

    A host function: it runs outside `jit`.

    Args:
      evidence: (n, classes).
      index: index of the class.
      max_samples: maximum number; of samples with equal evidence the first are taken.

    Returns:
      (m,) int64 numbers of samples, ascending.

    Raises:
      ValueError: if there is no such class, or `max_samples` is below 1.

    Example:
      >>> largest(np.array([[3.0], [1.0], [5.0], [-1.0]]), index=0, max_samples=2)
      array([0, 2])
    """
    index, max_samples = check_class(evidence, index), checks.whole("max_samples", max_samples)
    own = np.asarray(evidence[:, index])
    best = np.argsort(-own, kind="stable")[:max_samples]
    return np.sort(best[own[best] > 0])


def check_class(evidence: Array | HostArray, index: int) -> int:
    """Return the index of a class that the evidence has.

    A host function: it runs outside `jit`.

    Args:
      evidence: (..., classes).
      index: index of the class.

    Raises:
      ValueError: if there is no such class.
    """
    last = evidence.shape[-1] - 1
    expected = f"an index from 0 to {last}"
    return checks.whole("class", index, minimum=0, maximum=last, expected=expected)


def _check_pairs(vectors: Array | HostArray, evidence: Array | HostArray) -> None:
    if len(vectors) != len(evidence):
        raise ValueError(
            f"evidence: expected one row per vector, got {len(evidence)} for {len(vectors)}"
        )


def _check_enough(rows: HostArray, what: str) -> None:
    if len(rows) < MIN_SAMPLES:
        raise ValueError(
            f"{what}: a layout needs at least {MIN_SAMPLES} samples, {len(rows)} were selected: "
            "use more images, more positions per image, or a later layer"
        )
