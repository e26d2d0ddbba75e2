"""The program of an optimization step, to measure and count in."""

from collections.abc import Sequence
from typing import NamedTuple

import jax

from jatlas.model import Network
from jatlas.types import Array, HostArray, Key, Params
from jatlas.visualize import _program as program
from jatlas.visualize._config import RenderConfig


class LoweredStep(NamedTuple):
    """The program in which `render` makes one optimization step of a chunk of icons.

    Attributes:
      program: it, lowered; `compile()` compiles it.
      devices: what it runs on.
      icons: how many icons it moves on all devices together, padding included.
    """

    program: jax.stages.Lowered
    devices: tuple[jax.Device, ...]
    icons: int


def lower_step(
    network: Network,
    params: Params,
    targets: Array | HostArray,
    *,
    layer: str,
    key: Key,
    config: RenderConfig | None = None,
    chunk: int | None = None,
    devices: Sequence[jax.Device] | None = None,
) -> LoweredStep:
    """Lower the optimization step that `render` would run with the same arguments.

    Args:
      network: the network.
      params: its parameters.
      targets: (n, ...) target of each icon.
      layer: the stage in which the targets are.
      key: of the icons; only its kind matters.
      config: settings; None means `RenderConfig()`.
      chunk: icons in one program; None lets the renderer choose.
      devices: devices to use; None means all.

    Returns:
      LoweredStep.

    Raises:
      ValueError: for targets that do not fit the layer, or an unknown layer.
    """
    config = RenderConfig() if config is None else config
    side = config.views.size
    shape = network.activation_shape(params, (side, side), layer=layer)
    table = config.objective.targets(targets, shape=shape)
    job = program.Job(network, params, layer, config, key)
    plan = program.plan(job, table, chunk, devices or jax.devices())
    used = tuple(plan.mesh.devices.flatten())
    return LoweredStep(program.lowered(job, table, plan), used, plan.width)
