"""Decode one image file into a square of RGB pixels, whatever it holds and however it is broken."""

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
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
    """An image that cannot be used; the message is the reason, in one line."""


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
        if self.size is not None and self.size < 1:
            raise ValueError(f"size: expected at least 1 pixel, got {self.size}")
        if self.fit not in ("crop", "squash"):
            raise ValueError(f'fit: expected "crop" or "squash", got {self.fit!r}')
        if self.max_pixels < 1:
            raise ValueError(f"max_pixels: expected at least 1, got {self.max_pixels}")

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


def decode(file: str | os.PathLike[str] | BinaryIO, *, preprocess: Preprocess) -> HostArray:
    """Decode one image file: JPEG, PNG, WebP, BMP or GIF, whatever its name says.

    EXIF orientation is applied, transparent pixels are blended with white, 16 bits are scaled
    to 8, CMYK is converted, and of an animation the first frame is taken.

    Args:
      file: a path, or a seekable binary stream.
      preprocess: size of the result and how the picture is fitted to it.

    Returns:
      (size, size, 3) uint8 RGB.

    Raises:
      ImageError: if the file is missing, empty, damaged, too large or of another format.
      ValueError: if `preprocess.size` is None.

    Example:
      >>> import io
      >>> file = io.BytesIO()
      >>> Image.new("RGB", (40, 30), "red").save(file, "PNG")
      >>> pixels = decode(file, preprocess=Preprocess(size=16))
      >>> pixels.shape, pixels[0, 0].tolist()
      ((16, 16, 3), [255, 0, 0])
    """
    _ = preprocess.side  # checked here, as what follows turns every exception into ImageError
    with _as_image_error(), Image.open(file, formats=FORMATS) as image:
        _check_pixels(image, preprocess)
        reduce_jpeg(image, preprocess)
        return _fit(image, preprocess)


def fit_image(image: HostArray | Image.Image, *, preprocess: Preprocess) -> HostArray:
    """Fit an image that is in memory already to the square.

    Args:
      image: (h, w), (h, w, 1) or (h, w, 3) uint8; or a Pillow image, which is treated as a file
        is: oriented, blended with white, converted.
      preprocess: size of the result and how the picture is fitted to it.

    Returns:
      (size, size, 3) uint8 RGB.

    Raises:
      ImageError: if it has another shape or type, or is too large or damaged.
      ValueError: if `preprocess.size` is None.
    """
    _ = preprocess.side
    if isinstance(image, Image.Image):
        with _as_image_error():
            _check_pixels(image, preprocess)
            return _fit(image, preprocess)
    array = np.asarray(image)
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    grey_or_rgb = array.ndim == 2 or (array.ndim == 3 and array.shape[2] == 3)
    if array.dtype != np.uint8 or not grey_or_rgb or 0 in array.shape:
        raise ImageError(f"expected (h, w, 3) uint8, got {array.dtype} {array.shape}")
    return np.asarray(_resample(Image.fromarray(array).convert("RGB"), preprocess))


def one_line(error: Exception) -> str:
    r"""Return an exception's message in one line.

    Example:
      >>> one_line(ValueError("truncated\nat byte 12")), one_line(KeyError())
      ('truncated', 'KeyError')
    """
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return (text.strip().splitlines() or [type(error).__name__])[0]


@contextmanager
def _as_image_error() -> Iterator[None]:
    """Raise whatever a decoder raises as ImageError."""
    try:
        yield
    except ImageError:
        raise
    except UnidentifiedImageError as error:
        raise ImageError(f"empty, damaged at its start, or not {', '.join(FORMATS)}") from error
    except Exception as error:
        # Pillow's decoders raise nearly every exception there is on bad bytes (SyntaxError,
        # struct.error, IndexError, ...), and one bad file must not end a run over a million.
        raise ImageError(one_line(error)) from error


def _check_pixels(image: Image.Image, preprocess: Preprocess) -> None:
    """Check that an opened image is not too large to be decoded."""
    width, height = image.size
    if width * height > preprocess.max_pixels:
        raise ImageError(
            f"{width} x {height} pixels are more than max_pixels={preprocess.max_pixels}"
        )


def reduce_jpeg(image: Image.Image, preprocess: Preprocess) -> None:
    """Make an opened JPEG decode at 1/2, 1/4 or 1/8 of its size, for a fraction of the time.

    It stays at least twice as large as the square, so that the resampling decides how the result
    looks. Images of other formats are left as they are.
    """
    kept_width, kept_height = _kept(image.size, preprocess)
    twice = 2 * preprocess.side / min(kept_width, kept_height)
    image.draft(None, (math.ceil(twice * image.size[0]), math.ceil(twice * image.size[1])))


def _fit(image: Image.Image, preprocess: Preprocess) -> HostArray:
    """Fit an opened image to the square."""
    image.load()
    orientation = _orientation(image)
    image = _to_rgb(image)
    if orientation in _UPRIGHT:
        image = image.transpose(_UPRIGHT[orientation])
    return np.asarray(_resample(image, preprocess))


def _resample(image: Image.Image, preprocess: Preprocess) -> Image.Image:
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
    if preprocess.fit == "squash":
        return float(size[0]), float(size[1])
    kept = min(size) * preprocess.side / round(preprocess.side * 256 / 224)
    return kept, kept


def _orientation(image: Image.Image) -> int:
    """Return the EXIF orientation, 1 if there is none that can be read."""
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # an intact image with damaged EXIF is an intact image
        return 1


def _to_rgb(image: Image.Image) -> Image.Image:
    """Convert an image of any mode to RGB, blending transparent pixels with white."""
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
