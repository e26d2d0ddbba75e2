"""The icons that are wanted: arguments of `render`, checked."""

from typing import Any, NamedTuple

import jax
import numpy as np

from jatlas.types import Array, HostArray
from jatlas.visualize._config import RenderConfig
from jatlas.visualize._start import check_start


class Goal(NamedTuple):
    """What icons are optimized for.

    Attributes:
      target: (n, ...) targets of the objective.
      references: (n, ...) what it made of their references; None if it has none.
    """

    target: Any
    references: Any = None


class Wanted(NamedTuple):
    """Icons, each with its own.

    Attributes:
      goals: what they are optimized for.
      ids: (n,) what their randomness depends on.
      start: (n, size, size, 3) images they begin as; None for random ones.
    """

    goals: Goal
    ids: HostArray
    start: HostArray | None

    def take(self, rows: slice | HostArray) -> "Wanted":
        """Return some of them."""
        chosen: Wanted = jax.tree.map(lambda leaf: leaf[rows], self)
        return chosen


def check_wanted(
    config: RenderConfig,
    goals: Goal,
    ids: Array | HostArray | None,
    start: Array | HostArray | None,
    *,
    chunk: int | None,
) -> Wanted:
    """Check ids and starts, and whether groups come out even.

    Raises:
      ValueError: for what does not fit the goals.
    """
    count = len(goals.target)
    numbers = np.arange(count) if ids is None else np.asarray(ids)
    if numbers.shape != (count,) or not np.issubdtype(numbers.dtype, np.integer):
        raise ValueError(
            f"ids: expected {count} whole numbers, got {numbers.dtype} {numbers.shape}"
        )
    if count % config.group or (chunk is not None and chunk % config.group):
        raise ValueError(
            f"group: expected targets and chunk in multiples of {config.group}, got "
            f"{count} and {chunk}"
        )
    return Wanted(goals, numbers, check_start(config, start, count=count))


def make_goals(
    config: RenderConfig,
    targets: Array | HostArray,
    references: Array | HostArray | None,
    *,
    shape: tuple[int, ...],
) -> Goal:
    """Check targets and references, and return what the objective makes of them.

    Raises:
      ValueError: for what does not fit the layer, whose activation has `shape`, or the targets.
    """
    objective = config.objective
    table = objective.targets(targets, shape=shape)
    if references is None:
        if objective.needs_references:
            raise ValueError(f"references: expected some for {objective}, got none")
        return Goal(table)
    found = objective.references(references, shape=shape)
    if len(found) != len(table):
        raise ValueError(f"references: expected those of {len(table)} icons, got {len(found)}")
    return Goal(table, found)
