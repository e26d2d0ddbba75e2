"""The real samples nearest to what an icon stands for."""

import functools
from collections.abc import Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jatlas.types import Array, HostArray, checks, release

_MAX_COUNT = 100_000
_QUERY_BLOCK = 16  # queries compared with the vectors of a block at once
_ROWS = 16_384  # vectors of a block, about
NO_SAMPLE = -1
"""Stands in `Exemplars.rows` where there are fewer images than exemplars."""


class Exemplars(NamedTuple):
    """The nearest samples of each cell, nearest first, each from a different image.

    Attributes:
      rows: (cells, count) int32 numbers of samples; `NO_SAMPLE` where there are no more images.
      cosine: (cells, count) float32 of each to the cell's direction; -inf where there is none.
    """

    rows: HostArray
    cosine: HostArray


def exemplars(
    directions: Array | HostArray,
    vectors: Array | HostArray,
    image_index: Array | HostArray,
    *,
    count: int = 4,
    inverse_moment: Array | HostArray | None = None,
) -> Exemplars:
    """Find the real samples nearest to the mean of each cell, each from a different image.

    All samples are candidates, not just those of the cell: an icon is to be checked against
    everything that could have been behind it.

    A host function: it runs outside `jit`.

    Args:
      directions: (cells, channels), means of cells, not whitened.
      vectors: (n, channels) activation vectors; those of a file that is mapped are read block by
        block.
      image_index: (n,) int number of the image each vector is from.
      count: how many for each cell, at most 100,000.
      inverse_moment: (channels, channels) inverse of the layer's second moment, as
        `jatlas.arrange.inverse` gives it. The angle is then that between whitened vectors, as an
        icon's objective sees it; None takes the plain angle, as the layout does.

    Returns:
      Exemplars.

    Raises:
      ValueError: if count is out of range, there are no vectors, not every vector has an image,
        shapes do not belong together, or an array is not finite.

    Example:
      >>> vectors = np.array([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0]], np.float32)
      >>> exemplars(np.array([[2.0, 0.0]]), vectors, np.array([0, 0, 1]), count=2).rows.tolist()
      [[0, 2]]
    """
    count = checks.whole("count", count, maximum=_MAX_COUNT)
    queries = jnp.asarray(directions, jnp.float32)
    check_inputs(queries, vectors, image_index, inverse_moment)
    root = None if inverse_moment is None else root_of(inverse_moment)
    unit = _unit(queries if root is None else _product(queries, root))
    owner = np.unique(np.asarray(image_index), return_inverse=True)[1].astype(np.int32)
    blocks = list(_blocks(owner, size=_ROWS))
    most = max(int(owner[rows].max() - owner[rows].min()) + 1 for rows in blocks)
    longest = max(map(len, blocks))
    shape = (len(queries), min(count, int(owner.max()) + 1))
    near = _Near(jnp.full(shape, NO_SAMPLE, jnp.int32), jnp.full(shape, -jnp.inf, jnp.float32))
    for rows in blocks:
        block = np.zeros((longest, vectors.shape[1]), np.float32)
        block[: len(rows)] = vectors[_as_slice(rows)]
        release(vectors)
        if not np.isfinite(block).all():
            raise ValueError("vectors: some are not finite (NaN or infinity)")
        missing = (0, longest - len(rows))
        local = np.pad(owner[rows] - owner[rows].min(), missing, constant_values=most)
        near = _nearest(near, unit, block, np.pad(rows, missing), local, root, images=most)
    absent = ((0, 0), (0, count - shape[1]))
    return Exemplars(
        np.pad(np.asarray(near.rows), absent, constant_values=NO_SAMPLE),
        np.pad(np.asarray(near.cosine), absent, constant_values=-np.inf),
    )


def _blocks(owner: HostArray, *, size: int) -> Iterator[HostArray]:
    """Yield rows of whole images, about `size` of them at once: each image in one block."""
    order = np.argsort(owner, kind="stable").astype(np.int32)
    ends = np.cumsum(np.bincount(owner))
    first = 0
    while first < len(order):
        fitting = np.searchsorted(ends, first + size, side="right") - 1
        last = max(int(ends[fitting]) if fitting >= 0 else 0, int(ends[owner[order[first]]]))
        yield order[first:last]
        first = last


def _as_slice(rows: HostArray) -> HostArray | slice:
    """Return consecutive rows as a slice, which copies nothing."""
    consecutive = rows[-1] - rows[0] + 1 == len(rows) and (np.diff(rows) == 1).all()
    return slice(int(rows[0]), int(rows[-1]) + 1) if consecutive else rows


