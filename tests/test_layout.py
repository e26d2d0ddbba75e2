"""UMAP layouts and the unit square."""

import re
from typing import Any, get_args

import jax
import numpy as np
import pytest
from sklearn.manifold import trustworthiness

from jatlas.arrange import (
    TSNE,
    UMAP,
    Metric,
    Neighbors,
    _start,
    _umap,
    layout,
    to_unit_square,
    tsne,
    umap,
    umap_neighbors,
)

FIFTEEN = UMAP(n_neighbors=15)


def lay_out(vectors: np.ndarray, *, seed: int = 0, config: UMAP = FIFTEEN) -> np.ndarray:
    key = jax.random.key(seed)
    points = umap(vectors, key=key, config=config, progress=False)
    assert points.shape == (len(vectors), 2)
    assert points.dtype == np.float32
    assert np.isfinite(points).all()
    return points


def cosine_trust(vectors: np.ndarray, points: np.ndarray) -> float:
    return trustworthiness(vectors, points, n_neighbors=10, metric="cosine")


@pytest.fixture(scope="module")
def clusters() -> np.ndarray:
    """Five groups of 60 directions."""
    rng = np.random.default_rng(0)
    centres = np.repeat(4 * rng.normal(size=(5, 16)), 60, axis=0)
    return (centres + 0.5 * rng.normal(size=(300, 16))).astype(np.float32)


@pytest.fixture(scope="module")
def points(clusters: np.ndarray) -> np.ndarray:
    return lay_out(clusters)


# UMAP


@pytest.mark.slow
def test_near_vectors_stay_near(clusters: np.ndarray, points: np.ndarray) -> None:
    # Measured: 0.961; 0.51 for the same points in random order.
    assert cosine_trust(clusters, points) > 0.93
    centres = points.reshape(5, 60, 2).mean(axis=1)
    nearest = np.linalg.norm(points[:, None] - centres, axis=-1).argmin(axis=1)
    np.testing.assert_array_equal(nearest, np.repeat(np.arange(5), 60))


@pytest.mark.slow
def test_the_same_key_gives_the_same_layout(clusters: np.ndarray, points: np.ndarray) -> None:
    again = layout(clusters, key=jax.random.key(0), config=FIFTEEN, progress=False)
    assert again.tobytes() == points.tobytes()
    other = lay_out(clusters, seed=1)
    assert np.abs(other - points).max() > 0.1
    assert cosine_trust(clusters, other) > 0.93


@pytest.mark.slow
def test_the_metric_decides_what_is_near(clusters: np.ndarray) -> None:
    # Cosine ignores lengths; they dominate euclidean distances. Measured: 0.960, 0.681, 0.975.
    lengths = np.random.default_rng(1).permutation(np.geomspace(1, 1000, 300))[:, None]
    stretched = (clusters * lengths).astype(np.float32)
    cosine = lay_out(stretched)
    euclidean = lay_out(stretched, config=UMAP(n_neighbors=15, metric="euclidean"))
    assert cosine_trust(stretched, cosine) > 0.93
    assert trustworthiness(stretched, cosine, n_neighbors=10) < 0.85
    assert trustworthiness(stretched, euclidean, n_neighbors=10) > 0.93


@pytest.mark.slow
@pytest.mark.parametrize("config", [UMAP(n_neighbors=5), TSNE(perplexity=5)], ids=("umap", "tsne"))
def test_a_line_keeps_near_vectors_near(clusters: np.ndarray, config: UMAP | TSNE) -> None:
    key = jax.random.key(0)
    line = layout(clusters[::4], key=key, config=config, dimensions=1, progress=False)
    assert line.shape == (75, 1)
    assert line.dtype == np.float32
    # A line may tear a cluster in two. Of 74 pairs of neighbours at most 70 are of one cluster.
    owner = np.repeat(np.arange(5), 15)[line[:, 0].argsort()]
    assert (owner[1:] == owner[:-1]).sum() >= 68


def test_the_config_decides_the_method(clusters: np.ndarray) -> None:
    key, config = jax.random.key(0), TSNE(perplexity=5)
    expected = tsne(clusters[::10], key=key, config=config)
    np.testing.assert_array_equal(layout(clusters[::10], key=key, config=config), expected)


@pytest.mark.slow
@pytest.mark.parametrize("count", [10, 30])
def test_fewer_samples_than_neighbors(clusters: np.ndarray, count: int) -> None:
    lay_out(clusters[::10][:count], config=UMAP(n_neighbors=50))


@pytest.mark.slow
@pytest.mark.parametrize("case", ["zero rows", "duplicates", "equal", "all zero"])
def test_degenerate_vectors_have_a_layout(clusters: np.ndarray, case: str) -> None:
    vectors = clusters[::5].copy()
    if case == "zero rows":
        vectors[::12] = 0
    elif case == "duplicates":
        vectors[20:50] = vectors[20]
    else:
        vectors[:] = 0 if case == "all zero" else 3
    lay_out(vectors)


