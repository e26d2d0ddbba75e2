"""Convolutions of networks: values and derivatives are those of the ordinary convolution."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jatlas.model import _winograd
from jatlas.model._convolve import conv_same
from jatlas.model._halved import conv_halved
from jatlas.model._winograd import winograd_conv

SMALL = [(1, 1, 3), (2, 3, 5), (3, 3, 5), (4, 2, 5)]
LARGE = [(5, 5, 3), (6, 9, 3), (13, 7, 3), (5, 6, 5), (8, 12, 5)]


def plain(x: jax.Array, kernel: jax.Array, *, stride: int = 1, padding: Any = "SAME") -> jax.Array:
    form = ("NHWC", "HWIO", "NHWC")
    return jax.lax.conv_general_dilated(
        x, kernel, (stride, stride), padding, dimension_numbers=form
    )


def close(got: Any, expected: Any) -> None:
    """Assert equality up to rounding, which is a share of the largest result."""
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def draw(*shape: int) -> np.ndarray:
    return np.random.default_rng(3).standard_normal(shape, np.float32)


@functools.partial(jax.jit, static_argnums=0)
def results(conv: Callable[..., jax.Array], x: jax.Array, kernel: jax.Array) -> Any:
    """Return the value, its derivatives, and its gradient by the square of the value."""
    value, both = jax.jvp(conv, (x, kernel), (x**2, kernel**2))
    by_x = jax.jvp(lambda x: conv(x, kernel), (x,), (x + 1,))[1]
    return value, both, by_x, jax.vjp(conv, x, kernel)[1](value)


@pytest.mark.parametrize(
    ("conv", "shape"),
    [(conv_same, shape) for shape in SMALL] + [(winograd_conv, shape) for shape in LARGE],
)
def test_values_and_derivatives_are_those_of_the_convolution(
    conv: Callable[..., jax.Array], shape: tuple[int, int, int]
) -> None:
    height, width, side = shape
    x, kernel = draw(2, height, width, 4), draw(side, side, 4, 6)
    expected = results(plain, x, kernel)
    jax.tree.map(close, results(conv, x, kernel), expected)
    close(jax.jit(conv)(x[0], kernel), expected[0][0])
    close(jax.jit(jax.vmap(conv, (0, None)))(x, kernel), expected[0])


def test_each_map_of_a_batch_may_have_a_kernel_of_its_own() -> None:
    x, kernels = draw(3, 6, 6, 2), draw(3, 3, 3, 2, 4)
    expected = [plain(one[None], kernel)[0] for one, kernel in zip(x, kernels, strict=True)]
    close(jax.jit(jax.vmap(winograd_conv))(x, kernels), np.stack(expected))
    expected = [plain(x[:1], kernel)[0] for kernel in kernels]
    close(jax.jit(jax.vmap(winograd_conv, (None, 0)))(x[0], kernels), np.stack(expected))


def test_gradients_of_a_map_alone_are_those_in_a_batch() -> None:
    x, kernel = draw(2, 3, 6, 7, 2), draw(3, 3, 2, 4)

    def squares(x: jax.Array) -> jax.Array:
        return (winograd_conv(x, kernel) ** 2).sum()

    together = jax.jit(jax.grad(squares))(x)
    alone = jax.jit(jax.vmap(jax.vmap(jax.grad(squares))))(x)
    np.testing.assert_array_equal(alone, together)
    close(jax.grad(squares)(x[1, 2]), together[1, 2])


@pytest.mark.parametrize("side", sorted(_winograd._TILES))
def test_minimal_filtering_is_exact_in_whole_numbers_for_every_tile(side: int) -> None:
    for tile in _winograd._TILES[side]:
        of = _winograd._filtering(tile, side)
        values, kernel = draw(tile + side - 1).astype(np.float64), draw(side).astype(np.float64)
        got = of.results @ ((of.kernel @ kernel) * (of.values @ values))
        np.testing.assert_allclose(got, np.correlate(values, kernel), rtol=1e-12)


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_half_precision_runs_the_ordinary_convolution(dtype: Any) -> None:
    x, kernel = jnp.asarray(draw(1, 12, 12, 32), dtype), jnp.asarray(draw(3, 3, 32, 64), dtype)
    got = conv_same(x, kernel)
    assert got.dtype == dtype
    np.testing.assert_array_equal(got, plain(x, kernel))


@pytest.mark.parametrize("shape", [(3, 5), (6, 3)])
def test_other_platforms_run_the_ordinary_convolution(shape: tuple[int, int]) -> None:
    size, side = shape
    shapes = [(2, size, size, 64), (side, side, 64, 192)]
    structs = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes]
    loss = jax.grad(lambda x, kernel: (conv_same(x, kernel) ** 2).sum())

    def operations(function: Callable[..., jax.Array], platform: str) -> tuple[bool, bool]:
        traced = jax.jit(function).trace(*structs)
        lowered = traced.lower(lowering_platforms=(platform,)).as_text()
        return "stablehlo.convolution" in lowered, "stablehlo.dot_general" in lowered

    for function in (conv_same, loss):
        assert operations(function, "cpu") == (False, True)
        assert operations(function, "cuda") == operations(function, "tpu") == (True, False)


HALVED = [
    ((8, 8), 7, ((3, 3), (3, 3))),
    ((9, 6), 7, ((3, 3), (2, 3))),
    ((5, 8), 2, ((0, 0), (1, 0))),
    ((9, 8), 3, ((0, 1), (1, 1))),
]


@pytest.mark.parametrize(("size", "side", "padding"), HALVED)
def test_every_second_position_has_the_value_and_derivatives_of_the_convolution(
    size: tuple[int, int], side: int, padding: Any
) -> None:
    x, kernel = draw(2, *size, 3), draw(side, side, 3, 4)
    ours = functools.partial(conv_halved, padding=padding)
    theirs = functools.partial(plain, stride=2, padding=padding)
    expected = results(theirs, x, kernel)
    jax.tree.map(close, results(ours, x, kernel), expected)
    close(jax.jit(jax.vmap(ours, (0, None)))(x, kernel), expected[0])
