"""Random positions in images, and the activations there."""

import functools
import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jatlas.collect import (
    draw_places,
    grid_positions,
    interior_moment,
    pick,
    to_float,
)


def places(seed: int, image: int, per_image: int = 6) -> np.ndarray:
    key = jax.random.key(seed)
    return np.asarray(draw_places(key=key, image=jnp.asarray(image), per_image=per_image))


def test_places_depend_on_the_key_and_the_image_alone() -> None:
    draw = functools.partial(draw_places, key=jax.random.key(5), per_image=6)
    numbers = jnp.array([7, 0, 300, 1, 7])
    together = np.asarray(jax.jit(jax.vmap(lambda image: draw(image=image)))(numbers))
    for number, drawn in zip(numbers.tolist(), together, strict=True):
        np.testing.assert_array_equal(drawn, places(5, number))
    different = [places(5, 0), places(5, 1), places(6, 0), places(6, 1)]
    for one, other in itertools.combinations(different, 2):
        assert not np.isclose(one, other).any()


def test_places_are_spread_evenly_over_the_unit_square() -> None:
    found = places(0, 3, 4000)
    assert found.shape == (4000, 2)
    assert found.min() >= 0 and found.max() < 1
    counts, _, _ = np.histogram2d(*found.T, bins=4, range=[[0, 1], [0, 1]])
    np.testing.assert_allclose(counts, 250, atol=5 * 250**0.5)


@pytest.mark.parametrize(
    ("height", "width", "rows", "columns"),
    [
        (14, 14, range(1, 13), range(1, 13)),
        (5, 8, range(1, 4), range(1, 7)),
        (3, 3, [1], [1]),
        (3, 2, [1], range(2)),
        (2, 7, range(2), range(1, 6)),
        (2, 2, range(2), range(2)),
        (1, 4, [0], range(1, 3)),
        (1, 1, [0], [0]),
    ],
)
def test_positions_cover_the_interior_and_nothing_else(
    height: int, width: int, rows: Any, columns: Any
) -> None:
    drawn = places(1, 0, 5000)
    edges = np.array(list(itertools.product([0, np.nextafter(np.float32(1), 0)], repeat=2)))
    every = jnp.concatenate([drawn, jnp.asarray(edges, jnp.float32)])
    found = grid_positions(every, height=height, width=width)
    assert found.dtype == jnp.int32
    assert found.shape == every.shape
    expected = list(itertools.product(rows, columns))
    cells, counts = np.unique(np.asarray(found), axis=0, return_counts=True)
    assert [tuple(cell) for cell in cells.tolist()] == expected
    share = 5000 / len(expected)
    np.testing.assert_allclose(counts, share, atol=5 * share**0.5 + 4)


def test_a_place_is_the_same_at_every_layer() -> None:
    drawn = places(2, 9, 300)
    for side in (3, 7, 14, 28, 56):
        found = np.asarray(grid_positions(drawn, height=side, width=side))
        # The position relative to the interior is the drawn one, to within a cell.
        share = (found - 1) / (side - 2)
        assert (share <= drawn).all() and (drawn < share + 1 / (side - 2) + 1e-6).all(), side


def test_a_position_is_row_and_column() -> None:
    found = grid_positions(jnp.array([[0.0, 0.99]]), height=10, width=20)
    np.testing.assert_array_equal(found, [[1, 18]])


def test_to_float_scales_uint8_and_keeps_floats() -> None:
    values = jnp.arange(256, dtype=jnp.uint8)
    found = to_float(values)
    assert found.dtype == jnp.float32
    np.testing.assert_allclose(found, np.arange(256) / 255, rtol=1e-6)
    assert float(found[-1]) == 1
    for dtype in (jnp.float32, jnp.float16, jnp.bfloat16):
        kept = to_float(jnp.array([0, 0.25, 1], dtype))
        assert kept.dtype == jnp.float32
        np.testing.assert_array_equal(kept, [0, 0.25, 1])


def test_pick_returns_the_vectors_at_rows_and_columns() -> None:
    activation = np.arange(4 * 5 * 2).reshape(4, 5, 2)
    positions = np.array([[0, 4], [3, 0], [2, 2], [0, 4]])
    found = pick(jnp.asarray(activation), jnp.asarray(positions))
    np.testing.assert_array_equal(found, [activation[row, column] for row, column in positions])


@pytest.mark.parametrize("shape", [(6, 5), (3, 3), (2, 6), (6, 1), (1, 1)])
def test_the_moment_is_that_of_numpy_without_the_border(shape: tuple[int, int]) -> None:
    activation = np.random.default_rng(0).standard_normal((*shape, 4)).astype(np.float32)
    products = []
    for row, column in np.ndindex(shape):
        border = (shape[0] > 2 and row in (0, shape[0] - 1)) or (
            shape[1] > 2 and column in (0, shape[1] - 1)
        )
        if not border:
            products.append(np.outer(*2 * [activation[row, column].astype(np.float64)]))
    found = interior_moment(jnp.asarray(activation))
    np.testing.assert_allclose(found, np.mean(products, axis=0), rtol=1e-5, atol=1e-5)


@pytest.mark.slow
def test_positions_and_the_moment_agree_on_the_interior() -> None:
    for height, width in itertools.product((1, 2, 3, 5), repeat=2):
        marked = np.zeros((height, width, 1), np.float32)
        found = grid_positions(places(4, 0, 2000), height=height, width=width)
        marked[*np.asarray(found).T] = 1
        assert float(interior_moment(jnp.asarray(marked))[0, 0]) == 1
        assert float(interior_moment(jnp.asarray(1 - marked))[0, 0]) == 0
