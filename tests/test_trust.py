"""How far cells can be trusted: laws of the measures, on arrays whose answer is known."""

import jax.numpy as jnp
import numpy as np
import pytest

from jatlas.explain import (
    NO_SAMPLE,
    distinct,
    faithful,
    kept,
    natural,
    neighbors_of_other_images,
    placed,
    pure,
    rank_correlations,
    stable,
    standing,
)
from jatlas.types import HostArray

RNG = np.random.default_rng(0)
CELLS, EACH, CHANNELS = 12, 20, 24
CENTRES = RNG.random((CELLS, CHANNELS)).astype(np.float32) * 4
CELL = np.repeat(np.arange(CELLS), EACH)
IMAGE = np.arange(len(CELL)) // 2  # two places of each image, in one cell
TIGHT = (CENTRES[CELL] + 0.05 * RNG.random((len(CELL), CHANNELS))).astype(np.float32)
CLOUD = RNG.random((len(CELL), CHANNELS)).astype(np.float32)
ALL = np.arange(CELLS)


def means(vectors: HostArray) -> HostArray:
    return np.stack([vectors[cell == CELL].mean(0) for cell in ALL])


def test_tight_clusters_are_pure_and_distinct_and_a_cloud_is_not() -> None:
    assert pure(TIGHT, IMAGE, CELL, ALL).min() > 0.95
    assert pure(CLOUD, IMAGE, CELL, ALL).max() < 0.1
    np.testing.assert_array_equal(distinct(means(TIGHT), TIGHT, CELL, ALL), 1)
    assert distinct(means(CLOUD), CLOUD, CELL, ALL).max() < 0.8


def test_purity_is_that_of_all_pairs_of_different_images() -> None:
    mixed = TIGHT + 2 * CLOUD
    unit = mixed / np.linalg.norm(mixed, axis=1, keepdims=True)
    x, other = unit - unit.mean(0), IMAGE[:, None] != IMAGE[None, :]
    expected = []
    for cell in ALL:
        rows = np.flatnonzero(cell == CELL)
        products = (x[rows] @ x[rows].T)[other[np.ix_(rows, rows)]]
        expected.append(products.mean() / (x[rows] ** 2).sum(1).mean())
    found = pure(mixed, IMAGE, CELL, ALL)
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    assert 0.2 < found.min() < found.max() < 0.9


def test_what_cannot_be_known_is_not_a_number() -> None:
    cell, cells = np.array([0, 0, 1, 2, 2]), np.array([0, 1, 2, 7])
    vectors, image = TIGHT[:5], np.array([0, 0, 1, 2, 3])
    assert np.isnan(pure(vectors, image, cell, cells)).tolist() == [True, True, False, True]
    single = distinct(vectors[:4], vectors, cell, cells)
    assert np.isnan(single).tolist() == [False, True, False, True]
    assert np.isnan(placed(RNG.random((5, 2)), RNG.random((5, 2)), image, cell, cells)[3])
    one = np.zeros(5, int)
    near = neighbors_of_other_images(vectors, one, k=2, progress=False)
    assert (near.rows == NO_SAMPLE).all() and np.isinf(near.distances).all()
    assert np.isnan(natural(vectors[None], vectors, near.distances[:, 0])).all()
    assert np.isnan(kept(near.rows, RNG.random((5, 2)), one, cell, cells)).all()


@pytest.mark.parametrize("k", [1, 5, 15])
def test_neighbors_of_other_images_are_the_true_ones(k: int) -> None:
    found = neighbors_of_other_images(CLOUD, IMAGE, k=k, progress=False)
    unit = CLOUD / np.linalg.norm(CLOUD, axis=1, keepdims=True)
    distance = 1 - unit @ unit.T
    distance[IMAGE[:, None] == IMAGE[None, :]] = np.inf
    np.testing.assert_array_equal(found.rows, np.argsort(distance, axis=1)[:, :k])
    np.testing.assert_allclose(found.distances, np.sort(distance, axis=1)[:, :k], atol=1e-5)


def test_a_layout_that_is_turned_is_the_same_and_a_random_one_is_chance() -> None:
    points, one = RNG.random((1500, 2)), np.arange(1500)
    cell, cells = one % 3, np.arange(3)
    turned = np.stack([1 - points[:, 1], points[:, 0]], axis=1) / 3
    np.testing.assert_array_equal(placed(points, turned, one, cell, cells), 1)
    by_chance = placed(points, RNG.random((1500, 2)), one, cell, cells, k=30)
    np.testing.assert_allclose(by_chance, 30 / 1499, atol=0.006)


