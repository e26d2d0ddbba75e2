"""Patches read off an atlas: crops of its own images that turn one class into another."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from tqdm import tqdm

from jatlas.records import Atlas
from jatlas.collect import to_float
from jatlas.collect import ImageSource, batches
from jatlas.explain import ComparisonSelection
from jatlas.explain import select_comparison
from jatlas.explain import classify
from jatlas.explain import patch_candidates
from jatlas.build._class_maps import check_network
from jatlas.model import Network
from jatlas.build._crops import crops, images_of, sight
from jatlas.types import HostArray, Key, Params


class Finding(NamedTuple):
    """A crop that may turn one class into another.

    Attributes:
      pixels: (h, w, 3) uint8, what the sample looks at.
      image: index of the image it is cut out of.
      shows: class that the whole image is taken for.
      margin: evidence of the sample for the target minus that for the source.
      cell: (row, column) of the comparison that it lies in.
    """

    pixels: HostArray
    image: int
    shows: int
    margin: float
    cell: tuple[int, int]


class Reading(NamedTuple):
    """What an atlas says about turning one class into another.

    Attributes:
      findings: crops to try as patches, most promising first; there may be none.
      probabilities: (images, classes) of each image of the atlas; 0 for one that is not readable.
    """

    findings: list[Finding]
    probabilities: HostArray


def read_off(
    network: Network,
    params: Params,
    atlas: Atlas,
    *,
    source: int,
    target: int,
    key: Key,
    layer: str | None = None,
    config: ComparisonSelection | None = None,
    images: ImageSource | None = None,
    count: int = 5,
    batch_size: int = 32,
    progress: bool = True,
) -> Reading:
    """Read patches off an atlas: what counts for the target, but is something else.

    The samples that matter for both classes are compared, see
    `jatlas.explain.select_comparison`; `jatlas.explain.patch_candidates` finds the cells,
    and what the best sample of each looks at is cut out of its image.

    Args:
      network: the network that the atlas is of.
      params: its parameters.
      atlas: the atlas.
      source: class of the images that are to be patched.
      target: class that they are to become.
      key: seeds the layout.
      layer: whose samples are used; None means the only layer of the atlas.
      config: which samples, and how many cells; None means `ComparisonSelection()`.
      images: where the atlas's images are; None means where they were, if it was a folder.
      count: crops, at most.
      batch_size: images that go through the network at once.
      progress: whether to show progress bars.

    Returns:
      Reading.

    Raises:
      ValueError: if the atlas is of another network, its images are not there, or too few samples
        speak for the classes.
    """
    check_network(atlas, network, params)
    config = ComparisonSelection() if config is None else config
    owner = atlas.layer(layer)
    images = images_of(atlas.info, atlas.images) if images is None else images
    if images is None:
        raise ValueError("images: expected those that the atlas was built of, and they are gone")
    chosen = select_comparison(
        owner.samples.vectors, owner.samples.evidence, left=source, right=target, key=key, config=config,
        progress=progress,
    )  # fmt: skip
    table = _probabilities(network, params, images, atlas, batch_size, progress)
    origin = owner.samples.source[chosen.rows]
    found = patch_candidates(
        chosen.points, owner.samples.evidence[chosen.rows], origin[:, 0], table, left=source, right=target,
        size=config.size, count=count, min_count=config.min_count,
    )  # fmt: skip
    share = sight(network, params, images, owner.samples.source, layer=owner.layer)
    if share is None or not len(found.rows):
        return Reading([], table)
    places = origin[found.rows]
    cut = dict(crops(network, params, images, places, layer=owner.layer, share=share))
    cells = np.stack(np.divmod(found.cells, config.size), axis=1).tolist()
    findings = [
        Finding(
            pixels=cut[i],
            image=int(places[i, 0]),
            shows=int(found.shows[i]),
            margin=float(found.margins[i]),
            cell=(cells[i][0], cells[i][1]),
        )
        for i in range(len(places))
        if i in cut
    ]
    return Reading(findings, table)


def _probabilities(
    network: Network,
    params: Params,
    images: ImageSource,
    atlas: Atlas,
    batch_size: int,
    progress: bool,
) -> HostArray:
    """Classify every image of an atlas: (images, classes)."""
    classes = atlas.maps[0].samples.evidence.shape[1]
    table = np.zeros((len(atlas.images), classes), np.float32)
    loaded = tqdm(
        images.load(), desc="images", unit="image", total=len(table), disable=not progress
    )
    for pixels, index, valid in batches(loaded, batch_size, skipped=[]):
        found = classify(network, params, to_float(jnp.asarray(pixels)), batch_size=batch_size)
        table[index[:valid]] = np.asarray(found)[:valid]
    return table
