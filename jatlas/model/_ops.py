"""The operations of the known networks that Flax lacks, fast in both directions."""

import functools

import jax
import jax.numpy as jnp
from jax import lax

from jatlas.types import Array

_WINDOW = 3
_RELAXED_FLOOR = 1e-2


def max_pool(x: Array, *, stride: int, caffe: bool) -> Array:
    """Take the maximum of each 3x3 window.

    The values are those of `lax.reduce_window`, computed by two passes of `maximum` over three
    strided slices: on a CPU, the gradient of `reduce_window` takes more than half of a rendering
    step. The gradients agree too unless several positions of a window share its maximum, as they
    do behind a ReLU where all are 0. Both give the whole gradient of the window to one of them,
    but not always to the same.

    Args:
      x: (..., h, w, c).
      stride: distance between windows in both directions.
      caffe: whether strided windows start at the image's edge and the last one may extend past it
        (caffe's ceil mode without padding), or are centred (TensorFlow's SAME).

    Returns:
      (..., h', w', c), where h' is ceil(h / stride), or ceil((h - 3) / stride) + 1 for caffe.

    Raises:
      ValueError: if the image is too small for a window.

    Reference:
      BVLC caffe's pooling layer; TensorFlow's SAME rule.

    Example:
      >>> max_pool(jnp.arange(16.0).reshape(4, 4, 1), stride=2, caffe=False)[..., 0].tolist()
      [[10.0, 11.0], [14.0, 15.0]]
    """
    for axis in (-3, -2):
        x = _largest(*_shifted(x, axis=axis, stride=stride, caffe=caffe, fill=-jnp.inf))
    return x


@jax.custom_jvp
def _largest(a: Array, b: Array, c: Array) -> Array:
    return jnp.maximum(jnp.maximum(a, b), c)


@_largest.defjvp
def _largest_jvp(
    primals: tuple[Array, Array, Array], tangents: tuple[Array, Array, Array]
) -> tuple[Array, Array]:
    # The tangent of the first that is the largest. That of `jnp.maximum` is shared where two are
    # equal, and takes half as long again, forward and backward together.
    (a, b, _), (of_a, of_b, of_c) = primals, tangents
    largest = _largest(*primals)
    return largest, jnp.where(a == largest, of_a, jnp.where(b == largest, of_b, of_c))


@functools.partial(jax.custom_jvp, nondiff_argnums=(1, 2))
def _relaxed(x: Array, stride: int, caffe: bool) -> Array:
    return max_pool(x, stride=stride, caffe=caffe)


@_relaxed.defjvp
def _relaxed_jvp(
    stride: int, caffe: bool, primals: tuple[Array], tangents: tuple[Array]
) -> tuple[Array, Array]:
    def smooth(x: Array) -> Array:
        average = functools.partial(_average_pool, stride=stride, caffe=caffe)
        # |x| with gradient 0 at 0, where that of jnp.abs is 1: most values behind a ReLU are 0.
        size = x * lax.stop_gradient(jnp.sign(x))
        return average(jnp.square(x)) / (_RELAXED_FLOOR + average(size))

    return _relaxed(*primals, stride, caffe), jax.jvp(smooth, primals, tangents)[1]


def relaxed_max_pool(x: Array, *, stride: int, caffe: bool) -> Array:
    """Take the maximum of each 3x3 window, with the gradient of a smooth approximation.

    A maximum depends on one position of its window alone, and so does its gradient. Here the
    gradient reaches all positions, weighted by their activity: the derivative, forward or
    reverse, is that of avg(x^2) / (0.01 + avg|x|) over the window, while the value is exactly
    that of `max_pool`. Meant for attribution.

    Args:
      x: (..., h, w, c).
      stride: distance between windows in both directions.
      caffe: where the windows are, see `max_pool`.

    Returns:
      What `max_pool` returns.

    Raises:
      ValueError: if the image is too small for a window.

    Reference:
      lucid's notebook on spatial attribution (Olah et al., "The Building Blocks of
      Interpretability", Distill 2018).
    """
    return _relaxed(x, stride, caffe)


def _average_pool(x: Array, *, stride: int, caffe: bool) -> Array:
    """Average each 3x3 window over the part of it that lies in the image."""
    count = jnp.ones((*(1,) * (x.ndim - 3), *x.shape[-3:-1], 1), x.dtype)
    for axis in (-3, -2):
        shifted = functools.partial(_shifted, axis=axis, stride=stride, caffe=caffe, fill=0.0)
        x, count = (functools.reduce(jnp.add, shifted(array)) for array in (x, count))
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
      radius: channels on either side that count; the window is cut off at the ends.
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
    # The energy is float32 whatever x is: half precision would lose its small terms.
    return (x * _inverse_power(bias + alpha * energy, beta)).astype(x.dtype)


