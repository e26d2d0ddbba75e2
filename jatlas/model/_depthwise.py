"""Depthwise convolutions that are fast on a CPU, in both directions."""

import dataclasses
import functools

import jax.numpy as jnp
from jax import lax

from jatlas.model._bilinear import bilinear
from jatlas.model._conv import conv
from jatlas.types import Array


def depthwise_conv(x: Array, kernel: Array, *, stride: int) -> Array:
    """Convolve each channel with a kernel of its own, with TensorFlow's SAME padding.

    On a CPU this is a sum of shifted and weighted maps, one for each element of the kernel. A
    convolution with as many groups as channels takes 16 to 62 times as long there, and its gradient
    49 to 146 times (those of EfficientNet-Lite0 together, 16 and 64 views of 48 and 96 px under
    vmap, 2 cores, jax 0.10.2). Other platforms run the convolution.

    Args:
      x: (..., h, w, channels).
      kernel: (rows, columns, 1, channels).
      stride: distance between the windows in both directions.

    Returns:
      (..., ceil(h / stride), ceil(w / stride), channels) of the dtype of `x`.

    Reference:
      Howard et al., "MobileNets", 2017, section 3.1; TensorFlow's SAME rule.

    Example:
      >>> kernel = jnp.ones((3, 3, 1, 1))
      >>> depthwise_conv(jnp.ones((3, 3, 1)), kernel, stride=1)[..., 0].tolist()
      [[4.0, 6.0, 4.0], [6.0, 9.0, 6.0], [4.0, 6.0, 4.0]]
    """
    shifts = functools.partial(_by_shifts, stride)
    convolution = functools.partial(conv, stride=stride, groups=x.shape[-1])
    return lax.platform_dependent(x, kernel, cpu=shifts, default=convolution)


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Axis:
    """Windows along one axis.

    Attributes:
      size: positions of the map.
      kernel: positions of a window.
      stride: distance between windows.
    """

    size: int
    kernel: int
    stride: int

    @property
    def windows(self) -> int:
        """How many there are: TensorFlow's SAME."""
        return -(-self.size // self.stride)

    @property
    def padding(self) -> tuple[int, int]:
        """How far the first and the last window extend past the map."""
        total = max((self.windows - 1) * self.stride + self.kernel - self.size, 0)
        return total // 2, total - total // 2

    @property
    def taps(self) -> list[int]:
        """The elements of the kernel that lie on the map in some window."""

        def is_used(tap: int) -> bool:
            first = tap - self.padding[0]
            last = first + (self.windows - 1) * self.stride
            return any(0 <= at < self.size for at in range(first, last + 1, self.stride))

        return [tap for tap in range(self.kernel) if is_used(tap)]

    def shift(self, tap: int) -> tuple[int, int]:
        """Return (s, p): the window o meets, at that element, the position o + s of phase p."""
        return divmod(tap - self.padding[0], self.stride)

    def around(self, shift: int) -> tuple[int, int]:
        """Return the padding that moves a map by a shift, in an array that holds every shift."""
        shifts = [self.shift(tap)[0] for tap in self.taps]
        return max(0, *shifts) - shift, shift - min(0, *shifts)


def _axes(stride: int, x: Array, kernel: Array) -> tuple[_Axis, _Axis]:
    height, width = (
        _Axis(size=size, kernel=length, stride=stride)
        for size, length in zip(x.shape[-3:-1], kernel.shape[:2], strict=True)
    )
    return height, width


def _gathered(stride: int, x: Array, kernel: Array) -> Array:
    """Add up shifted parts of the padded map."""
    height, width = _axes(stride, x, kernel)
    padded = _pad(x, height.padding, width.padding)
    rows, columns = (stride * (axis.windows - 1) + 1 for axis in (height, width))
    parts = (
        padded[..., i : i + rows : stride, j : j + columns : stride, :] * _weight(kernel, i, j, x)
        for i in height.taps
        for j in width.taps
    )
    return functools.reduce(jnp.add, parts).astype(x.dtype)


def _scattered(stride: int, x: Array, kernel: Array) -> Array:
    """Compute the same by adding up maps that are shifted by padding each."""
    height, width = _axes(stride, x, kernel)
    phases = _phases(stride, x)
    parts = []
    for i in height.taps:
        for j in width.taps:
            row, first = height.shift(i)
            column, second = width.shift(j)
            weighted = phases[first][second] * _weight(kernel, i, j, x)
            parts.append(_pad(weighted, height.around(row), width.around(column)))
    total = functools.reduce(jnp.add, parts)
    top, left = height.around(0)[0], width.around(0)[0]
    result = total[..., top : top + height.windows, left : left + width.windows, :]
    return result.astype(x.dtype)


def _phases(stride: int, x: Array) -> list[list[Array]]:
    """Return the parts of a map that start at each position of a stride and skip the others."""
    if stride == 1:
        return [[x]]
    height, width = x.shape[-3:-1]
    rows, columns = -(-height // stride), -(-width // stride)
    padded = _pad(x, (0, rows * stride - height), (0, columns * stride - width))
    blocks = padded.reshape(*x.shape[:-3], rows, stride, columns, stride, x.shape[-1])
    # Split, not sliced: the transpose of a split is one concatenation.
    return [
        [part.squeeze((-4, -2)) for part in lax.split(row, [1] * stride, row.ndim - 2)]
        for row in lax.split(blocks, [1] * stride, blocks.ndim - 4)
    ]


def _pad(x: Array, rows: tuple[int, int], columns: tuple[int, int]) -> Array:
    batch = [(0, 0, 0)] * (x.ndim - 3)
    return lax.pad(x, jnp.zeros((), x.dtype), [*batch, (*rows, 0), (*columns, 0), (0, 0, 0)])


def _weight(kernel: Array, row: int, column: int, x: Array) -> Array:
    """Return an element of the kernel for each channel of x, in the precision of the sum."""
    # The sum is float32 at least: it has up to 25 terms, and a convolution too adds up halves so.
    dtype = jnp.promote_types(x.dtype, jnp.float32)
    return kernel[row, column].astype(dtype).reshape((1,) * (x.ndim - 1) + (-1,))


# To add up shifted parts of one map is fast on a CPU, to add up maps that are each padded is not,
# and either is the transpose of the other: 3 to 10 times for 5 x 5.
_by_shifts = bilinear(_gathered, derivative=_scattered)
