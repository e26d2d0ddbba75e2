"""Linear class evidence: how much an activation vector contributes to each class."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from jatlas.model import Network
from jatlas.types import Array, Params, checks


def evidence(
    network: Network, params: Params, activation: Array, position: Array, *, layer: str
) -> Array:
    """Attribute all logits to the activation vector at one position.

    The evidence for class c is h . grad_h logit_c, the change of the logit along h to first
    order. One forward-mode pass gives it for all classes at once: the derivative of the rest of
    the network along a tangent that is h at the position and zero elsewhere. Biases are left
    out, so it does not add up to the logits.

    The gradient of the max-pools after the layer is the network's own: pass
    `jatlas.model.inception_v1(config, relaxed=True)` for the relaxed one of the article, with the
    same parameters and activations. It is not the default, as it is not the gradient of the
    network and gains little: of 1760 places of 88 ImageNet images, at mixed4c, the image's class
    ranked first for 4.6 % instead of 4.3, among the first five for 13.5 % instead of 11.5, and a
    cell's label was the class of 2.3 % of its samples instead of 2.2. The true gradient agrees as
    well with what removing the vector does to the logits, `ablation`: the ranks of the classes
    correlate by 0.81, those of the relaxed one by 0.80 (examples/07_evidence.py).

    A pure function: it works under `jit`, `vmap` and `grad`.

    Args:
      network: the network; its last stage gives the logits.
      params: its parameters.
      activation: (h, w, channels) output of the layer for one image.
      position: (2,) int (row, column).
      layer: name of the layer that the activation is the output of.

    Returns:
      (classes,) float32.

    Raises:
      ValueError: if the network has no such layer, the position is not of whole numbers, or it is
        not in the activation (a traced one is not checked).

    Reference:
      Carter et al., "Activation Atlas", Distill 2019, section on class attribution.

    Example:
      >>> stages = ("pixels", lambda params, x: x), ("logits", lambda params, x: x.sum((-3, -2)))
      >>> network, image = Network(stages=stages), jnp.arange(8.0).reshape(2, 2, 2)
      >>> evidence(network, None, image, jnp.array([1, 0]), layer="pixels").tolist()
      [4.0, 5.0]
    """

    def rest(x: Array) -> Array:
        return network.run(params, x, after=layer)

    row, column = _row_and_column(position, activation)
    tangent = jnp.zeros_like(activation).at[row, column].set(activation[row, column])
    return jax.jvp(rest, (activation,), (tangent,))[1].astype(jnp.float32)


def ablation(
    network: Network, params: Params, activation: Array, position: Array, *, layer: str
) -> Array:
    """Measure how far all logits fall when the vector at one position is set to zero.

    Evidence estimates it to first order; ablation includes the effects that are not linear.

    A pure function: it works under `jit`, `vmap` and `grad`.

    Args:
      network: the network; its last stage gives the logits.
      params: its parameters.
      activation: (h, w, channels) output of the layer for one image.
      position: (2,) int (row, column).
      layer: name of the layer that the activation is the output of.

    Returns:
      (classes,) float32: logits with the vector minus logits without it.

    Raises:
      ValueError: as `evidence`.
    """
    ablated = activation.at[_row_and_column(position, activation)].set(0.0)
    kept, lost = (network.run(params, x, after=layer) for x in (activation, ablated))
    return (kept - lost).astype(jnp.float32)


def _row_and_column(position: Array, activation: Array) -> tuple[Array, Array]:
    """Return a position as an index; JAX would ignore one that is outside."""
    place = jnp.asarray(position)
    height, width = activation.shape[:2]
    expected = f"(row, column) of {height} x {width}"
    if place.shape != (2,) or not jnp.issubdtype(place.dtype, jnp.integer):
        raise ValueError(f"position: expected {expected}, got {place.dtype} {place.shape}")
    if not checks.is_traced(place):
        row, column = place.tolist()
        if not (0 <= row < height and 0 <= column < width):
            raise ValueError(f"position: expected {expected}, got {(row, column)}")
    return place[0], place[1]


class Heat(NamedTuple):
    """Positive and negative evidence of cells for one class, both in [0, 1] on one scale.

    Attributes:
      positive: (...) heat of the cells with positive evidence, 0 for the others.
      negative: (...) heat of the cells with negative evidence, 0 for the others.
    """

    positive: Array
    negative: Array


def class_heat(evidence: Array, *, index: int) -> Heat:
    """Turn the evidence of cells into the heat of one class, for the opacity of their icons.

    Both signs are divided by the largest absolute value among the cells, so they can be compared
    with each other; the original scaled every class by the first one of its list.

    A pure function: it works under `jit`, `vmap` and `grad`.

    Args:
      evidence: (..., classes), of the cells of a grid or of samples.
      index: index of the class; static under `jit`.

    Returns:
      Heat, of the shape of `evidence` without its last axis.

    Raises:
      ValueError: if there is no such class.

    Reference:
      Carter et al. 2019, the class filter of the viewer.

    Example:
      >>> heat = class_heat(jnp.array([[4.0, 0.0], [-2.0, 0.0]]), index=0)
      >>> heat.positive.tolist(), heat.negative.tolist()
      ([1.0, 0.0], [0.0, 0.5])
    """
    last = evidence.shape[-1] - 1
    index = checks.whole("index", index, minimum=0, maximum=last, expected=f"0 to {last}")
    values = jnp.asarray(evidence)[..., index].astype(jnp.float32)
    largest = jnp.abs(values).max(initial=0.0)
    scaled = values / jnp.where(largest > 0, largest, 1.0)
    return Heat(jnp.maximum(scaled, 0.0), jnp.maximum(-scaled, 0.0))
