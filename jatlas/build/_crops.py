"""The images of an atlas read again, and the receptive fields of its samples cut out of them."""

import contextlib
import dataclasses
import logging
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from jatlas.collect import (
    Folder,
    ImageSource,
    Loaded,
    Preprocess,
    Rereadable,
    as_source,
    to_float,
)
from jatlas.explain import crop, receptive_box, receptive_share
from jatlas.model import Network
from jatlas.pixels import WHITE, resized, to_uint8
from jatlas.records import Atlas
from jatlas.storage import Rows
from jatlas.types import Array, HostArray, Params

log = logging.getLogger(__name__)

CROP_PX = 48
_MEASURED = 8  # images that the size of the receptive field is measured on


def preprocess_of(info: dict[str, Any]) -> Preprocess | None:
    """Return how the images of an atlas became squares; None if it does not say.

    Args:
      info: of the atlas.
    """
    settings = info.get("source", {}).get("preprocess")
    if settings is None:
        return None
    # What a newer version may have added does not concern this one.
    names = {field.name for field in dataclasses.fields(Preprocess)}
    return Preprocess(**{name: value for name, value in settings.items() if name in names})


def images_of(info: dict[str, Any], names: tuple[str, ...]) -> Folder | None:
    """Return the folder of images that an atlas was built of.

    Args:
      info: of the atlas.
      names: of its images.

    Returns:
      The images, if the folder is there and holds the same files; else None, and why is logged.
    """
    source, preprocess = info.get("source", {}), preprocess_of(info)
    if not source.get("root") or "listing_sha256" not in source or preprocess is None:
        return None
    images = Folder(root=Path(source["root"]), paths=names, preprocess=preprocess)
    if not images.root.is_dir():
        log.info("the images are not where they were: %s is gone", images.root)
        return None
    if not images.matches(source):
        log.info("%s holds other images than it did: no crops", images.root)
        return None
    return images


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
    images: ImageSource | None, indices: Sequence[int]
) -> Generator[Loaded, None, None] | None:
    """Read some images again.

    Args:
      images: the source; None has none.
      indices: which, ascending.

    Returns:
      The images, in that order, to be closed; None if they cannot be read again.
    """
    return images.reload(indices) if isinstance(images, Rereadable) else None


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
    wanted = np.unique(source[:, 0])
    loaded = reread(images, wanted.tolist())
    if loaded is None:
        return
    with contextlib.closing(loaded):
        for item in loaded:
            if item.image is None:
                continue
            pixels = item.image if item.image.dtype == np.uint8 else to_uint8(item.image)
            numbers = np.flatnonzero(source[:, 0] == item.index)
            if network is None:
                yield from ((int(number), pixels) for number in numbers)
                continue
            grid = network.activation_shape(params, item.image.shape[:2], layer=layer)[:2]
            part = share if px is None else min(px / min(pixels.shape[:2]), 1.0)
            for number in numbers:
                box = receptive_box(source[number, 1:], grid=grid, share=part)
                yield int(number), crop(pixels, box)


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
) -> HostArray | None:
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

    Returns:
      (m, k, px, px, 3) uint8, white where there is none; None if the images cannot be read again.
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
    places = np.argwhere(rows >= 0)
    chosen = source[rows[tuple(places.T)]]
    with contextlib.closing(
        crops(network, params, images, chosen, layer=layer, share=share)
    ) as cut:
        for number, pixels in cut:
            row, column = places[number]
            pictures.replace(row * rows.shape[1] + column, resized(pixels, px))
    return pictures.array().reshape(*rows.shape, px, px, 3)
