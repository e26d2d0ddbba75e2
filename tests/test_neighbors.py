"""Nearest neighbours against every pair compared in float64."""

import inspect
import math
import re
from typing import Any, get_args

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jatlas.arrange import Metric, nearest_neighbors
from jatlas.arrange._devices import mesh_of
from jatlas.arrange._exact import block_shape, merge_block

METRICS: tuple[Metric, ...] = get_args(Metric)
QUERIES, CANDIDATES = (
    inspect.signature(nearest_neighbors).parameters[name].default
    for name in ("query_block", "candidate_block")
)


def reference(vectors: np.ndarray, k: int, metric: str) -> tuple[np.ndarray, np.ndarray]:
    """All pairs, in float64; the vector itself first, then by distance, then by index."""
    table = vectors.astype(np.float64)
    if metric == "cosine":
        norms = np.linalg.norm(table, axis=1, keepdims=True)
        table = table / np.where(norms > 0, norms, 1)
        distance = 1 - table @ table.T
    else:
        distance = np.stack([np.linalg.norm(table - row, axis=1) for row in table])
    np.fill_diagonal(distance, -1)
    index = np.argsort(distance, axis=1, kind="stable")[:, :k]
    return index, np.maximum(np.take_along_axis(distance, index, axis=1), 0)


def normal(count: int, channels: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, channels)).astype(np.float32)


