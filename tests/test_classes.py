"""Which samples the map of a class shows, and where."""

import jax
import numpy as np
import pytest

from jatlas.arrange import TSNE, UMAP
from jatlas.explain import ClassConfig, ComparisonConfig
from jatlas.explain import _classes as classes

KEY = jax.random.key(0)
RNG = np.random.default_rng(0)
EVIDENCE = RNG.standard_normal((60, 5)).astype(np.float16)
LAYOUTS = [UMAP(n_neighbors=5), TSNE(perplexity=5, learning_rate=10)]


def test_balance_is_zero_in_the_middle_and_clipped_at_the_percentile() -> None:
    table = np.array([[0, 0], [1, 1], [3, 1], [1, 2], [9, 0]], np.float16)
    found = classes.balance(table, left=0, right=1, percentile=100)
    np.testing.assert_allclose(found, [0.5, 0.5, 0.5 - 1 / 9, 0.5 + 0.5 / 9, 0], rtol=1e-6)
    # Sizes 0, 0, 1, 2, 9: three quarters of the way is 2.
    found = classes.balance(table, left=0, right=1, percentile=75)
    np.testing.assert_allclose(found, [0.5, 0.5, 0, 0.75, 0], rtol=1e-6)
    mirrored = classes.balance(table, left=1, right=0, percentile=75)
    np.testing.assert_allclose(found + mirrored, 1, rtol=1e-6)
    np.testing.assert_array_equal(classes.balance(table[:2], left=0, right=1), [0.5, 0.5])


@pytest.fixture(scope="module")
def clusters() -> tuple[np.ndarray, np.ndarray]:
    """Three bunches of 15 directions, and evidence that each speaks for one class."""
    centres = np.eye(3, 12).repeat(15, axis=0)
    vectors = (centres + 0.05 * RNG.standard_normal(centres.shape)).astype(np.float32)
    evidence = np.eye(3)[np.arange(45) // 15] - 0.1
    return vectors, evidence.astype(np.float16)


@pytest.mark.slow
@pytest.mark.parametrize("layout", LAYOUTS, ids=("umap", "tsne"))
def test_a_class_map_lies_in_the_unit_square_and_a_key_repeats_it(
    clusters: tuple[np.ndarray, np.ndarray], layout: UMAP | TSNE
) -> None:
    config = ClassConfig(layout=layout)
    found = classes.class_map(*clusters, index=1, key=KEY, config=config, progress=False)
    assert found.rows.tolist() == list(range(15, 30))
    assert found.points.shape == (15, 2)
    assert found.points.dtype == np.float32
    assert found.points.min() >= 0 and found.points.max() <= 1
    again = classes.class_map(*clusters, index=1, key=KEY, config=config, progress=False)
    np.testing.assert_array_equal(found.points, again.points)


@pytest.mark.parametrize("layout", LAYOUTS, ids=("umap", "tsne"))
def test_a_comparison_goes_from_left_to_right_and_keeps_like_ones_together(
    clusters: tuple[np.ndarray, np.ndarray], layout: UMAP | TSNE
) -> None:
    vectors, evidence = clusters
    evidence = evidence.copy()
    evidence[30:, 0] = 0.4  # the third bunch speaks for the first class too, but less
    config = ComparisonConfig(layout=layout, rule="magnitude")
    found = classes.comparison_map(
        vectors, evidence, left=0, right=1, key=KEY, config=config, progress=False
    )
    assert found.rows.tolist() == list(range(45))
    x, y = found.points.T
    assert x[:15].max() < x[30:].min() and x[30:].max() < 0.5 < x[15:30].min()
    assert y.min() >= 0 and y.max() <= 1
    spread = [np.ptp(y[part]) for part in (slice(0, 15), slice(15, 30), slice(30, 45))]
    assert max(spread) < 0.5 * np.ptp(y)


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="right: expected another class than left, got 2"):
        classes.comparison_map(EVIDENCE, EVIDENCE, left=2, right=2, key=KEY)
    with pytest.raises(ValueError, match=r"class 2: a layout needs at least 10 samples, 3 speak"):
        classes.class_map(
            EVIDENCE, EVIDENCE, index=2, key=KEY, config=ClassConfig(rule="magnitude", most=3)
        )
