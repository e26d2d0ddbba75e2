"""Foreign weight files: the right numbers from right ones, one clear error from all others."""

from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from weight_files import (
    add_constant,
    caffe_file,
    draw,
    foreign,
    graphdef_file,
    small_config,
    weight_file,
)

from jatlas.model import (
    CONFIGS,
    GOOGLENET_BVLC,
    INCEPTION5H,
    PUBLISHED_WEIGHTS,
    TEXTURES,
    abstract_params,
    read_weight_file,
)
from jatlas.model import _messages as messages
from jatlas.model._convert import convert_bytes, name_table
from jatlas.model._weight_files import is_web_page, read_caffemodel, read_graphdef

WRITERS = {"googlenet_bvlc": caffe_file, "inception5h": graphdef_file}
SMALL = {name: small_config(name) for name in WRITERS}
CAFFE, GRAPH = SMALL.values()


@pytest.fixture
def small() -> Any:
    """Parameters of both small networks: their shapes are equal."""
    return draw(CAFFE)


def assert_equal(got: Any, expected: Any) -> None:
    assert jax.tree.structure(got) == jax.tree.structure(expected)
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
        assert a.dtype == np.float32
        np.testing.assert_array_equal(a, b)


def arrays_of(name: str, params: Any) -> dict[str, np.ndarray]:
    return foreign(name_table(CONFIGS[name]), params)


def test_the_small_networks_have_equal_shapes() -> None:
    assert abstract_params(CAFFE) == abstract_params(GRAPH)
    assert list(WRITERS) == list(PUBLISHED_WEIGHTS)


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("googlenet_bvlc", "googlenet_bvlc.caffemodel"),
        ("inception5h", "inception5h_synthetic.pb"),
    ],
)
def test_real_files(test_data: Path, name: str, file: str) -> None:
    params = read_weight_file(test_data / name / file, config=CONFIGS[name])
    expected = abstract_params(CONFIGS[name])
    assert jax.tree.structure(params) == jax.tree.structure(expected)
    assert jax.tree.map(np.shape, params) == jax.tree.map(np.shape, expected)
    assert all(leaf.dtype == np.float32 for leaf in jax.tree.leaves(params))


@pytest.mark.slow
def test_real_file_rewritten_with_new_layers_and_dims(test_data: Path) -> None:
    path = test_data / "googlenet_bvlc" / "googlenet_bvlc.caffemodel"
    original = read_weight_file(path, config=GOOGLENET_BVLC)
    data = caffe_file(arrays_of("googlenet_bvlc", original), new_layers=True, new_dims=True)
    assert_equal(convert_bytes(data, origin="rewritten", config=GOOGLENET_BVLC), original)


@pytest.mark.parametrize("name", WRITERS)
def test_table_has_each_parameter_and_each_name_once(name: str) -> None:
    rows = name_table(CONFIGS[name])
    assert len(rows) == len(jax.tree.leaves(abstract_params(CONFIGS[name]))) == 116
    assert len({row.foreign for row in rows}) == len({row.path for row in rows}) == 116


def test_a_network_without_a_published_file_is_refused() -> None:
    for call in (
        lambda: name_table(TEXTURES),
        lambda: convert_bytes(b"", origin="file", config=TEXTURES),
    ):
        with pytest.raises(ValueError, match=r"config: expected .* inception5h; got textures"):
            call()


def test_names_known_from_the_files() -> None:
    caffe = {row.foreign: row.path for row in name_table(GOOGLENET_BVLC)}
    assert caffe["conv2/3x3_reduce[1]"] == ("conv2d1", "bias")
    assert caffe["inception_4e/5x5_reduce[0]"] == ("mixed4e", "conv5x5_bottleneck", "kernel")
    assert caffe["inception_5b/pool_proj[1]"] == ("mixed5b", "pool_reduce", "bias")
    graph = {row.foreign: row.path for row in name_table(INCEPTION5H)}
    assert graph["mixed4e_5x5_bottleneck_w"] == ("mixed4e", "conv5x5_bottleneck", "kernel")
    assert graph["softmax2_b"] == ("logits", "bias")


