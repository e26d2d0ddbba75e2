"""`build_from`: atlases of vectors that were collected elsewhere."""

import dataclasses
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from atlases import CONFIG, RUN, build, make_images, tree
from helpers import CLASSES, tiny_network, tiny_params

import jatlas
from jatlas import collect
from jatlas.show import export, has_page
from jatlas.storage import FOLDER, load

KEY = jax.random.key(0)
COUNT = 60
RNG = np.random.default_rng(0)
VECTORS = (RNG.random((COUNT, 12)) ** 2).astype(np.float32)
POINTS = RNG.random((COUNT, 2)).astype(np.float32)
WITH_NETWORK: dict[str, Any] = {
    "network": tiny_network(), "params": tiny_params(), "layer": "conv2",
}  # fmt: skip


def make(samples: Any = VECTORS, **changes: Any) -> jatlas.Atlas:
    arguments: dict[str, Any] = {"grids": (2, 3), "key": KEY, "config": CONFIG, "run": RUN}
    return jatlas.build_from(samples, **(arguments | {"points": POINTS} | changes))


def assert_equal(one: Any, other: Any) -> None:
    jax.tree.map(np.testing.assert_array_equal, one, other)


@pytest.mark.slow
def unnamed(layer: jatlas.Map) -> jatlas.Map:
    """Return a map without names: vectors alone do not say what their images show."""
    grids = (dataclasses.replace(x, names=None, evidence_names=None) for x in layer.grids)
    return dataclasses.replace(layer, grids=tuple(grids), regions=None)


@pytest.mark.slow
def test_samples_of_an_atlas_give_its_maps_again(tmp_path: Path) -> None:
    images = make_images(tmp_path / "images")
    whole = build(images, None)
    layer = whole.layer("conv2")
    again = make(layer.samples, points=None, images=images, classes=whole.classes, **WITH_NETWORK)
    assert_equal(unnamed(again.layer("conv2")), unnamed(layer))
    assert (again.images, again.classes) == (whole.images, whole.classes)
    given = make(layer.samples, points=layer.points, images=images, **WITH_NETWORK)
    assert_equal(unnamed(given.layer("conv2")), unnamed(layer))


def test_vectors_alone_become_a_map_of_colours(tmp_path: Path) -> None:
    atlas = make(out=tmp_path / "atlas")
    layer = atlas.layer()
    assert layer.path == "vectors" and atlas.images == tuple(f"image {i}" for i in range(COUNT))
    np.testing.assert_array_equal(layer.points, POINTS)
    for grid in layer.grids:
        assert grid.count.sum() == COUNT and grid.evidence.shape[2] == 0
        assert (grid.icons.images == grid.icons.images[:, :1, :1]).all()
        assert len(np.unique(grid.icons.images[:, 0, 0], axis=0)) == len(grid.cells)
        assert np.isnan(grid.icons.cosines).all()
        assert grid.exemplars is not None and grid.crops is None
    assert_equal(load(tmp_path / "atlas").maps, atlas.maps)
    assert has_page(tmp_path / "atlas")
    assert export(atlas, html=tmp_path / "page.html").stat().st_size > 10_000


def test_like_cells_get_like_colours() -> None:
    line = np.linspace(0, 1, COUNT, dtype=np.float32)
    vectors = np.stack([line, 0 * line + 1], axis=1)
    points = np.stack([line, 0 * line + 0.5], axis=1)
    colours = make(vectors, points=points, grids=(6,)).layer().grid(6).icons.images[:, 0, 0, 0]
    assert (np.diff(colours.astype(int)) > 0).all()


def test_without_a_network_a_cell_shows_its_nearest_image(tmp_path: Path) -> None:
    pictures = RNG.integers(0, 256, (COUNT, 1, 1, 3), np.uint8).repeat(16, 1).repeat(16, 2)
    atlas = make(images=pictures, grids=(3,))
    grid = atlas.layer().grid(3)
    assert grid.exemplars is not None and grid.crops is not None
    px = CONFIG.icons.icon_size
    np.testing.assert_array_equal(
        grid.icons.images, pictures[grid.exemplars[:, 0], :1, :1].repeat(px, 1).repeat(px, 2)
    )
    np.testing.assert_array_equal(grid.crops[:, 0, :1, :1], pictures[grid.exemplars[:, 0], :1, :1])


