"""Decode one image file into a square of RGB pixels, whatever it holds and however it is broken."""

import math
import os
from dataclasses import dataclass
from typing import BinaryIO, Literal

import numpy as np
from PIL import Image, UnidentifiedImageError

from jatlas.types import HostArray

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF")

_ORIENTATION = 0x0112  # the EXIF tag, and what undoes each of its values but 1, upright
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class ImageError(ValueError):
    """An image file that cannot be used; the message is the reason, in one line."""


@dataclass(frozen=True, kw_only=True)
class Preprocess:
    """How a picture of any size becomes a square of `size` pixels.

    Attributes:
      size: side of the square in pixels.
      fit: "crop" scales the shorter side to 256/224 of `size` and keeps the centre, as networks
        are evaluated on ImageNet. "squash" scales both sides to `size` and keeps all of the
        picture but not its proportions, as the original atlases were made.
      max_pixels: files with more pixels than this are not decoded: a few bytes can claim a
        picture that fills the memory. Pillow's own limit, 178,956,970, stays in force above.
    """

    size: int = 224
    fit: Literal["crop", "squash"] = "crop"
    max_pixels: int = 89_478_485  # where Pillow starts to warn of a decompression bomb

    def __post_init__(self) -> None:
        if self.size < 1:
            raise ValueError(f"size must be at least 1 pixel; got {self.size}")
        if self.fit not in ("crop", "squash"):
            raise ValueError(f'fit must be "crop" or "squash"; got {self.fit!r}')
        if self.max_pixels < 1:
            raise ValueError(f"max_pixels must be at least 1; got {self.max_pixels}")


def decode(file: str | os.PathLike[str] | BinaryIO, *, preprocess: Preprocess) -> HostArray:
    """Decode one image file: JPEG, PNG, WebP, BMP or GIF, whatever its name says.

    EXIF orientation is applied, transparency is laid on white, 16 bits are scaled to 8, CMYK is
    converted, and of an animation the first frame is taken.

    Args:
      file: a path, or a seekable binary stream.
      preprocess: size of the result and how the picture is fitted to it.

    Returns:
      (size, size, 3) uint8 RGB.

    Raises:
      ImageError: if the file is missing, empty, damaged, too large or of another format.
    """
    try:
        with Image.open(file, formats=FORMATS) as image:
            return _decode(image, preprocess)
    except ImageError:
        raise
    except UnidentifiedImageError as error:
        raise ImageError(f"empty, damaged at its start, or not {', '.join(FORMATS)}") from error
    except Exception as error:
        # Pillow's decoders meet bad bytes with nearly every exception there is (SyntaxError,
        # struct.error, IndexError, ...), and one bad file must not end a run over a million.
        raise ImageError(in_one_line(error)) from error


def in_one_line(error: Exception) -> str:
    """Put an exception in one line."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return (text.strip().splitlines() or [type(error).__name__])[0]


def _decode(image: Image.Image, preprocess: Preprocess) -> HostArray:
    """Decode an opened file."""
    width, height = image.size
    if width * height > preprocess.max_pixels:
        raise ImageError(
            f"{width} x {height} pixels are more than max_pixels={preprocess.max_pixels}"
        )
    # A JPEG can be decoded at 1/2, 1/4 or 1/8 for a fraction of the time. What comes is at least
    # twice the wanted size, so that the resampling below still has the last word.
    kept_width, kept_height = _kept(image.size, preprocess)
    twice = 2 * preprocess.size / min(kept_width, kept_height)
    image.draft(None, (math.ceil(twice * width), math.ceil(twice * height)))
    image.load()
    orientation = _orientation(image)
    image = _to_rgb(image)

    if orientation in _UPRIGHT:
        image = image.transpose(_UPRIGHT[orientation])
    return np.asarray(square(image, preprocess))


def from_array(pixels: HostArray, *, preprocess: Preprocess) -> HostArray:
    """Fit an image that is an array already to the square.

    Args:
      pixels: (h, w), (h, w, 1) or (h, w, 3) uint8.
      preprocess: size of the result and how the picture is fitted to it.

    Returns:
      (size, size, 3) uint8 RGB.

    Raises:
      ImageError: if it is of another shape or type.
    """
    array = np.asarray(pixels)
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    grey_or_rgb = array.ndim == 2 or (array.ndim == 3 and array.shape[2] == 3)
    if array.dtype != np.uint8 or not grey_or_rgb or 0 in array.shape:
        raise ImageError(f"expected (h, w, 3) uint8, got {array.dtype} {array.shape}")
    return np.asarray(square(Image.fromarray(array).convert("RGB"), preprocess))


def square(image: Image.Image, preprocess: Preprocess) -> Image.Image:
    """Scale and crop an RGB picture to the square."""
    # In one go: no picture is ever larger than the file's own, however long and
    # thin. The crop begins on a whole pixel of the scaled picture, so that one that needs no
    # scaling is not blurred by half a pixel.
    kept_width, kept_height = _kept(image.size, preprocess)
    left, top = (
        (whole - kept) / 2 // (kept / preprocess.size) * (kept / preprocess.size)
        for whole, kept in zip(image.size, (kept_width, kept_height), strict=True)
    )
    return image.resize(
        (preprocess.size, preprocess.size),
        Image.Resampling.BILINEAR,
        box=(left, top, left + kept_width, top + kept_height),
        reducing_gap=3.0,  # Pillow: "the result is close to fair resampling"
    )


def _kept(size: tuple[int, int], preprocess: Preprocess) -> tuple[float, float]:
    """Return (width, height) of the centred part of a picture that is kept, in its pixels."""
    if preprocess.fit == "squash":
        return float(size[0]), float(size[1])
    side = min(size) * preprocess.size / round(preprocess.size * 256 / 224)
    return side, side


def _orientation(image: Image.Image) -> int:
    """Return the EXIF orientation, 1 if there is none that can be read."""
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # a sound picture with damaged EXIF is a sound picture
        return 1


def _to_rgb(image: Image.Image) -> Image.Image:
    """Convert whatever mode a file came in to RGB, transparency laid on white."""
    if image.mode.startswith("I"):  # 16-bit grey, which `convert` would clip at 255
        wide = np.asarray(image)
        grey = ((np.clip(wide, 0, 65535).astype(np.uint32) + 128) // 257).astype(np.uint8)
        grey[wide == image.info.get("transparency", -1)] = 255
        return Image.fromarray(grey).convert("RGB")
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        white = Image.new("RGBA", layer.size, "white")
        return Image.alpha_composite(white, layer).convert("RGB")
    return image.convert("RGB")
