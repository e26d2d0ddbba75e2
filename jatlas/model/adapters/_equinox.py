"""Models of Equinox."""

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax.numpy as jnp

from jatlas.model._formats import ActivationFormat, InputFormat
from jatlas.model._network import Network, Tap
from jatlas.model.adapters._adapt import Layers, adapt, tap_output
from jatlas.types import Array, Params


def from_equinox(
    model: Any,
    *,
    layers: Layers = None,
    inputs: InputFormat,
    call: Callable[[Any, Array], Any] | None = None,
    activations: ActivationFormat = ActivationFormat(channels_first=True),
    classes: Sequence[str] = (),
) -> tuple[Network, Params]:
    """Make a network of an Equinox model.

    Args:
      model: called with one image (3, h, w), it gives the logits (classes,). It is put into
        inference mode; the model itself is left as it is.
      layers: modules whose outputs are its layers, by their paths, such as "layers.3.conv"; a
        mapping gives each a format; None means all that give one array, once.
      inputs: what images it takes.
      call: how the model is called, `call(model, image)`, if it is not `model(image)`: with a key,
        a state, or for one of several results.
      activations: what its activations look like, for layers without a format of their own.
      classes: the name of each logit; empty if unknown.

    Returns:
      The network, and its parameters: the model's arrays.

    Raises:
      ImportError: if Equinox is not installed.
      ValueError: for a layer that the model does not have; the message lists those it has.
    """
    import equinox

    params, static = equinox.partition(equinox.nn.inference_mode(model), equinox.is_array)
    return adapt(
        functools.partial(_run, static, call),
        params,
        layers,
        inputs=inputs,
        activations=activations,
        classes=classes,
        name=type(model).__name__,
    )


def _run(
    static: Any, call: Callable[[Any, Array], Any] | None, params: Params, x: Array, tap: Tap
) -> Any:
    import equinox

    def tap_one(name: str, x: Array) -> Array:
        return tap(name, x[None])[0]  # the model takes one image, a tap a batch

    class Tapped(equinox.Module):
        """A module whose output is tapped."""

        module: Any
        path: str = equinox.field(static=True)

        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            return tap_output(tap_one, self.path, self.module(*args, **kwargs))

        def __getattr__(self, name: str) -> Any:
            return getattr(self.module, name)

    model = equinox.combine(params, static)
    # From the inside outwards: a module is replaced after those that it holds.
    for path in sorted(_paths(model), key=len, reverse=True):
        dotted = ".".join(map(str, path))
        model = equinox.tree_at(
            functools.partial(_at, path), model, replace_fn=functools.partial(Tapped, path=dotted)
        )
    image = jnp.moveaxis(x[0], -1, 0)
    logits = model(image) if call is None else call(model, image)
    return None if logits is None else logits[None]


def _at(path: tuple[Any, ...], model: Any) -> Any:
    for part in path:
        model = model[part] if isinstance(part, int) else getattr(model, part)
    return model


def _paths(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of each module in a model that can be called, but for the model itself."""
    import equinox

    if isinstance(node, equinox.Module):
        if path and callable(node):
            yield path
        parts: Any = ((name, value) for name, value in vars(node).items())
    elif isinstance(node, list | tuple):
        parts = enumerate(node)
    else:
        return
    for name, value in parts:
        yield from _paths(value, (*path, name))
