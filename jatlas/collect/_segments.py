"""Samples in segments of images: kept one by one, and joined without a second copy in memory."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from jatlas.records import Samples
from jatlas.storage import Arrays, CachedStage, Rows
from jatlas.types import HostArray

_NUMBER = re.compile(r"[0-9]{6,}")


class Collected(NamedTuple):
    """What was collected from a source.

    Attributes:
      samples: by layer; row i is the same place of the same image at each.
      images: number of images that were offered.
      skipped: (index, reason) of each image that could not be used.
      predicted: (images,) int32 class that the network takes each image for; -1 for those that
        could not be used, and without classes.
      labels: what each image shows as its source says, None for those of which it says nothing;
        None if it says nothing of any.
    """

    samples: dict[str, Samples]
    images: int
    skipped: list[tuple[int, str]]
    predicted: HostArray
    labels: tuple[str | None, ...] | None = None


class Segments:
    """The segments of a layer that are there, by number.

    They are in the folder of the layer's stage. Without one, each is added to the samples at once,
    as they come in order.
    """

    def __init__(self, stage: CachedStage) -> None:
        """Look which are there; other files are left alone."""
        self._stage = stage
        self._joined = None if stage.folder is not None else Joined(None)
        self.numbers = {int(name) for name in stage.held() if _NUMBER.fullmatch(name)}

    def add(self, number: int, arrays: Arrays) -> None:
        """Keep a segment."""
        if self._joined is None:
            self._stage.put(arrays, _piece(number))
        else:
            self._joined.add(arrays)
        self.numbers.add(number)

    def joined(self) -> Joined | None:
        """Return all segments as one; None if some turn out to be damaged, which are dropped."""
        if self._joined is not None:
            return self._joined
        joined, whole = Joined(self._stage.folder), True
        for number in sorted(self.numbers):
            arrays = self._stage.get(_piece(number))
            if arrays is None:
                self.numbers.discard(number)
                whole = False
            elif whole:
                joined.add(arrays)
        return joined if whole else None


def vectors_of(stage: CachedStage) -> HostArray:
    """Return the vectors of a layer, (n, channels) float32, from its samples or their segments.

    Raises:
      ValueError: if they are not there, or some are damaged.
    """
    samples = stage.get()
    if samples is not None:
        return samples["vectors"]
    segments = (stage.get(_piece(number)) for number in sorted(Segments(stage).numbers))
    parts = []
    for each in segments:
        if each is None:
            raise ValueError(f"{stage.folder}: some samples of {stage.name} are damaged")
        if "vectors" in each:
            parts.append(each["vectors"].reshape(-1, each["vectors"].shape[-1]))
    if not parts:
        raise ValueError(f"{stage.folder}: there are no samples of {stage.name}")
    return np.concatenate(parts)


class Joined:
    """Segments of a layer, one after another."""

    def __init__(self, folder: Path | None) -> None:
        """Begin with none; what grows with the images is kept in a folder, or in memory."""
        self._folder = folder
        self._rows: dict[str, Rows] = {}
        self._moment: HostArray = np.zeros(())
        self._used = 0
        self._predicted: list[tuple[HostArray, HostArray]] = []
        self._labels: dict[int, str] = {}
        self.images = 0
        self.skipped: list[tuple[int, str]] = []

    def add(self, segment: Arrays) -> None:
        """Add a segment."""
        self.images += int(segment["images"])
        for index, reason in zip(segment["skipped"], segment["reasons"], strict=True):
            self.skipped.append((int(index), str(reason)))
        if "index" not in segment:  # none of its images could be used
            return
        self._predicted.append((segment["index"], segment["predicted"]))
        for image, label in zip(segment["index"], segment.get("labels", ()), strict=False):
            if label:
                self._labels[int(image)] = sys.intern(str(label))
        images, per_image, channels = segment["vectors"].shape
        image = np.repeat(segment["index"], per_image)[:, None]
        positions = segment["positions"].reshape(-1, 2)
        arrays = {
            "vectors": segment["vectors"].reshape(-1, channels),
            "source": np.concatenate([image, positions], axis=1).astype(np.int32),
            "evidence": segment["evidence"].reshape(images * per_image, -1),
        }
        for name, array in arrays.items():
            if name not in self._rows:
                self._rows[name] = Rows(self._folder, array.shape[1:], array.dtype)
            self._rows[name].append(array)
        # In float64: in float32 the moments of a million images would lose digits.
        self._moment = self._moment + segment["moment"].astype(np.float64)
        self._used += images

    def samples(self) -> Samples:
        """Return the samples of all segments."""
        moment = _square(self._moment / self._used).astype(np.float32)
        return Samples(**{name: rows.array() for name, rows in self._rows.items()}, moment=moment)

    def predicted(self) -> HostArray:
        """Return the class that each image is taken for, -1 if it could not be used."""
        every = np.full(self.images, -1, np.int32)
        for index, predicted in self._predicted:
            every[index] = predicted
        return every

    def labels(self) -> tuple[str | None, ...] | None:
        """Return what each image shows, None where it is not known; None if it is of none."""
        if not self._labels:
            return None
        return tuple(self._labels.get(index) for index in range(self.images))

    def is_empty(self) -> bool:
        """Return whether no image could be used."""
        return not self._used


def triangle(moment: HostArray) -> HostArray:
    """Return the upper triangle of a symmetric matrix, float32: a quarter of it in float64.

    Of the results of a million images at nine layers, full matrices would be three quarters.

    Example:
      >>> triangle(np.array([[1.0, 2.0], [2.0, 3.0]])).tolist()
      [1.0, 2.0, 3.0]
    """
    return moment[np.triu_indices(len(moment))].astype(np.float32)


def _square(triangle: HostArray) -> HostArray:
    """Return the symmetric matrix of an upper triangle.

    Example:
      >>> _square(np.array([1.0, 2.0, 3.0])).tolist()
      [[1.0, 2.0], [2.0, 3.0]]
    """
    side = int((8 * len(triangle) + 1) ** 0.5) // 2
    full = np.empty((side, side), triangle.dtype)
    above = np.triu_indices(side)
    full[above] = triangle
    full.T[above] = triangle
    return full


def _piece(number: int) -> str:
    """Return the name of the piece that holds a segment."""
    return f"{number:06d}"


def join_layers(kept: Mapping[str, Segments]) -> Collected | None:
    """Return what all segments hold; None if some turn out to be damaged."""
    joined = {layer: segments.joined() for layer, segments in kept.items()}
    whole = {layer: each for layer, each in joined.items() if each is not None}
    if len(whole) < len(joined):
        return None
    # What is said of the images is the same at every layer.
    about = next(iter(whole.values()))
    if about.is_empty():
        first = "; ".join(f"image {index}: {reason}" for index, reason in about.skipped[:3])
        raise ValueError(f"no image could be used ({first or 'there are none'})")
    samples = {layer: each.samples() for layer, each in whole.items()}
    return Collected(samples, about.images, about.skipped, about.predicted(), about.labels())
