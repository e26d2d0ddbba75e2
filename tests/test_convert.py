"""Foreign weight files: the right numbers from right ones, one clear error from all others."""

import os
import re
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from weight_files import (
    add_constant,
    caffe_file,
    constant,
    draw,
    field,
    foreign,
    graphdef_file,
    packed,
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
    digest,
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


@pytest.mark.slow
def test_the_small_networks_have_equal_shapes() -> None:
    assert abstract_params(CAFFE) == abstract_params(GRAPH)
    assert list(WRITERS) == list(PUBLISHED_WEIGHTS)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "file", "sha256"),
    [
        (
            "googlenet_bvlc",
            "googlenet_bvlc.caffemodel",
            PUBLISHED_WEIGHTS["googlenet_bvlc"].params_sha256,
        ),
        (
            "inception5h",
            "inception5h_synthetic.pb",
            "f9d429e3b516e60fe8c689604734c445ba5cbcdf7538a682c4e560181f818cec",
        ),
    ],
    ids=WRITERS,
)
def test_real_files(test_data: Path, name: str, file: str, sha256: str) -> None:
    params = read_weight_file(test_data / name / file, config=CONFIGS[name])
    assert digest(params) == sha256
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
        "whole": (),
    }
    unread = {name: tensor.unread for name, tensor in tensors.items() if tensor.unread}
    assert unread == {"whole": "numbers of TensorFlow's dtype 3 are not read"}
    assert all(tensor.values.dtype == np.float32 for tensor in tensors.values())
    np.testing.assert_array_equal(tensors["values"].numbers(2), [1.5, 2.5])
    np.testing.assert_array_equal(tensors["one"].numbers(4), [3, 3, 3, 3])
    np.testing.assert_array_equal(tensors["half"].numbers(2), half)
    np.testing.assert_array_equal(tensors["half_values"].numbers(2), half)


# What TensorFlow's tensor.cc makes of each: (dtype, fields of the TensorProto, four numbers).
# 0x3FC0 and 0xC000 are 1.5 and -2 in bfloat16, 0x3E00 and 0xC000 in float16.
CONSTANTS: dict[str, tuple[int, bytes, list[float]]] = {
    "float, last repeated": (1, field(5, packed("f", 1, 2)), [1, 2, 2, 2]),
    "float, none": (1, b"", [0, 0, 0, 0]),
    "float, not packed": (1, b"\x2d" + packed("f", 7), [7, 7, 7, 7]),
    "double": (2, field(6, packed("d", 0.1, 2, 3, 4)), [np.float32(0.1), 2, 3, 4]),
    "double, one": (2, field(6, packed("d", -3)), [-3, -3, -3, -3]),
    "double, none": (2, b"", [0, 0, 0, 0]),
    "double, bytes": (2, field(4, packed("d", 1, 2, 3, 4)), [1, 2, 3, 4]),
    "double, too large": (2, field(6, packed("d", 1e300)), [np.inf] * 4),
    "bfloat16": (14, field(13, packed("v", 0x3FC0, 0xC000)), [1.5, -2, -2, -2]),
    "bfloat16, none": (14, b"", [0, 0, 0, 0]),
    "bfloat16, bytes": (14, field(4, packed("H", 0x3FC0, 0xC000, 0, 0)), [1.5, -2, 0, 0]),
    "half, last repeated": (19, field(13, packed("v", 0x3E00, 0xC000)), [1.5, -2, -2, -2]),
    "half, none": (19, b"", [0, 0, 0, 0]),
}


@pytest.mark.parametrize("kind", CONSTANTS)
def test_graphdef_constants_byte_by_byte(kind: str) -> None:
    dtype, values, expected = CONSTANTS[kind]
    data = constant("x", shape=(2, 2), dtype=dtype, values=values)
    (tensor,) = read_graphdef(data).values()
    assert tensor.shape == (2, 2)
    numbers = tensor.numbers(4)
    assert numbers.dtype == np.float32
    np.testing.assert_array_equal(numbers, np.array(expected, np.float32))


def test_raw_bytes_are_never_filled_up() -> None:
    data = constant("x", shape=(4,), dtype=1, values=field(4, packed("f", 1, 2)))
    assert read_graphdef(data)["x"].numbers(4).size == 2
    data = constant("x", shape=(1,), dtype=1, values=field(5, packed("f", 1, 2)))
    assert read_graphdef(data)["x"].numbers(1).size == 2


