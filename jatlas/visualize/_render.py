"""The batched optimisation: one step moves the icons of a whole chunk of cells."""

import logging
from collections.abc import Iterator, Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P
from tqdm import tqdm

from jatlas.model import Network
from jatlas.records import Icons
from jatlas.types import Array, HostArray, Key, Params, Run
from jatlas.visualize import _chunks as chunks
from jatlas.visualize import _optimize as step
from jatlas.visualize import _program as program
from jatlas.visualize._chunks import BLOCK
from jatlas.visualize._config import RenderConfig as RenderConfig

log = logging.getLogger(__name__)

_REDIRECTED = 16
"""Steps for which an icon that is made again has redirected slopes (lucid)."""


def render(
    network: Network,
    params: Params,
    targets: Array | HostArray,
    *,
    layer: str,
    key: Key,
    config: RenderConfig | None = None,
    ids: Array | HostArray | None = None,
    run: Run | None = None,
    devices: Sequence[jax.Device] | None = None,
) -> Icons:
    """Make an icon of each target by feature visualization, all at once.

    Args:
      network: the network to look into.
      params: its parameters.
      targets: what each icon is aimed at: (n, channels) directions in the layer's activation
        space, or what else the objective looks at, (n,) numbers of channels for example.
      layer: the stage that is to follow.
      key: seeds the first images and the random views.
      config: settings; None means `RenderConfig()`.
      cells: (n,) int, what each icon's randomness hangs on; None means 0..n-1. An icon depends
        on its cell number and target, not on the others or their order.
      chunk: icons that are optimized in one program. None asks the compiler what fits: 64 on a
        CPU, up to 1,024 for each other device. The last chunk is filled up with copies, so that
        all have one shape, and no device has fewer than 16, or 8 where the layer has at least 36
        positions. On a CPU the icons of GoogLeNet were bitwise the same for every chunk with JAX
        0.10; with JAX 0.12 the rounding differs by 1e-7 in six steps, which hundreds can make
        visible.
      devices: what the icons of a program are spread over; None means all of `jax.devices()`.
      progress: whether to show a progress bar.

    Returns:
      Icons, in the order of `targets`.

    Raises:
      ValueError: for targets that do not fit the layer, or an unknown layer.
    """
    parts = render_each(
        network,
        params,
        targets,
        layer=layer,
        key=key,
        config=config,
        ids=ids,
        run=run,
        devices=devices,
    )
    return jax.tree.map(lambda *leaves: np.concatenate(leaves), *(icons for _, icons in parts))


def render_each(
    network: Network,
    params: Params,
    targets: Array | HostArray,
    *,
    layer: str,
    key: Key,
    config: RenderConfig | None = None,
    ids: Array | HostArray | None = None,
    run: Run | None = None,
    devices: Sequence[jax.Device] | None = None,
) -> Iterator[tuple[slice, Icons]]:
    """Render as `render` does, and yield each chunk of icons as soon as it is done.

    Yields:
      (which of the targets, their Icons), in order.

    Raises:
      ValueError: as `render`, when the first chunk is asked for.
    """
    config = RenderConfig() if config is None else config
    run = run or Run()
    cells, chunk, progress = ids, run.chunk, run.progress
    side = config.views.size
    shape = network.activation_shape(params, (side, side), layer=layer)
    table = config.objective.targets(targets, shape=shape)
    numbers = np.arange(len(table)) if cells is None else np.asarray(cells)
    _check(table, numbers, config, chunk=chunk)
    job = program.Job(network, params, layer, config, key)
    plan = program.plan(job, table, chunk, devices or jax.devices())
    most = plan.width // config.attempts
    per_chunk = min(most, len(table)) if chunk is None else min(chunk, most)
    starts = range(0, len(table), per_chunk)
    with tqdm(
        total=len(starts) * plan.width * config.steps,
        desc="icons",
        unit="icon-step",
        unit_scale=True,
        disable=not progress,
    ) as bar:
        for start in starts:
            part = slice(start, min(start + per_chunk, len(table)))
            yield part, _render_part(job, table[part], numbers[part], plan, bar=bar)