@pytest.mark.slow
def test_many_vectors_begin_among_landmarks(
    monkeypatch: pytest.MonkeyPatch, clusters: np.ndarray
) -> None:
    monkeypatch.setattr(_umap, "MANY", 300)
    monkeypatch.setattr(_start, "_LANDMARKS", 60)
    config = UMAP(n_neighbors=15, epochs=100)
    assert cosine_trust(clusters, lay_out(clusters, config=config)) > 0.93
    # Without a single epoch: where the points begin.
    arguments = {"key": jax.random.key(0), "min_dist": 0.05, "dimensions": 2}
    for metric in get_args(Metric):
        start = _start.landmark_start(clusters, metric=metric, **arguments)
        assert cosine_trust(clusters, np.asarray(start)) > 0.75


@pytest.mark.slow
@pytest.mark.usefixtures("umap_learn")
def test_umap_learn_is_a_method(clusters: np.ndarray) -> None:
    config = UMAP(n_neighbors=15, method="umap-learn")
    points = lay_out(clusters, config=config)
    assert cosine_trust(clusters, points) > 0.93
    assert lay_out(clusters, config=config).tobytes() == points.tobytes()
    start = np.asarray(points[:, ::-1])
    key = jax.random.key(0)
    again = umap(clusters, key=key, config=config, start=start, progress=False)
    assert cosine_trust(clusters, again) > 0.93
    with pytest.raises(ValueError, match=r"^fixed: expected None, as umap-learn moves all points$"):
        umap(clusters, key=key, config=config, start=start, fixed=np.ones(300, bool))


# Neighbours, a start and fixed points of one's own


@pytest.mark.slow
def test_neighbors_that_are_known_are_not_searched(
    monkeypatch: pytest.MonkeyPatch, clusters: np.ndarray, points: np.ndarray
) -> None:
    near = umap_neighbors(clusters, config=FIFTEEN, progress=False)
    assert near.recall == 1
    monkeypatch.setattr(_umap, "nearest_neighbors", None)  # it would be called
    key = jax.random.key(0)
    found = umap(clusters, key=key, config=FIFTEEN, neighbors=near, progress=False)
    assert found.tobytes() == points.tobytes()
    found = layout(clusters, key=key, config=FIFTEEN, neighbors=near, progress=False)
    assert found.tobytes() == points.tobytes()
    with pytest.raises(ValueError, match=r"^neighbors: expected None for t-SNE"):
        layout(clusters, key=key, config=TSNE(), neighbors=near)


@pytest.mark.slow
def test_points_are_added_to_a_layout(clusters: np.ndarray, points: np.ndarray) -> None:
    """New points go where their neighbours are; the others stay."""
    new = np.arange(300) % 5 == 0
    start = np.where(new[:, None], 0, points)
    added = umap(
        clusters, key=jax.random.key(1), config=FIFTEEN, start=start, fixed=~new, progress=False
    )
    assert (added[~new] == points[~new]).all()
    assert cosine_trust(clusters, added) > 0.93


NEAR = Neighbors(np.tile(np.arange(3), (20, 1)), np.tile(np.arange(3.0), (20, 1)))
OWN = Neighbors((np.arange(20)[:, None] + np.arange(3)) % 20, NEAR.distances)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"start": np.zeros((20, 3))}, "start: expected (20, 2), got (20, 3)"),
        ({"start": np.full((20, 2), np.inf)}, "start: some are not finite (NaN or infinity)"),
        (
            {"fixed": np.ones(20, bool)},
            "fixed: expected None without start, which says where points stay",
        ),
        (
            {"start": np.zeros((20, 2)), "fixed": np.ones(20)},
            "fixed: expected (20,) bool, got (20,) float64",
        ),
        ({"neighbors": NEAR}, "neighbors: expected each vector as its own first neighbour"),
        (
            {"neighbors": OWN._replace(indices=OWN.indices[:, :2])},
            "neighbors: expected distances (20, 2), got (20, 3)",
        ),
        (
            {"neighbors": OWN._replace(indices=OWN.indices + 1)},
            "neighbors: expected numbers from 0 to 19, got 1 to 20",
        ),
        (
            {"neighbors": OWN._replace(distances=-OWN.distances)},
            "neighbors: expected finite distances, ascending",
        ),
        (
            {"neighbors": Neighbors(OWN.indices[:9], OWN.distances[:9])},
            "neighbors: expected (20, k) integers with k of at least 2, got (9, 3) int64",
        ),
    ],
)
def test_what_does_not_fit_is_named(wrong: dict[str, Any], message: str) -> None:
    vectors = np.random.default_rng(0).normal(size=(20, 4))
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        umap(vectors, key=jax.random.key(0), progress=False, **wrong)


@pytest.mark.slow
def test_x64_changes_a_layout_by_rounding_only(clusters: np.ndarray) -> None:
    config = UMAP(n_neighbors=15, epochs=3)  # more would amplify it
    expected = lay_out(clusters, config=config)
    with jax.enable_x64(True):
        np.testing.assert_allclose(lay_out(clusters, config=config), expected, atol=1e-3)


