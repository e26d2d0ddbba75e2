"""How well the names of cells agree with the true classes of their images."""

from typing import NamedTuple

import numpy as np

from jatlas.explain._counts import count, sightings
from jatlas.explain._names import layer_share
from jatlas.records import Hierarchy, Names
from jatlas.types import HostArray


class NameAccuracy(NamedTuple):
    """How well names hold for the true classes of images that they were not chosen on.

    Attributes:
      named: share of the cells that have a name.
      held_out: share of those images whose class has the name of their cell.
      chance: what `held_out` would be with images of any cell.
      absent: share of the named cells none of whose images is of the name, chosen on or not.
    """

    named: float
    held_out: float
    chance: float
    absent: float


def name_accuracy(
    names: Names,
    points: HostArray,
    truth: HostArray,
    image: HostArray,
    hierarchy: Hierarchy,
    *,
    size: int,
    cells: HostArray | None = None,
) -> NameAccuracy:
    """Measure how well the names of cells hold for the true classes of their images.

    A host function: it runs outside `jit`.

    Args:
      names: of the cells, which `name_cells` chose, by predictions say.
      points: (n, 2) of the samples, in the unit square.
      truth: (n,) int true class of the image that each is from, negative if unknown.
      image: (n,) int number of that image.
      hierarchy: that the names are of.
      size: cells along each side.
      cells: (m,) row-major numbers of the cells; None means all.

    Returns:
      NameAccuracy; NaN where no cell has a name.

    Raises:
      ValueError: as `name_cells`.
    """
    chosen_on, checked_on = sightings(points, truth, image, hierarchy, size=size)
    cells = np.arange(size * size) if cells is None else np.asarray(cells)
    first, second = (count(x, hierarchy, rows=size * size) for x in (chosen_on, checked_on))
    share = layer_share(checked_on, hierarchy)
    numbers: dict[str, list[int]] = {}
    for number, each in enumerate(hierarchy.names):  # two groups may share a name
        numbers.setdefault(each, []).append(number)
    rows = []
    for place, cell in enumerate(cells.tolist()):
        name = names[place]
        if name is None:
            continue
        columns = numbers[name]
        held = float(second.shown[[cell]].toarray()[0][columns].max())
        every = held + float(first.shown[[cell]].toarray()[0][columns].max())
        rows.append((held, float(share[columns].max()), second.images[cell], every == 0))
    if not rows:
        return NameAccuracy(0.0, np.nan, np.nan, np.nan)
    held_out, chance, images, absent = np.array(rows, np.float64).T
    total = max(float(images.sum()), 1e-9)
    return NameAccuracy(
        named=len(rows) / len(cells),
        held_out=float(held_out.sum() / total),
        chance=float((chance * images).sum() / total),
        absent=float(absent.mean()),
    )