def _render_part(
    job: program.Job, targets: HostArray, cells: HostArray, plan: chunks.Spread, *, bar: tqdm
) -> Icons:
    """Render some icons: all their attempts at once, and those that failed once more."""
    attempts = job.config.attempts
    rows = np.repeat(np.arange(len(targets)), attempts)
    tries = np.tile(np.arange(attempts), len(targets))
    made = _optimize(job, targets, cells, rows, tries, plan, bar=bar)
    icons = _best(made, rows)
    # Not where the score is not a number: what is wrong there is no matter of luck.
    weak = np.flatnonzero((icons.cosines <= job.config.retry_below) & np.isfinite(icons.scores))
    if not len(weak) or job.config.group > 1:
        return icons
    log.info("%d icons do not follow their direction: once more", len(weak))
    most = plan.width
    bar.total = (bar.total or 0) + plan.width * job.config.steps * -(-len(weak) // most)
    for begin in range(0, len(weak), most):
        some = weak[begin : begin + most]
        again = _optimize(
            job, targets, cells, some, np.full(len(some), attempts), plan, bar=bar, redirected=True
        )
        better = again.scores > icons.scores[some]
        for field, new in zip(jax.tree.leaves(icons), jax.tree.leaves(again), strict=True):
            field[some[better]] = new[better]
    return icons


def _best(made: Icons, rows: HostArray) -> Icons:
    """Keep of each target the attempt with the best score."""
    attempts = len(rows) // (rows[-1] + 1)
    scores = np.where(np.isfinite(made.scores), made.scores, -np.inf).reshape(-1, attempts)
    best = scores.argmax(1) + np.arange(0, len(rows), attempts)
    return jax.tree.map(lambda field: field[best], made)


def _optimize(
    job: program.Job,
    targets: HostArray,
    cells: HostArray,
    rows: HostArray,
    tries: HostArray,
    plan: chunks.Spread,
    *,
    bar: tqdm,
    redirected: bool = False,
) -> Icons:
    """Optimize one program's icons to the end.

    Args:
      job: what is the same for all.
      targets: of the chunk.
      cells: of the chunk.
      rows: which target each icon is aimed at.
      tries: which attempt each is.
      plan: how they lie on the devices.
      bar: of the progress.
      redirected: whether the first slopes go through ReLUs that are closed.

    Returns:
      Icons, one for each row.
    """
    config, mesh, count = job.config, plan.mesh, len(rows)
    # Filled up with copies of the last ones, so that all chunks have one shape.
    fill = np.minimum(np.arange(plan.width), count - 1)
    rows, tries = rows[fill], tries[fill]
    for_init, for_views = jax.random.split(job.key)
    each, all_ = NamedSharding(mesh, P(step.CELLS)), NamedSharding(mesh, P())
    aims = jax.device_put(targets[rows], each)
    params, for_init, for_views = jax.device_put((job.params, for_init, for_views), all_)
    state = step.begin(
        *jax.device_put((cells[rows], tries), each), key=for_init, config=config, mesh=mesh
    )
    # The optimizer's counts are left wherever; the program wants them on every device.
    state = jax.device_put(state, jax.tree.map(lambda x: each if x.ndim else all_, state))
    common: dict[str, Any] = {"layer": job.layer, "config": config, "mesh": mesh}
    at_once = program.at_once(job, plan)
    first = job.network.redirected or job.network
    made = 0
    while made < config.steps:
        now = min(at_once, config.steps - made)
        network = first if redirected and made < _REDIRECTED else job.network
        keys = jax.device_put(_step_keys(for_views, np.arange(made, made + now)), all_)
        move = program.compiled(job, targets, plan, steps=now, network=network)
        state, seen = move(params, state, aims, keys)
        made += now
        bar.update(plan.width * now)
        # Dispatch runs ahead of the device; the bar should not.
        if made % BLOCK == 0 or made == config.steps:
            bar.set_postfix(cosine=f"{np.asarray(seen.cosines)[:count].mean():.3f}")
    judged = step.judge(job.network, params, state.params, aims, key=for_init, **common)
    images, scores, cosines = (np.array(field[:count]) for field in judged)
    return Icons(images=images, scores=scores, cosines=cosines)


@jax.jit
def _step_keys(key: Key, numbers: Array) -> Key:
    return jax.vmap(lambda number: jax.random.fold_in(key, number))(numbers)


def _check(
    targets: HostArray, numbers: HostArray, config: RenderConfig, *, chunk: int | None
) -> None:
    if numbers.shape != (len(targets),) or not np.issubdtype(numbers.dtype, np.integer):
        raise ValueError(
            f"cells: expected {len(targets)} whole numbers, got {numbers.dtype} {numbers.shape}"
        )
    if chunk is not None and chunk < 1:
        raise ValueError(f"chunk: expected at least 1, got {chunk}")
    if len(targets) % config.group or (chunk is not None and chunk % config.group):
        raise ValueError(
            f"group: expected targets and chunk in multiples of {config.group}, got "
            f"{len(targets)} and {chunk}"
        )
