"""InceptionV1 (Szegedy et al. 2014) in Flax.

One module tree serves all variants; their frozen configs differ. Layers have lucid's names.

Reference:
  Szegedy et al., "Going Deeper with Convolutions", 2014; the deploy definition of BVLC GoogLeNet;
  the graph of Google's inception5h.
"""

import functools

import jax
import jax.numpy as jnp
from flax import nnx

from jatlas.model._block import (
    REDIRECTED,
    RELAXED,
    TRUE_GRADIENT,
    Block,
    GradientRule,
    everywhere,
    halved,
)
from jatlas.model._formats import InputFormat
from jatlas.model._inception_config import BLOCK_WIDTHS, InceptionConfig
from jatlas.model._labels import matching_classes
from jatlas.model._network import Network, Stage
from jatlas.model._ops import local_response_norm
from jatlas.model._stages import merged, without_params
from jatlas.types import Array, Params


class InceptionV1(nnx.Module):
    """The learned parts of InceptionV1; `inception_v1` applies them in order.

    Args:
      config: the variant.
      rngs: draws the parameters.
    """

    def __init__(self, config: InceptionConfig, *, rngs: nnx.Rngs) -> None:
        first = 3 if config.caffe_padding else "SAME"
        one, two, channels = config.stem
        self.conv2d0 = nnx.Conv(3, one, (7, 7), strides=2, padding=first, rngs=rngs)
        self.conv2d1 = nnx.Conv(one, two, (1, 1), rngs=rngs)
        self.conv2d2 = nnx.Conv(two, channels, (3, 3), rngs=rngs)
        for name, widths in config.widths.items():
            setattr(self, name, Block(channels, widths, rngs=rngs))
            channels = widths[0] + widths[2] + widths[4] + widths[5]
        self.logits = nnx.Linear(channels, config.classes, rngs=rngs)


@functools.cache  # Flax takes half a second; shapes and gradient rules share the result
def _abstract(config: InceptionConfig) -> InceptionV1:
    # Shapes only: nothing is drawn or allocated.
    return nnx.eval_shape(lambda: InceptionV1(config, rngs=nnx.Rngs(0)))


def abstract_params(config: InceptionConfig) -> Params:
    """Return the names, shapes and dtypes of the parameters of a variant.

    Args:
      config: the variant.

    Returns:
      Nested dicts of `jax.ShapeDtypeStruct`: by stage, for blocks by tower, then "kernel" and
      "bias". Kernels are (rows, columns, in, out) and (in, out) float32, biases (out,).

    Example:
      >>> from jatlas.model import TEXTURES
      >>> abstract_params(TEXTURES)["mixed3a"]["conv3x3"]["kernel"].shape
      (3, 3, 48, 64)
    """
    return nnx.to_pure_dict(nnx.state(_abstract(config)))


def init_params(config: InceptionConfig, *, key: Array) -> Params:
    """Draw untrained parameters.

    Args:
      config: the variant.
      key: random key.

    Returns:
      Nested dicts of float32 arrays, in the structure of `abstract_params(config)`.
    """

    def draw(key: Array) -> Params:
        return nnx.to_pure_dict(nnx.state(InceptionV1(config, rngs=nnx.Rngs(key))))

    return jax.jit(draw)(key)  # one by one, the draws take 20 s


def inception_v1(config: InceptionConfig, *, relaxed: bool = False) -> Network:
    """Return the `Network` of a variant.

    Cached, so that equal configs give one object and functions jitted for it are traced once.

    Args:
      config: the variant: one of `CONFIGS`, or one of your own.
      relaxed: whether the max-pools have the gradient of `relaxed_max_pool`. The parameters and
        the values that the network computes are the same; meant for attribution.

    Returns:
      A network whose parameters have the structure of `abstract_params(config)`. It takes images
      of any size that leaves each pool a window (at least 32 px are safe). Its `classes` are those
      of the network in `CONFIGS` that has the same name and number of classes, else empty.

    Example:
      >>> from jatlas.model import TEXTURES
      >>> network = inception_v1(TEXTURES)
      >>> network.layers[:3], network.input_size, network.classes[0]
      (('input', 'conv2d0', 'maxpool0'), 96, 'grating')
    """
    return _network(config, RELAXED if relaxed else TRUE_GRADIENT)


@functools.cache
def _network(config: InceptionConfig, gradient: GradientRule) -> Network:
    model = nnx.clone(_abstract(config))
    for name in BLOCK_WIDTHS:
        getattr(model, name).gradient = gradient
    learned = _learned_stages(model, gradient=gradient)
    pool = without_params(functools.partial(gradient.pool, stride=2, caffe=config.caffe_padding))
    norm = without_params(functools.partial(_norm, config))
    order: dict[str, Stage] = {
        "input": without_params(_inputs(config)),
        "conv2d0": learned["conv2d0"],
        "maxpool0": pool,
        "localresponsenorm0": norm,
        "conv2d1": learned["conv2d1"],
        "conv2d2": learned["conv2d2"],
        "localresponsenorm1": norm,
        "maxpool1": pool,
        "mixed3a": learned["mixed3a"],
        "mixed3b": learned["mixed3b"],
        "maxpool4": pool,
        **{name: learned[name] for name in BLOCK_WIDTHS if name.startswith("mixed4")},
        "maxpool10": pool,
        "mixed5a": learned["mixed5a"],
        "mixed5b": learned["mixed5b"],
        "avgpool0": without_params(functools.partial(jnp.mean, axis=(-3, -2))),
        "logits": learned["logits"],
    }
    return Network(
        stages=tuple(order.items()),
        name=config.name,
        classes=matching_classes(config.name, config.classes),
        input_size=config.input_size,
        redirected=_network(config, REDIRECTED) if gradient == TRUE_GRADIENT else None,
        centers=tuple((name, merged(model, name, Block.center)) for name in BLOCK_WIDTHS),
    )


def _learned_stages(model: InceptionV1, *, gradient: GradientRule) -> dict[str, Stage]:
    def halving(conv: nnx.Conv, x: Array) -> Array:
        return gradient.relu(halved(conv, x))

    def dense(conv: nnx.Conv, x: Array) -> Array:
        return gradient.relu(everywhere(conv, x))

    blocks = {name: merged(model, name) for name in ("logits", *BLOCK_WIDTHS)}
    convs = {name: merged(model, name, dense) for name in ("conv2d1", "conv2d2")}
    return blocks | convs | {"conv2d0": merged(model, "conv2d0", halving)}


def _inputs(config: InceptionConfig) -> InputFormat:
    std = (config.std,) * 3
    return InputFormat(
        size=config.input_size, scale=255.0, mean=config.mean, std=std, bgr=config.bgr
    )


def _norm(config: InceptionConfig, x: Array) -> Array:
    if config.lrn_alpha == 0:
        return x
    return local_response_norm(
        x,
        radius=config.lrn_radius,
        bias=config.lrn_bias,
        alpha=config.lrn_alpha,
        beta=config.lrn_beta,
    )
