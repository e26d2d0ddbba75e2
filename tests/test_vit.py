"""The vision transformer against a plain NumPy implementation, and its own laws."""

import dataclasses
import functools
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jatlas
from jatlas import synthetic
from jatlas.model import Tap, digest, load_network, read_params
from jatlas.model._vit import (
    abstract_vit_params,
    forward,
    init_vit_params,
    position_embedding,
    untouched,
    vision_transformer,
)
from jatlas.model._vit_config import TEXTURES_VIT, ViTConfig

TINY = ViTConfig(
    name="tiny",
    classes=5,
    dim=8,
    depth=2,
    heads=2,
    hidden=12,
    registers=2,
    stem=(4,),
    input_size=16,
)
RNG = np.random.default_rng(0)
IMAGES = RNG.random((2, 12, 20, 3), np.float32)  # 3 x 5 patches
TOKENS = 1 + TINY.registers + 3 * 5
WEIGHTS = Path(__file__).parents[1] / "weights" / "textures_vit"


def random_params(config: ViTConfig) -> Any:
    """Draw parameters with NumPy, all of them unlike those that training starts from."""
    rng = np.random.default_rng(3)

    def draw(leaf: jax.ShapeDtypeStruct) -> np.ndarray:
        spread = 1.5 / math.sqrt(math.prod(leaf.shape[:-1]))
        return (spread * rng.standard_normal(leaf.shape)).astype(np.float32)

    return jax.tree.map(draw, abstract_vit_params(config))


PARAMS = random_params(TINY)


def run(images: Any, tap: Tap = untouched) -> np.ndarray:
    return np.asarray(forward(PARAMS, images, tap, config=TINY))


