"""Linear class evidence: how much an activation vector contributes to each class."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from jatlas.model import Network, Outputs
from jatlas.types import Array, Params, checks


def evidence(
    network: Network, params: Params, image: Array, position: Array, *, layer: str
) -> Array:
    """Attribute all logits to the activation vector at one position.

    The evidence for class c is h . grad_h logit_c, the change of the logit along h to first
    order. One forward-mode pass gives it for all classes at once: the derivative of the logits
    with respect to a probe of the layer, along a tangent that is h at the position and zero
    elsewhere. Nothing before the layer is differentiated. Biases are left out, so it does not add
    up to the logits. Where all that follows sees the vector through a layer norm, which ignores its
    length, there is no evidence: late in a transformer, say. A result below the rounding error of
    the logits in every class is 0.

    The gradient of the max-pools after the layer is the network's own: pass
    `jatlas.model.inception_v1(config, relaxed=True)` for the relaxed one of the article, with the
    same parameters. What removing the vector does to the logits is `ablation`, which takes as long.
    docs/evidence.md compares them with others: none says more about an image's class everywhere.

    A pure function: it works under `jit`, `vmap` and `grad`. Over many positions of one image,
    `vmap` runs the network once and only the derivatives many times.

    Args:
      network: the network.
      params: its parameters.
      image: (h, w, 3) in [0, 1].
      position: (2,) int (row, column) of the layer.
      layer: name of the layer.

    Returns:
      (classes,) float32; (0,) if the network has no logits.

    Raises:
      ValueError: if the network has no such layer, the position is not of whole numbers, or it is
        not in the layer (a traced one is not checked).

    Reference:
      Carter et al., "Activation Atlas", Distill 2019, section on class attribution.

    Example:
      >>> stages = ("pixels", lambda params, x: x), ("logits", lambda params, x: x.sum((-3, -2)))
      >>> network, image = Network(stages=stages), jnp.arange(12.0).reshape(2, 2, 3)
      >>> evidence(network, None, image, jnp.array([1, 0]), layer="pixels").tolist()
      [6.0, 7.0, 8.0]
    """
    return evidence_and_logits(network, params, image, position, layer=layer)[0]


def evidence_and_logits(
    network: Network, params: Params, image: Array, position: Array, *, layer: str
) -> tuple[Array, Array]:
    """Return `evidence`, and the logits of the image, which the same pass computes.

    A pure function: it works under `jit`, `vmap` and `grad`. Over many positions of one image the
    logits are the same: `jax.vmap(..., out_axes=(0, None))` returns them once.

    Args:
      network: as for `evidence`.
      params: as for `evidence`.
      image: as for `evidence`.
      position: as for `evidence`.
      layer: as for `evidence`.

    Returns:
      (classes,) float32 evidence, and (classes,) logits; (0,) each if the network has no logits.

    Raises:
      ValueError: as `evidence`.
    """
    height, width = image.shape[:2]
    shape = network.activation_shape(params, (height, width), layer=layer)

    def probed(probe: Array) -> tuple[Array, Array]:
        outputs = network.apply(params, image, layers=(layer,), probes={layer: probe})
        return _scores(outputs), outputs.activations[layer]

    nothing = jnp.zeros(shape)
    logits, derivative, activation = jax.linearize(probed, nothing, has_aux=True)
    where = _row_and_column(position, shape)
    tangent = nothing.at[where].set(activation[where].astype(nothing.dtype))
    change = derivative(tangent).astype(jnp.float32)
    rounding = jnp.finfo(jnp.float32).eps * jnp.abs(logits).max(initial=0).astype(jnp.float32)
    return jnp.where(jnp.abs(change).max(initial=0) > rounding, change, 0), logits


def ablation(
    network: Network,
    params: Params,
    image: Array,
    position: Array,
    *,
    layer: str,
    base: Array | None = None,
) -> Array:
    """Measure how far all logits fall when the vector at one position is replaced.

    Evidence estimates it to first order; ablation includes the effects that are not linear.

    A pure function: it works under `jit`, `vmap` and `grad`.

    Args:
      network: the network.
      params: its parameters.
      image: (h, w, 3) in [0, 1].
      position: (2,) int (row, column) of the layer.
      layer: name of the layer.
      base: (channels,) what takes its place, such as the mean of the layer; None means zero.

    Returns:
      (classes,) float32: logits with the vector minus logits without it.

    Raises:
      ValueError: as `evidence`, and if the base is not (channels,).

    Example:
      >>> stages = ("pixels", lambda params, x: x), ("logits", lambda params, x: x.sum((-3, -2)))
      >>> network, image = Network(stages=stages), jnp.arange(12.0).reshape(2, 2, 3)
      >>> at = jnp.array([1, 0])
      >>> ablation(network, None, image, at, layer="pixels", base=jnp.full(3, 5.0)).tolist()
      [1.0, 2.0, 3.0]
    """
    whole = network.apply(params, image, layers=(layer,))
    activation = whole.activations[layer]
    where = _row_and_column(position, activation.shape)
    vector = activation[where]
    other = jnp.zeros_like(vector) if base is None else jnp.asarray(base).astype(vector.dtype)
    if other.shape != vector.shape:
        raise ValueError(f"base: expected {vector.size} channels, got shape {other.shape}")
    probe = jnp.zeros_like(activation).at[where].set(other - vector)
    without = network.apply(params, image, probes={layer: probe})
    return (_scores(whole) - _scores(without)).astype(jnp.float32)


def _scores(outputs: Outputs) -> Array:
    """Return the logits, of no class if the network has none."""
    return jnp.zeros(0) if outputs.logits is None else outputs.logits


def _row_and_column(position: Array, shape: tuple[int, ...]) -> tuple[Array, Array]:
    """Return a position as an index; JAX would ignore one that is outside."""
    place = jnp.asarray(position)
    height, width = shape[:2]
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
