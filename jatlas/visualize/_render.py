"""Rendering: directions to icons by batched feature visualization."""

import logging
from collections.abc import Iterator, Sequence

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P
from tqdm import tqdm

from jatlas.model import Network
from jatlas.records import Icons
from jatlas.types import Array, HostArray, Key, Params, Run, as_key, progress_bar
from jatlas.visualize import _memory as memory
from jatlas.visualize._config import RenderConfig
from jatlas.visualize._drive import Program, advance, begin, evaluate
from jatlas.visualize._halving import halved, ranked, restarts_at_once
from jatlas.visualize._optimize import ICONS, Task
from jatlas.visualize._versions import check_jaxlib
from jatlas.visualize._wanted import Wanted, check_wanted, make_goals

log = logging.getLogger(__name__)

_REDIRECTED_STEPS = 16
"""Steps of a retry in which gradients are redirected (lucid)."""

_WIDTHS = 16
"""Widths to choose from, up to the chunk, for more icons than that."""

# A CPU does not gain from larger batches. For a GPU or TPU, per device.
_CHUNK_CPU = 64
_CHUNK_PER_CPU_DEVICE = 8
_CHUNK_PER_ACCELERATOR = 1024


def render(
    network: Network,
    params: Params,
    targets: Array | HostArray,
    *,
    layer: str,
    key: Key,
    config: RenderConfig | None = None,
    ids: Array | HostArray | None = None,
    references: Array | HostArray | None = None,
    start: Array | HostArray | None = None,
    run: Run | None = None,
    devices: Sequence[jax.Device] | None = None,
) -> Icons:
    """Render an icon for each target by feature visualization, all at once.

    A host function: it drives jitted programs, and cannot be jitted itself.

    Args:
      network: the network to look into.
      params: its parameters.
      targets: target of each icon: (n, channels) directions in the layer's activation space, or
        whatever else the objective takes, such as (n,) channel numbers.
      layer: the stage in which the targets are.
      key: seeds the initial images and the random views.
      config: settings; None means `RenderConfig()`.
      ids: (n,) int that each icon's randomness depends on; None means 0 to n - 1. An icon depends
        on its id, its target, its references and its start, not on the other icons or their order.
      references: (n, ...) what the objective compares each icon with, if it does: for
        `Wasserstein` (n, r, channels) activations of real places.
      start: (n, icon_size, icon_size, 3) images in [0, 1] that icons begin as, as nearly as the
        parameterization can show them, before the random initial image is added; None means
        random ones alone. See `low_pass`.
      run: `chunk` and `progress` of it count here. Without a chunk, a CPU gets 64 icons at once
        (more with more than 8 devices), a GPU or TPU 1,024 per device, or what half of the memory
        holds. Results for another chunk or number of devices are equal up to rounding.
      devices: what icons are sharded over; None means `jax.local_devices()`.

    Returns:
      Icons, float32, in the order of `targets`.

    Raises:
      ValueError: for targets that do not fit the layer, an unknown layer, ids, references or
        starts that do not fit the targets, references that are missing or for nothing, or a
        parameterization that cannot begin as an image.

    Example:
      >>> from jatlas.types import Run
      >>> from jatlas.visualize import RandomViews
      >>> network = Network(stages=(("colors", lambda params, x: x),))
      >>> config = RenderConfig(icon_size=8, steps=4, views=RandomViews(size=6))
      >>> icons = render(
      ...     network, {}, np.eye(3), layer="colors", key=jax.random.key(0), config=config,
      ...     run=Run(progress=False),
      ... )
      >>> icons.images.shape
      (3, 8, 8, 3)
    """
    parts = render_each(
        network,
        params,
        targets,
        layer=layer,
        key=key,
        config=config,
        ids=ids,
        references=references,
        start=start,
        run=run,
        devices=devices,
    )
    return _joined([icons for _, icons in parts])


