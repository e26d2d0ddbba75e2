"""The speed of collecting: images through the network, with evidence."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from jatlas.bench import _machine as on
from jatlas.collect import extract
from jatlas.model import Network
from jatlas.types import Key, Params


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExtractSpeed:
    """What collecting costs, once images are decoded and in the host's memory.

    Attributes:
      batch_size: images in one program.
      images_per_s: from the median of the repetitions.
      images_per_s_max: from the fastest one.
      flop_per_image: floating-point operations, as XLA counts them in the program.
      flop_per_s: what that makes per second.
      matmul_flop_per_s: what the same device does in a large float32 matrix product, measured in
        this run.
      share_of_matmul: the quotient of the two.
      program_bytes: memory that the program needs (the compiler).
      peak_bytes: most memory in use so far: of the process on a CPU, of the device elsewhere.
      compile_s: seconds that compiling took.
    """

    batch_size: int
    images_per_s: float
    images_per_s_max: float
    flop_per_image: float
    flop_per_s: float
    matmul_flop_per_s: float
    share_of_matmul: float
    program_bytes: int
    peak_bytes: int
    compile_s: float


def bench_extract(
    network: Network,
    params: Params,
    *,
    layer: str,
    key: Key,
    size: int | None = None,
    batch_sizes: tuple[int, ...] = (32,),
    per_image: int = 1,
    repeat: int = 3,
) -> tuple[ExtractSpeed, ...]:
    """Measure what `jatlas.collect.extract` costs, which `jatlas build` calls for each batch.

    It runs on one device, as it does there. Images come from the host's memory, as uint8.

    Args:
      network: the network.
      params: its parameters.
      layer: the stage that is sampled.
      key: of the places.
      size: side of the images in pixels; None means the network's own.
      batch_sizes: images in a program, each measured apart.
      per_image: places taken of each image, each with its evidence.
      repeat: repetitions, after one that warms up.

    Returns:
      ExtractSpeed of each batch size.

    Raises:
      ValueError: for an argument out of range, or an unknown layer.
    """
    least = min(batch_sizes, default=0)
    given = (("batch_sizes", least), ("per_image", per_image), ("repeat", repeat))
    for name, value in given:
        if value < 1:
            raise ValueError(f"{name}: expected at least 1, got {value}")
    side = network.input_size if size is None else size
    channels = network.activation_shape(params, (side, side), layer=layer)[2]
    rate = on.matmul_rate(jax.devices()[:1])

    def one(batch_size: int) -> ExtractSpeed:
        shape = (batch_size, side, side, 3)
        images = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
        index, weight = np.arange(batch_size), np.ones(batch_size, np.float32)
        moments = {layer: jnp.zeros((channels, channels), jnp.float32)}
        arguments = (images, index, moments, weight)
        lowered = extract.lower(network, params, *arguments, per_image=per_image, key=key)
        compiled: list[jax.stages.Compiled] = []
        compile_s = on.timed(lambda: compiled.append(lowered.compile()))

        def call() -> object:
            return compiled[0](params, *arguments, key=key)

        on.timed(call)
        found = on.times(call, repeat=repeat)
        flop = on.flops(lowered) / batch_size
        per_second = batch_size / found.median
        return ExtractSpeed(
            batch_size=batch_size,
            images_per_s=per_second,
            images_per_s_max=batch_size / found.min,
            flop_per_image=flop,
            flop_per_s=flop * per_second,
            matmul_flop_per_s=rate,
            share_of_matmul=flop * per_second / rate,
            program_bytes=on.program_bytes(compiled[0]),
            peak_bytes=on.peak_bytes(jax.devices()[:1]),
            compile_s=compile_s,
        )

    return tuple(one(each) for each in batch_sizes)
