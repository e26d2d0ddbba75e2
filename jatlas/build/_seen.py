"""What layers make of pictures: icons, and the real places of cells."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jatlas.build._crops import crops
from jatlas.collect import ImageSource, interior
from jatlas.model import Network
from jatlas.pixels import resized
from jatlas.records import Grid
from jatlas.types import Array, HostArray, Params, Run, progress_bar

Numbered = tuple[int, HostArray]
"""Number of a picture, and its pixels: (h, w, 3) uint8."""


def layers_before(
    network: Network, params: Params, side: int, *, layer: str, count: int
) -> tuple[str, ...]:
    """Return some of the layers before a layer, evenly spread.

    Each is the middle one of as many equal stretches.

    Args:
      network: the network.
      params: its parameters; only their shapes matter.
      side: of the pictures, in pixels.
      layer: name of the layer.
      count: how many, at most.
    """
    names = network.layers[: network.index(layer)]
    names = tuple(name for name in names if _has_map(network, params, side, layer=name))
    count = min(count, len(names))
    return tuple(names[(2 * i + 1) * len(names) // (2 * count)] for i in range(count))


def _has_map(network: Network, params: Params, side: int, *, layer: str) -> bool:
    try:
        network.activation_shape(params, (side, side), layer=layer)
    except ValueError:
        return False
    return True


def shown_side(network: Network, params: Params, px: int, *, layer: str) -> int:
    """Return the side at which pictures are shown to a network: their own, if it takes that."""
    return px if network.takes(params, px, layer=layer) else network.input_size


class Seen(NamedTuple):
    """What a network makes of pictures.

    Attributes:
      means: (n, channels) mean activation over the picture, for each layer that was asked for;
        zero for pictures that were not there.
      inside: (n, positions, channels) of the last layer off its border; None if not asked for.
      present: (n,) bool, which pictures were there.
    """

    means: tuple[HostArray, ...]
    inside: HostArray | None
    present: HostArray


def see(
    network: Network,
    params: Params,
    pictures: Iterable[Numbered],
    *,
    count: int,
    side: int,
    layers: tuple[str, ...],
    last: str | None = None,
    run: Run,
    what: str,
) -> Seen:
    """Run a network on pictures, a batch at a time.

    Args:
      network: the network.
      params: its parameters.
      pictures: in any order, numbered from 0 to below `count`.
      count: how many there are, at most.
      side: in pixels, at which they are shown.
      layers: whose mean activations are wanted.
      last: a layer whose activations are wanted.
      run: batch size and progress bar.
      what: they are, for the progress bar.
    """
    outputs: list[HostArray] = []
    present = np.zeros(count, bool)
    with progress_bar(None, shown=run.progress, desc=what, unit="picture", total=count) as bar:
        for numbers, batch in _batches(pictures, side, run.batch_size):
            found = _see(network, params, jnp.asarray(batch), layers=layers, last=last)
            for i, array in enumerate(map(np.asarray, found)):
                if len(outputs) == i:
                    outputs.append(np.zeros((count, *array.shape[1:]), np.float32))
                outputs[i][numbers] = array[: len(numbers)]
            present[numbers] = True
            bar.update(len(numbers))
    means = tuple(outputs[: len(layers)])
    return Seen(means, outputs[-1] if last is not None and outputs else None, present)


def _batches(
    pictures: Iterable[Numbered], side: int, size: int
) -> Iterator[tuple[list[int], HostArray]]:
    """Yield numbers and pixels of pictures, as many at once; the last batch is filled up."""
    numbers: list[int] = []
    batch = np.zeros((size, side, side, 3), np.uint8)
    for number, pixels in pictures:
        batch[len(numbers)] = resized(pixels, side)
        numbers.append(number)
        if len(numbers) == size:
            yield numbers, batch
            numbers = []
    if numbers:
        yield numbers, batch


@functools.partial(jax.jit, static_argnames=("network", "layers", "last"))
def _see(
    network: Network, params: Params, batch: Array, *, layers: tuple[str, ...], last: str | None
) -> list[Array]:
    images = batch.astype(jnp.float32) / 255
    wanted = (*layers, *(() if last is None else (last,)))
    until = max(wanted, key=network.index)
    found = network.apply(params, images, layers=wanted, until=until).activations
    outputs = [found[name].astype(jnp.float32).mean((1, 2)) for name in layers]
    return (
        outputs if last is None else [*outputs, jax.vmap(interior)(found[last].astype(jnp.float32))]
    )


def real_places(
    network: Network,
    params: Params,
    images: ImageSource | None,
    source: HostArray,
    rows: HostArray,
    grid: Grid,
    *,
    layer: str,
) -> Iterator[Numbered]:
    """Yield pictures of the real places of cells, numbered row by row.

    From the images they are cut at their own scale, as large as an icon: then neither size nor
    border tells them from icons. Without the images they are the crops that the atlas holds, which
    show the receptive field, scaled to the size of an icon.

    Args:
      network: the network.
      params: its parameters.
      images: the source of the samples' images; None takes the crops of the grid.
      source: (n, 3) image index, row and column of each sample.
      rows: (m, k) rows of samples, negative for none.
      grid: the grid.
      layer: name of the layer.
    """
    places = np.argwhere(rows >= 0)
    numbers = places[:, 0] * rows.shape[1] + places[:, 1]
    if images is None:
        assert grid.crops is not None
        yield from ((int(x), grid.crops[i, j]) for x, (i, j) in zip(numbers, places, strict=True))
        return
    chosen, px = source[rows[tuple(places.T)]], grid.icons.images.shape[1]
    with contextlib.closing(crops(network, params, images, chosen, layer=layer, px=px)) as cut:
        yield from ((int(numbers[number]), pixels) for number, pixels in cut)
