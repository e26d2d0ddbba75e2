"""The one reader of images: whatever a file or a Pillow image holds, and however it is broken."""

import contextlib
import errno
import functools
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import PIL
from PIL import Image, PngImagePlugin, UnidentifiedImageError, features

from jatlas.collect._preprocess import Preprocess, reduce_jpeg, resample
from jatlas.types import HostArray, one_line

_SUFFIXES = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif", ".jif"),
    "PNG": (".png", ".apng"),
    "WEBP": (".webp",),
    "BMP": (".bmp", ".dib"),
    "GIF": (".gif",),
    "TIFF": (".tif", ".tiff"),
    "AVIF": (".avif",),
    "HEIF": (".heic", ".heif", ".hif"),
}
"""The formats that are read where Pillow can, and the suffixes of their files."""

# A PNG may hold more text than Pillow accepts by default, 1 MB a chunk. The text is not used, and
# Pillow's limit for all of it, 64 MB, stays in force.
PngImagePlugin.MAX_TEXT_CHUNK = max(PngImagePlugin.MAX_TEXT_CHUNK, PngImagePlugin.MAX_TEXT_MEMORY)

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


@functools.cache
def formats() -> tuple[str, ...]:
    """Return the formats that Pillow can read here, by their names in Pillow.

    AVIF needs Pillow 11.3, HEIC the package pillow-heif.
    """
    Image.init()
    with contextlib.suppress(ImportError):
        import pillow_heif

        pillow_heif.register_heif_opener()
    # A plugin may be there without the library that it needs.
    lacking = {"AVIF", "WEBP"} - {name.upper() for name in features.get_supported()}
    return tuple(name for name in _SUFFIXES if name in Image.OPEN and name not in lacking)


def decoder() -> dict[str, Any]:
    """Return what decides how files are decoded, as JSON values."""
    return {"pillow": PIL.__version__, "formats": list(formats())}


def suffixes() -> tuple[str, ...]:
    """Return the suffixes of the files that can be read here, in lower case."""
    return tuple(suffix for name in formats() for suffix in _SUFFIXES[name])


