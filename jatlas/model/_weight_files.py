"""Weight files of caffe and TensorFlow as named arrays, without caffe or TensorFlow.

Reference:
  BVLC caffe's caffe.proto, NVIDIA's for raw data, and TensorFlow's graph.proto; what omitted values
  mean is in `Tensor::FromProto` of TensorFlow's tensor.cc.
"""

import codecs
import dataclasses
import re
import stat
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError, Message

from jatlas.model import _messages as messages
from jatlas.types import HostArray

_BFLOAT16 = 14
# By the dtype's number in TensorFlow's types.proto: its encoding in raw bytes, and the field of
# single values. NumPy has no bfloat16; its bits are those of the upper half of a float32.
_DTYPES: dict[int, tuple[np.dtype[Any], str]] = {
    1: (np.dtype("<f4"), "float_val"),
    2: (np.dtype("<f8"), "double_val"),
    _BFLOAT16: (np.dtype("<u2"), "half_val"),
    19: (np.dtype("<f2"), "half_val"),
}
# By the number of NVIDIA caffe's Type.
_RAW_DTYPES: dict[int, np.dtype[Any]] = {0: np.dtype("<f8"), 1: np.dtype("<f4"), 2: np.dtype("<f2")}

_LISTED = 5
_ZIP = b"PK\x03\x04"
_PLAIN_ZIP = "a zip archive: unpack it, and give the weight file in it"
# How files of other kinds start.
_OTHERS: dict[str, tuple[bytes, ...]] = {
    "a Git LFS pointer, not the weight file itself: get that with `git lfs pull`": (
        b"version https://git-lfs",
    ),
    "an HDF5 file: save the weights in caffe's or TensorFlow's own format": (b"\x89HDF\r\n\x1a\n",),
    "a NumPy file (.npy)": (b"\x93NUMPY",),
    "a pickle, such as PyTorch's": tuple(bytes([128, n]) for n in (2, 3, 4, 5)),
    "a SavedModel, whose weights are in the folder variables/: freeze it into one graph first": (
        b"\x08\x01\x12",
    ),
    "an empty zip archive": (b"PK\x05\x06",),
    "a compressed file: unpack it first": (  # gzip, bzip2, xz, 7-Zip
        b"\x1f\x8b",
        b"BZh",
        b"\xfd7zXZ\x00",
        b"7z\xbc\xaf\x27\x1c",
    ),
}
_LAYERS = re.compile(r"^\s*layers?\s*:?\s*\{", re.MULTILINE)
_NODES = re.compile(r"^\s*node\s*:?\s*\{", re.MULTILINE)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Tensor:
    """An array as stated by a file; whether its two halves agree is not checked yet.

    Attributes:
      shape: the stated shape. It may be anything, so nothing is allocated from it.
      values: float32, (n,), the numbers that the file really has.
      filled: whether values may be omitted at the end, see `numbers`.
      unread: why its numbers are not read; empty if they are.
    """

    shape: tuple[int, ...]
    values: HostArray
    filled: bool = False
    unread: str = ""

    def numbers(self, count: int) -> HostArray:
        """Return the values, with those that the file omits.

        TensorFlow omits values at the end that are equal to the last one it writes, and all of
        them if they are zero.

        Args:
          count: how many there have to be: of a shape that is known, not of the stated one.

        Returns:
          (n,) float32; n is `count` unless the file has too few or too many.
        """
        omitted = count - self.values.size
        if not self.filled or omitted <= 0:
            return self.values
        last = self.values[-1] if self.values.size else np.float32(0)
        return np.concatenate([self.values, np.broadcast_to(last, (omitted,))])


def read_whole(path: Path, *, max_bytes: int) -> bytes:
    """Return the content of a file.

    Args:
      path: the file.
      max_bytes: larger files are refused.

    Raises:
      OSError: if it cannot be read.
      ValueError: if it is too large, a folder, a pipe or a device.
    """
    status = path.stat()
    if stat.S_ISDIR(status.st_mode):
        raise ValueError(f"{path} is a folder, not a weight file")
    if not stat.S_ISREG(status.st_mode):  # reading it might wait for ever
        raise ValueError(f"{path} is a pipe or a device: save what it gives as a file first")
    if status.st_size > max_bytes:
        raise ValueError(f"{path}: {status.st_size} bytes are too many for a weight file")
    return path.read_bytes()


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
            _add(tensors, f"{layer.name}[{i}]", _blob(blob))
    return tensors


def read_graphdef(data: bytes) -> dict[str, Tensor]:
    """List the constants of a binary TensorFlow `GraphDef`.

    Args:
      data: the content of a frozen graph, a .pb file.

    Returns:
      The constants by the name of their node. Those of float16, bfloat16, float32 and float64 have
      numbers, the others are marked as unread.

    Raises:
      ValueError: if it is not such a file, or if two constants have the same name.
    """
    graph = _parse(messages.GraphDef, data)
    tensors: dict[str, Tensor] = {}
    for node in graph.node:
        for attribute in node.attr:
            if node.op == "Const" and attribute.key == "value":
                _add(tensors, node.name, _tensor(attribute.value.tensor))
    return tensors


