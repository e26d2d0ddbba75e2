"""What a benchmark runs on: the clock, the memory, and how fast the devices multiply."""

import datetime
import functools
import importlib
import importlib.metadata
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

_PACKAGES = ("jatlas", "jax", "jaxlib", "numpy", "umap-learn")

# Sides of square matrices: large enough for the full rate, a fraction of a second to multiply.
_SIDE = {"cpu": 1536}
_SIDE_ELSEWHERE = 8192


class Times(NamedTuple):
    """Seconds that a call took: the fastest and the median of its repetitions."""

    min: float
    median: float


class Machine(NamedTuple):
    """What a benchmark ran on.

    Attributes:
      platform: "cpu", "gpu" or "tpu".
      device: the kind of device; on a CPU the processor's name, if it is known.
      devices: how many were used.
      versions: of Python and of the packages that matter.
      date: when, in UTC.
      processor: the host's, with the number of its cores.
      system: operating system and architecture.
      runtime: what JAX runs programs with, such as a version of CUDA.
      settings: what else the speed depends on: XLA_FLAGS, and JAX's matmul precision.
    """

    platform: str
    device: str
    devices: int
    versions: dict[str, str]
    date: str
    processor: str
    system: str
    runtime: str
    settings: dict[str, str]


def machine(devices: Sequence[jax.Device]) -> Machine:
    """Describe devices and the software that runs on them.

    Example:
      >>> machine(jax.devices()[:1]).devices
      1
    """
    first = devices[0]
    now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M:%S")
    versions = {"python": platform.python_version()}
    versions |= {name: importlib.metadata.version(name) for name in _PACKAGES}
    processor = _processor()
    precision = getattr(jax.config, "jax_default_matmul_precision", None)
    return Machine(
        platform=first.platform,
        device=processor if first.platform == "cpu" else first.device_kind,
        devices=len(devices),
        versions=versions,
        date=now,
        processor=f"{os.cpu_count() or 1} x {processor}",
        system=f"{platform.system()} {platform.machine()}",
        runtime=" ".join(first.client.platform_version.split()),
        settings={
            "XLA_FLAGS": os.environ.get("XLA_FLAGS", ""),
            "matmul_precision": str(precision or "default"),
        },
    )


def timed(call: Callable[[], Any]) -> float:
    """Return the seconds that a call takes, including the arrays that it returns.

    Example:
      >>> timed(lambda: jnp.ones(3) + 1) > 0
      True
    """
    start = time.perf_counter()
    jax.block_until_ready(call())
    return time.perf_counter() - start


def times(call: Callable[[], Any], *, repeat: int) -> Times:
    """Time a call `repeat` times, without warming up."""
    seconds = [timed(call) for _ in range(repeat)]
    return Times(min(seconds), statistics.median(seconds))


def matmul_rate(
    devices: Sequence[jax.Device], *, precision: str = "float32", side: int | None = None
) -> float:
    """Measure how fast devices multiply large matrices, each its own, all at once.

    The products have JAX's default precision: where the hardware has a faster way to multiply
    float32 (TF32 on a GPU, bfloat16 on a TPU), the networks use it as well.

    Args:
      devices: the devices.
      precision: dtype of the matrices.
      side: of the square matrices; None means 1536 on a CPU, 8192 elsewhere.

    Returns:
      Floating-point operations per second of all devices together, in the fastest of ten runs.
    """
    side = side or _SIDE.get(devices[0].platform, _SIDE_ELSEWHERE)
    mesh = Mesh(np.array(devices), ("device",))
    shape = (len(devices), side, side)

    @functools.partial(jax.jit, out_shardings=NamedSharding(mesh, P("device")))
    def draw(key: jax.Array) -> jax.Array:
        return jax.random.normal(key, shape, jnp.float32).astype(precision)

    @jax.jit
    @functools.partial(jax.shard_map, mesh=mesh, in_specs=P("device"), out_specs=P("device"))
    def multiply(left: jax.Array, right: jax.Array) -> jax.Array:
        return jnp.matmul(left, right)

    pair = [jax.block_until_ready(draw(key)) for key in jax.random.split(jax.random.key(0))]
    timed(lambda: multiply(*pair))
    return 2 * len(devices) * side**3 / times(lambda: multiply(*pair), repeat=10).min


def flops(lowered: jax.stages.Lowered) -> float:
    """Count the floating-point operations of a program on each device.

    They are counted before compilation turns convolutions into calls of libraries, whose work the
    compiler does not know. The body of a loop counts once.
    """
    analysis: Any = lowered.cost_analysis() or lowered.compile().cost_analysis()
    costs = analysis[0] if isinstance(analysis, list) else analysis
    return float((costs or {}).get("flops", 0.0))


def program_bytes(compiled: jax.stages.Compiled) -> int:
    """Return the memory that a program needs on each device, as the compiler reports it."""
    memory: Any = compiled.memory_analysis()
    arrays = memory.argument_size_in_bytes + memory.output_size_in_bytes
    return int(arrays + memory.temp_size_in_bytes - memory.alias_size_in_bytes)


def peak_bytes(devices: Sequence[jax.Device]) -> int | None:
    """Return the peak memory use so far; None where it is unknown.

    On a CPU it is that of the whole process, elsewhere that of the fullest device.
    """
    if devices[0].platform != "cpu":
        peaks = [(device.memory_stats() or {}).get("peak_bytes_in_use") for device in devices]
        return max((int(peak) for peak in peaks if peak is not None), default=None)
    try:
        resource: Any = importlib.import_module("resource")
    except ImportError:  # there is none on Windows
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return int(unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def busy_elsewhere() -> float | None:
    """Return the seconds that cores have spent on other processes; None where it is unknown.

    Only differences mean something. In a virtual machine, what the host takes away counts too.
    """
    try:
        with open("/proc/stat", encoding="utf-8") as lines:
            ticks = [int(word) for word in lines.readline().split()[1:9]]
        idle = ticks[3] + ticks[4]
        return (sum(ticks) - idle) / os.sysconf("SC_CLK_TCK") - time.process_time()
    except (AttributeError, IndexError, OSError, ValueError):  # it is Linux that counts them
        return None


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as lines:
            names = [line.partition(":")[2].strip() for line in lines if "model name" in line]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or platform.machine()
