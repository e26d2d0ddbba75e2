"""Weight files of caffe and TensorFlow to our parameters, without caffe or TensorFlow.

Two steps: a reader lists the arrays of a file under the names they have there, and a table says
which of our parameters each of them is. Nothing is reshaped or left out on a guess: what does not
fit is listed, all of it, in one error.

Reference:
  BVLC caffe's caffe.proto and TensorFlow's graph.proto for the formats; the deploy definition of
  BVLC GoogLeNet and the graph of inception5h for the names.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from flax import traverse_util
from google.protobuf.message import DecodeError, Message

from jatlas.model import _messages as messages
from jatlas.model._download import is_web_page
from jatlas.model._inception import GOOGLENET_BVLC, INCEPTION5H, InceptionConfig, abstract_params
from jatlas.types import HostArray, Params

MOST_BYTES = 2**29
"""No InceptionV1 takes more; a larger file is not read into memory."""

_Path = tuple[str, ...]
# The dtype's number in TensorFlow's types.proto, and what it is in the file's bytes.
_DTYPES: dict[int, np.dtype[Any]] = {1: np.dtype("<f4"), 19: np.dtype("<f2")}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Tensor:
    """An array as a file states it; whether the two halves agree is not known yet.

    Attributes:
      shape: the stated shape. It may be anything, so nothing is allocated by it.
      values: float32, (n,), the numbers that are really there.
    """

    shape: tuple[int, ...]
    values: HostArray


@dataclasses.dataclass(frozen=True, kw_only=True)
class Entry:
    """One row of the table of names.

    Attributes:
      foreign: the array's name in the file.
      path: our parameter's place in the nested dict.
      shape: our parameter's shape.
      axes: for each of our axes the one it is in the file.
    """

    foreign: str
    path: _Path
    shape: tuple[int, ...]
    axes: tuple[int, ...]

    @property
    def foreign_shape(self) -> tuple[int, ...]:
        """The shape the array has in the file."""
        return tuple(self.shape[self.axes.index(axis)] for axis in range(len(self.axes)))


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Format:
    kind: str
    read: Callable[[bytes], dict[str, Tensor]]
    entry: Callable[[_Path, tuple[int, ...]], Entry]
    ignored: Callable[[str], bool]


def convert(path: str | Path, *, config: InceptionConfig) -> Params:
    """Read a weight file and return it as the parameters of a network.

    Args:
      path: a .caffemodel file for googlenet_bvlc, a frozen GraphDef (.pb) for inception5h.
      config: the network the weights are for.

    Returns:
      Nested dicts of float32 NumPy arrays, in the structure of `abstract_params(config)`.

    Raises:
      OSError: if the file cannot be read.
      ValueError: if it is not such a file, or where names, shapes or numbers do not fit the
        network; the message lists every mismatch.
    """
    path = Path(path)
    if path.stat().st_size > MOST_BYTES:
        raise ValueError(f"{path}: {path.stat().st_size} bytes are too many for {config.name}")
    return convert_bytes(path.read_bytes(), origin=str(path), config=config)


def convert_bytes(data: bytes, *, origin: str, config: InceptionConfig) -> Params:
    """Do what `convert` does with the content of a file.

    Args:
      data: the content.
      origin: what messages call it.
      config: the network the weights are for.

    Returns:
      Nested dicts of float32 NumPy arrays, in the structure of `abstract_params(config)`.

    Raises:
      ValueError: as `convert` does.
    """
    form = _format(config)
    try:
        tensors = form.read(data)
    except ValueError as error:
        raise ValueError(
            f"{origin}: {error}. Expected {form.kind} with the weights of {config.name}"
        ) from error
    rows = {entry.foreign: entry for entry in table(config)}
    if not rows.keys() & tensors.keys():
        raise ValueError(
            f"{origin}: none of the {len(rows)} arrays of {config.name} is in it. "
            f"Expected {form.kind} with the weights of {config.name}"
        )
    flat, problems = _fit_all(rows, tensors)
    unknown = [name for name in tensors if name not in rows and not form.ignored(name)]
    problems += [f"{name}: unknown, no part of {config.name}" for name in unknown]
    if problems:
        count = f"{len(problems)} mismatch{'es' if len(problems) > 1 else ''}"
        raise ValueError("\n  ".join([f"{origin} does not fit {config.name}, {count}:", *problems]))
    params: Params = traverse_util.unflatten_dict(flat)
    return params


def table(config: InceptionConfig) -> list[Entry]:
    """List, for each parameter of a network, the array of its weight file that it is."""
    entry = _format(config).entry
    leaves = traverse_util.flatten_dict(abstract_params(config))
    rows = [entry(path, leaf.shape) for path, leaf in leaves.items()]
    return sorted(rows, key=lambda row: row.foreign)


def _format(config: InceptionConfig) -> "_Format":
    if config.name not in _FORMATS:
        raise ValueError(
            f"config: expected one whose weights are published, {' or '.join(_FORMATS)}; "
            f"got {config.name}"
        )
    return _FORMATS[config.name]


def read_caffemodel(data: bytes) -> dict[str, Tensor]:
    """List the arrays of a binary caffe `NetParameter`.

    Args:
      data: the content of a .caffemodel file, with layers of the old (V1) or the new kind.

    Returns:
      The arrays by "layer[i]", i counting the blobs of the layer: 0 are the weights, 1 the bias.

    Raises:
      ValueError: if it is no such file, or if two arrays have one name.
    """
    net = _parse(messages.NetParameter, data)
    found: dict[str, Tensor] = {}
    for layer in (*net.layers, *net.layer):
        for i, blob in enumerate(layer.blobs):
            values = blob.double_data if len(blob.double_data) else blob.data
            with np.errstate(over="ignore"):  # what overflows is infinite, and reported as that
                tensor = Tensor(shape=_blob_shape(blob), values=np.array(values, np.float32))
            _add(found, f"{layer.name}[{i}]", tensor)
    return found


def read_graphdef(data: bytes) -> dict[str, Tensor]:
    """List the floating-point constants of a binary TensorFlow `GraphDef`.

    Args:
      data: the content of a frozen graph, a .pb file.

    Returns:
      The float32 and float16 constants, by the name of their node.

    Raises:
      ValueError: if it is no such file, or if two constants have one name.
    """
    graph = _parse(messages.GraphDef, data)
    found: dict[str, Tensor] = {}
    for node in graph.node:
        for attribute in node.attr:
            proto = attribute.value.tensor
            if node.op == "Const" and attribute.key == "value" and proto.dtype in _DTYPES:
                _add(found, node.name, _tensor(proto))
    return found


def _parse(message: type[Message], data: bytes) -> Any:  # the fields are not known to a checker
    if not data:
        raise ValueError("the file is empty")
    if is_web_page(data):
        raise ValueError("this is a web page, not a weight file: download it again")
    try:
        return message.FromString(data)
    except DecodeError as error:
        raise ValueError("the file is truncated, damaged or of another kind") from error


def _add(found: dict[str, Tensor], name: str, tensor: Tensor) -> None:
    if name in found:
        raise ValueError(f"the file holds {name} twice")
    found[name] = tensor


def _blob_shape(blob: Any) -> tuple[int, ...]:
    old = (blob.num, blob.channels, blob.height, blob.width)
    return old if any(old) else tuple(blob.shape.dim)


def _tensor(proto: Any) -> Tensor:
    dtype = _DTYPES[proto.dtype]
    shape = tuple(dim.size for dim in proto.tensor_shape.dim)
    content = proto.tensor_content
    if content:
        # Bytes that are no whole number of numbers are none at all, and so of a wrong length.
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


def _fit_all(
    rows: Mapping[str, Entry], tensors: Mapping[str, Tensor]
) -> tuple[dict[_Path, HostArray], list[str]]:
    flat, problems = {}, []
    for name, entry in rows.items():
        if name not in tensors:
            problems.append(f"{name}: missing (our {'/'.join(entry.path)})")
            continue
        try:
            flat[entry.path] = _fit(tensors[name], entry)
        except ValueError as error:
            problems.append(f"{name}: {error}")
    return flat, problems


def _fit(tensor: Tensor, entry: Entry) -> HostArray:
    expected, stated = entry.foreign_shape, tensor.shape
    while len(stated) > len(expected) and stated[0] == 1:  # caffe's old blobs have four axes
        stated = stated[1:]
    if stated != expected:
        raise ValueError(f"expected shape {expected}, got {tensor.shape}")
    count = math.prod(expected)
    if tensor.values.size != count:
        raise ValueError(f"shape {expected} needs {count} numbers, got {tensor.values.size}")
    if not np.isfinite(tensor.values).all():
        raise ValueError("some of its numbers are not finite")
    array = tensor.values.reshape(expected).transpose(entry.axes)
    return np.ascontiguousarray(array, dtype=np.float32)


_CAFFE_NAMES = {
    "conv2d0": "conv1/7x7_s2",
    "conv2d1": "conv2/3x3_reduce",
    "conv2d2": "conv2/3x3",
    "logits": "loss3/classifier",
}
_CAFFE_TOWERS = {
    "conv1x1": "1x1",
    "conv3x3_bottleneck": "3x3_reduce",
    "conv3x3": "3x3",
    "conv5x5_bottleneck": "5x5_reduce",
    "conv5x5": "5x5",
    "pool_reduce": "pool_proj",
}
# Convolutions are (out, in, h, w) in caffe and (h, w, in, out) here; dense (out, in), (in, out).
_CAFFE_AXES = {4: (2, 3, 1, 0), 2: (1, 0), 1: (0,)}


def _caffe_entry(path: _Path, shape: tuple[int, ...]) -> Entry:
    stage, *tower, kind = path
    if tower:
        name = f"{stage.replace('mixed', 'inception_')}/{_CAFFE_TOWERS[tower[0]]}"
    else:
        name = _CAFFE_NAMES[stage]
    blob = {"kernel": 0, "bias": 1}[kind]
    axes = _CAFFE_AXES[len(shape)]
    return Entry(foreign=f"{name}[{blob}]", path=path, shape=shape, axes=axes)


def _caffe_ignored(name: str) -> bool:
    # The auxiliary heads of the training network.
    return name.startswith(("loss1/", "loss2/"))


def _graphdef_entry(path: _Path, shape: tuple[int, ...]) -> Entry:
    stage, *tower, kind = path
    stem = "_".join([{"logits": "softmax2"}.get(stage, stage), *tower])
    stem = stem.replace("_conv", "_")  # our conv1x1 is 1x1 there
    suffix = {"kernel": "w", "bias": "b"}[kind]
    axes = tuple(range(len(shape)))
    return Entry(foreign=f"{stem}_{suffix}", path=path, shape=shape, axes=axes)


def _graphdef_ignored(name: str) -> bool:
    # Constants that are no weights, and the auxiliary heads of the training network.
    auxiliary = name.startswith(("head", "nn", "softmax0", "softmax1"))
    return auxiliary or not name.endswith(("_w", "_b"))


_FORMATS = {
    GOOGLENET_BVLC.name: _Format(
        kind="a binary .caffemodel",
        read=read_caffemodel,
        entry=_caffe_entry,
        ignored=_caffe_ignored,
    ),
    INCEPTION5H.name: _Format(
        kind="a frozen TensorFlow graph (.pb)",
        read=read_graphdef,
        entry=_graphdef_entry,
        ignored=_graphdef_ignored,
    ),
}
