"""The second moment and its inverse against float64."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jatlas.arrange import inverse, second_moment, whiten


def activations(count: int, channels: int, seed: int = 0) -> np.ndarray:
    """Vectors like those of a layer: not negative, correlated, with channels of unequal scale."""
    rng = np.random.default_rng(seed)
    mixed = rng.normal(size=(count, channels)) @ rng.normal(size=(channels, channels))
    scales = rng.lognormal(size=channels)
    return (np.maximum(mixed, 0) * scales).astype(np.float32)


def ridged(moment: np.ndarray, ridge: float) -> np.ndarray:
    """M + ridge * mean(diagonal) * I in float64."""
    wide = moment.astype(np.float64)
    return wide + ridge * (np.trace(wide) / len(wide) or 1.0) * np.eye(len(wide))


def test_second_moment_is_the_mean_of_the_outer_products() -> None:
    table = activations(500, 24)
    got = second_moment(jnp.asarray(table))
    expected = np.mean([np.outer(v, v) for v in table.astype(np.float64)], axis=0)
    assert got.shape == (24, 24)
    assert got.dtype == jnp.float32
    np.testing.assert_allclose(got, expected, rtol=1e-5)
    np.testing.assert_array_equal(got, got.T)


def test_second_moment_is_not_centred() -> None:
    np.testing.assert_array_equal(second_moment(jnp.full((10, 2), 3.0)), np.full((2, 2), 9.0))


def test_second_moment_of_half_precision_is_summed_in_float32() -> None:
    # In float16 the sum would stop at 65504.
    got = second_moment(jnp.full((2000, 2), 16.0, jnp.float16))
    assert got.dtype == jnp.float32
    np.testing.assert_array_equal(got, np.full((2, 2), 256.0))


@pytest.mark.parametrize("ridge", [1e-3, 1e-1, 10.0])
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_inverse_undoes_the_moment_and_its_ridge(ridge: float, scale: float) -> None:
    moment = np.asarray(second_moment(jnp.asarray(activations(1000, 32)))) * np.float32(scale)
    got = np.asarray(inverse(jnp.asarray(moment), ridge=ridge))
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got, got.T)
    product = ridged(moment, ridge) @ got.astype(np.float64)
    np.testing.assert_allclose(product, np.eye(32), atol=1e-4)


def test_inverse_of_a_hand_computed_case() -> None:
    # Mean of the diagonal 3, ridge 1/3: one is added to 2 and to 4.
    got = inverse(jnp.array([[2.0, 1.0], [1.0, 4.0]]), ridge=1 / 3)
    np.testing.assert_allclose(got, np.array([[5, -1], [-1, 3]]) / 14, rtol=1e-6)


def test_inverse_in_float32_holds_at_a_condition_number_of_1e4() -> None:
    rng = np.random.default_rng(1)
    turn, _ = np.linalg.qr(rng.normal(size=(128, 128)))
    moment = ((turn * np.geomspace(1, 1e-4, 128)) @ turn.T).astype(np.float32)
    moment = (moment + moment.T) / 2
    got = np.asarray(inverse(jnp.asarray(moment), ridge=1e-9))
    expected = np.linalg.inv(ridged(moment, 1e-9))
    assert 9e3 < np.linalg.cond(expected) < 1.1e4
    error = np.linalg.norm(got - expected, 2) / np.linalg.norm(expected, 2)
    assert error < 1e-3, error


@pytest.mark.parametrize("case", ["few samples", "dead channels", "one sample", "copied channel"])
@pytest.mark.parametrize("ridge", [1e-3, 1e-1])
def test_a_singular_moment_has_a_positive_inverse(case: str, ridge: float) -> None:
    table = activations(*{"few samples": (20, 64), "one sample": (1, 64)}.get(case, (500, 64)))
    if case == "dead channels":
        table[:, ::3] = 0
    if case == "copied channel":
        table[:, 5] = table[:, 6]
    moment = np.asarray(second_moment(jnp.asarray(table)))
    assert np.linalg.matrix_rank(moment) < 64
    got = np.asarray(inverse(jnp.asarray(moment), ridge=ridge))
    np.testing.assert_array_equal(got, got.T)
    assert np.linalg.eigvalsh(got.astype(np.float64)).min() > 0
    expected = np.linalg.inv(ridged(moment, ridge))
    assert np.abs(got - expected).max() < 5e-3 * np.abs(expected).max()


def test_a_layer_that_never_fires() -> None:
    got = inverse(second_moment(jnp.zeros((50, 8))), ridge=1e-2)
    np.testing.assert_allclose(got, 100 * np.eye(8), rtol=1e-6)


@pytest.mark.parametrize("ridge", [0.0, -1e-3, float("nan")])
def test_a_ridge_must_be_above_zero(ridge: float) -> None:
    with pytest.raises(ValueError, match=rf"^ridge: expected a share above 0, got {ridge}$"):
        inverse(jnp.eye(3), ridge=ridge)


def test_a_ridge_too_small_for_a_singular_moment() -> None:
    moment = jnp.full((64, 64), 3.0)
    with pytest.raises(ValueError, match=re.escape("ridge: 1e-12 is too small for this moment")):
        inverse(moment, ridge=1e-12)
    inside = jax.jit(lambda m: inverse(m, ridge=1e-12))(moment)
    assert not np.isfinite(inside).all()
    with pytest.raises(ValueError, match="or the moment is not finite"):
        inverse(moment.at[0, 0].set(jnp.nan), ridge=1e-2)


def test_inverse_under_jit_and_vmap() -> None:
    moments = jnp.stack([second_moment(jnp.asarray(activations(300, 8, seed))) for seed in (0, 1)])
    got = jax.jit(jax.vmap(lambda m: inverse(m, ridge=1e-2)))(moments)
    for one, moment in zip(got, moments, strict=True):
        np.testing.assert_allclose(one, inverse(moment, ridge=1e-2), rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("lead", [(), (7,), (3, 4)])
def test_whiten_multiplies_by_the_inverse(lead: tuple[int, ...]) -> None:
    directions = np.random.default_rng(2).normal(size=(*lead, 16)).astype(np.float32)
    inverted = np.asarray(inverse(second_moment(jnp.asarray(activations(200, 16))), ridge=1e-2))
    got = whiten(jnp.asarray(directions), jnp.asarray(inverted))
    assert got.shape == (*lead, 16)
    np.testing.assert_allclose(got, directions @ inverted, rtol=1e-4, atol=1e-6)


def test_the_second_moment_of_whitened_vectors_is_the_inverse() -> None:
    # E[(M^-1 v)(M^-1 v)'] = M^-1 M M^-1.
    table = jnp.asarray(activations(4000, 12))
    inverted = inverse(second_moment(table), ridge=1e-6)
    got = np.asarray(second_moment(whiten(table, inverted)))
    np.testing.assert_allclose(got, inverted, atol=2e-3 * float(jnp.abs(inverted).max()))