def kept(images: Any) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Return logits, and the tokens of every layer."""
    tokens = {}

    def tap(name: str, x: jax.Array) -> jax.Array:
        tokens[name] = np.asarray(x)
        return x

    return run(images, tap), tokens


# One number after the other, in double precision, from the papers' formulas.


def numpy_conv(x: np.ndarray, params: Any) -> np.ndarray:
    """Convolve (h, w, in) by 3x3 kernels in steps of 2; of even sides, the last gets a border."""
    rows, columns = (-(-side // 2) for side in x.shape[:2])
    framed = np.zeros((2 * rows + 1, 2 * columns + 1, x.shape[2]))
    framed[: x.shape[0], : x.shape[1]] = x
    out = np.zeros((rows, columns, params["bias"].size))
    for row in range(rows):
        for column in range(columns):
            window = framed[2 * row : 2 * row + 3, 2 * column : 2 * column + 3]
            out[row, column] = np.tensordot(window, params["kernel"], 3) + params["bias"]
    return out


def numpy_gelu(x: np.ndarray) -> np.ndarray:
    return x / 2 * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def numpy_norm(x: np.ndarray, params: Any) -> np.ndarray:
    return (
        np.stack([(t - t.mean()) / np.sqrt(t.var() + 1e-6) for t in x]) * params["scale"]
        + params["bias"]
    )


def numpy_linear(x: np.ndarray, params: Any) -> np.ndarray:
    return x @ params["kernel"] + params["bias"]


def numpy_place(row: int, column: int, shape: tuple[int, int]) -> np.ndarray:
    """Return the position embedding of one patch; 16 px are 4 patches a side."""
    numbers = []
    for place, count in ((row, shape[0]), (column, shape[1])):
        angles = [(place + 0.5) * 4 / count / 100 ** (k / 2) for k in range(2)]
        numbers += [math.sin(angle) for angle in angles] + [math.cos(angle) for angle in angles]
    return np.array(numbers)


def numpy_block(x: np.ndarray, params: Any) -> np.ndarray:
    mixed = np.zeros_like(x)
    queries, keys, values = np.split(
        numpy_linear(numpy_norm(x, params["norm1"]), params["qkv"]), 3, axis=1
    )
    for head in (slice(0, 4), slice(4, 8)):
        for token, query in enumerate(queries[:, head]):
            weights = np.exp([query @ key / 2 for key in keys[:, head]])
            mixed[token, head] = weights / weights.sum() @ values[:, head]
    x = x + numpy_linear(mixed, params["out"])
    inner = numpy_gelu(numpy_linear(numpy_norm(x, params["norm2"]), params["up"]))
    return x + numpy_linear(inner, params["down"])


def numpy_forward(image: np.ndarray) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    params = jax.tree.map(lambda leaf: leaf.astype(np.float64), PARAMS)
    x = numpy_conv(numpy_gelu(numpy_conv(4.0 * image - 2, params["conv0"])), params["conv1"])
    places = [[numpy_place(i, j, x.shape[:2]) for j in range(x.shape[1])] for i in range(len(x))]
    x = np.concatenate([params["tokens"], (x + np.array(places)).reshape(-1, 8)])
    tokens = {"patches": x}
    for name in ("block0", "block1"):
        x = tokens[name] = numpy_block(x, params[name])
    return numpy_linear(numpy_norm(x[:1], params["norm"]), params["logits"])[0], tokens


@pytest.mark.slow
def test_tokens_and_logits_equal_those_of_plain_numpy() -> None:
    logits, tokens = kept(IMAGES)
    for index, image in enumerate(IMAGES):
        right, steps = numpy_forward(image)
        for name, expected in steps.items():
            largest = np.abs(expected).max()
            np.testing.assert_allclose(tokens[name][index], expected, rtol=0, atol=1e-5 * largest)
        np.testing.assert_allclose(logits[index], right, rtol=0, atol=1e-5 * np.abs(right).max())


def test_a_program_computes_the_same() -> None:
    program = jax.jit(functools.partial(forward, config=TINY))
    np.testing.assert_allclose(program(PARAMS, IMAGES), run(IMAGES), rtol=1e-5, atol=1e-5)


def test_a_tap_is_called_for_each_layer_in_order() -> None:
    logits, tokens = kept(IMAGES)
    assert logits.shape == (2, TINY.classes)
    assert tuple(tokens) == TINY.layers == ("patches", "block0", "block1")
    assert {x.shape for x in tokens.values()} == {(2, TOKENS, TINY.dim)}
    assert {x.dtype for x in tokens.values()} == {logits.dtype} == {np.dtype(np.float32)}


def replacing(layer: str, change: Callable[[jax.Array], Any]) -> Tap:
    return lambda name, x: change(x) if name == layer else x


@pytest.mark.parametrize("layer", TINY.layers)
def test_what_a_tap_returns_is_all_that_the_rest_sees(layer: str) -> None:
    logits, tokens = kept(IMAGES)
    other = replacing(layer, lambda x: jnp.asarray(tokens[layer][::-1]))
    np.testing.assert_allclose(run(IMAGES, other), logits[::-1], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("layer", TINY.layers)
@pytest.mark.parametrize("token", [0, 1, TOKENS - 1], ids=["class", "register", "patch"])
def test_what_is_added_to_a_token_changes_the_logits(layer: str, token: int) -> None:
    before = run(IMAGES)
    change = np.zeros((1, TOKENS, TINY.dim), np.float32)
    change[:, token] = np.random.default_rng(1).standard_normal(TINY.dim)
    after = run(IMAGES, replacing(layer, lambda x: x + change))
    if layer == "block1" and token > 0:  # the last: logits are those of the class token
        np.testing.assert_array_equal(after, before)
    else:
        assert np.abs(after - before).max() > 1e-3


def test_the_gradient_at_a_tap_is_the_slope() -> None:
    rng = np.random.default_rng(1)
    weights = rng.standard_normal(TINY.classes).astype(np.float32)
    direction = rng.standard_normal((2, TOKENS, TINY.dim)).astype(np.float32)

    def value(change: Any) -> jax.Array:
        return (
            forward(PARAMS, IMAGES, replacing("block0", lambda x: x + change), config=TINY)
            @ weights
        ).sum()

    slope = np.sum(jax.jit(jax.grad(value))(np.zeros_like(direction)) * direction)
    step = 1e-2
    change = (value(step * direction) - value(-step * direction)) / (2 * step)
    assert float(change) == pytest.approx(float(slope), rel=1e-2)


@pytest.mark.slow
def test_images_do_not_affect_each_other() -> None:
    one = jax.vmap(lambda image: forward(PARAMS, image[None], config=TINY)[0])
    np.testing.assert_allclose(one(IMAGES), run(IMAGES), rtol=1e-5, atol=1e-5)


def test_places_are_shares_of_the_image() -> None:
    small, large = (position_embedding(n, n, 8, side=4).reshape(n, n, 8) for n in (3, 9))
    np.testing.assert_allclose(large[1::3, 1::3], small, atol=1e-6)  # the centres are the same
    rows = position_embedding(3, 5, 8, side=4).reshape(3, 5, 8)
    assert len({tuple(place) for place in rows.reshape(-1, 8)}) == 15
    swapped = np.concatenate([rows[..., 4:], rows[..., :4]], axis=-1).transpose(1, 0, 2)
    np.testing.assert_array_equal(position_embedding(5, 3, 8, side=4)[0], swapped.reshape(-1, 8))


@pytest.mark.slow
def test_untrained_parameters_have_the_structure_of_the_variant() -> None:
    params = init_vit_params(TINY, key=jax.random.key(0))
    expected = abstract_vit_params(TINY)
    assert jax.tree.map(lambda x: (x.shape, x.dtype), params) == jax.tree.map(
        lambda x: (x.shape, x.dtype), expected
    )
    logits = forward(params, IMAGES, config=TINY)
    assert np.isfinite(logits).all() and np.std(logits) > 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "a\nb"}, "name: expected"),
        ({"classes": 0}, "classes: expected at least 1, got 0"),
        ({"dim": 8.0}, "dim: expected a whole number, got 8.0"),
        ({"dim": 6}, "dim: expected a multiple of 4 and of heads, 2, got 6"),
        ({"heads": 3}, "dim: expected a multiple of 4 and of heads, 3, got 8"),
        ({"depth": 0}, "depth: expected at least 1, got 0"),
        ({"hidden": 10**6}, "hidden: expected at most 4096, got 1000000"),
        ({"registers": -1}, "registers: expected at least 0, got -1"),
        ({"stem": ()}, r"stem: expected numbers of channels, got \(\)"),
        ({"stem": (4, 0)}, r"stem: expected numbers of channels, got \(4, 0\)"),
        ({"input_size": 18}, "input_size: expected a multiple of .* 4 pixels, got 18"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(TINY, **change)


@pytest.mark.parametrize("shape", [(12, 12, 3), (1, 12, 12, 4), (1, 0, 12, 3)])
def test_images_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"images: expected shape \(n, h, w, 3\), got \("):
        run(np.zeros(shape, np.float32))


@pytest.fixture(scope="module")
def shipped() -> Any:
    return read_params(WEIGHTS, expected=abstract_vit_params(TEXTURES_VIT))


@pytest.mark.slow
def test_shipped_weights_are_those_that_were_trained(shipped: Any) -> None:
    record = json.loads((WEIGHTS / "provenance.json").read_text())
    assert record["params_sha256"] == digest(shipped)
    assert record["script"] == "examples/15_train_vit.py"
    assert record["accuracy"] >= 0.95
    size = sum(path.stat().st_size for path in WEIGHTS.rglob("*") if path.is_file())
    assert size <= 4e6


@pytest.mark.slow
@pytest.mark.usefixtures("optimized")
def test_shipped_weights_know_the_classes_of_new_images(shipped: Any) -> None:
    classify = jax.jit(lambda params, images: forward(params, images).argmax(-1))
    right = []
    for first in range(4):
        drawn = synthetic.batch(key=jax.random.key(2026), per_class=1, size=96, first=first)
        right.append(classify(shipped, drawn.pixels) == drawn.labels)
    assert np.mean(right) >= 0.95


# As a network


@pytest.mark.slow
def test_its_layers_are_maps_of_the_patches_alone(shipped: Any) -> None:
    network, params = load_network("textures_vit")
    assert network is vision_transformer(TEXTURES_VIT)
    assert network.layer_shapes(params) == dict.fromkeys(TEXTURES_VIT.layers, (12, 12, 128))
    image = jnp.asarray(np.random.default_rng(4).random((96, 96, 3)), jnp.float32)
    seen: dict[str, jax.Array] = {}

    def tap(name: str, x: jax.Array) -> jax.Array:
        seen[name] = x
        return x

    logits = forward(shipped, image[None], tap)
    found = network.apply(params, image, layers=("block2",))
    np.testing.assert_allclose(found.logits, logits[0], rtol=1e-4, atol=1e-4)
    patches = seen["block2"][0, TEXTURES_VIT.extra :]
    np.testing.assert_allclose(
        found.activations["block2"].reshape(144, 128), patches, rtol=1e-4, atol=1e-4
    )


@pytest.mark.slow
def test_where_only_the_direction_of_a_token_counts_it_has_no_linear_evidence() -> None:
    """Logits come from the class token, which sees the others through one layer norm at block3."""
    network, params = load_network("textures_vit")
    image = jnp.asarray(np.random.default_rng(5).random((48, 48, 3)), jnp.float32)
    explain = jax.jit(jatlas.evidence, static_argnames=("network", "layer"))
    position = jnp.array([2, 3])
    found = {
        layer: np.abs(explain(network, params, image, position, layer=layer)).max()
        for layer in ("block2", "block3", "block4")
    }
    assert found["block4"] == found["block3"] == 0 and found["block2"] > 1e-3
    probe = jnp.zeros((6, 6, 128)).at[2, 3, ::2].set(5.0)  # turned, it does count
    turned = network.apply(params, image, probes={"block3": probe}).logits
    assert np.abs(turned - network.run(params, image)).max() > 1e-3
