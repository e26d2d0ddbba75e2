"""Patches found on an atlas: crops of its own images that may turn one class into another."""

from __future__ import annotations

import contextlib
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from jatlas.build import _identity as identity
from jatlas.build._crops import crops, own_images, receptive_share_of
from jatlas.collect import ImageSource, batches, to_float
from jatlas.explain import ComparisonSelection, classify, patch_candidates, select_comparison
from jatlas.model import Network
from jatlas.records import Atlas
from jatlas.types import HostArray, Key, Params, Run, checks, progress_bar


class PatchCrop(NamedTuple):
    """A crop that may turn one class into another.

    Attributes:
      pixels: (h, w, 3) uint8, the receptive field of the sample.
      image: index of the image it is cut out of.
      shows: class that the network takes the whole image for.
      margin: evidence of the sample for the target minus that for the source.
      cell: (row, column) of the comparison that it lies in.
    """

    pixels: HostArray
    image: int
    shows: int
    margin: float
    cell: tuple[int, int]


class PatchSearch(NamedTuple):
    """What an atlas suggests for turning one class into another.

    Attributes:
      patches: crops to try, most promising first; there may be none.
      probabilities: (images, classes) of each image of the atlas; 0 where it cannot be read.
    """

    patches: list[PatchCrop]
    probabilities: HostArray


def find_patches(
    network: Network,
    params: Params,
    atlas: Atlas,
    *,
    source: int,
    target: int,
    key: Key,
    layer: str | None = None,
    selection: ComparisonSelection | None = None,
    images: ImageSource | None = None,
    count: int = 5,
    rank: int = 5,
    run: Run | None = None,
) -> PatchSearch:
    """Find patches on an atlas: what counts for the target but shows something else.

    A host function. The samples that matter for both classes are compared, see
    `jatlas.explain.select_comparison`; `jatlas.explain.patch_candidates` finds the cells, and the
    receptive field of the best sample of each is cut out of its image.

    Args:
      network: the network that the atlas is of.
      params: its parameters.
      atlas: the atlas.
      source: class of the images that are to be patched.
      target: class that they are to become.
      key: seeds the layout.
      layer: whose samples are used; None means the only layer of the atlas.
      selection: which samples, and how many cells; None means `ComparisonSelection()`.
      images: where the atlas's images are; None means where they were, if it was a folder.
      count: crops, at most.
      rank: an image shows the classes that are among its top `rank`; crops are of images that
        show neither. With few classes, lower it.
      run: batch size and progress bars.

    Returns:
      PatchSearch.

    Raises:
      ValueError: if the atlas is of another network, its images are not there or are others, or
        too few samples have evidence for the classes.

    Reference:
      Carter et al., "Activation Atlas", Distill 2019, "Using Atlases to Find Adversarial Patches".
    """
    checks.whole("count", count)
    checks.whole("rank", rank)
    identity.check_network(atlas, network, params)
    selection, run = selection or ComparisonSelection(), run or Run()
    owner = atlas.layer(layer)
    images = own_images(atlas, images, size=network.input_size)
    if images is None:
        raise ValueError(
            "images: the atlas's own are not where they were: give images, a source of the same "
            "images in the same order"
        )
    _, for_layout, _ = identity.parts_of(key)  # as `comparison_map`, whose cells these are then
    chosen = select_comparison(
        owner.samples.vectors, owner.samples.evidence,
        left=source, right=target, key=for_layout, config=selection, progress=run.progress,
    )  # fmt: skip
    probabilities = _classify_all(network, params, images, atlas, run)
    origin = owner.samples.source[chosen.rows]
    candidates = patch_candidates(
        chosen.points, owner.samples.evidence[chosen.rows], origin[:, 0], probabilities,
        left=source, right=target, size=selection.size, count=count,
        rank=rank, min_count=selection.min_count,
    )  # fmt: skip
    share = receptive_share_of(network, params, images, owner.samples.source, layer=owner.layer)
    if share is None or not len(candidates.rows):
        return PatchSearch([], probabilities)
    places = origin[candidates.rows]
    cut = dict(crops(network, params, images, places, layer=owner.layer, share=share))
    cells = np.stack(np.divmod(candidates.cells, selection.size), axis=1).tolist()
    patches = [
        PatchCrop(
            pixels=cut[i],
            image=int(places[i, 0]),
            shows=int(candidates.shows[i]),
            margin=float(candidates.margins[i]),
            cell=(cells[i][0], cells[i][1]),
        )
        for i in range(len(places))
        if i in cut
    ]
    return PatchSearch(patches, probabilities)


def _classify_all(
    network: Network, params: Params, images: ImageSource, atlas: Atlas, run: Run
) -> HostArray:
    """Classify every image of an atlas: (images, classes)."""
    classes = atlas.maps[0].samples.evidence.shape[1]
    table = np.zeros((len(atlas.images), classes), np.float32)
    size = run.batch_size
    with contextlib.closing(images.load()) as stream:
        loaded = progress_bar(
            stream, shown=run.progress, desc="images", unit="image", total=len(table)
        )
        for pixels, index, valid in batches(loaded, size, skipped=[]):
            if index.max() >= len(table):
                raise ValueError(f"images: expected the atlas's own {len(table)}, got more")
            found = classify(network, params, to_float(jnp.asarray(pixels)), batch_size=size)
            table[index[:valid]] = np.asarray(found)[:valid]
    return table
