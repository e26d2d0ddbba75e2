"""One image file to pixels: every kind of file, every shape, and damage."""

import errno
import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from jatlas.collect import (
    ImageError,
    Preprocess,
    dataset,
    decode,
    folder,
    image_size,
    read_image,
)
from jatlas.collect._decode import fit_image, formats
from jatlas.collect._preprocess import reduce_jpeg

SQUASH = Preprocess(size=64, fit="squash")


def gradient(width: int = 64, height: int = 64) -> np.ndarray:
    """A smooth image in which left and right, top and bottom, and the channels all differ."""
    y, x = np.mgrid[0:height, 0:width]
    across, down = x / max(width - 1, 1), y / max(height - 1, 1)
    return np.stack([across * 200, down * 250, 60 + 100 * across * down], -1).astype(np.uint8)


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> io.BytesIO:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    stream.seek(0)
    return stream


def png(
    width: int, height: int, depth: int, colour: int, rows: bytes, *, transparent: bytes = b""
) -> io.BytesIO:
    """A PNG written by hand, for what Pillow reads but does not write."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return io.BytesIO(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + (chunk(b"tRNS", transparent) if transparent else b"")
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def oriented(value: int) -> Image.Exif:
    """EXIF data that give an orientation."""
    exif = Image.Exif()
    exif[0x0112] = value
    return exif


def difference(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a.astype(float) - b.astype(float)).mean())


# Preprocess


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"size": 0}, "^size: expected at least 1 pixel, got 0"),
        ({"fit": "stretch"}, "^fit: expected .*got 'stretch'"),
        ({"max_pixels": 0}, "^max_pixels: expected at least 1, got 0"),
    ],
)
def test_preprocess_is_checked(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Preprocess(**wrong)


def test_crop_is_resize_of_the_shorter_side_and_a_centre_crop() -> None:
    picture = Image.fromarray(gradient(300, 200))
    got = decode(encoded(picture), preprocess=Preprocess(size=112))
    resized = np.asarray(picture.resize((192, 128), Image.Resampling.BILINEAR))
    assert got.shape == (112, 112, 3)
    assert got.dtype == np.uint8
    assert difference(got, resized[8:120, 40:152]) < 0.5


def test_squash_is_the_plain_resize() -> None:
    picture = Image.fromarray(gradient(130, 70))
    got = decode(encoded(picture), preprocess=SQUASH)
    np.testing.assert_array_equal(got, picture.resize((64, 64), Image.Resampling.BILINEAR))


@pytest.mark.parametrize("shape", [(1, 1), (1, 3000), (3000, 1), (2, 3), (31, 17)])
@pytest.mark.parametrize("fit", ["crop", "squash"])
@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_an_image_of_any_shape_becomes_a_square(
    shape: tuple[int, int], fit: Any, kind: str
) -> None:
    stream = encoded(Image.new("RGB", shape, (10, 200, 90)), kind)
    got = decode(stream, preprocess=Preprocess(size=32, fit=fit))
    assert got.shape == (32, 32, 3)
    assert difference(got, np.array([10, 200, 90])) < 3


# Kinds of file


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "AVIF"])
def test_every_format_is_read(kind: str) -> None:
    if kind not in formats():
        pytest.skip(f"this Pillow reads no {kind}")
    got = decode(encoded(Image.fromarray(gradient()), kind), preprocess=SQUASH)
    assert difference(got, gradient()) < (12 if kind == "GIF" else 4)


@pytest.mark.parametrize("kind", ["PPM", "ICO", "EPS"])
def test_other_formats_are_not_read(kind: str) -> None:
    with pytest.raises(ImageError, match="not JPEG, PNG, WEBP, BMP, GIF, TIFF"):
        decode(encoded(Image.fromarray(gradient()), kind), preprocess=SQUASH)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("fit", ["crop", "squash"])
def test_exif_orientation_is_applied(orientation: int, fit: Any) -> None:
    stored = Image.fromarray(gradient(96, 64))
    # How each value transforms the stored image, in NumPy (EXIF 2.3, tag 274).
    shown = {
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.swapaxes(0, 1),
        6: lambda a: np.rot90(a, -1),
        7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
        8: lambda a: np.rot90(a),
    }[orientation](np.asarray(stored))
    preprocess = Preprocess(size=32, fit=fit)
    got = decode(
        encoded(stored, "JPEG", quality=95, exif=oriented(orientation)), preprocess=preprocess
    )
    upright = Image.fromarray(np.ascontiguousarray(shown))
    assert difference(got, decode(encoded(upright), preprocess=preprocess)) < 2


def test_an_image_with_damaged_exif_is_read() -> None:
    stream = encoded(Image.fromarray(gradient()), "JPEG", exif=b"Exif\x00\x00MM\x00*\xff\xff\xff")
    assert difference(decode(stream, preprocess=SQUASH), gradient()) < 4


def test_cmyk_jpeg_is_not_inverted() -> None:
    for colour in [(250, 250, 250), (5, 5, 5), (200, 40, 40)]:
        stream = encoded(Image.new("RGB", (64, 64), colour).convert("CMYK"), "JPEG", quality=95)
        assert b"Adobe" in stream.getvalue()
        got = decode(stream, preprocess=SQUASH)
        assert difference(got, np.array(colour)) < 4


def test_grey_and_one_bit_become_rgb() -> None:
    grey = gradient()[..., 0]
    got = decode(encoded(Image.fromarray(grey)), preprocess=SQUASH)
    np.testing.assert_array_equal(got, np.repeat(grey[..., None], 3, -1))
    bits = np.asarray(Image.fromarray(grey > 100))
    got = decode(encoded(Image.fromarray(grey > 100)), preprocess=SQUASH)
    np.testing.assert_array_equal(got, np.repeat(bits[..., None] * np.uint8(255), 3, -1))


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_transparent_pixels_are_blended_with_white(mode: str, kind: str) -> None:
    alpha = np.zeros((64, 64), np.uint8)
    alpha[:, 20:40], alpha[:, 40:] = 128, 255
    picture = Image.new(mode, (64, 64))
    picture.putalpha(Image.fromarray(alpha))
    options = {"lossless": True} if kind == "WEBP" else {}
    got = decode(encoded(picture, kind, **options), preprocess=SQUASH)
    np.testing.assert_allclose(got, np.repeat((255 - alpha)[..., None], 3, -1), atol=1)


@pytest.mark.parametrize("kind", ["PNG", "GIF"])
def test_palette_with_and_without_transparency(kind: str) -> None:
    picture = Image.new("P", (64, 64), 0)
    picture.putpalette([10, 20, 30, 200, 100, 50])
    picture.paste(1, (0, 0, 64, 32))
    plain = decode(encoded(picture, kind), preprocess=SQUASH)
    assert plain[8, 8].tolist() == [200, 100, 50]
    assert plain[56, 8].tolist() == [10, 20, 30]
    clear = decode(encoded(picture, kind, transparency=0), preprocess=SQUASH)
    assert clear[8, 8].tolist() == [200, 100, 50]
    assert clear[56, 8].tolist() == [255, 255, 255]


def test_palette_with_partial_transparency() -> None:
    picture = Image.new("P", (64, 64), 0)
    picture.putpalette([0, 0, 0, 200, 100, 50])
    got = decode(encoded(picture, transparency=bytes([128, 255])), preprocess=SQUASH)
    np.testing.assert_allclose(got, 127, atol=1)


def test_rgb_with_a_transparent_colour() -> None:
    picture = Image.new("RGB", (64, 64), (1, 2, 3))
    got = decode(encoded(picture, transparency=(1, 2, 3)), preprocess=SQUASH)
    assert (got == 255).all()


def test_sixteen_bit_grey_is_scaled_not_clipped() -> None:
    wide = np.linspace(0, 65535, 64 * 64).astype(np.uint16).reshape(64, 64)
    got = decode(encoded(Image.fromarray(wide)), preprocess=SQUASH)
    np.testing.assert_array_equal(got[..., 0], np.round(wide / 257))
    np.testing.assert_array_equal(got[..., 0], got[..., 2])
    clear = decode(encoded(Image.fromarray(wide), transparency=0), preprocess=SQUASH)
    assert clear[0, 0].tolist() == [255, 255, 255]
    assert clear[0, 40].tolist() == got[0, 40].tolist()


def test_sixteen_bit_rgb_is_scaled_not_clipped() -> None:
    wide = gradient().astype(">u2") * 257
    rows = b"".join(b"\x00" + row.tobytes() for row in wide.astype(">u2"))
    got = decode(png(64, 64, 16, 2, rows), preprocess=SQUASH)
    np.testing.assert_array_equal(got, gradient())


def test_a_transparent_colour_of_sixteen_bits_is_no_other_colour() -> None:
    """Pillow compares its low bytes, 0xff and 0 and 0, with the high bytes of the pixels."""
    rows = (b"\x00" + struct.pack(">HHH", 0xFFFF, 0, 0) * 64) * 64
    for colour, seen in (((0x01FF, 0x0100, 0), [255, 0, 0]), ((0xFFFF, 0, 0), [255, 255, 255])):
        stream = png(64, 64, 16, 2, rows, transparent=struct.pack(">HHH", *colour))
        assert decode(stream, preprocess=SQUASH)[0, 0].tolist() == seen
        with Image.open(stream) as picture:
            for _ in range(2):  # in memory, and not changed by being read
                assert fit_image(picture, preprocess=SQUASH)[0, 0].tolist() == seen


def test_a_bitmap_whose_opacity_is_unused_is_opaque() -> None:
    """What Photoshop writes: 32 bits per pixel, the fourth byte declared as opacity, all 0."""
    header = struct.pack("<IiiHHIIiiII4I", 124, 8, 8, 1, 32, 3, 256, 0, 0, 0, 0,
                         0xFF0000, 0xFF00, 0xFF, 0xFF000000)  # fmt: skip
    for opacity, seen in ((0, [255, 0, 0]), (255, [255, 0, 0])):
        pixels = bytes([0, 0, 255, opacity]) * 64
        start = b"BM" + struct.pack("<IHHI", 138 + 256, 0, 0, 138)
        stream = io.BytesIO(start + header + b"BGRs" + bytes(64) + pixels)
        assert decode(stream, preprocess=SQUASH)[0, 0].tolist() == seen


def test_a_png_with_much_text_is_read() -> None:
    info = PngInfo()
    info.add_text("comment", "a" * 2_000_000, zip=True)
    got = decode(encoded(Image.new("RGB", (8, 8), "red"), pnginfo=info), preprocess=SQUASH)
    assert got[0, 0].tolist() == [255, 0, 0]


def test_pixels_without_a_known_range_are_refused() -> None:
    ramp = np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8)
    for wide, message in (
        (Image.fromarray(ramp), "its pixels are floats, whose range is not known"),
        (Image.fromarray((ramp * 2**30).astype(np.int32)), "its pixels are 32-bit integers"),
    ):
        with pytest.raises(ImageError, match=message):
            decode(encoded(wide, "TIFF"), preprocess=SQUASH)


def test_a_picture_is_read_at_its_own_size_with_its_opacity(tmp_path: Path) -> None:
    clear = Image.new("RGBA", (5, 3), (10, 20, 30, 0))
    clear.putpixel((1, 1), (1, 2, 3, 128))
    clear.save(tmp_path / "clear.png")
    np.testing.assert_array_equal(read_image(tmp_path / "clear.png"), np.asarray(clear))
    Image.fromarray(np.full((3, 5), 32768, np.uint16)).save(tmp_path / "grey16.png")
    assert image_size(tmp_path / "grey16.png") == (5, 3)
    np.testing.assert_array_equal(
        read_image(tmp_path / "grey16.png"), np.full((3, 5, 3), 128, np.uint8)
    )
    with pytest.raises(ImageError, match="are more than max_pixels=14"):
        read_image(tmp_path / "grey16.png", max_pixels=14)


@pytest.mark.parametrize("kind", ["GIF", "WEBP"])
def test_the_first_frame_of_an_animation_is_taken(kind: str) -> None:
    red, blue = (Image.new("RGB", (64, 64), colour) for colour in ("red", "blue"))
    stream = encoded(red, kind, save_all=True, append_images=[blue, blue], duration=50)
    assert Image.open(stream).n_frames > 1
    assert difference(decode(stream, preprocess=SQUASH), np.array([255, 0, 0])) < 4


def test_the_content_counts_not_the_extension(tmp_path: Path) -> None:
    Image.fromarray(gradient()).save(tmp_path / "really.jpg", "PNG")
    np.testing.assert_array_equal(decode(tmp_path / "really.jpg", preprocess=SQUASH), gradient())


def test_a_large_jpeg_is_decoded_small_and_looks_the_same() -> None:
    rng = np.random.default_rng(0)
    coarse = Image.fromarray(rng.integers(0, 256, (72, 96, 3), dtype=np.uint8))
    picture = coarse.resize((960, 720), Image.Resampling.BICUBIC)
    stream = encoded(picture, "JPEG", quality=92)
    whole = encoded(Image.open(stream).convert("RGB"), "BMP")
    for fit in ("crop", "squash"):
        preprocess = Preprocess(size=56, fit=fit)
        small, full = (decode(s, preprocess=preprocess) for s in (stream, whole))
        assert difference(small, full) < 2
        # The same with the reduced size in view: 1/4, still twice the square.
        stream.seek(0)
        with Image.open(stream) as image:
            reduce_jpeg(image, preprocess)
            assert image.size == (240, 180)
            np.testing.assert_array_equal(fit_image(image, preprocess=preprocess), small)
        assert not np.array_equal(small, full)
        whole.seek(0)
        with Image.open(whole) as image:
            reduce_jpeg(image, preprocess)
            assert image.size == (960, 720)
        stream.seek(0)
        whole.seek(0)


def test_an_image_in_memory_is_fitted_as_a_file_is() -> None:
    """Palette indices, transparency and orientation are those of a file's."""
    palette = Image.new("P", (64, 48), 0)
    palette.putpalette([10, 20, 30, 200, 100, 50])
    palette.paste(1, (0, 0, 64, 24))
    clear = Image.new("RGBA", (64, 48), (1, 2, 3, 100))
    turned = encoded(Image.fromarray(gradient(64, 48)), exif=oriented(6))
    pictures = (palette, clear, Image.new("1", (9, 7), 1), Image.open(turned))
    for picture in pictures:
        stream = encoded(picture, exif=picture.getexif())
        got = fit_image(picture, preprocess=SQUASH)
        np.testing.assert_array_equal(got, decode(stream, preprocess=SQUASH))
    grey = gradient()[..., 0]
    for array in (grey, grey[..., None], np.repeat(grey[..., None], 3, -1)):
        got = fit_image(array, preprocess=SQUASH)
        np.testing.assert_array_equal(got, np.repeat(grey[..., None], 3, -1))


