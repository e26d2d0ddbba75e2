"""Depthwise convolutions: values and derivatives are those of the ordinary convolution."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jatlas.model._depthwise import depthwise_conv

CHANNELS = 3
SHAPES = [(1, 1), (2, 2), (3, 5), (8, 9)]
KERNELS = [(3, 1), (3, 2), (5, 1), (5, 2)]


def plain(x: jax.Array, kernel: jax.Array, *, stride: int) -> jax.Array:
    form = ("NHWC", "HWIO", "NHWC")
    return jax.lax.conv_general_dilated(
        x, kernel, (stride, stride), "SAME", dimension_numbers=form, feature_group_count=CHANNELS
    )


def draw(shape: tuple[int, ...]) -> np.ndarray:
    """Draw whole numbers, whose sums are exact in whatever order they are added."""
    return np.random.default_rng(0).integers(-8, 9, shape).astype(np.float32)


@functools.partial(jax.jit, static_argnums=0)
def results(conv: Callable[..., jax.Array], x: jax.Array, kernel: jax.Array) -> Any:
    """Return the value, its derivatives, and its gradient by the square of the value."""
    value, both = jax.jvp(conv, (x, kernel), (x + 1, kernel - 1))
    by_x = jax.jvp(lambda x: conv(x, kernel), (x,), (x + 1,))[1]
    return value, both, by_x, jax.vjp(conv, x, kernel)[1](value)


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize(("side", "stride"), KERNELS)
def test_values_and_derivatives_are_those_of_the_convolution(
    shape: tuple[int, int], side: int, stride: int
) -> None:
    x, kernel = draw((2, *shape, CHANNELS)), draw((side, side, 1, CHANNELS))
    ours, theirs = (functools.partial(conv, stride=stride) for conv in (depthwise_conv, plain))
    jax.tree.map(
        np.testing.assert_array_equal, results(ours, x, kernel), results(theirs, x, kernel)
    )


@pytest.mark.slow
def test_one_map_several_axes_and_vmap() -> None:
    x, kernel = draw((2, 3, 7, 6, CHANNELS)), draw((5, 5, 1, CHANNELS))
    conv = functools.partial(depthwise_conv, stride=2)
    expected = plain(x.reshape(6, 7, 6, CHANNELS), kernel, stride=2).reshape(2, 3, 4, 3, CHANNELS)
    np.testing.assert_array_equal(conv(x, kernel), expected)
    np.testing.assert_array_equal(jax.jit(conv)(x[1, 2], kernel), expected[1, 2])
    each = jax.jit(jax.vmap(jax.vmap(conv, (0, None)), (0, None)))
    np.testing.assert_array_equal(each(x, kernel), expected)

    def squares(x: jax.Array, kernel: jax.Array) -> jax.Array:
        return (conv(x, kernel) ** 2).sum()

    gradient = jax.jit(jax.grad(squares))(x, kernel)
    per_map = jax.jit(jax.vmap(jax.grad(squares), (0, None)))(x, kernel)
    np.testing.assert_array_equal(per_map, gradient)


@pytest.mark.slow
def test_second_derivatives_are_those_of_the_convolution() -> None:
    x, kernel = draw((1, 6, 5, CHANNELS)), draw((3, 3, 1, CHANNELS))

    def along(conv: Callable[..., jax.Array]) -> jax.Array:
        gradient = jax.grad(lambda x: (conv(x, kernel, stride=2) ** 2).sum())
        return jax.jvp(gradient, (x,), (x + 1,))[1]

    np.testing.assert_array_equal(along(depthwise_conv), along(plain))


def test_the_sum_of_a_window_by_hand() -> None:
    x = jnp.arange(1.0, 10).reshape(3, 3, 1)
    kernel = jnp.zeros((3, 3, 1, 1)).at[0, 1].set(1).at[1, 0].set(10)
    # The element above, and 10 times the one on the left; zeros around the map.
    expected = [[0, 10, 20], [1, 42, 53], [4, 75, 86]]
    assert depthwise_conv(x, kernel, stride=1)[..., 0].tolist() == expected
    # For a stride of 2 and an even side, the first window begins on the map.
    assert depthwise_conv(x[:2, :2], kernel, stride=2)[..., 0].tolist() == [[42]]


@pytest.mark.slow
def test_halves_are_added_up_in_float32() -> None:
    ones = jnp.ones((1, 5, 5, 1), jnp.bfloat16)
    kernel = jnp.full((5, 5, 1, 1), 1 + 2**-7, jnp.bfloat16)
    found = depthwise_conv(ones, kernel, stride=1)
    assert found.dtype == jnp.bfloat16
    # In bfloat16 the sum of 25 such terms is 24 or 26.
    assert found[0, 2, 2, 0] == jnp.bfloat16(25 * (1 + 2**-7))
    gradient = jax.grad(lambda x: depthwise_conv(x, kernel, stride=1)[0, 2, 2, 0])(ones)
    assert gradient.dtype == jnp.bfloat16
    np.testing.assert_array_equal(gradient, kernel.reshape(1, 5, 5, 1))


def test_off_the_cpu_it_is_one_convolution() -> None:
    shapes = [jax.ShapeDtypeStruct(s, jnp.float32) for s in ((2, 6, 6, 4), (3, 3, 1, 4))]
    conv = functools.partial(depthwise_conv, stride=2)
    loss = jax.grad(lambda x, kernel: (conv(x, kernel) ** 2).sum())

    def count(function: Callable[..., jax.Array], platform: str) -> int:
        lowered = jax.jit(function).trace(*shapes).lower(lowering_platforms=(platform,))
        return lowered.as_text().count("stablehlo.convolution")

    for platform, convolutions in (("cpu", 0), ("cuda", 1), ("tpu", 1)):
        assert count(conv, platform) == convolutions
        assert count(loss, platform) == 2 * convolutions
