"""Stages of a `Network` from the parts of a Flax module."""

from collections.abc import Callable

from flax import nnx

from jatlas.model._network import Stage
from jatlas.types import Array, Params


def merged(
    model: nnx.Module,
    name: str,
    apply: Callable[..., Array] = lambda module, x: module(x),
) -> Stage:
    """Return the stage that applies a part of a model to the parameters of that name.

    Args:
      model: its parameters may be abstract: those that the stage is given take their place.
      name: the attribute of the model that is the part.
      apply: called with the part and the input of the stage.
    """
    graph, _ = nnx.split(getattr(model, name))

    def stage(params: Params, x: Array) -> Array:
        return apply(nnx.merge(graph, params[name]), x)

    return stage


def without_params(function: Callable[[Array], Array]) -> Stage:
    """Return the stage that applies a function and has no parameters."""

    def stage(params: Params, x: Array) -> Array:
        del params
        return function(x)

    return stage
