"""Class atlases and comparison atlases: which samples of a layer they show, and where.

Both are chosen and laid out here, from the samples that a layer's atlas holds; averaging and
icons are then those of any other map.

Reference:
  Carter et al., "Activation Atlas", Distill 2019, section on class activation atlases, and the
  notebook class-activation-atlas of lucid.
"""

from typing import NamedTuple

import numpy as np

from jatlas.arrange import TSNE, UMAP, to_unit_square, tsne, umap
from jatlas.arrange._layout import FEWEST
from jatlas.explain._selection import ClassConfig, ComparisonConfig, check_class, choose
from jatlas.types import Array, HostArray, Key


class Chosen(NamedTuple):
    """The samples of a map and where they lie.

    Attributes:
      rows: (m,) int64 numbers of samples, ascending, each once.
      points: (m, 2) float32 of x to the right and y down, in the unit square.
    """

    rows: HostArray
    points: HostArray


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
    points = _lay_out(table, config.layout, key=key, progress=progress)
    return Chosen(rows, to_unit_square(points))


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
    x = balance(
        np.asarray(evidence)[rows], left=left, right=right, percentile=config.reach(len(rows))
    )
    table = np.asarray(vectors)[rows]
    line = _lay_out(table, config.layout, key=key, dimensions=1, progress=progress)
    return Chosen(rows, np.concatenate([x[:, None], to_unit_square(line)], axis=1))


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
    check_class(evidence, left)
    check_class(evidence, right)
    table = np.asarray(evidence)
    difference = table[:, right].astype(np.float32) - table[:, left].astype(np.float32)
    scale = np.percentile(np.abs(difference), percentile) if len(difference) else 0.0
    scaled = np.clip(difference / scale, -1, 1) if scale > 0 else np.zeros_like(difference)
    return ((scaled + 1) / 2).astype(np.float32)


def _lay_out(
    vectors: HostArray,
    config: UMAP | TSNE,
    *,
    key: Key,
    dimensions: int = 2,
    progress: bool,
) -> HostArray:
    if isinstance(config, TSNE):
        return tsne(vectors, key=key, config=config, dimensions=dimensions)
    return umap(vectors, key=key, config=config, dimensions=dimensions, progress=progress)


def _check_enough(rows: HostArray, what: str) -> None:
    if len(rows) < FEWEST:
        raise ValueError(
            f"{what}: a layout needs at least {FEWEST} samples, {len(rows)} speak for it: use more "
            "images, more positions per image, or a later layer"
        )
