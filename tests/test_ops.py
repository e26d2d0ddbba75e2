"""Our own operations: their values, and their gradients in forward and reverse mode."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jatlas.model import (
    GOOGLENET_BVLC,
    INCEPTION5H,
    abstract_params,
    inception_v1,
    local_response_norm,
    max_pool,
    redirected_relu,
    redirected_relu6,
    relaxed_max_pool,
)

SHAPES = [(1, False, 7, 6), (2, False, 7, 8), (2, True, 7, 8), (2, True, 8, 5)]


def windows(stride: int, caffe: bool, size: int) -> list[range]:
    """Positions of the image that each window along one axis covers."""
    if caffe:
        starts = [stride * i for i in range(-(-(size - 3) // stride) + 1)]
    else:
        out = -(-size // stride)
        before = max((out - 1) * stride + 3 - size, 0) // 2
        starts = [stride * i - before for i in range(out)]
    return [range(max(start, 0), min(start + 3, size)) for start in starts]


def approximation(x: np.ndarray, stride: int, caffe: bool) -> np.ndarray:
    """avg(x^2) / (0.01 + avg|x|) of each window, by a loop."""
    rows, columns = (windows(stride, caffe, size) for size in x.shape[:2])
    result = np.zeros((len(rows), len(columns), x.shape[2]))
    for i, row in enumerate(rows):
        for j, column in enumerate(columns):
            part = x[np.ix_(row, column)].reshape(-1, x.shape[2])
            result[i, j] = (part**2).mean(0) / (0.01 + np.abs(part).mean(0))
    return result


@pytest.mark.slow
@pytest.mark.parametrize(("stride", "caffe", "height", "width"), SHAPES)
def test_the_value_is_the_maximum_and_the_gradient_that_of_the_approximation(
    stride: int, caffe: bool, height: int, width: int
) -> None:
    rng = np.random.default_rng(0)
    x = np.maximum(rng.standard_normal((height, width, 2)), 0.0)
    tangent = rng.standard_normal(x.shape)

    def pool(x: jax.Array) -> jax.Array:
        return relaxed_max_pool(x, stride=stride, caffe=caffe)

    @jax.jit  # one program; one by one, the operations are a hundred
    def results(x: jax.Array, tangent: jax.Array, cotangent: jax.Array) -> Any:
        value, derivative = jax.jvp(pool, (x,), (tangent,))
        (back,) = jax.vjp(pool, x)[1](cotangent)
        return value, max_pool(x, stride=stride, caffe=caffe), derivative, back

    shape = approximation(x, stride, caffe).shape
    given = [each.astype(np.float32) for each in (x, tangent, rng.standard_normal(shape))]
    value, maximum, derivative, back = results(*given)
    np.testing.assert_array_equal(value, maximum)
    step = 1e-6 * tangent
    # |x| has a corner at 0; its derivative there is 0, the mean of the two sides.
    both = approximation(x + step, stride, caffe) - approximation(x - step, stride, caffe)
    np.testing.assert_allclose(derivative, both / 2e-6, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(
        np.vdot(back, given[1]), np.vdot(given[2], derivative), rtol=1e-4, atol=1e-5
    )


@pytest.mark.slow
def test_the_gradient_differs_from_that_of_the_maximum_and_survives_jit_and_vmap() -> None:
    x = jnp.asarray(np.random.default_rng(1).random((3, 6, 6, 2)), jnp.float32)

    def derivative(pool: Callable[..., jax.Array], x: jax.Array) -> jax.Array:
        return jax.jvp(lambda x: pool(x, stride=2, caffe=False), (x,), (x,))[1]

    plain, relaxed = derivative(max_pool, x), derivative(relaxed_max_pool, x)
    assert float(jnp.abs(plain - relaxed).max()) > 0.1
    together = jax.jit(jax.vmap(lambda x: derivative(relaxed_max_pool, x)))(x)
    np.testing.assert_allclose(together, relaxed, rtol=1e-5)


@pytest.mark.slow
def test_a_relaxed_network_is_cached_and_differs_from_the_plain_one() -> None:
    config = GOOGLENET_BVLC
    relaxed = inception_v1(config, relaxed=True)
    assert relaxed is inception_v1(config, relaxed=True)
    assert inception_v1(config) is inception_v1(config, relaxed=False)
    assert relaxed != inception_v1(config)
    assert relaxed.layers == inception_v1(config).layers


@pytest.mark.slow
def test_a_relaxed_network_computes_the_same_and_explains_differently() -> None:
    config = INCEPTION5H
    rng = np.random.default_rng(2)
    params = jax.tree.map(
        lambda leaf: np.float32(0.03) * rng.standard_normal(leaf.shape, np.float32),
        abstract_params(config),
    )
    x = jax.random.uniform(jax.random.key(1), (4, 4, 832))

    def explain(relaxed: bool) -> tuple[jax.Array, jax.Array]:
        network = inception_v1(config, relaxed=relaxed)
        last = dict(network.stages[network.index("mixed5b") :])

        def rest(x: jax.Array) -> jax.Array:
            for stage in last.values():
                x = stage(params, x)
            return x

        return jax.jit(lambda x: jax.jvp(rest, (x,), (x,)))(x)

    plain, relaxed = explain(False), explain(True)
    np.testing.assert_allclose(plain[0], relaxed[0], rtol=1e-5, atol=1e-7)
    assert float(jnp.abs(plain[1] - relaxed[1]).max()) > 1e-3 * float(jnp.abs(plain[1]).max())


@pytest.mark.parametrize(("stride", "caffe", "height", "width"), SHAPES)
def test_one_of_tied_maxima_has_the_gradient_of_its_window(
    stride: int, caffe: bool, height: int, width: int
) -> None:
    x = jnp.zeros((height, width, 1))
    rows, columns = (windows(stride, caffe, size) for size in (height, width))

    @jax.jit
    def pull_back(cotangent: jax.Array) -> jax.Array:
        return jax.vjp(lambda x: max_pool(x, stride=stride, caffe=caffe), x)[1](cotangent)[0]

    for i, j in np.ndindex(len(rows), len(columns)):
        cotangent = np.zeros((len(rows), len(columns), 1), np.float32)
        cotangent[i, j] = 1
        gradient = np.asarray(pull_back(cotangent))
        window = gradient[np.ix_(rows[i], columns[j])]
        assert sorted(window.ravel().tolist()) == [0.0] * (window.size - 1) + [1.0]
        assert gradient.sum() == 1


def test_the_gradient_of_a_redirected_relu() -> None:
    def gradient(x: list[float], upstream: list[float]) -> list[float]:
        return jax.vjp(redirected_relu, jnp.array(x))[1](jnp.array(upstream))[0].tolist()

    assert gradient([2.0, -1.0], [-3.0, -1.0]) == [-3.0, 0.0]  # an active unit has a gradient
    assert gradient([-2.0, -1.0], [-3.0, 1.0]) == [-3.0, 0.0]  # what would deactivate is dropped
    assert gradient([2.0, -1.0], [0.0, -1.0]) == [0.0, -1.0]
    assert redirected_relu(jnp.array([2.0, -1.0])).tolist() == [2.0, 0.0]


def test_the_gradient_of_a_redirected_relu6() -> None:
    def gradient(x: list[float], upstream: list[float]) -> list[float]:
        return jax.vjp(redirected_relu6, jnp.array(x))[1](jnp.array(upstream))[0].tolist()

    assert gradient([2.0, -1.0, 7.0], [-3.0, -1.0, 1.0]) == [-3.0, 0.0, 0.0]
    # None in between has a gradient: what would lead further outside is dropped.
    assert gradient([-2.0, -1.0, 7.0, 8.0], [-3.0, 1.0, 2.0, -1.0]) == [-3.0, 0.0, 2.0, 0.0]
    assert gradient([2.0, -1.0], [0.0, -1.0]) == [0.0, -1.0]
    assert redirected_relu6(jnp.array([2.0, -1.0, 7.0])).tolist() == [2.0, 0.0, 6.0]


@pytest.mark.slow
@pytest.mark.parametrize(("radius", "beta"), [(2, 0.75), (5, 0.5), (1, 0.6)])
def test_the_gradient_of_the_normalisation_in_both_modes(radius: int, beta: float) -> None:
    rng = np.random.default_rng(4)
    x, change, cotangent = rng.standard_normal((3, 3, 12))

    def norm(x: np.ndarray) -> np.ndarray:
        around = np.abs(np.arange(12)[:, None] - np.arange(12)) <= radius
        return x / (1.5 + 0.3 * x**2 @ around) ** beta

    def ours(x: jax.Array) -> jax.Array:
        return local_response_norm(x, radius=radius, bias=1.5, alpha=0.3, beta=beta)

    along = (norm(x + 1e-6 * change) - norm(x - 1e-6 * change)) / 2e-6
    at, tangent, back = (jnp.asarray(array, jnp.float32) for array in (x, change, cotangent))
    value, derivative = jax.jvp(ours, (at,), (tangent,))
    np.testing.assert_allclose(value, norm(x), rtol=1e-5)
    np.testing.assert_allclose(derivative, along, rtol=1e-4, atol=1e-5)
    (gradient,) = jax.vjp(ours, at)[1](back)
    expected = float((cotangent * along).sum())
    assert float(jnp.vdot(gradient, tangent)) == pytest.approx(expected, 1e-4)
