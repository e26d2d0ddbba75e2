"""What a source of images is, what may be passed as one, and its images in batches."""

import contextlib
import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from PIL import Image

from jatlas.collect import (
    Arrays,
    ImageSource,
    Loaded,
    Preprocess,
    arrays,
    as_source,
    batches,
    dataset,
    folder,
    select,
)
from jatlas.synthetic import Synthetic

IMAGES = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3), np.uint8)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for number, pixels in enumerate(IMAGES):
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    return tmp_path


def stream(*indices: int, damaged: tuple[int, ...] = ()) -> Iterator[Loaded]:
    for index in indices:
        if index in damaged:
            yield Loaded(index=index, image=None, error=f"reason {index}")
        else:
            yield Loaded(index=index, image=np.full((2, 2, 3), index, np.uint8))


# What may be passed as images


def test_a_path_is_a_folder_of_the_networks_size(photos: Path) -> None:
    for path in (photos, str(photos)):
        source = as_source(path, size=16)
        assert source == folder(path, size=16)
        assert [item.image.shape for item in source.load() if item.image is not None] == [
            (16, 16, 3)
        ] * 3


def test_a_size_that_is_given_is_kept(photos: Path) -> None:
    records = [{"image": pixels} for pixels in IMAGES]
    for make in (folder, dataset):
        content: Any = photos if make is folder else records
        unsized, sized = make(content, fit="squash"), make(content, size=4, fit="squash")
        assert as_source(unsized, size=6) == make(content, size=6, fit="squash")
        assert as_source(sized, size=6) is sized
        assert unsized.preprocess == Preprocess(size=None, fit="squash")


def test_nothing_is_loaded_at_an_unknown_size(photos: Path) -> None:
    for source in (folder(photos), dataset([{"image": IMAGES[0]}])):
        for load in (source.load, functools.partial(source.reload, [0])):
            with pytest.raises(ValueError, match=r"^size: expected a number of pixels, got None"):
                load()


@pytest.mark.parametrize("form", ["array", "jax", "images", "tuple", "batches", "pillow"])
def test_arrays_and_lists_of_them_are_sources(form: str) -> None:
    content: Any = {
        "array": lambda: IMAGES,
        "jax": lambda: jax.numpy.asarray(IMAGES),
        "images": lambda: list(IMAGES),
        "tuple": lambda: tuple(IMAGES),
        "batches": lambda: [IMAGES[:1], IMAGES[1:]],
        "pillow": lambda: [Image.fromarray(pixels) for pixels in IMAGES],
    }[form]()
    source = as_source(content, size=224)
    assert isinstance(source, Arrays) and source.count == 3
    for item, pixels in zip(source.load(), IMAGES, strict=True):
        np.testing.assert_array_equal(item.image, pixels)


def test_a_source_is_passed_through() -> None:
    class Own:
        count = 1

        def name(self, index: int) -> str:
            return "own"

        def fingerprint(self) -> None:
            return None

        def load(self, start: int = 0, *, workers: int = 2) -> Iterator[Loaded]:
            yield from stream(0)

    for source in (Own(), arrays(IMAGES), Synthetic(3, key=jax.random.key(0))):
        assert isinstance(source, ImageSource)
        assert as_source(source, size=16) is source


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (None, "images: expected a folder, an array, a list .* or an ImageSource, got NoneType"),
        (7, "images: expected .* got int"),
        ({"a": IMAGES}, "images: expected .* got dict"),
        (iter([IMAGES]), "images: expected .* got list_iterator"),
        (b"photos/", "images: expected .* got bytes"),
        ("no/such/folder", "path: expected a folder of images, got .* does not exist"),
        (["a.png", "b.png"], r"content\[0\]: expected RGB images .* got str"),
        ([{"image": IMAGES[0]}], r"content\[0\]: expected RGB images .* got dict"),
        (IMAGES[0], r"content: expected RGB images \(b, h, w, 3\).* got shape \(8, 8, 3\)"),
    ],
    ids=["None", "int", "dict", "iterator", "bytes", "path", "paths", "records", "image"],
)
def test_anything_else_is_named(images: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}"):
        as_source(images, size=16)


