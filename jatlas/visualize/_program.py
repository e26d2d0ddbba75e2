"""The compiled programs that move a chunk of icons on, and how many icons go into one."""

import functools
import logging
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from jatlas.model import Network
from jatlas.types import HostArray, Key, Params
from jatlas.visualize import _chunks as chunks
from jatlas.visualize import _optimize as step
from jatlas.visualize._chunks import BLOCK
from jatlas.visualize._config import RenderConfig

log = logging.getLogger(__name__)

FEWEST = 16
_MANY = 36
"""Positions of a layer from which on half of the fewest icons do: 6 x 6 of mixed4c at 96 px."""


class Job(NamedTuple):
    """What is the same for all chunks."""

    network: Network
    params: Params
    layer: str
    config: RenderConfig
    key: Key


def plan(
    job: Job, targets: HostArray, chunk: int | None, devices: Sequence[jax.Device]
) -> chunks.Spread:
    """Choose how many icons go into a program: as told, or what the compiler says will fit."""
    config = job.config
    unit, rows = config.group, len(targets) * config.attempts
    each = fewest(job)
    spread = functools.partial(chunks.spread, devices=devices, unit=unit, least=each)
    if chunk is not None:
        return spread(min(chunk * config.attempts, rows))

    def needs(icons: int) -> int:
        return _needs(job, targets, spread(icons))

    icons = min(rows, chunks.first_guess(devices))
    least = min(icons, max(each, unit, config.attempts))
    fit, needed = chunks.fitting(icons, needs, device=devices[0], least=least)
    log.debug("%d icons in a program of %.0f MB", fit, needed / 1e6)
    return spread(fit // config.attempts * config.attempts)


def fewest(job: Job) -> int:
    """Return how many icons a device has at least, so that it does not matter how many it has.

    The matrices that a CPU multiplies have a row for each position of each icon: where the layer
    has four times as many positions as in the article's views, half of `FEWEST` icons do. With
    16 icons of 96 px that is 8 on each of 2 devices, which took 9.0 ms per icon-step where 16 on
    one took 12.5 to 17 (mixed4c, 2 cores).
    """
    side = job.config.views.size
    height, width, _ = job.network.activation_shape(job.params, (side, side), layer=job.layer)
    return FEWEST // 2 if height * width >= _MANY else FEWEST


def at_once(job: Job, plan: chunks.Spread) -> int:
    """Return how many steps a program makes.

    One on a CPU, where steps are driven from Python: a loop inside the program makes the gradient
    of a convolution up to 28 times slower there (jax issue 12868). Elsewhere a block.
    """
    return 1 if plan.mesh.devices.flat[0].platform == "cpu" else min(BLOCK, job.config.steps)


def compiled(
    job: Job, targets: HostArray, plan: chunks.Spread, *, steps: int, network: Network | None = None
) -> jax.stages.Compiled:
    """Return the program that moves a chunk by some steps, compiled once.

    Args:
      job: what is rendered; of its parameters only the shapes matter.
      targets: (n, ...); only what follows n matters.
      plan: how the icons lie on the devices.
      steps: that the program makes.
      network: run in place of the job's, such as its redirected one.
    """
    return _compiled(*_signature(job, network or job.network, targets, plan, steps))


def lowered(job: Job, targets: HostArray, plan: chunks.Spread) -> jax.stages.Lowered:
    """Lower the program that moves a chunk by one step, to count in."""
    return _lowered(*_signature(job, job.network, targets, plan, 1))


def _needs(job: Job, targets: HostArray, plan: chunks.Spread) -> int:
    """Compile the program for a chunk and return the bytes it needs on a device."""
    found = compiled(job, targets, plan, steps=at_once(job, plan)).memory_analysis()
    if found is None:  # a device that does not say; it will, if it lacks something
        return 0
    return found.temp_size_in_bytes + found.argument_size_in_bytes + found.output_size_in_bytes


def _signature(
    job: Job, network: Network, targets: HostArray, plan: chunks.Spread, steps: int
) -> tuple[Any, ...]:
    """Return what a program hangs on, all of it hashable."""
    leaves, tree = jax.tree.flatten(job.params)
    shapes = tuple(jax.ShapeDtypeStruct(leaf.shape, leaf.dtype) for leaf in leaves)
    aim = jax.ShapeDtypeStruct(targets.shape[1:], targets.dtype)
    impl = jax.random.key_impl(job.key)
    return network, job.layer, job.config, plan, tree, shapes, aim, steps, impl


# Compiled by hand, as the compiler is to say what the program needs before it runs. Jitted
# functions would compile it a second time.
@functools.lru_cache(maxsize=64)
def _compiled(*signature: Any) -> jax.stages.Compiled:
    return _lowered(*signature).compile()


def _lowered(
    network: Network,
    layer: str,
    config: RenderConfig,
    plan: chunks.Spread,
    tree: Any,
    shapes: tuple[jax.ShapeDtypeStruct, ...],
    aim: jax.ShapeDtypeStruct,
    steps: int,
    key_impl: Any,
) -> jax.stages.Lowered:
    each, all_ = NamedSharding(plan.mesh, P(step.CELLS)), NamedSharding(plan.mesh, P())

    def like(leaf: Any, sharding: NamedSharding) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding)

    numbers = jax.ShapeDtypeStruct((plan.width,), jnp.int32)
    one_key = jax.eval_shape(lambda: jax.random.key(0, impl=key_impl))
    begin = functools.partial(step.begin, config=config, mesh=plan.mesh)
    state = jax.eval_shape(begin, numbers, numbers, key=one_key)
    keys = jax.ShapeDtypeStruct((steps,), one_key.dtype, sharding=all_)
    return step.advance.lower(
        network,
        jax.tree.unflatten(tree, [like(leaf, all_) for leaf in shapes]),
        jax.tree.map(lambda leaf: like(leaf, each if leaf.ndim else all_), state),
        jax.ShapeDtypeStruct((plan.width, *aim.shape), aim.dtype, sharding=each),
        keys,
        layer=layer,
        config=config,
        mesh=plan.mesh,
    )
