"""How well an atlas shows what is known of its images: for networks whose classes have a truth."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jatlas.arrange import Metric, nearest_neighbors
from jatlas.model import Network
from jatlas.types import Array, HostArray, Params


class Purity(NamedTuple):
    """How the cells' labels agree with the classes of the images their samples come from.

    Attributes:
      majority: share of the cells whose label is the class most of their samples come from.
      samples: share of the cells' samples that come from an image of their cell's label.
      chance: what `samples` would be, were the labels dealt out to the cells at random.
    """

    majority: float
    samples: float
    chance: float


def purity(cell: HostArray, truth: HostArray, labels: dict[int, int]) -> Purity:
    """Compare the label of each cell with the truth about its samples.

    Args:
      cell: (n,) int number of the cell each sample lies in.
      truth: (n,) int class of the image each sample comes from.
      labels: by number of a cell, the class it is labelled with; other cells do not count.

    Returns:
      Purity.

    Raises:
      ValueError: if the lengths differ, or a labelled cell has no sample.
    """
    if cell.shape != truth.shape or cell.ndim != 1:
        raise ValueError(f"cell, truth: expected one each, got {cell.shape} and {truth.shape}")
    empty = sorted(set(labels) - set(cell.tolist()))
    if empty or not labels:
        raise ValueError(f"labels: expected cells that have samples, these have none: {empty}")
    counts = [np.bincount(truth[cell == number]) for number in labels]
    given = list(labels.values())
    right = [c[label] if label < len(c) else 0 for c, label in zip(counts, given, strict=True)]
    sizes = np.array([c.sum() for c in counts])
    dealt = [sum(c[label] if label < len(c) else 0 for label in given) / len(given) for c in counts]
    return Purity(
        majority=float(np.mean([r == c.max() for r, c in zip(right, counts, strict=True)])),
        samples=float(np.sum(right) / sizes.sum()),
        chance=float(np.sum(dealt) / sizes.sum()),
    )


class Agreement(NamedTuple):
    """How often the nearest of a sample are of its class; all are shares.

    Attributes:
      points: on the map.
      vectors: among the activation vectors, by cosine: the map can hardly do better.
      chance: among all.
    """

    points: float
    vectors: float
    chance: float


def agreement(
    points: HostArray,
    vectors: HostArray,
    truth: HostArray,
    image: HostArray,
    *,
    neighbors: int = 10,
) -> Agreement:
    """Measure how the classes keep together on a map and among the vectors it was made of.

    Samples of one image are of one class by construction; they do not count as neighbours.

    Args:
      points: (n, 2) on the map.
      vectors: (n, channels) activation vectors.
      truth: (n,) int class of the image each sample comes from.
      image: (n,) int number of that image.
      neighbors: how many to look at, those of the same image included.

    Returns:
      Agreement.

    Raises:
      ValueError: for a number of neighbours that the samples do not have.
    """
    shares = []
    metrics: tuple[tuple[HostArray, Metric], ...] = ((points, "euclidean"), (vectors, "cosine"))
    for table, metric in metrics:
        found = nearest_neighbors(table, k=neighbors + 1, metric=metric, progress=False)
        near = found.indices[:, 1:]
        other = image[near] != image[:, None]
        same = truth[near] == truth[:, None]
        shares.append(float((same & other).sum() / max(other.sum(), 1)))
    return Agreement(shares[0], shares[1], _chance(truth, image))


def _chance(truth: HostArray, image: HostArray) -> float:
    """Return the share of pairs of different images that are of one class."""
    counts, alike = np.bincount(truth), np.bincount(np.unique(image, return_inverse=True)[1])
    pairs, within = len(truth) ** 2, float((alike**2).sum())
    return (float((counts**2).sum()) - within) / max(pairs - within, 1.0)


def recognized(
    network: Network, params: Params, icons: HostArray, labels: HostArray, *, top: int = 1
) -> HostArray:
    """Show icons to the network they were made with, and see what it takes them for.

    Args:
      network: the network.
      params: its parameters.
      icons: (n, px, px, 3), uint8 or float in [0, 1].
      labels: (n,) int class that each stands for.
      top: how many of the network's first guesses count.

    Returns:
      (n,) bool: whether the class is among them.
    """
    scale = 255.0 if icons.dtype == np.uint8 else 1.0
    found = [_guesses(network, params, icon / np.float32(scale), top=top) for icon in icons]
    return (np.stack(found) == np.asarray(labels)[:, None]).any(1)


@functools.partial(jax.jit, static_argnames=("network", "top"))
def _guesses(network: Network, params: Params, icon: Array, *, top: int) -> Array:
    size = network.input_size
    image = jax.image.resize(icon, (size, size, 3), "bilinear")
    return jax.lax.top_k(network.run(params, jnp.clip(image, 0, 1)), top)[1]
