"""Weight files of caffe and TensorFlow as named arrays, without caffe or TensorFlow.

Reference:
  BVLC caffe's caffe.proto and TensorFlow's graph.proto.
"""

import dataclasses
import math
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError, Message

from jatlas.model import _messages as messages
from jatlas.types import HostArray

# The dtype's number in TensorFlow's types.proto, and its encoding in the file.
_DTYPES: dict[int, np.dtype[Any]] = {1: np.dtype("<f4"), 19: np.dtype("<f2")}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Tensor:
    """An array as stated by a file; whether its two halves agree is not checked yet.

    Attributes:
      shape: the stated shape. It may be anything, so nothing is allocated from it.
      values: float32, (n,), the numbers that the file really has.
    """

    shape: tuple[int, ...]
    values: HostArray


def read_caffemodel(data: bytes) -> dict[str, Tensor]:
    """List the arrays of a binary caffe `NetParameter`.

    Args:
      data: the content of a .caffemodel file, with layers of the old (V1) or the new kind.

    Returns:
      The arrays by "layer[i]", where i counts the blobs of the layer: 0 is the kernel, 1 the bias.

    Raises:
      ValueError: if it is not such a file, or if two arrays have the same name.
    """
    net = _parse(messages.NetParameter, data)
    tensors: dict[str, Tensor] = {}
    for layer in (*net.layers, *net.layer):
        for i, blob in enumerate(layer.blobs):
            values = blob.double_data if len(blob.double_data) else blob.data
            with np.errstate(over="ignore"):  # overflow gives infinity, which is reported later
                tensor = Tensor(shape=_blob_shape(blob), values=np.array(values, np.float32))
            _add(tensors, f"{layer.name}[{i}]", tensor)
    return tensors


def read_graphdef(data: bytes) -> dict[str, Tensor]:
    """List the floating-point constants of a binary TensorFlow `GraphDef`.

    Args:
      data: the content of a frozen graph, a .pb file.

    Returns:
      The float32 and float16 constants, by the name of their node.

    Raises:
      ValueError: if it is not such a file, or if two constants have the same name.
    """
    graph = _parse(messages.GraphDef, data)
    tensors: dict[str, Tensor] = {}
    for node in graph.node:
        for attribute in node.attr:
            proto = attribute.value.tensor
            if node.op == "Const" and attribute.key == "value" and proto.dtype in _DTYPES:
                _add(tensors, node.name, _tensor(proto))
    return tensors


def is_web_page(data: bytes) -> bool:
    """Return whether the content of a file starts like a web page.

    Example:
      >>> is_web_page(b" <!DOCTYPE html><html>"), is_web_page(b"BVLC GoogLeNet")
      (True, False)
    """
    return data[:256].lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml"))


def _parse(message: type[Message], data: bytes) -> Any:  # type checkers do not know the fields
    if not data:
        raise ValueError("the file is empty")
    if is_web_page(data):
        raise ValueError("this is a web page, not a weight file: download it again")
    try:
        return message.FromString(data)
    except DecodeError as error:
        raise ValueError("the file is truncated, damaged or of another kind") from error


def _add(tensors: dict[str, Tensor], name: str, tensor: Tensor) -> None:
    if name in tensors:
        raise ValueError(f"the file has more than one {name}")
    tensors[name] = tensor


def _blob_shape(blob: Any) -> tuple[int, ...]:
    old = (blob.num, blob.channels, blob.height, blob.width)
    return old if any(old) else tuple(blob.shape.dim)


def _tensor(proto: Any) -> Tensor:
    dtype = _DTYPES[proto.dtype]
    shape = tuple(dim.size for dim in proto.tensor_shape.dim)
    content = proto.tensor_content
    if content:
        # Bytes that end within a number are read as none, and so reported as a wrong length.
        whole = len(content) % dtype.itemsize == 0
        values = np.frombuffer(content, dtype) if whole else np.empty(0, dtype)
    elif dtype.itemsize == 2:
        values = np.array(proto.half_val, np.int32).astype(np.uint16)
        values = values.view(np.float16)
    else:
        values = np.array(proto.float_val, dtype)
    values = values.astype(np.float32)
    count = math.prod(shape)
    if not content and values.size == 1 and 1 < count < 2**31:
        values = np.broadcast_to(values, (count,))  # TensorFlow's way to write a constant array
    return Tensor(shape=shape, values=values)
