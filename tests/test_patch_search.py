"""Patches read off an atlas."""

import dataclasses
import itertools
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from atlases import RUN, build, make_images
from helpers import CLASSES, tiny_network, tiny_params
from test_class_maps import TWO

from jatlas import collect
from jatlas.build import find_patches
from jatlas.explain import classify


@pytest.mark.slow
def test_crops_are_of_images_that_show_neither_class(tmp_path: Path) -> None:
    folder = make_images(tmp_path / "images")
    atlas = build(folder, None, layers=("conv2",), grids=(2,))
    read = find_patches(
        tiny_network(), tiny_params(), atlas, source=1, target=3, key=jax.random.key(1),
        selection=dataclasses.replace(TWO, min_count=1), run=RUN,
    )  # fmt: skip
    assert read.probabilities.shape == (26, CLASSES)
    assert not read.probabilities[5].any()  # it is damaged
    good = [item for item in collect.folder(folder, size=16).load() if item.image is not None]
    pixels = np.stack([item.image for item in good]).astype(np.float32) / 255
    table = np.asarray(classify(tiny_network(), tiny_params(), pixels))
    np.testing.assert_allclose(read.probabilities[[item.index for item in good]], table, rtol=1e-4)
    # Five classes: every image has both among its first five.
    assert read.patches == []
    (tmp_path / "images" / "00.png").unlink()
    with pytest.raises(ValueError, match="images: the atlas"):
        find_patches(
            tiny_network(), tiny_params(), atlas, source=1, target=3, key=jax.random.key(1),
            selection=TWO, run=RUN,
        )  # fmt: skip


@pytest.mark.slow
def test_more_images_than_the_atlas_has_are_refused_and_closed(images: Path) -> None:
    closed = []

    class Source(collect.Arrays):
        def load(self, start: int = 0, *, workers: int = 2) -> Any:
            try:
                yield from super().load(start, workers=workers)
            finally:
                closed.append(start)

    atlas = build(images, None, layers=("conv2",), grids=(2,))
    source = Source([np.zeros((50, 16, 16, 3), np.uint8)], count=None)
    with pytest.raises(ValueError, match="expected the atlas's own 26, got more") as error:
        find_patches(
            tiny_network(), tiny_params(), atlas, source=1, target=3, key=jax.random.key(1),
            selection=dataclasses.replace(TWO, min_count=1), images=source,
            run=dataclasses.replace(RUN, progress=True),
        )  # fmt: skip
    assert closed == [0] and error.traceback  # which keeps the frames alive


@pytest.mark.slow
def test_what_counts_but_is_something_else_is_cut_out(tmp_path: Path) -> None:
    folder = make_images(tmp_path / "images")
    atlas = build(folder, None, layers=("conv2",), grids=(2,))
    selection = dataclasses.replace(TWO, min_count=1)
    for source, target in itertools.permutations(range(CLASSES), 2):
        read = find_patches(
            tiny_network(), tiny_params(), atlas, source=source, target=target,
            key=jax.random.key(1), selection=selection, run=RUN, count=2, rank=1,
        )  # fmt: skip
        if read.patches:
            break
    assert 0 < len(read.patches) <= 2
    layer = atlas.find("conv2")
    evidence = layer.samples.evidence.astype(np.float32)
    margins = evidence[:, target] - evidence[:, source]
    for found in read.patches:
        assert found.shows == read.probabilities[found.image].argmax() not in (source, target)
        own = margins[layer.samples.source[:, 0] == found.image]
        assert found.margin > 0 and np.isclose(own, found.margin).any()
        (image,) = collect.folder(folder, size=16).reload([found.image])
        assert image.image is not None
        height, width, _ = found.pixels.shape
        windows = np.lib.stride_tricks.sliding_window_view(image.image, (height, width, 3))
        assert (windows == found.pixels).all((-3, -2, -1)).any()


@pytest.mark.slow
def test_images_of_another_atlas_are_refused(images: Path, tmp_path: Path) -> None:
    atlas = build(images, None, layers=("conv2",), grids=(2,))
    others = make_images(tmp_path / "others")
    (others / "00.png").write_bytes((others / "01.png").read_bytes())
    for given, message in (
        (collect.folder(others), "the atlas's own, in the same order and made squares as they"),
        (collect.folder(images, fit="squash"), "the atlas's own, in the same order and made"),
        (collect.folder(images, limit=9), "the atlas's own 26, got 9"),
    ):
        with pytest.raises(ValueError, match=f"^images: expected {message}"):
            find_patches(
                tiny_network(), tiny_params(), atlas, source=1, target=3, key=jax.random.key(1),
                selection=TWO, images=given, run=RUN,
            )  # fmt: skip