@pytest.mark.parametrize("count", [0, 1, 9])
def test_too_few_samples(count: int) -> None:
    message = rf"^vectors: a layout needs at least 10 samples, got {count}: use more images"
    with pytest.raises(ValueError, match=message):
        lay_out(np.ones((count, 4), np.float32))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_vectors_that_are_not_finite(clusters: np.ndarray, value: float) -> None:
    vectors = clusters.copy()
    vectors[3, 4] = value
    with pytest.raises(ValueError, match=r"^vectors: some are not finite \(NaN or infinity\)$"):
        lay_out(vectors)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"n_neighbors": 1}, "n_neighbors: expected at least 2, got 1"),
        ({"min_dist": -0.1}, "min_dist: expected 0 to 1, got -0.1"),
        ({"min_dist": 1.1}, "min_dist: expected 0 to 1, got 1.1"),
        ({"min_dist": float("nan")}, "min_dist: expected 0 to 1, got nan"),
        ({"metric": "manhattan"}, "metric: expected 'cosine' or 'euclidean', got 'manhattan'"),
    ],
)
def test_the_config_is_checked(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        UMAP(**wrong)


# The unit square


def test_the_unit_square_by_hand() -> None:
    # 0..10 and a margin of a tenth on both sides: -1..11 becomes 0..1.
    points = np.stack([np.arange(11.0), 100 - 10 * np.arange(11.0)], axis=1)
    got = to_unit_square(points, percentiles=(0, 100), margin=0.1)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got[:, 0], (np.arange(11) + 1) / 12, atol=1e-6)
    np.testing.assert_allclose(got[:, 1], 1 - got[:, 0], atol=1e-6)


def test_the_percentiles_are_numpys() -> None:
    points = np.random.default_rng(2).normal(size=(777, 2))
    lower, upper = np.percentile(points, (1, 99), axis=0)
    room = 0.1 * (upper - lower)
    expected = np.clip((points - lower + room) / (upper - lower + 2 * room), 0, 1)
    np.testing.assert_allclose(to_unit_square(points), expected, atol=1e-6)


def test_points_outside_are_moved_to_the_edge() -> None:
    points = np.random.default_rng(3).uniform(size=(1000, 2)).astype(np.float32)
    points[:4] = [[50, 0.5], [-50, 0.5], [0.5, 50], [0.5, -50]]
    got = to_unit_square(points)
    assert got.min() == 0
    assert got.max() == 1
    assert got[0, 0] == got[2, 1] == 1
    assert got[1, 0] == got[3, 1] == 0
    assert 0.4 < got[0, 1] < 0.6
    inside = got[4:]
    assert inside.min() > 0.05
    assert inside.max() < 0.95


def test_the_margins_are_symmetric() -> None:
    # lucid widens the upper side by a tenth of the range that the lower margin has widened.
    points = np.random.default_rng(4).normal(size=(500, 2)).astype(np.float32)
    np.testing.assert_allclose(to_unit_square(-points), 1 - to_unit_square(points), atol=1e-6)


def test_scale_and_shift_change_nothing() -> None:
    points = np.random.default_rng(5).normal(size=(500, 2)).astype(np.float32)
    got = to_unit_square(points * np.float32([300, 0.01]) + np.float32([1000, -0.5]))
    np.testing.assert_allclose(got, to_unit_square(points), atol=2e-4 / 3)


@pytest.mark.parametrize("margin", [0.0, 0.1])
def test_a_constant_axis_becomes_one_half(margin: float) -> None:
    points = np.stack([np.linspace(-3, 9, 20), np.full(20, 7.3)], axis=1)
    got = to_unit_square(points, margin=margin)
    assert (got[:, 1] == 0.5).all()
    assert got[0, 0] < 0.1
    assert got[-1, 0] > 0.9
    assert to_unit_square(np.array([[4.0, 5.0]]), margin=margin).tolist() == [[0.5, 0.5]]


@pytest.mark.parametrize("percentiles", [(-1, 99), (1, 101), (50, 50), (99, 1), (float("nan"), 99)])
def test_wrong_percentiles(percentiles: tuple[float, float]) -> None:
    message = f"percentiles: expected 0 <= lower < upper <= 100, got {percentiles}"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        to_unit_square(np.zeros((5, 2)), percentiles=percentiles)


@pytest.mark.parametrize("margin", [-0.1, float("nan")])
def test_a_wrong_margin(margin: float) -> None:
    with pytest.raises(ValueError, match=f"^margin: expected at least 0, got {margin}$"):
        to_unit_square(np.zeros((5, 2)), margin=margin)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_points_that_are_not_finite(value: float) -> None:
    points = np.random.default_rng(6).normal(size=(50, 2))
    points[9, 1] = value
    with pytest.raises(ValueError, match=r"^points: some are not finite \(NaN or infinity\)$"):
        to_unit_square(points)
