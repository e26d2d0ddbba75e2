"""The speed of extraction: images through the network, with evidence."""

import contextlib
import dataclasses

import jax
import numpy as np

from jatlas.bench import _machine as on
from jatlas.collect import ImageSource, arrays, collect, extract
from jatlas.model import Network
from jatlas.storage import CachedStage
from jatlas.types import Key, Params, Run, checks


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExtractSpeed:
    """What extraction costs, once images are decoded and in the host's memory.

    Attributes:
      batch_size: images in one program.
      images_per_s: median of the repetitions.
      images_per_s_max: fastest repetition.
      flop_per_image: floating-point operations, as XLA counts them in the program.
      matmul_flop_per_s: rate of the same device in a large float32 matrix product, measured in
        this run.
      share_of_matmul: what extraction reaches of that rate.
      program_bytes: memory that the program needs, as the compiler reports it.
      peak_bytes: peak memory use so far; None where it is unknown.
      compile_s: seconds that compiling took.
      decoded_per_s: images of a source that were decoded per second, with nothing beside it; None
        without a source.
      collected_per_s: images of it that were decoded and extracted beside each other, as builds do.
    """

    batch_size: int
    images_per_s: float
    images_per_s_max: float
    flop_per_image: float
    matmul_flop_per_s: float
    share_of_matmul: float
    program_bytes: int
    peak_bytes: int | None
    compile_s: float
    decoded_per_s: float | None = None
    collected_per_s: float | None = None


def bench_extract(
    network: Network,
    params: Params,
    *,
    layer: str,
    key: Key,
    size: int | None = None,
    batch_size: int = 32,
    per_image: int = 1,
    repeat: int = 3,
    source: ImageSource | None = None,
    workers: int = Run.workers,
) -> ExtractSpeed:
    """Measure what `jatlas.collect.extract` costs, which `jatlas.build` calls for each batch.

    It runs on one device, of which a build uses all. Images come from the host's memory, as uint8.

    Args:
      network: the network.
      params: its parameters.
      layer: the stage that is sampled.
      key: seeds the sampled positions.
      size: side of the images in pixels; None means the network's own.
      batch_size: images in one program.
      per_image: positions sampled in each image, each with its evidence.
      repeat: repetitions, after one that warms up.
      source: images that are decoded, and then decoded and extracted, once each; None measures
        neither.
      workers: threads that decode them.

    Returns:
      ExtractSpeed.

    Raises:
      ValueError: for an argument out of range, an unknown layer, or images that cannot be used.
    """
    given = (("batch_size", batch_size), ("per_image", per_image), ("repeat", repeat))
    for name, value in given:
        checks.whole(name, value)
    side = network.input_size if size is None else size
    network.activation_shape(params, (side, side), layer=layer)  # checks the layer
    shape = (batch_size, side, side, 3)
    images = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    arguments = (images, np.arange(batch_size))
    lowered = extract.lower(
        network, params, *arguments, layers=(layer,), per_image=per_image, key=key
    )
    compiled: list[jax.stages.Compiled] = []
    compile_s = on.timed(lambda: compiled.append(lowered.compile()))

    def call() -> object:
        return compiled[0](params, *arguments, key=key)

    on.timed(call)
    seconds = on.times(call, repeat=repeat)
    flop, rate = on.flops(lowered) / batch_size, on.matmul_rate(jax.devices()[:1])
    decoded = collected = None
    if source is not None:
        run = Run(batch_size=batch_size * per_image, workers=workers, progress=False)

        def collect_all(images: ImageSource) -> None:
            stages = {layer: CachedStage.begin(None, layer)}
            collect(network, params, images, stages=stages, per_image=per_image, key=key, run=run)

        count, decode_s = _decoded(source, workers=workers)
        collect_all(arrays(images))  # which compiles the program
        decoded, collected = count / decode_s, count / on.timed(lambda: collect_all(source))
    return ExtractSpeed(
        batch_size=batch_size,
        images_per_s=batch_size / seconds.median,
        images_per_s_max=batch_size / seconds.min,
        flop_per_image=flop,
        matmul_flop_per_s=rate,
        share_of_matmul=flop * batch_size / seconds.median / rate,
        program_bytes=on.program_bytes(compiled[0]),
        peak_bytes=on.peak_bytes(jax.devices()[:1]),
        compile_s=compile_s,
        decoded_per_s=decoded,
        collected_per_s=collected,
    )


def _decoded(source: ImageSource, *, workers: int) -> tuple[int, float]:
    """Decode all images of a source; return how many there are, and the seconds it took."""
    counts: list[int] = []

    def decode() -> None:
        with contextlib.closing(source.load(workers=workers)) as images:
            counts.append(sum(1 for _ in images))

    seconds = on.timed(decode)
    return counts[0], seconds
