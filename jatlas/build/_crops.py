"""The images of an atlas read again, and the receptive fields of its samples cut out of them."""

import contextlib
import functools
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from jatlas.collect import (
    Folder,
    ImageSource,
    Loaded,
    Rereadable,
    as_source,
    images_of,
    preprocess_of,
    to_float,
)
from jatlas.explain import crop, receptive_box, receptive_share
from jatlas.model import Network
from jatlas.pixels import WHITE, resized, to_uint8
from jatlas.records import Atlas
from jatlas.storage import Rows
from jatlas.types import Array, HostArray, Params, Run

CROP_PX = 48
_WHOLE = np.array([0, 0, 1, 1], np.float32)
_MEASURED = 8  # images that the size of the receptive field is measured on


class Thumbnails(NamedTuple):
    """Pictures of the exemplars of cells.

    Attributes:
      crops: (m, k, px, px, 3) uint8, white where there is none.
      boxes: (m, k, 4) float32 of top, left, bottom and right as shares of the image's sides; all 0
        where there is none.
    """

    crops: HostArray
    boxes: HostArray


def own_images(atlas: Atlas, images: ImageSource | None, *, size: int) -> ImageSource | None:
    """Return the images of an atlas.

    Args:
      atlas: the atlas; one that does not say which images it has takes any, but as many.
      images: the images, if they are given; None means where they were, see `images_of`.
      size: side of the network's images in pixels.

    Raises:
      ValueError: if images are given that are others.
    """
    if images is None:
        return images_of(atlas.info, atlas.images)
    images = as_source(images, size=size)
    if images.count is not None and images.count != len(atlas.images):
        raise ValueError(
            f"images: expected the atlas's own {len(atlas.images)}, got {images.count}"
        )
    stored, same = atlas.info.get("source", {}), True
    if isinstance(images, Folder) and "listing_sha256" in stored:
        same = images.matches(stored) and images.preprocess == preprocess_of(atlas.info)
    elif "kind" in stored:
        now = images.fingerprint() or {}
        now.pop("decoder", None)  # a newer one reads the same images
        same = now.get("kind") != stored["kind"] or now.items() <= stored.items()
    if not same:
        raise ValueError(
            "images: expected the atlas's own, in the same order and made squares as they were, "
            "got others"
        )
    return images


def can_reread(images: ImageSource | None) -> bool:
    """Return whether some images of a source can be read again."""
    return isinstance(images, Rereadable) and images.reload([]) is not None


def reread(
    images: ImageSource | None, indices: Sequence[int], *, workers: int = Run.workers
) -> Generator[Loaded, None, None] | None:
    """Read some images again.

    Args:
      images: the source; None has none.
      indices: which, ascending.
      workers: threads that decode them.

    Returns:
      The images, in that order, to be closed; None if they cannot be read again.
    """
    return images.reload(indices, workers=workers) if isinstance(images, Rereadable) else None


