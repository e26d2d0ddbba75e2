"""What a network's images and activations look like: values, with presets."""

import dataclasses
import math

import jax.numpy as jnp

from jatlas.model._network import Tap
from jatlas.types import Array, checks


@dataclasses.dataclass(frozen=True, kw_only=True)
class InputFormat:
    """What images a network was trained on, and how they become its input.

    From RGB in [0, 1] to (scale * image - mean) / std, in the network's order of channels.

    Attributes:
      size: side of the images in pixels.
      scale: what pixels are multiplied with first: 255 for a network of bytes.
      mean: of each channel, in the network's order; subtracted.
      std: of each channel, likewise; divided by.
      bgr: whether blue comes first.

    Example:
      >>> InputFormat(mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))(jnp.ones((2, 2, 3)))[0, 0].tolist()
      [1.0, 1.0, 1.0]
    """

    size: int = 224
    scale: float = 1.0
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    bgr: bool = False

    def __post_init__(self) -> None:
        """Check the values."""
        checks.field(self, "size", checks.whole, maximum=checks.MAX_SIDE, unit="pixel")
        checks.field(self, "scale", checks.number, above=0)
        checks.field(self, "mean", checks.numbers, length=3, expected="one for each channel")
        above = "above 0, one for each channel"
        checks.field(self, "std", checks.numbers, length=3, above=0, expected=above)
        checks.field(self, "bgr", checks.flag)

    def __call__(self, images: Array) -> Array:
        """Turn images (..., h, w, 3), RGB in [0, 1], into the network's input of the same shape."""
        x = images[..., ::-1] if self.bgr else images
        last = (1,) * (x.ndim - 1) + (3,)
        mean, std = (jnp.asarray(values, x.dtype).reshape(last) for values in (self.mean, self.std))
        return (self.scale * x - mean) / std


ZERO_TO_ONE = InputFormat()
"""RGB in [0, 1], as jatlas has them."""

MINUS_ONE_TO_ONE = InputFormat(mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
"""RGB in [-1, 1]: TensorFlow's Inception and MobileNet, many vision transformers."""

IMAGENET = InputFormat(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
"""RGB with ImageNet's mean 0 and deviation 1: torchvision, most of timm."""

ZERO_TO_255 = InputFormat(scale=255.0)
"""RGB from 0 to 255: networks that normalize by themselves, as Keras's EfficientNet."""

CAFFE = InputFormat(scale=255.0, mean=(103.939, 116.779, 123.68), bgr=True)
"""BGR from 0 to 255 with ImageNet's mean 0: caffe, Keras's VGG and ResNet."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ActivationFormat:
    """What a network's activations look like, and how they become maps (n, h, w, channels).

    An array of rank 4 is a map, of rank 3 tokens, of rank 2 vectors, each with a batch axis first.

    Attributes:
      channels_first: whether maps are (n, channels, h, w).
      extra_tokens: tokens in front of those of the patches: class and register tokens. They are
        put aside and pass unchanged. None: layers of tokens have no map.
      grid: rows and columns of the patches; None means a square.

    Example:
      >>> ActivationFormat(extra_tokens=1).to_map(jnp.ones((2, 1 + 14 * 14, 64))).shape
      (2, 14, 14, 64)
    """

    channels_first: bool = False
    extra_tokens: int | None = None
    grid: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        """Check the values."""
        checks.field(self, "channels_first", checks.flag)
        checks.field(self, "extra_tokens", checks.whole, minimum=0, optional=True)
        if self.grid is not None:
            checks.field(self, "grid", checks.wholes, length=2, expected="rows and columns")

    def to_map(self, x: Array) -> Array:
        """Return an activation, with a batch axis first, as a map (n, h, w, channels).

        Vectors, and tokens that do not fill the grid, are returned as they are.
        """
        if x.ndim == 4 and self.channels_first:
            return jnp.moveaxis(x, 1, -1)
        grid = self._grid_of(x)
        if grid is not None:
            return x[:, self.extra_tokens :].reshape(-1, *grid, x.shape[2])
        return x

    def from_map(self, activation: Array, x: Array) -> Array:
        """Return an activation `x` with another map in place of its own."""
        if x.ndim == 4 and self.channels_first:
            return jnp.moveaxis(activation, -1, 1)
        if self._grid_of(x) is not None:
            patches = activation.reshape(x.shape[0], -1, x.shape[2])
            return jnp.concatenate([x[:, : self.extra_tokens], patches], axis=1)
        return activation

    def _grid_of(self, x: Array) -> tuple[int, int] | None:
        """Return rows and columns of the patches; None if `x` is not of tokens that fill them."""
        if x.ndim != 3 or self.extra_tokens is None:
            return None
        patches = x.shape[1] - self.extra_tokens
        side = math.isqrt(max(patches, 0))
        grid = self.grid or (side, side)
        return grid if math.prod(grid) == patches > 0 else None

    def tap(self, tap: Tap) -> Tap:
        """Return a tap that takes activations in this format."""

        def through(name: str, x: Array) -> Array:
            before = self.to_map(x)
            after = tap(name, before)
            return x if after is before else self.from_map(after, x)

        return through
