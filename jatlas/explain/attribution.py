"""Linear class evidence: how much an activation vector speaks for each class."""

import jax
import jax.numpy as jnp

from jatlas.model.network import Network
from jatlas.types import Array, Params


def evidence(
    network: Network, params: Params, activation: Array, position: Array, *, layer: str
) -> Array:
    """Attribute all logits to the activation vector at one position.

    The evidence of class c is h . grad_h logit_c, the change of the logit along h to first
    order. One forward-mode pass gives it for all classes at once: the derivative of the rest of
    the network along a tangent that is h at the position and zero elsewhere. Biases are left
    out, so it does not add up to the logits.

    Args:
      network: the network; its last stage gives the logits.
      params: its parameters.
      activation: (h, w, channels) of the layer.
      position: (2,) int (row, column).
      layer: the stage the activation is of.

    Returns:
      (classes,) float32.

    Reference:
      Carter et al., "Activation Atlas", Distill 2019, section on class attribution.
    """

    def rest(x: Array) -> Array:
        return network.run(params, x, after=layer)

    row, column = position[0], position[1]
    tangent = jnp.zeros_like(activation).at[row, column].set(activation[row, column])
    return jax.jvp(rest, (activation,), (tangent,))[1]
