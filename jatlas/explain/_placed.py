"""Whether samples lie on the map beside those they are like, and would in another layout."""

from __future__ import annotations

import numpy as np

from jatlas.explain._exemplars import NO_SAMPLE
from jatlas.explain._others import check_images, others_first
from jatlas.types import HostArray, blocks, checks

_BLOCK = 4096  # samples whose neighbours are compared at once


def placed(
    points: HostArray,
    other: HostArray,
    image_index: HostArray,
    cell: HostArray,
    cells: HostArray,
    *,
    k: int = 15,
) -> HostArray:
    """Return how many of the nearest samples on a map are nearest in another layout too.

    Of the k samples of other images that are nearest to a sample on the map, it is the share that
    is among the k nearest in the other layout; averaged over the samples of each cell. By chance it
    is k / n.

    A host function: it runs outside `jit`.

    Args:
      points: (n, 2) where the samples lie.
      other: (n, 2) where they lie in another layout; turned, mirrored or scaled, it is the same.
      image_index: (n,) int number of the image each is from.
      cell: (n,) int number of the cell each lies in.
      cells: (m,) the cells that are asked for.
      k: how many.

    Returns:
      (m,) float32; NaN for a cell without samples, and if there is but one image.

    Raises:
      ValueError: if arrays do not belong together.

    Example:
      >>> points = np.random.default_rng(0).random((40, 2))
      >>> whole = np.zeros(40, int), np.array([0])
      >>> placed(points, 1 - points[:, ::-1], np.arange(40), *whole, k=5).tolist()
      [1.0]
    """
    image = check_images(image_index, len(points))
    if np.shape(other) != np.shape(points):
        raise ValueError(f"other: expected {np.shape(points)} as points, got {np.shape(other)}")
    k = checks.whole("k", k)
    return _by_cell(
        _shared(near_on_map(points, image, k=k), near_on_map(other, image, k=k)), cell, cells
    )


def kept(
    neighbors: HostArray,
    points: HostArray,
    image_index: HostArray,
    cell: HostArray,
    cells: HostArray,
) -> HostArray:
    """Return how many of the true nearest samples are the nearest on the map.

    Of the k samples of other images that are nearest to a sample as vectors, it is the share that
    is among the k nearest on the map; averaged over the samples of each cell.

    A host function: it runs outside `jit`.

    Args:
      neighbors: (n, k) int rows of the true neighbours of other images, as
        `neighbors_of_other_images` finds them.
      points: (n, 2) where the samples lie.
      image_index: (n,) int number of the image each is from.
      cell: (n,) int number of the cell each lies in.
      cells: (m,) the cells that are asked for.

    Returns:
      (m,) float32; NaN for a cell without samples, and if there is but one image.

    Raises:
      ValueError: if arrays do not belong together.

    Example:
      >>> points = np.array([[0.0, 0], [0.1, 0], [0.9, 0], [1, 0]])
      >>> near = np.array([[1], [0], [3], [0]])
      >>> kept(near, points, np.arange(4), np.array([0, 0, 1, 1]), np.array([0, 1])).tolist()
      [1.0, 0.5]
    """
    image = check_images(image_index, len(points))
    if neighbors.ndim != 2 or len(neighbors) != len(points):
        raise ValueError(
            f"neighbors: expected ({len(points)}, k) as there are points, got {neighbors.shape}"
        )
    near = near_on_map(points, image, k=neighbors.shape[1])
    return _by_cell(_shared(neighbors, near), cell, cells)


def near_on_map(points: HostArray, image: HostArray, *, k: int) -> HostArray:
    """Return the k samples of other images that are nearest to each on a map: (n, k) int32."""
    from scipy.spatial import cKDTree

    places = np.asarray(points, np.float64)
    wanted = min(k + int(np.bincount(image).max()), len(places))
    rows = cKDTree(places).query(places, wanted)[1].reshape(len(places), wanted)
    return others_first(rows, image, k=k).rows


def _shared(one: HostArray, other: HostArray) -> HostArray:
    """Return the share of the rows in each line of `one` that are in that of `other`: (n,)."""
    shares = []
    for left, right in zip(blocks(one, _BLOCK), blocks(other, _BLOCK), strict=True):
        real = left != NO_SAMPLE
        found = (left[:, :, None] == right[:, None, :]).any(axis=2) & real
        with np.errstate(invalid="ignore"):
            shares.append(found.sum(axis=1) / real.sum(axis=1))
    return np.concatenate(shares)


def _by_cell(share: HostArray, cell: HostArray, cells: HostArray) -> HostArray:
    if np.shape(cell) != share.shape:
        raise ValueError(f"cell: expected one per sample, got {np.shape(cell)} for {len(share)}")
    last = max(int(np.max(cell)), int(np.max(cells)))
    count = np.bincount(cell, minlength=last + 1)
    total = np.bincount(cell, weights=share, minlength=last + 1)
    with np.errstate(invalid="ignore"):
        return (total / count)[cells].astype(np.float32)
