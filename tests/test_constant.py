"""Arrays as values of settings."""

import copy

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jatlas.visualize import Constant


def test_a_constant_is_its_array() -> None:
    values = np.random.default_rng(0).standard_normal((2, 3, 4))
    constant = Constant(values)
    assert constant.shape == (2, 3, 4)
    np.testing.assert_array_equal(np.asarray(constant), values.astype(np.float32))
    np.testing.assert_array_equal(np.asarray(constant, np.float64), values.astype(np.float32))
    values[:] = 0  # a copy was taken
    assert np.asarray(constant).all()
    np.testing.assert_array_equal(jnp.asarray(np.asarray(constant)), np.asarray(constant))


def test_equal_arrays_are_equal_dictionary_keys() -> None:
    one, same = Constant([[1, 2]]), Constant(np.array([[1.0, 2.0]]))
    assert one == same and hash(one) == hash(same)
    for other in (Constant([[1, 3]]), Constant([1, 2]), Constant([[1], [2]])):
        assert one != other
    assert one != "[[1, 2]]"
    assert copy.deepcopy(one) == one


def test_a_constant_is_immutable() -> None:
    constant = Constant([1, 2])
    with pytest.raises(AttributeError, match="immutable"):
        constant.shape = (1, 2)
    with pytest.raises(ValueError, match="read-only"):
        np.asarray(constant)[0] = 3
    np.array(constant)[0] = 3
    assert constant == Constant([1, 2])


def test_equal_constants_are_traced_once() -> None:
    traces = []

    def double(x: jax.Array, constant: Constant) -> jax.Array:
        traces.append(constant)
        return x * np.asarray(constant)

    run = jax.jit(double, static_argnums=1)
    for _ in range(2):
        np.testing.assert_array_equal(run(jnp.ones(2), Constant([3, 4])), [3, 4])
    np.testing.assert_array_equal(run(jnp.ones(2), Constant([5, 4])), [5, 4])
    assert len(traces) == 2
