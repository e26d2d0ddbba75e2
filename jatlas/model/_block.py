"""An inception block: four towers side by side, computed everywhere or at the centre alone."""

import dataclasses
import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import lax

from jatlas.model._convolve import conv_same
from jatlas.model._halved import conv_halved
from jatlas.model._ops import around_center, max_pool, redirected_relu, relaxed_max_pool
from jatlas.types import Array


@dataclasses.dataclass(frozen=True, kw_only=True)
class GradientRule:
    """The operations that have variants of equal value and different gradients.

    Attributes:
      relu: rectifies an array of any shape.
      pool: takes the maximum of 3x3 windows, with the arguments of `max_pool`.
    """

    relu: Callable[[Array], Array] = jax.nn.relu
    pool: Callable[..., Array] = max_pool


TRUE_GRADIENT = GradientRule()
RELAXED = GradientRule(pool=relaxed_max_pool)
REDIRECTED = GradientRule(relu=redirected_relu)


class Block(nnx.Module):
    """An inception block: four towers side by side, joined on the channels.

    Args:
      channels: of the input.
      widths: channels of the 1x1, 3x3_bottleneck, 3x3, 5x5_bottleneck, 5x5 and pool_reduce
        convolutions.
      gradient: the variants of ReLU and pooling.
      rngs: draws the parameters.

    Reference:
      Szegedy et al., "Going Deeper with Convolutions", 2014, figure 2b.
    """

    def __init__(
        self,
        channels: int,
        widths: tuple[int, ...],
        *,
        gradient: GradientRule = TRUE_GRADIENT,
        rngs: nnx.Rngs,
    ) -> None:
        self.gradient = gradient
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
        convs = (self.conv1x1, self.conv3x3_bottleneck, self.conv5x5_bottleneck)
        one, three, five = self._pointwise(x, *convs)
        pooled = self.gradient.pool(x, stride=1, caffe=False)
        relu = self.gradient.relu
        towers = (
            one,
            relu(everywhere(self.conv3x3, three)),
            relu(everywhere(self.conv5x5, five)),
            relu(self.pool_reduce(pooled)),
        )
        return jnp.concatenate(towers, axis=-1)

    def center(self, x: Array) -> Array:
        """Map (..., h, w, channels) to the centre of what a call returns, (..., 1, 1, c)."""
        x = around_center(x, 2)
        near = around_center(x, 1)
        (one,) = self._pointwise(around_center(x, 0), self.conv1x1)
        three, five = self._pointwise(x, self.conv3x3_bottleneck, self.conv5x5_bottleneck)
        pooled = around_center(self.gradient.pool(near, stride=1, caffe=False), 0)
        relu = self.gradient.relu
        towers = (
            one,
            relu(_at_center(self.conv3x3, around_center(three, 1))),
            relu(_at_center(self.conv5x5, five)),
            relu(self.pool_reduce(pooled)),
        )
        return jnp.concatenate(towers, axis=-1)

    def _pointwise(self, x: Array, *convs: nnx.Conv) -> list[Array]:
        # The three 1x1 convolutions that read the same input are one matrix product, which on a
        # CPU makes a rendering step 1-3 ms shorter.
        kernel = jnp.concatenate([conv.kernel[...][0, 0] for conv in convs], axis=-1)
        bias = jnp.concatenate([conv.bias[...] for conv in convs if conv.bias is not None])
        ends = np.cumsum([conv.out_features for conv in convs[:-1]]).tolist()
        joined = _add_bias(x @ kernel, bias)
        return [self.gradient.relu(part) for part in jnp.split(joined, ends, axis=-1)]


def everywhere(conv: nnx.Conv, x: Array) -> Array:
    """Apply a convolution to a map of any size, (..., h, w, c), with zeros around it."""
    return _biased(conv, conv_same(x, conv.kernel[...]))


def halved(conv: nnx.Conv, x: Array) -> Array:
    """Apply a convolution at every second position of a map, (..., h, w, c)."""
    kernel = conv.kernel[...]
    if isinstance(conv.padding, int):
        rows = columns = (conv.padding, conv.padding)
    else:  # "SAME" as TensorFlow has it
        sizes = x.shape[-3:-1], kernel.shape[:2]
        rows, columns = lax.padtype_to_pads(*sizes, (2, 2), str(conv.padding))
    return _biased(conv, conv_halved(x, kernel, (rows, columns)))


def _at_center(conv: nnx.Conv, x: Array) -> Array:
    """Apply a convolution at the centre of its window, (..., h, w, c), as one product."""
    height, width = x.shape[-3:-1]
    kernel = conv.kernel[...]
    # Where the map is smaller than the kernel, the rest of the kernel falls on the padding.
    top, left = kernel.shape[0] // 2 - height // 2, kernel.shape[1] // 2 - width // 2
    part = kernel[top : top + height, left : left + width]
    flat = x.reshape(*x.shape[:-3], 1, 1, -1)
    return _biased(conv, flat @ part.reshape(-1, part.shape[-1]))


def _biased(conv: nnx.Conv, x: Array) -> Array:
    return x if conv.bias is None else _add_bias(x, conv.bias[...])


def _add_bias(x: Array, bias: Array) -> Array:
    return x + bias.reshape((1,) * (x.ndim - 1) + (-1,))