def test_an_image_in_memory_is_checked_as_a_file_is() -> None:
    with pytest.raises(ImageError, match="50 x 40 pixels are more than max_pixels=1999"):
        fit_image(Image.new("L", (50, 40)), preprocess=Preprocess(size=8, max_pixels=1999))
    stream = io.BytesIO(encoded(Image.fromarray(gradient()), "JPEG").getvalue()[:-200])
    with pytest.raises(ImageError, match="truncated"):
        fit_image(Image.open(stream), preprocess=SQUASH)
    for wrong in (np.zeros((4, 4, 5), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4), np.uint8)):
        with pytest.raises(ImageError, match=r"expected \(h, w, 3\) uint8, got "):
            fit_image(wrong, preprocess=SQUASH)


def test_the_size_must_be_known() -> None:
    for function, image in ((decode, "gone.png"), (fit_image, gradient())):
        with pytest.raises(
            ValueError, match=r"^size: expected a number of pixels, got None"
        ) as got:
            function(image, preprocess=Preprocess())
        assert not isinstance(got.value, ImageError), "the image is not at fault"


# Damage


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP"])
def test_a_file_cut_short_is_refused_or_whole(kind: str) -> None:
    whole = encoded(Image.fromarray(gradient()), kind).getvalue()
    expected = decode(io.BytesIO(whole), preprocess=SQUASH)
    refused = 0
    cuts = sorted(
        {*range(0, len(whole), max(1, len(whole) // 150)), *range(len(whole) - 30, len(whole))}
    )
    for cut in cuts:
        try:
            got = decode(io.BytesIO(whole[:cut]), preprocess=SQUASH)
        except ImageError as error:
            refused += 1
            assert str(error)
            assert "\n" not in str(error)
        else:
            assert difference(got, expected) < 4, f"cut at byte {cut} of {len(whole)}"
    assert refused > len(cuts) * 0.7


def test_flipped_bytes_result_in_an_image_or_an_image_error() -> None:
    rng = np.random.default_rng(1)
    for kind in ("JPEG", "PNG", "WEBP", "GIF", "BMP"):
        whole = np.frombuffer(encoded(Image.fromarray(gradient()), kind).getvalue(), np.uint8)
        for _ in range(150):
            broken = whole.copy()
            broken[rng.integers(0, min(len(whole), 400), 4)] = rng.integers(0, 256, 4)
            try:
                got = decode(io.BytesIO(broken.tobytes()), preprocess=SQUASH)
            except ImageError:
                continue
            assert got.shape == (64, 64, 3)


def test_a_file_that_is_no_image_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "noise.jpg").write_bytes(np.random.default_rng(2).bytes(5000))
    (tmp_path / "text.png").write_text("This is not an image.\n")
    (tmp_path / "magic.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    for path in sorted(tmp_path.iterdir()):
        with pytest.raises(ImageError, match="empty, damaged at its start, or not JPEG, PNG"):
            decode(path, preprocess=SQUASH)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"^No such file or directory$"):
        decode(tmp_path / "gone.jpg", preprocess=SQUASH)


def test_a_decompression_bomb_is_refused() -> None:
    with pytest.raises(ImageError, match="3600000000 pixels"):
        decode(png(60_000, 60_000, 8, 2, b"\x00"), preprocess=SQUASH)


def test_max_pixels_is_a_limit_on_the_file() -> None:
    stream = encoded(Image.fromarray(gradient(50, 40)))
    assert decode(stream, preprocess=Preprocess(size=8, max_pixels=2000)).shape == (8, 8, 3)
    stream.seek(0)
    with pytest.raises(ImageError, match="50 x 40 pixels are more than max_pixels=1999"):
        decode(stream, preprocess=Preprocess(size=8, max_pixels=1999))


@pytest.mark.parametrize("width", [256, 257, 340, 341])
@pytest.mark.parametrize("upright", [True, False])
def test_an_image_that_needs_no_scaling_is_cropped_to_the_pixel(
    tmp_path: Path, width: int, upright: bool
) -> None:
    """Half a pixel of offset would blur it: that cost 1.3 % of top-5 on real images."""
    pixels = np.random.default_rng(0).integers(0, 256, (256, width, 3), np.uint8)
    pixels = pixels if upright else pixels.transpose(1, 0, 2)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    top, left = ((side - 224) // 2 for side in pixels.shape[:2])
    found = decode(tmp_path / "a.png", preprocess=Preprocess(size=224))
    np.testing.assert_array_equal(found, pixels[top : top + 224, left : left + 224])


def test_what_the_machine_lacks_is_no_fault_of_an_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else all images after it would be passed over, and the atlas hold the rest."""
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    records = dataset([{"image": (tmp_path / "a.png").read_bytes()}], size=4)

    def fail(*arguments: Any, **named: Any) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(Image, "open", fail)
    for source in (folder(tmp_path, size=4), records):
        with pytest.raises(OSError, match="Too many open files"):
            list(source.load())