def decode(file: str | os.PathLike[str] | BinaryIO, *, preprocess: Preprocess) -> HostArray:
    """Decode one image file, whatever its name says, into a square.

    JPEG, PNG, WebP, BMP, GIF and TIFF are read; AVIF with Pillow 11.3 or newer, and HEIC if the
    package pillow-heif is installed. EXIF orientation is applied, transparent pixels are blended
    with white, 16 bits are scaled to 8, CMYK is converted, and of an animation the first frame is
    taken.

    Args:
      file: a path, or a seekable binary stream.
      preprocess: size of the result and how the picture is fitted to it.

    Returns:
      (size, size, 3) uint8 RGB.

    Raises:
      ImageError: if the file is missing, no regular file, empty, damaged, too large or of another
        format.
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
    with opened(file, max_pixels=preprocess.max_pixels) as image:
        reduce_jpeg(image, preprocess)
        return _fit(image, preprocess)


def read_image(
    file: str | os.PathLike[str] | BinaryIO, *, max_pixels: int = Preprocess.max_pixels
) -> HostArray:
    """Read one image file as `decode` does, at its own size and with its opacity.

    Args:
      file: a path, or a seekable binary stream.
      max_pixels: files with more pixels than this are not decoded.

    Returns:
      (h, w, 3) uint8 RGB; (h, w, 4), the last channel its opacity, if it is transparent anywhere.

    Raises:
      ImageError: as `decode`.
    """
    with opened(file, max_pixels=max_pixels) as image:
        return np.asarray(upright(image))


def image_size(
    file: str | os.PathLike[str] | BinaryIO, *, max_pixels: int = Preprocess.max_pixels
) -> tuple[int, int]:
    """Return (width, height) of an image file as it is stored; nothing is decoded.

    Args:
      file: a path, or a seekable binary stream.
      max_pixels: files with more pixels than this are refused.

    Raises:
      ImageError: as `decode`.
    """
    with opened(file, max_pixels=max_pixels) as image:
        return image.size


def fit_image(image: HostArray | Image.Image, *, preprocess: Preprocess) -> HostArray:
    """Fit an image that is in memory already to the square.

    Args:
      image: (h, w) or (h, w, channels) uint8, of 1 to 4 channels: grey, grey and opacity, RGB, RGB
        and opacity; or a Pillow image, which is treated as a file is: oriented, blended with white,
        converted.
      preprocess: size of the result and how the picture is fitted to it.

    Returns:
      (size, size, 3) uint8 RGB.

    Raises:
      ImageError: if it has another shape or type, or is too large or damaged.
      ValueError: if `preprocess.size` is None.
    """
    _ = preprocess.side
    with _as_image_error():
        picture = image if isinstance(image, Image.Image) else _picture(image)
        _check_pixels(picture, preprocess.max_pixels)
        return _fit(picture, preprocess)


def _picture(image: HostArray) -> Image.Image:
    """Return an array as a Pillow image."""
    array = np.asarray(image)
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    known = array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (2, 3, 4))
    if array.dtype != np.uint8 or not known or 0 in array.shape:
        raise ImageError(f"expected (h, w, 3) uint8, got {array.dtype.name} {array.shape}")
    return Image.fromarray(np.ascontiguousarray(array))


def no_file(path: Path) -> str | None:
    """Return why a path is no file that can be opened; None if it is one."""
    try:
        regular = stat.S_ISREG(os.stat(path).st_mode)
    except OSError as error:
        return one_line(error)
    return None if regular else "not a file"


@contextmanager
def opened(file: str | os.PathLike[str] | BinaryIO, *, max_pixels: int) -> Iterator[Image.Image]:
    """Open an image file; what goes wrong in the block is raised as ImageError too."""
    with _as_image_error():
        # Opening a pipe would wait for ever.
        if isinstance(file, str | os.PathLike) and (reason := no_file(Path(file))):
            raise ImageError(reason)
        with Image.open(file, formats=formats()) as image:
            _check_pixels(image, max_pixels)
            yield image


def out_of_resources(error: Exception) -> bool:
    """Return whether the process is out of files or memory: every image after this would fail too.

    Example:
      >>> out_of_resources(OSError(errno.EMFILE, "Too many open files"))
      True
    """
    machine = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)
    return isinstance(error, OSError) and error.errno in machine


@contextmanager
def _as_image_error() -> Iterator[None]:
    """Raise whatever a decoder raises as ImageError."""
    try:
        yield
    except ImageError:
        raise
    except UnidentifiedImageError as error:
        raise ImageError(f"empty, damaged at its start, or not {', '.join(formats())}") from error
    except Exception as error:
        if out_of_resources(error):
            raise
        # Pillow's decoders raise nearly every exception there is on bad bytes (SyntaxError,
        # struct.error, IndexError, ...), and one bad file must not end a run over a million.
        raise ImageError(one_line(error)) from error


def _check_pixels(image: Image.Image, max_pixels: int) -> None:
    """Check that an opened image is not too large to be decoded."""
    width, height = image.size
    if width * height > max_pixels:
        raise ImageError(f"{width} x {height} pixels are more than max_pixels={max_pixels}")


def _fit(image: Image.Image, preprocess: Preprocess) -> HostArray:
    """Fit an opened image to the square."""
    return np.asarray(resample(opaque(upright(image)), preprocess))


def opaque(image: Image.Image) -> Image.Image:
    """Blend an image with white where it is transparent: RGB."""
    if image.mode != "RGBA":
        return image
    white = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(white, image).convert("RGB")


def upright(image: Image.Image) -> Image.Image:
    """Decode an opened image: upright, RGB, or RGBA if it is transparent anywhere."""
    colour = _transparent_colour(image)  # how many bits its pixels have is forgotten by `load`
    image.load()
    orientation = _orientation(image)
    if colour is not None:
        image = image.copy()
        image.info["transparency"] = colour
    image = _to_rgb(image)
    return image.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else image


def _transparent_colour(image: Image.Image) -> tuple[int, ...] | None:
    """Return the transparent colour of a 16-bit RGB image in 8 bits, as its pixels will be.

    Pillow compares the low bytes of the colour with the high bytes of the pixels. None if the image
    has no such colour or is not of 16 bits.
    """
    colour = image.info.get("transparency")
    if image.mode != "RGB" or not isinstance(colour, tuple):
        return None
    tiles = getattr(image, "tile", ())
    wide = max(colour) > 255 or any(str(tile[3]).startswith("RGB;16") for tile in tiles)
    return tuple(value >> 8 for value in colour) if wide else None


def _orientation(image: Image.Image) -> int:
    """Return the EXIF orientation, 1 if there is none that can be read."""
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # an intact image with damaged EXIF is an intact image
        return 1


def _to_rgb(image: Image.Image) -> Image.Image:
    """Convert an image of any mode to RGB, or to RGBA if it is transparent anywhere."""
    if image.mode == "F":
        raise ImageError("its pixels are floats, whose range is not known: save 8 or 16 bits")
    if image.mode.startswith("I"):
        return _from_wide(image)
    if not image.has_transparency_data:
        return image.convert("RGB")
    clear = image.convert("RGBA")
    lowest, highest = clear.getchannel("A").getextrema()
    # Programs that know no opacity leave the fourth byte of a BMP's pixels 0.
    unused = image.format == "BMP" and highest == 0
    return clear.convert("RGB") if lowest == 255 or unused else clear


def _from_wide(image: Image.Image) -> Image.Image:
    """Scale 16-bit grey to 8 bits, which `convert` would clip at 255."""
    wide = np.asarray(image).astype(np.int64)
    if wide.size and (wide.min() < 0 or wide.max() > 65535):
        raise ImageError("its pixels are 32-bit integers: save 8 or 16 bits")
    grey = Image.fromarray(((wide + 128) // 257).astype(np.uint8))
    clear = wide == image.info.get("transparency", -1)
    if not clear.any():
        return grey.convert("RGB")
    opacity = Image.fromarray(np.where(clear, 0, 255).astype(np.uint8))
    return Image.merge("RGBA", (grey, grey, grey, opacity))
