"""UMAP's optimization: its forces are gradients of the objective, and it lowers it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jatlas.arrange import _optimize as optimization
from jatlas.arrange import nearest_neighbors
from jatlas.arrange._graph import Graph, neighbor_graph
from jatlas.arrange._optimize import curve, optimize
from jatlas.arrange._start import spectral_start

KEY = jax.random.key(0)
A, B = curve(0.1)


def spread(count: int, seed: int = 0) -> np.ndarray:
    """Points that are far enough from each other for no force to be clipped."""
    lattice = 3.0 * np.stack(np.meshgrid(np.arange(count), np.arange(count)), -1).reshape(-1, 2)
    return (lattice + np.random.default_rng(seed).uniform(-1, 1, lattice.shape)).astype(np.float32)


def attractive(points: jax.Array, graph: Graph) -> jax.Array:
    squared = ((points[:, None] - points[graph.indices]) ** 2).sum(-1)
    squared = jnp.where(graph.weights > 0, squared, 1)  # the power of 0 has no gradient
    return (graph.weights * jnp.log(1 + A * squared**B)).sum()


def repulsive(point: jax.Array, others: jax.Array) -> jax.Array:
    squared = ((point[None] - others) ** 2).sum(-1)
    return -jnp.log(1 - 1 / (1 + A * squared**B)).mean()


@pytest.fixture(scope="module")
def graph() -> Graph:
    """Three clusters in a row."""
    vectors = np.random.default_rng(1).normal(size=(200, 8)).astype(np.float32)
    vectors[:, 0] += np.repeat([0, 4, 8], [70, 70, 60])
    near = nearest_neighbors(vectors, k=12, metric="euclidean", progress=False)
    return neighbor_graph(near, width=200)


@pytest.mark.slow
def test_the_attraction_is_the_gradient_of_its_objective() -> None:
    points = jnp.asarray(spread(4))
    near = nearest_neighbors(points, k=5, metric="euclidean", progress=False)
    graph = neighbor_graph(near, width=16)  # nothing is cut: each edge pulls on both ends
    expected = jax.grad(attractive)(points, graph)
    found = optimization._attraction(points, graph.indices, graph.weights, A, B)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5)


@pytest.mark.slow
def test_the_repulsion_is_the_gradient_of_its_objective() -> None:
    points = jnp.asarray(spread(4))
    others = points[jnp.array([3, 7, 12])] + 2.5
    expected = -jax.vmap(jax.grad(repulsive), in_axes=(0, None))(points, others)
    found = optimization._repulsion(points, others, A, B)
    np.testing.assert_allclose(found, expected, rtol=2e-3, atol=1e-6)


def test_points_in_the_same_place_have_finite_forces() -> None:
    points = jnp.zeros((5, 2))
    indices, weights = jnp.tile(jnp.arange(5), (5, 1)), jnp.ones((5, 5))
    assert (optimization._attraction(points, indices, weights, A, B) == 0).all()
    assert (optimization._repulsion(points, points, A, B) == 0).all()


def objective(points: np.ndarray, graph: Graph) -> float:
    """What sampling minimizes: all edges, and of all pairs the share that is drawn."""
    squared = ((points[:, None].astype(np.float64) - points[None]) ** 2).sum(-1)
    np.fill_diagonal(squared, 1)
    repulsion = -np.log(1 - 1 / (1 + A * squared**B))
    np.fill_diagonal(repulsion, 0)
    weight = graph.weights.sum(axis=1)
    pushed = optimization._RATE / 2 * weight * repulsion.mean(axis=1)
    return float(attractive(jnp.asarray(points), graph)) + float(pushed.sum())


@pytest.mark.slow
def test_the_objective_falls(graph: Graph) -> None:
    start = np.asarray(spectral_start(graph, key=KEY, dimensions=2))
    noise = np.random.default_rng(0).normal(size=start.shape).astype(np.float32)
    values = [
        objective(np.asarray(optimize(x, graph, key=KEY, min_dist=0.1, epochs=200)), graph)
        for x in (start, 4 * noise)
    ]
    assert max(values) < 0.8 * min(objective(start, graph), objective(4 * noise, graph))
    assert abs(values[0] - values[1]) < 0.1 * values[0]  # wherever it begins


def test_points_that_are_fixed_stay_and_pull_the_others(graph: Graph) -> None:
    start = np.random.default_rng(2).normal(size=(200, 2)).astype(np.float32)
    fixed = np.arange(200) % 4 > 0
    done = np.asarray(optimize(start, graph, key=KEY, min_dist=0.1, epochs=60, fixed=fixed))
    assert (done[fixed] == start[fixed]).all()
    assert (done[~fixed] != start[~fixed]).all()
    far = start.copy()
    far[fixed] += 10
    moved = np.asarray(optimize(far, graph, key=KEY, min_dist=0.1, epochs=60, fixed=fixed))
    assert (moved[~fixed].mean(axis=0) > done[~fixed].mean(axis=0) + 5).all()


def test_one_program_for_all_epochs_and_for_another_key(graph: Graph) -> None:
    start = np.zeros((200, 2), np.float32) + np.arange(200, dtype=np.float32)[:, None]
    optimization._run.clear_cache()
    first = optimize(start, graph, key=KEY, min_dist=0.1, epochs=60)
    again = optimize(start, graph, key=KEY, min_dist=0.1, epochs=60)
    other = optimize(start, graph, key=jax.random.key(1), min_dist=0.1, epochs=60)
    assert optimization._run._cache_size() == 1
    assert first.tobytes() == again.tobytes() != other.tobytes()


@pytest.mark.parametrize("epochs", [1, 25])
def test_any_number_of_epochs(graph: Graph, epochs: int) -> None:
    done = optimize(np.ones((200, 3)), graph, key=KEY, min_dist=0.1, epochs=epochs)
    assert done.shape == (200, 3) and np.isfinite(done).all()


def test_eigenvectors_are_those_of_the_graph(graph: Graph) -> None:
    """Against a dense decomposition; the noise that is added is small."""
    wanted = np.zeros((200, 200))
    np.add.at(wanted, (np.arange(200)[:, None], graph.indices), graph.weights)
    root = np.sqrt(wanted.sum(axis=1))
    _, vectors = np.linalg.eigh(wanted / root[:, None] / root[None])
    expected = vectors[:, -2] / root  # after the constant one
    found = np.asarray(spectral_start(graph, key=KEY, dimensions=2))
    cosine = expected @ found / np.linalg.norm(expected) / np.linalg.norm(found, axis=0)
    assert np.linalg.norm(cosine) > 0.98
