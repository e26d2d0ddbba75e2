"""Vectors that were collected elsewhere, as the samples of a map."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from jatlas.arrange import second_moment
from jatlas.records import Samples
from jatlas.storage import files
from jatlas.types import HostArray, blocks, checks

_BLOCK = 8192  # rows that are looked at at once


def as_samples(
    vectors: HostArray | str | Path,
    *,
    source: HostArray | str | Path | None = None,
    evidence: HostArray | str | Path | None = None,
    moment: HostArray | None = None,
) -> Samples:
    """Take vectors that were collected elsewhere as samples. A host function.

    Each array may be the path of a .npy file, which is mapped into memory and not read.

    Args:
      vectors: (n, channels) numbers, at least one; another type than float32 is copied.
      source: (n, 3) int of image index, row and column of each vector, or (n,) of image index
        alone; None means that each is of an image of its own.
      evidence: (n, classes) class evidence of each; None means that there are no classes. Another
        type than float16 is copied, and what is beyond it is clipped.
      moment: (channels, channels) second moment of the layer, for whitening, of more vectors than
        these; None means that of these.

    Returns:
      Samples.

    Raises:
      ValueError: if an array has another shape or type, or holds numbers that are not finite.
      OSError: if a file cannot be read.

    Example:
      >>> samples = as_samples(np.ones((3, 2)), source=np.array([0, 0, 7]))
      >>> samples.source.tolist(), samples.evidence.shape
      ([[0, 0, 0], [0, 0, 0], [7, 0, 0]], (3, 0))
    """
    table = _numbers("vectors", vectors, np.float32)
    count, channels = table.shape
    if not count or not channels:
        raise ValueError(f"vectors: expected at least one, got {table.shape}")
    known = np.zeros((count, 0), np.float16)
    if evidence is not None:
        known = _numbers("evidence", evidence, np.float16)
        _check_count("evidence", known, count)
    if moment is None:
        moment = _second_moment(table)
    moment = np.asarray(moment, np.float32)
    if moment.shape != (channels, channels) or not np.isfinite(moment).all():
        raise ValueError(f"moment: expected finite ({channels}, {channels}), got {moment.shape}")
    return Samples(vectors=table, source=_source(source, count), evidence=known, moment=moment)


def _array(name: str, value: Any) -> HostArray:
    if isinstance(value, str | os.PathLike):
        return files.map_array(Path(value))
    array = np.asarray(value)
    if array.dtype.kind not in "fiu" and array.dtype != jnp.bfloat16:
        raise ValueError(f"{name}: expected numbers, got {array.dtype}")
    return array


def _numbers(name: str, value: Any, dtype: Any) -> HostArray:
    """Return a table of finite numbers of a type, looked at block by block."""
    array = _array(name, value)
    if array.ndim != 2:
        raise ValueError(f"{name}: expected a table (n, columns), got shape {array.shape}")
    limit = np.finfo(dtype).max
    copy = None if array.dtype == dtype else np.empty(array.shape, dtype)
    for number, block in enumerate(blocks(array, _BLOCK)):
        wide = np.asarray(block, np.float64)
        if not np.isfinite(wide).all():
            raise ValueError(f"{name}: some are not finite (NaN or infinity)")
        if copy is not None:
            copy[number * _BLOCK : number * _BLOCK + len(wide)] = np.clip(wide, -limit, limit)
    return array if copy is None else copy


def _source(source: Any, count: int) -> HostArray:
    """Return image index, row and column of each vector."""
    places = np.zeros((count, 3), np.int32)
    if source is None:
        places[:, 0] = np.arange(count)
        return places
    array = _array("source", source)
    _check_count("source", array, count)
    if array.dtype.kind not in "iu" or array.shape[1:] not in ((), (3,)):
        raise ValueError(
            f"source: expected ({count},) or ({count}, 3) whole numbers, got {array.dtype} "
            f"{array.shape}"
        )
    if array.min() < 0 or array.max() > np.iinfo(np.int32).max:
        raise ValueError(f"source: expected indices, got {array.min()} to {array.max()}")
    if array.ndim == 1:
        places[:, 0] = array
    else:
        places[:] = array
    return places


def _check_count(name: str, array: HostArray, count: int) -> None:
    if len(array) != count:
        raise ValueError(f"{name}: expected one row per vector, got {len(array)} for {count}")


def _second_moment(vectors: HostArray) -> HostArray:
    total = np.zeros((vectors.shape[1], vectors.shape[1]))
    for block in blocks(vectors, _BLOCK):
        total += np.asarray(second_moment(jnp.asarray(block)), np.float64) * len(block)
    return (total / len(vectors)).astype(np.float32)


def check_points(points: Any, count: int) -> HostArray:
    """Return points of one's own as a map holds them, or raise ValueError."""
    array = _numbers("points", points, np.float32)
    _check_count("points", array, count)
    if array.shape[1] != 2:
        raise ValueError(f"points: expected ({count}, 2), got {array.shape}")
    low, high = array.min(), array.max()
    if low < 0 or high > 1:
        raise ValueError(
            f"points: expected x and y from 0 to 1, got {checks.shown(float(low))} to "
            f"{checks.shown(float(high))}: scale them, with jatlas.arrange.to_unit_square say"
        )
    return array
