"""InceptionV1 against other implementations, and its own laws."""

import dataclasses
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from imagenet import accuracy
from jax import lax

from jatlas.model import (
    CONFIGS,
    GOOGLENET_BVLC,
    INCEPTION5H,
    TEXTURES,
    InceptionConfig,
    Network,
    abstract_params,
    inception_v1,
    init_params,
    known_classes,
    local_response_norm,
    max_pool,
    read_weight_file,
)

GOLDEN = {
    "googlenet_bvlc": ("googlenet_bvlc.caffemodel", "golden_opencv.npz"),
    "inception5h": ("inception5h_synthetic.pb", "golden_tensorflow.npz"),
}
# Differences in units of the layer's largest value. At this one layer of the real weights OpenCV
# itself is 1.4e-5 away from double precision, and so are we: the first convolution sums large
# numbers to small ones, and the normalisation then divides by the large ones.
TOLERANCE = {("googlenet_bvlc", "maxpool1"): 2e-5}
THEIR_NAMES = {"softmax2_pre_activation": "logits"}


def run_to_all(network: Network, params: Any, x: Any, layers: list[str]) -> dict[str, Any]:
    """Run once and keep the outputs of several stages."""
    outputs = {}
    for name, stage in network.stages:
        outputs[name] = x = stage(params, x)
    return {layer: outputs[layer] for layer in layers}


@pytest.mark.slow
@pytest.mark.parametrize("prefix", ["", "odd_"], ids=["square", "odd"])
@pytest.mark.parametrize("name", GOLDEN)
def test_activations_equal_those_of_another_implementation(
    test_data: Path, name: str, prefix: str
) -> None:
    weights, golden = (test_data / name / file for file in GOLDEN[name])
    params = read_weight_file(weights, config=CONFIGS[name])
    network = inception_v1(CONFIGS[name])
    with np.load(golden) as stored:
        images = stored[f"{prefix}images"]
        expected = {
            THEIR_NAMES.get(key.removeprefix("odd_"), key.removeprefix("odd_")): stored[key]
            for key in stored
            if not key.endswith("images") and key.startswith("odd_") == bool(prefix)
        }
    assert expected.keys() <= set(network.layers)
    run = jax.jit(lambda params, x: run_to_all(network, params, x, list(expected)))
    activations = run(params, images.astype(np.float32) / 255)
    for layer, right in expected.items():
        assert activations[layer].shape == right.shape, layer
        error = np.abs(np.asarray(activations[layer]) - right).max() / np.abs(right).max()
        assert error < TOLERANCE.get((name, layer), 1e-5), (layer, error)


def random_params(config: InceptionConfig) -> Any:
    """Draw parameters with NumPy: much faster than compiling a draw for each shape."""
    rng = np.random.default_rng(3)

    def draw(leaf: jax.ShapeDtypeStruct) -> np.ndarray:
        inputs = np.prod(leaf.shape[:-1]) if len(leaf.shape) > 1 else 100
        return rng.standard_normal(leaf.shape, np.float32) * np.float32(np.sqrt(2 / inputs))

    return jax.tree.map(draw, abstract_params(config))


@pytest.fixture(scope="module", params=list(GOLDEN))
def untrained(request: pytest.FixtureRequest) -> tuple[InceptionConfig, Network, Any]:
    config = CONFIGS[request.param]
    return config, inception_v1(config), random_params(config)


IMAGES = np.random.default_rng(0).random((2, 40, 36, 3), np.float32)


def assert_close(got: Any, expected: Any) -> None:
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())


@pytest.mark.slow
def test_drawn_parameters_have_the_documented_structure() -> None:
    """Traced only: compiling the draws takes eight seconds."""
    drawn = jax.eval_shape(lambda: init_params(GOOGLENET_BVLC, key=jax.random.key(0)))
    expected = abstract_params(GOOGLENET_BVLC)
    assert jax.tree.structure(drawn) == jax.tree.structure(expected)
    for got, wanted in zip(*map(jax.tree.leaves, (drawn, expected)), strict=True):
        assert (got.shape, got.dtype) == (wanted.shape, wanted.dtype)


