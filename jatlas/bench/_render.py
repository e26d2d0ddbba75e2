"""The speed of rendering: what one optimization step costs for each icon."""

import dataclasses
import functools
import statistics
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from jatlas.bench import _machine as on
from jatlas.model import Network
from jatlas.records import Icons
from jatlas.types import HostArray, Key, Params, Run, checks
from jatlas.visualize import RandomViews, RenderConfig, lower_step, render

_CANVAS, _VIEW = 80, 48  # pixels, the article's


@dataclasses.dataclass(frozen=True, kw_only=True)
class RenderSpeed:
    """What rendering costs.

    An icon-step is one optimization step of one icon. Its cost is the difference between a long
    and a short run of `jatlas.visualize.render`, divided by the icon-steps they differ in, so that
    it leaves out what a run does once. Each long run is compared with the short run after it.

    Attributes:
      ms_per_icon_step: milliseconds, median of the repetitions.
      spread: difference between the slowest and the fastest repetition, as a share of the median.
      icon_steps_per_s: its inverse.
      flop_per_icon_step: floating-point operations, as XLA counts them in the program.
      flop_per_s: rate of these, over all devices.
      matmul_flop_per_s: rate of the same devices in a large matrix product of the same precision,
        measured in this run.
      share_of_matmul: what rendering reaches of that rate.
      program_bytes: memory that the program of one chunk needs on each device, as the compiler
        reports it.
      peak_bytes: peak memory use: of the process on a CPU, of the fullest device elsewhere; None
        where it is unknown.
      compile_s: extra seconds of the first run.
      fixed_s: seconds of a run that do not depend on the number of steps.
      mean_cosine: between the icons of a long run and their directions: that it did its work.
      icons_in_program: icons of the program, padding included.
      devices: number of devices that it runs on.
    """

    ms_per_icon_step: float
    spread: float
    icon_steps_per_s: float
    flop_per_icon_step: float
    flop_per_s: float
    matmul_flop_per_s: float
    share_of_matmul: float
    program_bytes: int
    peak_bytes: int | None
    compile_s: float
    fixed_s: float
    mean_cosine: float
    icons_in_program: int
    devices: int


def article(*, size: int = _VIEW, config: RenderConfig | None = None) -> RenderConfig:
    """Return settings in which the network sees a random part of the canvas, as in the article.

    Args:
      size: side in pixels of what the network sees; the canvas is 5/3 as large.
      config: all other settings; None means the default.

    Example:
      >>> article(size=96).icon_size
      160
    """
    config = RenderConfig() if config is None else config
    canvas = max(round(size * _CANVAS / _VIEW), 1)
    return dataclasses.replace(config, icon_size=canvas, views=RandomViews(size=size))


def whole(*, size: int = 96, config: RenderConfig | None = None) -> RenderConfig:
    """Return settings in which the network sees the whole canvas, within a tenth.

    Args:
      size: side in pixels of the canvas and of what the network sees.
      config: all other settings; None means the default.

    Example:
      >>> whole(size=64).icon_size
      64
    """
    config = RenderConfig() if config is None else config
    views = RandomViews(size=size, window=(0.9, 1.1), pad=0.1)
    return dataclasses.replace(config, icon_size=size, views=views)