def test_a_graph_of_wider_and_narrower_numbers(small: Any) -> None:
    """As a tool writes it that turns constants into others: doubles, halves, one for all."""
    arrays = arrays_of("inception5h", small)
    arrays["conv2d0_b"][:], arrays["conv2d1_b"][2:], arrays["conv2d2_b"][:] = (
        0,
        4,
        5,
    )  # of small too
    data = b""
    for name in ("conv2d0_b", "conv2d1_b", "conv2d2_b", "conv2d0_w"):
        array = arrays.pop(name)
        values = {
            "conv2d0_b": b"",
            "conv2d1_b": field(5, packed("f", *array.ravel()[:3])),
            "conv2d2_b": field(13, packed("v", 0x40A0)),
            "conv2d0_w": field(4, array.astype(np.float64).tobytes()),
        }[name]
        dtype = {"conv2d2_b": 14, "conv2d0_w": 2}.get(name, 1)
        data += constant(name, shape=array.shape, dtype=dtype, values=values)
    params = convert_bytes(graphdef_file(arrays) + data, origin="file", config=GRAPH)
    assert_equal(params, small)


def test_constants_of_unread_types_are_not_said_to_be_missing(small: Any) -> None:
    arrays = arrays_of("inception5h", small)
    del arrays["conv2d0_b"]
    extra = constant("conv2d0_b", shape=(4,), dtype=12) + constant("x_w", shape=(4,), dtype=3)
    told = r"1 mismatch:\n  conv2d0_b: numbers of TensorFlow's dtype 12 are not read$"
    with pytest.raises(ValueError, match=told):
        convert_bytes(graphdef_file(arrays) + extra, origin="file", config=GRAPH)


def test_a_graph_whose_numbers_were_left_out(small: Any) -> None:
    arrays = arrays_of("inception5h", small)
    data = b"".join(constant(name, shape=x.shape, dtype=1) for name, x in arrays.items())
    with pytest.raises(ValueError, match=r"^file: every number in it is zero"):
        convert_bytes(data, origin="file", config=GRAPH)


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("scope", ["import/", "import/inception/"])
def test_a_scope_before_all_names_is_dropped(small: Any, name: str, scope: str) -> None:
    arrays = {f"{scope}{key}": array for key, array in arrays_of(name, small).items()}
    assert_equal(convert_bytes(WRITERS[name](arrays), origin="file", config=SMALL[name]), small)
    arrays.popitem()
    with pytest.raises(ValueError, match=r"1 mismatch:\n.*: missing"):
        convert_bytes(WRITERS[name](arrays), origin="file", config=SMALL[name])


@pytest.mark.parametrize("name", WRITERS)
def test_several_scopes_are_not_chosen_from(small: Any, name: str) -> None:
    arrays = arrays_of(name, small)
    twice = {f"{scope}/{key}": arrays[key] for scope in "ab" for key in arrays}
    first = re.escape(next(iter(twice)))
    with pytest.raises(
        ValueError, match=rf"none of the 116 .*, but {first}, .* and 22[78] more\. E"
    ):
        convert_bytes(WRITERS[name](twice), origin="file", config=SMALL[name])


def test_half_precision_files_of_nvidia_caffe(small: Any) -> None:
    """Their numbers are in fields of their own: 10 for the type, 12 for the bytes."""
    halves = jax.tree.map(lambda x: x.astype(np.float16).astype(np.float32), small)
    for type_number, dtype, expected in (
        (2, np.float16, halves),
        (1, np.float32, small),
        (0, np.float64, small),
    ):
        arrays = arrays_of("googlenet_bvlc", expected)
        data = b""
        for layer in dict.fromkeys(name[:-3] for name in arrays):  # without the [0] and [1]
            blobs = b""
            for array in (arrays[f"{layer}[0]"], arrays[f"{layer}[1]"]):
                shape = field(7, field(1, packed("v", *array.shape)))
                raw = field(10, type_number) + field(12, array.astype(dtype).tobytes())
                blobs += field(7, shape + raw)
            data += field(100, field(1, layer) + blobs)
        assert_equal(convert_bytes(data, origin="file", config=CAFFE), expected)


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


def test_raw_data_of_another_type_or_length(small: Any) -> None:
    net = messages.NetParameter.FromString(caffe_file(arrays_of("googlenet_bvlc", small)))
    for layer, type_number in ((0, 3), (1, 2)):
        blob = net.layers[layer].blobs[0]
        blob.raw_data_type, blob.raw_data = type_number, bytes(2 * len(blob.data) - 1)
        del blob.data[:]
    told = r"2 mismatches:\n.*: numbers of NVIDIA caffe's type 3 are not .*\n.*needs \d+ .*, got 0"
    with pytest.raises(ValueError, match=told):
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
    data = graph.SerializeToString()
    for values in ([], [1.0], [1.0, 2.0]):
        graph = messages.GraphDef.FromString(data)
        add_constant(graph, "conv2d0_w", shape=dims, dtype=1, float_val=values)
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


def _zip_start(name: str) -> bytes:
    return b"PK\x03\x04" + bytes(22) + len(name).to_bytes(2, "little") + b"\0\0" + name.encode()


