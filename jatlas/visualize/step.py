"""The programs that run on the devices: begin a chunk of icons, move it one step, look at it.

Icons do not know of each other, so each device has its share of them and runs a program of its
own, and no step has a collective.
"""

import functools
from typing import Any, NamedTuple

import jax
import optax
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P

from jatlas.model.network import Network
from jatlas.types import Array, Key, Params
from jatlas.visualize import parameterize
from jatlas.visualize.config import RenderConfig
from jatlas.visualize.transforms import draw_view, resample

CELLS = "cells"
"""The mesh axis that icons are spread over."""


class State(NamedTuple):
    """What is carried from step to step: spectra (n, 2, 3, h, w // 2 + 1) and Adam's moments."""

    spectra: Array
    optimizer: Any


@functools.partial(jax.jit, static_argnames=("config", "mesh"))
def begin(cells: Array, *, key: Key, config: RenderConfig, mesh: Mesh) -> State:
    """Draw the first spectra of icons.

    Args:
      cells: (n,) int, what each icon's randomness hangs on; n is a multiple of the devices.
      key: of the first spectra.
      config: settings.
      mesh: the devices, along `CELLS`.

    Returns:
      The state, spread over the devices.
    """

    def one(cell: Array) -> Array:
        for_cell = jax.random.fold_in(key, cell)
        return parameterize.init_spectrum(config.icon_size, config.icon_size, key=for_cell)

    draw = jax.shard_map(jax.vmap(one), mesh=mesh, in_specs=P(CELLS), out_specs=P(CELLS))
    spectra = draw(cells)
    return State(spectra, _optimizer(config).init(spectra))


@functools.partial(jax.jit, static_argnames=("config", "mesh"))
def images(spectra: Array, *, config: RenderConfig, mesh: Mesh) -> Array:
    """Turn spectra into images (n, icon_size, icon_size, 3) in (0, 1)."""
    to_image = functools.partial(parameterize.spectrum_to_image, width=config.icon_size)
    return jax.shard_map(jax.vmap(to_image), mesh=mesh, in_specs=P(CELLS), out_specs=P(CELLS))(
        spectra
    )


@functools.partial(
    jax.jit, static_argnames=("network", "layer", "config", "mesh"), donate_argnames=("state",)
)
def advance(
    network: Network,
    params: Params,
    state: State,
    directions: Array,
    *,
    key: Key,
    layer: str,
    config: RenderConfig,
    mesh: Mesh,
) -> tuple[State, Array]:
    """Move icons one step.

    Args:
      network: the network.
      params: its parameters, on every device.
      state: the icons; its buffers are used up.
      directions: (n, channels), spread over the devices as the icons are.
      key: of this step's random view, which all icons share.
      layer: the stage that is to follow the directions.
      config: settings.
      mesh: the devices, along `CELLS`.

    Returns:
      The state after the step, and the objective (n,) of each icon before it.
    """

    def local(params: Params, state: State, directions: Array, key: Key) -> tuple[State, Array]:
        view = draw_view(config.views, key=key)

        def score(spectrum: Array, direction: Array) -> Array:
            canvas = parameterize.spectrum_to_image(spectrum, width=config.icon_size)
            seen = resample(canvas, view, size=config.views.size, fill=config.views.fill)
            activation = network.run(params, seen, until=layer)
            height, width, _ = activation.shape
            return config.objective(activation[height // 2, width // 2], direction)

        def loss(spectra: Array) -> tuple[Array, Array]:
            scores = jax.vmap(score)(spectra, directions)
            return -scores.sum(), scores

        gradient, scores = jax.grad(loss, has_aux=True)(state.spectra)
        updates, optimizer = _optimizer(config).update(gradient, state.optimizer)
        return State(optax.apply_updates(state.spectra, updates), optimizer), scores

    # Adam counts its steps once for all icons; everything else is per icon.
    spread = jax.tree.map(lambda leaf: P(CELLS) if leaf.ndim else P(), state)
    return jax.shard_map(
        local,
        mesh=mesh,
        in_specs=(P(), spread, P(CELLS), P()),
        out_specs=(spread, P(CELLS)),
    )(params, state, directions, key)


def _optimizer(config: RenderConfig) -> optax.GradientTransformation:
    return optax.adam(config.learning_rate)
