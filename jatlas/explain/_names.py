"""Names of cells: what their images have in common more than all images do."""

from __future__ import annotations

import dataclasses

import numpy as np
from scipy import sparse

from jatlas.explain._counts import Counts, Sightings, around, count, regroup, sightings
from jatlas.records import UNCLEAR, Hierarchy, Names
from jatlas.types import HostArray, checks

_BLOCK = 2048  # cells whose names are compared at once
_WHOLE = 1 - 1e-6  # an image whose parts were added
_REACH = 2  # cells: the surroundings of a cell


@dataclasses.dataclass(frozen=True, kw_only=True)
class NameConfig:
    """How names are chosen, and when there is none.

    Attributes:
      min_nats: information that a name must give about a cell's images, see `information`: 3 nats
        are a chance of at most 1 in 20 that as many show it without any reason.
      min_share: share of a cell's images that must show its name, borrowed ones included.
      min_images: number of images that must show it, borrowed ones included.
      borrow_up_to: number of images up to which a cell with fewer borrows images from the cells
        around it.
      max_group_share: largest share of all images that a group may hold; a class may hold any.
      spread: variance of shares that is there without any meaning: the larger, the wider the
        groups that are chosen.
    """

    min_nats: float = 3.0
    min_share: float = 0.15
    min_images: float = 2.0
    borrow_up_to: float = 20.0
    max_group_share: float = 0.25
    spread: float = 1e-3

    def __post_init__(self) -> None:
        """Check the settings."""
        for name in ("min_nats", "min_images", "borrow_up_to", "spread"):
            checks.field(self, name, checks.number, minimum=0)
        checks.field(self, "min_share", checks.number, minimum=0, maximum=1)
        checks.field(self, "max_group_share", checks.number, above=0, maximum=1)


def name_cells(
    points: HostArray,
    labels: HostArray,
    image: HostArray,
    hierarchy: Hierarchy,
    *,
    size: int,
    cells: HostArray | None = None,
    config: NameConfig | None = None,
) -> Names:
    """Name the cells of a grid by what their images show, where that is clear.

    A name is a class or a group of classes. It is chosen on half of the images and checked on the
    other half, whose share that shows it is given. Of all names the one is chosen whose share s
    among the n images of a cell lies furthest above its share q among all images,
    z = (s - q) / sqrt(q (1 - q) / n + spread). Cells of few images borrow some of those around
    them. A cell has no name unless one of its own images that it is chosen on shows it, and what
    it has in common is too much for chance, see `information`.

    A host function: it runs outside `jit`.

    Args:
      points: (n, 2) of the samples, in the unit square.
      labels: (n,) int class that each shows, negative if unknown: what the image is labelled with,
        or what the network takes it for, or the class that the sample has most evidence for.
      image: (n,) int number of the image that each is from.
      hierarchy: of the classes; `Hierarchy.flat` has no groups.
      size: cells along each side.
      cells: (m,) row-major numbers of the cells to name; None names all.
      config: settings; None means `NameConfig()`.

    Returns:
      Names, m of them.

    Raises:
      ValueError: if the lengths differ, or a label is none of the classes.

    Example:
      >>> points, image = np.repeat([[0.2, 0.2], [0.7, 0.7]], 50, axis=0), np.arange(100)
      >>> labels = np.repeat([0, 1], 50)
      >>> names = name_cells(points, labels, image, Hierarchy.flat(("cat", "dog")), size=2)
      >>> [names[i] for i in range(4)]
      ['cat', None, None, 'dog']
    """
    config = config or NameConfig()
    found = sightings(points, labels, image, hierarchy, size=size)
    cells = np.arange(size * size) if cells is None else np.asarray(cells)
    chosen_on, checked_on = (count(x, hierarchy, rows=size * size) for x in found)
    share = layer_share(found[0], hierarchy)
    missing = np.maximum(config.borrow_up_to - chosen_on.images, 0.0)
    near = around(found[0], size=size, reach=_REACH, cells=missing > 0)
    borrowed = count(near, hierarchy, rows=size * size)
    factor = np.minimum(missing / np.maximum(borrowed.images, 1e-9), 1.0)
    held = Counts(
        (chosen_on.shown + sparse.diags_array(factor) @ borrowed.shown).tocsr(),
        chosen_on.images + factor * borrowed.images,
    )
    blocks = [cells[i : i + _BLOCK] for i in range(0, len(cells), _BLOCK)]
    name = [
        best_names(chosen_on.take(block), held.take(block), share, hierarchy, config)
        for block in blocks
    ]
    return checked(
        np.concatenate([*name, np.zeros(0, np.int32)]),
        chosen_on.take(cells),
        checked_on.take(cells),
        hierarchy,
    )


