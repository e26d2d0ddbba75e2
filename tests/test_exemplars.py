"""The nearest samples, against a plain loop."""

import jax.numpy as jnp
import numpy as np
import pytest

from jatlas.arrange import _whiten as whiten
from jatlas.explain import exemplars, nearest

RNG = np.random.default_rng(0)
CELLS, SAMPLES, CHANNELS = 19, 60, 8
MEANS = RNG.random((CELLS, CHANNELS)).astype(np.float32)
VECTORS = (RNG.random((SAMPLES, CHANNELS)) ** 2).astype(np.float32)
IMAGE = 3 * RNG.integers(0, 25, SAMPLES)  # with gaps, and several samples of most
INVERSE = np.asarray(whiten.inverse(whiten.second_moment(jnp.asarray(VECTORS)), ridge=1e-2))


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
def test_exemplars_are_those_of_a_loop(whitened: bool, count: int) -> None:
    inverse = INVERSE if whitened else None
    found = exemplars(MEANS, VECTORS, IMAGE, count=count, inverse_moment=inverse)
    rows, cosine = loop(count, INVERSE.astype(np.float64) if whitened else np.eye(CHANNELS))
    np.testing.assert_array_equal(found.rows, rows)
    np.testing.assert_allclose(found.cosine, cosine, rtol=1e-4, atol=1e-5)
    assert (count > 25) == (found.rows == -1).any()


def test_whitening_makes_a_difference() -> None:
    plain, whitened = (
        exemplars(MEANS, VECTORS, IMAGE, inverse_moment=inverse).rows for inverse in (None, INVERSE)
    )
    assert (plain != whitened).any()


def test_of_equals_the_first_sample_stands_and_lengths_do_not_count() -> None:
    vectors = np.array([[1, 0], [2, 0], [0, 1], [0, 0]], np.float32)
    found = exemplars(vectors[1:3] * 7, vectors, np.array([5, 5, 2, 9]), count=3)
    assert found.rows.tolist() == [[0, 2, 3], [2, 0, 3]]
    np.testing.assert_allclose(found.cosine, [[1, 0, 0], [1, 0, 0]], atol=1e-6)


def test_the_nearest_vector_is_that_of_a_loop() -> None:
    found = nearest(jnp.asarray(MEANS), jnp.asarray(VECTORS))
    length = np.linalg.norm(VECTORS, axis=1)
    assert found.tolist() == [int(np.argmax(VECTORS @ mean / length)) for mean in MEANS]
    assert found.dtype == jnp.int32


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="count: expected at least 1, got 0"):
        exemplars(MEANS, VECTORS, IMAGE, count=0)
    with pytest.raises(ValueError, match="image: expected one per vector, got 3 for 60"):
        exemplars(MEANS, VECTORS, IMAGE[:3])
