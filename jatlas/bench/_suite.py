"""The suite: the same work on every machine, so that results can be put beside each other."""

import dataclasses
import functools
import math
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax

from jatlas.arrange import UMAP
from jatlas.bench._extract import bench_extract
from jatlas.bench._layout import bench_layout
from jatlas.bench._machine import busy_elsewhere
from jatlas.bench._render import (
    StepCost,
    article,
    bench_render,
    random_directions,
    render_cost,
    whole,
)
from jatlas.model import GOOGLENET_BVLC, Network, inception_v1, init_params
from jatlas.types import GENERATOR, Key, Params, Run, checks, one_line
from jatlas.visualize import RenderConfig, render

CELLS = 25_600  # of a grid of 160 x 160
_LAYER = "mixed4c"

Subject = Callable[[], tuple[Network, Params]]
"""Makes a network and its parameters: a workload that needs none starts without."""

Measure = Callable[[int], dict[str, float]]
"""Takes the number of repetitions; returns numbers whose names say the units."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Workload:
    """A fixed piece of work of the suite.

    Attributes:
      name: what it is called; another one for other work.
      what: what it does, in words, with all that the work depends on.
      measure: does it, and returns what was measured.
    """

    name: str
    what: str
    measure: Measure


@dataclasses.dataclass(frozen=True, kw_only=True)
class WorkloadResult:
    """What was measured of a workload.

    Attributes:
      name: of the workload.
      what: what it does, in words.
      seconds: that measuring took, with compiling, repetitions and baseline.
      numbers: what was measured, by names that say the units, and how many cores were busy with
        other processes meanwhile, where that is known; empty if it failed.
      error: why it failed, in one line; None if it did not.
    """

    name: str
    what: str
    seconds: float
    numbers: dict[str, float]
    error: str | None = None


def suite_workloads(platform: str) -> tuple[Workload, ...]:
    """Return the fixed work of the suite, which no setting changes.

    The network is GoogLeNet with random parameters, which cost what trained ones do.

    Args:
      platform: "cpu", or "gpu" or "tpu", which get larger work.

    Example:
      >>> [workload.name for workload in suite_workloads("cpu")]
      ['render-64', 'render-whole-16', 'extract-32', 'layout-10k']
    """
    # So many steps that the clock tells a long from a short run.
    base = RenderConfig(steps=32 if platform == "cpu" else 96)
    half = dataclasses.replace(base, precision="bfloat16")
    icons = functools.partial(render_workload, _googlenet, layer=_LAYER)
    extract = functools.partial(extract_workload, _googlenet, layer=_LAYER)
    if platform == "cpu":
        return (
            icons(name="render-64", icons=64, config=article(config=base), alone=4),
            icons(name="render-whole-16", icons=16, config=whole(config=base)),
            extract(name="extract-32", batch_size=32),
            layout_workload(name="layout-10k", points=10_000, reference=True),
        )
    return (
        icons(name="render-1024", icons=1024, config=article(config=base), alone=4),
        icons(name="render-1024-bfloat16", icons=1024, config=article(config=half), alone=4),
        icons(name="render-whole-1000", icons=1000, config=whole(size=128, config=half)),
        extract(name="extract-256", batch_size=256),
        layout_workload(name="layout-100k", points=100_000),
    )


def bench_suite(
    workloads: Sequence[Workload], *, only: Sequence[str] = (), repeat: int = 3
) -> Iterator[WorkloadResult]:
    """Measure one workload after the other.

    Compiling is measured only if JAX has not compiled the same programs before, in this process
    or in its cache on disk. Medians of the repetitions count.

    Args:
      workloads: what to measure, such as `suite_workloads("cpu")`.
      only: names of those to measure, in the order of `workloads`; none means all.
      repeat: repetitions of each.

    Returns:
      Iterator of results, each as soon as it is there. One that fails says so in its result, and
      the others are measured all the same.

    Raises:
      ValueError: at the call, for a name that no workload has, or `repeat` below 1.

    Example:
      >>> one = Workload(name="one", what="nothing", measure=lambda repeat: {"runs": repeat})
      >>> [result.numbers["runs"] for result in bench_suite([one], repeat=2)]
      [2]
    """
    checks.whole("repeat", repeat)
    names = [workload.name for workload in workloads]
    for name in only:
        checks.choice("only", name, options=names)
    chosen = [workload for workload in workloads if not only or workload.name in only]
    return (_result(workload, repeat=repeat) for workload in chosen)


def _result(workload: Workload, *, repeat: int) -> WorkloadResult:
    start, before = time.perf_counter(), busy_elsewhere()
    numbers: dict[str, float] = {}
    error = None
    try:
        numbers = _known(workload.measure(repeat)) | _disturbance(start, before)
    except Exception as raised:  # whatever it is, the rest of the suite can be measured
        error = f"{type(raised).__name__}: {one_line(raised)}"
    return WorkloadResult(
        name=workload.name,
        what=workload.what,
        seconds=time.perf_counter() - start,
        numbers=numbers,
        error=error,
    )


def _disturbance(start: float, before: float | None) -> dict[str, float]:
    after, seconds = busy_elsewhere(), time.perf_counter() - start
    if before is None or after is None:
        return {}
    return {"cores_busy_elsewhere": max(after - before, 0.0) / seconds}


def _known(numbers: dict[str, Any]) -> dict[str, float]:
    """Return the numbers that are known and of the workload alone; they must be finite."""
    # Memory that an earlier workload needed would be in the peak of the process too.
    kept = {x: y for x, y in numbers.items() if y is not None and x != "peak_bytes"}
    bad = [name for name, value in kept.items() if not math.isfinite(value)]
    if bad:
        raise ValueError(f"{', '.join(bad)}: not finite, so that the work was not done")
    return kept


@functools.cache
def _googlenet() -> tuple[Network, Params]:
    """Return GoogLeNet with random parameters, always the same: nothing has to be downloaded."""
    return inception_v1(GOOGLENET_BVLC), init_params(GOOGLENET_BVLC, key=_key())


def render_workload(
    subject: Subject, *, name: str, layer: str, icons: int, config: RenderConfig, alone: int = 0
) -> Workload:
    """Return the work of rendering icons of random directions, all at once.

    Args:
      subject: makes the network.
      name: of the workload.
      layer: the stage in which the directions are.
      icons: number of icons.
      config: their settings; `steps` is the length of the long run, see `bench_render`.
      alone: number of icons that are rendered one at a time, as a baseline; 0 means no baseline.
    """
    size, canvas = config.views.size, config.icon_size
    shown = f"{size} px seen whole"
    if size != canvas:
        shown = f"{size} px views of a canvas of {canvas} px"
    what = f"render {icons:,} icons of {layer}, {shown}, {config.precision or 'float32'}"

    def measure(repeat: int) -> dict[str, float]:
        network, params = subject()
        speed = bench_render(
            network, params, layer=layer, key=_key(), config=config, icons=icons, repeat=repeat
        )
        numbers = dataclasses.asdict(speed)
        once, steps = speed.fixed_s / icons, RenderConfig().steps
        numbers[f"s_for_{CELLS}_icons"] = CELLS * (once + steps * speed.ms_per_icon_step / 1e3)
        if alone:
            cost = _alone(network, params, layer=layer, config=config, icons=alone, repeat=repeat)
            each = 1e3 * cost.step / alone
            numbers["one_at_a_time_ms"] = each
            numbers["one_at_a_time_spread"] = cost.spread
            numbers["one_at_a_time_ratio"] = each / speed.ms_per_icon_step
        return numbers

    return Workload(name=name, what=what, measure=measure)


def _alone(
    network: Network,
    params: Params,
    *,
    layer: str,
    config: RenderConfig,
    icons: int,
    repeat: int,
) -> StepCost:
    """Return the cost of a step of each icon where icons are rendered one after the other."""
    config = dataclasses.replace(config, retry_below=-1.0)  # as `bench_render`
    targets = random_directions(network, params, layer=layer, config=config, icons=icons)
    run = Run(chunk=1, progress=False)
    draw = functools.partial(render, network, params, targets, layer=layer, key=_key(), run=run)
    return render_cost(draw, config=config, repeat=repeat)[0]


def extract_workload(
    subject: Subject, *, name: str, layer: str, batch_size: int, size: int = 224
) -> Workload:
    """Return the work of running images through a network, with the evidence of a sample of each.

    Args:
      subject: makes the network.
      name: of the workload.
      layer: the stage that is sampled.
      batch_size: images in one program.
      size: side of the images in pixels.
    """

    def measure(repeat: int) -> dict[str, float]:
        network, params = subject()
        speed = bench_extract(
            network,
            params,
            layer=layer,
            key=_key(),
            size=size,
            batch_size=batch_size,
            repeat=repeat,
        )
        return dataclasses.asdict(speed)

    what = f"extract {layer} with evidence, {batch_size} images of {size} px at a time, float32"
    return Workload(name=name, what=what, measure=measure)


def layout_workload(
    *, name: str, points: int, channels: int = 512, reference: bool = False
) -> Workload:
    """Return the work of laying out made-up vectors, from the search of neighbours on.

    Args:
      name: of the workload.
      points: number of vectors.
      channels: their length.
      reference: whether umap-learn lays them out too, given the same neighbours, as a baseline.
    """

    def measure(repeat: int) -> dict[str, float]:
        # One more, which compiles and does not count.
        common: dict[str, Any] = {"points": points, "channels": channels, "repeat": repeat + 1}
        speed = bench_layout(key=_key(), **common)
        numbers = dataclasses.asdict(speed)
        if reference:
            other = bench_layout(key=_key(), config=UMAP(method="umap-learn"), **common)
            numbers["umap_learn_map_s"] = other.map_s
            numbers["umap_learn_trustworthiness"] = other.trustworthiness
            numbers["umap_learn_ratio"] = other.map_s / speed.map_s
        return numbers

    what = f"lay out {points:,} made-up vectors of {channels} channels"
    return Workload(name=name, what=what, measure=measure)


def _key() -> Key:
    return jax.random.key(0, impl=GENERATOR)