def _sum_around(x: Array, radius: int) -> Array:
    """Sum the values up to `radius` from each position of the last axis."""
    # The gradient of this is such a sum again. With shifted copies added up it takes 2 to 7 times
    # as long, with a band matrix twice as long (2 cores, 64 x 12 x 12 x 192).
    rank = x.ndim - 1
    window = (1,) * rank + (2 * radius + 1,)
    padding = [(0, 0)] * rank + [(radius, radius)]
    return lax.reduce_window(x, 0.0, lax.add, window, (1,) * x.ndim, padding)


@functools.partial(jax.custom_jvp, nondiff_argnums=(1,))
def _inverse_power(x: Array, exponent: float) -> Array:
    # The two exponents in use are roots, which take half the time of a general power on a CPU and
    # are single instructions elsewhere.
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
    (x,), (tangent,) = primals, tangents
    value = _inverse_power(x, exponent)
    return value, -exponent * value / x * tangent


@jax.custom_vjp
def redirected_relu(x: Array) -> Array:
    """Return max(x, 0), with a gradient that can activate units when all are inactive.

    In the backward pass, if no active unit has a gradient, inactive units pass theirs on where
    following it would activate them. Only for the first steps of feature visualization: an image
    that activates nothing has no true gradient to follow.

    Args:
      x: any shape; its units are one group.

    Returns:
      An array of the shape of `x`. It can be differentiated in reverse mode only.

    Reference:
      lucid's `misc/redirected_relu_grad.py`. Gradients are of a loss: units to be increased have
      negative gradients.

    Example:
      >>> inactive = -jnp.ones(3)
      >>> jax.grad(lambda x: -jax.nn.relu(x).sum())(inactive).tolist()
      [0.0, 0.0, 0.0]
      >>> jax.grad(lambda x: -redirected_relu(x).sum())(inactive).tolist()
      [-1.0, -1.0, -1.0]
    """
    return jax.nn.relu(x)


def _redirected_forward(x: Array) -> tuple[Array, Array]:
    return jax.nn.relu(x), x


def _redirected_backward(x: Array, gradient: Array) -> tuple[Array]:
    true = jnp.where(x > 0, gradient, 0)
    redirected = jnp.where((x < 0) & (gradient > 0), 0, gradient)
    return (jnp.where(jnp.any(true != 0), true, redirected),)


redirected_relu.defvjp(_redirected_forward, _redirected_backward)


@jax.custom_vjp
def redirected_relu6(x: Array) -> Array:
    """Return min(max(x, 0), 6), with a gradient that can reach units when it is 0 for all.

    In the backward pass, if no unit between 0 and 6 has a gradient, the others pass theirs on where
    following it would bring them there, see `redirected_relu`.

    Args:
      x: any shape; its units are one group.

    Returns:
      An array of the shape of `x`. It can be differentiated in reverse mode only.

    Reference:
      lucid's `misc/redirected_relu_grad.py`.

    Example:
      >>> outside = jnp.array([-1.0, 7.0])
      >>> jax.grad(lambda x: jax.nn.relu6(x) @ jnp.array([-1.0, 1.0]))(outside).tolist()
      [0.0, 0.0]
      >>> jax.grad(lambda x: redirected_relu6(x) @ jnp.array([-1.0, 1.0]))(outside).tolist()
      [-1.0, 1.0]
    """
    return jax.nn.relu6(x)


def _redirected6_forward(x: Array) -> tuple[Array, Array]:
    return jax.nn.relu6(x), x


def _redirected6_backward(x: Array, gradient: Array) -> tuple[Array]:
    true = jnp.where((x > 0) & (x < 6), gradient, 0)
    further = ((x < 0) & (gradient > 0)) | ((x > 6) & (gradient < 0))
    redirected = jnp.where(further, 0, gradient)
    return (jnp.where(jnp.any(true != 0), true, redirected),)


redirected_relu6.defvjp(_redirected6_forward, _redirected6_backward)


def around_center(x: Array, reach: int) -> Array:
    """Crop (..., h, w, c) to at most `reach` positions from the centre, which stays the centre.

    Example:
      >>> around_center(jnp.zeros((9, 9, 2)), 1).shape, around_center(jnp.zeros((2, 9, 2)), 1).shape
      ((3, 3, 2), (2, 3, 2))
    """
    height, width = x.shape[-3] // 2, x.shape[-2] // 2
    rows = slice(max(height - reach, 0), height + reach + 1)
    return x[..., rows, max(width - reach, 0) : width + reach + 1, :]
