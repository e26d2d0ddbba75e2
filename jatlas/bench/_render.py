"""The speed of rendering: what one optimization step costs for each icon."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from jatlas.bench import _baselines as baselines
from jatlas.bench import _machine as on
from jatlas.model import Network
from jatlas.records import Icons
from jatlas.types import HostArray, Key, Params, Run
from jatlas.visualize import RandomViews, RenderConfig, render
from jatlas.visualize import _optimize as optimize
from jatlas.visualize._render import default_chunk, plan

ARTICLE_CANVAS, ARTICLE_VIEW = 80, 48


@dataclasses.dataclass(frozen=True, kw_only=True)
class RenderSpeed:
    """What rendering costs.

    An icon-step is one optimization step of one icon. Its cost is the difference between two runs
    of `jatlas.visualize._render.render` of unequal length, divided by the icon-steps they differ
    in: what is done once for all icons does not count.

    Attributes:
      ms_per_icon_step: milliseconds, from the median of the repetitions.
      ms_per_icon_step_min: the same from the fastest repetitions.
      icon_steps_per_s: icon-steps per second, from the median.
      flop_per_icon_step: floating-point operations, as XLA counts them in the program.
      flop_per_s: what that makes per second, over all devices.
      matmul_flop_per_s: what the same devices do in a large matrix product of the same precision,
        measured in this run.
      share_of_matmul: the quotient of the two.
      program_bytes: memory that the program of one chunk needs on each device (the compiler).
      peak_bytes: most memory in use: of the process on a CPU, of the fullest device elsewhere.
      compile_s: seconds more that the first run took.
      fixed_s: seconds of a run that do not depend on the number of steps.
      icons_in_program: icons of the program, filling included.
      devices: how many devices it is spread over.
      sequential_ms_per_icon_step: of one icon at a time, see `baselines.sequential`; None where
        baselines were left out.
      unvectorized_ms_per_icon_step: of all icons in a program with a loop over them, see
        `baselines.unvectorized`.
      speedup_over_sequential: how many times as long the first takes.
      speedup_over_unvectorized: how many times as long the second takes.
    """

    ms_per_icon_step: float
    ms_per_icon_step_min: float
    icon_steps_per_s: float
    flop_per_icon_step: float
    flop_per_s: float
    matmul_flop_per_s: float
    share_of_matmul: float
    program_bytes: int
    peak_bytes: int
    compile_s: float
    fixed_s: float
    icons_in_program: int
    devices: int
    sequential_ms_per_icon_step: float | None = None
    unvectorized_ms_per_icon_step: float | None = None
    speedup_over_sequential: float | None = None
    speedup_over_unvectorized: float | None = None


def article(*, size: int = ARTICLE_VIEW, config: RenderConfig | None = None) -> RenderConfig:
    """Return settings in which the network sees a random part of the canvas at `size` pixels.

    The canvas is to the view as 80 px are to 48, the article's.

    Args:
      size: side in pixels of what the network sees.
      config: all other settings; None means the default.
    """
    config = RenderConfig() if config is None else config
    canvas = max(round(size * ARTICLE_CANVAS / ARTICLE_VIEW), 1)
    return dataclasses.replace(config, icon_size=canvas, views=RandomViews(size=size))


def whole(*, size: int, config: RenderConfig | None = None) -> RenderConfig:
    """Return settings in which the network sees the whole canvas, give or take a tenth.

    Args:
      size: side in pixels of the canvas and of what the network sees.
      config: all other settings; None means the default.
    """
    config = RenderConfig() if config is None else config
    views = RandomViews(size=size, window=(0.9, 1.1), pad=0.1)
    return dataclasses.replace(config, icon_size=size, views=views)


def directions(network: Network, params: Params, *, layer: str, size: int, icons: int) -> HostArray:
    """Draw directions to aim icons at: (icons, channels) float32, always the same."""
    channels = network.activation_shape(params, (size, size), layer=layer)[2]
    return np.random.default_rng(0).standard_normal((icons, channels)).astype(np.float32)


def bench_render(
    network: Network,
    params: Params,
    *,
    layer: str,
    key: Key,
    config: RenderConfig | None = None,
    icons: int = 64,
    chunk: int | None = None,
    devices: Sequence[jax.Device] | None = None,
    repeat: int = 3,
    with_baselines: bool = True,
) -> RenderSpeed:
    """Measure what rendering icons of random directions costs.

    Args:
      network: the network to look into.
      params: its parameters.
      layer: the stage that is to be followed.
      key: seeds the icons.
      config: settings; `steps` is the length of the longer run, the other has a quarter. None
        means `RenderConfig()`. No icon is made a second time (`retry_below` is -1).
      icons: how many.
      chunk: icons in one program; None lets the renderer choose.
      devices: what to use; None means all.
      repeat: repetitions of each run, after one that warms up.
      with_baselines: whether to measure the sequential and the unvectorized way too.

    Returns:
      RenderSpeed.

    Raises:
      ValueError: for an argument out of range, or if the longer run was not slower: it is too
        short for the clock.
    """
    config = dataclasses.replace(config or RenderConfig(), retry_below=-1.0)
    at_least = (("icons", icons, 1), ("repeat", repeat, 1), ("steps", config.steps, 2))
    for name, value, least in at_least:
        if value < least:
            raise ValueError(f"{name}: expected at least {least}, got {value}")
    devices = tuple(devices or jax.local_devices())
    targets = directions(network, params, layer=layer, size=config.views.size, icons=icons)

    def run(steps: int) -> Icons:
        return render(
            network,
            params,
            targets,
            layer=layer,
            key=key,
            config=dataclasses.replace(config, steps=steps),
            run=Run(chunk=chunk, progress=False),
            devices=devices,
        )

    found = _difference(run, config.steps, repeat=repeat)
    # After the runs: the renderer compiles a program once, and the first run is to count that.
    if chunk is None:
        chunk = default_chunk(network, params, layer=layer, config=config, devices=devices)
    mesh, width = plan(icons * config.restarts, chunk, devices, group=config.group)
    step = lower_step(network, params, targets, mesh, width, layer=layer, key=key, config=config)
    speed = _speed(found, step, icons, mesh, width, config=config)
    if not with_baselines:
        return speed
    common: dict[str, Any] = {
        "layer": layer, "key": key, "config": config, "device": devices[0], "repeat": repeat,
    }  # fmt: skip
    alone = baselines.sequential(network, params, targets, **common).median
    looped = baselines.unvectorized(network, params, targets, **common).median
    return dataclasses.replace(
        speed,
        sequential_ms_per_icon_step=1e3 * alone,
        unvectorized_ms_per_icon_step=1e3 * looped,
        speedup_over_sequential=1e3 * alone / speed.ms_per_icon_step,
        speedup_over_unvectorized=1e3 * looped / speed.ms_per_icon_step,
    )


def lower_step(
    network: Network,
    params: Params,
    targets: HostArray,
    mesh: Mesh,
    width: int,
    *,
    layer: str,
    key: Key,
    config: RenderConfig,
) -> jax.stages.Lowered:
    """Lower the renderer's step for `width` icons, to count in."""
    numbers = np.arange(width)
    params, key = jax.device_put((params, key), NamedSharding(mesh, P()))
    task = optimize.Task(network, layer, config, mesh)
    state = optimize.init(task, numbers, 0 * numbers, key=key)
    aims = np.resize(targets, (width, *targets.shape[1:]))
    return optimize.step.lower(task, params, state, aims, 0, key=key)


