"""Views of a canvas: what a window shows, and which windows are drawn."""

import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jatlas.visualize import (
    ATLAS_NOTEBOOK,
    LUCID_STANDARD,
    RandomViews,
    View,
    Views,
    fixed_views,
    resample,
    whole_view,
)
from jatlas.visualize import _views as transforms

HostArray = np.ndarray
# Compiled as a whole: one operation after another takes a second for each new shape.
look = jax.jit(resample, static_argnames=("size", "fill"))


def picture(height: int, width: int, seed: int = 0) -> HostArray:
    shape = (height, width, 3)
    return np.random.default_rng(seed).uniform(0, 1, shape).astype(np.float32)


def view(y: float = 0.5, x: float = 0.5, side: float = 1.0, degrees: float = 0.0) -> View:
    return View(jnp.array([y, x]), jnp.asarray(side), jnp.deg2rad(jnp.asarray(degrees)))


def plain_resample(image: HostArray, seen: View, size: int, fill: float) -> HostArray:
    """Sample pixel by pixel, in double precision."""
    height, width, _ = image.shape
    (center_y, center_x), angle = np.float64(seen.center), float(seen.angle)
    side = float(seen.side)

    def at(row: int, column: int) -> HostArray:
        inside = 0 <= row < height and 0 <= column < width
        return image[row, column].astype(np.float64) if inside else np.full(3, fill)

    found = np.empty((size, size, 3))
    for i in range(size):
        for j in range(size):
            down, right = ((i + 0.5) / size - 0.5) * side, ((j + 0.5) / size - 0.5) * side
            # The window is turned against the clock as one looks at it, y pointing down.
            y = (center_y + down * math.cos(angle) - right * math.sin(angle)) * height - 0.5
            x = (center_x + down * math.sin(angle) + right * math.cos(angle)) * width - 0.5
            top, left = math.floor(y), math.floor(x)
            found[i, j] = sum(
                (1 - abs(y - row)) * (1 - abs(x - column)) * at(row, column)
                for row in (top, top + 1)
                for column in (left, left + 1)
            )
    return found


@pytest.mark.parametrize("size", [1, 5, 16])
def test_the_whole_view_at_the_canvas_size_is_the_canvas(size: int) -> None:
    image = picture(size, size)
    found = look(image, whole_view(), size=size, fill=1.0)
    np.testing.assert_allclose(found, image, rtol=0, atol=1e-5)


def test_the_whole_view_at_half_the_size_averages_two_by_two() -> None:
    image = picture(12, 12)
    found = look(image, whole_view(), size=6, fill=1.0)
    right = image.reshape(6, 2, 6, 2, 3).mean((1, 3))
    np.testing.assert_allclose(found, right, rtol=0, atol=1e-5)


@pytest.mark.parametrize(("degrees", "turns"), [(90, -1), (180, 2), (-90, 1), (270, 1)])
def test_rotating_the_window_rotates_the_picture_the_other_way(degrees: float, turns: int) -> None:
    # At a positive angle the window turns against the clock, so what it shows turns with the
    # clock; np.rot90 turns against the clock.
    image = picture(9, 9)
    found = look(image, view(degrees=degrees), size=9, fill=1.0)
    np.testing.assert_allclose(found, np.rot90(image, turns), rtol=0, atol=1e-5)


@pytest.mark.slow
def test_a_view_has_a_derivative() -> None:
    ramp = jnp.broadcast_to(jnp.arange(12.0)[:, None, None], (12, 12, 1)) / 12

    def mean(down: jax.Array) -> jax.Array:
        moved = View(
            jnp.array([0.5, 0.5]) + jnp.stack([down, down]), jnp.asarray(0.4), jnp.zeros(())
        )
        return resample(ramp, moved, size=5, fill=0.0).mean()

    assert jax.grad(mean)(jnp.asarray(0.013)) == pytest.approx(1, abs=1e-5)


def test_a_shifted_window_shows_what_is_there_and_the_fill_beyond() -> None:
    image = picture(10, 10)
    found = look(image, view(y=0.5 + 3 / 10, x=0.5 - 2 / 10), size=10, fill=0.25)
    right = np.full_like(image, 0.25)
    right[:7, 2:] = image[3:, :8]
    np.testing.assert_allclose(found, right, rtol=0, atol=1e-5)


def test_a_window_of_half_the_side_is_a_crop() -> None:
    image = picture(12, 12)
    found = look(image, view(y=4 / 12, x=7 / 12, side=0.5), size=6, fill=0.0)
    np.testing.assert_allclose(found, image[1:7, 4:10], rtol=0, atol=1e-5)


@pytest.mark.parametrize("fill", [0.0, 0.3, 1.0])
def test_outside_is_the_fill(fill: float) -> None:
    seen = view(y=-3.0, x=7.5, side=0.8, degrees=30)
    found = look(picture(8, 8), seen, size=4, fill=fill)
    np.testing.assert_allclose(found, fill, rtol=1e-6)


