"""A batch of images to activation vectors and their class evidence.

Extraction and attribution share the forward pass, so they are one jitted function here.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P

from jatlas.collect import _sample as sample
from jatlas.explain import evidence_and_logits
from jatlas.model import Network
from jatlas.types import Array, HostArray, Key, Params
from jatlas.types.programs import Program

IMAGES = "images"
"""The axis of the devices' mesh: each has images of its own."""

_FLOAT16_MAX = float(jnp.finfo(jnp.float16).max)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Extract:
    """What a batch of images gives at one layer.

    Attributes:
      vectors: (b, per_image, channels) float32.
      positions: (b, per_image, 2) int32 of (row, column).
      evidence: (b, per_image, classes) float16.
      moment: (channels, channels) float32 sum over the images of their second moments.
      predicted: (b,) int32 class that the network takes each image for; -1 without classes.
    """

    vectors: Array
    positions: Array
    evidence: Array
    moment: Array
    predicted: Array


@functools.partial(jax.jit, static_argnames=("network", "layers", "per_image"))
def extract(
    network: Network,
    params: Params,
    images: Array | HostArray,
    index: Array | HostArray,
    *,
    layers: tuple[str, ...],
    per_image: int,
    key: Key,
    weight: Array | HostArray | None = None,
) -> dict[str, Extract]:
    """Sample a batch of images at several layers. A pure function.

    Args:
      network: the network.
      params: its parameters.
      images: (b, h, w, 3), uint8 or float in [0, 1].
      index: (b,) int index of each image, on which its positions depend.
      layers: names of the layers.
      per_image: positions per image.
      key: of the collection.
      weight: (b,) weight of each image in the moments, 0 for padding; None means 1.

    Returns:
      An `Extract` by layer.

    Raises:
      ValueError: if the network cannot be run on one such image, or a layer is unknown or has no
        map.
    """
    _, height, width, _ = images.shape
    for layer in layers:  # says clearly which size of images does not fit, once per program
        network.activation_shape(params, (height, width), layer=layer)
    draw = functools.partial(sample.draw_places, key=key, per_image=per_image)
    places = jax.vmap(lambda number: draw(image=number))(index)
    pixels = sample.to_float(jnp.asarray(images))
    run = functools.partial(network.apply, params, layers=layers)
    outputs = jax.vmap(run)(pixels)
    weights = jnp.ones(len(images)) if weight is None else weight

    def at(layer: str, activation: Array) -> Extract:
        _, height, width, _ = activation.shape
        positions = sample.grid_positions(places, height=height, width=width)

        def explain(image: Array, positions: Array) -> tuple[Array, Array]:
            # The pass that computes it is the same as the one above, and is compiled to one.
            one = functools.partial(evidence_and_logits, network, params, image, layer=layer)
            found, logits = jax.vmap(one, out_axes=(0, None))(positions)
            # Clipped: what is beyond float16, which no known network comes near, stays finite.
            return jnp.clip(found, -_FLOAT16_MAX, _FLOAT16_MAX), logits

        wide = activation.astype(jnp.float32)  # whatever the network computes in
        moments = jax.vmap(sample.interior_moment)(wide)
        evidence, logits = jax.vmap(explain)(pixels, positions)
        return Extract(
            vectors=jax.vmap(sample.pick)(wide, positions),
            positions=positions,
            evidence=evidence.astype(jnp.float16),
            moment=(weights[:, None, None] * moments).sum(0),
            predicted=_predicted(logits),
        )

    return {layer: at(layer, outputs.activations[layer]) for layer in layers}


@functools.partial(jax.jit, static_argnames=("mesh", "network", "layers", "per_image"))
def extract_shares(
    mesh: Mesh,
    network: Network,
    params: Params,
    images: Array | HostArray,
    index: Array | HostArray,
    weight: Array | HostArray,
    *,
    layers: tuple[str, ...],
    per_image: int,
    key: Key,
) -> dict[str, Extract]:
    """Sample a batch of images as `extract` does, each device its share of them.

    The devices exchange nothing: their moments are not added up. A pure function.

    Args:
      mesh: the devices, along `IMAGES`.
      network: the network.
      params: its parameters, on each device.
      images: (b, h, w, 3), uint8 or float in [0, 1]; sharded.
      index: (b,) int index of each image; sharded.
      weight: (b,) weight of each image in the moments; sharded.
      layers: names of the layers.
      per_image: positions per image.
      key: of the collection, on each device.

    Returns:
      An `Extract` by layer, sharded, with a moment of each device: (devices, channels, channels).

    Raises:
      ValueError: as `extract`.
    """

    def share(params: Params, key: Key, *batch: Array) -> dict[str, Extract]:
        images, index, weight = batch
        found = extract(
            network, params, images, index,
            layers=layers, per_image=per_image, key=key, weight=weight,
        )  # fmt: skip
        return {
            layer: dataclasses.replace(each, moment=each.moment[None])
            for layer, each in found.items()
        }

    own = P(IMAGES)
    return jax.shard_map(
        share,
        mesh=mesh,
        in_specs=(P(), P(), own, own, own),
        out_specs=own,
        check_vma=False,  # a network may do what it has no rule for
    )(params, key, *(jnp.asarray(each) for each in (images, index, weight)))


def _results_of_shares(*, layers: tuple[str, ...], **_: Any) -> dict[str, Any]:
    leaves: dict[str, Any] = {field.name: 0 for field in dataclasses.fields(Extract)}
    return {layer: Extract(**leaves) for layer in layers}


EXTRACT_SHARES = Program(
    extract_shares,
    static=("mesh", "network", "layers", "per_image"),
    results=_results_of_shares,
)


def _predicted(logits: Array) -> Array:
    if not logits.shape[-1]:
        return jnp.full(len(logits), -1, jnp.int32)
    return jnp.argmax(logits, axis=-1).astype(jnp.int32)