def layer_share(seen: Sightings, hierarchy: Hierarchy) -> HostArray:
    """Return (names,) share of all images that show each name."""
    cells = int(seen.cell.max(initial=0)) + 1
    total = count(regroup(seen, np.zeros(cells, np.int64)), hierarchy, rows=1)
    return total.shown.toarray()[0] / max(float(total.images[0]), 1.0)


def best_names(
    own: Counts, held: Counts, share: HostArray, hierarchy: Hierarchy, config: NameConfig
) -> HostArray:
    """Choose the names of some cells.

    Args:
      own: of the cells.
      held: of the cells and what they borrow.
      share: (names,) of all images.
      hierarchy: of the names.
      config: settings.

    Returns:
      (cells,) int32 numbers of names, `UNCLEAR` where none is significant.
    """
    images = np.maximum(held.images, 1e-9)[:, None]
    shown = held.shown.toarray()
    narrow = (np.arange(len(share)) < hierarchy.classes) | (share <= config.max_group_share)
    held_share = shown / images
    allowed = narrow & (own.shown.toarray() >= _WHOLE) & (shown >= config.min_images - 1e-6)
    allowed &= (held_share >= config.min_share) & (
        information(held_share, images, share) >= config.min_nats
    )
    score = (held_share - share) / np.sqrt(share * (1 - share) / images + config.spread)
    best = np.where(allowed, score, -np.inf).argmax(axis=1).astype(np.int32)
    return np.where(allowed[np.arange(len(best)), best], best, UNCLEAR).astype(np.int32)


def information(held: HostArray, images: HostArray | float, share: HostArray) -> HostArray:
    """Return how much names say about images, in nats.

    n (s log s/q + (1 - s) log (1-s)/(1-q)) for n images, a share s of which show a name that a
    share q of all images shows; 0 unless s > q. The chance that as many show it without any reason
    is at most exp of minus that.

    Args:
      held: (..., names) s.
      images: (..., 1) n.
      share: (names,) q.

    Reference:
      Chernoff, "A Measure of Asymptotic Efficiency", 1952.
    """
    s, q = (np.clip(x, 1e-12, 1 - 1e-12) for x in (held, share))
    nats = images * (s * np.log(s / q) + (1 - s) * np.log((1 - s) / (1 - q)))
    return np.where(s > q, nats, 0.0)


def checked(name: HostArray, chosen_on: Counts, checked_on: Counts, hierarchy: Hierarchy) -> Names:
    """Say how well names hold, on the images they were chosen on and on the others.

    Args:
      name: (m,) int numbers of names.
      chosen_on: m rows.
      checked_on: m rows.
      hierarchy: of the names.

    Returns:
      Names, with a vocabulary of those that are used.
    """
    clear = np.flatnonzero(name != UNCLEAR)
    own = sparse.coo_array((np.ones(len(clear)), (clear, name[clear])), shape=chosen_on.shown.shape)
    first, second = (
        np.asarray(half.shown.multiply(own).sum(axis=1)).ravel() for half in (chosen_on, checked_on)
    )
    held_out = np.full(len(name), np.nan, np.float32)
    some = clear[checked_on.images[clear] > 0]
    held_out[some] = np.round(second[some] / checked_on.images[some], 4)
    used, number = np.unique([hierarchy.names[x] for x in name[clear]], return_inverse=True)
    short = np.full(len(name), UNCLEAR, np.int32)
    short[clear] = number
    return Names(
        vocabulary=tuple(used.tolist()),
        name=short,
        shown=np.round(first + second).astype(np.int32),
        images=np.round(chosen_on.images + checked_on.images).astype(np.int32),
        held_out=held_out,
        held_out_images=np.round(checked_on.images).astype(np.int32),
    )
