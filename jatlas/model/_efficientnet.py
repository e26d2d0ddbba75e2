"""EfficientNet-Lite (Tan and Le 2019, without squeeze-and-excitation) in Flax.

Batch normalization is part of the convolutions: what it does to them is computed when the weights
are converted. Stages have the names of Keras's blocks.

Reference:
  Tan and Le, "EfficientNet", 2019; Sandler et al., "MobileNetV2", 2018, for the blocks;
  efficientnet_lite_builder.py of TensorFlow's TPU models.
"""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import nnx

from jatlas.model._depthwise import depthwise_conv
from jatlas.model._efficientnet_config import EFFICIENTNET_LITE0, BlockConfig, EfficientNetConfig
from jatlas.model._formats import InputFormat
from jatlas.model._labels import matching_classes
from jatlas.model._network import Network, Stage
from jatlas.model._ops import redirected_relu6
from jatlas.model._stages import merged, without_params
from jatlas.types import Array, Params

_Activation = Callable[[Array], Array]


class MBConv(nnx.Module):
    """An inverted bottleneck: widen, convolve each channel, narrow, add the input.

    Args:
      block: its sizes.
      rngs: draws the parameters.

    Attributes:
      activation: of the two inner convolutions; the output is not rectified.

    Reference:
      Sandler et al., "MobileNetV2", 2018, figure 3b.
    """

    def __init__(self, block: BlockConfig, *, rngs: nnx.Rngs) -> None:
        self.block = block
        self.activation: _Activation = jax.nn.relu6
        wide, side = block.inside, (block.kernel, block.kernel)
        # Linear maps of the channels, which are 1x1 convolutions.
        if block.expansion > 1:
            self.expand = nnx.Linear(block.inputs, wide, rngs=rngs)
        self.depthwise = nnx.Conv(wide, wide, side, feature_group_count=wide, rngs=rngs)
        self.project = nnx.Linear(wide, block.outputs, rngs=rngs)

    def __call__(self, x: Array) -> Array:
        """Map (..., h, w, inputs) to (..., ceil(h / stride), ceil(w / stride), outputs)."""
        wide = self.activation(self.expand(x)) if self.block.expansion > 1 else x
        wide = self.activation(self._convolved(wide))
        narrow = self.project(wide)
        return narrow + x if self.block.has_skip else narrow

    def _convolved(self, x: Array) -> Array:
        x = depthwise_conv(x, self.depthwise.kernel[...], stride=self.block.stride)
        bias = self.depthwise.bias
        return x if bias is None else x + bias[...].reshape((1,) * (x.ndim - 1) + (-1,))


class EfficientNet(nnx.Module):
    """The learned parts of an EfficientNet-Lite; `efficientnet` applies them in order.

    Args:
      config: the variant.
      rngs: draws the parameters.
    """

    def __init__(self, config: EfficientNetConfig, *, rngs: nnx.Rngs) -> None:
        self.stem = nnx.Conv(3, config.stem, (3, 3), strides=2, rngs=rngs)
        channels = config.stem
        for name, block in config.blocks.items():
            setattr(self, name, MBConv(block, rngs=rngs))
            channels = block.outputs
        self.head = nnx.Linear(channels, config.head, rngs=rngs)
        self.logits = nnx.Linear(config.head, config.classes, rngs=rngs)


@functools.cache  # Flax takes a second
def _abstract(config: EfficientNetConfig) -> EfficientNet:
    # Shapes only: nothing is drawn or allocated.
    return nnx.eval_shape(lambda: EfficientNet(config, rngs=nnx.Rngs(0)))


def abstract_efficientnet(config: EfficientNetConfig) -> Params:
    """Return the names, shapes and dtypes of the parameters of a variant.

    Args:
      config: the variant.

    Returns:
      Nested dicts of `jax.ShapeDtypeStruct`: by stage, for blocks by convolution (expand, depthwise
      and project), then "kernel" and "bias". Kernels are (rows, columns, in, out), of depthwise
      convolutions (rows, columns, 1, channels), of 1x1 convolutions (in, out); biases (out,).

    Example:
      >>> abstract_efficientnet(EFFICIENTNET_LITE0)["block5c"]["depthwise"]["kernel"].shape
      (5, 5, 1, 672)
    """
    return nnx.to_pure_dict(nnx.state(_abstract(config)))


def efficientnet_lite0() -> Network:
    """Return EfficientNet-Lite0, the network that `load_network` gives its parameters for.

    Its blocks end in a linear convolution, so activations have either sign.

    Returns:
      A network of one stage for each block, named as Keras names them. It takes images of any size.

    Reference:
      Tan and Le, "EfficientNet", 2019; the Lite variant has ReLU6 and no squeeze-and-excitation.

    Example:
      >>> network = efficientnet_lite0()
      >>> network.layers[:4], network.layers[-4:]
      (('input', 'stem', 'block1a', 'block2a'), ('block7a', 'head', 'avgpool', 'logits'))
    """
    return efficientnet(EFFICIENTNET_LITE0)


def efficientnet(config: EfficientNetConfig) -> Network:
    """Return the `Network` of a variant.

    Cached, so that equal configs give one object and functions jitted for it are traced once.

    Args:
      config: the variant.

    Returns:
      A network whose parameters have the structure of `abstract_efficientnet(config)`. Its
      `classes` are those of the known network that has the same name and number of classes, else
      empty.
    """
    return _network(config, jax.nn.relu6)


@functools.cache
def _network(config: EfficientNetConfig, activation: _Activation) -> Network:
    model = nnx.clone(_abstract(config))
    for name in config.blocks:
        getattr(model, name).activation = activation

    def activated(part: nnx.Module, x: Array) -> Array:
        return activation(part(x))

    mean, std = (config.mean,) * 3, (config.std,) * 3
    inputs = InputFormat(size=config.input_size, scale=255.0, mean=mean, std=std)
    stages: dict[str, Stage] = {
        "input": without_params(inputs),
        "stem": merged(model, "stem", activated),
        **{name: merged(model, name) for name in config.blocks},
        "head": merged(model, "head", activated),
        "avgpool": without_params(functools.partial(jnp.mean, axis=(-3, -2))),
        "logits": merged(model, "logits"),
    }
    is_true = activation is jax.nn.relu6
    return Network(
        stages=tuple(stages.items()),
        name=config.name,
        classes=matching_classes(config.name, config.classes),
        input_size=config.input_size,
        redirected=_network(config, redirected_relu6) if is_true else None,
    )