def lattice(count: int = 300, channels: int = 4) -> np.ndarray:
    """Whole numbers around a mean of zero: many ties, and sums that are exact in float32."""
    half = np.random.default_rng(1).integers(-2, 3, (count // 2, channels)).astype(np.float32)
    return np.concatenate([half, -half])


def find(
    vectors: np.ndarray, k: int, metric: Any = "cosine", **blocks: int
) -> tuple[np.ndarray, np.ndarray]:
    found = nearest_neighbors(vectors, k=k, metric=metric, progress=False, **blocks)
    assert found.indices.dtype == np.int32
    assert found.distances.dtype == np.float32
    assert found.indices.shape == found.distances.shape == (len(vectors), k)
    return found.indices, found.distances


# Both metrics against the reference


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(("count", "k"), [(300, 15), (1, 1), (1500, 20)])
def test_neighbors_equal_a_comparison_of_all_pairs(metric: Metric, count: int, k: int) -> None:
    vectors = normal(count, 24)
    index, distance = find(vectors, k, metric)
    expected_index, expected_distance = reference(vectors, k, metric)
    # Distances that differ by less than the rounding of float32 may swap.
    assert (index == expected_index).mean() > 0.999
    np.testing.assert_allclose(distance, expected_distance, atol=3e-6)
    np.testing.assert_array_equal(index[:, 0], np.arange(count))
    for row in index:
        assert len(set(row.tolist())) == k
    assert (np.diff(distance, axis=1) >= 0).all()


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(
    ("queries", "candidates", "k"),
    [(64, 300, 1), (300, 64, 20), (70, 43, 20), (299, 299, 300), (60, 28, 300)],
)
def test_blocks_change_nothing(metric: Metric, queries: int, candidates: int, k: int) -> None:
    # Whole numbers for euclidean, so that every tie counts; the lengths of cosine are rounded.
    vectors = lattice() if metric == "euclidean" else normal(300, 24)
    merge_block.clear_cache()
    index, distance = find(vectors, k, metric, query_block=queries, candidate_block=candidates)
    # One program for all blocks: what the memory test measures is all there is.
    assert merge_block._cache_size() == 1
    expected_index, expected_distance = reference(vectors, k, metric)
    assert (index == expected_index).mean() >= (1 if metric == "euclidean" else 0.999)
    np.testing.assert_allclose(distance, expected_distance, rtol=1e-6, atol=3e-6)


@pytest.mark.parametrize("count", [1, 299, 300, 301, 70_000])
def test_blocks_are_within_their_limits_and_no_more_than_needed(count: int) -> None:
    queries, candidates = block_shape(count, query_block=1024, candidate_block=300)
    assert queries == min(count, 1024)
    assert candidates <= 300
    assert math.ceil(count / candidates) == math.ceil(count / 300)


# Ties and duplicates


def test_of_equal_distances_the_smaller_index_wins() -> None:
    # On the axes all cosines are -1, 0 or 1, which float32 holds.
    rng = np.random.default_rng(2)
    axes = np.eye(5, dtype=np.float32)[rng.integers(0, 5, 200)] * rng.choice([-1, 1, 4], (200, 1))
    axes = np.concatenate([axes, np.zeros((3, 5))]).astype(np.float32)
    for metric, vectors in (("cosine", axes), ("euclidean", lattice())):
        for k in (2, 40):
            index, _ = find(vectors, k, metric)
            np.testing.assert_array_equal(index, reference(vectors, k, metric)[0])


@pytest.mark.parametrize("metric", METRICS)
def test_a_vector_is_its_own_first_neighbor_among_duplicates(metric: Metric) -> None:
    order = np.random.default_rng(3).permutation(np.repeat(np.arange(50), 6))
    vectors = normal(50, 33)[order]
    index, distance = find(vectors, 6, metric)
    np.testing.assert_array_equal(index[:, 0], np.arange(300))
    assert (distance[:, 0] == 0).all()
    for row, near in enumerate(index):
        assert set(near.tolist()) == set(np.flatnonzero(order == order[row]).tolist())
    # The rounding that the docstring states: 1e-6, and a thousandth of the spread.
    assert distance.max() < (1e-6 if metric == "cosine" else 1e-3 * np.sqrt(33) * 2)


def test_all_vectors_equal() -> None:
    for vectors in (np.ones((20, 4)), np.zeros((20, 4))):
        index, distance = find(vectors.astype(np.float32), 5, "euclidean")
        assert (distance == 0).all()
        np.testing.assert_array_equal(index, reference(vectors, 5, "euclidean")[0])


def test_a_zero_vector_is_at_cosine_distance_1_from_all_others() -> None:
    vectors = normal(40, 6)
    vectors[[4, 30]] = 0
    index, distance = find(vectors, 40)
    for zero in (4, 30):
        assert index[zero].tolist() == [zero, *(i for i in range(40) if i != zero)]
        assert distance[zero].tolist() == [0.0] + [1.0] * 39
    for row in set(range(40)) - {4, 30}:
        assert distance[row][np.isin(index[row], [4, 30])].tolist() == [1.0, 1.0]


# Accuracy


@pytest.mark.parametrize("offset", [1e2, 1e4, -1e6])
def test_euclidean_far_from_the_origin(offset: float) -> None:
    # Without centring, 3 % of the neighbours are wrong at 1e2, and 90 % at 1e4.
    vectors = normal(300, 24) + np.float32(offset)
    index, distance = find(vectors, 10, "euclidean")
    expected_index, expected_distance = reference(vectors, 10, "euclidean")
    assert (np.sort(index) == np.sort(expected_index)).mean() > 0.998
    np.testing.assert_allclose(distance, expected_distance, atol=1e-4)


@pytest.mark.parametrize("scale", [1e-25, 1e-3, 1e3, 1e25])
def test_cosine_ignores_the_length(scale: float) -> None:
    vectors = normal(200, 12)
    lengths = np.random.default_rng(4).uniform(0.5, 2, (200, 1)) * scale
    index, distance = find((vectors * lengths).astype(np.float32), 8)
    expected_index, expected_distance = reference(vectors, 8, "cosine")
    assert (index == expected_index).mean() > 0.999
    np.testing.assert_allclose(distance, expected_distance, atol=1e-6)


def test_opposite_vectors_are_at_cosine_distance_2() -> None:
    _, distance = find(np.array([[3.0, 4.0], [-6.0, -8.0]], np.float32), 2)
    np.testing.assert_allclose(distance, [[0, 2], [0, 2]], atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("metric", METRICS)
def test_the_same_on_every_run(metric: Metric) -> None:
    vectors = normal(1500, 16)
    first = find(vectors, 12, metric)
    jax.clear_caches()
    again = find(vectors, 12, metric)
    for a, b in zip(first, again, strict=True):
        assert a.tobytes() == b.tobytes()
    on_device = nearest_neighbors(jnp.asarray(vectors), k=12, metric=metric, progress=False)
    assert on_device.indices.tobytes() == first[0].tobytes()


# Memory


@pytest.mark.parametrize("metric", METRICS)
def test_memory_does_not_grow_with_the_square_of_the_count(metric: Metric) -> None:
    def temporaries(count: int) -> int:
        float32, int32 = (lambda *shape, d=d: jax.ShapeDtypeStruct(shape, d) for d in "fi")
        best = float32(QUERIES, 20), int32(QUERIES, 20)
        program = merge_block.lower(
            best, float32(count, 64), int32(QUERIES), 0,
            width=CANDIDATES, metric=metric, mesh=mesh_of(jax.devices()[:1]),
        )  # fmt: skip
        return program.compile().memory_analysis().temp_size_in_bytes

    block = 4 * QUERIES * CANDIDATES
    assert block <= temporaries(1_000_000) < 4 * block
    assert temporaries(1_000_000) < 1.1 * temporaries(50_000)


# Errors


@pytest.mark.parametrize(
    ("shape", "k", "metric", "message"),
    [
        ((5, 3), 0, "cosine", "k: expected 1 to 5 (the number of vectors), got 0"),
        ((5, 3), 6, "cosine", "k: expected 1 to 5 (the number of vectors), got 6"),
        ((5, 3), -1, "euclidean", "k: expected 1 to 5 (the number of vectors), got -1"),
        ((0, 3), 1, "cosine", "k: expected 1 to 0 (the number of vectors), got 1"),
        ((5, 3), 2, "manhattan", "metric: expected 'cosine' or 'euclidean', got 'manhattan'"),
        ((5,), 2, "cosine", "vectors: expected (n, channels), got shape (5,)"),
        ((5, 3, 2), 2, "euclidean", "vectors: expected (n, channels), got shape (5, 3, 2)"),
    ],
)
def test_wrong_arguments(shape: tuple[int, ...], k: int, metric: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        nearest_neighbors(np.zeros(shape, np.float32), k=k, metric=metric, progress=False)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite(metric: Metric, value: float) -> None:
    vectors = normal(20, 3)
    vectors[7, 1] = value
    with pytest.raises(ValueError, match=r"^vectors: some are not finite \(NaN or infinity\)$"):
        nearest_neighbors(vectors, k=3, metric=metric, progress=False)
    vectors[7, 1] = 0
    find(vectors, 3, metric)


@pytest.mark.parametrize("name", ["query_block", "candidate_block"])
def test_empty_blocks_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"^{name}: expected at least 1, got 0$"):
        find(normal(20, 3), 3, **{name: 0})
