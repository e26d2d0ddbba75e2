"""Images to samples: activation vectors, where they come from, and what they speak for.

Extraction and attribution share the forward pass, so they are one jitted function here.
"""

import functools
import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from tqdm import tqdm

from jatlas.collect import _sample as sample
from jatlas.collect._source import ImageSource, Loaded, batches
from jatlas.explain import evidence
from jatlas.model import Network
from jatlas.records import Samples
from jatlas.storage import Checkpoints
from jatlas.types import Array, HostArray, Key, Params

SEGMENT = 256
"""Images between two checkpoints; fixed, so that results do not hang on the batch size."""


_MOST = float(jnp.finfo(jnp.float16).max)
FEWEST = 16


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


class Extracted(NamedTuple):
    """What one batch gives at one layer.

    Attributes:
      vectors: (b, per_image, channels) float32.
      positions: (b, per_image, 2) int32 of (row, column).
      evidence: (b, per_image, classes) float16.
    """

    vectors: Array
    positions: Array
    evidence: Array


@functools.partial(jax.jit, static_argnames=("network", "per_image"))
def extract(
    network: Network,
    params: Params,
    images: Array,
    index: Array,
    moments: dict[str, Array],
    weight: Array,
    *,
    per_image: int,
    key: Key,
) -> tuple[dict[str, Extracted], dict[str, Array]]:
    """Sample a batch of images at several layers.

    Args:
      network: the network.
      params: its parameters.
      images: (b, h, w, 3), uint8 or float in [0, 1].
      index: (b,) int index of each image, on which its places hang.
      moments: by layer, (channels, channels) sum of the images' second moments so far.
      weight: (b,) 1 for an image that counts in the moments, 0 for one that fills up the batch.
      per_image: places per image.
      key: of the collection.

    Returns:
      By layer what was extracted, and the moments with this batch added.
    """
    draw = functools.partial(sample.draw_places, key=key, per_image=per_image)
    places = jax.vmap(lambda number: draw(image=number))(index)
    look = functools.partial(sample.activations, network, params, layers=tuple(moments))
    found = jax.vmap(lambda image: look(sample.to_float(image)))(images)

    def at_places(activation: Array, places: Array, layer: str) -> Extracted:
        height, width, _ = activation.shape
        positions = sample.grid_positions(places, height=height, width=width)
        attribute = functools.partial(evidence, network, params, activation, layer=layer)
        # Clipped: what is beyond float16, which no known network comes near, stays finite.
        speaks_for = jnp.clip(jax.vmap(attribute)(positions), -_MOST, _MOST).astype(jnp.float16)
        return Extracted(sample.pick(activation, positions), positions, speaks_for)

    def add(total: Array, item: tuple[Array, Array]) -> tuple[Array, None]:
        activation, counts = item
        return total + counts * sample.interior_moment(activation), None

    extracted, sums = {}, {}
    for layer, activation in found.items():
        each = functools.partial(at_places, layer=layer)
        extracted[layer] = jax.vmap(each)(activation, places)
        # One image after the other: the rounding of the sum does not hang on the batch.
        sums[layer], _ = jax.lax.scan(add, moments[layer], (activation, weight))
    return extracted, sums


