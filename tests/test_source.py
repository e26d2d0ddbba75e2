"""Loaded images in batches: one size, damage left out, nothing read ahead."""

from collections.abc import Iterator

import numpy as np
import pytest

from jatlas.collect import Loaded, batches


def some(*indices: int, damaged: tuple[int, ...] = ()) -> Iterator[Loaded]:
    for index in indices:
        if index in damaged:
            yield Loaded(index=index, image=None, error=f"reason {index}")
        else:
            yield Loaded(index=index, image=np.full((2, 2, 3), index, np.uint8))


def test_batches_are_of_one_shape_and_the_tail_is_filled() -> None:
    skipped: list[tuple[int, str]] = []
    got = list(batches(some(*range(3, 11), damaged=(4, 10)), 4, skipped=skipped))
    assert [(index.tolist(), valid) for _, index, valid in got] == [
        ([3, 5, 6, 7], 4),
        ([8, 9, 9, 9], 2),
    ]
    for stack, index, _ in got:
        assert stack.shape == (4, 2, 2, 3)
        assert stack.dtype == np.uint8
        np.testing.assert_array_equal(stack[:, 0, 0, 0], index)
    assert skipped == [(4, "reason 4"), (10, "reason 10")]


def test_batches_read_nothing_beyond_the_batch_they_give() -> None:
    skipped: list[tuple[int, str]] = []
    stream = some(*range(10), damaged=(1, 4))
    next(batches(stream, 3, skipped=skipped))
    assert skipped == [(1, "reason 1")]
    assert next(stream).index == 4


def test_no_batch_of_nothing() -> None:
    skipped: list[tuple[int, str]] = []
    assert list(batches(some(), 4, skipped=skipped)) == []
    assert list(batches(some(0, 1, damaged=(0, 1)), 4, skipped=skipped)) == []
    assert [index for index, _ in skipped] == [0, 1]
    assert len(list(batches(some(0, 1, 2, 3), 2, skipped=skipped))) == 2


def test_a_batch_has_at_least_one_image() -> None:
    with pytest.raises(ValueError, match="size must be at least 1 image; got 0"):
        next(batches(some(0), 0, skipped=[]))
