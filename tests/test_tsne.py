"""t-SNE layouts."""

import jax
import numpy as np
import pytest

from jatlas.arrange import TSNE, tsne

KEY = jax.random.key(0)


@pytest.mark.parametrize("dimensions", [1, 2])
def test_near_vectors_stay_near_and_the_same_key_gives_the_same_layout(dimensions: int) -> None:
    rng = np.random.default_rng(0)
    group = np.arange(60) // 15
    # Four directions of very different lengths: only the angle matters.
    length = rng.uniform(1, 50, (60, 1))
    vectors = (np.eye(4, 12)[group] + 0.05 * rng.standard_normal((60, 12))) * length
    config = TSNE(perplexity=8)
    points = tsne(vectors, key=KEY, config=config, dimensions=dimensions)
    assert points.shape == (60, dimensions) and points.dtype == np.float32
    distance = np.linalg.norm(points[:, None] - points, axis=-1)
    np.fill_diagonal(distance, np.inf)
    assert (group[distance.argmin(1)] == group).mean() > 0.9
    again = tsne(vectors, key=KEY, config=config, dimensions=dimensions)
    np.testing.assert_array_equal(points, again)
    other = tsne(vectors, key=jax.random.key(1), config=config, dimensions=dimensions)
    assert np.abs(points - other).max() > 1e-3


def test_ten_vectors_are_enough_and_fewer_or_damaged_ones_are_refused() -> None:
    vectors = np.random.default_rng(0).random((10, 4))
    assert np.isfinite(tsne(vectors, key=KEY)).all()
    with pytest.raises(ValueError, match="at least 10 samples, got 9"):
        tsne(vectors[1:], key=KEY)
    vectors[3, 1] = np.nan
    with pytest.raises(ValueError, match="vectors: some are not finite"):
        tsne(vectors, key=KEY)
    for name, value in (("perplexity", 0.5), ("learning_rate", 0), ("metric", "taxi")):
        with pytest.raises(ValueError, match=f"{name}: expected"):
            TSNE(**{name: value})