def collect(
    network: Network,
    params: Params,
    source: ImageSource,
    *,
    layers: tuple[str, ...],
    per_image: int,
    key: Key,
    checkpoints: Checkpoints,
    batch_size: int,
    workers: int = 2,
    progress: bool = True,
) -> Collected:
    """Run a source's images through the network and sample every layer.

    What is done is kept every `SEGMENT` images, and not done again.

    Args:
      network: the network.
      params: its parameters.
      source: the images.
      layers: names of layers.
      per_image: places per image.
      key: of the collection.
      checkpoints: where to keep what is done.
      batch_size: images per program, if one place is taken of each; fewer where more are, as
        each place costs a pass through the rest of the network.
      workers: decoding threads.
      progress: whether to show a progress bar.

    Returns:
      Collected.

    Raises:
      ValueError: if no image could be used, the first reasons are given; or for an argument out
        of range.
    """
    for name, value in (("per_image", per_image), ("batch_size", batch_size)):
        if value < 1:
            raise ValueError(f"{name}: expected at least 1, got {value}")
    done = 0
    while checkpoints.has(_segment(done)):
        done += 1
    kept = [checkpoints.load(_segment(number)) for number in range(done)]
    size = max(FEWEST, min(batch_size // per_image, SEGMENT))
    step = functools.partial(extract, network, params, per_image=per_image, key=key)
    empty = functools.partial(_empty_moments, network, params, layers=layers)
    with tqdm(
        source.load(done * SEGMENT, workers=workers),
        desc="images",
        unit="image",
        total=source.count,
        initial=done * SEGMENT,
        disable=not progress,
    ) as bar:
        for _, items in itertools.groupby(bar, key=lambda item: item.index // SEGMENT):
            arrays = _collect_segment(step, empty, items, batch_size=size)
            checkpoints.keep(_segment(len(kept)), arrays)
            kept.append(arrays)
    return _joined(kept, layers=layers)


def _segment(number: int) -> str:
    return f"images-{number:05d}"


def _empty_moments(
    network: Network, params: Params, image: tuple[int, int], *, layers: tuple[str, ...]
) -> dict[str, Array]:
    shape = functools.partial(network.activation_shape, params, image)
    channels = {x: shape(layer=x)[2] for x in layers}
    return {layer: jnp.zeros((c, c), jnp.float32) for layer, c in channels.items()}


def _collect_segment(
    step: Callable[..., tuple[dict[str, Extracted], dict[str, Array]]],
    empty: Callable[[tuple[int, int]], dict[str, Array]],
    items: Iterable[Loaded],
    *,
    batch_size: int,
) -> dict[str, HostArray]:
    """Run one segment; return its arrays under the names that `_joined` reads."""
    skipped: list[tuple[int, str]] = []
    counted = _Counted(items)
    parts: dict[str, list[HostArray]] = {}
    moments: dict[str, Array] = {}
    for images, index, valid in batches(counted, batch_size, skipped=skipped):
        moments = moments or empty(images.shape[1:3])
        weight = (np.arange(batch_size) < valid).astype(np.float32)
        extracted, moments = step(images, index, moments, weight)
        parts.setdefault("index", []).append(index[:valid])
        for layer, found in extracted.items():
            for name, array in found._asdict().items():
                parts.setdefault(f"{layer}.{name}", []).append(np.asarray(array)[:valid])
    arrays = {name: np.concatenate(list_) for name, list_ in parts.items()}
    arrays |= {f"{layer}.moment": np.asarray(moment) for layer, moment in moments.items()}
    arrays["images"] = np.array(counted.count)
    arrays["skipped"] = np.array([index for index, _ in skipped], np.int64)
    arrays["reasons"] = np.array([reason for _, reason in skipped], np.str_)
    return arrays


class _Counted:
    """An iterable that knows how much of it has been read."""

    def __init__(self, items: Iterable[Loaded]) -> None:
        self._items = items
        self.count = 0

    def __iter__(self) -> Iterator[Loaded]:
        for item in self._items:
            self.count += 1
            yield item


def _joined(kept: list[dict[str, HostArray]], *, layers: tuple[str, ...]) -> Collected:
    skipped = [
        (int(index), str(reason))
        for part in kept
        for index, reason in zip(part["skipped"], part["reasons"], strict=True)
    ]
    used = [part for part in kept if "index" in part]
    if not used:
        first = "; ".join(f"image {index}: {reason}" for index, reason in skipped[:3])
        raise ValueError(f"no image could be used ({first or 'there are none'})")
    samples = {layer: _join_layer(used, layer) for layer in layers}
    return Collected(samples, sum(int(part["images"]) for part in kept), skipped)


def _join_layer(used: list[dict[str, HostArray]], layer: str) -> Samples:
    vectors = np.concatenate([part[f"{layer}.vectors"] for part in used])
    positions = np.concatenate([part[f"{layer}.positions"] for part in used])
    speaks_for = np.concatenate([part[f"{layer}.evidence"] for part in used])
    index = np.concatenate([part["index"] for part in used])
    images, per_image, channels = vectors.shape
    rows = np.repeat(index, per_image)[:, None]
    source = np.concatenate([rows, positions.reshape(-1, 2)], axis=1).astype(np.int32)
    # Segments are added in float64: a million images would lose digits in float32.
    total = np.sum([part[f"{layer}.moment"] for part in used], axis=0, dtype=np.float64)
    return Samples(
        vectors=vectors.reshape(-1, channels),
        source=source,
        evidence=speaks_for.reshape(images * per_image, -1),
        moment=(total / images).astype(np.float32),
    )
