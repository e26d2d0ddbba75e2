"""PyTorch's weights of EfficientNet-Lite as parameters of our network.

Batch normalization after a convolution is linear once it is trained, so it becomes part of the
kernel and the bias here. Nothing is reshaped or ignored on a guess: one error lists everything that
does not fit.

Reference:
  The package efficientnet-lite-pytorch, for the names; Ioffe and Szegedy, "Batch Normalization",
  2015, algorithm 2.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from flax import traverse_util

from jatlas.model._efficientnet import abstract_efficientnet
from jatlas.model._efficientnet_config import EfficientNetConfig
from jatlas.model._torch_file import read_torch_file
from jatlas.model._weight_files import listed
from jatlas.types import HostArray, Params

# Convolutions are (out, in, h, w) there and (h, w, in, out) here. Here 1x1 convolutions are
# matrices, (in, out); the dense layer is one there too.
_AXES = {4: (2, 3, 1, 0), 2: (1, 0)}
_NORM = ("weight", "bias", "running_mean", "running_var")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Layer:
    """A convolution or dense layer of the file.

    Attributes:
      path: our layer's place in the nested dict.
      shape: of our kernel.
      foreign: the layer's name in the file.
      norm: the name of the batch normalization that follows; None for a layer with a bias.
    """

    path: tuple[str, ...]
    shape: tuple[int, ...]
    foreign: str
    norm: str | None

    @property
    def expected(self) -> dict[str, tuple[int, ...]]:
        """The shape of each array of the layer in the file."""
        axes = _AXES[len(self.shape)]
        kernel = tuple(self.shape[axes.index(axis)] for axis in range(len(axes)))
        if len(kernel) == 2 and self.norm:
            kernel = (*kernel, 1, 1)
        channels = self.shape[-1:]
        if self.norm is None:
            return {f"{self.foreign}.weight": kernel, f"{self.foreign}.bias": channels}
        return {f"{self.foreign}.weight": kernel} | {f"{self.norm}.{x}": channels for x in _NORM}


def convert_torch(data: bytes, *, origin: str, config: EfficientNetConfig) -> Params:
    """Convert the content of a .pth file.

    Args:
      data: the content.
      origin: what messages call it.
      config: the network that the weights are for.

    Returns:
      Nested dicts of float32 NumPy arrays, in the structure of `abstract_efficientnet(config)`.

    Raises:
      ValueError: if it is not such a file, or if names, shapes or numbers do not fit the network;
        the message lists every mismatch.
    """
    layers = layer_table(config)
    expected = {name: shape for layer in layers for name, shape in layer.expected.items()}
    try:
        tensors = read_torch_file(data)
        if not expected.keys() & tensors.keys():
            raise ValueError(
                f"none of the {len(expected)} tensors of {config.name} is in it, but "
                f"{listed(tensors)}"
            )
    except ValueError as error:
        wanted = f"Expected a PyTorch file (.pth) with the weights of {config.name}"
        raise ValueError(f"{origin}: {error}. {wanted}") from error
    problems = _problems(tensors, expected, network=config.name)
    if problems:
        count = f"{len(problems)} mismatch{'es' if len(problems) > 1 else ''}"
        raise ValueError("\n  ".join([f"{origin} does not fit {config.name}, {count}:", *problems]))
    flat: dict[tuple[str, ...], HostArray] = {}
    for layer in layers:
        kernel, bias = _folded(layer, tensors, epsilon=config.norm_epsilon)
        flat[*layer.path, "kernel"], flat[*layer.path, "bias"] = kernel, bias
    if not all(np.isfinite(array).all() for array in flat.values()):
        raise ValueError(f"{origin}: with batch normalization, its numbers are beyond float32")
    params: Params = traverse_util.unflatten_dict(flat)
    return params


def layer_table(config: EfficientNetConfig) -> list[Layer]:
    """List, for each layer of a network, those of the file that it is made of.

    Example:
      >>> from jatlas.model._efficientnet_config import EFFICIENTNET_LITE0
      >>> layer = layer_table(EFFICIENTNET_LITE0)[5]
      >>> layer.path, layer.foreign, layer.norm
      (('block2a', 'project'), '_blocks.1._project_conv', '_blocks.1._bn2')
    """
    names: dict[tuple[str, ...], tuple[str, str | None]] = {("stem",): ("_conv_stem", "_bn0")}
    for index, (name, block) in enumerate(config.blocks.items()):
        parts = {"expand": "_bn0"} if block.expansion > 1 else {}
        for part, norm in (parts | {"depthwise": "_bn1", "project": "_bn2"}).items():
            scope = f"_blocks.{index}"
            names[name, part] = f"{scope}._{part}_conv", f"{scope}.{norm}"
    names |= {("head",): ("_conv_head", "_bn1"), ("logits",): ("_fc", None)}
    shapes = traverse_util.flatten_dict(abstract_efficientnet(config))
    return [
        Layer(path=path, shape=shapes[*path, "kernel"].shape, foreign=foreign, norm=norm)
        for path, (foreign, norm) in names.items()
    ]


def _problems(
    tensors: Mapping[str, HostArray], expected: Mapping[str, tuple[int, ...]], *, network: str
) -> list[str]:
    found = [f"{name}: missing" for name in expected if name not in tensors]
    for name, array in tensors.items():
        # How many batches the statistics are of.
        if name.endswith(".num_batches_tracked"):
            continue
        if name not in expected:
            found.append(f"{listed([name])}: unknown, not part of {network}")
        elif array.shape != expected[name]:
            found.append(f"{name}: expected shape {expected[name]}, got {array.shape}")
        elif array.dtype.kind != "f":
            found.append(f"{name}: expected floating-point numbers, got {array.dtype}")
        elif not np.isfinite(array).all():
            found.append(f"{name}: some of its numbers are not finite")
        elif name.endswith(".running_var") and (array < 0).any():
            found.append(f"{name}: some of its variances are negative")
    return found


def _folded(
    layer: Layer, tensors: Mapping[str, HostArray], *, epsilon: float
) -> tuple[HostArray, HostArray]:
    """Return the kernel and the bias of a layer with its batch normalization."""

    def wide(name: str) -> np.ndarray[Any, np.dtype[np.float64]]:
        return tensors[name].astype(np.float64)

    kernel = wide(f"{layer.foreign}.weight")
    axes = _AXES[len(layer.shape)]
    kernel = kernel.reshape(kernel.shape[: len(axes)]).transpose(axes)
    if layer.norm is None:
        bias = wide(f"{layer.foreign}.bias")
    else:
        scale, shift, mean, variance = (wide(f"{layer.norm}.{x}") for x in _NORM)
        scale = scale / np.sqrt(variance + epsilon)
        kernel, bias = kernel * scale, shift - mean * scale
    with np.errstate(over="ignore"):  # overflow gives infinity, which is reported
        return np.ascontiguousarray(kernel, dtype=np.float32), bias.astype(np.float32)
