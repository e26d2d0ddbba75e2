"""Whether the layer has seen in real images what it sees in icons."""

import jax.numpy as jnp
import numpy as np

from jatlas.explain._exemplars import nearest_by_cosine
from jatlas.explain._others import unit_rows
from jatlas.types import Array, HostArray, blocks, release

_BLOCK = 16_384  # vectors on the device at once


def natural(
    activations: Array | HostArray, vectors: HostArray, distances: Array | HostArray
) -> HostArray:
    """Compare the distance of icons to real samples with that of these to each other.

    For each position of an icon, with v the real sample nearest to it at the distance d, and e the
    distance of v to its own nearest sample of another image,

        natural = min(1, e / d), averaged over the positions.

    Distances are 1 - cosine. The scale is that of v, and not the same for all: with the median of
    all samples, noise would be as natural as a photograph. What a layer makes of noise lies near
    its mean, to which many samples are near, but these are much nearer to each other.

    It knows no cell: an icon of another cell is as natural.

    A host function: it runs outside `jit`.

    Args:
      activations: (m, positions, channels) of each icon; those off the border of the layer, where
        the real samples are from too.
      vectors: (n, channels) of real samples; those of a file that is mapped are read block by
        block.
      distances: (n,) of each to the nearest sample of another image, see
        `neighbors_of_other_images`.

    Returns:
      (m,) float32; NaN if all samples are of one image, and so at no finite distance.

    Raises:
      ValueError: if shapes do not belong together.

    Example:
      >>> real, between = np.eye(3, dtype=np.float32), np.ones(3, np.float32)
      >>> seen = np.array([[[2.0, 0.0, 0.0]], [[1.0, 1.0, 1.0]]], np.float32)
      >>> natural(seen, real, between / 4).round(2)
      array([1.  , 0.59], dtype=float32)
    """
    seen, own = jnp.asarray(activations, jnp.float32), np.asarray(distances)
    if seen.ndim != 3 or vectors.ndim != 2 or seen.shape[2] != vectors.shape[1]:
        raise ValueError(
            "activations: expected (icons, positions, channels) with the channels of vectors, got "
            f"{seen.shape} and {vectors.shape}"
        )
    if own.shape != (len(vectors),) or not len(vectors):
        raise ValueError(
            f"distances: expected one for each of some vectors, got {own.shape} for {len(vectors)}"
        )
    queries = unit_rows(np.asarray(seen).reshape(-1, seen.shape[2]))
    nearest = np.full(len(queries), np.inf, np.float32)
    scale = np.zeros(len(queries), np.float32)
    for block, near in zip(blocks(vectors, _BLOCK), blocks(own, _BLOCK), strict=True):
        table = np.asarray(block, np.float32)
        rows = np.asarray(nearest_by_cosine(jnp.asarray(queries), jnp.asarray(table)))
        release(vectors)
        distance = np.maximum(1 - (queries * unit_rows(table[rows])).sum(axis=1), 0)
        better = distance < nearest
        nearest, scale = np.where(better, distance, nearest), np.where(better, near[rows], scale)
    inside = nearest <= scale  # also where both are 0
    share = np.where(inside, 1, scale / np.where(inside, 1, nearest))
    share[np.isinf(scale)] = np.nan
    return share.reshape(seen.shape[:2]).mean(axis=1).astype(np.float32)