def test_a_map_that_is_the_vectors_keeps_all_neighbours_and_a_random_one_chance() -> None:
    angle = RNG.uniform(0, 1.5, 900)
    vectors = np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)
    image, cell, cells = np.arange(900) // 3, np.arange(900) % 2, np.arange(2)
    near = neighbors_of_other_images(vectors, image, k=10, progress=False).rows
    line = np.stack([angle, np.zeros(900)], axis=1)
    assert kept(near, line, image, cell, cells).min() > 0.98  # cosines are rounded
    by_chance = kept(near, RNG.random((900, 2)), image, cell, cells)
    np.testing.assert_allclose(by_chance, 10 / 897, atol=0.01)


def test_the_order_of_the_samples_does_not_matter() -> None:
    order = RNG.permutation(len(CELL))
    mixed, points, other = TIGHT + CLOUD, RNG.random((len(CELL), 2)), RNG.random((len(CELL), 2))

    def measured(rows: HostArray) -> HostArray:
        vectors, image, cell = mixed[rows], IMAGE[rows], CELL[rows]
        near = neighbors_of_other_images(vectors, image, k=6, progress=False)
        return np.stack(
            [
                pure(vectors, image, cell, ALL),
                distinct(means(mixed), vectors, cell, ALL),
                placed(points[rows], other[rows], image, cell, ALL, k=6),
                kept(near.rows, points[rows], image, cell, ALL),
                natural(means(CLOUD)[:, None], vectors, near.distances[:, 0]),
            ]
        )

    np.testing.assert_allclose(measured(order), measured(np.arange(len(CELL))), rtol=1e-5)


