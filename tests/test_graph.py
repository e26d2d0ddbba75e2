"""The graph that UMAP lays out, against umap-learn's and by hand."""

import functools
import math
import tracemalloc
from typing import Any

import jax
import numpy as np
import pytest

from jatlas.arrange import Neighbors, _graph, nearest_neighbors
from jatlas.arrange._graph import memberships, neighbor_graph
from jatlas.arrange._numba import import_compiled
from jatlas.arrange._optimize import curve


@functools.cache
def near(count: int = 300, k: int = 15) -> Neighbors:
    vectors = np.random.default_rng(0).normal(size=(count, 12)).astype(np.float32)
    return nearest_neighbors(vectors, k=k, metric="euclidean", progress=False)


def dense(graph: Any) -> np.ndarray:
    table = np.zeros((len(graph.indices),) * 2, np.float32)
    np.add.at(table, (np.arange(len(table))[:, None], graph.indices), graph.weights)
    return table


def test_memberships_add_up_to_the_logarithm_of_the_number() -> None:
    found = np.asarray(memberships(near().distances))
    assert found.shape == (300, 14)
    np.testing.assert_allclose(found.sum(axis=1), math.log2(15), rtol=1e-4)
    np.testing.assert_array_equal(found[:, 0], 1)  # of the nearest
    assert (np.diff(found, axis=1) <= 0).all()


def test_memberships_of_duplicates_and_of_equal_vectors() -> None:
    distances = np.array([[0, 0, 0, 1, 2], [0, 0, 0, 0, 0], [0, 1, 1, 1, 1]], np.float32)
    found = np.asarray(memberships(distances))
    assert np.isfinite(found).all()
    np.testing.assert_array_equal(found[0, :3], 1)
    assert found[0, 3] < 1
    np.testing.assert_array_equal(found[1:], 1)


def test_the_union_by_hand() -> None:
    # 0 and 1 name each other; 2 names 1, which does not name it.
    distances = np.array([[0.0, 1.0], [0.0, 1.0], [0.0, 2.0]], np.float32)
    graph = neighbor_graph(Neighbors(np.array([[0, 1], [1, 0], [2, 1]]), distances), width=2)
    np.testing.assert_array_equal(dense(graph), [[0, 1, 0], [1, 0, 1], [0, 1, 0]])
    assert graph.weights.shape == (3, 2) and graph.indices.dtype == np.int32


def test_a_graph_is_symmetric_if_nothing_is_cut() -> None:
    table = dense(neighbor_graph(near(), width=300))
    np.testing.assert_array_equal(table, table.T)
    assert (table.diagonal() == 0).all()


@pytest.mark.parametrize("block", [65_536, 64])
def test_the_strongest_edges_are_kept(monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    monkeypatch.setattr("jatlas.arrange._graph._ROWS", block)
    whole, cut = dense(neighbor_graph(near(), width=300)), neighbor_graph(near(), width=12)
    expected = -np.sort(-whole, axis=1)[:, :12]
    np.testing.assert_array_equal(-np.sort(-cut.weights, axis=1), expected)
    kept = dense(cut)
    assert (kept[kept > 0] == whole[kept > 0]).all()
    assert (whole > 0).sum(axis=1).max() > 12  # some were cut


@pytest.mark.slow  # umap-learn is imported
@pytest.mark.filterwarnings("ignore")
@pytest.mark.usefixtures("umap_learn")
def test_graph_and_curve_are_those_of_umap_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    import_compiled("umap")
    import umap.umap_ as reference

    for name in ("smooth_knn_dist", "compute_membership_strengths"):
        # As Python runs it: compiling takes seven seconds.
        monkeypatch.setattr(reference, name, getattr(reference, name).py_func)
    found = near()
    for min_dist in (0.0, 0.05, 0.5, 1.0):
        np.testing.assert_allclose(
            curve(min_dist), reference.find_ab_params(1.0, min_dist), rtol=1e-6
        )
    expected, _, _ = reference.fuzzy_simplicial_set(
        np.zeros((300, 1), np.float32), 15, np.random.RandomState(0), "euclidean",
        knn_indices=found.indices, knn_dists=found.distances,
    )  # fmt: skip
    table = dense(neighbor_graph(found, width=300))
    np.testing.assert_allclose(table, expected.toarray(), atol=2e-4)


def test_memberships_are_a_pure_function() -> None:
    distances = near().distances
    each = jax.vmap(lambda one: memberships(one[None])[0])(distances)
    np.testing.assert_allclose(each, memberships(distances), atol=1e-6)


def test_the_graph_takes_as_much_as_four_graphs(monkeypatch: pytest.MonkeyPatch) -> None:
    count, k = 30_000, 20
    monkeypatch.setattr(_graph, "_ROWS", 1000)
    rng = np.random.default_rng(0)
    indices = rng.integers(0, count, (count, k), np.int32)
    indices[:, 0] = np.arange(count)
    near = Neighbors(indices, np.sort(rng.random((count, k), np.float32), axis=1))
    _graph.neighbor_graph(near, width=k)  # what is imported and compiled is not counted
    tracemalloc.start()
    graph = _graph.neighbor_graph(near, width=k)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * (graph.indices.nbytes + graph.weights.nbytes)
