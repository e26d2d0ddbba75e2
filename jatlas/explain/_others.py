"""The nearest samples of other images."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from jatlas.arrange import nearest_neighbors
from jatlas.explain._exemplars import NO_SAMPLE
from jatlas.types import Array, HostArray, checks


class OtherNeighbors(NamedTuple):
    """The nearest samples of other images, nearest first.

    Attributes:
      rows: (n, k) int32 numbers of samples; `NO_SAMPLE` where there are no more.
      distances: (n, k) float32, 1 - cosine; infinite where there are no more.
    """

    rows: HostArray
    distances: HostArray


def neighbors_of_other_images(
    vectors: Array | HostArray,
    image_index: HostArray,
    *,
    k: int,
    recall: float = 1.0,
    progress: bool = True,
) -> OtherNeighbors:
    """Find the k vectors of other images that are nearest to each vector, by cosine.

    Places of one image overlap, and are alike for that reason alone.

    A host function: it runs outside `jit`.

    Args:
      vectors: (n, channels).
      image_index: (n,) int number of the image each vector is from.
      k: how many.
      recall: as of `jatlas.arrange.nearest_neighbors`.
      progress: whether to show a progress bar.

    Returns:
      OtherNeighbors.

    Raises:
      ValueError: if not every vector has an image, or as `jatlas.arrange.nearest_neighbors`.

    Example:
      >>> vectors = np.array([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0]], np.float32)
      >>> near = neighbors_of_other_images(vectors, np.array([0, 0, 1]), k=1, progress=False)
      >>> near.rows.tolist()
      [[2], [2], [1]]
    """
    k = checks.whole("k", k)
    image = check_images(image_index, len(vectors))
    most = int(np.bincount(image).max())
    found = nearest_neighbors(
        jnp.asarray(vectors), k=min(k + most, len(image)), recall=recall, progress=progress
    )
    rows = others_first(found.indices, image, k=k)
    distances = np.take_along_axis(found.distances, rows.order, axis=1)
    return OtherNeighbors(rows.rows, np.where(rows.rows >= 0, distances, np.float32(np.inf)))


class Ordered(NamedTuple):
    """Rows of neighbours without those of the same image.

    Attributes:
      rows: (n, k) int32; `NO_SAMPLE` where there are no more.
      order: (n, k) where they were.
    """

    rows: HostArray
    order: HostArray


def others_first(rows: HostArray, image: HostArray, *, k: int) -> Ordered:
    """Return the first k of each sample's neighbours that are of other images."""
    same = image[rows] == image[:, None]
    order = np.argsort(same, axis=1, kind="stable")[:, :k]
    kept = np.take_along_axis(rows, order, axis=1).astype(np.int32)
    kept[np.take_along_axis(same, order, axis=1)] = NO_SAMPLE
    return Ordered(kept, order)


def check_images(image_index: HostArray, count: int) -> HostArray:
    """Return the images of samples, numbered from 0, or raise ValueError."""
    if np.shape(image_index) != (count,):
        raise ValueError(
            f"image_index: expected one per vector, got {np.shape(image_index)} for {count}"
        )
    return np.unique(np.asarray(image_index), return_inverse=True)[1]


def unit_rows(vectors: HostArray) -> HostArray:
    """Scale vectors (n, channels) to length 1, in their type; zero ones stay zero."""
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.where(length > 0, length, 1)
