"""Names of cells: the classes they have the most evidence for."""

from collections.abc import Sequence

import numpy as np

from jatlas.records import top_classes
from jatlas.types import Array, HostArray, checks


def name_cells(
    evidence: Array | HostArray, classes: Sequence[str], *, count: int = 1
) -> list[tuple[str, ...]]:
    """Name cells by the classes with the most evidence.

    A host function: it runs outside `jit`.

    Args:
      evidence: (m, classes) mean class evidence of each cell.
      classes: names of the classes; class 7 is called "class 7" if there are only 7 names.
      count: names per cell, at most.

    Returns:
      For each cell its names, most evidence first; of equal evidence the first class leads. A cell
      without evidence for any class has none: ().

    Raises:
      ValueError: if the evidence is not (m, classes), or count is below 1.

    Example:
      >>> name_cells(np.array([[0.1, 0.7, 0.2], [0.9, 0.0, 0.1]]), ("cat", "dog"), count=2)
      [('dog', 'class 2'), ('cat', 'class 2')]
    """
    if np.ndim(evidence) != 2:
        raise ValueError(f"evidence: expected (m, classes), got shape {np.shape(evidence)}")
    count = checks.whole("count", count)
    best = (top_classes(row, classes, count=count) for row in np.asarray(evidence))
    return [tuple(name for _, name, _ in each) for each in best]