@pytest.mark.parametrize("seed", range(12))
def test_any_view_equals_a_plain_loop(seed: int) -> None:
    rng = np.random.default_rng(seed)
    height, width, size = rng.integers(1, 14, 3)
    image = picture(height, width, seed)
    seen = view(*rng.uniform(-0.2, 1.2, 2), rng.uniform(0.05, 2), rng.uniform(-180, 180))
    found = look(image, seen, size=int(size), fill=0.7)
    assert found.shape == (size, size, 3)
    assert found.dtype == jnp.float32
    right = plain_resample(image, seen, int(size), 0.7)
    np.testing.assert_allclose(found, right, rtol=0, atol=1e-4)


def test_values_stay_inside_the_range_of_the_canvas() -> None:
    config = RandomViews(size=8, pad=0.3)
    image = picture(11, 11)

    @jax.jit
    @jax.vmap
    def show(key: jax.Array) -> jax.Array:
        return resample(image, config.draw(11, key=key), size=8, fill=0.5)

    found = np.asarray(show(jax.random.split(jax.random.key(0), 200)))
    assert image.min() - 1e-6 <= found.min() < found.max() <= image.max() + 1e-6


def test_the_gradient_is_that_of_finite_differences() -> None:
    image, weights = picture(6, 5), picture(4, 4, 1)
    seen = view(0.45, 0.6, 0.9, 20)

    def score(canvas: Any) -> jax.Array:
        return jnp.vdot(resample(canvas, seen, size=4, fill=1.0) ** 2, weights)

    def plain(canvas: HostArray) -> float:
        return float((plain_resample(canvas, seen, 4, 1.0) ** 2 * weights).sum())

    found = np.asarray(jax.jit(jax.grad(score))(image))
    right = np.empty_like(found)
    for place in np.ndindex(image.shape):
        step = np.zeros(image.shape)
        step[place] = 1e-4
        right[place] = (plain(image + step) - plain(image - step)) / 2e-4
    assert np.abs(right).max() > 0.1
    np.testing.assert_allclose(found, right, rtol=0, atol=1e-4)


@pytest.mark.slow
def test_jit_and_vmap_equal_a_loop() -> None:
    images = np.stack([picture(9, 9, seed) for seed in range(3)])
    seen = view(0.4, 0.55, 0.7, 10)
    show = functools.partial(resample, view=seen, size=6, fill=1.0)
    loop = jnp.stack([show(image) for image in images])
    np.testing.assert_allclose(jax.jit(jax.vmap(show))(images), loop, rtol=0, atol=1e-6)


@functools.partial(jax.jit, static_argnums=0)
def draws(config: RandomViews, keys: jax.Array) -> View:
    return jax.vmap(lambda key: config.draw(80, key=key))(keys)


@pytest.mark.parametrize(
    "config",
    [
        RandomViews(concentration=1),
        RandomViews(window=(0.2, 0.9), rotate=40, pad=0.0, concentration=1),
        RandomViews(window=(0.5, 0.5), rotate=0, pad=0.2, concentration=1),
        RandomViews(window=(1.2, 1.6), rotate=5, pad=0.1, concentration=1),
    ],
)
def test_windows_are_drawn_within_their_ranges_and_fill_them(config: RandomViews) -> None:
    center, side, angle = map(np.asarray, draws(config, jax.random.split(jax.random.key(3), 4000)))
    low, high = config.window
    assert low - 1e-6 <= side.min() and side.max() <= high + 1e-6
    if low < high:
        assert side.min() < low + 0.02 * (high - low) and side.max() > high - 0.02 * (high - low)
    degrees = np.rad2deg(angle)
    assert np.abs(degrees).max() <= config.rotate + 1e-4
    if config.rotate:
        assert degrees.min() < -0.9 * config.rotate and degrees.max() > 0.9 * config.rotate
        assert abs(degrees.mean()) < 0.05 * config.rotate
        # Small angles are likelier: the sum of two uniform draws.
        assert np.abs(degrees).mean() == pytest.approx(config.rotate / 3, rel=0.05)
    upper, lower = center - side[:, None] / 2, center + side[:, None] / 2
    fits = side <= 1 + 2 * config.pad
    assert (upper[fits] >= -config.pad - 1e-5).all()
    assert (lower[fits] <= 1 + config.pad + 1e-5).all()
    np.testing.assert_array_equal(center[~fits], 0.5)
    if fits.any():
        # Windows reach each edge, and the axes are independent.
        assert (upper.min(0) < -config.pad + 0.02).all()
        assert (lower.max(0) > 1 + config.pad - 0.02).all()
        assert abs(np.corrcoef(center.T)[0, 1]) < 0.1


