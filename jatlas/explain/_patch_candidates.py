"""Candidates for patches in a comparison of two classes: evidence for one that shows another.

The article found its patches by eye: in the comparison of "grey whale" and "great white shark", on
the side of the shark, there was a cell that looks like a baseball, and a baseball does turn whales
into sharks. This finds such cells, and the images their samples are from.

Reference:
  Carter et al., "Activation Atlas", Distill 2019, section on exploring with adversarial patches.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from jatlas.arrange import cell_index
from jatlas.types import Array, HostArray, checks


class PatchCandidates(NamedTuple):
    """Samples with evidence for the class on the right, from images that show neither class.

    Attributes:
      rows: (m,) int numbers of samples, most promising first, each of a different image and cell.
      cells: (m,) int row-major numbers of their cells.
      margins: (m,) float32 evidence for the right class minus that for the left.
      shows: (m,) int most probable class of their whole image.
    """

    rows: HostArray
    cells: HostArray
    margins: HostArray
    shows: HostArray


def shows_none_of(
    probabilities: Array | HostArray, *, classes: tuple[int, ...], rank: int = 5
) -> HostArray:
    """Return which images show none of some classes.

    A host function: it runs outside `jit`.

    Args:
      probabilities: (images, classes) or logits, of whole images.
      classes: indices of the classes.
      rank: an image shows the classes that are among its top `rank`.

    Returns:
      (images,) bool.

    Raises:
      ValueError: if there is no such class, or no class at all, or the rank is below 1.

    Example:
      >>> shows_none_of(np.array([[0.7, 0.2, 0.1], [0.1, 0.2, 0.7]]), classes=(0, 1), rank=1)
      array([False,  True])
    """
    table, rank = np.asarray(probabilities), checks.whole("rank", rank)
    last = table.shape[-1] - 1
    classes = checks.wholes(
        "classes", classes, minimum=0, maximum=last, expected=f"at least one from 0 to {last}"
    )
    above = [(table > table[:, [index]]).sum(1) for index in classes]
    return np.asarray((np.stack(above) >= rank).all(0))


def patch_candidates(
    points: HostArray,
    evidence: HostArray,
    image_index: HostArray,
    probabilities: HostArray,
    *,
    left: int,
    right: int,
    size: int = 10,
    count: int = 5,
    rank: int = 5,
    min_count: int = 4,
    share: float = 0.5,
) -> PatchCandidates:
    """Find samples of a comparison with evidence for the right class that show something else.

    A cell qualifies if its mean evidence for the right class is positive and larger than for the
    left, and at least `share` of its samples are from images that show neither. From each such
    cell the sample with the largest difference is taken; the cells with the largest mean
    difference come first.

    A host function: it runs outside `jit`.

    Args:
      points: (n, 2) of the comparison, see `select_comparison`.
      evidence: (n, classes) of its samples.
      image_index: (n,) int number of the image each sample is from.
      probabilities: (images, classes) of each whole image.
      left: index of the class on the left, whose images are to be patched.
      right: index of the class on the right, which they should become.
      size: cells along each side, at most 4096.
      count: maximum number of candidates.
      rank: an image shows the classes that are among its top `rank`.
      min_count: samples a cell must hold.
      share: minimum share of a cell's samples from images that show neither class, from 0 to 1.

    Returns:
      PatchCandidates; fewer than `count`, or none, if no more cells qualify.

    Raises:
      ValueError: if an argument is out of range.
    """
    share = checks.number("share", share, minimum=0, maximum=1)
    count, rank = checks.whole("count", count), checks.whole("rank", rank)
    size = checks.whole("size", size, maximum=checks.MAX_SIDE)
    min_count = checks.whole("min_count", min_count)
    table = np.asarray(evidence, np.float32)
    last = table.shape[-1] - 1
    left = checks.whole("left", left, minimum=0, maximum=last)
    right = checks.whole("right", right, minimum=0, maximum=last)
    margin = table[:, right] - table[:, left]
    other = shows_none_of(probabilities, classes=(left, right), rank=rank)[image_index]
    cells = np.asarray(cell_index(jnp.asarray(points), size=size))
    promising = other & (margin > 0) & (table[:, right] > 0)
    taken: list[int] = []
    for cell in _ranked_cells(cells, margin, table[:, right], other, min_count, share):
        unused = promising & (cells == cell) & ~np.isin(image_index, image_index[taken])
        candidates = np.flatnonzero(unused)
        if len(candidates) and len(taken) < count:
            taken.append(int(candidates[np.argmax(margin[candidates])]))
    rows = np.array(taken, np.int64)
    shows = np.asarray(probabilities).argmax(1)[image_index[rows]]
    return PatchCandidates(rows, cells[rows], margin[rows], shows)


def _ranked_cells(
    cells: HostArray,
    margin: HostArray,
    evidence: HostArray,
    other: HostArray,
    min_count: int,
    share: float,
) -> HostArray:
    """Return the cells that qualify, those with the largest mean margin first."""
    number = np.bincount(cells)

    def mean(values: HostArray) -> HostArray:
        return np.bincount(cells, weights=values) / np.maximum(number, 1)

    cell_margin = mean(margin)
    qualifies = (cell_margin > 0) & (mean(evidence) > 0) & (mean(other) >= share)
    order = np.argsort(-cell_margin, kind="stable")
    return order[(qualifies & (number >= min_count))[order]]
