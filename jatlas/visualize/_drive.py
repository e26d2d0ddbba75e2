"""Driving the devices: a batch of icons, of one width, through its steps."""

import collections
import dataclasses
import functools
from typing import NamedTuple

import jax
import numpy as np
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P
from tqdm import tqdm

from jatlas.records import Icons
from jatlas.types import Array, HostArray, Key, Params
from jatlas.visualize import _optimize as optimize
from jatlas.visualize._config import RenderConfig
from jatlas.visualize._optimize import ICONS, Goal, State, Task
from jatlas.visualize._wanted import Wanted

_AHEAD = 2
"""Steps that are dispatched before the first of them is waited for: devices are never idle."""

_SHOWN_EVERY = 16
"""Steps between updates of the cosine that the progress bar shows."""


class Program(NamedTuple):
    """What all icons of a call share; `width` of them are optimized at once.

    Attributes:
      task: what is static.
      config: settings.
      params: of the network, on the devices.
      keys: (3,), of the initial images, of the views, and of the evaluation.
      width: icons at once, on all devices.
    """

    task: Task
    config: RenderConfig
    params: Params
    keys: Key
    width: int


class Batch(NamedTuple):
    """`width` icons on the devices, of which the first `icons` are wanted."""

    goals: Goal
    state: State
    icons: int


def begin(program: Program, wanted: Wanted, restarts: HostArray, *, count: int) -> Batch:
    """Draw the initial images of `width` icons; `restarts` (width,) are their numbers."""
    task = program.task
    wanted, restarts = jax.device_put((wanted, restarts), NamedSharding(task.mesh, P(ICONS)))
    state = optimize.init(task, wanted.ids, restarts, wanted.start, key=program.keys[0])
    return Batch(wanted.goals, state, count)


def advance(
    program: Program, batch: Batch, first: int, last: int, *, bar: tqdm, redirected: int = 0
) -> Batch:
    """Take a batch from one step to another.

    Steps are dispatched one by one, ahead of the devices. A loop inside the program makes the
    gradient of a convolution up to 28 times slower on a CPU (jax issue 12868), and a program of
    one step compiles sooner everywhere.

    Args:
      program: what all icons share.
      batch: the icons; its state is donated.
      first: the step it has come to.
      last: the step to stop at.
      bar: the progress bar.
      redirected: first steps in which gradients are redirected.

    Returns:
      The batch at `last`.
    """
    task, params, steps = program.task, program.params, program.config.steps
    started = dataclasses.replace(task, network=task.network.redirected or task.network)
    goals, state, count = batch
    for_views = program.keys[1]
    dispatched: collections.deque[Array] = collections.deque()
    prepared = functools.cache(
        lambda current: optimize.STEP.prepared(
            current, params, state, goals, first, steps=steps, key=for_views
        )
    )
    for number in range(first, last):
        current = started if number < redirected else task
        state, cosines = prepared(current)(
            current, params, state, goals, number, steps=steps, key=for_views
        )
        dispatched.append(cosines)
        if len(dispatched) > _AHEAD:
            dispatched.popleft().block_until_ready()
            bar.update(count)
        if number % _SHOWN_EVERY == _AHEAD:
            mean = np.asarray(dispatched[0])[:count].mean()
            bar.set_postfix(cosine=f"{mean:.3f}", refresh=False)
    jax.block_until_ready(state)
    bar.update(count * len(dispatched))
    return Batch(goals, state, count)


def scores(program: Program, batch: Batch) -> Array:
    """Return the mean objective of a batch over the fixed views, (width,)."""
    icons, key = batch.state.params, program.keys[2]
    return optimize.scores_in_fixed_views(program.task, program.params, icons, batch.goals, key=key)


def evaluate(program: Program, batch: Batch) -> Icons:
    """Return what has become of the icons of a batch that are wanted."""
    icons, key = batch.state.params, program.keys[2]
    result = optimize.evaluate(program.task, program.params, icons, batch.goals, key=key)
    images, scores, cosines = (np.array(array[: batch.icons]) for array in result)
    return Icons(images=images, scores=scores, cosines=cosines)
