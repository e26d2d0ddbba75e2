"""The nearest samples, against a plain loop."""

import jax.numpy as jnp
import numpy as np
import pytest

from jatlas.arrange import inverse, second_moment
from jatlas.explain import NO_SAMPLE, _exemplars, exemplars, nearest_by_cosine, own_exemplars

RNG = np.random.default_rng(0)
CELLS, SAMPLES, CHANNELS = 19, 60, 8
MEANS = RNG.random((CELLS, CHANNELS)).astype(np.float32)
VECTORS = (RNG.random((SAMPLES, CHANNELS)) ** 2).astype(np.float32)
IMAGE = 3 * RNG.integers(0, 25, SAMPLES)  # with gaps, and several samples of most
INVERSE = np.asarray(inverse(second_moment(jnp.asarray(VECTORS)), ridge=1e-2))


def loop(count: int, inverse: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    rows = np.full((CELLS, count), -1)
    cosine = np.full((CELLS, count), -np.inf)
    for cell, mean in enumerate(MEANS.astype(np.float64)):
        angle = [
            mean @ inverse @ v / np.sqrt((mean @ inverse @ mean) * (v @ inverse @ v))
            for v in VECTORS.astype(np.float64)
        ]
        used: set[int] = set()
        for row in sorted(range(SAMPLES), key=lambda row: (-angle[row], row)):
            if int(IMAGE[row]) not in used and len(used) < count:
                rows[cell, len(used)], cosine[cell, len(used)] = row, angle[row]
                used.add(int(IMAGE[row]))
    return rows, cosine


@pytest.mark.parametrize("whitened", [False, True])
@pytest.mark.parametrize("count", [1, 4, 40])
def test_exemplars_equal_a_loop(whitened: bool, count: int) -> None:
    inverse_moment = INVERSE if whitened else None
    found = exemplars(MEANS, VECTORS, IMAGE, count=count, inverse_moment=inverse_moment)
    rows, cosine = loop(count, INVERSE.astype(np.float64) if whitened else np.eye(CHANNELS))
    np.testing.assert_array_equal(found.rows, rows)
    np.testing.assert_allclose(found.cosine, cosine, rtol=1e-4, atol=1e-5)
    assert (count > 25) == (found.rows == NO_SAMPLE).any()


@pytest.mark.parametrize("rows", [1, 7, 30])
@pytest.mark.parametrize("in_order", [False, True])
def test_blocks_of_samples_find_the_same(
    monkeypatch: pytest.MonkeyPatch, rows: int, in_order: bool
) -> None:
    image = np.sort(IMAGE) if in_order else IMAGE
    whole = exemplars(MEANS, VECTORS, image, count=30, inverse_moment=INVERSE)
    monkeypatch.setattr(_exemplars, "_ROWS", rows)
    found = exemplars(MEANS, VECTORS, image, count=30, inverse_moment=INVERSE)
    np.testing.assert_array_equal(found.rows, whole.rows)
    np.testing.assert_allclose(found.cosine, whole.cosine, atol=1e-6)


def test_whitening_makes_a_difference() -> None:
    plain, whitened = (
        exemplars(MEANS, VECTORS, IMAGE, inverse_moment=m).rows for m in (None, INVERSE)
    )
    assert (plain != whitened).any()


def test_of_equal_samples_the_first_wins_and_lengths_do_not_matter() -> None:
    vectors = np.array([[1, 0], [2, 0], [0, 1], [0, 0]], np.float32)
    found = exemplars(vectors[1:3] * 7, vectors, np.array([5, 5, 2, 9]), count=3)
    assert found.rows.tolist() == [[0, 2, 3], [2, 0, 3]]
    np.testing.assert_allclose(found.cosine, [[1, 0, 0], [1, 0, 0]], atol=1e-6)


def test_the_nearest_vector_equals_a_loop() -> None:
    found = nearest_by_cosine(jnp.asarray(MEANS), jnp.asarray(VECTORS))
    length = np.linalg.norm(VECTORS, axis=1)
    assert found.tolist() == [int(np.argmax(VECTORS @ mean / length)) for mean in MEANS]
    assert found.dtype == jnp.int32


def test_a_nearly_singular_moment_gives_exemplars() -> None:
    # A third of the channels never fires, and few samples span the others. With a ridge of 1e-5,
    # the inverse, rounded to float32, has a negative eigenvalue; its Cholesky factor was NaN.
    table = np.random.default_rng(1).random((60, 512)).astype(np.float32)
    table[:, ::3] = 0
    moment = table.T.astype(np.float64) @ table / len(table)
    moment += 1e-5 * np.trace(moment) / 512 * np.eye(512)
    inverse_moment = np.linalg.inv(moment).astype(np.float32)
    assert_nearest_to_themselves(table, inverse_moment)


def test_a_negative_eigenvalue_counts_as_zero() -> None:
    inverse_moment = np.diag(np.float32([1, 2, -1e-6, 1, 3, 1, 1, 1]))
    assert_nearest_to_themselves(VECTORS, inverse_moment)


def assert_nearest_to_themselves(table: np.ndarray, inverse_moment: np.ndarray) -> None:
    found = exemplars(table, table, np.arange(60), count=3, inverse_moment=inverse_moment)
    np.testing.assert_array_equal(found.rows[:, 0], np.arange(60))
    np.testing.assert_allclose(found.cosine[:, 0], 1, atol=1e-5)
    assert np.isfinite(found.cosine).all() and found.cosine.max() < 1 + 1e-5
    assert found.rows.min() >= 0 and found.rows.max() < 60


@pytest.mark.parametrize("name", ["directions", "vectors", "inverse_moment"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_arrays_that_are_not_finite_are_refused(name: str, value: float) -> None:
    arrays = {"directions": MEANS, "vectors": VECTORS, "inverse_moment": INVERSE}
    arrays[name] = arrays[name].copy()
    arrays[name][2, 3] = value
    with pytest.raises(ValueError, match=rf"^{name}: some are not finite \(NaN or infinity\)$"):
        exemplars(
            arrays["directions"],
            arrays["vectors"],
            IMAGE,
            inverse_moment=arrays["inverse_moment"],
        )


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="count: expected at least 1, got 0"):
        exemplars(MEANS, VECTORS, IMAGE, count=0)
    with pytest.raises(ValueError, match="image_index: expected one per vector, got 3 for 60"):
        exemplars(MEANS, VECTORS, IMAGE[:3])
    with pytest.raises(ValueError, match="vectors: expected at least one"):
        exemplars(MEANS, VECTORS[:0], IMAGE[:0])
    with pytest.raises(ValueError, match=r"directions: expected \(cells, 8\), got \(19, 7\)"):
        exemplars(MEANS[:, 1:], VECTORS, IMAGE)
    with pytest.raises(ValueError, match=r"inverse_moment: expected \(8, 8\), got \(7, 8\)"):
        exemplars(MEANS, VECTORS, IMAGE, inverse_moment=INVERSE[1:])


@pytest.mark.parametrize("whitened", [False, True])
@pytest.mark.parametrize("block", [7, 16_384])
def test_own_exemplars_equal_a_loop(
    monkeypatch: pytest.MonkeyPatch, whitened: bool, block: int
) -> None:
    """The best sample of each image of the cell, then the second best of each, and so on."""
    monkeypatch.setattr("jatlas.explain._own._BLOCK", block)
    owner = np.random.default_rng(1).integers(
        -1, CELLS // 4, SAMPLES
    )  # most cells have none, a few have many
    inverse_moment = INVERSE if whitened else None
    found = own_exemplars(MEANS, VECTORS, IMAGE, owner, count=9, inverse_moment=inverse_moment)
    metric = INVERSE.astype(np.float64) if whitened else np.eye(CHANNELS)
    for cell, mean in enumerate(MEANS.astype(np.float64)):
        ranked = []
        seen: dict[int, int] = {}
        angles = (
            VECTORS
            @ metric
            @ mean
            / np.sqrt((mean @ metric @ mean) * np.einsum("nc,cd,nd->n", VECTORS, metric, VECTORS))
        )
        for row in sorted(np.flatnonzero(owner == cell), key=lambda row: (-angles[row], row)):
            seen[int(IMAGE[row])] = seen.get(int(IMAGE[row]), 0) + 1
            ranked.append((seen[int(IMAGE[row])], -angles[row], row))
        expected = [row for _, _, row in sorted(ranked)[:9]]
        missing = [NO_SAMPLE] * (9 - len(expected))
        assert found.rows[cell].tolist() == expected + missing
        np.testing.assert_allclose(found.cosine[cell, : len(expected)], angles[expected], atol=1e-6)
        assert np.isneginf(found.cosine[cell, len(expected) :]).all()


def test_own_exemplars_refuse_owners_of_other_vectors() -> None:
    with pytest.raises(ValueError, match="owner: expected one per vector"):
        own_exemplars(MEANS, VECTORS, IMAGE, np.zeros(SAMPLES - 1, int))