@pytest.mark.parametrize("new_layers", [False, True])
@pytest.mark.parametrize("new_dims", [False, True])
def test_caffe_files_of_each_age(small: Any, new_layers: bool, new_dims: bool) -> None:
    arrays = arrays_of("googlenet_bvlc", small)
    arrays["loss1/conv[0]"] = np.zeros((2, 3, 1, 1))  # auxiliary heads are ignored
    arrays["loss2/classifier[1]"] = np.zeros(5)
    data = caffe_file(arrays, new_layers=new_layers, new_dims=new_dims)
    assert_equal(convert_bytes(data, origin="file", config=CAFFE), small)


def test_caffe_layout(small: Any) -> None:
    arrays = arrays_of("googlenet_bvlc", small)
    kernel = small["mixed3a"]["conv3x3"]["kernel"]
    assert arrays["inception_3a/3x3[0]"][1, 2, 0, 1] == kernel[0, 1, 2, 1]  # out, in, h, w
    assert arrays["loss3/classifier[0]"][4, 6] == small["logits"]["kernel"][6, 4]  # out, in


def test_caffe_double_data(small: Any) -> None:
    net = messages.NetParameter.FromString(caffe_file(arrays_of("googlenet_bvlc", small)))
    for layer in net.layers:
        for blob in layer.blobs:
            blob.double_data.extend(blob.data)
            del blob.data[:]
    data = net.SerializeToString()
    assert_equal(convert_bytes(data, origin="file", config=CAFFE), small)
    net.layers[0].blobs[0].double_data[0] = 1e300
    with pytest.raises(ValueError, match=r"conv1/7x7_s2\[0\]: .*not finite"):
        convert_bytes(net.SerializeToString(), origin="file", config=CAFFE)


def test_graphdef_constants_outside_the_trunk_are_ignored(small: Any) -> None:
    arrays = arrays_of("inception5h", small)
    for name in ("head0_bottleneck_w", "nn1_b", "softmax0_w", "softmax1_b", "scale"):
        arrays[name] = np.ones(3, np.float32)
    data = graphdef_file(arrays)
    assert_equal(convert_bytes(data, origin="file", config=GRAPH), small)


def test_graphdef_ways_to_write_a_constant() -> None:
    graph = messages.GraphDef()
    half = np.array([0.5, -2], np.float16)
    bits = [int(x) for x in half.view(np.uint16)]
    add_constant(graph, "values", shape=(2,), dtype=1, float_val=[1.5, 2.5])
    add_constant(graph, "one", shape=(2, 2), dtype=1, float_val=[3.0])
    add_constant(graph, "half", shape=(2,), dtype=19, tensor_content=half.tobytes())
    add_constant(graph, "half_values", shape=(2,), dtype=19, half_val=bits)
    add_constant(graph, "whole", shape=(), dtype=3, tensor_content=b"\0\0\0\0")
    tensors = read_graphdef(graph.SerializeToString())
    assert {name: tensor.shape for name, tensor in tensors.items()} == {
        "values": (2,),
        "one": (2, 2),
        "half": (2,),
        "half_values": (2,),
    }
    assert all(tensor.values.dtype == np.float32 for tensor in tensors.values())
    np.testing.assert_array_equal(tensors["values"].values, [1.5, 2.5])
    np.testing.assert_array_equal(tensors["one"].values, [3, 3, 3, 3])
    np.testing.assert_array_equal(tensors["half"].values, half)
    np.testing.assert_array_equal(tensors["half_values"].values, half)


MISMATCHES = {
    "googlenet_bvlc": {
        "missing": "loss3/classifier[1]",
        "narrow": "inception_3a/1x1[1]",
        "infinite": "inception_3a/3x3[0]",
        "unknown": "inception_6a/1x1[0]",
    },
    "inception5h": {
        "missing": "mixed3a_3x3_w",
        "narrow": "mixed3a_1x1_b",
        "infinite": "softmax2_w",
        "unknown": "mixed6a_1x1_w",
    },
}