def render_each(
    network: Network,
    params: Params,
    targets: Array | HostArray,
    *,
    layer: str,
    key: Key,
    config: RenderConfig | None = None,
    ids: Array | HostArray | None = None,
    references: Array | HostArray | None = None,
    start: Array | HostArray | None = None,
    run: Run | None = None,
    devices: Sequence[jax.Device] | None = None,
    shared: int = 0,
) -> Iterator[tuple[slice, Icons]]:
    """Render as `render` does, and yield each chunk of icons as soon as it is done.

    Arguments are those of `render`, and:

    Args:
      network: as of `render`, like all the others.
      params: as of `render`.
      targets: as of `render`.
      layer: as of `render`.
      key: as of `render`.
      config: as of `render`.
      ids: as of `render`.
      references: as of `render`.
      start: as of `render`.
      run: as of `render`.
      devices: as of `render`.
      shared: targets of the largest call that is to run the same program, which is compiled once;
        of a call with fewer, the last icon is repeated.

    Returns:
      Iterator of (which of the targets, their Icons), in order.

    Raises:
      ValueError: as `render`, at the call.
    """
    config, run = config or RenderConfig(), run or Run()
    side = config.views.size
    shape = network.activation_shape(params, (side, side), layer=layer)
    goals = make_goals(config, targets, references, shape=shape)
    wanted = check_wanted(config, goals, ids, start, chunk=run.chunk)
    devices = list(devices or jax.local_devices())
    check_jaxlib(devices[0])
    chunk = run.chunk
    if chunk is None:
        chunk = default_chunk(network, params, layer=layer, config=config, devices=devices)
    at_once = restarts_at_once(config)
    widest = max(len(wanted.ids), shared) * at_once
    mesh, width = plan(widest, chunk, devices, group=config.group)
    own = len(wanted.ids) * at_once
    if run.processes is not None and width > own:  # a share that would leave most of it idle
        mesh, width = plan(own, chunk, devices, group=config.group)
    placed, key = jax.device_put((params, as_key(key)), NamedSharding(mesh, P()))
    keys = jax.random.split(key, 3)
    program = Program(Task(network, layer, config, mesh), config, placed, keys, width)
    per_part = max(min(chunk, width) // at_once, 1)
    per_part = -(-per_part // config.group) * config.group
    return _parts(program, wanted, per_part=per_part, run=run)


def plan(
    icons: int, chunk: int, devices: Sequence[jax.Device], *, group: int = 1
) -> tuple[Mesh, int]:
    """Choose devices for icons, and how many icons are optimized at once.

    Icons of more than a chunk are shared out evenly, so that the last part is as full as the
    others. The numbers that this gives are few: each is a program that has to be compiled.

    Args:
      icons: how many there are.
      chunk: how many may be optimized at once.
      devices: what may be used.
      group: consecutive icons that must be on one device.

    Returns:
      The mesh; icons at once, as many on each device, in whole groups.

    Example:
      >>> device = jax.devices("cpu")[:1]
      >>> plan(5, 64, device, group=3)[1], plan(201, 64, device)[1]
      (6, 52)
    """
    at_once = icons
    if icons > chunk:
        step = max(chunk // _WIDTHS, 1)
        parts = -(-icons // chunk)
        at_once = min(-(-icons // (parts * step)) * step, chunk)
    used = min(len(devices), -(-at_once // group))
    per_device = -(-at_once // (used * group)) * group
    return Mesh(np.array(devices[:used]), (ICONS,)), used * per_device


def default_chunk(
    network: Network,
    params: Params,
    *,
    layer: str,
    config: RenderConfig,
    devices: Sequence[jax.Device],
) -> int:
    """Return how many icons to optimize at once: a constant of the platform, if memory allows.

    Args:
      network: the network.
      params: its parameters.
      layer: the stage in which the targets are.
      config: settings.
      devices: what icons are sharded over.

    Returns:
      Icons on all devices together, at least 1.
    """
    count = len(devices)
    if devices[0].platform == "cpu":
        chunk, memories = max(_CHUNK_CPU, _CHUNK_PER_CPU_DEVICE * count), 1
    else:
        chunk, memories = _CHUNK_PER_ACCELERATOR * count, count
    limit = memory.available(devices[0])
    if limit is None:
        return chunk
    size = memory.bytes_per_icon(network, params, layer=layer, config=config)
    return max(min(chunk, memories * (limit // size)), 1)


def _parts(
    program: Program, wanted: Wanted, *, per_part: int, run: Run
) -> Iterator[tuple[slice, Icons]]:
    """Render icons part by part."""
    count, config = len(wanted.ids), program.config
    with progress_bar(
        None,
        shown=run.progress,
        total=count * config.icon_steps(),
        desc="icons",
        unit="icon-step",
        unit_scale=True,
        processes=run.processes,
    ) as bar:
        for start in range(0, count, per_part):
            part = slice(start, min(start + per_part, count))
            yield part, _render_part(program, wanted.take(part), bar=bar)


def _render_part(program: Program, wanted: Wanted, *, bar: tqdm) -> Icons:
    """Render icons: all restarts, of which the best is kept; and retry those that failed."""
    config, count = program.config, len(wanted.ids)
    if len(config.legs()) > 1:
        icons = halved(program, wanted, bar=bar)
    else:
        rows = np.repeat(np.arange(count), config.restarts)
        restarts = np.tile(np.arange(config.restarts), count)
        icons = _best(_optimize(program, wanted.take(rows), restarts, bar=bar), config.restarts)
    # Not where the score is not finite: another initial image would not help.
    failed = np.flatnonzero((icons.cosines <= config.retry_below) & np.isfinite(icons.scores))
    if not len(failed) or config.retry_below == -1 or config.group > 1:
        return icons
    log.info("%d icons do not follow their direction: retried", len(failed))
    bar.total = (bar.total or 0) + len(failed) * config.steps
    restarts = np.full(len(failed), config.restarts)
    retried = _optimize(
        program, wanted.take(failed), restarts, bar=bar, redirected=_REDIRECTED_STEPS
    )
    better = retried.scores > icons.scores[failed]
    for field, new in zip(jax.tree.leaves(icons), jax.tree.leaves(retried), strict=True):
        field[failed[better]] = new[better]
    return icons


def _best(icons: Icons, restarts: int) -> Icons:
    """Keep of each target's restarts, which are consecutive, the one with the best score."""
    first = ranked(icons.scores.reshape(-1, restarts).T)[0]
    best = first + restarts * np.arange(len(first))
    return jax.tree.map(lambda field: field[best], icons)


def _optimize(
    program: Program,
    wanted: Wanted,
    restarts: HostArray,
    *,
    bar: tqdm,
    redirected: int = 0,
) -> Icons:
    """Optimize any number of icons, `width` at a time.

    Args:
      program: what all icons share.
      wanted: the icons, n.
      restarts: (n,) number of the restart that each is.
      bar: the progress bar.
      redirected: first steps in which gradients are redirected.

    Returns:
      Icons, n.
    """
    parts = []
    total = len(restarts)
    for start in range(0, total, program.width):
        # The last icon is repeated, so that every chunk has the same shape.
        rows = np.minimum(start + np.arange(program.width), total - 1)
        count = min(program.width, total - start)
        batch = begin(program, wanted.take(rows), restarts[rows], count=count)
        batch = advance(program, batch, 0, program.config.steps, bar=bar, redirected=redirected)
        parts.append(evaluate(program, batch))
    return _joined(parts)


def _joined(parts: Sequence[Icons]) -> Icons:
    return jax.tree.map(lambda *fields: np.concatenate(fields), *parts)
