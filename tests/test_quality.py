"""Trustworthiness and recall of a map, against scikit-learn and by hand."""

import re
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.manifold import trustworthiness

from jatlas.arrange import map_quality
from jatlas.arrange._quality import _ranks as ranks
from jatlas.bench._machine import program_bytes

KEY = jax.random.key(0)


def table(count: int = 200, channels: int = 8) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(count, channels)).astype(np.float32)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_all_points_give_the_trustworthiness_of_scikit_learn(metric: Any) -> None:
    vectors = table()
    points = vectors[:, :2]
    found = map_quality(vectors, points, key=KEY, k=10, metric=metric, sample=1000)
    expected = trustworthiness(vectors, points, n_neighbors=10, metric=metric)
    assert found.trustworthiness == pytest.approx(expected, abs=1e-4)


def test_the_recall_by_hand() -> None:
    vectors = np.arange(40, dtype=np.float32)[:, None] ** 1.5
    shuffled = np.random.default_rng(1).permutation(40).astype(np.float32)[:, None]
    found = map_quality(vectors, vectors, key=KEY, k=3, metric="euclidean")
    assert found == (1, 1)
    chance = map_quality(vectors, shuffled, key=KEY, k=3, metric="euclidean")
    assert chance.recall < 0.3 and chance.trustworthiness < 0.7


def test_a_sample_is_near_the_whole_and_seeded() -> None:
    vectors = table(1000)
    whole = map_quality(vectors, vectors[:, :2], key=KEY, sample=1000)
    some = map_quality(vectors, vectors[:, :2], key=KEY, sample=300)
    assert some != whole
    assert some == map_quality(vectors, vectors[:, :2], key=KEY, sample=300)
    assert some == pytest.approx(whole, abs=0.02)


def test_points_in_one_place() -> None:
    found = map_quality(table(), np.zeros((200, 2)), key=KEY)
    assert 0.3 < found.trustworthiness < 0.7


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"points": np.zeros((3, 2))}, "points: expected one per vector, (200, axes), got (3, 2)"),
        ({"points": np.full((200, 2), np.nan)}, "points: some are not finite (NaN or infinity)"),
        ({"k": 100}, "k: expected less than half of the 200 vectors, got 100"),
        ({"metric": "far"}, "metric: expected 'cosine' or 'euclidean', got 'far'"),
        ({"sample": 0}, "sample: expected at least 1, got 0"),
    ],
)
def test_wrong_arguments_are_named(wrong: dict[str, Any], message: str) -> None:
    arguments = {"points": np.zeros((200, 2)), "key": KEY} | wrong
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        map_quality(table(), arguments.pop("points"), **arguments)


def test_ranks_are_counted_one_neighbor_after_the_other() -> None:
    count, near = 20_000, 15
    table = jnp.zeros((count, 4), jnp.float32)
    rows, others = jnp.zeros(100, jnp.int32), jnp.zeros((100, near), jnp.int32)
    program = ranks.lower(rows, others, table, metric="cosine").compile()
    assert program_bytes(program) < 3 * 4 * len(rows) * count
