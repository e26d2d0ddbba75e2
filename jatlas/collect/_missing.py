"""The segments of a collection that are missing: which they are, and their computation."""

from __future__ import annotations

import collections
import contextlib
import itertools
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from jatlas.collect._extract import EXTRACT_SHARES, IMAGES, Extract
from jatlas.collect._segments import Segments, triangle
from jatlas.collect._source import ImageSource, Loaded, Rereadable, batches
from jatlas.collect._stream import Stream
from jatlas.model import Network
from jatlas.storage import Arrays
from jatlas.types import HostArray, Key, Params, Run, as_key, checks, progress_bar

SEGMENT = 256
"""Images whose results are kept together: what an interruption costs at most."""

_ROWS = ("vectors", "positions", "evidence")
_AHEAD = 2  # batches that are on the devices while images of further ones are decoded


def missing(kept: Mapping[str, Segments], count: int | None, *, segment: int) -> list[int] | None:
    """Return the numbers of the segments that some layer lacks.

    Args:
      kept: by layer, the segments that are there.
      count: of the images; None if it is not known yet.
      segment: images in one.

    Returns:
      The numbers, ascending; None if it is not known how many segments there are.
    """
    if count is None:
        return None
    every = range(-(-count // segment))
    return [number for number in every if any(number not in x.numbers for x in kept.values())]


def fill(
    network: Network,
    params: Params,
    source: ImageSource,
    kept: Mapping[str, Segments],
    *,
    numbers: Sequence[int] | None,
    per_image: int,
    key: Key,
    run: Run,
    segment: int,
) -> None:
    """Compute segments that are missing, and keep them: this process's share of them.

    Args:
      network: the network.
      params: its parameters.
      source: the images.
      kept: by layer, the segments that are there.
      numbers: the missing ones, see `missing`; None means all up to the end of the source.
      per_image: positions per image.
      key: of the collection.
      run: how it is carried out.
      segment: images in a segment.
    """
    devices = jax.local_devices()
    step = _step(network, params, devices, per_image=per_image, key=key)
    size = max(min(run.batch_size // per_image, segment // len(devices)), 1) * len(devices)
    own = numbers
    if own is not None and run.processes is not None:
        own = own[run.processes.share(len(own))]
    there = min(len(segments.numbers) for segments in kept.values())
    bar = progress_bar(
        None,
        shown=run.progress,
        desc="images",
        unit="image",
        total=source.count,
        initial=there * segment if numbers is None else _images_but(numbers, source, segment),
        processes=run.processes,
    )
    with bar, contextlib.closing(_load(source, own, kept, segment=segment, run=run)) as stream:
        for number, items in itertools.groupby(stream, key=lambda item: item.index // segment):
            layers = tuple(layer for layer in kept if number not in kept[layer].numbers)
            if not layers:
                continue
            counted = _Counted(items, bar.update)
            results = _extract_segment(step, counted, layers=layers, batch_size=size)
            for layer, arrays in results.items():
                kept[layer].add(number, arrays)


def _images_but(numbers: Sequence[int], source: ImageSource, segment: int) -> int:
    """Return how many images are in other segments than some."""
    count = source.count or 0
    return count - sum(min(segment, count - number * segment) for number in numbers)


def _load(
    source: ImageSource,
    numbers: Sequence[int] | None,
    kept: Mapping[str, Segments],
    *,
    segment: int,
    run: Run,
) -> Generator[Loaded, None, None]:
    """Yield the images of some segments, in order; None means those this process is to compute."""
    if numbers is None:
        yield from _load_every(source, kept, segment=segment, run=run)
        return
    if not numbers:
        return
    count, first, last = source.count or 0, numbers[0], numbers[-1]
    to_the_end = len(numbers) == last - first + 1 and (last + 1) * segment >= count
    stream = None
    if not to_the_end and isinstance(source, Rereadable):
        indices = [
            index
            for number in numbers
            for index in range(number * segment, min((number + 1) * segment, count))
        ]
        stream = source.reload(indices, workers=run.workers)
    if stream is not None:
        with contextlib.closing(stream):
            yield from stream
        return
    wanted = set(numbers)
    with contextlib.closing(source.load(first * segment, workers=run.workers)) as stream:
        for item in stream:
            if item.index // segment in wanted:
                yield item
            if item.index + 1 == (last + 1) * segment:
                break


def _load_every(
    source: ImageSource, kept: Mapping[str, Segments], *, segment: int, run: Run
) -> Generator[Loaded, None, None]:
    """Yield the images of segments up to the end of a source: every so many with processes."""
    index, every = (run.processes.index, run.processes.count) if run.processes else (0, 1)
    gaps = [next(n for n in itertools.count() if n not in x.numbers) for x in kept.values()]
    first = min(gaps) * segment

    def wanted(number: int) -> bool:
        return number // segment % every == index

    if isinstance(source, Stream):  # which need not decode the others
        yield from source.load(first, workers=run.workers, wanted=wanted)
        return
    with contextlib.closing(source.load(first, workers=run.workers)) as stream:
        yield from (item for item in stream if wanted(item.index))


def _step(
    network: Network,
    params: Params,
    devices: list[jax.Device],
    *,
    per_image: int,
    key: Key,
) -> Callable[..., dict[str, Extract]]:
    """Return `extract` for batches that are shared out to devices."""
    mesh = Mesh(np.array(devices), (IMAGES,))
    placed, key = jax.device_put((params, as_key(key)), NamedSharding(mesh, P()))

    def step(
        images: HostArray, index: HostArray, weight: HostArray, *, layers: tuple[str, ...]
    ) -> dict[str, Extract]:
        batch = jax.device_put((images, index, weight), NamedSharding(mesh, P(IMAGES)))
        return EXTRACT_SHARES(
            mesh, network, placed, *batch, layers=layers, per_image=per_image, key=key
        )

    return step


def _extract_segment(
    step: Callable[..., dict[str, Extract]],
    counted: _Counted,
    *,
    layers: tuple[str, ...],
    batch_size: int,
) -> dict[str, Arrays]:
    """Run the images of one segment; return by layer what `Joined` reads."""
    skipped: list[tuple[int, str]] = []
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
    moments = np.concatenate([part["moment"] for part in parts])  # of each device
    return arrays | {"moment": triangle(moments.sum(0, dtype=np.float64))}


class _Counted:
    """An iterable that knows how much of it has been read, and tells; and the labels."""

    def __init__(self, items: Iterable[Loaded], tell: Callable[[int], object]) -> None:
        self._items, self._tell = items, tell
        self._labels: dict[int, str] = {}
        self.count = 0

    def __iter__(self) -> Iterator[Loaded]:
        for item in self._items:
            self.count += 1
            self._tell(1)
            if item.label is not None:
                self._labels[item.index] = checks.text("label", item.label)
            yield item

    def labels_of(self, index: HostArray) -> Arrays:
        """Return the labels of images, "" for one that has none; nothing if none has one."""
        if not self._labels:
            return {}
        return {"labels": np.array([self._labels.get(int(x), "") for x in index], np.str_)}
