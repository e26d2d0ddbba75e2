"""What one would write without vectorization: the same step, an icon at a time."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from jatlas.bench._machine import Times, summary, timed
from jatlas.model import Network
from jatlas.types import Array, HostArray, Key, Params
from jatlas.visualize import RenderConfig
from jatlas.visualize import _optimize as step
from jatlas.visualize._chunks import BLOCK

_CALLS = 4


def sequential(
    network: Network,
    params: Params,
    targets: HostArray,
    *,
    layer: str,
    key: Key,
    config: RenderConfig,
    device: jax.Device,
    repeat: int,
) -> Times:
    """Measure icons made one after the other, each by a program for one icon on one device.

    It is the renderer's own step, compiled for a single icon and driven as the renderer does: a
    step at a time on a CPU, 16 in a program elsewhere.

    Args:
      network: the network.
      params: its parameters.
      targets: (n, channels) directions; the first is taken.
      layer: the stage that is looked at.
      key: seeds the icon and its views.
      config: settings.
      device: where to run.
      repeat: repetitions.

    Returns:
      Seconds per icon-step.
    """
    mesh = Mesh(np.array([device]), (step.CELLS,))
    advance = functools.partial(step.advance, layer=layer, config=config, mesh=mesh)
    return _measure(
        advance, network, params, targets[:1], key=key, config=config, mesh=mesh, repeat=repeat
    )


def unvectorized(
    network: Network,
    params: Params,
    targets: HostArray,
    *,
    layer: str,
    key: Key,
    config: RenderConfig,
    device: jax.Device,
    repeat: int,
) -> Times:
    """Measure all icons in one program that has `jax.lax.map` where the renderer has `jax.vmap`.

    One compiled program per step then, as few calls as the renderer makes, on one device; but
    inside it each icon goes through the network alone.

    Args:
      network: the network.
      params: its parameters.
      targets: (n, channels) directions.
      layer: the stage that is looked at.
      key: seeds the icons and their views.
      config: settings.
      device: where to run.
      repeat: repetitions.

    Returns:
      Seconds per icon-step.
    """
    mesh = Mesh(np.array([device]), (step.CELLS,))

    # The optimizer counts its steps once for all icons; those leaves have no axis to map over.
    @functools.partial(jax.jit, static_argnames=("network",), donate_argnames=("state",))
    def advance(
        network: Network, params: Params, state: step.State, targets: Array, keys: Key
    ) -> tuple[step.State, Any]:
        leaves, tree = jax.tree.flatten(state)
        shared = [leaf for leaf in leaves if not leaf.ndim]

        def one(item: tuple[list[Array], Array]) -> tuple[list[Array], Any]:
            own, common = iter(item[0]), iter(shared)
            each = [next(own)[None] if leaf.ndim else next(common) for leaf in leaves]
            moved, seen = step.advance(
                network,
                params,
                jax.tree.unflatten(tree, each),
                item[1][None],
                keys,
                layer=layer,
                config=config,
                mesh=mesh,
            )
            return [x[0] if x.ndim else x for x in jax.tree.leaves(moved)], seen

        moved, seen = jax.lax.map(one, ([leaf for leaf in leaves if leaf.ndim], targets))
        back = [x if leaf.ndim else x[0] for x, leaf in zip(moved, leaves, strict=True)]
        return jax.tree.unflatten(tree, back), seen

    return _measure(
        advance, network, params, targets, key=key, config=config, mesh=mesh, repeat=repeat
    )


def _measure(
    advance: Callable[..., tuple[step.State, Any]],
    network: Network,
    params: Params,
    targets: HostArray,
    *,
    key: Key,
    config: RenderConfig,
    mesh: Mesh,
    repeat: int,
) -> Times:
    """Begin icons, warm up, and measure what one step of one icon takes."""
    device = mesh.devices.flat[0]
    block = 1 if device.platform == "cpu" else BLOCK
    params, aims = jax.device_put((params, targets), device)
    numbers = np.arange(len(targets))
    state = step.begin(numbers, 0 * numbers, key=key, config=config, mesh=mesh)
    keys = jax.device_put(jax.random.split(key, block), device)

    def move() -> Any:
        nonlocal state
        for _ in range(_CALLS):
            state, seen = advance(network, params, state, aims, keys)
        return seen

    timed(move)
    each = _CALLS * block * len(targets)
    return summary([timed(move) / each for _ in range(repeat)])
