"""Images to samples: activation vectors, where they come from, and their class evidence."""

from __future__ import annotations

from collections.abc import Mapping

from jatlas.collect._missing import SEGMENT, fill, missing
from jatlas.collect._segments import Collected, Segments, join_layers
from jatlas.collect._source import ImageSource
from jatlas.model import Network
from jatlas.storage import CachedStage
from jatlas.types import Key, Params, Run, checks


def collect(
    network: Network,
    params: Params,
    source: ImageSource,
    *,
    stages: Mapping[str, CachedStage],
    per_image: int,
    key: Key,
    run: Run,
    segment: int = SEGMENT,
) -> Collected:
    """Run a source's images through the network and sample several layers. A host function.

    Results are kept in segments of images, and what is kept is not computed again.

    Args:
      network: the network.
      params: its parameters.
      source: the images.
      stages: by layer, where its samples are kept.
      per_image: positions per image.
      key: of the collection.
      run: batch size, threads and progress. With several positions per image a batch has fewer
        images, as each position costs a pass through the rest of the network.

      segment: images whose results are kept together.

    Returns:
      Collected.

    Raises:
      ValueError: for a layer that is unknown or has no map, and if no image could be
        used; the first reasons are given.
    """
    checks.whole("per_image", per_image)
    checks.whole("segment", segment)
    side = network.input_size
    for layer in stages:
        network.activation_shape(params, (side, side), layer=layer)
    kept = {layer: Segments(stage) for layer, stage in stages.items()}
    while True:
        numbers = missing(kept, source.count, segment=segment)
        if numbers is None or numbers:
            if run.processes is None:
                fill(
                    network, params, source, kept,
                    numbers=numbers, per_image=per_image, key=key, run=run, segment=segment,
                )  # fmt: skip
            else:
                references = {layer: stage.reference for layer, stage in stages.items()}
                run.processes.call("extract", stages=references, numbers=numbers)
                kept = {layer: Segments(stage) for layer, stage in stages.items()}
                if numbers and missing(kept, source.count, segment=segment) == numbers:
                    raise ValueError("no segment that was computed is there")
        collected = join_layers(kept)
        if collected is not None:
            return collected