class _Difference(NamedTuple):
    """Seconds of a step of all icons, of what is done once, and of compiling."""

    per_step: on.Times
    fixed: float
    compile: float


def _difference(run: Callable[[int], Any], steps: int, *, repeat: int) -> _Difference:
    """Run a long and a short way in turn; what they differ in is steps alone."""
    short = max(steps // 4, 1)
    first = on.timed(lambda: run(steps))
    on.timed(lambda: run(short))
    pairs = [(on.timed(lambda: run(steps)), on.timed(lambda: run(short))) for _ in range(repeat)]
    longer, shorter = (on.summary(each) for each in zip(*pairs, strict=True))
    per_step = on.Times(*((a - b) / (steps - short) for a, b in zip(longer, shorter, strict=True)))
    if min(per_step) <= 0:
        raise ValueError(
            f"steps: {steps} steps took no longer than {short}, {longer.median:.3g} s: take more"
        )
    fixed = max(shorter.median - short * per_step.median, 0.0)
    return _Difference(per_step, fixed, max(first - longer.median, 0.0))


def _speed(
    found: _Difference,
    step: jax.stages.Lowered,
    icons: int,
    mesh: Mesh,
    width: int,
    *,
    config: RenderConfig,
) -> RenderSpeed:
    used = mesh.devices.flatten().tolist()
    flop = on.flops(step) / (width // len(used))
    rate = on.matmul_rate(used, precision=config.precision)
    per_second = icons / found.per_step.median
    return RenderSpeed(
        ms_per_icon_step=1e3 * found.per_step.median / icons,
        ms_per_icon_step_min=1e3 * found.per_step.min / icons,
        icon_steps_per_s=per_second,
        flop_per_icon_step=flop,
        flop_per_s=flop * per_second,
        matmul_flop_per_s=rate,
        share_of_matmul=flop * per_second / rate,
        program_bytes=on.program_bytes(step.compile()),
        peak_bytes=on.peak_bytes(used),
        compile_s=found.compile,
        fixed_s=found.fixed,
        icons_in_program=width,
        devices=len(used),
    )
