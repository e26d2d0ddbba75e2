"""How a picture of any size becomes a square."""

import math
from dataclasses import dataclass
from typing import Literal

from PIL import Image

from jatlas.types import checks


@dataclass(frozen=True, kw_only=True)
class Preprocess:
    """How a picture of any size becomes a square of `size` pixels.

    Attributes:
      size: side of the square in pixels. None means that of the network's images, which
        `as_source` fills in; nothing can be decoded before.
      fit: "crop" scales the shorter side to 256/224 of `size` and keeps the centre, as networks
        are evaluated on ImageNet. "squash" scales both sides to `size`, which keeps all of the
        picture but not its proportions, as the original atlases were made.
      max_pixels: files with more pixels than this are not decoded: a few bytes can claim a
        picture that fills the memory. Pillow's own limit, 178,956,970, stays in force above.

    Raises:
      ValueError: if a value is out of range.
    """

    size: int | None = None
    fit: Literal["crop", "squash"] = "crop"
    max_pixels: int = 89_478_485  # where Pillow starts to warn of a decompression bomb

    def __post_init__(self) -> None:
        largest = checks.MAX_SIDE
        checks.field(self, "size", checks.whole, optional=True, maximum=largest, unit="pixel")
        checks.field(self, "fit", checks.choice, options=("crop", "squash"))
        checks.field(self, "max_pixels", checks.whole)

    @property
    def side(self) -> int:
        """The size, where it must be known.

        Raises:
          ValueError: if it is None.
        """
        if self.size is None:
            raise ValueError(
                "size: expected a number of pixels, got None, which means the network's: pass "
                "size=, or the source to as_source"
            )
        return self.size

    @property
    def kept(self) -> float | None:
        """Side of the centred square that is kept as a share of the shorter side; None for all."""
        return None if self.fit == "squash" else self.side / round(self.side * 256 / 224)


def reduce_jpeg(image: Image.Image, preprocess: Preprocess) -> None:
    """Make an opened JPEG decode at 1/2, 1/4 or 1/8 of its size, for a fraction of the time.

    It stays at least twice as large as the square, so that the resampling decides how the result
    looks. Images of other formats are left as they are.
    """
    kept_width, kept_height = _kept(image.size, preprocess)
    twice = 2 * preprocess.side / min(kept_width, kept_height)
    image.draft(None, (math.ceil(twice * image.size[0]), math.ceil(twice * image.size[1])))


def resample(image: Image.Image, preprocess: Preprocess) -> Image.Image:
    """Scale and crop an RGB image to the square."""
    # Both in one step: no intermediate image is larger than the file's own, however long and
    # thin that is. The crop begins on a whole pixel of the scaled image, so that one that needs
    # no scaling is not blurred by half a pixel.
    side = preprocess.side
    kept_width, kept_height = _kept(image.size, preprocess)
    left, top = (
        (whole - kept) / 2 // (kept / side) * (kept / side)
        for whole, kept in zip(image.size, (kept_width, kept_height), strict=True)
    )
    return image.resize(
        (side, side),
        Image.Resampling.BILINEAR,
        box=(left, top, left + kept_width, top + kept_height),
        reducing_gap=3.0,  # Pillow: "the result is close to fair resampling"
    )


def _kept(size: tuple[int, int], preprocess: Preprocess) -> tuple[float, float]:
    """Return (width, height) of the centred part of an image that is kept, in its own pixels."""
    share = preprocess.kept
    if share is None:
        return float(size[0]), float(size[1])
    return min(size) * share, min(size) * share
