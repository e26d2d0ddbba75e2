"""Grid averages against a dictionary of lists."""

import collections
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jatlas.arrange import _grid, average, average_blocks, cell_index


def reference(
    values: np.ndarray, points: np.ndarray, size: int
) -> tuple[np.ndarray, np.ndarray, list[int]]:
    """Means, counts and cell numbers by a plain loop."""
    cells: dict[tuple[int, int], list[np.ndarray]] = collections.defaultdict(list)
    numbers = []
    for value, (x, y) in zip(values, points, strict=True):
        column = min(math.floor(np.float32(x) * np.float32(size)), size - 1)
        row = min(math.floor(np.float32(y) * np.float32(size)), size - 1)
        cells[row, column].append(value)
        numbers.append(row * size + column)
    mean = np.zeros((size, size, values.shape[1]))
    count = np.zeros((size, size), int)
    for (row, column), members in cells.items():
        mean[row, column] = np.mean(np.stack(members).astype(np.float64), axis=0)
        count[row, column] = len(members)
    return mean, count, numbers


def edges(size: int) -> np.ndarray:
    """Every crossing of the grid's lines, corners included."""
    line = np.arange(size + 1, dtype=np.float32) / np.float32(size)
    return np.stack(np.meshgrid(line, line), -1).reshape(-1, 2)


def beside(points: np.ndarray) -> np.ndarray:
    """The points themselves, and the float32 numbers next to them on both sides."""
    up, down = (np.nextafter(points, np.float32(limit)) for limit in (2, -1))
    return np.clip(np.concatenate([points, up, down]), 0, 1)


def uniform(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(size=(count, 2)).astype(np.float32)


POINTS = {
    "random": lambda size: uniform(2000),
    "edges": edges,
    "beside edges": lambda size: beside(edges(size)),
    "one corner": lambda size: np.ones((50, 2), np.float32),
    "corners": lambda size: np.array([[0, 0], [1, 0], [0, 1], [1, 1]], np.float32),
    "clustered": lambda size: uniform(1000) ** 8,
    "one point": lambda size: np.array([[0.3, 0.9]], np.float32),
}


@pytest.mark.parametrize("size", [1, 3, 10])
@pytest.mark.parametrize("kind", POINTS)
def test_equals_a_plain_loop(kind: str, size: int) -> None:
    points = POINTS[kind](size)
    values = np.random.default_rng(1).normal(size=(len(points), 3)).astype(np.float32)
    cells = average(jnp.asarray(values), jnp.asarray(points), size=size)
    mean, count, numbers = reference(values, points, size)
    assert cells.mean.shape == (size, size, 3)
    assert cells.mean.dtype == jnp.float32
    assert cells.count.dtype == jnp.int32
    np.testing.assert_array_equal(cell_index(jnp.asarray(points), size=size), numbers)
    np.testing.assert_array_equal(cells.count, count)
    np.testing.assert_allclose(cells.mean, mean, atol=2e-6)
    assert int(cells.count.sum()) == len(points)


def test_x_is_the_column_and_y_the_row() -> None:
    cells = average(jnp.array([[5.0], [7.0]]), jnp.array([[0.9, 0.1], [0.1, 0.6]]), size=2)
    assert cells.count.tolist() == [[0, 1], [1, 0]]
    assert cells.mean[..., 0].tolist() == [[0, 5], [7, 0]]


@pytest.mark.parametrize("size", [2, 4, 16])  # edges that float32 holds
def test_cells_are_half_open(size: int) -> None:
    line = np.arange(1, size, dtype=np.float32) / size
    below = np.nextafter(line, np.float32(0))
    for points, column in ((line, np.arange(1, size)), (below, np.arange(size - 1))):
        on_row_0 = np.stack([points, np.zeros_like(points)], -1)
        np.testing.assert_array_equal(cell_index(jnp.asarray(on_row_0), size=size), column)
        np.testing.assert_array_equal(
            cell_index(jnp.asarray(on_row_0[:, ::-1]), size=size), column * size
        )


def test_the_last_row_and_column_hold_their_far_edge() -> None:
    index = cell_index(jnp.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [0.0, 0.0]]), size=5)
    assert index.tolist() == [4, 20, 24, 0]


@pytest.mark.slow
def test_jit_changes_nothing() -> None:
    values = np.random.default_rng(2).normal(size=(500, 4)).astype(np.float32)
    points = np.concatenate([uniform(500 - 36), edges(5)])
    with jax.disable_jit():
        plain = average(jnp.asarray(values), jnp.asarray(points), size=5)
    jitted = average(jnp.asarray(values), jnp.asarray(points), size=5)
    np.testing.assert_array_equal(plain.count, jitted.count)
    np.testing.assert_allclose(plain.mean, jitted.mean, rtol=1e-6, atol=1e-7)
    mapped = jax.vmap(lambda v: average(v, jnp.asarray(points), size=5))(values[None])
    np.testing.assert_array_equal(mapped.count[0], jitted.count)


def test_the_order_of_the_samples_does_not_matter() -> None:
    rng = np.random.default_rng(3)
    values, points = rng.normal(size=(3000, 4)).astype(np.float32), uniform(3000, 3)
    order = rng.permutation(3000)
    a = average(jnp.asarray(values), jnp.asarray(points), size=6)
    b = average(jnp.asarray(values[order]), jnp.asarray(points[order]), size=6)
    np.testing.assert_array_equal(a.count, b.count)
    np.testing.assert_allclose(a.mean, b.mean, atol=1e-6)


def test_half_precision_is_averaged_in_float32() -> None:
    # A float16 sum would stop at 65504, and one from 2048 on in steps of 2.
    values = np.full((4000, 2), 100.25, np.float16)
    cells = average(jnp.asarray(values), jnp.full((4000, 2), 0.5), size=3)
    assert cells.mean.dtype == jnp.float32
    np.testing.assert_allclose(cells.mean[1, 1], 100.25, rtol=1e-6)


def test_one_cell_is_the_mean_of_all() -> None:
    values = np.random.default_rng(4).normal(size=(700, 5)).astype(np.float32)
    cells = average(jnp.asarray(values), jnp.asarray(uniform(700)), size=1)
    assert cells.count.tolist() == [[700]]
    np.testing.assert_allclose(cells.mean[0, 0], values.mean(0, dtype=np.float64), atol=1e-6)


def test_a_grid_of_no_samples_is_empty() -> None:
    cells = average(jnp.zeros((0, 3)), jnp.zeros((0, 2)), size=2)
    assert cells.count.tolist() == [[0, 0], [0, 0]]
    assert (cells.mean == 0).all()


@pytest.mark.parametrize("rows", [1, 6, 8])  # one row would broadcast
def test_values_and_points_must_be_of_one_number(rows: int) -> None:
    message = f"^values: expected one row per point, got {rows} for 7"
    with pytest.raises(ValueError, match=message):
        average(jnp.zeros((rows, 3)), jnp.zeros((7, 2)), size=2)


@pytest.mark.parametrize("block", [1, 7, 64, 5000])
def test_blocks_of_values_give_the_same_bits(monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    monkeypatch.setattr(_grid, "_BLOCK", block)
    points, values = uniform(200), np.random.default_rng(1).normal(size=(200, 3))
    values = values.astype(np.float16)
    whole = average(jnp.asarray(values), jnp.asarray(points), size=5)
    jax.tree.map(np.testing.assert_array_equal, average_blocks(values, points, size=5), whole)
    with pytest.raises(ValueError, match="values: expected one row per point, got 3 for 200"):
        average_blocks(values[:3], points, size=5)
