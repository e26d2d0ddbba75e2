"""Models of Flax NNX."""

import functools
from collections.abc import Sequence
from typing import Any

from flax import nnx

from jatlas.model._formats import ActivationFormat, InputFormat
from jatlas.model._network import Network, Tap
from jatlas.model.adapters._adapt import Layers, adapt, tap_output
from jatlas.types import Array, Params


def from_nnx(
    model: nnx.Module,
    *,
    layers: Layers = None,
    inputs: InputFormat,
    activations: ActivationFormat = ActivationFormat(),
    classes: Sequence[str] = (),
) -> tuple[Network, Params]:
    """Make a network of a Flax NNX model.

    Args:
      model: called with (n, h, w, 3), it gives the logits (n, classes). It is put into evaluation
        mode; the model itself is left as it is.
      layers: modules whose outputs are its layers, by their paths, such as "blocks.3.conv"; a
        mapping gives each a format; None means all that give one array, once.
      inputs: what images it takes.
      activations: what its activations look like, for layers without a format of their own.
      classes: the name of each logit; empty if unknown.

    Returns:
      The network, and its parameters: the model's state but for random numbers.

    Raises:
      ValueError: for a layer that the model does not have; the message lists those it has.

    Example:
      >>> model = nnx.Linear(3, 2, rngs=nnx.Rngs(0))
      >>> mean = nnx.Sequential(model, lambda x: x.mean((1, 2)))
      >>> network, params = from_nnx(mean, layers=["layers.0"], inputs=InputFormat(size=8))
      >>> network.layers, network.activation_shape(params, (8, 8), layer="layers.0")
      (('layers.0',), (8, 8, 2))
    """
    parts: Any = nnx.split(model, nnx.RngState, ...)
    graph, random, state = parts
    params = nnx.to_pure_dict(state)
    return adapt(
        functools.partial(_run, graph, random),
        params,
        layers,
        inputs=inputs,
        activations=activations,
        classes=classes,
        name=type(model).__name__,
    )


def _run(graph: Any, random: Any, params: Params, x: Array, tap: Tap) -> Any:
    model = nnx.merge(graph, random, params)
    model.eval()
    for path, module in nnx.iter_modules(model):
        if path and callable(module):
            # The copy that was merged lives as long as this trace, so its class can be changed.
            object.__setattr__(module, "_jatlas_tap", (tap, ".".join(map(str, path))))
            module.__class__ = _tapped(type(module))
    return model(x)


@functools.cache
def _tapped(kind: type) -> type:
    """Return a class of modules like another, whose output is tapped."""

    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        tap, path = self._jatlas_tap
        return tap_output(tap, path, kind.__call__(self, *args, **kwargs))

    return type(kind.__name__, (kind,), {"__call__": call, "__module__": kind.__module__})
