"""The real samples that come nearest to what an icon stands for."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jatlas.types import Array, HostArray

_BATCH = 16
NOBODY = -1


class Exemplars(NamedTuple):
    """The nearest samples of each cell, nearest first, of as many images.

    Attributes:
      rows: (cells, count) int32 numbers of samples; -1 where there are no more images.
      cosine: (cells, count) float32 of each to the cell's direction; -inf where there is none.
    """

    rows: HostArray
    cosine: HostArray


def exemplars(
    directions: Array | HostArray,
    vectors: Array | HostArray,
    image: Array | HostArray,
    *,
    count: int = 4,
    inverse_moment: Array | HostArray | None = None,
) -> Exemplars:
    """Find the real samples nearest to the mean of each cell, each of another image.

    All samples are candidates, not just those of the cell: an icon is to be checked against
    everything that could have been behind it.

    Args:
      directions: (cells, channels), means of cells, not whitened.
      vectors: (n, channels) activation vectors.
      image: (n,) int number of the image each is of.
      count: how many for each cell.
      inverse_moment: (channels, channels) inverse of the layer's second moment, as
        `jatlas.arrange._whiten.inverse` gives it. The angle is then that between whitened vectors,
        as an icon's objective sees it; None takes the plain angle, as the layout does.

    Returns:
      Exemplars.

    Raises:
      ValueError: if count is below 1, or not every vector has an image.
    """
    if count < 1:
        raise ValueError(f"count: expected at least 1, got {count}")
    if len(image) != len(vectors):
        raise ValueError(f"image: expected one per vector, got {len(image)} for {len(vectors)}")
    queries, table = jnp.asarray(directions, jnp.float32), jnp.asarray(vectors, jnp.float32)
    if inverse_moment is not None:
        # M^-1 = L L', so v L is whitened: (v L)(w L)' = v M^-1 w'.
        root = jnp.linalg.cholesky(jnp.asarray(inverse_moment, jnp.float32))
        queries, table = (_product(x, root) for x in (queries, table))
    owner = np.unique(np.asarray(image), return_inverse=True)[1]
    images = int(owner.max()) + 1
    rows, cosine = _nearest(
        unit(queries), unit(table), jnp.asarray(owner), images=images, count=min(count, images)
    )
    missing = ((0, 0), (0, max(count - images, 0)))
    return Exemplars(
        np.pad(np.asarray(rows), missing, constant_values=NOBODY),
        np.pad(np.asarray(cosine), missing, constant_values=-np.inf),
    )


@functools.partial(jax.jit, static_argnames=("images", "count"))
def _nearest(
    queries: Array, table: Array, owner: Array, *, images: int, count: int
) -> tuple[Array, Array]:
    number = jnp.arange(len(table), dtype=jnp.int32)

    def one(query: Array) -> tuple[Array, Array]:
        cosine = _product(table, query)
        # The best sample of each image, the first of equals; then the best images.
        best = jax.ops.segment_max(cosine, owner, num_segments=images)
        is_best = cosine == best[owner]
        first = jax.ops.segment_min(
            jnp.where(is_best, number, len(table)), owner, num_segments=images
        )
        near, chosen = jax.lax.top_k(best, count)
        return first[chosen], near

    return jax.lax.map(one, queries, batch_size=min(_BATCH, max(len(queries), 1)))


@jax.jit
def nearest(queries: Array, vectors: Array) -> Array:
    """Return the vector at the smallest angle to each query.

    Args:
      queries: (q, channels).
      vectors: (n, channels).

    Returns:
      (q,) int32 numbers of vectors, the first of equals. A zero query is as near to all.
    """
    table = unit(vectors)

    def one(query: Array) -> Array:
        return jnp.argmax(_product(table, query)).astype(jnp.int32)

    return jax.lax.map(one, unit(queries), batch_size=min(_BATCH, max(len(queries), 1)))


def unit(vectors: Array) -> Array:
    """Scale vectors (..., channels) to length 1; zero ones stay zero."""
    length = jnp.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / jnp.where(length > 0, length, 1.0)


def _product(one: Array, other: Array) -> Array:
    return jnp.matmul(one, other, precision=jax.lax.Precision.HIGHEST)
