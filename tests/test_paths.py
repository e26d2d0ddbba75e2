"""Activation grids, locations on a map, and paths, against plain loops."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import tiny_network, tiny_params

from jatlas.explain import activation_grid, find_on_map, path_through_map

RNG = np.random.default_rng(0)
POINTS = RNG.random((50, 2)).astype(np.float32)
VECTORS = RNG.random((50, 8)).astype(np.float32)


def test_an_activation_grid_holds_the_vectors_and_their_relative_lengths() -> None:
    image = jnp.asarray(RNG.random((12, 16, 3)), jnp.float32)
    found = activation_grid(tiny_network(), tiny_params(), image, layer="conv1")
    vectors = np.asarray(tiny_network().run(tiny_params(), image, until="conv1"))
    assert found.directions.shape == (6, 8, 8)
    np.testing.assert_allclose(found.directions, vectors, rtol=1e-5, atol=1e-6)
    lengths = [[np.sqrt((vector**2).sum()) for vector in row] for row in vectors]
    np.testing.assert_allclose(found.magnitudes, lengths / np.max(lengths), rtol=1e-4)
    assert found.magnitudes.max() == 1
    whole = activation_grid(tiny_network(), tiny_params(), image, layer="mean")
    assert whole.directions.shape == (1, 1, 12)  # a vector is a map of one position
    assert whole.magnitudes.tolist() == [[1.0]]


def test_the_magnitudes_of_a_silent_layer_are_zero() -> None:
    params = tiny_params() | {"bias1": jnp.full(8, -1e3)}
    found = activation_grid(tiny_network(), params, jnp.zeros((8, 8, 3)), layer="conv1")
    np.testing.assert_array_equal(found.magnitudes, np.zeros((4, 4)))


def test_samples_of_the_map_are_found_at_their_points() -> None:
    rows = np.array([[3, 40], [0, 17]])
    found = find_on_map(5 * VECTORS[rows], VECTORS, POINTS)
    np.testing.assert_array_equal(found.rows, rows)
    np.testing.assert_array_equal(found.points, POINTS[rows])


@pytest.mark.parametrize(("count", "samples"), [(2, 1), (5, 7), (20, 80)])
def test_a_path_averages_what_is_near_it(count: int, samples: int) -> None:
    start, end = jnp.array([0.1, 0.9]), jnp.array([0.8, 0.2])
    found = path_through_map(
        jnp.asarray(POINTS),
        jnp.asarray(VECTORS),
        start=start,
        end=end,
        count=count,
        samples=samples,
    )
    for i in range(count):
        here = np.asarray(start) + i / (count - 1) * (np.asarray(end) - np.asarray(start))
        np.testing.assert_allclose(found.points[i], here, rtol=1e-5)
        distance = np.linalg.norm(POINTS - here, axis=1)
        near = np.argsort(distance)[:samples]
        np.testing.assert_allclose(found.directions[i], VECTORS[near].mean(0), rtol=1e-4)
        np.testing.assert_allclose(found.radius[i], distance[near[-1]], rtol=1e-4)


def test_a_path_from_sample_to_sample_under_jit_and_vmap() -> None:
    points, vectors = jnp.asarray(POINTS), jnp.asarray(VECTORS)
    walk = functools.partial(path_through_map, points, vectors, samples=1, count=3)
    single = walk(start=jnp.asarray(POINTS[7]), end=jnp.asarray(POINTS[9]))
    np.testing.assert_allclose(single.directions[0], VECTORS[7], rtol=1e-6)
    np.testing.assert_allclose(single.directions[2], VECTORS[9], rtol=1e-6)
    starts, ends = jnp.asarray(POINTS[[7, 1]]), jnp.asarray(POINTS[[9, 4]])
    batch = jax.jit(jax.vmap(lambda start, end: walk(start=start, end=end)))(starts, ends)
    np.testing.assert_allclose(batch.directions[0], single.directions, rtol=1e-6)


def test_wrong_counts_are_refused() -> None:
    ends = {"start": jnp.zeros(2), "end": jnp.ones(2)}
    with pytest.raises(ValueError, match="count: expected at least 2, got 1"):
        path_through_map(jnp.asarray(POINTS), jnp.asarray(VECTORS), **ends, count=1)
    with pytest.raises(ValueError, match="samples: expected at least 1, got 0"):
        path_through_map(jnp.asarray(POINTS), jnp.asarray(VECTORS), **ends, samples=0)
