"""Linear class evidence: how much an activation vector speaks for each class."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from jatlas.model import Network
from jatlas.types import Array, Params


def evidence(
    network: Network, params: Params, activation: Array, position: Array, *, layer: str
) -> Array:
    """Attribute all logits to the activation vector at one position.

    The evidence of class c is h . grad_h logit_c, the change of the logit along h to first
    order. One forward-mode pass gives it for all classes at once: the derivative of the rest of
    the network along a tangent that is h at the position and zero elsewhere. Biases are left
    out, so it does not add up to the logits.

    The derivative of the max-pools after the layer is the network's own: hand in
    `jatlas.model.inception_v1(config, relaxed=True)` for the relaxed one of the article,
    with the same parameters and activations. It is not the default, as it says something else than
    its name and gains little: of 1760 places of 88 ImageNet images, at mixed4c, the image's class
    came first for 4.6 % in place of 4.3, among the first five for 13.5 % in place of 11.5, and a
    cell's label was that of 2.3 % of its samples in place of 2.2. The true one agrees as well with
    what removing the vector does to the logits, `ablation`: the ranks of the classes correlate by
    0.81, those of the relaxed one by 0.80 (examples/07_evidence.py).

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


def ablation(
    network: Network, params: Params, activation: Array, position: Array, *, layer: str
) -> Array:
    """Measure how far all logits fall when the vector at one position is set to zero.

    It is what evidence estimates to first order; unlike evidence it sees all that is not linear.

    Args:
      network: the network; its last stage gives the logits.
      params: its parameters.
      activation: (h, w, channels) of the layer.
      position: (2,) int (row, column).
      layer: the stage the activation is of.

    Returns:
      (classes,) float32: logits with the vector minus logits without it.
    """
    without = activation.at[position[0], position[1]].set(0.0)
    full, less = (network.run(params, x, after=layer) for x in (activation, without))
    return full - less


class Heat(NamedTuple):
    """How strongly cells speak for and against one class, both in [0, 1] and of one scale.

    Attributes:
      positive: (...) heat of the cells that speak for it, 0 for the others.
      negative: (...) heat of the cells that speak against it, 0 for the others.
    """

    positive: Array
    negative: Array


def class_heat(evidence: Array, *, index: int) -> Heat:
    """Turn the evidence of cells into the heat of one class, for the opacity of their icons.

    Both signs are measured by the largest absolute value among the cells, so they can be compared
    with each other; the original scaled every class by the first one of its list.

    Args:
      evidence: (..., classes), of the cells of a grid or of samples.
      index: of the class.

    Returns:
      Heat, of the shape of `evidence` without its last axis.

    Raises:
      ValueError: if there is no such class.

    Reference:
      Carter et al. 2019, the class filter of the viewer.
    """
    if not 0 <= index < evidence.shape[-1]:
        raise ValueError(f"index: expected 0 to {evidence.shape[-1] - 1}, got {index}")
    values = jnp.asarray(evidence)[..., index].astype(jnp.float32)
    largest = jnp.abs(values).max(initial=0.0)
    scaled = values / jnp.where(largest > 0, largest, 1.0)
    return Heat(jnp.maximum(scaled, 0.0), jnp.maximum(-scaled, 0.0))
