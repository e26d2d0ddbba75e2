"""A small vision transformer (Dosovitskiy et al. 2021) in Flax.

Reference:
  Dosovitskiy et al., "An image is worth 16x16 words", 2021; Xiao et al., "Early convolutions help
  transformers see better", 2021, for the stem; Darcet et al., "Vision transformers need registers",
  2024; Beyer, Zhai and Kolesnikov, "Better plain ViT baselines for ImageNet-1k", 2022, for the
  fixed position embedding.
"""

import functools
import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from jatlas.model._formats import ActivationFormat
from jatlas.model._labels import matching_classes
from jatlas.model._network import Network, Tap
from jatlas.model._vit_config import TEXTURES_VIT, ViTConfig
from jatlas.types import Array, HostArray, Params

_EPSILON = 1e-6  # added to variances, as in the reference
_LONGEST = 100.0  # ratio of the longest wavelength of the position embedding to the shortest


class TransformerBlock(nnx.Module):
    """Self-attention and a perceptron, each after a layer norm and beside a shortcut.

    Its six parts are learned: norm1, qkv and out of the attention; norm2, up and down of the
    perceptron.

    Args:
      config: of the network.
      rngs: draws the parameters.
    """

    def __init__(self, config: ViTConfig, *, rngs: nnx.Rngs) -> None:
        self.heads = config.heads
        norm = functools.partial(nnx.LayerNorm, config.dim, epsilon=_EPSILON, rngs=rngs)
        linear = functools.partial(nnx.Linear, rngs=rngs)
        self.norm1, self.norm2 = norm(), norm()
        self.qkv = linear(config.dim, 3 * config.dim)
        self.out = linear(config.dim, config.dim)
        self.up = linear(config.dim, config.hidden)
        self.down = linear(config.hidden, config.dim)

    def __call__(self, x: Array) -> Array:
        """Map tokens (n, tokens, dim) to tokens of the same shape."""
        x = x + self.out(self._attend(self.qkv(self.norm1(x))))
        return x + self.down(jax.nn.gelu(self.up(self.norm2(x))))

    def _attend(self, qkv: Array) -> Array:
        """Attend by head; the channels are queries, keys, values, and in each of them heads."""
        n, tokens, channels = qkv.shape
        split = qkv.reshape(n, tokens, 3, self.heads, channels // (3 * self.heads))
        q, k, v = (split[:, :, index] for index in range(3))
        scores = jnp.einsum("nqhc,nkhc->nhqk", q, k) / math.sqrt(q.shape[-1])
        mixed = jnp.einsum("nhqk,nkhc->nqhc", jax.nn.softmax(scores), v)
        return mixed.reshape(n, tokens, channels // 3)


class VisionTransformer(nnx.Module):
    """Convolutions that halve the side, transformer blocks, and logits from the class token.

    Args:
      config: the variant.
      rngs: draws the parameters.
    """

    def __init__(self, config: ViTConfig, *, rngs: nnx.Rngs) -> None:
        self.config = config
        widths = (3, *config.stem, config.dim)
        for index, (before, after) in enumerate(itertools.pairwise(widths)):
            setattr(self, f"conv{index}", nnx.Conv(before, after, (3, 3), strides=2, rngs=rngs))
        shape = (config.extra, config.dim)
        self.tokens = nnx.Param(0.02 * jax.random.normal(rngs.params(), shape, jnp.float32))
        for name in config.layers[1:]:
            setattr(self, name, TransformerBlock(config, rngs=rngs))
        self.norm = nnx.LayerNorm(config.dim, epsilon=_EPSILON, rngs=rngs)
        self.logits = nnx.Linear(config.dim, config.classes, rngs=rngs)

    def __call__(self, images: Array, tap: Tap) -> Array:
        """Map images (n, h, w, 3) to logits (n, classes); see `forward`."""
        x = tap("patches", self._embed(4 * images - 2))
        for name in self.config.layers[1:]:
            x = tap(name, getattr(self, name)(x))
        return self.logits(self.norm(x[:, 0]))

    def _embed(self, x: Array) -> Array:
        """Return the tokens (n, extra + patches, dim) of images in the network's own range."""
        for index in range(len(self.config.stem)):
            x = jax.nn.gelu(getattr(self, f"conv{index}")(x))
        x = getattr(self, f"conv{len(self.config.stem)}")(x)
        n, rows, columns, dim = x.shape
        places = position_embedding(
            rows, columns, dim, side=self.config.input_size // self.config.patch
        )
        patches = x.reshape(n, rows * columns, dim) + jnp.asarray(places, x.dtype)
        extra = jnp.broadcast_to(self.tokens[...], (n, *self.tokens.shape))
        return jnp.concatenate([extra, patches], axis=1)


def position_embedding(rows: int, columns: int, dim: int, *, side: int) -> HostArray:
    """Return what tells the transformer the place of each patch: sines and cosines of it.

    Places are shares of the image, so that an image of another size has nearly the same ones.

    Args:
      rows: patches from top to bottom.
      columns: patches from left to right.
      dim: channels, a multiple of four: sines and cosines of the row, then of the column.
      side: patches along the side of the images that the network was trained on.

    Returns:
      (1, rows * columns, dim) float32.
    """
    rates = _LONGEST ** -(np.arange(dim // 4) / (dim // 4))
    waves = []
    for count in (rows, columns):
        angles = ((np.arange(count) + 0.5) * side / count)[:, None] * rates
        waves.append(np.concatenate([np.sin(angles), np.cos(angles)], axis=-1))
    down = np.broadcast_to(waves[0][:, None], (rows, columns, dim // 2))
    across = np.broadcast_to(waves[1][None], (rows, columns, dim // 2))
    places = np.concatenate([down, across], axis=-1)
    return places.reshape(1, rows * columns, dim).astype(np.float32)


@functools.cache  # Flax takes half a second
def _abstract(config: ViTConfig) -> VisionTransformer:
    # Shapes only: nothing is drawn or allocated.
    return nnx.eval_shape(lambda: VisionTransformer(config, rngs=nnx.Rngs(0)))


def abstract_vit_params(config: ViTConfig) -> Params:
    """Return the names, shapes and dtypes of the parameters of a variant.

    Args:
      config: the variant.

    Returns:
      Nested dicts of `jax.ShapeDtypeStruct`: by part of the network, for blocks by layer, then
      "kernel", "bias" and "scale"; "tokens" are those of no patch, (1 + registers, dim). Kernels
      are (rows, columns, in, out) and (in, out) float32, biases and scales (out,).

    Example:
      >>> abstract_vit_params(TEXTURES_VIT)["block0"]["qkv"]["kernel"].shape
      (128, 384)
    """
    return nnx.to_pure_dict(nnx.state(_abstract(config)))


def init_vit_params(config: ViTConfig, *, key: Array) -> Params:
    """Draw untrained parameters.

    Args:
      config: the variant.
      key: random key.

    Returns:
      Nested dicts of float32 arrays, in the structure of `abstract_vit_params(config)`.
    """

    def draw(key: Array) -> Params:
        return nnx.to_pure_dict(nnx.state(VisionTransformer(config, rngs=nnx.Rngs(key))))

    return jax.jit(draw)(key)  # one by one, the draws take seconds


def untouched(name: str, x: Array) -> Array:
    """Return the tokens (n, tokens, dim) of a layer as they are: the tap that changes nothing."""
    del name
    return x


def forward(
    params: Params, images: Array, tap: Tap = untouched, *, config: ViTConfig = TEXTURES_VIT
) -> Array:
    """Compute logits, showing the tokens of each layer to a function that may change them.

    A pure function, for `jax.jit`, `jax.vmap` and `jax.grad` around it, if `tap` is one.

    Args:
      params: in the structure of `abstract_vit_params(config)`.
      images: (n, h, w, 3) float32 RGB in [0, 1], of any size; the network is at its best at
        `config.input_size`.
      tap: called for each of `config.layers`, in order, with its name and tokens (n, tokens, dim):
        the class token, the registers, and the patches row by row. The rest of the network is
        computed from what it returns, an array of the same shape.
      config: the variant.

    Returns:
      (n, classes) logits, from the class token.

    Raises:
      ValueError: for images of another shape.

    Example:
      >>> shapes = {}
      >>> def tap(name, x):
      ...     shapes[name] = x.shape
      ...     return x
      >>> images = jax.ShapeDtypeStruct((2, 96, 96, 3), jnp.float32)
      >>> params = abstract_vit_params(TEXTURES_VIT)
      >>> jax.eval_shape(functools.partial(forward, tap=tap), params, images).shape
      (2, 64)
      >>> shapes["block4"]
      (2, 146, 128)
    """
    if images.ndim != 4 or images.shape[-1] != 3 or 0 in images.shape[1:3]:
        raise ValueError(f"images: expected shape (n, h, w, 3), got {images.shape}")
    graph, _ = nnx.split(_abstract(config))
    return nnx.merge(graph, params)(images, tap)


@functools.cache
def vision_transformer(config: ViTConfig) -> Network:
    """Return the `Network` of a variant.

    Cached, so that equal configs give one object and functions jitted for it are traced once.

    Args:
      config: the variant.

    Returns:
      A network whose parameters have the structure of `abstract_vit_params(config)`. Its layers
      are the patches before the first block and the output of each block, without the class token
      and the registers. It takes square images of any size.

    Example:
      >>> network = vision_transformer(TEXTURES_VIT)
      >>> params = abstract_vit_params(TEXTURES_VIT)
      >>> network.activation_shape(params, (96, 96), layer="block2")
      (12, 12, 128)
    """
    tokens = ActivationFormat(extra_tokens=config.extra)

    def tapped(params: Params, images: Array, tap: Tap) -> Array:
        return forward(params, images, tokens.tap(tap), config=config)

    return Network(
        forward=tapped,
        taps=config.layers,
        name=config.name,
        classes=matching_classes(config.name, config.classes),
        input_size=config.input_size,
    )
