"""Models of Keras 3, with JAX as its backend."""

import functools
from collections.abc import Sequence
from typing import Any

from jatlas.model._formats import ActivationFormat, InputFormat
from jatlas.model._network import Network, Tap
from jatlas.model.adapters._adapt import Layers, adapt, tap_output
from jatlas.types import Array, Params


def from_keras(
    model: Any,
    *,
    layers: Layers = None,
    inputs: InputFormat,
    activations: ActivationFormat = ActivationFormat(),
    classes: Sequence[str] = (),
) -> tuple[Network, Params]:
    """Make a network of a functional or sequential Keras model.

    Args:
      model: it takes (n, h, w, 3) and gives the logits (n, classes): build it with
        `classifier_activation=None`, since probabilities are no logits. It is run in inference
        mode; the model itself is left as it is.
      layers: names of the Keras layers that are its layers; a mapping gives each a format; None
        means all that give one array, once.
      inputs: what images it takes.
      activations: what its activations look like, for layers without a format of their own.
      classes: the name of each logit; empty if unknown.

    Returns:
      The network, and its parameters: the values of the model's variables.

    Raises:
      ImportError: if Keras is not installed.
      ValueError: if Keras has another backend than JAX, the model is not functional, or it has no
        such layer; the message lists those it has.
    """
    import keras

    if keras.config.backend() != "jax":
        raise ValueError(
            f"model: expected one of Keras with JAX as its backend, got {keras.config.backend()}: "
            "set KERAS_BACKEND=jax before Keras is imported"
        )
    if not isinstance(model, keras.Model) or not hasattr(model, "operations"):
        raise ValueError(f"model: expected a functional Keras model, got {type(model).__name__}")
    taps = _Taps()
    tapped = keras.models.clone_model(
        model,
        clone_function=lambda layer: layer,  # the same layers with the same variables
        call_function=functools.partial(_call, keras, taps),
    )
    params = {
        "trainable": [variable.value for variable in model.trainable_variables],
        "other": [variable.value for variable in model.non_trainable_variables],
    }
    return adapt(
        functools.partial(_run, tapped, taps),
        params,
        layers,
        inputs=inputs,
        activations=activations,
        classes=classes,
        name=model.name,
    )


class _Taps:
    """The tap of the trace that is under way; none while Keras builds its graph."""

    tap: Tap | None = None


def _call(keras: Any, taps: _Taps, layer: Any, *args: Any, **kwargs: Any) -> Any:
    """Call a layer in the graph, and tap what it gives."""

    def tapped(x: Array) -> Any:
        return x if taps.tap is None else tap_output(taps.tap, layer.name, x)

    output = layer(*args, **kwargs)
    if not isinstance(output, keras.KerasTensor):
        return output
    # A lambda layer would be saved with the model, but nobody saves this one.
    return keras.layers.Lambda(tapped, output_shape=output.shape[1:])(output)


def _run(model: Any, taps: _Taps, params: Params, x: Array, tap: Tap) -> Any:
    taps.tap = tap
    try:
        output, _ = model.stateless_call(params["trainable"], params["other"], x, training=False)
    finally:
        taps.tap = None
    return output
