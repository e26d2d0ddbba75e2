"""What a benchmark ran on: the clock, the memory, and how fast the devices multiply."""

import datetime
import functools
import importlib.metadata
import platform
import resource
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
    """Seconds that a call took, over its repetitions."""

    min: float
    median: float


class Machine(NamedTuple):
    """What a benchmark ran on.

    Attributes:
      platform: "cpu", "gpu" or "tpu".
      device: the kind of device; on a CPU the processor's name, where it is known.
      devices: how many were used.
      versions: of Python and of the packages that matter.
      date: when, in UTC.
    """

    platform: str
    device: str
    devices: int
    versions: dict[str, str]
    date: str


def machine(devices: Sequence[jax.Device]) -> Machine:
    """Describe these devices and what runs on them."""
    first = devices[0]
    now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M:%S")
    versions = {"python": platform.python_version()} | {
        name: importlib.metadata.version(name) for name in _PACKAGES
    }
    kind = _processor() if first.platform == "cpu" else first.device_kind
    return Machine(first.platform, kind, len(devices), versions, now)


def timed(call: Callable[[], Any]) -> float:
    """Return how many seconds a call takes; what it returns is waited for."""
    start = time.perf_counter()
    jax.block_until_ready(call())
    return time.perf_counter() - start


def times(call: Callable[[], Any], *, repeat: int) -> Times:
    """Call several times and return how long it took. There is no warm-up."""
    return summary([timed(call) for _ in range(repeat)])


def summary(seconds: Sequence[float]) -> Times:
    """Return the least and the median of some times."""
    return Times(min(seconds), float(np.median(seconds)))


def matmul_rate(
    devices: Sequence[jax.Device], *, precision: str = "float32", side: int | None = None
) -> float:
    """Measure how fast devices multiply large matrices, each its own, all at once.

    It is the rate that jax gives by default: where the hardware has a faster way to multiply
    float32 (TF32 on a GPU, bfloat16 on a TPU), the networks use it as well.

    Args:
      devices: the devices.
      precision: type of the matrices.
      side: of the square matrices; None means 1536 on a CPU, 8192 elsewhere.

    Returns:
      Floating-point operations per second of all devices together, in the best of ten tries.
    """
    side = side or _SIDE.get(devices[0].platform, _SIDE_ELSEWHERE)
    mesh = Mesh(np.array(devices), ("device",))
    shape = (len(devices), side, side)
    spread = NamedSharding(mesh, P("device"))

    @functools.partial(jax.jit, out_shardings=(spread, spread))
    def draw() -> tuple[jax.Array, jax.Array]:
        one, other = jax.random.normal(jax.random.key(0), (2, *shape), jnp.float32)
        return one.astype(precision), other.astype(precision)

    @jax.jit
    @functools.partial(jax.shard_map, mesh=mesh, in_specs=P("device"), out_specs=P("device"))
    def multiply(one: jax.Array, other: jax.Array) -> jax.Array:
        return jnp.matmul(one, other)

    pair = jax.block_until_ready(draw())
    timed(lambda: multiply(*pair))
    return 2 * len(devices) * side**3 / times(lambda: multiply(*pair), repeat=10).min


def flops(lowered: jax.stages.Lowered) -> float:
    """Count the floating-point operations that a program asks for, on each device.

    Counted before the compiler turns convolutions into calls of libraries, which it cannot look
    into. A loop's body counts once.
    """
    found = lowered.cost_analysis() or lowered.compile().cost_analysis()
    counts: Any = found[0] if isinstance(found, list) else found
    return float((counts or {}).get("flops", 0.0))


def program_bytes(compiled: jax.stages.Compiled) -> int:
    """Return how much memory a program needs on each device, as the compiler says."""
    found: Any = compiled.memory_analysis()
    given, made = found.argument_size_in_bytes, found.output_size_in_bytes
    return int(given + made + found.temp_size_in_bytes - found.alias_size_in_bytes)


def peak_bytes(devices: Sequence[jax.Device]) -> int:
    """Return the most memory that was in use so far.

    On a CPU, of the whole process; elsewhere on the fullest of the devices. 0 where nobody knows.
    """
    if devices[0].platform == "cpu":
        unit = 1 if sys.platform == "darwin" else 1024
        return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return max(int((each.memory_stats() or {}).get("peak_bytes_in_use", 0)) for each in devices)


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            names = [line.partition(":")[2].strip() for line in lines if "model name" in line]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or platform.machine()
