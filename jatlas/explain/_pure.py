"""Whether the samples of a cell are of one kind, and a kind of their own."""

from __future__ import annotations

import numpy as np

from jatlas.explain._others import check_images, unit_rows
from jatlas.types import HostArray, blocks, release

_BLOCK = 16_384  # vectors read at once


def pure(
    vectors: HostArray, image_index: HostArray, cell: HostArray, cells: HostArray
) -> HostArray:
    """Return how much of the spread of each cell's samples the cell's mean explains.

    The spread is that about the mean of the layer. With x the samples scaled to length 1, less the
    mean of all of them, it is the mean product of two samples of a cell that are of different
    images, over the mean squared length of the cell's: the share of the squared length that lies in
    the cell's mean, which cells of few samples do not overstate. Negative values count as 0.

    A host function: it runs outside `jit`.

    Args:
      vectors: (n, channels); those of a file that is mapped are read cell by cell.
      image_index: (n,) int number of the image each is from.
      cell: (n,) int number of the cell each lies in.
      cells: (m,) the cells that are asked for.

    Returns:
      (m,) float32; NaN for a cell whose samples are of one image.

    Raises:
      ValueError: if there is not one image and one cell for each vector.

    Reference:
      The ratio is the intraclass correlation of Fisher, "Statistical Methods for
      Research Workers", 1925.

    Example:
      >>> vectors = np.array([[1.0, 0], [1, 0], [0, 1], [-1, 0], [0, -1]], np.float32)
      >>> pure(vectors, np.arange(5), np.array([3, 3, 5, 5, 5]), np.array([3, 5])).tolist()
      [1.0, 0.0]
    """
    image = check_images(image_index, len(vectors))
    _check_cells(cell, len(vectors))
    total = sum(_exact(block).sum(axis=0) for block in blocks(vectors, _BLOCK))
    release(vectors)
    mean = total / max(len(vectors), 1)
    found = np.full(len(cells), np.nan, np.float32)
    for i, rows in enumerate(_rows(cell, cells)):
        x, owner = _exact(vectors[rows]) - mean, np.unique(image[rows], return_inverse=True)[1]
        count = np.bincount(owner)
        pairs = len(rows) ** 2 - int((count**2).sum())
        squared = (x**2).sum()
        if not pairs or not squared:
            continue
        sums = np.zeros((len(count), x.shape[1]))
        np.add.at(sums, owner, x)
        product = (x.sum(axis=0) ** 2).sum() - (sums**2).sum()
        found[i] = np.clip(product / pairs / (squared / len(rows)), 0, 1)
    release(vectors)
    return found


def distinct(means: HostArray, vectors: HostArray, cell: HostArray, cells: HostArray) -> HostArray:
    """Return how many of the samples nearest to each cell's mean are the cell's own.

    Of a cell with n samples, it is the share of them among the n samples of the layer that are
    nearest to its mean, by cosine.

    A host function: it runs outside `jit`.

    Args:
      means: (m, channels) of the cells.
      vectors: (n, channels).
      cell: (n,) int number of the cell each lies in.
      cells: (m,) the numbers of the cells.

    Returns:
      (m,) float32; NaN for a cell of one sample, whose mean is that sample.

    Raises:
      ValueError: if there is not one cell for each vector, or one mean for each cell.

    Example:
      >>> vectors = np.array([[1.0, 0], [1, 0.1], [1, 0.2], [0, 1]], np.float32)
      >>> cell, means = np.array([0, 0, 1, 1]), np.array([[1.0, 0.05], [0.5, 0.6]])
      >>> distinct(means, vectors, cell, np.array([0, 1])).tolist()
      [1.0, 1.0]
    """
    _check_cells(cell, len(vectors))
    if len(means) != len(cells):
        raise ValueError(f"means: expected one for each of {len(cells)} cells, got {len(means)}")
    lengths = [np.linalg.norm(block, axis=1) for block in blocks(vectors, _BLOCK)]
    length = np.concatenate(lengths) if lengths else np.zeros(0)
    scale = np.where(length > 0, length, 1)
    found = np.full(len(cells), np.nan, np.float32)
    for i, rows in enumerate(_rows(cell, cells)):
        if len(rows) > 1:
            direction = np.asarray(means[i], vectors.dtype)
            cosine = (vectors @ direction) / scale
            nearest = np.argsort(-cosine, kind="stable")[: len(rows)]
            found[i] = np.isin(nearest, rows).mean()
    return found


def _rows(cell: HostArray, cells: HostArray) -> list[HostArray]:
    """Return the rows of the samples of each cell."""
    order = np.argsort(cell, kind="stable")
    first, last = (np.searchsorted(cell[order], cells, side=side) for side in ("left", "right"))
    return [np.sort(order[a:b]) for a, b in zip(first, last, strict=True)]


def _check_cells(cell: HostArray, count: int) -> None:
    if np.shape(cell) != (count,):
        raise ValueError(f"cell: expected one per vector, got {np.shape(cell)} for {count}")


def _exact(vectors: HostArray) -> HostArray:
    return unit_rows(np.asarray(vectors, np.float64))
