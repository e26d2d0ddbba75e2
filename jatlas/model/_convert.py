"""Weight files of caffe and TensorFlow as parameters of InceptionV1.

A reader lists the arrays of a file by the names they have there, and a table maps our parameters to
these names. Nothing is reshaped or ignored on a guess: one error lists everything that does not
fit. Only a scope that all names are in, as TensorFlow's `import/`, is dropped.

Reference:
  The deploy definition of BVLC GoogLeNet and the graph of inception5h, for the names.
"""

import contextlib
import dataclasses
import functools
import math
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np
from flax import traverse_util

from jatlas.model._inception import abstract_params
from jatlas.model._inception_config import CONFIGS, GOOGLENET_BVLC, INCEPTION5H, InceptionConfig
from jatlas.model._weight_files import (
    Tensor,
    listed,
    read_caffemodel,
    read_graphdef,
    read_whole,
)
from jatlas.types import HostArray, Params

MAX_BYTES = 2**29
"""No InceptionV1 takes more; larger files are not read into memory."""

_Path = tuple[str, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Entry:
    """One row of the table of names.

    Attributes:
      foreign: the array's name in the file.
      path: our parameter's place in the nested dict.
      shape: our parameter's shape.
      axes: for each of our axes, the corresponding one in the file.
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


def read_weight_file(
    path: str | Path, *, config: InceptionConfig, max_bytes: int = MAX_BYTES
) -> Params:
    """Read a weight file and return it as the parameters of a network.

    Args:
      path: a .caffemodel file for googlenet_bvlc, a frozen GraphDef (.pb) for inception5h.
      config: the network that the weights are for.
      max_bytes: larger files are refused.

    Returns:
      Nested dicts of float32 NumPy arrays, in the structure of `abstract_params(config)`.

    Raises:
      OSError: if the file cannot be read.
      ValueError: if it is not such a file, or if names, shapes or numbers do not fit the
        network; the message lists every mismatch.
    """
    data = read_whole(Path(path), max_bytes=max_bytes)
    return convert_bytes(data, origin=str(path), config=config)


def convert_bytes(data: bytes, *, origin: str, config: InceptionConfig) -> Params:
    """Convert the content of a file as `read_weight_file` does.

    Args:
      data: the content.
      origin: what messages call it.
      config: the network that the weights are for.

    Returns:
      Nested dicts of float32 NumPy arrays, in the structure of `abstract_params(config)`.

    Raises:
      ValueError: as `read_weight_file` does.
    """
    form = _format(config)
    names = _names(config)
    try:
        tensors = _read(data, config)
        if not names & tensors.keys():
            raise ValueError(
                f"none of the {len(names)} arrays of {config.name} is in it, but {listed(tensors)}"
            )
    except ValueError as error:
        reason = _other_network(data, config) or str(error)
        expected = f"Expected {form.kind} with the weights of {config.name}"
        raise ValueError(f"{origin}: {reason}. {expected}") from error
    flat, problems = _fit_all(name_table(config), tensors)
    problems += [
        f"{name}: unknown, not part of {config.name}"
        for name, tensor in tensors.items()
        if name not in names and not form.ignored(name) and not tensor.unread
    ]
    if problems:
        count = f"{len(problems)} mismatch{'es' if len(problems) > 1 else ''}"
        raise ValueError("\n  ".join([f"{origin} does not fit {config.name}, {count}:", *problems]))
    if not any(array.any() for array in flat.values()):  # a graph that was stripped reads so
        raise ValueError(f"{origin}: every number in it is zero: its weights have been left out")
    params: Params = traverse_util.unflatten_dict(flat)
    return params


def name_table(config: InceptionConfig) -> list[Entry]:
    """List, for each parameter of a network, the array of its weight file that holds it.

    Raises:
      ValueError: if no weight file is published for a network of that name.
    """
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


def _read(data: bytes, config: InceptionConfig) -> dict[str, Tensor]:
    """List the arrays of a file; without the scope that ours are in, if they are in one."""
    tensors = _format(config).read(data)
    ours = _names(config)
    if ours & tensors.keys():
        return tensors
    scopes = {name.removesuffix(x) for x in ours for name in tensors if name.endswith(f"/{x}")}
    if len(scopes) != 1:
        return tensors
    (scope,) = scopes
    return {name.removeprefix(scope): tensor for name, tensor in tensors.items()}


def _other_network(data: bytes, config: InceptionConfig) -> str:
    """Say which other network the weights in a file are of; empty if none is known."""
    for name in _FORMATS.keys() - {config.name}:
        other = CONFIGS[name]
        with contextlib.suppress(ValueError):
            if _names(other) & _read(data, other).keys():
                return f"it holds the weights of {name}"
    return ""


@functools.cache
def _names(config: InceptionConfig) -> frozenset[str]:
    return frozenset(entry.foreign for entry in name_table(config))


def _fit_all(
    rows: Iterable[Entry], tensors: Mapping[str, Tensor]
) -> tuple[dict[_Path, HostArray], list[str]]:
    flat, problems = {}, []
    for entry in rows:
        name = entry.foreign
        if name not in tensors:
            problems.append(f"{name}: missing (our {'/'.join(entry.path)})")
            continue
        try:
            flat[entry.path] = _fit(tensors[name], entry)
        except ValueError as error:
            problems.append(f"{name}: {error}")
    return flat, problems


def _fit(tensor: Tensor, entry: Entry) -> HostArray:
    if tensor.unread:
        raise ValueError(tensor.unread)
    expected, stated = entry.foreign_shape, tensor.shape
    while len(stated) > len(expected) and stated[0] == 1:  # caffe's old blobs have four axes
        stated = stated[1:]
    if stated != expected:
        raise ValueError(f"expected shape {expected}, got {tensor.shape}")
    count = math.prod(expected)
    values = tensor.numbers(count)
    if values.size != count:
        raise ValueError(f"shape {expected} needs {count} numbers, got {values.size}")
    if not np.isfinite(values).all():
        raise ValueError("some of its numbers are not finite")
    array = values.reshape(expected).transpose(entry.axes)
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
    # Constants other than weights, and the auxiliary heads of the training network.
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
