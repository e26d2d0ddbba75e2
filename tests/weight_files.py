"""Small weight files, written with our own messages, for the tests of reading them."""

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from jatlas.model import _messages as messages
from jatlas.model._convert import Entry

_TOWERS = {
    "conv1x1": (1, 1, 3, 2),
    "conv3x3_bottleneck": (1, 1, 3, 4),
    "conv3x3": (3, 3, 4, 2),
    "conv5x5_bottleneck": (1, 1, 3, 1),
    "conv5x5": (5, 5, 1, 2),
    "pool_reduce": (1, 1, 3, 1),
}


def _layer(*shape: int) -> dict[str, Any]:
    shapes = {"kernel": shape, "bias": shape[-1:]}
    return {name: jax.ShapeDtypeStruct(s, np.float32) for name, s in shapes.items()}


SMALL: dict[str, Any] = {
    "conv2d0": _layer(7, 7, 3, 2),
    "mixed3a": {name: _layer(*shape) for name, shape in _TOWERS.items()},
    "logits": _layer(7, 5),
}
"""Stands for `abstract_params`: all kinds of names there are, but few and small arrays."""


def draw(shapes: Any, *, seed: int = 0) -> Any:
    """Draw parameters of the given shapes."""
    rng = np.random.default_rng(seed)
    return jax.tree.map(lambda leaf: rng.standard_normal(leaf.shape, np.float32), shapes)


def foreign(rows: list[Entry], params: Any) -> dict[str, np.ndarray]:
    """Return the arrays by the names, and with the axes, that they have in a weight file."""
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
    made: dict[str, Any] = {}
    for name, array in arrays.items():
        layer = name.rpartition("[")[0]
        if layer not in made:
            made[layer] = (net.layer if new_layers else net.layers).add(name=layer)
        blob = made[layer].blobs.add(data=array.ravel())
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
