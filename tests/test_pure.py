"""Pure functions of `jatlas.arrange` and `jatlas.explain` under `jit`, `vmap` and `grad`."""

import functools
import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import tiny_network, tiny_params

from jatlas import arrange, explain

RNG = np.random.default_rng(0)
POINTS = jnp.asarray(RNG.random((30, 2)), jnp.float32)
VECTORS = jnp.asarray(RNG.random((30, 6)), jnp.float32)
EVIDENCE = jnp.asarray(RNG.standard_normal((9, 5)), jnp.float32)
MOMENT = arrange.second_moment(VECTORS)
IMAGE = jnp.asarray(RNG.random((8, 8, 3)), jnp.float32)
POSITION = jnp.array([1, 2])

cell_index = functools.partial(arrange.cell_index, size=3)
average = functools.partial(arrange.average, size=3)
class_heat = functools.partial(explain.class_heat, index=2)


def inverse(moment: jax.Array) -> jax.Array:
    # A perturbed moment is to stay symmetric.
    return arrange.inverse((moment + moment.T) / 2, ridge=1.0)


def evidence(image: jax.Array) -> jax.Array:
    return explain.evidence(tiny_network(), tiny_params(), image, POSITION, layer="conv1")


def evidence_and_logits(image: jax.Array) -> tuple[jax.Array, jax.Array]:
    return explain.evidence_and_logits(
        tiny_network(), tiny_params(), image, POSITION, layer="conv1"
    )


def ablation(image: jax.Array) -> jax.Array:
    return explain.ablation(tiny_network(), tiny_params(), image, POSITION, layer="conv1")


def activation_grid(image: jax.Array) -> explain.ActivationGrid:
    return explain.activation_grid(tiny_network(), tiny_params(), image, layer="conv1")


def composite(image: jax.Array) -> jax.Array:
    return explain.composite(image, IMAGE[::-1, :6], size=0.5, corner=(0.0, 1.0))


def find_on_map(points: jax.Array) -> explain.Location:
    return explain.find_on_map(VECTORS[:4], VECTORS, points)


def noise_patch(key: jax.Array) -> jax.Array:
    return explain.noise_patch(key=key, side=4)


def path_through_map(start: jax.Array) -> explain.MapPath:
    end = jnp.array([0.9, 0.8])
    return explain.path_through_map(POINTS, VECTORS, start=start, end=end, count=3, samples=4)


def faithful(icons: jax.Array) -> jax.Array:
    # In the order of the places, so that no number is missing.
    places = jnp.stack([VECTORS[:4], VECTORS[:4] ** 3 + 0.01 * VECTORS[4:8]], axis=1)
    return explain.faithful(icons, places, jnp.ones((4, 2), bool))


class Case(NamedTuple):
    """A pure function and what it is called with; its first argument is batched."""

    function: Callable[..., Any]
    arguments: tuple[jax.Array, ...]
    has_gradient: bool = True


CASES = {
    "cell_index": Case(cell_index, (POINTS,), has_gradient=False),
    "average": Case(average, (VECTORS, POINTS)),
    "to_unit_square": Case(arrange.to_unit_square, (POINTS,)),
    "second_moment": Case(arrange.second_moment, (VECTORS,)),
    "inverse": Case(inverse, (MOMENT,)),
    "whiten": Case(arrange.whiten, (VECTORS, inverse(MOMENT))),
    "ablation": Case(ablation, (IMAGE,)),
    "activation_grid": Case(activation_grid, (IMAGE,)),
    "class_heat": Case(class_heat, (EVIDENCE,)),
    "composite": Case(composite, (IMAGE,)),
    "evidence": Case(evidence, (IMAGE,)),
    # The gradient of its evidence is that of `evidence`; steps cross kinks of the logits.
    "evidence_and_logits": Case(evidence_and_logits, (IMAGE,), has_gradient=False),
    "faithful": Case(faithful, (VECTORS[:4] + 0.1,), has_gradient=False),
    "find_on_map": Case(find_on_map, (POINTS,)),
    "nearest_by_cosine": Case(
        explain.nearest_by_cosine, (VECTORS[:4], VECTORS), has_gradient=False
    ),
    "noise_patch": Case(noise_patch, (jax.random.key(0),), has_gradient=False),
    "stable": Case(explain.stable, (VECTORS[:4], VECTORS[:4] + 0.1 * VECTORS[4:8])),
    "path_through_map": Case(path_through_map, (POINTS[0] + 0.01,)),
}


def public_functions() -> dict[str, Callable[..., Any]]:
    return {
        name: value
        for package in (arrange, explain)
        for name, value in vars(package).items()
        if not name.startswith("_")
        if callable(value) and hasattr(value, "__name__")
        if not inspect.isclass(value) and hasattr(value, "__module__")
        if value.__module__.startswith("jatlas.")
    }


def test_every_docstring_says_whether_the_function_is_pure() -> None:
    pure = set()
    for name, function in public_functions().items():
        doc = inspect.getdoc(function) or ""
        assert ("A pure function:" in doc) != ("A host function:" in doc), name
        if "A pure function:" in doc:
            pure.add(name)
    assert pure == set(CASES)


def assert_close(left: Any, right: Any) -> None:
    for a, b in zip(jax.tree.leaves(left), jax.tree.leaves(right), strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-4, atol=1e-5)


@pytest.mark.parametrize("name", CASES)
def test_jit_and_vmap_change_nothing(name: str) -> None:
    function, arguments, _ = CASES[name]
    first, others = arguments[0], arguments[1:]
    expected = function(*arguments)
    assert_close(jax.jit(function)(*arguments), expected)
    results = jax.jit(jax.vmap(lambda x: function(x, *others)))(jnp.stack([first, first]))
    for i in range(2):
        assert_close(jax.tree.map(lambda x, i=i: np.asarray(x)[i], results), expected)


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.has_gradient])
def test_the_gradient_equals_finite_differences(name: str) -> None:
    function, arguments, _ = CASES[name]
    first, others = arguments[0], arguments[1:]
    rng = np.random.default_rng(1)

    @jax.jit
    @jax.value_and_grad
    def evaluate(x: jax.Array) -> jax.Array:
        leaves = jax.tree.leaves(function(x, *others))
        real = [leaf for leaf in leaves if jnp.issubdtype(leaf.dtype, jnp.floating)]
        # Random weights, so that no part of the gradient cancels.
        return jnp.stack([(rng.standard_normal(leaf.shape) * leaf).sum() for leaf in real]).sum()

    gradient = np.asarray(evaluate(first)[1])
    assert np.isfinite(gradient).all() and np.abs(gradient).max() > 0
    direction = rng.standard_normal(first.shape).astype(np.float32)
    step = np.float32(1e-3)
    moved = (np.asarray(first) + sign * step * direction for sign in (1, -1))
    above, below = (float(evaluate(jnp.asarray(x))[0]) for x in moved)
    difference = (above - below) / (2 * step)
    np.testing.assert_allclose(np.vdot(gradient, direction), difference, rtol=0.05, atol=0.02)
