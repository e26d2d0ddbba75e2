"""The program of an optimization step, to measure and count in."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from jatlas.model import Network
from jatlas.types import Array, HostArray, Key, Params, Run, as_key
from jatlas.visualize import _optimize as optimize
from jatlas.visualize._config import RenderConfig
from jatlas.visualize._halving import restarts_at_once
from jatlas.visualize._render import default_chunk, plan
from jatlas.visualize._wanted import make_goals


class LoweredStep(NamedTuple):
    """The program in which `render` makes one optimization step of a chunk of icons.

    Attributes:
      program: the lowered program; `compile()` compiles it.
      devices: what it runs on.
      icons: number of icons on all devices together, padding included.
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
    references: Array | HostArray | None = None,
    run: Run | None = None,
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
      references: (n, ...) what the objective compares each icon with, if it does.
      run: how to run; only `chunk` matters.
      devices: what icons are sharded over; None means `jax.local_devices()`.

    Returns:
      LoweredStep.

    Raises:
      ValueError: for targets or references that do not fit the layer, or an unknown layer.

    Example:
      >>> network = Network(stages=(("colors", lambda params, x: x),))
      >>> step = lower_step(network, {}, np.eye(3), layer="colors", key=jax.random.key(0))
      >>> step.icons
      3
    """
    config, chunk, key = config or RenderConfig(), (run or Run()).chunk, as_key(key)
    side, devices = config.views.size, list(devices or jax.local_devices())
    shape = network.activation_shape(params, (side, side), layer=layer)
    goals = make_goals(config, targets, references, shape=shape)
    if chunk is None:
        chunk = default_chunk(network, params, layer=layer, config=config, devices=devices)
    mesh, width = plan(
        len(goals.target) * restarts_at_once(config), chunk, devices, group=config.group
    )
    task = optimize.Task(network, layer, config, mesh)

    def abstract(tree: Any, spec: P) -> Any:
        sharding = NamedSharding(mesh, spec)
        return jax.tree.map(
            lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding), tree
        )

    numbers = np.arange(width)
    state = jax.eval_shape(lambda key: optimize.init(task, numbers, numbers, key=key), key)
    repeated = jax.tree.map(lambda x: np.resize(x, (width, *x.shape[1:])), goals)
    params, key = abstract((params, key), P())
    # The optimizer's counts are scalars, which have no axis of icons.
    state = jax.tree.map(lambda x: abstract(x, P(optimize.ICONS) if x.ndim else P()), state)
    repeated = abstract(repeated, P(optimize.ICONS))
    program = optimize.step.lower(task, params, state, repeated, 0, steps=config.steps, key=key)
    return LoweredStep(program, tuple(mesh.devices.flatten()), width)
