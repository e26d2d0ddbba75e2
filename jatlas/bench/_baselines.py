"""What one would write without vectorization: the same step, an icon at a time."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from jatlas.bench._machine import Times, summary, timed
from jatlas.model import Network
from jatlas.types import Array, HostArray, Key, Params
from jatlas.visualize import RenderConfig
from jatlas.visualize import _optimize as step

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

    It is the renderer's own step, compiled for a single icon and driven from the host as the
    renderer does.

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
    task = step.Task(network, layer, config, Mesh(np.array([device]), (step.ICONS,)))
    advance = functools.partial(step.step, task)
    return _measure(advance, task, params, targets[:1], key=key, repeat=repeat)


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
    task = step.Task(network, layer, config, Mesh(np.array([device]), (step.ICONS,)))

    @functools.partial(jax.jit, donate_argnames="state")
    def advance(
        params: Params, state: step.State, targets: Array, number: int | Array, *, key: Key
    ) -> tuple[step.State, Any]:
        # The optimizer counts steps once for all icons; each has a copy here.
        shared = jax.tree.map(lambda leaf: not leaf.ndim, state)
        count = len(targets)

        def one(item: tuple[step.State, Array]) -> tuple[step.State, Any]:
            own = jax.tree.map(lambda leaf, one: leaf if one else leaf[None], item[0], shared)
            moved, cosines = step.step(task, params, own, item[1][None], number, key=key)
            back = jax.tree.map(lambda leaf, one: leaf if one else leaf[0], moved, shared)
            return back, cosines[0]

        copies = jax.tree.map(
            lambda leaf, one: jnp.broadcast_to(leaf, (count,)) if one else leaf, state, shared
        )
        moved, cosines = jax.lax.map(one, (copies, targets))
        return jax.tree.map(lambda leaf, one: leaf[0] if one else leaf, moved, shared), cosines

    return _measure(advance, task, params, targets, key=key, repeat=repeat)


def _measure(
    advance: Callable[..., tuple[step.State, Any]],
    task: step.Task,
    params: Params,
    targets: HostArray,
    *,
    key: Key,
    repeat: int,
) -> Times:
    """Begin icons, warm up, and measure what one step of one icon takes."""
    device = task.mesh.devices.flat[0]
    params, aims = jax.device_put((params, targets), device)
    numbers = np.arange(len(targets))
    state = step.init(task, numbers, 0 * numbers, key=key)

    def move() -> Any:
        nonlocal state
        for number in range(_CALLS):
            state, cosines = advance(params, state, aims, number, key=key)
        return cosines

    timed(move)
    each = _CALLS * len(targets)
    return summary([timed(move) / each for _ in range(repeat)])
