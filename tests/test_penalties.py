"""Penalties against plain NumPy and finite differences."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jatlas.visualize import (
    L1,
    L2,
    Blur,
    BoundaryComplexity,
    Objective,
    ObjectiveInput,
    Opacity,
    TotalVariation,
)

HostArray = np.ndarray


def picture(height: int = 9, width: int = 7, seed: int = 0) -> HostArray:
    shape = (height, width, 3)
    return np.random.default_rng(seed).uniform(0, 1, shape).astype(np.float32)


@functools.partial(jax.jit, static_argnums=0)  # one program instead of ten
def amount(penalty: Objective, image: Any, alpha: Any = None) -> jax.Array:
    return penalty(ObjectiveInput(jnp.zeros((1, 1, 2)), jnp.asarray(image), alpha), jnp.zeros(()))


def plain_blur(image: HostArray, width: int) -> HostArray:
    """Average with the weights 1 inside and 0.5 on the rim, over the pixels that exist."""
    kernel = np.full((width, width), 0.5)
    kernel[1:-1, 1:-1] = 1
    found, half = np.zeros(image.shape), width // 2
    for row, column in np.ndindex(image.shape[:2]):
        total, weights = np.zeros(3), 0.0
        for down, right in np.ndindex(width, width):
            y, x = row + down - half, column + right - half
            if 0 <= y < image.shape[0] and 0 <= x < image.shape[1]:
                total += kernel[down, right] * image[y, x]
                weights += kernel[down, right]
        found[row, column] = total / weights
    return found


def plain_boundary(image: HostArray, width: int, constant: float) -> float:
    frame = np.ones(image.shape)
    frame[width:-width, width:-width] = 0
    image = image.astype(np.float64)
    cost = (plain_blur(image, 5) - image) ** 2 + 0.8 * (image - constant) ** 2
    return float((cost * frame).sum())


def plain_variation(image: HostArray) -> float:
    total = 0.0
    for row, column in np.ndindex(image.shape[:2]):
        if row:
            total += np.abs(image[row, column] - image[row - 1, column]).sum()
        if column:
            total += np.abs(image[row, column] - image[row, column - 1]).sum()
    return total


def test_amounts_are_those_of_plain_numpy() -> None:
    image = picture()
    for penalty, right in [
        (L1(), np.abs(image - 0.5).sum()),
        (L1(constant=0), image.sum()),
        (L2(constant=0.25), np.sqrt(1e-6 + ((image - 0.25) ** 2).sum())),
        (TotalVariation(), plain_variation(image)),
        (Blur(), 0.5 * ((image - plain_blur(image, 3)) ** 2).sum()),
        (BoundaryComplexity(width=2), plain_boundary(image, 2, 0.5)),
        (BoundaryComplexity(width=3, constant=1.0), plain_boundary(image, 3, 1.0)),
        (BoundaryComplexity(width=20), plain_boundary(image, 20, 0.5)),
    ]:
        assert float(amount(penalty, image)) == pytest.approx(right, rel=1e-4), penalty
    assert plain_boundary(image, 2, 0.5) < 0.9 * plain_boundary(image, 20, 0.5)


@pytest.mark.parametrize(
    "penalty", [L1(), L2(), TotalVariation(), BoundaryComplexity(width=2)], ids=str
)
def test_gradients_are_those_of_finite_differences(penalty: Objective) -> None:
    # No two values are so close that a step passes a kink.
    image = np.random.default_rng(3).permutation(189).reshape(9, 7, 3) / np.float32(189)
    across = picture(seed=1) - 0.5

    @jax.jit
    @jax.value_and_grad
    def after(step: Any) -> jax.Array:
        return amount(penalty, image + step * across)

    right = (float(after(1e-3)[0]) - float(after(-1e-3)[0])) / 2e-3
    assert abs(right) > 0.05
    assert float(after(0.0)[1]) == pytest.approx(right, rel=0.02, abs=0.01)


def test_a_gradient_step_of_blur_is_a_blur() -> None:
    image = picture()
    stepped = image - np.asarray(jax.jit(jax.grad(functools.partial(amount, Blur())))(image))
    np.testing.assert_allclose(stepped, plain_blur(image, 3), rtol=0, atol=1e-5)


@pytest.mark.parametrize("penalty", [L1(), L2(), TotalVariation(), Blur(), BoundaryComplexity()])
def test_flat_grey_has_no_penalty_and_a_finite_gradient(penalty: Objective) -> None:
    grey = np.full((12, 12, 3), 0.5, np.float32)
    value, gradient = jax.jit(jax.value_and_grad(functools.partial(amount, penalty)))(grey)
    assert float(value) == pytest.approx(0, abs=2e-3)
    assert np.isfinite(gradient).all()


def test_pixels_inside_the_frame_have_no_penalty() -> None:
    image = picture(14, 14)
    inside = image.copy()
    inside[8, 8] = 0.9  # farther from the frame than the blur reaches
    cost = BoundaryComplexity(width=2)
    assert amount(cost, image) == amount(cost, inside)
    inside[0, 8] = 1
    assert amount(cost, image) != amount(cost, inside)


def test_opacity_is_the_mean_and_requires_transparent_icons() -> None:
    alpha = picture()[..., 0]
    assert float(amount(Opacity(), picture(), alpha)) == pytest.approx(float(alpha.mean()))
    with pytest.raises(ValueError, match="Opacity: expected icons with an opacity"):
        amount(Opacity(), picture())


@pytest.mark.slow
def test_vmap_equals_a_loop() -> None:
    images = np.stack([picture(seed=seed) for seed in range(3)])
    for penalty in (L1(), L2(), TotalVariation(), Blur(), BoundaryComplexity()):
        found = jax.vmap(functools.partial(amount, penalty))(images)
        loop = [amount(penalty, image) for image in images]
        np.testing.assert_allclose(found, loop, rtol=1e-5)


def test_a_frame_of_width_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="width: expected at least 1 pixel, got 0"):
        BoundaryComplexity(width=0)
