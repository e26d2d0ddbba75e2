"""The images that an atlas's samples come from: found again, and cropped to what a sample sees."""

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from jatlas.collect import Preprocess
from jatlas.collect import Folder
from jatlas.collect import to_float
from jatlas.collect import ImageSource, Loaded, Rereadable
from jatlas.explain import crop, receptive_box, receptive_share
from jatlas.model import Network
from jatlas.pixels import to_uint8
from jatlas.types import Array, HostArray, Params

log = logging.getLogger(__name__)

CROP_PX = 48
_MEASURED = 8  # images to measure on what a position sees


def images_of(info: dict[str, Any], names: tuple[str, ...]) -> Folder | None:
    """Find the folder of images that an atlas was built of.

    Args:
      info: of the atlas.
      names: of its images.

    Returns:
      The images, if the folder is there and holds the same files; else None, and why is logged.
    """
    source = info.get("source", {})
    if not source.get("root") or "listing_sha256" not in source:
        return None
    known = Preprocess(**source["preprocess"])
    images = Folder(root=Path(source["root"]), paths=names, preprocess=known)
    try:
        same = images.fingerprint()["listing_sha256"] == source["listing_sha256"]
    except OSError as error:
        log.info("the images are not where they were: %s", error)
        return None
    if not same:
        log.info("%s holds other images than it did: no exemplars", images.root)
    return images if same else None


def again(images: ImageSource | None, indices: Sequence[int]) -> Iterator[Loaded] | None:
    """Read some images once more.

    Args:
      images: the source; None has none.
      indices: which, ascending.

    Returns:
      The images, in that order; None if they cannot be read again.
    """
    return images.reload(indices) if isinstance(images, Rereadable) else None


def sight(
    network: Network,
    params: Params,
    images: ImageSource | None,
    source: HostArray,
    *,
    layer: str,
) -> float | None:
    """Measure how much of an image a position of a layer sees, on a few of the images.

    Args:
      network: the network.
      params: its parameters.
      images: the source.
      source: (n, 3) image index, row and column of samples.
      layer: the stage.

    Returns:
      Side of the square it sees as a share of the image's side; None if the images cannot be
      read again.
    """
    used = np.unique(source[:, 0])
    # The middle of each of a few equal stretches, so that all kinds of images have their share.
    few = used[(2 * np.arange(_MEASURED) + 1) * len(used) // (2 * _MEASURED)]
    loaded = again(images, np.unique(few).tolist())
    found = [item.image for item in loaded or () if item.image is not None]
    if not found:
        return None
    pictures: Array = jnp.stack([to_float(jnp.asarray(image)) for image in found])
    return receptive_share(network, params, pictures, layer=layer)


def crops(
    network: Network,
    params: Params,
    images: ImageSource | None,
    source: HostArray,
    *,
    layer: str,
    share: float,
) -> Iterator[tuple[int, HostArray]]:
    """Cut out of the images what samples look at, one image in memory at a time.

    Args:
      network: the network.
      params: its parameters.
      images: the source; it must be one that can be read again.
      source: (n, 3) image index, row and column of samples.
      layer: the stage.
      share: of an image's side that a position sees.

    Yields:
      (number of the sample, (h, w, 3) uint8), in the order of the images. A sample whose image
      cannot be read any more is left out.
    """
    wanted = np.unique(source[:, 0])
    for item in again(images, wanted.tolist()) or ():
        if item.image is None:
            continue
        rows, columns, _ = network.activation_shape(params, item.image.shape[:2], layer=layer)
        pixels = item.image if item.image.dtype == np.uint8 else to_uint8(item.image)
        for number in np.flatnonzero(source[:, 0] == item.index):
            box = receptive_box(source[number, 1:], grid=(rows, columns), share=share)
            yield int(number), crop(pixels, box)


def thumbnails(
    network: Network,
    params: Params,
    images: ImageSource | None,
    source: HostArray,
    rows: HostArray,
    *,
    layer: str,
    px: int = CROP_PX,
) -> HostArray | None:
    """Draw what the exemplars of cells look at.

    Args:
      network: the network.
      params: its parameters.
      images: the source of the samples' images.
      source: (n, 3) image index, row and column of each sample.
      rows: (m, k) rows of samples, negative for none.
      layer: the stage.
      px: side of a thumbnail.

    Returns:
      (m, k, px, px, 3) uint8, white where there is none; None if the images cannot be read again.
    """
    from PIL import Image

    share = sight(network, params, images, source, layer=layer)
    if share is None:
        return None
    made = np.full((*rows.shape, px, px, 3), 255, np.uint8)
    places = np.argwhere(rows >= 0)
    chosen = source[rows[tuple(places.T)]]
    cut = crops(network, params, images, chosen, layer=layer, share=share)
    for number, pixels in cut:
        small = Image.fromarray(pixels).resize((px, px), Image.Resampling.BICUBIC)
        made[tuple(places[number])] = np.asarray(small)
    return made
