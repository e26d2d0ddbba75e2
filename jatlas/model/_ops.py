"""The operations of InceptionV1 that Flax has not, written to be fast forwards and backwards."""

import functools

import jax
import jax.numpy as jnp
from jax import lax

from jatlas.types import Array

_WINDOW = 3
_RELAXED_FLOOR = 1e-2


def max_pool(x: Array, *, stride: int, caffe: bool) -> Array:
    """Take the maximum of each 3x3 window.

    Equal to `lax.reduce_window`, but as two passes of `maximum` over three strided slices: the
    gradient of `reduce_window` takes more than half of a rendering step on a CPU.

    Args:
      x: (..., h, w, c).
      stride: distance of the windows in both directions.
      caffe: whether strided windows start at the image's edge and the last one may hang over
        (caffe's ceil mode without padding), or are centred (TensorFlow's SAME).

    Returns:
      (..., h', w', c), where h' is ceil(h / stride), or ceil((h - 3) / stride) + 1 for caffe.

    Raises:
      ValueError: if the image is too small to hold a window.

    Reference:
      BVLC caffe's pooling layer; TensorFlow's SAME rule.
    """
    for axis in (-3, -2):
        first, *others = _shifted(x, axis=axis, stride=stride, caffe=caffe, fill=-jnp.inf)
        for other in others:
            first = jnp.maximum(first, other)
        x = first
    return x


@functools.partial(jax.custom_jvp, nondiff_argnums=(1, 2))
def _relaxed(x: Array, stride: int, caffe: bool) -> Array:
    return max_pool(x, stride=stride, caffe=caffe)


@_relaxed.defjvp
def _relaxed_jvp(
    stride: int, caffe: bool, primals: tuple[Array], tangents: tuple[Array]
) -> tuple[Array, Array]:
    def smooth(x: Array) -> Array:
        average = functools.partial(_average_pool, stride=stride, caffe=caffe)
        # |x|, but of slope 0 at 0, where that of jnp.abs is 1; most of what ReLU leaves is 0.
        size = x * lax.stop_gradient(jnp.sign(x))
        return average(jnp.square(x)) / (_RELAXED_FLOOR + average(size))

    return _relaxed(*primals, stride, caffe), jax.jvp(smooth, primals, tangents)[1]


def relaxed_max_pool(x: Array, *, stride: int, caffe: bool) -> Array:
    """Take the maximum of each 3x3 window, with the gradient of a smooth stand-in.

    The maximum passes a change on from one place of a window only. This passes it on from all of
    them, weighted by how active they are: the derivative, forward or reverse, is that of
    avg(x^2) / (0.01 + avg|x|) over the window, while the value is exactly that of `max_pool`.

    Args:
      x: (..., h, w, c).
      stride: distance of the windows in both directions.
      caffe: where the windows are, see `max_pool`.

    Returns:
      What `max_pool` returns.

    Raises:
      ValueError: if the image is too small to hold a window.

    Reference:
      lucid's notebook on spatial attribution (Olah et al., "The Building Blocks of
      Interpretability", Distill 2018).
    """
    return _relaxed(x, stride, caffe)


def _average_pool(x: Array, *, stride: int, caffe: bool) -> Array:
    """Average each 3x3 window over what of it lies in the image."""
    count = jnp.ones((*x.shape[-3:-1], 1), x.dtype)
    for axis in (-3, -2):
        place = functools.partial(_shifted, axis=axis, stride=stride, caffe=caffe, fill=0.0)
        x, count = (functools.reduce(jnp.add, place(each)) for each in (x, count))
    return x / count


