"""What several test modules share: a network small enough to check laws on."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jatlas.model import Network, Stage

CLASSES = 5


def _conv(x: jax.Array, kernel: jax.Array, *, stride: int) -> jax.Array:
    batch = x.reshape(-1, *x.shape[-3:])
    form = ("NHWC", "HWIO", "NHWC")
    found = jax.lax.conv_general_dilated(
        batch, kernel, (stride, stride), "SAME", dimension_numbers=form
    )
    return found.reshape(*x.shape[:-3], *found.shape[1:])


def _biased(x: jax.Array, bias: jax.Array) -> jax.Array:
    return x + bias.reshape((1,) * (x.ndim - 1) + (-1,))  # ranks are never promoted


def _input(params: Any, x: jax.Array) -> jax.Array:
    del params
    return 4 * x - 2


def _conv1(params: Any, x: jax.Array) -> jax.Array:
    return jax.nn.relu(_biased(_conv(x, params["conv1"], stride=2), params["bias1"]))


def _conv2(params: Any, x: jax.Array) -> jax.Array:
    return jax.nn.softplus(_biased(_conv(x, params["conv2"], stride=1), params["bias2"]))


def _mean(params: Any, x: jax.Array) -> jax.Array:
    del params
    return x.mean((-3, -2))


def _logits(params: Any, x: jax.Array) -> jax.Array:
    return _biased(x @ params["dense"], params["bias"])


STAGES: tuple[tuple[str, Stage], ...] = (
    ("input", _input),
    ("conv1", _conv1),  # 8 channels, half the side
    ("conv2", _conv2),  # 12 channels, the same side; a mean and a product are all that follows
    ("mean", _mean),
    ("logits", _logits),
)
_NETWORK = Network(stages=STAGES, name="tiny", input_size=16)


def tiny_network() -> Network:
    """Return a network of five stages; always the same object, so that it is traced once."""
    return _NETWORK


def tiny_params() -> Any:
    """Return its parameters."""
    rng = np.random.default_rng(7)

    def draw(*shape: int, scale: float) -> jax.Array:
        return jnp.asarray(scale * rng.standard_normal(shape), jnp.float32)

    return {
        "conv1": draw(3, 3, 3, 8, scale=0.3),
        "bias1": draw(8, scale=0.1),
        "conv2": draw(3, 3, 8, 12, scale=0.2),
        "bias2": draw(12, scale=0.1),
        "dense": draw(12, CLASSES, scale=0.5),
        "bias": draw(CLASSES, scale=0.5),
    }


def counting_network() -> tuple[Network, list[tuple[int, ...]]]:
    """Return a fresh tiny network and the list that gets its input's shape at each trace."""
    traces: list[tuple[int, ...]] = []

    def first(params: Any, x: jax.Array) -> jax.Array:
        traces.append(x.shape)
        return _input(params, x)

    return Network(stages=(("input", first), *STAGES[1:]), name="counting"), traces
