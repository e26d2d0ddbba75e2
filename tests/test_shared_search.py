"""The search for neighbours shared by devices and by processes: the same bytes as from one."""

from pathlib import Path
from unittest import mock

import jax
import numpy as np
import pytest
from forked import Forked

from jatlas.arrange import Metric, Neighbors, nearest_neighbors, shares_neighbors
from jatlas.arrange import _clustered as clustered
from jatlas.arrange import _neighbors as neighbors
from jatlas.arrange._devices import fits, mesh_of, replicate

COLLECTIVES = ("all-reduce", "all-gather", "all-to-all", "collective-permute", "reduce-scatter")


def normal(count: int, channels: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(count, channels)).astype(np.float32)


def lattice(count: int) -> np.ndarray:
    """Whole numbers around a mean of zero: many ties, and sums that are exact in float32."""
    half = np.random.default_rng(1).integers(-2, 3, (count // 2, 4)).astype(np.float32)
    return np.concatenate([half, -half])


def assert_same(found: Neighbors, expected: Neighbors) -> None:
    assert found.indices.tobytes() == expected.indices.tobytes()
    assert found.distances.tobytes() == expected.distances.tobytes()
    assert found.recall == expected.recall


def join(parts: list[Neighbors]) -> Neighbors:
    indices, distances = (np.concatenate([part[field] for part in parts]) for field in (0, 1))
    assert len({part.recall for part in parts}) == 1
    return Neighbors(indices, distances, parts[0].recall)


def main() -> None:
    """Run in a process with four devices: JAX fixes their number when it starts."""
    jax.config.update("jax_num_cpu_devices", 4)
    devices = jax.devices()
    assert len(devices) == 4
    _check_a_replicated_table(devices)
    _check_a_ring(devices)


def _check_a_replicated_table(devices: list[jax.Device]) -> None:
    cases: tuple[tuple[Metric, np.ndarray], ...] = (
        ("cosine", normal(1500, 24)),
        ("euclidean", lattice(1500)),
    )
    for metric, vectors in cases:
        expected = _search(vectors, devices[:1], metric, 600)
        for count in (2, 3, 4):
            assert_same(_search(vectors, devices[:count], metric, 600), expected)
    mesh = mesh_of(devices)
    one = jax.numpy.asarray(vectors)
    parts = replicate(one, mesh).addressable_shards
    assert len({part.device for part in parts}) == 4
    assert {part.data.unsafe_buffer_pointer() for part in parts} == {one.unsafe_buffer_pointer()}


def _check_a_ring(devices: list[jax.Device]) -> None:
    """Squared distances of whole numbers are not rounded: ties must be decided as by one device."""
    for vectors, part in (
        (lattice(1600), 400),
        (lattice(1598), 170),  # the last part and the last block have fewer
        (lattice(30), 30),  # fewer candidates on a device than neighbours
    ):
        expected = _search(vectors, devices[:1], "euclidean", part)
        some = np.array([5, 29, 0, 29])
        with mock.patch.object(neighbors, "fits", lambda size, devices: False):
            for count in (1, 2, 3, 4):
                assert_same(_search(vectors, devices[:count], "euclidean", part), expected)
            found = _search(vectors, devices, "euclidean", part, rows=some)
        assert_same(found, Neighbors(expected.indices[some], expected.distances[some]))
    vectors = normal(1600, 24)
    one = _search(vectors, devices[:1], "cosine", 400)
    with mock.patch.object(neighbors, "fits", lambda size, devices: False):
        found = _search(vectors, devices, "cosine", 400)
    assert (found.indices == one.indices).mean() > 0.999
    np.testing.assert_allclose(found.distances, one.distances, atol=1e-6)


def _search(
    vectors: np.ndarray,
    devices: list[jax.Device],
    metric: Metric,
    candidates: int,
    *,
    rows: np.ndarray | None = None,
) -> Neighbors:
    return nearest_neighbors(
        vectors, k=20, metric=metric, devices=devices, rows=rows, progress=False,
        query_block=64, candidate_block=candidates,
    )  # fmt: skip


@pytest.mark.slow
def test_devices_change_nothing(tmp_path: Path) -> None:
    code, _, errors = Forked(main, folder=tmp_path / "said").end()
    assert code == 0, errors


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_shares_joined_are_the_whole(metric: Metric) -> None:
    vectors = normal(700, 24)

    def search(rows: np.ndarray | None) -> Neighbors:
        return nearest_neighbors(
            vectors, k=9, metric=metric, rows=rows, progress=False,
            query_block=100, candidate_block=300,
        )  # fmt: skip

    whole = search(None)
    for shares in ([np.arange(700)], np.split(np.arange(700), [1, 230, 230, 699])):
        parts = [search(rows) for rows in shares]
        assert_same(join(parts), whole)


@pytest.mark.slow
@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_shares_of_an_approximate_search_joined_are_the_whole(
    metric: Metric, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(neighbors, "_MANY", 3000)
    monkeypatch.setattr(clustered, "_ROUNDED", 1)
    monkeypatch.setattr(clustered, "_PAIRS", 2**13)
    rng = np.random.default_rng(3)
    centers = rng.normal(size=(60, 16))
    vectors = (centers[rng.integers(0, 60, 4000)] + rng.normal(size=(4000, 16)) / 5).astype("f4")

    def search(rows: np.ndarray | None) -> Neighbors:
        return nearest_neighbors(
            vectors, k=15, metric=metric, recall=0.9, rows=rows, progress=False
        )

    whole = search(None)
    assert 0.85 < whole.recall < 1  # by tiles, not by all pairs
    parts = [search(rows) for rows in np.split(np.arange(4000), [17, 2500])]
    assert_same(join(parts), whole)


def test_small_searches_and_those_of_pynndescent_are_not_shared(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for backend, shared in (
        ("cpu", {(1000, 1.0): False, (50_000, 1.0): True, (50_000, 0.98): True}
                | {(10**6, 0.98): False, (10**6, 1.0): True}),
        ("gpu", {(50_000, 1.0): False, (10**6, 0.98): True}),
    ):  # fmt: skip
        monkeypatch.setattr(jax, "default_backend", lambda backend=backend: backend)
        for (count, recall), expected in shared.items():
            assert shares_neighbors(count, recall=recall) == expected, (backend, count, recall)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (np.array([0, 20]), "rows: expected numbers from 0 to 19, got 0 to 20"),
        (np.array([-1]), "rows: expected numbers from 0 to 19, got -1 to -1"),
        (np.array([0.0]), r"rows: expected \(m,\) integers, got \(1,\) float64"),
        (np.array([[0]]), r"rows: expected \(m,\) integers, got \(1, 1\) int64"),
    ],
)
def test_wrong_rows(rows: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        nearest_neighbors(normal(20, 3), k=2, rows=rows, progress=False)


def test_a_table_is_replicated_if_it_takes_up_to_half_of_a_device() -> None:
    small, large = mock.Mock(), mock.Mock()
    small.memory_stats.return_value = {"bytes_limit": 1000}
    large.memory_stats.return_value = {"bytes_limit": 4000}
    assert fits(500, [large, small]) and not fits(501, [large, small])
    assert fits(10**15, jax.devices("cpu"))  # does not say