@pytest.mark.slow
def test_layers_read_in_one_pass_equal_those_read_alone(untrained: tuple[Any, ...]) -> None:
    config, network, params = untrained
    layers = ("mixed4c", "avgpool0", "conv2d0")
    run = jax.jit(network.run, static_argnames="until")
    together = jax.jit(network.apply, static_argnames="layers")(params, IMAGES, layers=layers)
    assert together.logits.shape == (2, config.classes)
    assert_close(together.logits, run(params, IMAGES))
    for layer in layers:
        assert_close(together.activations[layer], run(params, IMAGES, until=layer))


@pytest.mark.slow
def test_one_image_equals_the_batch(untrained: tuple[Any, ...]) -> None:
    _, network, params = untrained
    run = jax.jit(lambda params, x: network.run(params, x, until="mixed3b"))
    batch = run(params, IMAGES)
    for image, activations in zip(IMAGES, batch, strict=True):
        assert_close(run(params, image), activations)
    assert_close(jax.jit(jax.vmap(run, in_axes=(None, 0)))(params, IMAGES), batch)


@pytest.mark.slow
def test_jit_changes_nothing(untrained: tuple[Any, ...]) -> None:
    _, network, params = untrained
    run = jax.jit(lambda params, x: network.run(params, x, until="mixed3a"))
    assert_close(run(params, IMAGES), network.run(params, IMAGES, until="mixed3a"))


def test_equal_configs_give_one_network() -> None:
    assert inception_v1(INCEPTION5H) is inception_v1(INCEPTION5H)
    assert inception_v1(INCEPTION5H) != inception_v1(GOOGLENET_BVLC)


@pytest.mark.slow
def test_width_scales_every_convolution_to_multiples_of_four() -> None:
    full, narrow = (
        abstract_params(dataclasses.replace(INCEPTION5H, width=width)) for width in (1.0, 0.3)
    )
    assert narrow["conv2d0"]["kernel"].shape == (7, 7, 3, 20)  # 19.2
    assert narrow["logits"]["kernel"].shape[1] == INCEPTION5H.classes
    joined = 0
    for path, leaf in jax.tree_util.tree_leaves_with_path(narrow):
        if path[0].key != "logits" and path[-1].key == "bias":
            whole = full[path[0].key]
            for part in path[1:]:
                whole = whole[part.key]
            (got,), (wanted,) = leaf.shape, 0.3 * np.array(whole.shape)
            assert got % 4 == 0 and (abs(got - wanted) <= 2 or got == 4 > wanted)
            joined += path[0].key == "mixed5b" and path[1].key.endswith(("1x1", "3x3", "5x5")) * got
            joined += path[0].key == "mixed5b" and path[1].key == "pool_reduce" and got
    assert narrow["logits"]["kernel"].shape[0] == joined


@pytest.mark.parametrize("width", [0.0, -1.0, 4.5])
def test_a_width_out_of_range_is_refused(width: float) -> None:
    with pytest.raises(ValueError, match=f"width: expected a factor .* got {width}"):
        dataclasses.replace(TEXTURES, width=width)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "classes"),
    [
        ({"name": "mine"}, ()),
        ({"classes": 10}, ()),
        ({"name": "mine", "classes": 1000}, ()),
        ({"width": 0.25}, known_classes("textures")),
    ],
    ids=["name", "count", "both", "width"],
)
def test_class_names_are_those_of_a_known_network_of_that_many_classes(
    changes: dict[str, Any], classes: tuple[str, ...]
) -> None:
    network = inception_v1(dataclasses.replace(TEXTURES, **changes))
    assert network.classes == classes
    assert network.name == changes.get("name", "textures")


def test_textures_has_lucid_layers_no_normalisation_and_small_images() -> None:
    network = inception_v1(TEXTURES)
    assert network.layers == inception_v1(INCEPTION5H).layers
    assert network.input_size == 96
    assert inception_v1(INCEPTION5H).input_size == 224
    x = network.run({}, IMAGES, until="input")
    np.testing.assert_allclose(x, (IMAGES * 255 - 127.5) / 64, rtol=1e-5, atol=1e-6)
    same = dict(network.stages)["localresponsenorm0"]({}, x)
    np.testing.assert_array_equal(same, x)


def test_an_unknown_layer_is_an_error_that_lists_the_known() -> None:
    network = inception_v1(GOOGLENET_BVLC)
    with pytest.raises(ValueError, match=r"no layer 'mixed6a'.*conv2d0.*mixed4c.*logits"):
        network.run({}, IMAGES, until="mixed6a")


