"""Small weight files for the tests of reading them: of our own messages, and byte by byte."""

import dataclasses
import struct
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from jatlas.model import CONFIGS, InceptionConfig, abstract_params
from jatlas.model import _messages as messages
from jatlas.model._convert import Entry, name_table


def small_config(name: str) -> InceptionConfig:
    """Return a config of a published network with few channels, under its own name."""
    return dataclasses.replace(CONFIGS[name], width=0.02, classes=5)


def draw(config: InceptionConfig, *, seed: int = 0) -> Any:
    """Draw parameters of a network."""
    rng = np.random.default_rng(seed)
    shapes = abstract_params(config)
    return jax.tree.map(lambda leaf: rng.standard_normal(leaf.shape, np.float32), shapes)


def weight_file(config: InceptionConfig, params: Any) -> bytes:
    """Write the weight file of a published network."""
    writer = {"googlenet_bvlc": caffe_file, "inception5h": graphdef_file}[config.name]
    return writer(foreign(name_table(config), params))


def foreign(rows: list[Entry], params: Any) -> dict[str, np.ndarray]:
    """Return the arrays with the names and axes that they have in a weight file."""
    arrays = {}
    for row in rows:
        leaf = params
        for key in row.path:
            leaf = leaf[key]
        arrays[row.foreign] = leaf.transpose(np.argsort(row.axes))
    return arrays


def caffe_file(
    arrays: Mapping[str, np.ndarray], *, new_layers: bool = False, new_dims: bool = False
) -> bytes:
    """Write a `NetParameter` with layers and dimensions of the old or the new kind."""
    net = messages.NetParameter(name="small")
    layers: dict[str, Any] = {}
    for name, array in arrays.items():
        layer = name.rpartition("[")[0]
        if layer not in layers:
            layers[layer] = (net.layer if new_layers else net.layers).add(name=layer)
        blob = layers[layer].blobs.add(data=array.ravel())
        if new_dims:
            blob.shape.dim.extend(array.shape)
        else:
            padded = (1,) * (4 - array.ndim) + array.shape
            blob.num, blob.channels, blob.height, blob.width = padded
    return net.SerializeToString()


def graphdef_file(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Write a `GraphDef` with the arrays as constants in raw bytes."""
    graph = messages.GraphDef()
    graph.node.add(name="input", op="Placeholder")
    for name, array in arrays.items():
        add_constant(graph, name, shape=array.shape, dtype=1, tensor_content=array.tobytes())
    shape = np.array([-1, 7], np.int32)
    add_constant(graph, "reshape", shape=(2,), dtype=3, tensor_content=shape.tobytes())
    return graph.SerializeToString()


def add_constant(graph: Any, name: str, *, shape: tuple[int, ...], **tensor: Any) -> None:
    """Add a constant with the given fields of a `TensorProto` to a graph."""
    node = graph.node.add(name=name, op="Const")
    node.attr.add(key="dtype")
    proto = node.attr.add(key="value").value.tensor
    for size in shape:
        proto.tensor_shape.dim.add(size=size)
    for field, value in tensor.items():
        if isinstance(value, list):
            getattr(proto, field).extend(value)
        else:
            setattr(proto, field, value)


def field(number: int, value: int | bytes | str) -> bytes:
    """Encode a protobuf field by hand: an integer as a varint, bytes and text with their length."""
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    content = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def constant(name: str, *, shape: tuple[int, ...], dtype: int, values: bytes = b"") -> bytes:
    """Encode a graph of one constant by hand; `values` are encoded fields of its `TensorProto`."""
    dims = b"".join(field(2, field(1, size)) for size in shape)
    tensor = field(1, dtype) + field(2, dims) + values
    attribute = field(1, "value") + field(2, field(8, tensor))
    return field(1, field(1, name) + field(2, "Const") + field(5, attribute))


def packed(form: str, *values: float) -> bytes:
    """Encode numbers as a packed field holds them; "v" is for varints, the others of `struct`."""
    if form == "v":
        return b"".join(_varint(int(value)) for value in values)
    return struct.pack(f"<{len(values)}{form}", *values)


def _varint(value: int) -> bytes:
    low, rest = value & 127, value >> 7
    return bytes([low | 128]) + _varint(rest) if rest else bytes([low])