def check_inputs(
    directions: Array | HostArray,
    vectors: Array | HostArray,
    image_index: Array | HostArray,
    inverse_moment: Array | HostArray | None,
) -> None:
    """Check what exemplars are looked for with; raises as `exemplars`."""
    if not len(vectors):
        raise ValueError("vectors: expected at least one")
    if len(image_index) != len(vectors):
        raise ValueError(
            f"image_index: expected one per vector, got {len(image_index)} for {len(vectors)}"
        )
    channels = vectors.shape[1]
    if directions.ndim != 2 or directions.shape[1] != channels:
        raise ValueError(f"directions: expected (cells, {channels}), got {directions.shape}")
    if inverse_moment is not None and inverse_moment.shape != (channels, channels):
        raise ValueError(
            f"inverse_moment: expected ({channels}, {channels}), got {inverse_moment.shape}"
        )
    for name, array in (("directions", directions), ("inverse_moment", inverse_moment)):
        if array is not None and not np.isfinite(np.asarray(array)).all():
            raise ValueError(f"{name}: some are not finite (NaN or infinity)")


def root_of(inverse_moment: Array | HostArray) -> Array:
    """Return R with R R' = M^-1, so that v R is whitened: (v R)(w R)' = v M^-1 w'.

    By eigenvalues in float64, not by Cholesky: with a small ridge and channels that never fire, an
    inverse rounded to float32 can have eigenvalues just below zero, where Cholesky gives NaN.
    """
    values, vectors = np.linalg.eigh(np.asarray(inverse_moment, np.float64))
    return jnp.asarray(vectors * np.sqrt(np.maximum(values, 0)), jnp.float32)


class _Near(NamedTuple):
    """The nearest of the samples that were compared so far."""

    rows: Array
    cosine: Array


@functools.partial(jax.jit, static_argnames=("images",), donate_argnums=0)
def _nearest(
    near: _Near,
    queries: Array,
    vectors: Array,
    numbers: Array,
    owner: Array,
    root: Array | None,
    *,
    images: int,
) -> _Near:
    """Compare the vectors of a block with all queries.

    Args:
      near: what was found before.
      queries: (q, channels) of length 1, whitened if there is a root.
      vectors: (b, channels) of whole images.
      numbers: (b,) int32 of the vectors among all samples.
      owner: (b,) int32 image of each vector, below `images`; others are padding.
      root: what whitens the vectors.
      images: of the block, at most.
    """
    table = _unit(vectors if root is None else _product(vectors, root))

    def search(query: Array, before: _Near) -> _Near:
        cosine = _product(table, query)
        # The best sample of each image, the first of equals; then the best images.
        best = jax.ops.segment_max(cosine, owner, num_segments=images)
        is_best = cosine == best[owner]
        first = jax.ops.segment_min(
            jnp.where(is_best, numbers, jnp.iinfo(jnp.int32).max), owner, num_segments=images
        )
        found, winner = jax.lax.top_k(best, min(before.rows.size, images))
        both = jnp.concatenate([before.cosine, found])
        cosine, place = jax.lax.top_k(both, before.rows.size)  # of equals the earlier image
        return _Near(jnp.concatenate([before.rows, first[winner]])[place], cosine)

    return jax.lax.map(
        lambda pair: search(*pair), (queries, near), batch_size=min(_QUERY_BLOCK, len(queries) or 1)
    )


@jax.jit
def nearest_by_cosine(queries: Array, vectors: Array) -> Array:
    """Find the vector at the smallest angle to each query.

    A pure function: it works under `jit` and `vmap`; integers have no gradient.

    Args:
      queries: (q, channels).
      vectors: (n, channels).

    Returns:
      (q,) int32 numbers of vectors, the first of equals. A zero query is as near to all.

    Example:
      >>> nearest_by_cosine(jnp.array([[1.0, 2.0]]), jnp.array([[9.0, 9.0], [0.1, 0.2]]))
      Array([1], dtype=int32)
    """
    table = _unit(vectors)

    def search(query: Array) -> Array:
        return jnp.argmax(_product(table, query)).astype(jnp.int32)

    return jax.lax.map(search, _unit(queries), batch_size=min(_QUERY_BLOCK, max(len(queries), 1)))


@jax.jit
def _unit(vectors: Array) -> Array:
    """Scale vectors (..., channels) to length 1; zero ones stay zero."""
    length = jnp.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / jnp.where(length > 0, length, 1.0)


def _product(a: Array, b: Array) -> Array:
    return jnp.matmul(a, b, precision=jax.lax.Precision.HIGHEST)
