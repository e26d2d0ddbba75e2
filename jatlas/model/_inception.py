"""InceptionV1 (Szegedy et al. 2014) in Flax: the two variants with public weights, and our own.

One module tree serves all; their frozen configs differ. Layers have lucid's names.

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

from jatlas.model._block import REDIRECTED, RELAXED, TRUE_GRADIENT, Block, GradientRule
from jatlas.model._labels import matching_classes
from jatlas.model._network import Network, Stage
from jatlas.model._ops import local_response_norm
from jatlas.types import Array, Params

_STEM = (64, 64, 192)  # channels of conv2d0, conv2d1 and conv2d2
# Channels of 1x1, 3x3_bottleneck, 3x3, 5x5_bottleneck, 5x5 and pool_reduce in each block.
_WIDTHS: dict[str, tuple[int, ...]] = {
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
    """How one InceptionV1 differs from another.

    Attributes:
      name: what the network is called; for those in `CONFIGS`, the name of the weights.
      classes: number of logits.
      mean: subtracted from the 0..255 image, in the order of the network's own channels.
      bgr: whether the network's own channel order is blue, green, red.
      caffe_padding: whether windows are placed as caffe does (symmetric padding of the first
        convolution, no padding and ceil mode in the strided pools) or as TensorFlow's SAME.
      lrn_radius, lrn_bias, lrn_alpha, lrn_beta: local response normalisation, see
        `local_response_norm`; without it if alpha is 0.
      mixed4a_3x3, mixed5a_5x5_bottleneck: the two widths in which the variants differ.
      std: the difference from the mean is divided by it.
      width: factor on the channels of every convolution; they are rounded to multiples of four.
      input_size: side in pixels of the images it was trained on.

    Raises:
      ValueError: if the width is not above 0 and up to 4.

    Example:
      >>> narrow = dataclasses.replace(TEXTURES, name="narrow", width=0.25)
      >>> TEXTURES.stem, narrow.stem
      ((32, 32, 96), (16, 16, 48))
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
    std: float = 1.0
    width: float = 1.0
    input_size: int = 224

    def __post_init__(self) -> None:
        """Check what a user may set."""
        if not 0 < self.width <= 4:
            raise ValueError(f"width: expected a factor above 0 and up to 4, got {self.width}")

    @property
    def stem(self) -> tuple[int, ...]:
        """Channels of the three convolutions before the blocks."""
        return self._scaled(_STEM)

    @property
    def widths(self) -> dict[str, tuple[int, ...]]:
        """Channels of the six convolutions of each block."""
        a, five = _WIDTHS["mixed4a"], _WIDTHS["mixed5a"]
        full = _WIDTHS | {
            "mixed4a": (*a[:2], self.mixed4a_3x3, *a[3:]),
            "mixed5a": (*five[:3], self.mixed5a_5x5_bottleneck, *five[4:]),
        }
        return {name: self._scaled(widths) for name, widths in full.items()}

    def _scaled(self, channels: tuple[int, ...]) -> tuple[int, ...]:
        if self.width == 1:
            return channels
        return tuple(max(4, 4 * round(self.width * count / 4)) for count in channels)


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

# The project's own, see weights/README.md. It has no local response normalisation.
TEXTURES = InceptionConfig(
    name="textures",
    classes=64,
    mean=(127.5, 127.5, 127.5),
    std=64.0,
    bgr=False,
    caffe_padding=False,
    lrn_radius=0,
    lrn_bias=1.0,
    lrn_alpha=0.0,
    lrn_beta=0.5,
    width=0.5,
    input_size=96,
)

CONFIGS = {config.name: config for config in (GOOGLENET_BVLC, INCEPTION5H, TEXTURES)}


