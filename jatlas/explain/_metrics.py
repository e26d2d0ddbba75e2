"""How well an atlas recovers the true classes of its images."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jatlas.arrange import Metric, nearest_neighbors
from jatlas.model import Network
from jatlas.types import Array, HostArray, Params, checks


class Purity(NamedTuple):
    """How well the labels of cells agree with the true classes of their samples' images.

    Attributes:
      majority: share of the cells whose label is the most frequent class of their samples.
      samples: share of the samples whose class is their cell's label.
      chance: what `samples` would be if the labels were shuffled among the cells.
    """

    majority: float
    samples: float
    chance: float


def purity(cell: HostArray, truth: HostArray, labels: dict[int, int]) -> Purity:
    """Compare the label of each cell with the true classes of its samples.

    A host function: it runs outside `jit`.

    Args:
      cell: (n,) int number of the cell each sample lies in.
      truth: (n,) int class of the image each sample comes from.
      labels: class that each cell is labelled with, by the cell's number; other cells are ignored.

    Returns:
      Purity.

    Raises:
      ValueError: if the lengths differ, or a labelled cell has no sample.

    Example:
      >>> purity(np.array([3, 3, 3, 5]), np.array([1, 1, 0, 2]), {3: 1, 5: 2}).samples
      0.75
    """
    if cell.shape != truth.shape or cell.ndim != 1:
        raise ValueError(f"cell, truth: expected one each, got {cell.shape} and {truth.shape}")
    empty = sorted(set(labels) - set(cell.tolist()))
    if empty or not labels:
        raise ValueError(f"labels: expected cells that have samples, these have none: {empty}")
    label = np.array(list(labels.values()))
    classes = 1 + max(int(truth.max()), int(label.max()))
    counts = np.stack([np.bincount(truth[cell == c], minlength=classes) for c in labels])
    right = counts[np.arange(len(label)), label]
    return Purity(
        majority=float((right == counts.max(1)).mean()),
        samples=float(right.sum() / counts.sum()),
        chance=float(counts[:, label].mean(1).sum() / counts.sum()),
    )


class Agreement(NamedTuple):
    """Share of a sample's nearest neighbours that are of its class.

    Attributes:
      points: with neighbours on the map.
      vectors: with neighbours among the activation vectors, by cosine: the map can hardly do
        better.
      chance: with any two samples.
    """

    points: float
    vectors: float
    chance: float


def agreement(
    points: HostArray,
    vectors: HostArray,
    truth: HostArray,
    image_index: HostArray,
    *,
    neighbors: int = 10,
) -> Agreement:
    """Measure how well classes stay together on a map and among the vectors it was made from.

    Samples of one image are of one class by construction; they do not count as neighbours.

    A host function: it runs outside `jit`.

    Args:
      points: (n, 2) on the map.
      vectors: (n, channels) activation vectors.
      truth: (n,) int class of the image each sample comes from.
      image_index: (n,) int number of that image.
      neighbors: neighbours of each sample, those of the same image included.

    Returns:
      Agreement.

    Raises:
      ValueError: if there are not that many neighbours.
    """
    neighbors = checks.whole("neighbors", neighbors, maximum=len(points) - 1)
    shares = []
    metrics: tuple[tuple[HostArray, Metric], ...] = ((points, "euclidean"), (vectors, "cosine"))
    for table, metric in metrics:
        search = nearest_neighbors(table, k=neighbors + 1, metric=metric, progress=False)
        near = search.indices[:, 1:]
        other = image_index[near] != image_index[:, None]
        same = truth[near] == truth[:, None]
        shares.append(float((same & other).sum() / max(other.sum(), 1)))
    return Agreement(shares[0], shares[1], _chance(truth, image_index))


def _chance(truth: HostArray, image_index: HostArray) -> float:
    """Return the share of pairs of samples of different images that are of one class."""
    counts = np.bincount(truth)
    per_image = np.unique(image_index, return_counts=True)[1]
    pairs, within = len(truth) ** 2, float((per_image**2).sum())
    return (float((counts**2).sum()) - within) / max(pairs - within, 1.0)


def predictions(network: Network, params: Params, icons: HostArray, *, top: int = 1) -> HostArray:
    """Return the classes that a network finds most probable for each icon.

    Icons are resized to the network's input size.

    A host function: it runs outside `jit`.

    Args:
      network: the network; it has logits.
      params: its parameters.
      icons: (n, px, px, 3), uint8 or float in [0, 1].
      top: number of classes for each icon.

    Returns:
      (n, top) int32, most probable first.

    Raises:
      ValueError: if there are no icons, or not that many classes.
    """
    top = checks.whole("top", top, maximum=network.class_count(params))
    if not len(icons):
        raise ValueError("icons: expected at least one")
    scale = 255.0 if icons.dtype == np.uint8 else 1.0
    return np.stack(
        [_top_classes(network, params, icon / np.float32(scale), top=top) for icon in icons]
    )


def recognized(
    network: Network, params: Params, icons: HostArray, labels: HostArray, *, top: int = 1
) -> HostArray:
    """Check whether a network recognizes icons as the classes they stand for.

    A host function: it runs outside `jit`.

    Args:
      network: the network.
      params: its parameters.
      icons: (n, px, px, 3), uint8 or float in [0, 1].
      labels: (n,) int class that each icon stands for.
      top: number of the network's most probable classes that count.

    Returns:
      (n,) bool: whether the class is among them.

    Raises:
      ValueError: if there are no icons, not one label for each, or not that many classes.
    """
    if not len(icons) or len(icons) != len(labels):
        raise ValueError(
            f"icons, labels: expected one label each, got {len(icons)} and {len(labels)}"
        )
    classes = predictions(network, params, icons, top=top)
    return (classes == np.asarray(labels)[:, None]).any(1)


@functools.partial(jax.jit, static_argnames=("network", "top"))
def _top_classes(network: Network, params: Params, icon: Array, *, top: int) -> Array:
    size = network.input_size
    image = jax.image.resize(icon, (size, size, 3), "bilinear")
    return jax.lax.top_k(network.run(params, jnp.clip(image, 0, 1)), top)[1]