@pytest.mark.parametrize("name", WRITERS)
def test_all_mismatches_are_listed_together(small: Any, name: str) -> None:
    arrays, names = arrays_of(name, small), MISMATCHES[name]
    del arrays[names["missing"]]
    arrays[names["narrow"]] = np.zeros(1, np.float32)
    arrays[names["infinite"]][..., -1] = np.nan
    arrays[names["unknown"]] = np.zeros((1, 1), np.float32)
    with pytest.raises(ValueError, match=f"^file.x does not fit {name}, 4 mismatch") as caught:
        convert_bytes(WRITERS[name](arrays), origin="file.x", config=SMALL[name])
    message = str(caught.value)
    assert f"{names['missing']}: missing" in message
    assert f"{names['narrow']}: expected shape (4,), got (1" in message
    assert f"{names['infinite']}: some of its numbers are not finite" in message
    assert f"{names['unknown']}: unknown" in message


@pytest.mark.parametrize("cut", [1, 2, 4])
def test_numbers_that_are_too_few_or_too_many(small: Any, cut: int) -> None:
    arrays = arrays_of("inception5h", small)
    graph = messages.GraphDef.FromString(graphdef_file(arrays))
    first, second = graph.node[1].attr[1].value.tensor, graph.node[2].attr[1].value.tensor
    first.tensor_content = first.tensor_content[:-cut]
    second.tensor_content += b"\0" * cut
    with pytest.raises(ValueError, match=r"2 mismatches:\n.*needs .*got .*\n.*needs .*got"):
        convert_bytes(graph.SerializeToString(), origin="file", config=GRAPH)
    net = messages.NetParameter.FromString(caffe_file(arrays_of("googlenet_bvlc", small)))
    del net.layers[0].blobs[0].data[-cut:]
    net.layers[1].blobs[0].data.extend([0.0] * cut)
    with pytest.raises(ValueError, match=r"2 mismatches:\n.*needs .*got .*\n.*needs .*got"):
        convert_bytes(net.SerializeToString(), origin="file", config=CAFFE)


HOSTILE = [(2**40,), (2**62, 2**62), (-1,), (0,), (2**31 - 1, 2**31 - 1), (1,) * 40, ()]


@pytest.mark.parametrize("dims", HOSTILE, ids=str)
def test_hostile_dims_allocate_nothing(small: Any, dims: tuple[int, ...]) -> None:
    net = messages.NetParameter.FromString(
        caffe_file(arrays_of("googlenet_bvlc", small), new_dims=True)
    )
    net.layers[0].blobs[0].shape.dim[:] = dims
    with pytest.raises(ValueError, match=r"1 mismatch:\n.*expected shape \(4, 3, 7, 7\)"):
        convert_bytes(net.SerializeToString(), origin="file", config=CAFFE)
    arrays = arrays_of("inception5h", small)
    del arrays["conv2d0_w"]
    graph = messages.GraphDef.FromString(graphdef_file(arrays))
    add_constant(graph, "conv2d0_w", shape=dims, dtype=1, float_val=[1.0])
    with pytest.raises(ValueError, match=r"1 mismatch:\n.*expected shape \(7, 7, 3, 4\)"):
        convert_bytes(graph.SerializeToString(), origin="file", config=GRAPH)


def test_hostile_old_dims(small: Any) -> None:
    net = messages.NetParameter.FromString(caffe_file(arrays_of("googlenet_bvlc", small)))
    blob = net.layers[0].blobs[0]
    blob.num = blob.channels = blob.height = blob.width = 2**31 - 1
    with pytest.raises(ValueError, match=r"1 mismatch:\n.*expected shape"):
        convert_bytes(net.SerializeToString(), origin="file", config=CAFFE)


def test_repeated_arrays(small: Any) -> None:
    for name, config in SMALL.items():
        data = weight_file(config, small)
        with pytest.raises(ValueError, match=r"^file: the file has more than one "):
            convert_bytes(data + data, origin="file", config=SMALL[name])