def test_natural_is_one_for_a_real_sample_and_less_the_farther_an_icon_is() -> None:
    near = neighbors_of_other_images(TIGHT, IMAGE, k=1, progress=False).distances[:, 0]
    np.testing.assert_array_equal(natural(3 * TIGHT[:, None], TIGHT, near), 1)
    away = np.array([1.0, -1.0] * (CHANNELS // 2), np.float32)
    shares = [natural((CENTRES + x * away)[:, None], TIGHT, near).mean() for x in (0.1, 0.5, 2.0)]
    assert shares[0] > 2 * shares[1] > 4 * shares[2] > 0
    two = np.stack([TIGHT[:3], TIGHT[:3] + 2 * away], axis=1)
    each = natural(two.reshape(6, 1, CHANNELS), TIGHT, near).reshape(3, 2)
    np.testing.assert_allclose(natural(two, TIGHT, near), each.mean(1), rtol=1e-5)


def test_natural_reads_vectors_block_by_block(monkeypatch: pytest.MonkeyPatch) -> None:
    near = neighbors_of_other_images(CLOUD, IMAGE, k=1, progress=False).distances[:, 0]
    whole = natural(TIGHT[:7, None], CLOUD, near)
    monkeypatch.setattr("jatlas.explain._natural._BLOCK", 50)
    np.testing.assert_allclose(natural(TIGHT[:7, None], CLOUD, near), whole, rtol=1e-5)


def test_natural_does_not_take_what_is_near_the_mean_for_natural() -> None:
    """What is near to many is compared with how near these are to each other."""
    sparse = np.eye(CHANNELS, dtype=np.float32).repeat(4, axis=0)
    sparse += 0.05 * RNG.random(sparse.shape).astype(np.float32)
    near = neighbors_of_other_images(sparse, np.arange(len(sparse)), k=1, progress=False)
    mean = np.ones((1, 1, CHANNELS), np.float32)
    assert natural(mean, sparse, near.distances[:, 0])[0] < 0.05


def places(noise: float) -> HostArray:
    drawn = RNG.random((CELLS, 4, CHANNELS))
    return (CENTRES[:, None] + noise * drawn).astype(np.float32)


def test_faithful_goes_from_a_place_of_the_cell_to_one_of_another() -> None:
    real, here = jnp.asarray(places(1.5)), jnp.ones((CELLS, 4), bool)

    def of(icons: HostArray) -> float:
        return float(jnp.nanmean(faithful(jnp.asarray(icons), real, here)))

    own = places(1.5)[:, 0]
    between = (own + np.roll(own, 1, axis=0)) / 2
    assert of(own) > 0.9 and of(np.roll(own, 1, axis=0)) < 0.2
    assert of(own) > of(between) > of(np.roll(own, 1, axis=0))


def test_faithful_is_the_ratio_of_mean_correlations() -> None:
    from scipy.stats import spearmanr

    real, icons = places(3.0), places(6.0)[:, 0]
    here = np.ones((CELLS, 4), bool)
    here[3, 2:], here[5, 1] = False, False
    flat, owner = real[here], np.argwhere(here)[:, 0]
    table = spearmanr(np.concatenate([flat, icons]), axis=1).statistic
    between, alike = table[: len(flat), : len(flat)], table[len(flat) :, : len(flat)]
    np.fill_diagonal(between, np.nan)
    expected = []
    for cell in ALL:
        mine = owner == cell
        same, other = np.nanmean(between[mine][:, mine]), between[mine][:, ~mine].mean()
        expected.append(np.clip((alike[cell, mine].mean() - other) / (same - other), 0, 1))
    found = faithful(jnp.asarray(icons), jnp.asarray(real), jnp.asarray(here))
    np.testing.assert_allclose(found, expected, atol=2e-5)
    hidden = np.where(here[..., None], real, 99.0).astype(np.float32)
    again = faithful(jnp.asarray(icons), jnp.asarray(hidden), jnp.asarray(here))
    np.testing.assert_allclose(again, found, atol=1e-6)


def test_faithful_is_unknown_without_two_places_or_without_a_difference() -> None:
    real = jnp.asarray(places(1.0))
    here = jnp.ones((CELLS, 4), bool).at[2, 1:].set(False).at[4].set(False)
    found = np.asarray(faithful(jnp.asarray(CENTRES), real, here))
    assert np.flatnonzero(np.isnan(found)).tolist() == [2, 4]
    same = jnp.broadcast_to(real[:1, :1], real.shape)
    assert jnp.isnan(faithful(jnp.asarray(CENTRES), same, jnp.ones((CELLS, 4), bool))).all()


def test_stable_is_one_for_the_same_icons_and_zero_for_those_of_other_cells() -> None:
    first = jnp.asarray(CENTRES)
    np.testing.assert_allclose(stable(first, 5 * first), 1, rtol=1e-5)
    assert float(stable(first, jnp.roll(first, 1, axis=0)).mean()) < 0.2
    noise = jnp.asarray(RNG.random(CENTRES.shape), jnp.float32)
    shares = [float(stable(first, first + x * noise).mean()) for x in (1, 3, 30)]
    assert shares[0] > shares[1] > shares[2]
    np.testing.assert_allclose(
        stable(first, first + noise), stable(first + noise, first), rtol=1e-5
    )
    assert stable(first[:1], first[:1]).tolist() == pytest.approx([1.0])


def test_standing_and_correlations_are_those_of_scipy() -> None:
    from scipy.stats import rankdata, spearmanr

    table = np.round(RNG.random((40, 4)), 1)
    np.testing.assert_allclose(standing(table), (rankdata(table, axis=0) - 0.5) / 40)
    np.testing.assert_allclose(rank_correlations(table), spearmanr(table).statistic, atol=1e-9)
    table[5, 1] = np.nan
    both = np.delete(table, 5, axis=0)
    found = rank_correlations(table)
    assert found[1, 2] == pytest.approx(spearmanr(both[:, 1], both[:, 2]).statistic)
    assert np.isnan(rank_correlations(np.ones((3, 2)))).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: pure(TIGHT, IMAGE[1:], CELL, ALL), "image_index: expected one per vector"),
        (lambda: pure(TIGHT, IMAGE, CELL[1:], ALL), "cell: expected one per vector"),
        (lambda: distinct(TIGHT[:3], TIGHT, CELL, ALL), "means: expected one for each of 12"),
        (lambda: natural(TIGHT, TIGHT, CELL), "activations: expected"),
        (lambda: natural(TIGHT[None], TIGHT, CELL[1:]), "distances: expected one for each"),
        (
            lambda: placed(TIGHT[:, :2], TIGHT[1:, :2], IMAGE, CELL, ALL),
            r"other: expected \(240, 2\)",
        ),
        (lambda: kept(IMAGE, TIGHT[:, :2], IMAGE, CELL, ALL), r"neighbors: expected \(240, k\)"),
        (lambda: neighbors_of_other_images(TIGHT, IMAGE, k=0), "k: expected"),
    ],
)
def test_arrays_that_do_not_belong_together_are_refused(call: object, message: str) -> None:
    assert callable(call)
    with pytest.raises(ValueError, match=message):
        call()
