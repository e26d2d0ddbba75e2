"""How often a patch turns images of one class into another.

Reference:
  Carter et al., "Activation Atlas", Distill 2019, section on exploring with adversarial patches.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from tqdm import tqdm

from jatlas.explain._patches import CORNERS, SIZES, Corner, check_places, classify, sweep
from jatlas.model import Network
from jatlas.types import Array, HostArray, Params


class Attack(NamedTuple):
    """What a patch does to images of one class.

    Attributes:
      correct: (n,) whether the network knows each image without the patch.
      before: (k,) probability of the target without the patch, for the k images it knows.
      target: (k, sizes, corners) probability of the target with it.
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

    Images that the network does not know without the patch are not tried.

    Args:
      network: the network; its last stage gives the logits.
      params: its parameters.
      images: of (h, w, 3) in [0, 1], of the class `source`, all of one size.
      patch: (h', w', 3) in [0, 1].
      source: index of the class they are of.
      target: index of the class they are to become.
      sizes: sides of the patch as shares of the image's.
      corners: places, see `composite`.
      batch_size: images that go through the network at once.
      progress: whether to show a progress bar.

    Returns:
      Attack.

    Raises:
      ValueError: if there are no images, sizes or corners, or a size or corner is out of range.
    """
    check_places(sizes, corners)
    correct, before = [], []
    places = (0, len(sizes), len(corners))
    targets, flips = [np.zeros(places, np.float32)], [np.zeros(places, bool)]
    for image in tqdm(images, desc="patches", unit="image", disable=not progress):
        pixels = jnp.asarray(image, jnp.float32)
        plain = np.asarray(classify(network, params, pixels[None]))[0]
        correct.append(int(plain.argmax()) == source)
        if correct[-1]:
            found = np.asarray(
                sweep(
                    network,
                    params,
                    pixels,
                    patch,
                    sizes=sizes,
                    corners=corners,
                    batch_size=batch_size,
                )
            )
            before.append(plain[target])
            targets.append(found[None, ..., target])
            flips.append(found.argmax(-1)[None] == target)
    if not correct:
        raise ValueError("images: expected at least one")
    return Attack(
        np.array(correct),
        np.array(before, np.float32),
        np.concatenate(targets),
        np.concatenate(flips),
    )


class Rates(NamedTuple):
    """How often a patch succeeds, among the images that are known without it.

    Attributes:
      images: how many those are.
      static: share that becomes the target with one size and corner for all.
      dynamic: share that does with the size and corner that suit each image best.
      place: (size, corner) numbers of the one size and corner: where most succeed, and of those
        where the target is most probable.
      before: mean probability of the target without the patch.
      static_target: with it, one place for all.
      dynamic_target: with it, the best place for each.
    """

    images: int
    static: float
    dynamic: float
    place: tuple[int, int]
    before: float
    static_target: float
    dynamic_target: float


def rates(found: Attack) -> Rates:
    """Count the successes of an attack as the article does.

    Args:
      found: of `attack`.

    Returns:
      Rates; shares are NaN where no image is known without the patch. The best place of an image
      is one where the target is the most probable class, if there is any, and of those where it is
      most probable: the best place for each image never does worse than one for all.
    """
    count = len(found.before)
    if not count:
        nan = float("nan")
        return Rates(0, nan, nan, (0, 0), nan, nan, nan)
    target, flipped = found.target, found.flipped
    shape = target.shape[1:]
    merit = flipped.sum(0) + target.mean(0) / 2  # below 1: only decides between equals
    place = np.unravel_index(int(merit.argmax()), shape)
    target, flipped = target.reshape(count, -1), flipped.reshape(count, -1)
    one = int(np.ravel_multi_index(place, shape))
    each = np.arange(count), (flipped + target / 2).argmax(1)
    return Rates(
        images=count,
        static=float(flipped[:, one].mean()),
        dynamic=float(flipped[each].mean()),
        place=(int(place[0]), int(place[1])),
        before=float(found.before.mean()),
        static_target=float(target[:, one].mean()),
        dynamic_target=float(target[each].mean()),
    )
