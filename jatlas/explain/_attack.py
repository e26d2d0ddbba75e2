"""How often a patch turns images of one class into another.

Reference:
  Carter et al., "Activation Atlas", Distill 2019, section on exploring with adversarial patches.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from jatlas.explain._patches import (
    CORNERS,
    SIZES,
    Corner,
    as_picture,
    check_places,
    classify,
    sweep,
)
from jatlas.model import Network
from jatlas.types import Array, HostArray, Params, checks, progress_bar


class Attack(NamedTuple):
    """What a patch does to images of one class.

    Attributes:
      correct: (n,) whether the network recognizes each image without the patch.
      before: (k,) probability of the target without the patch, for the k recognized images.
      target: (k, sizes, corners) probability of the target with the patch.
      flipped: (k, sizes, corners) whether the target is then the most probable class.
    """

    correct: HostArray
    before: HostArray
    target: HostArray
    flipped: HostArray


def attack(
    network: Network,
    params: Params,
    images: Iterable[Array | HostArray],
    patch: Array | HostArray,
    *,
    source: int,
    target: int,
    sizes: Sequence[float] = SIZES,
    corners: Sequence[Corner] = CORNERS,
    batch_size: int = 16,
    progress: bool = True,
) -> Attack:
    """Try to turn images of one class into another with a patch, in all sizes and corners.

    Images that the network does not recognize without the patch are not tried.

    A host function: it runs outside `jit`.

    Args:
      network: the network; it has logits.
      params: its parameters.
      images: (h, w, 3) each, uint8 or float in [0, 1], of the class `source`, all of one size.
      patch: (h', w', 3), likewise, or (h', w', 4) with opacity.
      source: index of the class of the images.
      target: index of the class they should become, another one.
      sizes: sides of the patch as shares of the image's.
      corners: places, see `composite`.
      batch_size: images that go through the network at once.
      progress: whether to show a progress bar.

    Returns:
      Attack.

    Raises:
      ValueError: if there are no images, sizes or corners, or a size, a corner, a class, the batch
        size, the patch or an image is out of range, or both classes are the same.
    """
    sizes, corners = check_places(sizes, corners)
    batch_size = checks.whole("batch_size", batch_size)
    last = network.class_count(params) - 1
    source = checks.whole("source", source, minimum=0, maximum=last)
    target = checks.whole("target", target, minimum=0, maximum=last)
    check_classes(source, target)
    stamp = as_picture("patch", patch, opacity=True)
    correct, before = [], []
    places = (0, len(sizes), len(corners))
    targets, flips = [np.zeros(places, np.float32)], [np.zeros(places, bool)]
    for image in progress_bar(images, shown=progress, desc="patches", unit="image"):
        pixels = as_picture("images", image)
        plain = np.asarray(classify(network, params, pixels[None]))[0]
        correct.append(int(plain.argmax()) == source)
        if correct[-1]:
            swept = sweep(
                network, params, pixels, stamp, sizes=sizes, corners=corners, batch_size=batch_size
            )
            table = np.asarray(swept)
            before.append(plain[target])
            targets.append(table[None, ..., target])
            flips.append(table.argmax(-1)[None] == target)
    if not correct:
        raise ValueError("images: expected at least one")
    return Attack(
        np.array(correct),
        np.array(before, np.float32),
        np.concatenate(targets),
        np.concatenate(flips),
    )


def check_classes(source: int, target: int) -> None:
    """Raise ValueError if images are to become what they are. A host function: not traced."""
    if source == target:
        raise ValueError(f"source, target: expected two classes, got {source} twice")


class Rates(NamedTuple):
    """How often a patch succeeds, among the images recognized without it.

    Attributes:
      images: how many those are.
      static: share that becomes the target with one size and corner for all.
      dynamic: share that becomes the target with the best size and corner for each image.
      place: (size, corner) indices of the one size and corner: where most succeed, and of those
        where the target is most probable.
      before: mean probability of the target without the patch.
      static_target: mean probability with it, at one place for all.
      dynamic_target: mean probability with it, at the best place for each.
    """

    images: int
    static: float
    dynamic: float
    place: tuple[int, int]
    before: float
    static_target: float
    dynamic_target: float


def rates(result: Attack) -> Rates:
    """Count the successes of an attack as the article does.

    A host function: it runs outside `jit`.

    Args:
      result: what `attack` returned.

    Returns:
      Rates; shares are NaN if no image is recognized without the patch. The best place of an image
      is one where the target is the most probable class, if there is any, and of those where it is
      most probable: the best place for each image never does worse than one for all.

    Example:
      >>> target, flipped = np.array([[[0.9], [0.2]], [[0.1], [0.7]]]), np.eye(2, dtype=bool)
      >>> success = rates(Attack(np.ones(2, bool), np.zeros(2), target, flipped[..., None]))
      >>> success.static, success.dynamic, success.place
      (0.5, 1.0, (0, 0))
    """
    count = len(result.before)
    if not count:
        nan = float("nan")
        return Rates(0, nan, nan, (0, 0), nan, nan, nan)
    target, flipped = result.target, result.flipped
    shape = target.shape[1:]
    merit = flipped.sum(0) + target.mean(0) / 2  # the second term is below 1: a tie-breaker
    place = np.unravel_index(int(merit.argmax()), shape)
    target, flipped = target.reshape(count, -1), flipped.reshape(count, -1)
    shared = int(np.ravel_multi_index(place, shape))
    best = np.arange(count), (flipped + target / 2).argmax(1)
    return Rates(
        images=count,
        static=float(flipped[:, shared].mean()),
        dynamic=float(flipped[best].mean()),
        place=(int(place[0]), int(place[1])),
        before=float(result.before.mean()),
        static_target=float(target[:, shared].mean()),
        dynamic_target=float(target[best].mean()),
    )
