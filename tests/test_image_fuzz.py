"""Damaged images of every kind: a square of pixels or one line that says why not."""

import io
import time
from typing import Any

import numpy as np
import pytest
from mutations import mutated
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from jatlas.collect import ImageError, Preprocess, dataset, decode, image_size, read_image
from jatlas.collect._decode import formats

SMALL = Preprocess(size=8, max_pixels=1_000_000)
CASES, ALL_CASES = 400, 8_000
_LONGEST = 10  # seconds that one image may take: there is no machine so slow


def picture(mode: str = "RGB") -> Image.Image:
    y, x = np.mgrid[0:24, 0:32].astype(np.uint8)
    colours = np.stack([8 * x, 10 * y, 4 * x + 5 * y, 255 - 7 * x], axis=-1)
    return Image.fromarray(colours, "RGBA").convert(mode)


def sound_files() -> list[bytes]:
    """Encode pictures of every kind that can be written here."""
    wide = Image.fromarray(np.arange(24 * 32, dtype=np.uint16).reshape(24, 32) * 80)
    text = PngInfo()
    text.add_text("comment", "words " * 50, zip=True)
    exif = Image.Exif()
    exif[0x0112] = 6
    more = [picture().rotate(angle) for angle in (90, 180)]
    kinds: list[tuple[str, Image.Image, dict[str, Any]]] = [
        ("JPEG", picture(), {}),
        ("JPEG", picture("L"), {"progressive": True}),
        ("JPEG", picture("CMYK"), {}),
        ("JPEG", picture(), {"exif": exif, "subsampling": 0}),
        ("PNG", picture(), {}),
        ("PNG", picture("RGBA"), {"pnginfo": text}),
        ("PNG", picture("LA"), {"exif": exif}),
        ("PNG", picture("L"), {"bits": 4}),
        ("PNG", picture("1"), {}),
        ("PNG", picture("P"), {}),
        ("PNG", picture("P"), {"transparency": bytes(range(200))}),
        ("PNG", picture(), {"transparency": (8, 10, 9)}),
        ("PNG", wide, {"transparency": 80}),
        ("PNG", picture(), {"save_all": True, "append_images": more}),
        ("WEBP", picture(), {}),
        ("WEBP", picture("RGBA"), {"lossless": True, "exif": exif}),
        ("WEBP", picture(), {"save_all": True, "append_images": more}),
        ("BMP", picture(), {}),
        ("BMP", picture("RGBA"), {}),
        ("BMP", picture("L"), {}),
        ("BMP", picture("1"), {}),
        ("GIF", picture("P"), {"transparency": 3}),
        ("GIF", picture(), {"save_all": True, "append_images": more}),
        ("TIFF", picture(), {}),
        ("TIFF", picture("RGBA"), {"compression": "tiff_lzw"}),
        ("TIFF", picture("CMYK"), {"compression": "tiff_adobe_deflate"}),
        ("TIFF", picture("1"), {"compression": "group4"}),
        ("TIFF", wide, {}),
        ("TIFF", picture(), {"compression": "jpeg", "save_all": True, "append_images": more}),
        ("AVIF", picture(), {}),
        ("AVIF", picture("RGBA"), {"exif": exif}),
    ]
    files = []
    for kind, image, options in kinds:
        if kind in formats():
            stream = io.BytesIO()
            image.save(stream, kind, **options)
            files.append(stream.getvalue())
    return files


def check(data: bytes) -> bool:
    """Read a file in every way there is; return whether it can be read."""
    start = time.monotonic()
    try:
        pixels = decode(io.BytesIO(data), preprocess=SMALL)
        assert pixels.shape == (8, 8, 3) and pixels.dtype == np.uint8
        failed = None
    except ImageError as error:
        failed = str(error)
        assert failed and len(failed.splitlines()) == 1
    (item,) = dataset([{"image": data}], size=8).load()
    assert item.error == failed or "max_pixels" in (failed or "")
    try:
        whole = read_image(io.BytesIO(data), max_pixels=SMALL.max_pixels)
        assert whole.dtype == np.uint8 and whole.shape[2] in (3, 4)
        image_size(io.BytesIO(data), max_pixels=SMALL.max_pixels)
    except ImageError:
        assert failed is not None
    assert time.monotonic() - start < _LONGEST
    return failed is None


def fuzz(count: int, seed: int) -> int:
    """Check damaged files; return how many of them could be read all the same."""
    files, rng = sound_files(), np.random.default_rng(seed)
    assert all(check(data) for data in files)
    return sum(check(mutated(files, rng)) for _ in range(count))


def test_a_damaged_image_is_read_or_named() -> None:
    assert len(sound_files()) >= 29
    assert 0.1 * CASES < fuzz(CASES, seed=1) < 0.9 * CASES


@pytest.mark.slow
def test_thousands_of_damaged_images_are_read_or_named() -> None:
    assert 0.1 * ALL_CASES < fuzz(ALL_CASES, seed=2) < 0.9 * ALL_CASES
