"""Images to samples: activation vectors, where they come from, and their class evidence."""

from __future__ import annotations

import collections
import contextlib
import itertools
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from jatlas.collect._extract import Extract, extract
from jatlas.collect._segments import Collected, Segments, join_layers
from jatlas.collect._source import ImageSource, Loaded, batches
from jatlas.model import Network
from jatlas.storage import Arrays, CachedStage
from jatlas.types import HostArray, Key, Params, Run, as_key, checks, progress_bar

SEGMENT = 256
"""Images whose results are kept together: what an interruption costs at most."""

_ROWS = ("vectors", "positions", "evidence")
_IMAGES = "images"  # the axis of the devices' mesh
_AHEAD = 2  # batches that are on the devices while images of further ones are decoded


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
    last = None if source.count is None else -(-source.count // segment)
    devices = jax.local_devices()
    step = _step(network, params, devices, per_image=per_image, key=key)
    size = max(min(run.batch_size // per_image, segment // len(devices)), 1) * len(devices)
    while True:
        if not _complete(kept, last):
            _fill_gaps(step, source, kept, last, batch_size=size, segment=segment, run=run)
        collected = join_layers(kept)
        if collected is not None:
            return collected


def _step(
    network: Network,
    params: Params,
    devices: list[jax.Device],
    *,
    per_image: int,
    key: Key,
) -> Callable[..., dict[str, Extract]]:
    """Return `extract` for batches that are shared out to devices."""
    mesh = Mesh(np.array(devices), (_IMAGES,))
    placed, key = jax.device_put((params, as_key(key)), NamedSharding(mesh, P()))

    def step(
        images: HostArray, index: HostArray, weight: HostArray, *, layers: tuple[str, ...]
    ) -> dict[str, Extract]:
        batch = jax.device_put((images, index, weight), NamedSharding(mesh, P(_IMAGES)))
        return extract(
            network, placed, *batch[:2],
            layers=layers, per_image=per_image, key=key, weight=batch[2],
        )  # fmt: skip

    return step


def _complete(kept: Mapping[str, Segments], last: int | None) -> bool:
    """Return whether all segments of all layers are known to be there."""
    return last is not None and all(x.numbers >= set(range(last)) for x in kept.values())


def _fill_gaps(
    step: Callable[..., dict[str, Extract]],
    source: ImageSource,
    kept: Mapping[str, Segments],
    last: int | None,
    *,
    batch_size: int,
    segment: int,
    run: Run,
) -> None:
    """Compute the segments that are missing, and keep them."""
    first = min(_first_gap(segments.numbers) for segments in kept.values())
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
            missing = tuple(layer for layer in kept if number not in kept[layer].numbers)
            if not missing:
                continue
            results = _extract_segment(step, items, layers=missing, batch_size=batch_size)
            for layer, arrays in results.items():
                kept[layer].add(number, arrays)
            if _complete(kept, last):
                break


def _first_gap(segments: Collection[int]) -> int:
    return next(number for number in itertools.count() if number not in segments)


def _extract_segment(
    step: Callable[..., dict[str, Extract]],
    items: Iterable[Loaded],
    *,
    layers: tuple[str, ...],
    batch_size: int,
) -> dict[str, Arrays]:
    """Run the images of one segment; return by layer what `Joined` reads."""
    skipped: list[tuple[int, str]] = []
    counted = _Counted(items)
    used: list[HostArray] = []
    predicted: list[HostArray] = []
    parts: dict[str, list[Arrays]] = {layer: [] for layer in layers}
    running: collections.deque[tuple[dict[str, Extract], int]] = collections.deque()

    def finish() -> None:
        results, valid = running.popleft()
        for layer, extracted in results.items():
            arrays = {name: np.asarray(getattr(extracted, name)) for name in (*_ROWS, "moment")}
            parts[layer].append(arrays | {name: arrays[name][:valid] for name in _ROWS})
        predicted.append(np.asarray(next(iter(results.values())).predicted)[:valid])

    for images, index, valid in batches(counted, batch_size, skipped=skipped):
        weight = (np.arange(batch_size) < valid).astype(np.float32)
        used.append(index[:valid])
        running.append((step(images, index, weight, layers=layers), valid))
        if len(running) == _AHEAD:
            finish()
    while running:
        finish()
    about = {
        "images": np.array(counted.count),
        "skipped": np.array([index for index, _ in skipped], np.int64),
        "reasons": np.array([reason for _, reason in skipped], np.str_),
    }
    if not used:
        return dict.fromkeys(layers, about)
    index = np.concatenate(used)
    about |= {"index": index, "predicted": np.concatenate(predicted)} | counted.labels_of(index)
    return {layer: about | _concatenated(batches_) for layer, batches_ in parts.items()}


def _concatenated(parts: list[Arrays]) -> Arrays:
    arrays = {name: np.concatenate([part[name] for part in parts]) for name in _ROWS}
    moments = np.stack([part["moment"] for part in parts])
    return arrays | {"moment": moments.sum(0, dtype=np.float64)}


class _Counted:
    """An iterable that knows how much of it has been read, and the labels."""

    def __init__(self, items: Iterable[Loaded]) -> None:
        self._items = items
        self._labels: dict[int, str] = {}
        self.count = 0

    def __iter__(self) -> Iterator[Loaded]:
        for item in self._items:
            self.count += 1
            if item.label is not None:
                self._labels[item.index] = checks.text("label", item.label)
            yield item

    def labels_of(self, index: HostArray) -> Arrays:
        """Return the labels of images, "" for one that has none; nothing if none has one."""
        if not self._labels:
            return {}
        return {"labels": np.array([self._labels.get(int(x), "") for x in index], np.str_)}
