"""Read patches off a comparison of two classes: what counts for one but is something else.

The article found its patches by eye: among what speaks for "great white shark" rather than "grey
whale" there was a cell that looks like a baseball, and a baseball does turn whales into sharks.
This finds such cells, and the images their samples are from.

Reference:
  Carter et al., "Activation Atlas", Distill 2019, section on exploring with adversarial patches.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from jatlas.arrange import cell_index
from jatlas.types import Array, HostArray


class Findings(NamedTuple):
    """Samples that speak for the class on the right, of images that show neither class.

    Attributes:
      rows: (m,) int numbers of samples, most promising first, each of another image and cell.
      cells: (m,) int row-major numbers of their cells.
      margins: (m,) float32 evidence for the right class minus that for the left.
      shows: (m,) int class that their image is taken for.
    """

    rows: HostArray
    cells: HostArray
    margins: HostArray
    shows: HostArray


def foreign(
    probabilities: Array | HostArray, *, classes: tuple[int, ...], rank: int = 5
) -> HostArray:
    """Say which images show none of some classes.

    Args:
      probabilities: (images, classes) or logits, of the whole image.
      classes: indices of the classes.
      rank: an image shows a class that is among its first this many.

    Returns:
      (images,) bool.
    """
    table = np.asarray(probabilities)
    above = [(table > table[:, [index]]).sum(1) for index in classes]
    return np.asarray((np.stack(above) >= rank).all(0))


def read_patches(
    points: HostArray,
    evidence: HostArray,
    image: HostArray,
    probabilities: HostArray,
    *,
    left: int,
    right: int,
    size: int = 10,
    count: int = 5,
    rank: int = 5,
    min_count: int = 4,
    share: float = 0.5,
) -> Findings:
    """Find samples of a comparison that count for the right class but show something else.

    A cell qualifies if it speaks for the right class, more than for the left, and at least
    `share` of its samples are of images that show neither. From each such cell, the best
    such sample is taken; the cells with the largest mean difference come first.

    Args:
      points: (n, 2) of the comparison, see `jatlas.explain._classes.comparison_map`.
      evidence: (n, classes) of its samples.
      image: (n,) int number of the image each is of.
      probabilities: (images, classes) of each whole image.
      left: index of the class on the left, whose images are to be patched.
      right: index of the class on the right, which they are to become.
      size: cells along each side.
      count: findings, at most.
      rank: an image shows a class that is among its first this many.
      min_count: samples a cell must hold.
      share: of a cell's samples that must be of such images, from 0 to 1.

    Returns:
      Findings; fewer than `count`, or none, if no more cells qualify.

    Raises:
      ValueError: if an argument is out of range.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"share: expected 0 to 1, got {share}")
    least = (("size", size), ("count", count), ("rank", rank), ("min_count", min_count))
    for name, value in least:
        if value < 1:
            raise ValueError(f"{name}: expected at least 1, got {value}")
    table = np.asarray(evidence, np.float32)
    margin = table[:, right] - table[:, left]
    strange = foreign(probabilities, classes=(left, right), rank=rank)[image]
    cells = np.asarray(cell_index(jnp.asarray(points), size=size))
    number = np.bincount(cells, minlength=size * size)

    def mean(values: HostArray) -> HostArray:
        return np.bincount(cells, weights=values, minlength=size * size) / np.maximum(number, 1)

    merit = mean(margin)
    qualifies = (merit > 0) & (mean(table[:, right]) > 0) & (mean(strange) >= share)
    qualifies &= number >= min_count
    rows: list[int] = []
    for cell in np.argsort(-merit, kind="stable"):
        if not qualifies[cell] or len(rows) == count:
            continue
        fresh = strange & (cells == cell) & ~np.isin(image, image[rows])
        candidates = np.flatnonzero(fresh & (margin > 0) & (table[:, right] > 0))
        if len(candidates):
            rows.append(int(candidates[np.argmax(margin[candidates])]))
    found = np.array(rows, np.int64)
    shows = np.asarray(probabilities).argmax(1)[image[found]]
    return Findings(found, cells[found], margin[found], shows)
