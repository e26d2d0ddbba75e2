"""What all adapters share: from a model that can be tapped to a network."""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp

from jatlas.model._formats import ActivationFormat, InputFormat
from jatlas.model._network import Network, Tap
from jatlas.types import Array, Params

Layers: TypeAlias = Sequence[str] | Mapping[str, ActivationFormat] | None
"""Names of layers; with a format for each; or None for all that give one array, once."""

Model: TypeAlias = Callable[[Params, Array, Tap], Any]
"""(params, the model's input (1, h, w, 3), tap for every layer there is) -> logits."""


def adapt(
    model: Model,
    params: Params,
    layers: Layers,
    *,
    inputs: InputFormat,
    activations: ActivationFormat,
    classes: Sequence[str],
    name: str,
) -> tuple[Network, Params]:
    """Return the network of a model, and its parameters.

    Args:
      model: the model; it calls the tap it is given with the name and output of every layer.
      params: its parameters.
      layers: those that the network is to have; None means all that give one array, once.
      inputs: what images it takes.
      activations: what its activations look like, where `layers` does not say.
      classes: the name of each logit; empty if unknown.
      name: what it is called in files and messages.

    Returns:
      The network, whose layers are in order of computation, and `params`.

    Raises:
      ValueError: for a layer that the model does not have; the message lists those it has.
    """
    calls = _calls(model, params, inputs)
    once = [layer for layer in dict.fromkeys(calls) if calls.count(layer) == 1]
    wanted = once if layers is None else list(layers)
    for layer in wanted:
        if layer not in once:
            what = "is called more than once" if layer in calls else "is no layer"
            raise ValueError(f"layers: {layer!r} {what}; those called once: {', '.join(once)}")
    formats = dict.fromkeys(wanted, activations)
    if isinstance(layers, Mapping):
        formats |= layers
    network = Network(
        forward=functools.partial(_forward, model, tuple(formats.items()), inputs),
        taps=tuple(layer for layer in once if layer in formats),
        name=name,
        classes=tuple(classes),
        input_size=inputs.size,
    )
    return network, params


def _forward(
    model: Model,
    formats: tuple[tuple[str, ActivationFormat], ...],
    inputs: InputFormat,
    params: Params,
    images: Array,
    tap: Tap,
) -> Any:
    known = dict(formats)

    def tap_known(name: str, x: Array) -> Array:
        return known[name].tap(tap)(name, x) if name in known else x

    return model(params, inputs(images), tap_known)


def _calls(model: Model, params: Params, inputs: InputFormat) -> list[str]:
    """Return the name of each layer that gives an array, as often as the model calls it."""
    calls: list[str] = []

    def tap(name: str, x: Array) -> Array:
        calls.append(name)
        return x

    image = jax.ShapeDtypeStruct((1, inputs.size, inputs.size, 3), jnp.float32)
    jax.eval_shape(lambda params, x: model(params, inputs(x), tap), params, image)
    return calls


def tap_output(tap: Tap, name: str, output: Any) -> Any:
    """Tap the output of a module: an array, or the first of a tuple; leave others alone."""
    if isinstance(output, tuple) and output and isinstance(output[0], jax.Array):
        return (tap(name, output[0]), *output[1:])
    return tap(name, output) if isinstance(output, jax.Array) else output
