"""Successive halving: of an icon's restarts, the better half goes on."""

import jax
import numpy as np
from tqdm import tqdm

from jatlas.records import Icons
from jatlas.types import HostArray
from jatlas.visualize import _optimize as optimize
from jatlas.visualize._config import RenderConfig
from jatlas.visualize._drive import Batch, Program, advance, begin, evaluate, scores
from jatlas.visualize._wanted import Wanted


def restarts_at_once(config: RenderConfig) -> int:
    """Return how many restarts of an icon share a batch: with halving, one."""
    return 1 if len(config.legs()) > 1 else config.restarts


def halved(program: Program, wanted: Wanted, *, bar: tqdm) -> Icons:
    """Optimize icons from several initial images, of which fewer and fewer go on.

    Every restart has a batch of its own, so that an icon's restarts are on one device, and a batch
    is as full after a halving as before.

    Args:
      program: what all icons share.
      wanted: the icons, at most `width`.
      bar: the progress bar.

    Returns:
      Icons: of each the restart with the best score in fixed views of those that are left.

    Reference:
      Jamieson and Talwalkar 2016, "Non-stochastic best arm identification and hyperparameter
      optimization".
    """
    count = len(wanted.ids)
    # The last icon is repeated, so that every batch has the same shape.
    wanted = wanted.take(np.minimum(np.arange(program.width), count - 1))
    batches = [
        begin(program, wanted, np.full(program.width, number), count=count)
        for number in range(program.config.restarts)
    ]
    first = 0
    for last, alive in program.config.legs():
        if alive < len(batches):
            batches = _better(program, batches, alive)
        batches = [advance(program, batch, first, last, bar=bar) for batch in batches]
        first = last
    icons = [evaluate(program, batch) for batch in batches]
    rows = ranked(np.stack([each.scores for each in icons]))[0], np.arange(count)
    return jax.tree.map(lambda *fields: np.stack(fields)[rows], *icons)


def _better(program: Program, batches: list[Batch], alive: int) -> list[Batch]:
    """Keep the better restarts of each icon."""
    order = ranked(np.stack([scores(program, batch) for batch in batches]))[:alive]
    states = optimize.pick(program.task, tuple(batch.state for batch in batches), order)
    return [batches[0]._replace(state=state) for state in states]


def ranked(scores: HostArray) -> HostArray:
    """Return the order of restarts, best first: (restarts, n) -> (restarts, n).

    Those whose score is not finite come last.
    """
    return np.argsort(-np.where(np.isfinite(scores), scores, -np.inf), axis=0, kind="stable")
