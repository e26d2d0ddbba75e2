"""Class evidence and ablation against other ways to compute them."""

import functools
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import CLASSES, STAGES, tiny_network, tiny_params
from PIL import Image

from jatlas.explain import ablation, class_heat, evidence
from jatlas.model import Network

SIDE = 10


@pytest.fixture(scope="module")
def activation() -> jax.Array:
    """The output of conv1 for an image; the rest of the network is not linear."""
    image = jax.random.uniform(jax.random.key(1), (2 * SIDE, 2 * SIDE, 3))
    return tiny_network().run(tiny_params(), image, until="conv1")


IMAGE = jnp.zeros((4, 4, 3))


def given(activation: jax.Array, layer: str) -> tuple[Network, Any, jax.Array]:
    """Return the tiny network with an activation put in place of a layer, and an image for it."""
    after = tiny_network().index(layer) + 1
    first = (layer, lambda params, image: params["given"])
    network = Network(stages=(first, *STAGES[after:]), name="tiny")
    return network, tiny_params() | {"given": activation}, IMAGE


def rest(activation: jax.Array, layer: str = "conv1") -> jax.Array:
    """Run what comes after a layer."""
    return given(activation, layer)[0].run(*given(activation, layer)[1:])


def evidence_at(activation: jax.Array, row: int, column: int, layer: str = "conv1") -> jax.Array:
    return evidence(*given(activation, layer), jnp.array([row, column]), layer=layer)


PLACES = [(0, 0), (4, 7), (SIDE - 1, 3)]


