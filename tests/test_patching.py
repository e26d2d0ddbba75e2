"""Patches read off an atlas."""

import dataclasses
import functools
import itertools
from pathlib import Path

import jax
import numpy as np
import pytest
from helpers import CLASSES, tiny_network, tiny_params
from test_maps import TWO
from test_pipeline import build, make_images

from jatlas import collect
from jatlas.build import _patch_search as patching
from jatlas.build import read_off
from jatlas.explain import classify, patch_candidates


def test_crops_are_of_images_that_show_neither_class(tmp_path: Path) -> None:
    folder = make_images(tmp_path / "images")
    atlas = build(folder, None, layers=("conv2",), grids=(2,))
    config = TWO.choice
    assert config is not None
    read = read_off(
        tiny_network(), tiny_params(), atlas, source=1, target=3, key=jax.random.key(1),
        config=dataclasses.replace(config, min_count=1), progress=False,
    )  # fmt: skip
    assert read.probabilities.shape == (26, CLASSES)
    assert not read.probabilities[5].any()  # it is damaged
    good = [item for item in collect.folder(folder, size=16).load() if item.image is not None]
    pixels = np.stack([item.image for item in good]).astype(np.float32) / 255
    table = np.asarray(classify(tiny_network(), tiny_params(), pixels))
    np.testing.assert_allclose(read.probabilities[[item.index for item in good]], table, rtol=1e-4)
    # Five classes: every image has both among its first five.
    assert read.findings == []
    (tmp_path / "images" / "00.png").unlink()
    with pytest.raises(ValueError, match="images: expected those that the atlas was built of"):
        read_off(
            tiny_network(), tiny_params(), atlas, source=1, target=3, key=jax.random.key(1),
            config=config, progress=False,
        )  # fmt: skip


def test_what_counts_but_is_something_else_is_cut_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_images(tmp_path / "images")
    atlas = build(folder, None, layers=("conv2",), grids=(2,))
    # Of five classes, an image is taken for neither if neither comes first.
    monkeypatch.setattr(patching, "patch_candidates", functools.partial(patch_candidates, rank=1))
    assert TWO.choice is not None
    config = dataclasses.replace(TWO.choice, min_count=1)
    for source, target in itertools.permutations(range(CLASSES), 2):
        read = read_off(
            tiny_network(), tiny_params(), atlas, source=source, target=target,
            key=jax.random.key(1), config=config, progress=False, count=2,
        )  # fmt: skip
        if read.findings:
            break
    assert 0 < len(read.findings) <= 2
    layer = atlas.find("conv2")
    evidence = layer.samples.evidence.astype(np.float32)
    margins = evidence[:, target] - evidence[:, source]
    for found in read.findings:
        assert found.shows == read.probabilities[found.image].argmax() not in (source, target)
        own = margins[layer.samples.source[:, 0] == found.image]
        assert found.margin > 0 and np.isclose(own, found.margin).any()
        (image,) = collect.folder(folder, size=16).reload([found.image])
        assert image.image is not None
        height, width, _ = found.pixels.shape
        windows = np.lib.stride_tricks.sliding_window_view(image.image, (height, width, 3))
        assert (windows == found.pixels).all((-3, -2, -1)).any()
