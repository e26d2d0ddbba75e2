"""Images to samples: activation vectors, where they come from, and their class evidence.

Extraction and attribution share the forward pass, so they are one jitted function here.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import itertools
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jatlas.collect import _sample as sample
from jatlas.collect._source import ImageSource, Loaded, batches
from jatlas.explain import evidence
from jatlas.model import Network
from jatlas.records import Samples
from jatlas.storage import Arrays, CachedStage
from jatlas.types import Array, HostArray, Key, Params, Run, checks, progress_bar

SEGMENT = 256
"""Images whose results are kept together: what an interruption costs at most."""

_ROWS = ("vectors", "positions", "evidence")
_NUMBER = re.compile(r"[0-9]{6,}")
_FLOAT16_MAX = float(jnp.finfo(jnp.float16).max)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Extract:
    """What a batch of images gives at one layer.

    Attributes:
      vectors: (b, per_image, channels) float32.
      positions: (b, per_image, 2) int32 of (row, column).
      evidence: (b, per_image, classes) float16.
      moment: (channels, channels) float32 sum over the images of their second moments.
    """

    vectors: Array
    positions: Array
    evidence: Array
    moment: Array


class Collected(NamedTuple):
    """What was collected from a source.

    Attributes:
      samples: by layer; row i is the same place of the same image at each.
      images: number of images that were offered.
      skipped: (index, reason) of each image that could not be used.
    """

    samples: dict[str, Samples]
    images: int
    skipped: list[tuple[int, str]]


@functools.partial(jax.jit, static_argnames=("network", "layers", "per_image"))
def extract(
    network: Network,
    params: Params,
    images: Array | HostArray,
    index: Array | HostArray,
    *,
    layers: tuple[str, ...],
    per_image: int,
    key: Key,
    weight: Array | HostArray | None = None,
) -> dict[str, Extract]:
    """Sample a batch of images at several layers. A pure function.

    Args:
      network: the network.
      params: its parameters.
      images: (b, h, w, 3), uint8 or float in [0, 1].
      index: (b,) int index of each image, on which its positions depend.
      layers: names of the layers.
      per_image: positions per image.
      key: of the collection.
      weight: (b,) weight of each image in the moments, 0 for padding; None means 1.

    Returns:
      An `Extract` by layer.

    Raises:
      ValueError: if the network cannot be run on one such image, or a layer is unknown or has no
        positions.
    """
    _, height, width, _ = images.shape
    for layer in layers:  # says clearly which size of images does not fit, once per program
        network.activation_shape(params, (height, width), layer=layer)
    draw = functools.partial(sample.draw_places, key=key, per_image=per_image)
    places = jax.vmap(lambda number: draw(image=number))(index)
    run = functools.partial(sample.activations, network, params, layers=layers)
    activations = jax.vmap(lambda image: run(sample.to_float(image)))(images)
    weights = jnp.ones(len(images)) if weight is None else weight

    def at(layer: str, activation: Array) -> Extract:
        _, height, width, _ = activation.shape
        positions = sample.grid_positions(places, height=height, width=width)

        def explain(activation: Array, positions: Array) -> Array:
            one = functools.partial(evidence, network, params, activation, layer=layer)
            # Clipped: what is beyond float16, which no known network comes near, stays finite.
            return jnp.clip(jax.vmap(one)(positions), -_FLOAT16_MAX, _FLOAT16_MAX)

        wide = activation.astype(jnp.float32)  # whatever the network computes in
        moments = jax.vmap(sample.interior_moment)(wide)
        return Extract(
            vectors=jax.vmap(sample.pick)(wide, positions),
            positions=positions,
            evidence=jax.vmap(explain)(activation, positions).astype(jnp.float16),
            moment=(weights[:, None, None] * moments).sum(0),
        )

    return {layer: at(layer, activation) for layer, activation in activations.items()}


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
      ValueError: for a layer that is unknown or has no positions, and if no image could be
        used; the first reasons are given.
    """
    checks.whole("per_image", per_image)
    checks.whole("segment", segment)
    side = network.input_size
    for layer in stages:
        network.activation_shape(params, (side, side), layer=layer)
    kept = {layer: _kept(stage) for layer, stage in stages.items()}
    last = None if source.count is None else -(-source.count // segment)
    if not _complete(kept, last):
        step = functools.partial(extract, network, params, per_image=per_image, key=key)
        size = max(1, min(run.batch_size // per_image, segment))
        _fill_gaps(step, source, kept, last, stages, batch_size=size, segment=segment, run=run)
    return _joined({layer: [x[n] for n in sorted(x)] for layer, x in kept.items()})


def _complete(kept: Mapping[str, Mapping[int, Arrays]], last: int | None) -> bool:
    """Return whether all segments of all layers are known to be there."""
    return last is not None and all(x.keys() >= set(range(last)) for x in kept.values())


def _fill_gaps(
    step: Callable[..., dict[str, Extract]],
    source: ImageSource,
    kept: dict[str, dict[int, Arrays]],
    last: int | None,
    stages: Mapping[str, CachedStage],
    *,
    batch_size: int,
    segment: int,
    run: Run,
) -> None:
    """Compute the segments that are missing, and keep them."""
    first = min(_first_gap(segments) for segments in kept.values())
    with contextlib.closing(source.load(first * segment, workers=run.workers)) as stream:
        bar = progress_bar(
            stream,
            shown=run.progress,
            desc="images",
            unit="image",
            total=source.count,
            initial=first * segment,
        )
        for number, items in itertools.groupby(bar, key=lambda item: item.index // segment):
            missing = tuple(layer for layer in kept if number not in kept[layer])
            if not missing:
                continue
            results = _extract_segment(step, items, layers=missing, batch_size=batch_size)
            for layer, arrays in results.items():
                stages[layer].put(arrays, _piece(number))
                kept[layer][number] = arrays
            if _complete(kept, last):
                break


def _kept(stage: CachedStage) -> dict[int, Arrays]:
    """Return the segments of a layer that are kept, by number; other files are left alone."""
    numbers = [int(name) for name in stage.pieces() if _NUMBER.fullmatch(name)]
    stored = {number: stage.get(_piece(number)) for number in numbers}
    return {number: arrays for number, arrays in stored.items() if arrays is not None}


def _piece(number: int) -> str:
    """Return the name of the piece that holds a segment."""
    return f"{number:06d}"


def _first_gap(segments: Collection[int]) -> int:
    return next(number for number in itertools.count() if number not in segments)


def _extract_segment(
    step: Callable[..., dict[str, Extract]],
    items: Iterable[Loaded],
    *,
    layers: tuple[str, ...],
    batch_size: int,
) -> dict[str, Arrays]:
    """Run the images of one segment; return by layer what `_joined` reads."""
    skipped: list[tuple[int, str]] = []
    counted = _Counted(items)
    used: list[HostArray] = []
    parts: dict[str, list[Arrays]] = {layer: [] for layer in layers}
    for images, index, valid in batches(counted, batch_size, skipped=skipped):
        weight = (np.arange(batch_size) < valid).astype(np.float32)
        used.append(index[:valid])
        for layer, extracted in step(images, index, layers=layers, weight=weight).items():
            arrays = {name: np.asarray(getattr(extracted, name)) for name in (*_ROWS, "moment")}
            parts[layer].append(arrays | {name: arrays[name][:valid] for name in _ROWS})
    about = {
        "images": np.array(counted.count),
        "skipped": np.array([index for index, _ in skipped], np.int64),
        "reasons": np.array([reason for _, reason in skipped], np.str_),
    }
    if not used:
        return dict.fromkeys(layers, about)
    about["index"] = np.concatenate(used)
    return {layer: about | _concatenated(batches_) for layer, batches_ in parts.items()}


def _concatenated(parts: list[Arrays]) -> Arrays:
    arrays = {name: np.concatenate([part[name] for part in parts]) for name in _ROWS}
    moments = np.stack([part["moment"] for part in parts])
    return arrays | {"moment": moments.sum(0, dtype=np.float64)}


class _Counted:
    """An iterable that knows how much of it has been read."""

    def __init__(self, items: Iterable[Loaded]) -> None:
        self._items = items
        self.count = 0

    def __iter__(self) -> Iterator[Loaded]:
        for item in self._items:
            self.count += 1
            yield item


def _joined(kept: dict[str, list[Arrays]]) -> Collected:
    # What is said of the images is the same at every layer.
    segments = next(iter(kept.values()))
    skipped = [
        (int(index), str(reason))
        for segment in segments
        for index, reason in zip(segment["skipped"], segment["reasons"], strict=True)
    ]
    if not any("index" in segment for segment in segments):
        first = "; ".join(f"image {index}: {reason}" for index, reason in skipped[:3])
        raise ValueError(f"no image could be used ({first or 'there are none'})")
    samples = {layer: _join_layer(parts) for layer, parts in kept.items()}
    return Collected(samples, sum(int(segment["images"]) for segment in segments), skipped)


def _join_layer(segments: list[Arrays]) -> Samples:
    used = [segment for segment in segments if "index" in segment]
    rows = {name: np.concatenate([segment[name] for segment in used]) for name in _ROWS}
    index = np.concatenate([segment["index"] for segment in used])
    images, per_image, channels = rows["vectors"].shape
    image = np.repeat(index, per_image)[:, None]
    source = np.concatenate([image, rows["positions"].reshape(-1, 2)], axis=1)
    # In float64: in float32 the moments of a million images would lose digits.
    total = np.sum([segment["moment"] for segment in used], axis=0)
    return Samples(
        vectors=rows["vectors"].reshape(-1, channels),
        source=source.astype(np.int32),
        evidence=rows["evidence"].reshape(images * per_image, -1),
        moment=(total / images).astype(np.float32),
    )
