"""Shapes of what a network computes, found without computing it."""

import functools
from typing import Any, Protocol

import jax
import jax.numpy as jnp

from jatlas.types import Array, Params, one_line


class Runnable(Protocol):
    """What is used of a network here; it is hashable."""

    @property
    def name(self) -> str: ...
    @property
    def layers(self) -> tuple[str, ...]: ...
    @property
    def stages(self) -> tuple[Any, ...]: ...
    @property
    def input_size(self) -> int: ...
    def index(self, layer: str) -> int: ...
    def apply(
        self, params: Params, images: Array, *, layers: tuple[str, ...], until: str | None
    ) -> Any: ...


def abstract(params: Params) -> tuple[Any, tuple[jax.ShapeDtypeStruct, ...]]:
    """Return the structure of parameters, and the shapes and dtypes of their arrays.

    Both are hashable, and `jax.tree.unflatten` makes abstract parameters of them.

    Raises:
      ValueError: if something in the parameters is no array.

    Example:
      >>> abstract({"kernel": jnp.zeros((3, 8))})[1]
      (ShapeDtypeStruct(shape=(3, 8), dtype=float32),)
    """
    leaves, tree = jax.tree_util.tree_flatten_with_path(params)
    return tree, tuple(_abstract_leaf(path, leaf) for path, leaf in leaves)


def _abstract_leaf(path: Any, leaf: Any) -> jax.ShapeDtypeStruct:
    if isinstance(leaf, jax.Array | jax.ShapeDtypeStruct):  # keys among them
        return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype)
    try:
        return jax.ShapeDtypeStruct(jnp.shape(leaf), jnp.result_type(leaf))
    except TypeError as error:
        raise ValueError(
            f"params: expected arrays, got {type(leaf).__name__} at "
            f"params{jax.tree_util.keystr(path)}: leave it out, or close the stages over it"
        ) from error


@functools.lru_cache(maxsize=256)  # every render asks, and tracing GoogLeNet takes 0.3 s
def shape_of(
    network: Runnable,
    tree: Any,
    leaves: tuple[jax.ShapeDtypeStruct, ...],
    image: tuple[int, int],
    layer: str | None,
) -> tuple[int, ...] | None:
    """Return the shape of a layer, or of the logits, for an image of (height, width) pixels.

    Args:
      network: the network.
      tree: structure of its parameters, see `abstract`.
      leaves: their shapes.
      image: height and width in pixels.
      layer: the layer; None means the logits.

    Returns:
      (h, w, channels) or (classes,); None if there are no logits.

    Raises:
      ValueError: if the network cannot be run on such an image; the message says why.
    """
    params = jax.tree.unflatten(tree, leaves)
    try:
        return _run_abstractly(network, params, (*image, 3), layer)
    except Exception as error:  # a network may raise anything
        raise ValueError(_diagnosis(network, params, image, layer, error)) from error


def _run_abstractly(
    network: Runnable, params: Params, shape: tuple[int, ...], layer: str | None
) -> tuple[int, ...] | None:
    def run(params: Params, x: Array) -> Any:
        outputs = network.apply(params, x, layers=() if layer is None else (layer,), until=layer)
        return outputs.logits if layer is None else outputs.activations[layer]

    found = jax.eval_shape(run, params, jax.ShapeDtypeStruct(shape, jnp.float32))
    return None if found is None else found.shape


def _diagnosis(
    network: Runnable,
    params: Params,
    image: tuple[int, int],
    layer: str | None,
    error: Exception,
) -> str:
    """Say what cannot be run on one RGB image, and what the network can be run on."""
    height, width = image
    first, reason = "it", one_line(error)
    if network.stages:
        last = len(network.layers) if layer is None else network.index(layer) + 1
        for name in network.layers[:last]:
            try:
                _run_abstractly(network, params, (height, width, 3), name)
            except Exception as cause:
                first, reason = repr(name), one_line(cause)
                break
    what = f"{network.name}: {first} cannot be run on one image of {height} x {width} px"
    side = network.input_size
    for shape, advice in (
        ((1, height, width, 3), "it takes only batches: let each stage take one image too"),
        ((height, width, 1), "it takes one channel, and images are RGB: begin with their mean"),
        ((side, side, 3), f"it takes images of {side} px: set the size of the views to that"),
    ):
        try:
            _run_abstractly(network, params, shape, layer)
        except Exception:
            continue
        return f"{what}: {advice}"
    return f"{what}: {reason}"
