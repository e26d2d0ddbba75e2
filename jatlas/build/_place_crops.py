"""Crops of real places, for icons to be compared with or to begin as."""

from __future__ import annotations

import contextlib

import numpy as np

from jatlas.build import _identity as identity
from jatlas.build._crops import can_reread, crops, own_images
from jatlas.collect import ImageSource
from jatlas.model import Network
from jatlas.pixels import resized
from jatlas.records import Atlas
from jatlas.types import Array, HostArray, Params, checks

_GREY = 128


def place_crops(
    network: Network,
    params: Params,
    atlas: Atlas,
    rows: Array | HostArray,
    *,
    path: str,
    side: int,
    px: int | None = None,
    images: ImageSource | None = None,
) -> HostArray:
    """Cut squares around samples of an atlas out of their images.

    As references of `Wasserstein` take the layer's activations for crops of the views' size, of a
    few samples that `jatlas.explain.exemplars` finds for each cell.

    A host function: it runs outside `jit`.

    Args:
      network: the network that the atlas is of.
      params: its parameters.
      atlas: the atlas.
      rows: (m, k) rows of samples of the map.
      path: name of the map, see `Map.path`.
      side: of a square in pixels of its image, as the network gets it; at most the image's own.
      px: side of the result, which is resampled; None means as `side`.
      images: where the atlas's images are; None means where they were, if it was a folder.

    Returns:
      (m, k, px, px, 3) float32 in [0, 1]; grey for images that cannot be read any more.

    Raises:
      ValueError: if the atlas is of another network, has no such map or samples, or its images are
        not there.
    """
    identity.check_network(atlas, network, params)
    side = checks.whole("side", side, unit="pixel")
    px = side if px is None else checks.whole("px", px, maximum=checks.MAX_SIDE, unit="pixel")
    owner, table = atlas.find(path), np.asarray(rows)
    count = len(owner.points)
    if table.ndim != 2 or not np.issubdtype(table.dtype, np.integer):
        raise ValueError(f"rows: expected whole numbers (m, k), got {table.dtype} {table.shape}")
    if table.size and not (table.min() >= 0 and table.max() < count):
        raise ValueError(f"rows: expected 0 to {count - 1}, got {table.min()} to {table.max()}")
    source = own_images(atlas, images, size=network.input_size)
    if not can_reread(source):
        raise ValueError("images: expected the atlas's own, got none that can be read again")
    found = np.full((table.size, px, px, 3), _GREY, np.uint8)
    chosen = np.asarray(owner.samples.source)[table.ravel()]
    with contextlib.closing(
        crops(network, params, source, chosen, layer=owner.layer, px=side)
    ) as cut:
        for number, pixels in cut:
            found[number] = resized(pixels, px)
    return (found / np.float32(255)).reshape(*table.shape, px, px, 3)