@pytest.mark.parametrize("place", PLACES)
def test_evidence_is_the_activation_times_the_gradient_of_each_class(
    activation: jax.Array, place: tuple[int, int]
) -> None:
    found = evidence_at(activation, *place)
    assert found.shape == (CLASSES,)
    assert found.dtype == jnp.float32
    gradient = jax.jit(jax.grad(lambda x, c: rest(x)[c]))
    there = np.asarray(activation)[place]
    right = [np.vdot(np.asarray(gradient(activation, c))[place], there) for c in range(CLASSES)]
    assert np.abs(right).max() > 1e-3
    np.testing.assert_allclose(found, right, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("place", PLACES)
def test_evidence_equals_finite_differences(activation: jax.Array, place: tuple[int, int]) -> None:
    # The rest of the network in double precision with NumPy alone.
    params = {name: np.asarray(value, np.float64) for name, value in tiny_params().items()}

    def rest_by_hand(x: np.ndarray) -> np.ndarray:
        padded = np.pad(x, ((1, 1), (1, 1), (0, 0)))
        conv = np.zeros((SIDE, SIDE, 12)) + params["bias2"]
        for i, j in np.ndindex(3, 3):
            conv += padded[i : i + SIDE, j : j + SIDE] @ params["conv2"][i, j]
        return np.log1p(np.exp(conv)).mean((0, 1)) @ params["dense"] + params["bias"]

    start = np.asarray(activation, np.float64)
    np.testing.assert_allclose(rest_by_hand(start), rest(activation), rtol=1e-4)
    step = np.zeros_like(start)
    step[place] = 1e-4 * start[place]
    right = (rest_by_hand(start + step) - rest_by_hand(start - step)) / 2e-4
    np.testing.assert_allclose(evidence_at(activation, *place), right, rtol=1e-3, atol=1e-6)


def test_where_the_rest_is_linear_evidence_adds_up_to_the_logits_without_the_bias() -> None:
    params = tiny_params()
    last = jax.random.uniform(jax.random.key(2), (4, 5, 12))
    position = jnp.stack(jnp.meshgrid(jnp.arange(4), jnp.arange(5), indexing="ij"), -1)
    each = functools.partial(evidence, *given(last, "conv2"), layer="conv2")
    found = jax.jit(jax.vmap(jax.vmap(each)))(position)
    # The mean over 20 positions, then a product: the share of one is its vector / 20.
    np.testing.assert_allclose(found, last @ params["dense"] / 20, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(
        found.sum((0, 1)), rest(last, "conv2") - params["bias"], rtol=1e-4, atol=1e-5
    )


def test_a_silent_position_has_no_evidence(activation: jax.Array) -> None:
    silent = activation.at[2, 3].set(0)
    np.testing.assert_array_equal(evidence_at(silent, 2, 3), np.zeros(CLASSES))
    assert bool((evidence_at(silent, 3, 2) != 0).all())


def test_jit_and_vmap_equal_a_loop_and_trace_once() -> None:
    traces = []
    image = jax.random.uniform(jax.random.key(3), (SIDE, SIDE, 3))

    def square(params: Any, x: jax.Array) -> jax.Array:
        traces.append(x.shape)
        return (x**2).sum((-3, -2)) * params

    network = Network(stages=(("x", lambda params, x: x), ("logits", square)))
    positions = jnp.array(PLACES)

    @jax.jit
    def together(params: Any, positions: jax.Array) -> jax.Array:
        each = functools.partial(evidence, network, params, image, layer="x")
        return jax.vmap(each)(positions)

    found = together(2.0, positions)
    np.testing.assert_array_equal(found, together(2.0, positions))
    assert len(traces) == 1
    right = [2 * 2 * image[place] ** 2 for place in PLACES]
    np.testing.assert_allclose(found, right, rtol=1e-5)


@pytest.mark.parametrize("place", PLACES)
def test_ablation_is_the_loss_of_the_logits_without_the_vector(
    activation: jax.Array, place: tuple[int, int]
) -> None:
    found = ablation(*given(activation, "conv1"), jnp.array(place), layer="conv1")
    without = np.array(activation)
    without[place] = 0
    right = np.asarray(rest(activation)) - np.asarray(rest(jnp.asarray(without)))
    assert np.abs(right).max() > 1e-3
    np.testing.assert_allclose(found, right, rtol=1e-5, atol=1e-6)


def test_ablation_of_a_faint_vector_is_its_evidence(activation: jax.Array) -> None:
    # To first order the two agree: the difference falls with the square of the vector.
    faint = activation.at[4, 7].multiply(1e-2)
    lost = ablation(*given(faint, "conv1"), jnp.array([4, 7]), layer="conv1")
    np.testing.assert_allclose(lost, evidence_at(faint, 4, 7), rtol=0.05, atol=1e-5)
    # After conv2 the network is linear, and the two agree for any vector.
    image = jax.random.uniform(jax.random.key(1), (2 * SIDE, 2 * SIDE, 3))
    arguments = (tiny_network(), tiny_params(), image)
    each = functools.partial(ablation, *arguments, layer="conv2")
    together = jax.jit(jax.vmap(each))(jnp.array(PLACES))
    right = [evidence(*arguments, p, layer="conv2") for p in np.array(PLACES)]
    np.testing.assert_allclose(together, right, rtol=1e-3, atol=1e-5)


def test_ablation_puts_a_base_in_the_place_of_the_vector(activation: jax.Array) -> None:
    base = jax.random.uniform(jax.random.key(4), activation.shape[2:])
    arguments = (*given(activation, "conv1"), jnp.array([4, 7]))
    found = ablation(*arguments, layer="conv1", base=base)
    right = rest(activation) - rest(activation.at[4, 7].set(base))
    assert np.abs(right).max() > 1e-3
    np.testing.assert_allclose(found, right, rtol=1e-4, atol=1e-5)
    same = ablation(*arguments, layer="conv1", base=activation[4, 7])
    np.testing.assert_array_equal(same, np.zeros(CLASSES))
    with pytest.raises(ValueError, match=r"base: expected 8 channels, got shape \(1, 8\)"):
        ablation(*arguments, layer="conv1", base=base[None])


@pytest.mark.parametrize("zero", [True, False])
def test_evidence_along_the_path_from_a_base_adds_up_to_ablation(
    activation: jax.Array, *, zero: bool
) -> None:
    """Integrated gradients: d logits / dt along base + t (h - base), from t = 0 to 1."""
    vector = 20 * activation[4, 7]  # far from linear
    base = jnp.zeros_like(vector) if zero else activation.mean((0, 1))
    change = jnp.zeros_like(activation).at[4, 7].set(vector - base)
    start = activation.at[4, 7].set(base)
    slope = jax.jit(lambda t: jax.jvp(rest, (start + t * change,), (change,))[1])
    parts = [slope(t) for t in (np.arange(64, dtype=np.float32) + 0.5) / 64]
    arguments = (*given(start + change, "conv1"), jnp.array([4, 7]))
    right = ablation(*arguments, layer="conv1", base=base)
    assert np.abs(parts[-1] - right).max() > 0.05 * np.abs(right).max()
    np.testing.assert_allclose(np.mean(parts, 0), right, rtol=1e-3, atol=1e-4)
    if zero:  # where the path ends, its slope is the evidence
        np.testing.assert_allclose(
            slope(jnp.float32(1)), evidence(*arguments, layer="conv1"), rtol=1e-4, atol=1e-5
        )


@pytest.mark.parametrize("explain", [evidence, ablation])
def test_images_and_positions_of_a_batch_do_not_change_each_other(explain: Any) -> None:
    images = jax.random.uniform(jax.random.key(5), (3, 2 * SIDE, 2 * SIDE, 3))
    one = functools.partial(explain, tiny_network(), tiny_params(), layer="conv1")
    alone = jax.jit(one)
    together = jax.jit(jax.vmap(jax.vmap(one, (None, 0)), (0, None)))(images, jnp.array(PLACES))
    right = [[alone(image, jnp.array(place)) for place in PLACES] for image in images]
    np.testing.assert_allclose(together, right, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(
        one(images[1], jnp.array(PLACES[2])), right[1][2], rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("explain", [evidence, ablation])
def test_an_encoder_gives_no_class_any_evidence(explain: Any) -> None:
    network = Network(stages=STAGES, has_logits=False)
    image = jnp.zeros((2 * SIDE, 2 * SIDE, 3))
    found = explain(network, tiny_params(), image, jnp.array([1, 2]), layer="conv1")
    assert (found.shape, found.dtype) == ((0,), jnp.float32)


def test_heat_has_both_signs_on_one_scale() -> None:
    table = np.array([[[0, 5.0], [2, 0]], [[-4, 1], [1, 0]]], np.float16)
    found = class_heat(jnp.asarray(table), index=0)
    np.testing.assert_array_equal(found.positive, [[0, 0.5], [0, 0.25]])
    np.testing.assert_array_equal(found.negative, [[0, 0], [1, 0]])
    cold = class_heat(jnp.zeros((3, 2)), index=1)
    np.testing.assert_array_equal(cold, np.zeros((2, 3)))
    with pytest.raises(ValueError, match="index: expected 0 to 1, got 2"):
        class_heat(jnp.asarray(table), index=2)


@pytest.mark.slow
def test_evidence_ranks_the_classes_of_real_images_as_ablation_does(
    googlenet: tuple[Network, Any], test_data: Path
) -> None:
    network, params = googlenet
    names = ("base_frying_pan", "base_grey_whale", "base_snorkel")
    images = [np.asarray(Image.open(test_data / "patches" / f"{name}.jpg")) for name in names]

    @jax.jit
    def both(params: Any, image: jax.Array) -> tuple[jax.Array, jax.Array]:
        arguments = (network, params, image, jnp.array([6, 7]))
        return evidence(*arguments, layer="mixed4d"), ablation(*arguments, layer="mixed4d")

    for image in images:
        pixels = jnp.asarray(image / 255, jnp.float32)
        estimate, truth = (np.asarray(x) for x in both(params, pixels))
        ranks = [np.argsort(np.argsort(x)) for x in (estimate, truth)]
        # Spearman's; 0.81 on average at mixed4c, see docs/evidence.md.
        assert np.corrcoef(*ranks)[0, 1] > 0.5


def test_an_unknown_layer_is_refused(activation: jax.Array) -> None:
    with pytest.raises(ValueError, match="tiny has no layer 'conv9'; it has: input, "):
        evidence_at(activation, 0, 0, layer="conv9")
