"""Icons that begin as images."""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import tiny_network, tiny_params

from jatlas.types import Run
from jatlas.visualize import (
    MACO,
    Adam,
    Alpha,
    Constant,
    Fourier,
    Pixels,
    RandomViews,
    RenderConfig,
    low_pass,
    render,
)

SIZE, COUNT, KEY = 16, 3, jax.random.key(0)
STILL = Adam(learning_rate=1e-7)
CONFIG = RenderConfig(
    icon_size=SIZE, steps=1, optimizer=STILL, views=RandomViews(size=12), retry_below=-1
)
RNG = np.random.default_rng(0)
DIRECTIONS = RNG.standard_normal((COUNT, 12)).astype(np.float32)
IMAGES = RNG.uniform(0.05, 0.95, (COUNT, SIZE, SIZE, 3)).astype(np.float32)
tiny_render = functools.partial(
    render, tiny_network(), tiny_params(), layer="conv2", key=KEY, run=Run(progress=False)
)
QUIET = 1e-7  # of the random image that is added
SPECTRUM = Constant(RNG.uniform(0.5, 2, (3, 20, 11)).astype(np.float32))
REACHING = [
    Fourier(spread=QUIET),
    Fourier(spread=QUIET, decay=2),
    Fourier(spread=QUIET, decorrelate=False),
    Fourier(spread=QUIET, spectrum=SPECTRUM),
    Pixels(spread=QUIET),
    Pixels(spread=QUIET, decorrelate=False),
]


@pytest.mark.parametrize("size", [16, 9])
@pytest.mark.parametrize("parameterization", REACHING, ids=str)
def test_the_parameters_of_an_image_become_it(parameterization: Any, size: int) -> None:
    image = IMAGES[0, :size, :size]

    @jax.jit
    def back(image: jax.Array) -> jax.Array:
        found = parameterization.init_as(image, key=KEY)
        return parameterization.image(found, size=size)

    np.testing.assert_allclose(back(image), image, rtol=0, atol=1e-4)
    extreme = np.where(image > 0.5, 1, 0).astype(np.float32)
    np.testing.assert_allclose(back(extreme), np.clip(extreme, 0.02, 0.98), rtol=0, atol=1e-4)


@pytest.mark.parametrize("size", [16, 9])
def test_phases_are_those_of_the_image(size: int) -> None:
    """An image that `MACO` can make is made again."""
    maco = MACO(contrast=0.5)
    image = jax.jit(functools.partial(maco.image, size=size))(maco.init(size, key=KEY))
    assert image.min() > 0.03 and image.max() < 0.97
    again = jax.jit(lambda x: maco.image(maco.init_as(x, key=KEY), size=size))(image)
    np.testing.assert_allclose(again, image, rtol=0, atol=1e-3)


@pytest.mark.slow
def test_without_a_step_worth_naming_the_icon_is_the_start() -> None:
    config = dataclasses.replace(CONFIG, parameterization=Fourier(spread=QUIET))
    icons = tiny_render(DIRECTIONS, config=config, start=IMAGES)
    np.testing.assert_allclose(icons.images, IMAGES, rtol=0, atol=1e-3)
    config = dataclasses.replace(config, parameterization=Pixels(spread=QUIET))
    again = tiny_render(DIRECTIONS, config=config, start=IMAGES, run=Run(chunk=2, progress=False))
    np.testing.assert_allclose(again.images, IMAGES, rtol=0, atol=1e-3)


@pytest.mark.slow
def test_the_random_image_is_added_and_restarts_differ() -> None:
    config = dataclasses.replace(CONFIG, parameterization=Fourier(spread=0.02))
    one = tiny_render(DIRECTIONS, config=config, start=IMAGES)
    many = dataclasses.replace(config, restarts=4)
    best = tiny_render(DIRECTIONS, config=many, start=IMAGES)
    assert 0.001 < np.abs(one.images - IMAGES).mean() < 0.1
    assert (best.scores >= one.scores - 1e-5).all() and (best.scores > one.scores).any()


@pytest.mark.slow
def test_order_and_chunk_do_not_matter() -> None:
    config = dataclasses.replace(CONFIG, optimizer=Adam(), steps=4)
    icons = tiny_render(DIRECTIONS, config=config, start=IMAGES)
    ids = np.array([2, 0])
    again = tiny_render(
        DIRECTIONS[ids], config=config, start=IMAGES[ids], ids=ids, run=Run(chunk=1, progress=False)
    )
    np.testing.assert_allclose(again.images, icons.images[ids], rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("start", "change", "message"),
    [
        (IMAGES[:2], {}, r"start: expected float images \(3, 16, 16, 3\), got float32 \(2, 16"),
        (IMAGES[:, :8], {}, r"start: expected .*got float32 \(3, 8, 16, 3\)"),
        ((255 * IMAGES).astype(np.uint8), {}, "start: expected float images .*got uint8"),
        (2 * IMAGES, {}, r"start: expected values in \[0, 1\], got others"),
        (np.full_like(IMAGES, np.nan), {}, r"start: expected values in \[0, 1\], got others"),
        (IMAGES, {"parameterization": Alpha()}, "start: expected .* with init_as, got Alpha"),
    ],
)
def test_a_start_that_does_not_fit_is_refused(
    start: Any, change: dict[str, Any], message: str
) -> None:
    config = dataclasses.replace(CONFIG, **change)
    with pytest.raises(ValueError, match=message):
        tiny_render(DIRECTIONS, config=config, start=start)


def test_the_low_pass_is_a_convolution_with_a_gaussian() -> None:
    image, sigma = IMAGES[0, :, :12].astype(np.float64), 1.5
    offsets = np.arange(-12, 13)
    weights = np.exp(-(offsets**2) / (2 * sigma**2))
    weights /= weights.sum()
    mirrored = np.pad(image, ((12, 12), (12, 12), (0, 0)), mode="symmetric")
    rows = sum(w * mirrored[12 + o : 28 + o] for o, w in zip(offsets, weights, strict=True))
    right = sum(w * rows[:, 12 + o : 24 + o] for o, w in zip(offsets, weights, strict=True))
    found = jax.jit(functools.partial(low_pass, sigma=sigma))(image.astype(np.float32))
    np.testing.assert_allclose(found, right, rtol=0, atol=1e-3)


def test_the_low_pass_keeps_the_mean_and_refuses_no_sigma() -> None:
    found = low_pass(jnp.asarray(IMAGES[0]), sigma=3)
    assert found.dtype == jnp.float32
    np.testing.assert_allclose(found.mean((0, 1)), IMAGES[0].mean((0, 1)), atol=1e-5)
    for sigma in (0, -1, float("nan"), 1e4):
        with pytest.raises(ValueError, match="sigma: expected"):
            low_pass(jnp.asarray(IMAGES[0]), sigma=sigma)