NO_WEIGHTS = {
    "empty": (b"", "is empty"),
    "page": (b"\n <!DOCTYPE html><html><body>Not here</body></html>", "web page"),
    "upper": (b"<HTML><BODY>Log in</BODY></HTML>", "web page"),
    "text": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "damaged"),
    "zeros": (bytes(1000), "damaged"),
    "zip": (b"PK\x03\x04" + bytes(50), "damaged"),
}


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("kind", NO_WEIGHTS)
def test_other_files(tmp_path: Path, name: str, kind: str) -> None:
    content, told = NO_WEIGHTS[kind]
    path = tmp_path / "weights.bin"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"weights.bin: .*{told}.*Expected .*{name}") as caught:
        read_weight_file(path, config=SMALL[name])
    assert "\n" not in str(caught.value)


def test_a_graph_without_weights(small: Any) -> None:
    with pytest.raises(ValueError, match="none of the 116 arrays of inception5h is in it"):
        convert_bytes(graphdef_file({}), origin="file", config=GRAPH)


def test_a_file_of_the_other_network(small: Any) -> None:
    for name, other in (("googlenet_bvlc", "inception5h"), ("inception5h", "googlenet_bvlc")):
        data = weight_file(SMALL[name], small)
        with pytest.raises(ValueError, match=f"^file: .* with the weights of {other}"):
            convert_bytes(data, origin="file", config=SMALL[other])


def test_a_file_that_is_too_long_or_missing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="absent"):
        read_weight_file(tmp_path / "absent", config=GRAPH)
    (tmp_path / "long").write_bytes(bytes(11))
    with pytest.raises(ValueError, match="long: 11 bytes are too many"):
        read_weight_file(tmp_path / "long", config=GRAPH, max_bytes=10)


@pytest.mark.parametrize("name", WRITERS)
def test_truncated_files(small: Any, name: str) -> None:
    data = weight_file(SMALL[name], small)
    for end in sorted({*range(0, len(data), 211), *range(len(data) - 40, len(data))}):
        try:
            params = convert_bytes(data[:end], origin="file", config=SMALL[name])
        except ValueError as error:
            assert str(error).startswith("file")
        else:  # only the constant after the weights, which is ignored, is cut off
            assert name == "inception5h"
            assert_equal(params, small)


@pytest.mark.slow
@pytest.mark.parametrize("name", WRITERS)
def test_random_bytes_and_flipped_bytes(small: Any, name: str) -> None:
    rng = np.random.default_rng(0)
    for size in (1, 2, 3, 7, 20, 100, 1000, 20_000):
        for _ in range(20):
            with pytest.raises(ValueError, match=f"^file: .*{name}"):
                convert_bytes(rng.bytes(size), origin="file", config=SMALL[name])
    data = np.frombuffer(weight_file(SMALL[name], small), np.uint8)
    for _ in range(200):
        flipped = data.copy()
        flipped[rng.integers(len(data), size=3)] ^= rng.integers(1, 256, 3, dtype=np.uint8)
        try:  # a changed number is not noticed; any other change is an error
            params = convert_bytes(flipped.tobytes(), origin="file", config=SMALL[name])
        except ValueError as error:
            assert str(error).startswith("file")
        else:
            assert jax.tree.structure(params) == jax.tree.structure(small)


def test_readers_return_what_was_written() -> None:
    arrays = {"a[0]": np.arange(6, dtype=np.float32).reshape(2, 3)}
    (tensor,) = read_caffemodel(caffe_file(arrays, new_dims=True)).values()
    assert tensor.shape == (2, 3)
    np.testing.assert_array_equal(tensor.values, np.arange(6))
    assert read_graphdef(graphdef_file({})) == {}


def test_web_pages_are_told_from_files() -> None:
    assert is_web_page(b"\n\n<!doctype HTML>")
    assert not is_web_page(b"\n\tBVLC GoogLeNet")
