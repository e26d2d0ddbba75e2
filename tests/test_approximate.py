"""Approximate neighbours: as many as are asked for, and the same on every run."""

import os
import types
from typing import Any

import numpy as np
import pytest

from jatlas.arrange import Neighbors, _descent, nearest_neighbors
from jatlas.arrange import _clustered as clustered
from jatlas.arrange import _neighbors as searching
from jatlas.arrange._distances import unit


def clusters(count: int = 3000, channels: int = 24) -> np.ndarray:
    rng = np.random.default_rng(0)
    centers = rng.normal(size=(40, channels))
    offsets = 0.6 * rng.normal(size=(count, channels))
    return (centers[rng.integers(0, 40, count)] + offsets).astype(np.float32)


@pytest.fixture
def tiles_for_few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have tiles used for as few vectors as a test has."""
    monkeypatch.setattr(searching, "_MANY", 500)
    monkeypatch.setattr(clustered, "_ROUNDED", 1)
    monkeypatch.setattr(clustered, "_PAIRS", 2**13)


@pytest.fixture
def descent_for_few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searching, "_MANY", 500)
    monkeypatch.setattr(searching, "_VERY_MANY", 501)


def find(vectors: np.ndarray, *, k: int = 10, metric: Any = "cosine") -> Neighbors:
    return nearest_neighbors(vectors, k=k, metric=metric, recall=0.95, progress=False)


def assert_sound(found: Neighbors, vectors: np.ndarray, *, metric: Any) -> None:
    """Compare with all pairs: distances are right, and enough neighbours are the true ones."""
    count, k = found.indices.shape
    np.testing.assert_array_equal(found.indices[:, 0], np.arange(count))
    assert (np.diff(found.distances, axis=1) >= 0).all()
    assert all(len(set(row.tolist())) == k for row in found.indices)
    exact = nearest_neighbors(vectors, k=count, metric=metric, progress=False)
    assert exact.recall == 1
    share = (found.distances <= exact.distances[:, k - 1 : k] * (1 + 1e-5) + 1e-6).mean()
    assert share == pytest.approx(found.recall, abs=0.03)
    by_number = np.empty((count, count), np.float32)
    np.put_along_axis(by_number, exact.indices, exact.distances, axis=1)
    expected = np.take_along_axis(by_number, found.indices, axis=1)
    np.testing.assert_allclose(found.distances, expected, atol=2e-3 if metric != "cosine" else 3e-6)


@pytest.mark.slow
@pytest.mark.usefixtures("tiles_for_few")
@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_tiles_find_what_is_asked_for(metric: Any) -> None:
    vectors = clusters(1500)
    found = find(vectors, metric=metric)
    assert 0.95 <= found.recall < 1
    assert_sound(found, vectors, metric=metric)
    again = find(vectors, metric=metric)
    assert all(np.array_equal(a, b) for a, b in zip(found, again, strict=True))


@pytest.mark.slow
@pytest.mark.usefixtures("tiles_for_few")
@pytest.mark.parametrize("count", [512, 641, 1023])
def test_tiles_that_are_not_full(count: int) -> None:
    vectors = clusters(3000)[:count]
    assert_sound(find(vectors), vectors, metric="cosine")


@pytest.mark.slow
@pytest.mark.usefixtures("tiles_for_few")
def test_vectors_without_clusters_are_all_compared() -> None:
    found = find(np.random.default_rng(1).normal(size=(600, 64)).astype(np.float32))
    assert found.recall == 1


@pytest.mark.slow
@pytest.mark.usefixtures("tiles_for_few")
@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_tiles_of_duplicates_and_zeros(metric: Any) -> None:
    vectors = clusters(1200)
    vectors[100:500] = vectors[100]  # more than any number of neighbours
    vectors[600:700] = 0
    found = find(vectors, metric=metric)
    np.testing.assert_array_equal(found.indices[:, 0], np.arange(1200))
    assert found.recall >= 0.95
    assert (found.distances[100:500] < (1e-6 if metric == "cosine" else 1e-2)).all()


def test_all_pairs_unless_less_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searching, "_MANY", 500)
    monkeypatch.setattr(searching, "_approximate", None)  # it would be called
    assert nearest_neighbors(clusters(600), k=5, progress=False).recall == 1
    monkeypatch.setattr(searching.jax, "default_backend", lambda: "gpu")
    assert find(clusters(600)).recall == 1


def test_tiles_are_of_near_vectors() -> None:
    vectors = np.asarray(unit(clusters(2000)))
    tiles = clustered.tile(unit(clusters(2000)), metric="cosine")
    np.testing.assert_array_equal(np.sort(tiles.order), np.arange(2000))
    np.testing.assert_array_equal(np.asarray(tiles.table)[:2000], vectors[tiles.order])
    assert (np.asarray(tiles.table)[2000:] == 0).all()
    width = clustered.TILE
    within = [vectors[tiles.order[i : i + width]] for i in range(0, 1984, width)]
    near = np.mean([(x @ x.T).mean() for x in within])
    assert near > 0.5 and (vectors @ vectors.T).mean() < 0.1


@pytest.mark.usefixtures("descent_for_few")
def test_what_descent_leaves_out_is_put_right(monkeypatch: pytest.MonkeyPatch) -> None:
    """It need not find a vector itself among duplicates, and has -1 where it found too few."""
    vectors = clusters(600)
    true = nearest_neighbors(vectors, k=10, progress=False)
    given = true.indices.copy()
    given[5, 0] = 7  # not itself
    given[8, 4:] = -1
    given[9] = given[9, ::-1]

    class Index:
        def __init__(self, table: np.ndarray, **settings: Any) -> None:
            assert settings["n_neighbors"] == 10 and len(table) == 600
            assert settings["metric"] == "of unit vectors"
            self.neighbor_graph = given.astype(np.int64), None

    distances = types.SimpleNamespace(alternative_dot="of unit vectors")
    module = types.SimpleNamespace(NNDescent=Index, distances=distances)
    monkeypatch.setattr(_descent, "import_compiled", lambda name: module)
    found = find(vectors)
    np.testing.assert_array_equal(found.indices[:, 0], np.arange(600))
    np.testing.assert_array_equal(found.indices[8], true.indices[8])
    np.testing.assert_array_equal(found.indices[9], true.indices[9])
    assert found.recall > 0.99


def test_descent_takes_the_table_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    table = unit(np.random.default_rng(0).random((600, 24), np.float32))
    given: list[np.ndarray] = []

    def descend(vectors: np.ndarray, *, k: int, metric: str) -> np.ndarray:
        given.append(vectors)
        return np.tile(np.arange(k, dtype=np.int32), (len(vectors), 1))

    monkeypatch.setattr(_descent, "_descend", descend)
    _descent.search_descent(table, k=5, metric="cosine")
    assert np.shares_memory(given[0], np.asarray(table))


@pytest.mark.slow
@pytest.mark.skipif(
    "JATLAS_SLOWEST" not in os.environ,
    reason="JATLAS_SLOWEST is not set: pynndescent, which is compiled for a minute, is left out",
)
@pytest.mark.usefixtures("descent_for_few")
@pytest.mark.filterwarnings("ignore")
def test_descent_finds_what_is_asked_for() -> None:
    vectors = clusters(1500)
    vectors[100:140] = vectors[100]
    vectors[600:603] = 0
    found = find(vectors)
    assert found.recall >= 0.95
    np.testing.assert_array_equal(found.indices[:, 0], np.arange(1500))
    rest = np.delete(np.arange(1500), np.r_[100:140, 600:603])
    true = nearest_neighbors(vectors, k=10, progress=False)
    assert (found.indices[rest] == true.indices[rest]).mean() > 0.95
    again = find(vectors)
    assert all(np.array_equal(a, b) for a, b in zip(found, again, strict=True))
