"""Labels of images: read, given to an atlas, and what cells are named by them."""

import dataclasses
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from atlases import CONFIG, DAMAGED, IMAGES, RUN, build, make_images
from helpers import tiny_network, tiny_params

import jatlas
from jatlas import collect
from jatlas.build._labels import given_labels
from jatlas.collect import folder_labels, read_labels, record_labels
from jatlas.explain import classify
from jatlas.model import class_hierarchy
from jatlas.storage import load, save


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_images(tmp_path_factory.mktemp("labelled") / "images")


def test_folders_are_labels() -> None:
    assert folder_labels(["a/cat/1.jpg", "a/cat/2.jpg", "b/dog/1.jpg"]) == ("cat", "cat", "dog")
    with pytest.raises(ValueError, match=r"'1\.jpg' is in none"):
        folder_labels(["cat/2.jpg", "1.jpg"])
    with pytest.raises(ValueError, match="all images are in 'cat'"):
        folder_labels(["cat/1.jpg", "cat/2.jpg"])
    with pytest.raises(ValueError, match="there are no images"):
        folder_labels([])


def test_labels_are_read_from_a_table(tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    file.write_text('image,label,by\nb.jpg,"dog, wild",me\nx.jpg,cat,me\n', encoding="utf-8-sig")
    assert read_labels(file, ["a.jpg", "b.jpg"]) == (None, "dog, wild")
    for text, match in (
        ("file,label\na,b\n", "expected the columns image,label, got"),
        ("image,label\na.jpg\n", "expected an image and its label"),
        ("image,label\na.jpg,x\na.jpg,y\n", "names 'a.jpg' twice"),
        ("image,label\nz.jpg,x\n", "names none of the 2 images, such as 'a.jpg'"),
    ):
        file.write_text(text, encoding="utf-8")
        with pytest.raises(ValueError, match=match):
            read_labels(file, ["a.jpg", "b.jpg"])


def test_labels_of_records() -> None:
    records: list[Any] = [{"label": np.int64(1)}, None, {"label": "owl"}, {"label": b"emu"}]
    assert record_labels(records) == ("class 1", None, "owl", "emu")
    assert record_labels(records[:1], names=("cat", "dog")) == ("dog",)
    with pytest.raises(ValueError, match="expected a label below 1, got 1"):
        record_labels(records[:1], names=("cat",))
    with pytest.raises(ValueError, match="label: expected one of \\['label'\\], got 'class'"):
        record_labels(records, label="class")


def test_labels_that_are_known_have_a_hierarchy() -> None:
    known = class_hierarchy(("cat", "dog", "cow"), count=3)
    labels = given_labels(("dog", None, "cow"), images=3, classes=known, parents=None)
    assert labels.index.tolist() == [1, -1, 2] and labels.hierarchy == known and labels.given
    wordnet = given_labels(("n02119789", "n02119022"), images=2, classes=known, parents=None)
    assert "fox" in wordnet.hierarchy.names and wordnet.index.tolist() == [1, 0]
    own = given_labels(("x", "y"), images=2, classes=known, parents={"x": ["letter"]})
    assert own.hierarchy.names == ("x", "y", "letter")
    flat = given_labels(("x", "dog"), images=2, classes=known, parents=None)
    assert flat.hierarchy.names == ("dog", "x")


@pytest.mark.parametrize(
    ("labels", "match"),
    [
        (("cat",), "labels: expected 26, one for each image, got 1"),
        ((None,) * 26, "labels: expected some that are known"),
        ((3,) * 26, "labels: expected a text, or None, for each image"),
        ("cat", "labels: expected a text"),
    ],
)
def test_wrong_labels_are_refused(
    images: Path, labels: Any, match: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before any image is read."""
    monkeypatch.setattr(collect.Folder, "load", lambda *_, **__: pytest.fail("an image is read"))
    with pytest.raises(ValueError, match=match):
        build(images, None, labels=labels)


@pytest.mark.slow
def test_what_the_network_takes_images_for_is_kept(images: Path, tmp_path: Path) -> None:
    atlas = build(images, tmp_path / "atlas")
    assert atlas.predictions is not None and atlas.predictions[DAMAGED] == -1
    network, params = tiny_network(), tiny_params()
    source = jatlas.folder(images, size=network.input_size)
    loaded = [item for item in source.load() if item.image is not None]
    pictures = np.stack([item.image for item in loaded]) / np.float32(255)
    expected = np.asarray(classify(network, params, pictures)).argmax(1)
    np.testing.assert_array_equal(atlas.predictions[[x.index for x in loaded]], expected)
    labels = atlas.labels
    assert labels is not None and not labels.given
    np.testing.assert_array_equal(labels.index, atlas.predictions)


@pytest.mark.slow
def test_given_labels_name_cells_and_others_name_them_anew(images: Path, tmp_path: Path) -> None:
    """An atlas is what the last labels make of it, and its samples stay."""
    out = tmp_path / "atlas"
    whole = build(images, out)
    labels = ["even" if number % 2 else "odd" for number in range(IMAGES)]
    with pytest.raises(ValueError, match="labels differ"):
        build(images, out, labels=labels)
    named = build(images, out, labels=labels, overwrite=True)
    assert named.labels is not None and named.labels.given
    assert named.labels.hierarchy.names == ("even", "odd")
    again = build(images, None, labels=labels)
    jax.tree.map(np.testing.assert_array_equal, named.maps, again.maps)
    jax.tree.map(np.testing.assert_array_equal, load(out).labels, again.labels)
    for one, other in zip(named.maps, whole.maps, strict=True):
        np.testing.assert_array_equal(one.samples.vectors, other.samples.vectors)
        for grid in one.grids:
            assert grid.names is not None and len(grid.names) == len(grid.cells)
            assert set(grid.names.vocabulary) <= {"even", "odd"}
            # Each image is in a cell once.
            assert (grid.names.images <= grid.count.ravel()[grid.cells]).all()
    assert build(images, out, labels=labels).maps[0].path == "conv1"  # nothing to do


def test_names_by_evidence(images: Path) -> None:
    config = dataclasses.replace(CONFIG, names="evidence")
    atlas = build(images, None, config=config, layers=("conv2",), grids=(2,))
    (grid,) = atlas.maps[0].grids
    other = build(images, None, layers=("conv2",), grids=(2,)).maps[0].grids[0]
    assert grid.names is not None and grid.evidence_names is None
    assert other.evidence_names is not None  # fewer: where most samples agree
    assert (grid.names.name >= 0).sum() >= (other.evidence_names.name >= 0).sum()
    np.testing.assert_array_equal(grid.names.images, other.evidence_names.images)


@pytest.mark.slow
def test_class_maps_are_named_as_the_atlas_is(images: Path) -> None:
    labels = ["even" if number % 2 else "odd" for number in range(IMAGES)]
    atlas = build(images, None, layers=("conv2",), grids=(2,), labels=labels)
    selection = jatlas.ClassSelection(
        size=2, min_count=1, max_samples=30, layout=jatlas.TSNE(perplexity=5)
    )
    made = jatlas.class_map(
        tiny_network(), tiny_params(), atlas, 1,
        key=jax.random.key(2), selection=selection, run=RUN,
    )  # fmt: skip
    (grid,) = made.maps[-1].grids
    assert grid.names is not None and set(grid.names.vocabulary) <= {"even", "odd"}


def test_vectors_of_ones_own_are_named_by_labels(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    points = rng.random((400, 2)).astype(np.float32)
    labels = np.where(points[:, 0] > 0.5, "right", "left").tolist()
    atlas = jatlas.build_from(
        rng.random((400, 8)), points=points, grids=(4,), key=jax.random.key(0), labels=labels,
        parents={"left": ["side"], "right": ["side"]}, run=RUN,
    )  # fmt: skip
    grid = atlas.layer().grid(4)
    assert grid.names is not None
    found = {(int(i) % 4 > 1, grid.names[n]) for n, i in enumerate(grid.cells)}
    assert found - {(False, None), (True, None)} == {(False, "left"), (True, "right")}
    regions = atlas.layer().regions
    assert regions is not None
    assert {regions.names[i] for i in range(len(regions))} == {"left", "right"}
    stored = load(save(atlas, tmp_path / "atlas"))
    assert jax.tree.structure(stored) == jax.tree.structure(atlas)
    jax.tree.map(np.testing.assert_array_equal, stored, atlas)