def _shifted(x: Array, *, axis: int, stride: int, caffe: bool, fill: float) -> list[Array]:
    """Return the first, second and third element of each window along one axis."""
    size = x.shape[axis]
    out = -(-(size - _WINDOW) // stride) + 1 if caffe else -(-size // stride)
    if out < 1:
        raise ValueError(f"max_pool: {x.shape[-3:]} is too small for a 3x3 window: use more pixels")
    total = max((out - 1) * stride + _WINDOW - size, 0)
    before = 0 if caffe else total // 2
    pads = [(0, 0, 0)] * x.ndim
    pads[axis] = (before, total - before, 0)
    padded = lax.pad(x, jnp.array(fill, x.dtype), pads)
    last = stride * (out - 1) + 1
    return [lax.slice_in_dim(padded, k, k + last, stride, axis=axis) for k in range(_WINDOW)]


def local_response_norm(x: Array, *, radius: int, bias: float, alpha: float, beta: float) -> Array:
    """Divide each channel by a power of the energy of the channels around it.

    y_c = x_c / (bias + alpha * sum of x_j^2 for |j - c| <= radius) ^ beta

    Args:
      x: (..., channels).
      radius: how many channels on either side count; the window is cut off at the ends.
      bias: keeps the divisor away from zero.
      alpha: weight of the energy, not divided by the window's width.
      beta: exponent.

    Returns:
      An array of the shape of `x`.

    Reference:
      Krizhevsky et al. 2012, section 3.3; the definition is that of
      `tf.nn.local_response_normalization`.
    """
    energy = _sum_around(jnp.square(x.astype(jnp.float32)), radius)
    # The energy is float32 whatever x is, so that small values do not drown.
    return (x * _inverse_power(bias + alpha * energy, beta)).astype(x.dtype)


def _sum_around(x: Array, radius: int) -> Array:
    """Sum what lies up to `radius` from each place of the last axis."""
    # The gradient of this is such a sum again. That of shifted copies added up takes 2 to 7 times
    # as long; a product with a band matrix twice as long (2 cores, 64 x 12 x 12 x 192).
    rank = x.ndim - 1
    window = (1,) * rank + (2 * radius + 1,)
    padding = [(0, 0)] * rank + [(radius, radius)]
    return lax.reduce_window(x, 0.0, lax.add, window, (1,) * x.ndim, padding)


@functools.partial(jax.custom_jvp, nondiff_argnums=(1,))
def _inverse_power(x: Array, exponent: float) -> Array:
    # The two exponents in use have roots, which take half the time of a general power.
    if exponent == 0.5:
        return lax.rsqrt(x)
    if exponent == 0.75:
        return lax.rsqrt(x * jnp.sqrt(x))
    return x**-exponent


@_inverse_power.defjvp
def _inverse_power_jvp(
    exponent: float, primals: tuple[Array], tangents: tuple[Array]
) -> tuple[Array, Array]:
    # From the value itself: through two roots it takes twice as long.
    (x,), (change,) = primals, tangents
    value = _inverse_power(x, exponent)
    return value, -exponent * value / x * change


def conv_small_map(x: Array, kernel: Array) -> Array:
    """Convolve a map that is smaller than the kernel, as one matrix product.

    Equal to a convolution with zeros around the map, which on a CPU takes eight times as long
    there, gradient included (64 icons of 3 x 3 places, kernels of 5 x 5): 8 % of a rendering step.

    Args:
      x: (..., h, w, channels).
      kernel: (rows, columns, channels, c) of odd sides.

    Returns:
      (..., h, w, c).
    """
    height, width = x.shape[-3:-1]
    rows, columns, _, out = kernel.shape
    edges = [(side // 2, side // 2) for side in (rows, columns)]
    padded = jnp.pad(x, [(0, 0)] * (x.ndim - 3) + [*edges, (0, 0)])
    reached = [
        padded[..., row : row + height, column : column + width, :]
        for row in range(rows)
        for column in range(columns)
    ]
    # Of these most are padding. A product of the map itself would be half as long, but with a row
    # for each icon only: CPUs round such small ones in another way than large ones.
    return jnp.concatenate(reached, axis=-1) @ kernel.reshape(-1, out)


@jax.custom_vjp
def redirected_relu(x: Array) -> Array:
    """Return max(x, 0) with a slope that finds the way out where everything is closed.

    Going back, where no open unit has a slope, the closed ones pass theirs on, if following it
    opens them further. Only for the first steps of feature visualization: an image that excites
    nothing has no true slope to climb.

    Args:
      x: any shape; all of it is looked at together.

    Returns:
      An array of the shape of `x`. It can be differentiated backwards only.

    Reference:
      lucid's `misc/redirected_relu_grad.py`. The loss goes down along the slope, so what is to
      grow has a negative one.
    """
    return jax.nn.relu(x)


def _redirected_forward(x: Array) -> tuple[Array, Array]:
    return jax.nn.relu(x), x


def _redirected_backward(x: Array, slope: Array) -> tuple[Array]:
    true = jnp.where(x > 0, slope, 0)
    other = jnp.where((x < 0) & (slope > 0), 0, slope)
    return (jnp.where(jnp.any(true != 0), true, other),)


redirected_relu.defvjp(_redirected_forward, _redirected_backward)