# Streams of images


def test_every_source_loads_with_a_generator_to_close(photos: Path) -> None:
    sources = (
        folder(photos, size=4),
        arrays(IMAGES),
        dataset([{"image": pixels} for pixels in IMAGES], size=4),
    )
    for source in sources:
        for load in (source.load, functools.partial(source.reload, [0, 1, 2])):
            with contextlib.closing(load()) as images:
                assert next(images).index == 0
            assert list(images) == []
    synthetic = Synthetic(3, key=jax.random.key(0), size=16)
    synthetic.load().close()  # not read, as the first image takes seconds to compile
    synthetic.reload([0]).close()


def test_select_reads_no_further_than_the_last_image() -> None:
    images = stream(*range(10), damaged=(5,))
    assert [item.index for item in select(images, [1, 4, 5])] == [1, 4, 5]
    assert next(images).index == 6
    assert list(select(images, [])) == []
    assert next(images).index == 7


def test_batches_have_one_shape_and_the_last_is_padded() -> None:
    skipped: list[tuple[int, str]] = []
    got = list(batches(stream(*range(3, 11), damaged=(4, 10)), 4, skipped=skipped))
    assert [(index.tolist(), valid) for _, index, valid in got] == [
        ([3, 5, 6, 7], 4),
        ([8, 9, 9, 9], 2),
    ]
    for stack, index, _ in got:
        assert stack.shape == (4, 2, 2, 3)
        assert stack.dtype == np.uint8
        np.testing.assert_array_equal(stack[:, 0, 0, 0], index)
    assert skipped == [(4, "reason 4"), (10, "reason 10")]


def test_batches_read_nothing_beyond_the_batch_they_yield() -> None:
    skipped: list[tuple[int, str]] = []
    images = stream(*range(10), damaged=(1, 4))
    next(batches(images, 3, skipped=skipped))
    assert skipped == [(1, "reason 1")]
    assert next(images).index == 4


def test_there_is_no_batch_of_nothing() -> None:
    skipped: list[tuple[int, str]] = []
    assert list(batches(stream(), 4, skipped=skipped)) == []
    assert list(batches(stream(0, 1, damaged=(0, 1)), 4, skipped=skipped)) == []
    assert [index for index, _ in skipped] == [0, 1]
    assert len(list(batches(stream(0, 1, 2, 3), 2, skipped=skipped))) == 2


GREY = np.zeros((2, 2, 3), np.uint8)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        ([GREY, np.zeros((2, 4, 3), np.uint8)],
         r"image 1: expected \(2, 2, 3\) uint8 as image 0, got \(2, 4, 3\) uint8"),
        ([GREY, np.zeros((2, 2, 3))],
         r"image 1: expected \(2, 2, 3\) uint8 as image 0, got \(2, 2, 3\) float32"),
        ([GREY[..., 0]], r"image 0: expected an RGB image \(h, w, 3\), .*, got shape \(2, 2\)"),
        ([GREY[None]], r"image 0: expected an RGB image \(h, w, 3\), .*, got shape \(1, 2, 2, 3\)"),
        (["red.png"], r"image 0: expected an RGB image \(h, w, 3\), .*, got str"),
        ([np.full((2, 2, 3), 255.0)], "image 0: expected uint8 or float .*, got values from 255"),
        ([np.full((2, 2, 3), np.nan)], "image 0: expected uint8 or float .*, got values from nan"),
        ([np.zeros((2, 2, 3), np.int64)], "image 0: expected uint8 or float in .*, got type int64"),
    ],
)  # fmt: skip
def test_images_of_a_source_are_checked(images: list[Any], message: str) -> None:
    """One of the user's own may yield anything; `Arrays` checks before."""
    loaded = [Loaded(index=index, image=image) for index, image in enumerate(images)]
    with pytest.raises(ValueError, match=f"^{message}"):
        list(batches(loaded, 8, skipped=[]))


def test_a_batch_has_at_least_one_image() -> None:
    with pytest.raises(ValueError, match="size: expected at least 1 image, got 0"):
        next(batches(stream(0), 0, skipped=[]))
