"""Arrays as images: batches of any lengths, lists of images, identity, and what is refused."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from jatlas.collect import arrays

RNG = np.random.default_rng(0)


class Restarting:
    """An iterable of two batches that can be read again."""

    def __iter__(self) -> Iterator[np.ndarray]:
        return iter([np.zeros((2, 2, 2, 3), np.uint8)] * 2)


def test_a_single_array_is_a_source() -> None:
    content = np.arange(5 * 2 * 2 * 3, dtype=np.uint8).reshape(5, 2, 2, 3)
    source = arrays(content)
    assert source.count == 5
    assert source.name(3) == "image 3"
    for start in range(7):
        loaded = list(source.load(start))
        assert [item.index for item in loaded] == list(range(start, 5))
        for item in loaded:
            assert item.image is not None
            assert item.image.dtype == np.uint8
            np.testing.assert_array_equal(item.image, content[item.index])


def test_uneven_batches_keep_their_order() -> None:
    parts = [np.full((n, 2, 3, 3), 0.1 * k) for k, n in enumerate((3, 0, 1, 5))]
    source = arrays(parts)
    assert source.count == 9
    whole = np.concatenate(parts).astype(np.float32)
    for start in range(11):
        loaded = list(source.load(start))
        assert [item.index for item in loaded] == list(range(start, 9))
        for item in loaded:
            assert item.image is not None
            assert item.image.dtype == np.float32
            np.testing.assert_array_equal(item.image, whole[item.index])


def test_a_list_of_images_is_a_source() -> None:
    images = [np.full((2, 3, 3), 0.1 * k) for k in range(4)]
    source = arrays(images)
    assert source.count == 4
    again = source.reload([1, 3])
    assert again is not None
    for items, indices in ((source.load(2), (2, 3)), (again, (1, 3))):
        for item, index in zip(items, indices, strict=True):
            assert item.index == index
            np.testing.assert_array_equal(item.image, images[index].astype(np.float32))


def test_jax_arrays_and_half_precision_are_accepted() -> None:
    jnp = pytest.importorskip("jax.numpy")
    for dtype in (jnp.bfloat16, jnp.float16, jnp.float32):
        (item,) = arrays([jnp.full((1, 2, 2, 3), 0.5, dtype)]).load()
        assert item.image is not None
        assert item.image.dtype == np.float32
        assert (item.image == 0.5).all()


def test_a_rounding_error_beyond_the_range_is_clipped() -> None:
    (item,) = arrays([np.array([[[-1e-7, 0.5, 1.0000001]]], np.float32)]).load()
    assert item.image is not None
    assert (item.image.min(), item.image.max()) == (0, 1)
    with pytest.raises(ValueError, match=r"got values from 0.5 to 1.001"):
        list(arrays([np.array([[[0.5, 0.5, 1.001]]], np.float32)]).load())


def test_an_object_that_restarts_can_be_loaded_twice() -> None:
    source = arrays(Restarting())
    assert source.count is None
    assert len(list(source.load())) == 4
    assert len(list(source.load(1))) == 3


def test_a_generator_is_read_once_and_the_error_says_so() -> None:
    source = arrays(np.zeros((2, 2, 2, 3), np.uint8) for _ in range(2))
    assert source.count is None
    assert [item.index for item in source.load(1)] == [1, 2, 3]
    with pytest.raises(ValueError, match=r"content: expected a list.*can be read only once"):
        source.load()


# Identity


def test_the_fingerprint_is_that_of_the_images_however_they_are_passed() -> None:
    jnp = pytest.importorskip("jax.numpy")
    for images in (
        RNG.integers(0, 256, (6, 4, 5, 3), np.uint8),
        RNG.random((6, 4, 5, 3), np.float32),
    ):
        first = arrays(images).fingerprint()
        assert first is not None
        strided = np.repeat(images, 2, axis=2)[:, :, ::2]
        assert not strided.flags.c_contiguous
        for form in (
            images.copy(),
            jnp.asarray(images),
            [images[:2], images[2:2], images[2:]],
            tuple(images),
            strided,
        ):
            assert arrays(form).fingerprint() == first


def test_other_images_have_another_fingerprint() -> None:
    images = RNG.integers(0, 256, (6, 4, 5, 3), np.uint8)
    changed = images.copy()
    changed[5, 3, 4, 2] ^= 1
    others: list[Any] = [
        changed,
        images[::-1],
        images[:5],
        images.reshape(6, 5, 4, 3),
        images.reshape(3, 8, 5, 3),
        (images / 255).astype(np.float32),
        np.zeros((0, 4, 5, 3), np.uint8),
        [],
    ]
    found = [arrays(content).fingerprint() for content in (images, *others)]
    for number, one in enumerate(found):
        assert one is not None
        assert all(one != other for other in found[:number])


def test_an_array_that_is_written_to_is_another() -> None:
    images = np.zeros((2, 2, 2, 3), np.uint8)
    source = arrays(images)
    before = source.fingerprint()
    images[0] = 1
    assert source.fingerprint() != before


def test_what_may_change_between_readings_has_no_fingerprint() -> None:
    assert arrays(Restarting()).fingerprint() is None
    generator = arrays(iter(Restarting()))
    assert generator.fingerprint() is None
    assert len(list(generator.load())) == 4, "asking must not read the iterator"


# What is refused


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        (np.full((1, 2, 2, 3), 1.5), r"content\[1\]: expected .*, got values from 1.5 to 1.5"),
        (np.full((1, 2, 2, 3), -0.1), r"content\[1\]: expected .*, got values from -0.1 to -0.1"),
        (np.full((1, 2, 2, 3), np.nan), r"content\[1\]: expected .*, got values from nan to nan"),
        (np.zeros((1, 2, 2, 3), np.int32), r"content\[1\]: expected .*, got type int32"),
        (np.zeros((1, 2, 2, 3), bool), r"content\[1\]: expected .*, got type bool"),
        (np.zeros((2, 3)), r"content\[1\]: expected RGB images .*, got shape \(2, 3\)"),
        (np.zeros((1, 2, 2, 4)), r"content\[1\]: expected RGB .*, got shape \(1, 2, 2, 4\)"),
        (np.zeros((1, 0, 2, 3)), r"content\[1\]: expected RGB .*, got shape \(1, 0, 2, 3\)"),
        (
            np.zeros((2, 2, 3)),
            r"content\[1\]: expected \(b, 2, 2, 3\) float32 as in content\[0\], got \(2, 2, 3\) fl",
        ),
        (
            np.zeros((1, 2, 5, 3)),
            r"content\[1\]: expected \(b, 2, 2, 3\) float32 .*, got \(b, 2, 5, 3\) float32",
        ),
        (
            np.zeros((1, 2, 2, 3), np.uint8),
            r"content\[1\]: expected \(b, 2, 2, 3\) float32 .*, got \(b, 2, 2, 3\) uint8",
        ),
    ],
)
def test_a_wrong_batch_is_refused(batch: np.ndarray, message: str) -> None:
    good = np.zeros((1, 2, 2, 3))
    with pytest.raises(ValueError, match=message):
        list(arrays(b for b in (good, batch)).load())
    with pytest.raises(ValueError, match=message):
        list(arrays([good, batch]).load())
    with pytest.raises(ValueError, match=message):
        arrays([good, batch]).fingerprint()


def test_wrong_content_is_refused_at_the_door() -> None:
    with pytest.raises(ValueError, match=r"content: expected .*, got shape \(4, 4, 3\)"):
        arrays(np.zeros((4, 4, 3)))
    with pytest.raises(ValueError, match=r"content\[1\]: expected .*, got shape \(4, 4, 4\)"):
        arrays([np.zeros((4, 4, 3)), np.zeros((4, 4, 4))])
    for content, kind in ((3, "int"), ("pictures", "str"), ({}, "dict"), (None, "NoneType")):
        with pytest.raises(ValueError, match=f"content: expected .*, got {kind}"):
            arrays(content)
