"""Models of Flax Linen."""

import functools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from jatlas.model._formats import ActivationFormat, InputFormat
from jatlas.model._network import Network, Tap
from jatlas.model.adapters._adapt import Layers, adapt, tap_output
from jatlas.types import Array, Params

if TYPE_CHECKING:
    from flax import linen


def from_linen(
    module: "linen.Module",
    variables: Params,
    *,
    layers: Layers = None,
    inputs: InputFormat,
    arguments: Mapping[str, Any] | None = None,
    activations: ActivationFormat = ActivationFormat(),
    classes: Sequence[str] = (),
) -> tuple[Network, Params]:
    """Make a network of a Flax Linen module.

    Args:
      module: called with (n, h, w, 3), it gives the logits (n, classes).
      variables: what `module.init` returns, trained.
      layers: submodules whose outputs are its layers, by their paths, such as
        "ResNetBlock_3/Conv_0"; a mapping gives each a format; None means all that give one array,
        once.
      inputs: what images it takes.
      arguments: keyword arguments of the call, such as `{"train": False}`.
      activations: what its activations look like, for layers without a format of their own.
      classes: the name of each logit; empty if unknown.

    Returns:
      The network, and its parameters: the variables.

    Raises:
      ValueError: for a layer that the module does not have; the message lists those it has.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from flax import linen
      >>> module = linen.Sequential([linen.Dense(2), lambda x: x.mean((1, 2))])
      >>> variables = module.init(jax.random.key(0), jnp.zeros((1, 8, 8, 3)))
      >>> network, _ = from_linen(module, variables, inputs=InputFormat(size=8))
      >>> network.layers
      ('layers_0',)
    """
    return adapt(
        functools.partial(_run, module, dict(arguments or {})),
        variables,
        layers,
        inputs=inputs,
        activations=activations,
        classes=classes,
        name=type(module).__name__,
    )


def _run(
    module: "linen.Module", arguments: dict[str, Any], variables: Params, x: Array, tap: Tap
) -> Any:
    from flax import linen

    def intercept(call: Any, args: Any, kwargs: Any, context: Any) -> Any:
        output = call(*args, **kwargs)
        path = "/".join(context.module.path)
        if not path or context.method_name != "__call__":
            return output
        return tap_output(tap, path, output)

    with linen.intercept_methods(intercept):
        return module.apply(variables, x, **arguments)