NO_WEIGHTS = {
    "empty": (b"", "is empty"),
    "page": (b"\n <!DOCTYPE html><html><body>Not here</body></html>", "web page"),
    "upper": (b"<HTML><BODY>Log in</BODY></HTML>", "web page"),
    "text": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "`git lfs pull`"),
    "zeros": (bytes(1000), "damaged"),
    "zip": (b"PK\x03\x04" + bytes(50), "this is a zip archive: unpack it"),
    "torch": (_zip_start("archive/data.pkl"), "this is a PyTorch file"),
    "npz": (_zip_start("conv1.npy"), r"this is a NumPy file \(.npz\)"),
    "no members": (b"PK\x05\x06" + bytes(18), "an empty zip archive"),
    "npy": (b"\x93NUMPY\x01\x00v\x00{'descr'", r"this is a NumPy file \(.npy\)"),
    "pickle": (b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.", "this is a pickle"),
    "hdf5": (b"\x89HDF\r\n\x1a\n" + bytes(40), "this is an HDF5 file: save the weights in"),
    "gzip": (b"\x1f\x8b\x08\x00" + bytes(40), "a compressed file: unpack it first"),
    "safetensors": (b'\x15\0\0\0\0\0\0\0{"__metadata__":{}}   ' + bytes(9), "a safetensors file"),
    "saved model": (b"\x08\x01\x12\x80\x01\n" + bytes(128), "a SavedModel, .*: freeze it"),
    "onnx": (b"\x08\x07\x12\x07pytorch", "an ONNX file"),
    "tflite": (b"\x1c\0\0\0TFL3" + bytes(40), "a TensorFlow Lite file"),
    "prototxt": (
        b'name: "GoogleNet"\n# \xc3\xa9\nlayer {\n  name: "data"\n  type: "Input"\n}\n' * 99,
        r"the text definition of a network \(.prototxt\): its weights are in the .caffemodel",
    ),
    "old prototxt": (b'input: "data"\r\nlayers\r\n{\r\n}\r\n', "the text definition"),
    "pbtxt": (b'node {\n  name: "input"\n}\n', "a graph as text"),
    "notes": ("Weights: see the e-mail of 1 é".encode(), "this is a text file"),
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


def test_the_names_that_are_there_are_said() -> None:
    names = ["conv_1/w", "two\nlines", "x" * 200, "a", "b", "c", "d"]
    data = b"".join(constant(name, shape=(1,), dtype=1) for name in names)
    with pytest.raises(ValueError, match="in it, but conv_1/w, ") as caught:
        convert_bytes(data, origin="file", config=GRAPH)
    assert "'two\\nlines', xx" in str(caught.value)
    assert "x, a, b and 2 more. Expected a frozen" in str(caught.value)
    assert len(str(caught.value)) < 400 and "\n" not in str(caught.value)
    with pytest.raises(ValueError, match=r"in it, but nothing\. Expected"):
        convert_bytes(field(1, field(1, "x") + field(2, "Placeholder")), origin="", config=GRAPH)


def test_a_file_of_the_other_network(small: Any) -> None:
    for name, other in (("googlenet_bvlc", "inception5h"), ("inception5h", "googlenet_bvlc")):
        data = weight_file(SMALL[name], small)
        told = f"^file: it holds the weights of {name}. Expected .* with the weights of {other}"
        with pytest.raises(ValueError, match=told):
            convert_bytes(data, origin="file", config=SMALL[other])


def test_a_file_that_is_too_long_or_missing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="absent"):
        read_weight_file(tmp_path / "absent", config=GRAPH)
    (tmp_path / "long").write_bytes(bytes(11))
    with pytest.raises(ValueError, match="long: 11 bytes are too many"):
        read_weight_file(tmp_path / "long", config=GRAPH, max_bytes=10)


def test_what_is_not_a_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "dangling").symlink_to("gone")
    for path, told in (
        (tmp_path, f"^{tmp_path} is a folder, not a weight file"),
        (tmp_path / "pipe", "pipe is a pipe or a device: save what it gives"),
        (Path("/dev/zero"), "^/dev/zero is a pipe or a device"),
    ):
        with pytest.raises(ValueError, match=told):
            read_weight_file(path, config=GRAPH)
    with pytest.raises(FileNotFoundError, match="dangling"):
        read_weight_file(tmp_path / "dangling", config=GRAPH)


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
    (constant,) = read_graphdef(graphdef_file({})).values()
    assert (constant.shape, constant.values.size) == ((2,), 0) and constant.unread


def test_web_pages_are_told_from_files() -> None:
    assert is_web_page(b"\n\n<!doctype HTML>")
    assert not is_web_page(b"\n\tBVLC GoogLeNet")
