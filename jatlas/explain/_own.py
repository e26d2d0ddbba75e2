"""The real samples of each cell, for a page that shows what lies there."""

import numpy as np

from jatlas.explain._exemplars import NO_SAMPLE, Exemplars, check_inputs, root_of
from jatlas.explain._others import unit_rows
from jatlas.types import Array, HostArray, blocks, checks

_BLOCK = 16_384  # vectors compared at once
_MAX_COUNT = 100_000


def own_exemplars(
    directions: Array | HostArray,
    vectors: Array | HostArray,
    image_index: Array | HostArray,
    owner: HostArray,
    *,
    count: int = 4,
    inverse_moment: Array | HostArray | None = None,
) -> Exemplars:
    """Find the samples of each cell that are nearest to its mean.

    Different images come first: the best sample of each image, nearest first; then the second best
    of each, and so on. `exemplars` instead looks among all samples, in the cell or not.

    A host function: it runs outside `jit`.

    Args:
      directions: (cells, channels), means of cells, not whitened.
      vectors: (n, channels) activation vectors; those of a file that is mapped are read block by
        block.
      image_index: (n,) int number of the image each vector is from.
      owner: (n,) int which of the cells each vector lies in; negative for none of them.
      count: how many for each cell, at most 100,000.
      inverse_moment: (channels, channels) as in `exemplars`.

    Returns:
      Exemplars; `NO_SAMPLE` where a cell has no more samples.

    Raises:
      ValueError: as `exemplars`, or if not every vector has an owner.

    Example:
      >>> vectors = np.array([[1.0, 0.0], [0.9, 0.1], [0.8, 0.2], [0.0, 1.0]], np.float32)
      >>> image, owner = np.array([0, 0, 1, 2]), np.array([0, 0, 0, -1])
      >>> own_exemplars(np.array([[2.0, 0.0]]), vectors, image, owner, count=4).rows.tolist()
      [[0, 2, 1, -1]]
    """
    count = checks.whole("count", count, maximum=_MAX_COUNT)
    queries = np.asarray(directions, np.float32)
    check_inputs(queries, vectors, image_index, inverse_moment)
    if np.shape(owner) != (len(vectors),):
        raise ValueError(
            f"owner: expected one per vector, got {np.shape(owner)} for {len(vectors)}"
        )
    cosine = _cosines(queries, vectors, owner, inverse_moment)
    image = np.asarray(image_index)
    inside = np.flatnonzero(owner >= 0)
    # Within each image of a cell, nearest first; of equals the earlier.
    inside = inside[np.lexsort((-cosine[inside], image[inside], owner[inside]))]
    turn = _place_in_group(owner[inside], image[inside])
    order = np.lexsort((inside, -cosine[inside], turn, owner[inside]))
    inside = inside[order]
    place = _place_in_group(owner[inside])
    kept, place = inside[place < count], place[place < count]
    rows = np.full((len(queries), count), NO_SAMPLE, np.int32)
    nearness = np.full(rows.shape, -np.inf, np.float32)
    rows[owner[kept], place], nearness[owner[kept], place] = kept, cosine[kept]
    return Exemplars(rows, nearness)


def _place_in_group(*keys: HostArray) -> HostArray:
    """Number the members of each group from 0, where those of a group stand side by side."""
    number = np.arange(len(keys[0]))
    first = np.zeros(len(number), bool)
    first[:1] = True
    for key in keys:
        first[1:] |= key[1:] != key[:-1]
    return number - np.maximum.accumulate(np.where(first, number, 0))


def _cosines(
    queries: HostArray,
    vectors: Array | HostArray,
    owner: HostArray,
    inverse_moment: Array | HostArray | None,
) -> HostArray:
    """Return the cosine of each vector to the direction of its cell: (n,), -inf without one."""
    root = None if inverse_moment is None else np.asarray(root_of(inverse_moment))
    wanted = unit_rows(queries if root is None else queries @ root)
    found = []
    for block, own in zip(blocks(vectors, _BLOCK), blocks(owner, _BLOCK), strict=True):
        table = np.asarray(block, np.float32)
        if not np.isfinite(table).all():
            raise ValueError("vectors: some are not finite (NaN or infinity)")
        table = unit_rows(table if root is None else table @ root)
        cosine = np.einsum("nc,nc->n", table, wanted[own])
        found.append(np.where(own >= 0, cosine, -np.inf).astype(np.float32))
    return np.concatenate(found)