def is_web_page(data: bytes) -> bool:
    """Return whether the content of a file starts like a web page.

    Example:
      >>> is_web_page(b" <!DOCTYPE html><html>"), is_web_page(b"BVLC GoogLeNet")
      (True, False)
    """
    return data[:256].lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml"))


def is_archive(data: bytes) -> bool:
    """Return whether the content of a file is a zip archive that may hold a weight file."""
    return other_kind(data) == _PLAIN_ZIP


def other_kind(data: bytes) -> str:
    r"""Return what a file is, if its first bytes show that it is no weight file; else "".

    Example:
      >>> other_kind(b"name: 'GoogleNet'"), other_kind(b"\n\tGoogleNet\x12")
      ('a text file', '')
    """
    if is_web_page(data):
        return "a web page, not a weight file: download it again"
    if data.startswith(_ZIP):
        return _zip_kind(data)
    for kind, starts in _OTHERS.items():
        if data.startswith(starts):
            return kind
    if data[8:10] == b'{"' and int.from_bytes(data[:8], "little") < len(data):
        return "a safetensors file"
    if data[:1] == b"\x08" and data[2:3] == b"\x12" and data[1] < 32:
        return "an ONNX file"
    if data[1:8] == b"\0\0\0TFL3":
        return "a TensorFlow Lite file"
    return _text_kind(data)


def listed(names: Collection[str]) -> str:
    """Return a few names, on one line whatever they are, and how many more there are.

    Example:
      >>> listed("abcdefg"), listed([])
      ('a, b, c, d, e and 2 more', 'nothing')
    """
    few = [name if name.isprintable() else repr(name) for name in list(names)[:_LISTED]]
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return (", ".join(name[:80] for name in few) or "nothing") + more


def _zip_kind(data: bytes) -> str:
    """Tell archives of other programs by the name of their first member."""
    length = int.from_bytes(data[26:28], "little")
    name = data[30 : 30 + length]
    if name.endswith((b"/data.pkl", b"/constants.pkl")):
        return "a PyTorch file"
    return "a NumPy file (.npz)" if name.endswith(b".npy") else _PLAIN_ZIP


def _text_kind(data: bytes) -> str:
    """Tell kinds of text; weight files have bytes below 32 all over."""
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(data[: 2**16])  # may end in a letter
    except UnicodeDecodeError:
        return ""
    if not text or any(letter < " " and letter not in "\t\n\r" for letter in text[:1024]):
        return ""
    if _LAYERS.search(text):
        return "the text definition of a network (.prototxt): its weights are in the .caffemodel"
    if _NODES.search(text):
        return "a graph as text (.pbtxt): the weights are in the binary one (.pb)"
    return "a text file"


def _parse(message: type[Message], data: bytes) -> Any:  # type checkers do not know the fields
    if not data:
        raise ValueError("the file is empty")
    kind = other_kind(data)
    if kind:
        raise ValueError(f"this is {kind}")
    try:
        return message.FromString(data)
    except DecodeError as error:
        raise ValueError("the file is truncated, damaged or of another kind") from error


def _add(tensors: dict[str, Tensor], name: str, tensor: Tensor) -> None:
    if name in tensors:
        raise ValueError(f"the file has more than one {name}")
    tensors[name] = tensor


def _blob(blob: Any) -> Tensor:
    old = (blob.num, blob.channels, blob.height, blob.width)
    shape = old if any(old) else tuple(blob.shape.dim)
    values: HostArray
    if len(blob.double_data):
        values = np.array(blob.double_data)
    elif len(blob.data) or not blob.raw_data:
        values = np.array(blob.data, np.float32)
    elif blob.raw_data_type in _RAW_DTYPES:
        values = _from_bytes(blob.raw_data, _RAW_DTYPES[blob.raw_data_type])
    else:
        return _unread(shape, f"NVIDIA caffe's type {blob.raw_data_type}")
    return Tensor(shape=shape, values=_float32(values))


def _tensor(proto: Any) -> Tensor:
    shape = tuple(dim.size for dim in proto.tensor_shape.dim)
    if proto.dtype not in _DTYPES:
        return _unread(shape, f"TensorFlow's dtype {proto.dtype}")
    dtype, field = _DTYPES[proto.dtype]
    if proto.tensor_content:
        values = _from_bytes(proto.tensor_content, dtype)
    elif field == "half_val":
        values = np.array(proto.half_val, np.int32).astype(np.uint16).view(dtype)
    else:
        values = np.array(getattr(proto, field), dtype)
    if proto.dtype == _BFLOAT16:
        values = (values.astype(np.uint32) << 16).view(np.float32)
    return Tensor(shape=shape, values=_float32(values), filled=not proto.tensor_content)


def _unread(shape: tuple[int, ...], dtype: str) -> Tensor:
    reason = f"numbers of {dtype} are not read"
    return Tensor(shape=shape, values=np.empty(0, np.float32), unread=reason)


def _from_bytes(content: bytes, dtype: np.dtype[Any]) -> HostArray:
    # Bytes that end within a number are read as none, and so reported as a wrong length.
    return np.frombuffer(content if len(content) % dtype.itemsize == 0 else b"", dtype)


def _float32(values: HostArray) -> HostArray:
    with np.errstate(over="ignore"):  # overflow gives infinity, which is reported later
        return values.astype(np.float32)
