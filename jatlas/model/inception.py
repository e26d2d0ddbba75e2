"""InceptionV1 (Szegedy et al. 2014) in Flax, in the two variants whose weights are public.

One module tree serves both; what differs is two frozen configs. Layers have lucid's names.

Reference:
  Szegedy et al., "Going Deeper with Convolutions", 2014, table 1; the deploy definition of BVLC
  GoogLeNet; the graph of Google's inception5h.
"""

import dataclasses
import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import nnx

from jatlas.model import labels
from jatlas.model.network import Network, Stage
from jatlas.model.ops import local_response_norm, max_pool
from jatlas.types import Array, Params

# Channels of 1x1, 3x3_bottleneck, 3x3, 5x5_bottleneck, 5x5 and pool_reduce in each block.
Widths = tuple[int, int, int, int, int, int]
_WIDTHS: dict[str, Widths] = {
    "mixed3a": (64, 96, 128, 16, 32, 32),
    "mixed3b": (128, 128, 192, 32, 96, 64),
    "mixed4a": (192, 96, 208, 16, 48, 64),
    "mixed4b": (160, 112, 224, 24, 64, 64),
    "mixed4c": (128, 128, 256, 24, 64, 64),
    "mixed4d": (112, 144, 288, 32, 64, 64),
    "mixed4e": (256, 160, 320, 32, 128, 128),
    "mixed5a": (256, 160, 320, 32, 128, 128),
    "mixed5b": (384, 192, 384, 48, 128, 128),
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class InceptionConfig:
    """What tells one InceptionV1 from another.

    Attributes:
      name: the name of the weights.
      classes: number of logits.
      mean: subtracted from the 0..255 image, in the order of the network's own channels.
      bgr: whether the network's own channel order is blue, green, red.
      caffe_padding: whether windows are placed as caffe does (symmetric padding of the first
        convolution, no padding and ceil mode in the strided pools) or as TensorFlow's SAME.
      lrn_radius, lrn_bias, lrn_alpha, lrn_beta: local response normalisation, see
        `jatlas.model.ops.local_response_norm`.
      mixed4a_3x3, mixed5a_5x5_bottleneck: the two widths in which the variants differ.
    """

    name: str
    classes: int
    mean: tuple[float, float, float]
    bgr: bool
    caffe_padding: bool
    lrn_radius: int
    lrn_bias: float
    lrn_alpha: float
    lrn_beta: float
    mixed4a_3x3: int = 208
    mixed5a_5x5_bottleneck: int = 32

    @property
    def widths(self) -> dict[str, Widths]:
        """Channels of the six convolutions of each block."""
        a, five = _WIDTHS["mixed4a"], _WIDTHS["mixed5a"]
        return _WIDTHS | {
            "mixed4a": (*a[:2], self.mixed4a_3x3, *a[3:]),
            "mixed5a": (*five[:3], self.mixed5a_5x5_bottleneck, *five[4:]),
        }


GOOGLENET_BVLC = InceptionConfig(
    name="googlenet_bvlc",
    classes=1000,
    mean=(104.0, 117.0, 123.0),
    bgr=True,
    caffe_padding=True,
    lrn_radius=2,
    lrn_bias=1.0,
    lrn_alpha=1e-4 / 5,  # caffe divides its alpha by the width of the window
    lrn_beta=0.75,
)

INCEPTION5H = InceptionConfig(
    name="inception5h",
    classes=1008,
    mean=(117.0, 117.0, 117.0),
    bgr=False,
    caffe_padding=False,
    lrn_radius=5,
    lrn_bias=2.0,
    lrn_alpha=1e-4,
    lrn_beta=0.5,
    mixed4a_3x3=204,
    mixed5a_5x5_bottleneck=48,
)

CONFIGS = {config.name: config for config in (GOOGLENET_BVLC, INCEPTION5H)}


class Block(nnx.Module):
    """An inception block: four towers side by side, joined on the channels."""

    def __init__(self, channels: int, widths: Widths, *, rngs: nnx.Rngs) -> None:
        one, three_in, three, five_in, five, pool = widths
        conv = functools.partial(nnx.Conv, rngs=rngs)
        self.conv1x1 = conv(channels, one, (1, 1))
        self.conv3x3_bottleneck = conv(channels, three_in, (1, 1))
        self.conv3x3 = conv(three_in, three, (3, 3))
        self.conv5x5_bottleneck = conv(channels, five_in, (1, 1))
        self.conv5x5 = conv(five_in, five, (5, 5))
        self.pool_reduce = conv(channels, pool, (1, 1))

    def __call__(self, x: Array) -> Array:
        """Map (..., h, w, channels) to (..., h, w, sum of the towers' widths)."""
        one, three, five = self._pointwise(x)
        pooled = max_pool(x, stride=1, caffe=False)
        towers = (
            one,
            jax.nn.relu(self.conv3x3(three)),
            jax.nn.relu(self.conv5x5(five)),
            jax.nn.relu(self.pool_reduce(pooled)),
        )
        return jnp.concatenate(towers, axis=-1)

    def _pointwise(self, x: Array) -> list[Array]:
        # The three 1x1 convolutions that read the same input are one matrix product: on a CPU
        # that takes 1-3 ms less of a rendering step than three.
        convs = (self.conv1x1, self.conv3x3_bottleneck, self.conv5x5_bottleneck)
        kernel = jnp.concatenate([conv.kernel[...][0, 0] for conv in convs], axis=-1)
        bias = jnp.concatenate([conv.bias[...] for conv in convs if conv.bias is not None])
        ends = [convs[0].out_features, convs[0].out_features + convs[1].out_features]
        return jnp.split(jax.nn.relu(x @ kernel + bias), ends, axis=-1)


class InceptionV1(nnx.Module):
    """The learned parts of InceptionV1; `network` says in which order they are applied."""

    def __init__(self, config: InceptionConfig, *, rngs: nnx.Rngs) -> None:
        first = 3 if config.caffe_padding else "SAME"
        self.conv2d0 = nnx.Conv(3, 64, (7, 7), strides=2, padding=first, rngs=rngs)
        self.conv2d1 = nnx.Conv(64, 64, (1, 1), rngs=rngs)
        self.conv2d2 = nnx.Conv(64, 192, (3, 3), rngs=rngs)
        channels = 192
        for name, widths in config.widths.items():
            setattr(self, name, Block(channels, widths, rngs=rngs))
            channels = widths[0] + widths[2] + widths[4] + widths[5]
        self.logits = nnx.Linear(channels, config.classes, rngs=rngs)


def _abstract(config: InceptionConfig) -> InceptionV1:
    # Shapes only: nothing is drawn or allocated.
    return nnx.eval_shape(lambda: InceptionV1(config, rngs=nnx.Rngs(0)))


def abstract_params(config: InceptionConfig) -> Params:
    """Return the parameters' names and shapes, as nested dicts of `jax.ShapeDtypeStruct`."""
    return nnx.to_pure_dict(nnx.state(_abstract(config)))


def init_params(config: InceptionConfig, *, key: Array) -> Params:
    """Draw untrained parameters, in the structure of `abstract_params`."""

    def draw(key: Array) -> Params:
        return nnx.to_pure_dict(nnx.state(InceptionV1(config, rngs=nnx.Rngs(key))))

    return jax.jit(draw)(key)  # one by one, the draws take 20 s


@functools.cache
def network(config: InceptionConfig) -> Network:
    """Make the `Network` of a variant.

    Cached, so that equal configs give one object and functions jitted for it are traced once.

    Args:
      config: the variant, `GOOGLENET_BVLC` or `INCEPTION5H`.

    Returns:
      A network whose parameters have the structure of `abstract_params(config)`. It takes images
      of any size that leaves each pool something to look at (at least 32 px are safe).
    """
    learned = _learned_stages(config)
    pool = _without_params(functools.partial(max_pool, stride=2, caffe=config.caffe_padding))
    norm = _without_params(
        functools.partial(
            local_response_norm,
            radius=config.lrn_radius,
            bias=config.lrn_bias,
            alpha=config.lrn_alpha,
            beta=config.lrn_beta,
        )
    )
    order: dict[str, Stage] = {
        "input": _without_params(functools.partial(_normalize, config)),
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
        **{name: learned[name] for name in _WIDTHS if name.startswith("mixed4")},
        "maxpool10": pool,
        "mixed5a": learned["mixed5a"],
        "mixed5b": learned["mixed5b"],
        "avgpool0": _without_params(functools.partial(jnp.mean, axis=(-3, -2))),
        "logits": learned["logits"],
    }
    return Network(stages=tuple(order.items()), name=config.name, classes=labels.names(config.name))


def _learned_stages(config: InceptionConfig) -> dict[str, Stage]:
    model = _abstract(config)
    blocks = {name: _merged(getattr(model, name), name) for name in ("logits", *_WIDTHS)}
    convs = {
        name: _merged(getattr(model, name), name, jax.nn.relu)
        for name in ("conv2d0", "conv2d1", "conv2d2")
    }
    return blocks | convs


def _merged(module: nnx.Module, name: str, then: Callable[[Array], Array] = lambda x: x) -> Stage:
    graph, _ = nnx.split(module)

    def stage(params: Params, x: Array) -> Array:
        return then(nnx.merge(graph, params[name])(x))

    return stage


def _without_params(function: Callable[[Array], Array]) -> Stage:
    def stage(params: Params, x: Array) -> Array:
        del params
        return function(x)

    return stage


def _normalize(config: InceptionConfig, image: Array) -> Array:
    x = image * 255.0
    if config.bgr:
        x = x[..., ::-1]
    return x - jnp.asarray(config.mean, x.dtype)