def receptive_share_of(
    network: Network,
    params: Params,
    images: ImageSource | None,
    source: HostArray,
    *,
    layer: str,
) -> float | None:
    """Measure the receptive field of a layer on a few of the images.

    Args:
      network: the network.
      params: its parameters.
      images: the source.
      source: (n, 3) image index, row and column of samples.
      layer: name of the layer.

    Returns:
      Side of the field as a share of the image's side; None if the images cannot be read again.
    """
    used = np.unique(source[:, 0])
    # The middle of each of a few equal stretches, so that all kinds of images have their share.
    few = used[(2 * np.arange(_MEASURED) + 1) * len(used) // (2 * _MEASURED)]
    loaded = reread(images, np.unique(few).tolist())
    if loaded is None:
        return None
    with contextlib.closing(loaded):
        pictures = [item.image for item in loaded if item.image is not None]
    if not pictures:
        return None
    batch: Array = jnp.stack([to_float(jnp.asarray(picture)) for picture in pictures])
    return receptive_share(network, params, batch, layer=layer)


def crops(
    network: Network | None,
    params: Params,
    images: ImageSource | None,
    source: HostArray,
    *,
    layer: str,
    share: float = 1.0,
    px: int | None = None,
) -> Generator[tuple[int, HostArray], None, None]:
    """Cut the receptive fields of samples out of their images, one image in memory at a time.

    Args:
      network: the network; None takes whole images.
      params: its parameters.
      images: the source; it must be one that can be read again.
      source: (n, 3) image index, row and column of samples.
      layer: name of the layer.
      share: side of the receptive field as a share of the image's side.
      px: side of the crops in pixels of the image, in place of the receptive field's; at most the
        image's.

    Yields:
      (number of the sample, (h, w, 3) uint8), in the order of the images. A sample whose image
      cannot be read any more is left out.
    """
    cut = boxed_crops(network, params, images, source, layer=layer, share=share, px=px)
    with contextlib.closing(cut):
        yield from ((number, pixels) for number, pixels, _ in cut)


def boxed_crops(
    network: Network | None,
    params: Params,
    images: ImageSource | None,
    source: HostArray,
    *,
    layer: str,
    share: float = 1.0,
    px: int | None = None,
    workers: int = Run.workers,
) -> Generator[tuple[int, HostArray, HostArray], None, None]:
    """Yield what `crops` does, and the box of each: (4,) of top, left, bottom and right."""
    order = np.argsort(source[:, 0], kind="stable")
    wanted, starts = np.unique(source[order, 0], return_index=True)
    numbers_of = dict(zip(wanted.tolist(), np.split(order, starts[1:]), strict=False))
    loaded = reread(images, wanted.tolist(), workers=workers)
    if loaded is None:
        return

    @functools.cache  # a millisecond a time, and images are many
    def grid_of(network: Network, sides: tuple[int, int]) -> tuple[int, int]:
        rows, columns, _ = network.activation_shape(params, sides, layer=layer)
        return rows, columns

    with contextlib.closing(loaded):
        for item in loaded:
            if item.image is None:
                continue
            pixels = item.image if item.image.dtype == np.uint8 else to_uint8(item.image)
            numbers = numbers_of[item.index]
            if network is None:
                yield from ((int(number), pixels, _WHOLE) for number in numbers)
                continue
            grid = grid_of(network, pixels.shape[:2])
            part = share if px is None else min(px / min(pixels.shape[:2]), 1.0)
            for number in numbers:
                box = receptive_box(source[number, 1:], grid=grid, share=part)
                yield int(number), crop(pixels, box), box


def thumbnails(
    network: Network | None,
    params: Params,
    images: ImageSource | None,
    source: HostArray,
    rows: HostArray,
    *,
    layer: str,
    px: int = CROP_PX,
    folder: Path | None = None,
    workers: int = Run.workers,
) -> Thumbnails | None:
    """Draw the receptive fields of the exemplars of cells.

    Args:
      network: the network; None draws whole images.
      params: its parameters.
      images: the source of the samples' images.
      source: (n, 3) image index, row and column of each sample.
      rows: (m, k) rows of samples, negative for none.
      layer: name of the layer.
      px: side of a thumbnail in pixels.
      folder: where they are while there is no other file of them; None means in memory.
      workers: threads that decode the images.

    Returns:
      Thumbnails; None if the images cannot be read again.
    """
    share: float | None = None
    if network is not None:
        share = receptive_share_of(network, params, images, source, layer=layer)
    elif can_reread(images):
        share = 1.0
    if share is None:
        return None
    pictures = Rows(folder, (px, px, 3), np.uint8)
    for line in rows:
        pictures.append(np.full((len(line), px, px, 3), WHITE, np.uint8))
    boxes = np.zeros((*rows.shape, 4), np.float32)
    places = np.argwhere(rows >= 0)
    chosen = source[rows[tuple(places.T)]]
    with contextlib.closing(
        boxed_crops(network, params, images, chosen, layer=layer, share=share, workers=workers)
    ) as cut:
        for number, pixels, box in cut:
            row, column = places[number]
            pictures.replace(row * rows.shape[1] + column, resized(pixels, px))
            boxes[row, column] = box
    return Thumbnails(pictures.array().reshape(*rows.shape, px, px, 3), boxes)