def test_an_image_that_is_too_small_is_an_error() -> None:
    network = inception_v1(GOOGLENET_BVLC)
    with pytest.raises(ValueError, match="too small"):
        network.run(random_params(GOOGLENET_BVLC), np.zeros((1, 1, 3), np.float32))


def pool_by_hand(x: np.ndarray, *, stride: int, caffe: bool) -> np.ndarray:
    """Take the maximum of each window, as caffe and TensorFlow define where it is."""

    def starts(size: int) -> list[int]:
        if caffe:
            return [stride * i for i in range(int(np.ceil((size - 3) / stride)) + 1)]
        out = -(-size // stride)
        before = max((out - 1) * stride + 3 - size, 0) // 2
        return [stride * i - before for i in range(out)]

    rows = [
        [x[max(i, 0) : i + 3, max(j, 0) : j + 3].max(axis=(0, 1)) for j in starts(x.shape[1])]
        for i in starts(x.shape[0])
    ]
    return np.array(rows)


def reduce_window(*, stride: int, caffe: bool, shape: tuple[int, ...]) -> Callable[[Any], Any]:
    """Return the same pool as an XLA operation."""

    def pads(size: int) -> tuple[int, int]:
        out = int(np.ceil((size - 3) / stride)) + 1 if caffe else -(-size // stride)
        total = max((out - 1) * stride + 3 - size, 0)
        return (0, total) if caffe else (total // 2, total - total // 2)

    padding = (pads(shape[0]), pads(shape[1]), (0, 0))
    return lambda x: lax.reduce_window(
        x, -jnp.inf, lax.max, (3, 3, 1), (stride, stride, 1), padding
    )


@pytest.mark.parametrize("shape", [(12, 8, 3), (13, 7, 3), (9, 14, 3), (3, 4, 3)])
@pytest.mark.parametrize(("stride", "caffe"), [(2, True), (2, False), (1, False)])
def test_max_pool_and_its_gradient(shape: tuple[int, ...], stride: int, caffe: bool) -> None:
    rng = np.random.default_rng(1)
    x = rng.permutation(np.prod(shape)).reshape(shape).astype(np.float32) - 50  # no ties
    expected = pool_by_hand(x, stride=stride, caffe=caffe)
    weight = rng.integers(1, 9, expected.shape).astype(np.float32)  # whole numbers: exact sums

    @functools.partial(jax.jit, static_argnums=0)
    def value_and_gradient(pool: Callable[[Any], Any], x: jax.Array) -> tuple[Any, Any]:
        value, pull_back = jax.vjp(pool, x)
        return value, pull_back(jnp.asarray(weight))

    ours = value_and_gradient(functools.partial(max_pool, stride=stride, caffe=caffe), x)
    theirs = value_and_gradient(reduce_window(stride=stride, caffe=caffe, shape=shape), x)
    np.testing.assert_array_equal(ours[0], expected)
    jax.tree.map(np.testing.assert_array_equal, ours, theirs)


@pytest.mark.parametrize("config", (GOOGLENET_BVLC, INCEPTION5H), ids=lambda config: config.name)
def test_local_response_norm(config: InceptionConfig) -> None:
    constants = {
        "radius": config.lrn_radius,
        "bias": config.lrn_bias,
        "alpha": config.lrn_alpha,
        "beta": config.lrn_beta,
    }
    x = np.random.default_rng(2).normal(0, 300, (2, 3, 17)).astype(np.float32)
    expected = np.empty(x.shape, np.float64)
    for i, j, c in np.ndindex(*x.shape):
        window = x[i, j, max(c - config.lrn_radius, 0) : c + config.lrn_radius + 1].astype(float)
        divisor = config.lrn_bias + config.lrn_alpha * np.sum(window**2)
        expected[i, j, c] = x[i, j, c] / divisor**config.lrn_beta
    np.testing.assert_allclose(local_response_norm(x, **constants), expected, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.usefixtures("optimized")
def test_the_real_weights_classify_real_images(
    test_data: Path, googlenet: tuple[Network, Any]
) -> None:
    top1, top5 = accuracy(*googlenet, test_data)
    assert top1 >= 0.74
    assert top5 >= 0.92
