"""Models of PyTorch, traced by JAX through torchax."""

import functools
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp

from jatlas.model._formats import ActivationFormat, InputFormat
from jatlas.model._network import Network, Tap
from jatlas.model.adapters._adapt import Layers, adapt, tap_output
from jatlas.types import Array, Params


def from_torch(
    model: Any,
    *,
    layers: Layers = None,
    inputs: InputFormat,
    activations: ActivationFormat = ActivationFormat(channels_first=True),
    classes: Sequence[str] = (),
) -> tuple[Network, Params]:
    """Make a network of a PyTorch module, as torchvision's and timm's are.

    PyTorch only describes the computation: torchax turns it into a program of JAX, which is
    compiled for whatever JAX runs on.

    Args:
      model: called with (n, 3, h, w), it gives the logits (n, classes). It is put into evaluation
        mode.
      layers: modules whose outputs are its layers, by their names, such as "layer3.5.relu"; a
        mapping gives each a format; None means all that give one array, once.
      inputs: what images it takes.
      activations: what its activations look like, for layers without a format of their own.
      classes: the name of each logit; empty if unknown.

    Returns:
      The network, and its parameters: a copy of the module's parameters and buffers, by name.

    Raises:
      ImportError: if torch or torchax are not installed, or do not fit each other.
      ValueError: for a layer that the model does not have; the message lists those it has.
    """
    _import_torchax()
    model.eval()
    state = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    params = {name: jnp.array(value.detach().cpu().numpy()) for name, value in state.items()}
    return adapt(
        functools.partial(_run, model),
        params,
        layers,
        inputs=inputs,
        activations=activations,
        classes=classes,
        name=type(model).__name__,
    )


def _import_torchax() -> Any:
    try:
        import torchax
    except AttributeError as error:  # it asks torch for what other versions have
        raise ImportError(f"this torchax does not fit this torch: {error}") from error
    return torchax


def _run(model: Any, params: Params, x: Array, tap: Tap) -> Any:
    import torch

    torchax = _import_torchax()
    environment = torchax.default_env()

    def hook(name: str, module: Any, args: Any, output: Any) -> Any:
        return torchax.interop.torch_view(tap_output(tap, name, torchax.interop.jax_view(output)))

    modules = [(name, module) for name, module in model.named_modules() if name]
    hooks = [
        module.register_forward_hook(functools.partial(hook, name)) for name, module in modules
    ]
    try:
        state, images = torchax.interop.torch_view((params, jnp.moveaxis(x, -1, 1)))
        with environment:
            output = torch.func.functional_call(model, state, (images,))
    finally:
        for each in hooks:
            each.remove()
    return torchax.interop.jax_view(output)