@pytest.mark.slow
def test_windows_are_concentrated_like_those_of_the_article() -> None:
    keys = jax.random.split(jax.random.key(4), 4000)
    center, side, _ = map(np.asarray, draws(RandomViews(), keys))
    chain = jax.vmap(lambda key: ATLAS_NOTEBOOK.draw(80, key=key))(keys)
    np.testing.assert_allclose(center.std(0), np.asarray(chain.center).std(0), rtol=0.1)
    np.testing.assert_allclose(center.mean(0), 0.5, atol=0.005)
    # Their median distance is that of a normal distribution, and none exceeds the pad.
    assert np.median(np.abs(center - 0.5)) == pytest.approx(0.674 * center.std(), rel=0.05)
    room = (1 + 2 * RandomViews().pad - side) / 2
    assert (np.abs(center - 0.5) <= room[:, None] + 1e-5).all()


def test_views_depend_on_the_key_only() -> None:
    first, again, other = (RandomViews().draw(80, key=jax.random.key(n)) for n in (1, 1, 2))
    for one, same, different in zip(first, again, other, strict=True):
        np.testing.assert_array_equal(one, same)
        assert not np.array_equal(one, different)


def test_random_views_are_relative_to_the_canvas() -> None:
    small, large = (RandomViews().draw(size, key=jax.random.key(3)) for size in (8, 80))
    jax.tree.map(np.testing.assert_array_equal, small, large)


@pytest.mark.slow
@pytest.mark.parametrize(
    "views",
    [
        RandomViews(),
        RandomViews(window=(1.2, 1.6)),
        RandomViews(pad=0.2, concentration=1),
        ATLAS_NOTEBOOK,
        LUCID_STANDARD,
    ],
    ids=["default", "wide", "padded", "notebook", "standard"],
)
def test_fixed_views_are_typical(views: Views) -> None:
    center, side, angle = map(np.asarray, fixed_views(views, canvas_size=80))
    assert center.shape == (5, 2) and side.shape == angle.shape == (5,)
    assert not angle.any()
    drawn = jax.vmap(lambda key: views.draw(80, key=key))(jax.random.split(jax.random.key(0), 2000))
    np.testing.assert_allclose(side, np.asarray(drawn.side).mean(), rtol=0.02)
    np.testing.assert_array_equal(center[0], 0.5)
    np.testing.assert_allclose(center.mean(0), 0.5, atol=1e-6)
    offset = np.abs(center[1:] - 0.5)
    np.testing.assert_allclose(offset, offset[0, 0], atol=1e-6)
    spread = np.asarray(drawn.center).std(0).mean()
    assert offset[0, 0] == pytest.approx(spread, rel=0.05, abs=1e-6)
    if spread:
        assert len({tuple(place) for place in center.round(4).tolist()}) == 5


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"size": 0}, "size: expected at least 1 pixel, got 0"),
        ({"size": -3}, "size: expected at least 1 pixel, got -3"),
        ({"window": (0.0, 0.5)}, "window: expected 0 < minimum <= maximum"),
        ({"window": (0.6, 0.5)}, "window: expected 0 < minimum <= maximum"),
        ({"window": (0.6, math.inf)}, "window: expected 0 < minimum <= maximum"),
        ({"window": (math.nan, 0.7)}, "window: expected 0 < minimum <= maximum"),
        ({"rotate": -1}, "rotate, pad: expected at least 0, got -1, "),
        ({"rotate": math.nan}, "rotate, pad: expected at least 0, got nan, "),
        ({"pad": -0.1}, r"rotate, pad: expected at least 0, got 15.0, -0.1"),
        ({"pad": math.inf}, "rotate, pad: expected at least 0, got 15.0, inf"),
        ({"concentration": 0}, "concentration: expected at least 1, got 0"),
        ({"fill": -0.1}, r"fill: expected a grey value in \[0, 1\], got -0.1"),
        ({"fill": 255}, r"fill: expected a grey value in \[0, 1\], got 255"),
        ({"fill": math.nan}, r"fill: expected a grey value in \[0, 1\], got nan"),
    ],
)
def test_invalid_settings_are_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RandomViews(**wrong)


@pytest.mark.slow
@pytest.mark.parametrize("fill", [0.0, 1.0])
def test_matrix_products_resample_like_gathers(fill: float) -> None:
    """On a TPU views are matrix products: the same pixels, outside the canvas too."""
    image = jax.random.uniform(jax.random.key(0), (13, 11, 3))
    for number in range(5):
        views = RandomViews(window=(0.5, 1.6), rotate=40, pad=0.3)
        view = views.draw(13, key=jax.random.key(number))
        y, x = transforms._sample_points(view, size=9, height=13, width=11)
        gathered = transforms._resample_by_gather(image, y, x, fill=fill)
        product = transforms._resample_by_product(image, y, x, fill=fill)
        np.testing.assert_allclose(product, gathered, rtol=0, atol=2e-6)
        np.testing.assert_array_equal(gathered, resample(image, view, size=9, fill=fill))