def test_files_are_mapped_and_give_what_arrays_give(tmp_path: Path) -> None:
    evidence = RNG.normal(size=(COUNT, CLASSES)).astype(np.float32)
    arrays = {"vectors": VECTORS, "evidence": evidence, "source": np.arange(COUNT) // 3}
    for name, array in arrays.items():
        np.save(tmp_path / f"{name}.npy", array)
    np.save(tmp_path / "points.npy", POINTS)
    names = tuple(f"{i}.jpg" for i in range(COUNT // 3))
    classes = tuple("abcde")
    one = make(jatlas.as_samples(**arrays), images=names, classes=classes)
    from_files = jatlas.as_samples(**{x: str(tmp_path / f"{x}.npy") for x in arrays})
    assert not from_files.vectors.flags.writeable
    other = make(from_files, images=names, classes=classes, points=tmp_path / "points.npy")
    assert_equal(one.maps, other.maps)
    assert one.images == names and one.classes == classes
    assert one.layer().samples.evidence.dtype == np.float16
    assert_equal(make(tmp_path / "vectors.npy").maps, make(VECTORS).maps)


def test_moments_are_those_of_the_vectors() -> None:
    samples = jatlas.as_samples(VECTORS)
    wanted = VECTORS.T.astype(np.float64) @ VECTORS / COUNT
    np.testing.assert_allclose(samples.moment, wanted, rtol=1e-5)
    given = jatlas.as_samples(VECTORS, moment=np.eye(12))
    np.testing.assert_array_equal(given.moment, np.eye(12))


def test_what_is_there_is_reused_and_other_vectors_are_refused(tmp_path: Path) -> None:
    out = tmp_path / "atlas"
    make(out=out)
    before = tree(out)
    make(out=out)
    assert tree(out) == before and not (out / FOLDER).exists()
    for changes in ({"samples": VECTORS[::-1]}, {"points": POINTS[::-1]}):
        with pytest.raises(ValueError, match="holds an atlas with other settings"):
            make(out=out, **changes)
    assert tree(out) == before
    extended = make(out=out, grids=(2, 3, 4))
    assert [grid.size for grid in extended.layer().grids] == [2, 3, 4]
    make(VECTORS[::-1], out=out, overwrite=True)
    np.testing.assert_array_equal(load(out).layer().samples.vectors, VECTORS[::-1])


class Unknown:
    """Images that cannot be told from others."""

    def __init__(self, pictures: np.ndarray) -> None:
        self._source = collect.arrays(pictures)
        self.count, self.name = self._source.count, self._source.name
        self.load, self.reload = self._source.load, self._source.reload

    def fingerprint(self) -> None:
        return None


def test_images_that_cannot_be_told_from_others_are_never_reused(tmp_path: Path) -> None:
    black, white = (np.full((COUNT, 16, 16, 3), value, np.uint8) for value in (0, 255))
    make(images=Unknown(black), out=tmp_path)
    with pytest.raises(ValueError, match="cannot be told from others"):
        make(images=Unknown(white), out=tmp_path)
    atlas = make(images=Unknown(white), out=tmp_path, overwrite=True)
    assert (atlas.layer().grid(3).icons.images == 255).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"samples": VECTORS[0]}, r"vectors: expected a table \(n, columns\), got shape \(12,\)"),
        ({"samples": VECTORS[:0]}, r"vectors: expected at least one, got \(0, 12\)"),
        ({"samples": np.array([["a"]])}, "vectors: expected numbers, got <U1"),
        ({"samples": np.where(VECTORS > 0.9, np.nan, VECTORS)}, "vectors: some are not finite"),
        ({"points": POINTS[:-1]}, "points: expected one row per vector, got 59 for 60"),
        ({"points": POINTS[:, :1]}, r"points: expected \(60, 2\), got \(60, 1\)"),
        ({"points": 10 * POINTS}, "points: expected x and y from 0 to 1, .*to_unit_square"),
        ({"points": POINTS * np.nan}, "points: some are not finite"),
        ({"images": ["a.jpg"]}, "images: expected at least the 60 of the samples, got 1"),
        ({"images": ["a\nb"] * COUNT}, "images"),
        ({"classes": ["cat"]}, "classes: expected 0, as there is evidence for, got 1"),
        ({"grids": ()}, "grids: expected at least one"),
        ({"grids": (2, 2)}, "grids: expected each once"),
        ({"grids": (9,)}, "60 samples cannot fill 9 x 9 cells .* at most 7, more vectors"),
        ({"samples": VECTORS[:9], "points": None}, "a layout needs at least 10 samples"),
        ({"layer": ""}, "layer"),
        (WITH_NETWORK | {"samples": VECTORS[:, :5]}, "vectors: expected 12 channels as conv2 has"),
        (WITH_NETWORK | {"layer": "conv9"}, "has no layer 'conv9'"),
    ],
)
def test_what_does_not_belong_together_is_refused(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        make(out=tmp_path / "atlas", **changes)
    assert not (tmp_path / "atlas").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"source": np.zeros(3, int)}, "source: expected one row per vector, got 3 for 60"),
        ({"source": np.zeros((COUNT, 2), int)}, r"source: expected \(60,\) or \(60, 3\) whole"),
        ({"source": np.zeros(COUNT)}, "whole numbers, got float64"),
        ({"source": np.full(COUNT, -1)}, "source: expected indices, got -1 to -1"),
        ({"evidence": np.zeros((3, 2))}, "evidence: expected one row per vector, got 3 for 60"),
        ({"evidence": np.full((COUNT, 1), np.inf)}, "evidence: some are not finite"),
        ({"moment": np.eye(3)}, r"moment: expected finite \(12, 12\), got \(3, 3\)"),
    ],
)
def test_samples_are_checked(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        jatlas.as_samples(VECTORS, **changes)


def test_records_with_bad_arrays_are_refused() -> None:
    samples = jatlas.as_samples(VECTORS)
    with pytest.raises(ValueError, match="source: expected one row per vector"):
        make(dataclasses.replace(samples, source=samples.source[:3]))
