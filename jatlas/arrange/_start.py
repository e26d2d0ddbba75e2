"""Where the points of a layout begin."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np

from jatlas.arrange._checks import Metric
from jatlas.arrange._distances import by_blocks, squared_distances, unit
from jatlas.arrange._graph import Graph, neighbor_graph
from jatlas.arrange._neighbors import nearest_neighbors
from jatlas.arrange._optimize import EPOCHS, optimize
from jatlas.types import Array, HostArray, Key, take

_EXTENT = 10.0  # half the side of a start: umap-learn's
_NOISE = 1e-2  # so that equal vectors come apart
_TINY = 1e-12
_ITERATIONS = 100
_LANDMARKS, _LANDMARK_NEIGHBORS, _NEAREST = 2000, 15, 4
_SHARPNESS = 10.0  # of the weights of the nearest landmarks
_BLOCK = 8192  # vectors that are compared with the landmarks at once


def spectral_start(graph: Graph, *, key: Key, dimensions: int) -> Array:
    """Return the leading eigenvectors of the normalized graph, by subspace iteration.

    Args:
      graph: of n points.
      key: seeds the iteration, and the noise that is added.
      dimensions: how many.

    Returns:
      (n, dimensions) float32 within about 10 of the origin.

    Reference:
      Belkin and Niyogi, "Laplacian Eigenmaps", 2003.
    """
    for_vectors, for_noise = jax.random.split(key)
    indices, weights = jnp.asarray(graph.indices), jnp.asarray(graph.weights)
    found = _eigenvectors(indices, weights, for_vectors, dimensions=dimensions)
    return found + _NOISE * jax.random.normal(for_noise, found.shape, jnp.float32)


@functools.partial(jax.jit, static_argnames=("dimensions",))
def _eigenvectors(indices: Array, weights: Array, key: Key, *, dimensions: int) -> Array:
    root = jnp.sqrt(jnp.maximum(weights.sum(axis=1), _TINY))
    constant = root / jnp.linalg.norm(root)  # the eigenvector of 1, which tells nothing

    def product(vectors: Array) -> Array:
        # Column by column: gathers of single numbers are fast.
        columns = [(weights * (column / root)[indices]).sum(axis=1) for column in vectors.T]
        return jnp.stack(columns, axis=1) / root[:, None]

    def improve(_: int, vectors: Array) -> Array:
        # Half of the identity is added: eigenvalues near -1 would be found too.
        new = (vectors + product(vectors)) / 2
        new -= jnp.outer(constant, constant @ new)
        return jnp.linalg.qr(new)[0]

    # One more than are kept: the last one converges slowly.
    vectors = jax.random.normal(key, (len(indices), dimensions + 1), jnp.float32)
    vectors = jax.lax.fori_loop(0, _ITERATIONS, improve, vectors)
    small = vectors.T @ product(vectors)
    _, rotation = jnp.linalg.eigh((small + small.T) / 2)
    leading = (vectors @ rotation)[:, ::-1][:, :dimensions] / root[:, None]
    return _EXTENT * leading / jnp.maximum(jnp.abs(leading).max(axis=0, keepdims=True), _TINY)


def landmark_start(
    vectors: Array | HostArray, *, key: Key, metric: Metric, min_dist: float, dimensions: int
) -> Array:
    """Lay a few vectors out, and put each of the others among those that are nearest to it.

    It takes a small share of the time of a spectral start, which grows with the optimization's.

    Args:
      vectors: (n, channels) float32.
      key: chooses the landmarks, and seeds their layout.
      metric: how far vectors are apart.
      min_dist: how tightly points may be packed.
      dimensions: of the layout.

    Returns:
      (n, dimensions) float32.
    """
    for_choice, for_start, for_layout, for_noise = jax.random.split(key, 4)
    every = np.arange(len(vectors), dtype=np.int32)
    order = np.asarray(jax.random.permutation(for_choice, every))
    landmarks = jnp.asarray(take(vectors, np.sort(order[:_LANDMARKS])))
    near = nearest_neighbors(landmarks, k=_LANDMARK_NEIGHBORS, metric=metric, progress=False)
    graph = neighbor_graph(near, width=_LANDMARK_NEIGHBORS)
    start = spectral_start(graph, key=for_start, dimensions=dimensions)
    points = optimize(start, graph, key=for_layout, min_dist=min_dist, epochs=EPOCHS)
    among = functools.partial(_among, landmarks=landmarks, points=points, metric=metric)
    found = jnp.asarray(by_blocks(among, vectors, size=_BLOCK))
    return found + _NOISE * jax.random.normal(for_noise, found.shape, jnp.float32)


@functools.partial(jax.jit, static_argnames=("metric",))
def _among(vectors: Array, landmarks: Array, points: Array, *, metric: Metric) -> Array:
    """Return where vectors are among landmarks: the mean of the nearest, weighted by nearness."""
    if metric == "cosine":
        vectors, landmarks = unit(vectors), unit(landmarks)
    else:
        middle = landmarks.mean(axis=0, keepdims=True)
        vectors, landmarks = vectors - middle, landmarks - middle
    distance = squared_distances(vectors, landmarks, metric=metric)
    # Without the barrier XLA on a CPU sorts all distances, as some of the results are sliced: 25
    # times the time.
    near, rows = jax.lax.optimization_barrier(jax.lax.top_k(-distance, _NEAREST))
    farther = (near[:, :1] - near) / jnp.maximum(-near[:, -1:], _TINY)
    weight = jax.nn.softmax(-_SHARPNESS * farther, axis=1)
    return (weight[..., None] * points[rows]).sum(axis=1)
