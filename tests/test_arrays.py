"""Arrays as images: batches of any lengths, one form, and what is refused."""

from collections.abc import Iterator

import numpy as np
import pytest

from jatlas.collect import arrays


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


def test_jax_arrays_and_their_half_types_are_taken() -> None:
    jnp = pytest.importorskip("jax.numpy")
    for dtype in (jnp.bfloat16, jnp.float16, jnp.float32):
        (item,) = arrays([jnp.full((1, 2, 2, 3), 0.5, dtype)]).load()
        assert item.image is not None
        assert item.image.dtype == np.float32
        assert (item.image == 0.5).all()


def test_an_object_that_restarts_can_be_loaded_twice() -> None:
    class Restarting:
        def __iter__(self) -> Iterator[np.ndarray]:
            return iter([np.zeros((2, 2, 2, 3), np.uint8)] * 2)

    source = arrays(Restarting())
    assert source.count is None
    assert len(list(source.load())) == 4
    assert len(list(source.load(1))) == 3


def test_a_generator_is_read_once_and_says_so() -> None:
    source = arrays(np.zeros((2, 2, 2, 3), np.uint8) for _ in range(2))
    assert source.count is None
    assert [item.index for item in source.load(1)] == [1, 2, 3]
    with pytest.raises(ValueError, match="read only once; pass a list"):
        source.load()


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        (np.full((1, 2, 2, 3), 1.5), "batch 1 must be images .*got values from 1.5 to 1.5"),
        (np.full((1, 2, 2, 3), -0.1), "batch 1 must be .*from -0.1 to -0.1"),
        (np.full((1, 2, 2, 3), np.nan), "batch 1 must be .*from nan to nan"),
        (np.zeros((1, 2, 2, 3), np.int32), "batch 1 must be .*got type int32"),
        (np.zeros((1, 2, 2, 3), bool), "batch 1 must be .*got type bool"),
        (np.zeros((2, 2, 3)), r"batch 1 must be .*got shape \(2, 2, 3\)"),
        (np.zeros((1, 2, 2, 4)), r"batch 1 must be .*got shape \(1, 2, 2, 4\)"),
        (np.zeros((1, 0, 2, 3)), r"batch 1 must be .*got shape \(1, 0, 2, 3\)"),
        (
            np.zeros((1, 2, 5, 3)),
            r"one shape and type, \(2, 2, 3\) float32.*batch 1 has \(2, 5, 3\)",
        ),
        (np.zeros((1, 2, 2, 3), np.uint8), r"one shape and type.*batch 1 has \(2, 2, 3\) uint8"),
    ],
)
def test_a_wrong_batch_is_refused(batch: np.ndarray, message: str) -> None:
    good = np.zeros((1, 2, 2, 3))
    with pytest.raises(ValueError, match=message):
        list(arrays(b for b in (good, batch)).load())
    with pytest.raises(ValueError, match=message):
        list(arrays([good, batch]).load())


def test_wrong_content_is_refused_at_the_door() -> None:
    with pytest.raises(ValueError, match=r"batch 0 must be .*got shape \(4, 4, 3\)"):
        arrays(np.zeros((4, 4, 3)))
    for content, kind in ((3, "int"), ("pictures", "str"), ({}, "dict"), (None, "NoneType")):
        with pytest.raises(ValueError, match=f"content must be .*got {kind}"):
            arrays(content)