def random_directions(
    network: Network, params: Params, *, layer: str, config: RenderConfig, icons: int
) -> HostArray:
    """Draw the directions that `bench_render` uses; always the same.

    Args:
      network: the network.
      params: its parameters.
      layer: the stage in which the directions are.
      config: settings of the icons, whose views decide the shape of the layer.
      icons: number of directions.

    Returns:
      (icons, channels) float32.
    """
    side = config.views.size
    channels = network.activation_shape(params, (side, side), layer=layer)[2]
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
) -> RenderSpeed:
    """Measure what rendering icons of random directions costs.

    Args:
      network: the network.
      params: its parameters.
      layer: the stage whose activations follow the directions.
      key: seeds the icons.
      config: settings; `steps` is the length of the long run, the short one has a quarter. None
        means `RenderConfig()`. No icon is retried (`retry_below` is -1).
      icons: number of icons.
      chunk: icons in one program; None lets the renderer choose.
      devices: devices to use; None means `jax.local_devices()`.
      repeat: repetitions of each run, after one that warms up.

    Returns:
      RenderSpeed.

    Raises:
      ValueError: for an argument out of range, or if the runs are too short for the clock to tell
        them apart.
    """
    config = dataclasses.replace(config or RenderConfig(), retry_below=-1.0)
    for name, value in (("icons", icons), ("repeat", repeat)):
        checks.whole(name, value)
    targets = random_directions(network, params, layer=layer, config=config, icons=icons)
    common: dict[str, Any] = {
        "layer": layer,
        "key": key,
        "run": Run(chunk=chunk, progress=False),
        "devices": devices,
    }
    draw = functools.partial(render, network, params, targets, **common)
    cost, made = render_cost(draw, config=config, repeat=repeat)
    # After the runs, the first of which is to count compiling.
    step = lower_step(network, params, targets, config=config, **common)
    flop = on.flops(step.program) * len(step.devices) / step.icons
    rate = on.matmul_rate(step.devices, precision=config.precision or "float32")
    per_second = icons / cost.step
    return RenderSpeed(
        ms_per_icon_step=1e3 / per_second,
        spread=cost.spread,
        icon_steps_per_s=per_second,
        flop_per_icon_step=flop,
        flop_per_s=flop * per_second,
        matmul_flop_per_s=rate,
        share_of_matmul=flop * per_second / rate,
        program_bytes=on.program_bytes(step.program.compile()),
        peak_bytes=on.peak_bytes(step.devices),
        compile_s=cost.compile,
        fixed_s=cost.fixed,
        mean_cosine=float(made.cosines.mean()),
        icons_in_program=step.icons,
        devices=len(step.devices),
    )


class StepCost(NamedTuple):
    """What steps of all icons cost.

    Attributes:
      step: seconds of one, median of the repetitions.
      fixed: seconds of what a run does once.
      compile: seconds of compiling.
      spread: of `step`: slowest less fastest repetition, as a share of the median.
    """

    step: float
    fixed: float
    compile: float
    spread: float


def render_cost(
    draw: Callable[..., Icons], *, config: RenderConfig, repeat: int
) -> tuple[StepCost, Icons]:
    """Measure a step of `jatlas.visualize.render`.

    Args:
      draw: renders the icons with the settings that it is given as `config`.
      config: settings; `steps` is the length of the long run.
      repeat: pairs of runs.

    Returns:
      The cost of a step of all icons, and the icons of the last long run.

    Raises:
      ValueError: as `step_cost` and `draw`.
    """
    made: dict[int, Icons] = {}

    def run(steps: int) -> None:
        made[steps] = draw(config=dataclasses.replace(config, steps=steps))

    cost = step_cost(run, config.steps, repeat=repeat)
    return cost, made[config.steps]


def step_cost(
    run: Callable[[int], object],
    steps: int,
    *,
    repeat: int,
    timed: Callable[[Callable[[], object]], float] = on.timed,
) -> StepCost:
    """Measure a step as the difference between a long and a short run.

    Args:
      run: makes a number of steps.
      steps: of the long run; the short one has a quarter.
      repeat: pairs of runs; the median counts.
      timed: the clock.

    Returns:
      StepCost.

    Raises:
      ValueError: if `steps` is less than 2, or a long run takes no longer than a short one.
    """
    if steps < 2:
        raise ValueError(f"steps: expected at least 2, got {steps}")
    short = max(steps // 4, 1)
    first = timed(lambda: run(steps))
    timed(lambda: run(short))
    pairs = [(timed(lambda: run(steps)), timed(lambda: run(short))) for _ in range(repeat)]
    each = [(long - brief) / (steps - short) for long, brief in pairs]
    step = statistics.median(each)
    longer, shorter = (statistics.median(seconds) for seconds in zip(*pairs, strict=True))
    if step <= 0:
        raise ValueError(
            f"steps: {steps} steps took no longer than {short}, {longer:.3g} s: take more"
        )
    fixed, compiling = max(shorter - short * step, 0.0), max(first - longer, 0.0)
    return StepCost(step, fixed, compiling, (max(each) - min(each)) / step)
