"""The images of an atlas read again, and receptive fields cut out of them."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from atlases import CONFIG, build, build_arrays, make_images
from helpers import tiny_network, tiny_params

import jatlas
from jatlas import collect
from jatlas.build._crops import crops, own_images, reread, thumbnails
from jatlas.collect import _datasets
from jatlas.records import Info
from jatlas.storage import load, save
from jatlas.synthetic import Synthetic


def test_the_folder_of_an_atlas_is_found_if_it_is_as_it_was(tmp_path: Path) -> None:
    folder = make_images(tmp_path / "images")
    atlas = build(folder, None, layers=("conv1",), grids=(2,))
    assert collect.images_of(atlas.info, atlas.images) == collect.folder(folder, size=16)
    (folder / "03.png").write_bytes(b"another")
    assert collect.images_of(atlas.info, atlas.images) is None
    (folder / "03.png").unlink()
    assert collect.images_of(atlas.info, atlas.images) is None
    assert collect.images_of({"source": {"root": None}}, ()) is None


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["folder", "arrays", "synthetic"])
def test_images_are_the_same_reread(tmp_path: Path, kind: str) -> None:
    batches = np.random.default_rng(1).random((2, 60, 8, 8, 3), np.float32)
    if kind == "folder":
        source: Any = collect.folder(make_images(tmp_path / "images"), size=16)
    elif kind == "arrays":
        source = collect.arrays(list(batches))
    else:
        source = Synthetic(130, key=jax.random.key(2), size=16, classes=(0, 1))
    first = list(source.load())
    wanted = [0, 5, 6, len(first) - 1]
    found = reread(source, wanted)
    assert found is not None
    for item, index in zip(found, wanted, strict=True):
        assert (item.index, item.error) == (index, first[index].error)
        np.testing.assert_array_equal(item.image, first[index].image)


@pytest.mark.slow
def test_images_that_may_not_come_again_have_no_crops(tmp_path: Path) -> None:
    class Shuffled:
        def __iter__(self) -> Iterator[np.ndarray]:
            return iter(np.random.default_rng().random((2, 20, 16, 16, 3), np.float32))

    for content in (Shuffled(), iter(Shuffled())):
        assert reread(collect.arrays(content), [0]) is None
        (grid,) = build_arrays(content).maps[0].grids
        assert grid.crops is None and grid.exemplars is not None
    saved = save(build_arrays(Shuffled()), tmp_path / "atlas")
    assert not (saved / "conv1/exemplars-2.png").exists()
    assert load(saved).maps[0].grids[0].crops is None


def test_a_crop_is_the_square_around_its_place() -> None:
    pictures = np.random.default_rng(2).integers(0, 255, (3, 16, 16, 3), np.uint8)
    source = np.array([[2, 0, 0], [0, 4, 4], [2, 7, 3]])  # conv1 is 8 x 8
    found = dict(
        crops(
            tiny_network(), tiny_params(), collect.arrays(pictures), source, layer="conv1",
            share=0.25,
        )
    )  # fmt: skip
    assert sorted(found) == [0, 1, 2]
    np.testing.assert_array_equal(found[0], pictures[2, :4, :4])
    np.testing.assert_array_equal(found[1], pictures[0, 7:11, 7:11])
    np.testing.assert_array_equal(found[2], pictures[2, 12:, 5:9])


def test_damaged_images_and_missing_rows_stay_white(tmp_path: Path) -> None:
    images = collect.folder(make_images(tmp_path / "images"), size=16)
    source = np.array([[5, 3, 3], [6, 3, 3]])  # 5 is damaged
    rows = np.array([[0, 1], [1, -1]])
    made = thumbnails(tiny_network(), tiny_params(), images, source, rows, layer="conv1", px=6)
    assert made is not None and made.crops.shape == (2, 2, 6, 6, 3)
    drawn, boxes = made
    assert (drawn[0, 0] == 255).all() and (drawn[1, 1] == 255).all()
    assert (drawn[0, 1] != 255).any()
    np.testing.assert_array_equal(drawn[0, 1], drawn[1, 0])
    assert not boxes[0, 0].any() and not boxes[1, 1].any()
    np.testing.assert_array_equal(boxes[0, 1], boxes[1, 0])
    assert (boxes[0, 1, :2] <= 3.5 / 8).all() and (boxes[0, 1, 2:] >= 3.5 / 8).all()


def test_no_exemplars_are_looked_for_if_none_are_wanted(tmp_path: Path) -> None:
    config = dataclasses.replace(CONFIG, exemplars=0)
    folder = make_images(tmp_path / "images")
    (grid,) = build(folder, None, layers=("conv1",), grids=(2,), config=config).maps[0].grids
    assert grid.exemplars is None and grid.crops is None
    with pytest.raises(ValueError, match="exemplars: expected at least 0"):
        jatlas.BuildConfig(exemplars=-1)


def test_given_images_have_to_be_those_of_the_atlas(monkeypatch: pytest.MonkeyPatch) -> None:
    """A newer decoder reads the same images, another version of a data set holds others."""
    pixels = np.random.default_rng(0).integers(0, 256, (26, 20, 20, 3), np.uint8)
    records = [{"image": image} for image in pixels]
    own = collect.dataset(records, size=16, version="1")
    info = Info(source={"root": None, "images": 26} | (own.fingerprint() or {}))
    atlas = jatlas.Atlas(maps=(), images=("a",) * 26, classes=(), info=info)
    monkeypatch.setattr(_datasets, "decoder", lambda: {"pillow": "99"})
    for given in (own, collect.dataset(records, version="1"), collect.arrays(pixels)):
        assert own_images(atlas, given, size=16) is not None
    for given in (
        collect.dataset(records, size=16, version="2"),
        collect.dataset(records, size=16, version="1", fit="squash"),
        collect.dataset(records[:9], size=16, version="1"),
    ):
        with pytest.raises(ValueError, match=r"^images: expected the atlas's own"):
            own_images(atlas, given, size=16)
