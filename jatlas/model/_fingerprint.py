"""The identity of a network: its names, its weights and its code."""

import functools
import hashlib
import re
from collections.abc import Callable, Generator, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jatlas.model._checkpoint import digest
from jatlas.model._network import Network
from jatlas.model._shapes import abstract
from jatlas.types import Array, Params

# Addresses of functions, and the colours in which JAX prints to a terminal or a notebook.
_NOISE = re.compile(r"\b0x[0-9a-f]+|\x1b\[[0-9;]*m")


def fingerprint(network: Network, params: Params, *, weights_sha256: str | None = None) -> str:
    """Return a digest of everything that decides what a network computes.

    It covers the network's name, version and layer names, its weights, and its code: for one
    image of `input_size`, the traced program (jaxpr) of every stage, or of `forward`, and of its
    gradient, with the arrays that the program holds. So an edited stage, another config or another
    gradient rule give another fingerprint, and the same code gives the same one in another
    process. Programs are those of the installed version of JAX, so another version may give
    another fingerprint.

    Args:
      network: the network.
      params: its parameters.
      weights_sha256: `digest(params)`, if it is known. It takes as long as reading all parameters.

    Returns:
      The sha256, in hex.

    Raises:
      ValueError: if the network cannot be run on images of `input_size`.

    Example:
      >>> double, triple = lambda params, x: 2 * x, lambda params, x: 3 * x
      >>> first, second = (Network(stages=(("scale", f),)) for f in (double, triple))
      >>> fingerprint(first, {}) == fingerprint(second, {})
      False
    """
    sha = hashlib.sha256()
    kind = "with logits" if network.has_logits else "without logits"
    for text in (network.name, network.version, kind, *network.layers):
        sha.update(f"{text}\n".encode())
    sha.update((weights_sha256 or digest(params)).encode())
    sha.update(_code_digest(network, *abstract(params)).encode())
    return sha.hexdigest()


@functools.lru_cache(maxsize=64)  # the weights change more often than the code
def _code_digest(network: Network, tree: Any, leaves: tuple[jax.ShapeDtypeStruct, ...]) -> str:
    params = jax.tree.unflatten(tree, leaves)
    sha = hashlib.sha256()
    for variant in (network, network.redirected):
        for part in () if variant is None else _programs(variant, params):
            sha.update(part)
    return sha.hexdigest()


def _programs(network: Network, params: Params) -> Iterator[bytes]:
    """Yield what identifies the programs of a network."""
    side = network.input_size
    if network.forward is not None:
        images = jax.ShapeDtypeStruct((1, side, side, 3), jnp.float32)
        yield from _program(functools.partial(_every_layer, network), params, images)
        return
    x: Any = jax.ShapeDtypeStruct((side, side, 3), jnp.float32)
    centers = dict(network.centers)
    for name, stage in network.stages:
        after = yield from _program(stage, params, x)
        if name in centers:
            yield from _program(centers[name], params, x)
        x = after


def _every_layer(network: Network, params: Params, images: Array) -> tuple[dict[str, Array], Any]:
    """Return all that a forward function computes, so that its layers decide the program too."""
    found: dict[str, Array] = {}

    def tap(name: str, x: Array) -> Array:
        found[name] = x
        return x

    assert network.forward is not None
    logits = network.forward(params, images, tap)
    return found, logits


def _program(
    function: Callable[[Params, Any], Any], params: Params, x: Any
) -> Generator[bytes, None, Any]:
    """Yield what identifies a function's programs, and return the shape of what it computes."""

    def pull_back(params: Params, x: Array) -> Any:
        value, gradient = jax.vjp(lambda x: function(params, x), x)
        return value, gradient(jax.tree.map(jnp.ones_like, value))

    # In the program of the value, the rule of a custom gradient is only a name.
    try:
        program, (after, _) = jax.make_jaxpr(pull_back, return_shape=True)(params, x)
    except Exception:  # it has no gradient: a while loop, integers
        program, after = jax.make_jaxpr(function, return_shape=True)(params, x)
    yield from _content(program)
    return after


def _content(program: Any) -> Iterator[bytes]:
    yield _NOISE.sub("", str(program)).encode()
    for value in _arrays(program):
        array = np.asarray(value)
        yield f"{array.shape} {array.dtype}\n".encode()
        yield np.ascontiguousarray(array).tobytes()


def _arrays(item: Any) -> Iterator[Any]:
    """Yield the arrays that a jaxpr holds, of which its text says no more than the shape."""
    if isinstance(item, (np.ndarray, jax.Array)) and not isinstance(item, jax.core.Tracer):
        yield item
    elif isinstance(item, (tuple, list)):
        for element in item:
            yield from _arrays(element)
    elif hasattr(item, "eqns"):
        yield from _arrays(getattr(item, "consts", ()))  # an open jaxpr of JAX before 0.12 has none
        for equation in item.eqns:
            yield from _arrays([getattr(variable, "val", None) for variable in equation.invars])
            yield from _arrays(list(equation.params.values()))
