"""The real samples nearest to what an icon stands for."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jatlas.types import Array, HostArray, checks

_MAX_COUNT = 100_000
_QUERY_BLOCK = 16  # queries compared with all vectors at once
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
      vectors: (n, channels) activation vectors.
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
    queries, table = jnp.asarray(directions, jnp.float32), jnp.asarray(vectors, jnp.float32)
    _check(queries, table, image_index, inverse_moment)
    if inverse_moment is not None:
        root = _root(inverse_moment)
        queries, table = _product(queries, root), _product(table, root)
    owner = np.unique(np.asarray(image_index), return_inverse=True)[1]
    images = int(owner.max()) + 1
    rows, cosine = _nearest(
        _unit(queries), _unit(table), jnp.asarray(owner), images=images, count=min(count, images)
    )
    missing = ((0, 0), (0, max(count - images, 0)))
    return Exemplars(
        np.pad(np.asarray(rows), missing, constant_values=NO_SAMPLE),
        np.pad(np.asarray(cosine), missing, constant_values=-np.inf),
    )


def _check(
    directions: Array,
    vectors: Array,
    image_index: Array | HostArray,
    inverse_moment: Array | HostArray | None,
) -> None:
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
    arrays = {"directions": directions, "vectors": vectors, "inverse_moment": inverse_moment}
    for name, array in arrays.items():
        if array is not None and not _finite(array):
            raise ValueError(f"{name}: some are not finite (NaN or infinity)")


@jax.jit
def _finite(array: Array) -> Array:
    return jnp.isfinite(array).all()


def _root(inverse_moment: Array | HostArray) -> Array:
    """Return R with R R' = M^-1, so that v R is whitened: (v R)(w R)' = v M^-1 w'.

    By eigenvalues in float64, not by Cholesky: with a small ridge and channels that never fire, an
    inverse rounded to float32 can have eigenvalues just below zero, where Cholesky gives NaN.
    """
    values, vectors = np.linalg.eigh(np.asarray(inverse_moment, np.float64))
    return jnp.asarray(vectors * np.sqrt(np.maximum(values, 0)), jnp.float32)


@functools.partial(jax.jit, static_argnames=("images", "count"))
def _nearest(
    queries: Array, table: Array, owner: Array, *, images: int, count: int
) -> tuple[Array, Array]:
    number = jnp.arange(len(table), dtype=jnp.int32)

    def search(query: Array) -> tuple[Array, Array]:
        cosine = _product(table, query)
        # The best sample of each image, the first of equals; then the best images.
        best = jax.ops.segment_max(cosine, owner, num_segments=images)
        is_best = cosine == best[owner]
        first = jax.ops.segment_min(
            jnp.where(is_best, number, len(table)), owner, num_segments=images
        )
        near, winner = jax.lax.top_k(best, count)
        return first[winner], near

    return jax.lax.map(search, queries, batch_size=min(_QUERY_BLOCK, max(len(queries), 1)))


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