class InceptionV1(nnx.Module):
    """The learned parts of InceptionV1; `inception_v1` applies them in order.

    Args:
      config: the variant.
      gradient: the variants of ReLU and pooling.
      rngs: draws the parameters.
    """

    def __init__(
        self,
        config: InceptionConfig,
        *,
        gradient: GradientRule = TRUE_GRADIENT,
        rngs: nnx.Rngs,
    ) -> None:
        first = 3 if config.caffe_padding else "SAME"
        one, two, channels = config.stem
        self.conv2d0 = nnx.Conv(3, one, (7, 7), strides=2, padding=first, rngs=rngs)
        self.conv2d1 = nnx.Conv(one, two, (1, 1), rngs=rngs)
        self.conv2d2 = nnx.Conv(two, channels, (3, 3), rngs=rngs)
        for name, widths in config.widths.items():
            setattr(self, name, Block(channels, widths, gradient=gradient, rngs=rngs))
            channels = widths[0] + widths[2] + widths[4] + widths[5]
        self.logits = nnx.Linear(channels, config.classes, rngs=rngs)


def _abstract(config: InceptionConfig, *, gradient: GradientRule = TRUE_GRADIENT) -> InceptionV1:
    # Shapes only: nothing is drawn or allocated.
    return nnx.eval_shape(lambda: InceptionV1(config, gradient=gradient, rngs=nnx.Rngs(0)))


def abstract_params(config: InceptionConfig) -> Params:
    """Return the names, shapes and dtypes of the parameters of a variant.

    Args:
      config: the variant.

    Returns:
      Nested dicts of `jax.ShapeDtypeStruct`: by stage, for blocks by tower, then "kernel" and
      "bias". Kernels are (rows, columns, in, out) and (in, out) float32, biases (out,).

    Example:
      >>> abstract_params(TEXTURES)["mixed3a"]["conv3x3"]["kernel"].shape
      (3, 3, 48, 64)
    """
    return jax.tree.map(lambda leaf: leaf, _shapes(config))  # dicts that may be changed


@functools.cache  # Flax takes 0.4 s, and reading weights asks more than once
def _shapes(config: InceptionConfig) -> Params:
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
      >>> network = inception_v1(TEXTURES)
      >>> network.layers[:3], network.input_size, network.classes[0]
      (('input', 'conv2d0', 'maxpool0'), 96, 'grating')
    """
    return _network(config, RELAXED if relaxed else TRUE_GRADIENT)


@functools.cache
def _network(config: InceptionConfig, gradient: GradientRule) -> Network:
    model = _abstract(config, gradient=gradient)
    learned = _learned_stages(model, gradient=gradient)
    pool = _without_params(functools.partial(gradient.pool, stride=2, caffe=config.caffe_padding))
    norm = _without_params(functools.partial(_norm, config))
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
    return Network(
        stages=tuple(order.items()),
        name=config.name,
        classes=matching_classes(config.name, config.classes),
        input_size=config.input_size,
        redirected=_network(config, REDIRECTED) if gradient == TRUE_GRADIENT else None,
        centers=tuple((name, _merged(model, name, Block.center)) for name in _WIDTHS),
    )


def _learned_stages(model: InceptionV1, *, gradient: GradientRule) -> dict[str, Stage]:
    def then_relu(conv: nnx.Conv, x: Array) -> Array:
        return gradient.relu(conv(x))

    blocks = {name: _merged(model, name) for name in ("logits", *_WIDTHS)}
    convs = {name: _merged(model, name, then_relu) for name in ("conv2d0", "conv2d1", "conv2d2")}
    return blocks | convs


def _merged(
    model: InceptionV1, name: str, apply: Callable[..., Array] = lambda module, x: module(x)
) -> Stage:
    """Return the stage that applies a part of the model to the parameters of that name."""
    graph, _ = nnx.split(getattr(model, name))

    def stage(params: Params, x: Array) -> Array:
        return apply(nnx.merge(graph, params[name]), x)

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
    x = x - jnp.asarray(config.mean, x.dtype)
    return x if config.std == 1 else x / config.std


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
