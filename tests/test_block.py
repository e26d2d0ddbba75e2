"""Inception blocks: the centre alone is the centre of the whole."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from jatlas.model import around_center
from jatlas.model._block import REDIRECTED, TRUE_GRADIENT, Block, GradientRule

CHANNELS = 6


@functools.cache
def block_of(rule: GradientRule) -> Block:
    block = Block(CHANNELS, (4, 3, 5, 2, 3, 4), gradient=rule, rngs=nnx.Rngs(0))
    for name in ("conv1x1", "conv3x3", "conv5x5", "conv3x3_bottleneck", "conv5x5_bottleneck"):
        bias = getattr(block, name).bias
        bias.set_value(0.3 * jnp.ones_like(bias[...]))  # zero by default, which hides padding
    return block


@pytest.mark.slow
@pytest.mark.parametrize("rule", [TRUE_GRADIENT, REDIRECTED], ids=["true", "redirected"])
@pytest.mark.parametrize("shape", [(1, 1), (2, 2), (3, 3), (4, 3), (5, 6), (7, 8)])
def test_the_centre_alone_is_the_centre_of_the_whole(
    shape: tuple[int, int], rule: GradientRule
) -> None:
    block = block_of(rule)
    x = jax.random.normal(jax.random.key(1), (2, *shape, CHANNELS))
    weight = jax.random.normal(jax.random.key(2), (1, 1, 1, 16))

    def whole(x: jax.Array) -> tuple[jax.Array, jax.Array]:
        center = around_center(block(x), 0)
        return (center * weight).sum(), center

    def alone(x: jax.Array) -> tuple[jax.Array, jax.Array]:
        center = block.center(x)
        return (center * weight).sum(), center

    (_, expected), gradient = jax.jit(jax.value_and_grad(whole, has_aux=True))(x)
    (_, center), gradient_alone = jax.jit(jax.value_and_grad(alone, has_aux=True))(x)
    assert center.shape == (2, 1, 1, 16)
    np.testing.assert_allclose(center, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(gradient_alone, gradient, rtol=1e-4, atol=1e-5)
    assert np.abs(gradient).max() > 0.01
