"""Maps of classes added to an atlas: what they hold, and that adding is whole or not at all."""

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from helpers import tiny_network, tiny_params
from test_pipeline import CONFIG, Killed, build, failing_at, make_images, tree

from jatlas.arrange import UMAP
from jatlas.build import DrawConfig, MapConfig, add_map, draw_cell, drawing_for, redraw, with_map
from jatlas.explain import ClassSelection, ComparisonSelection, select_samples
from jatlas.model import GOOGLENET_BVLC, abstract_params, inception_v1
from jatlas.show import export_folder
from jatlas.storage import _files as files
from jatlas.storage import load, save
from jatlas.visualize import RandomViews, RenderConfig

LAYOUT = UMAP(n_neighbors=8)
DRAWING = DrawConfig(render=CONFIG.render, exemplars=2)
ONE = MapConfig(
    classes=(1,),
    layer="conv2",
    choice=ClassSelection(size=3, min_count=2, max_samples=30, layout=LAYOUT),
    drawing=DRAWING,
)
TWO = MapConfig(
    classes=(1, 3),
    layer="conv2",
    choice=ComparisonSelection(size=3, min_count=2, max_samples=20, layout=LAYOUT),
    drawing=DRAWING,
)
KEY = jax.random.key(4)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An atlas of two layers; not to be changed."""
    place = tmp_path_factory.mktemp("maps")
    images = make_images(place / "images")
    build(images, place / "atlas", grids=(2,))
    return place / "atlas"


@pytest.fixture
def atlas(folder: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    (tmp_path / "made").mkdir()
    copy = save(load(folder), tmp_path / "made" / "atlas")
    export_folder(copy)
    return copy


def add(folder: Path, config: MapConfig = ONE, **changes: Any) -> Any:
    arguments: dict[str, Any] = {"key": KEY, "chunk": 2, "progress": False}
    return add_map(folder, tiny_network(), tiny_params(), config, **(arguments | changes))


@pytest.mark.parametrize("config", [ONE, TWO], ids=["class", "comparison"])
def test_a_map_holds_the_samples_that_matter_each_once(folder: Path, config: MapConfig) -> None:
    before = load(folder)
    after = with_map(tiny_network(), tiny_params(), before, config, key=KEY, progress=False)
    *others, made = after.maps
    assert [each.path for each in others] == ["conv1", "conv2"]
    layer = before.find("conv2")
    assert config.choice is not None
    wanted = [
        select_samples(layer.samples.evidence, index=i, config=config.choice)
        for i in config.classes
    ]
    np.testing.assert_array_equal(made.rows, np.unique(np.concatenate(wanted)))
    for name in ("vectors", "source", "evidence"):
        np.testing.assert_array_equal(getattr(made, name), getattr(layer, name)[made.rows])
    (grid,) = made.grids
    assert grid.count.sum() == len(made.rows) == len(made.points)
    np.testing.assert_array_equal(grid.cells, np.flatnonzero(grid.count.ravel() >= 2))
    total = (grid.mean * grid.count[..., None]).sum((0, 1))
    np.testing.assert_allclose(total / len(made.rows), made.samples.vectors.mean(0), rtol=1e-4)
    with pytest.raises(ValueError, match=f"has the map {made.path} already"):
        with_map(tiny_network(), tiny_params(), after, config, key=KEY, progress=False)


def test_from_left_to_right_the_second_class_counts_more(folder: Path) -> None:
    atlas = load(folder)
    made = with_map(tiny_network(), tiny_params(), atlas, TWO, key=KEY, progress=False).maps[-1]
    evidence = made.samples.evidence.astype(np.float32)
    x = made.points[np.argsort(evidence[:, 3] - evidence[:, 1]), 0]
    assert (np.diff(x) >= 0).all() and (x[0] == 0 or x[-1] == 1)
    assert made.axes == {"x": ["class 1", "class 3"]}
    assert (made.kind, made.path) == ("comparison", "conv2-compare-1-3")


def test_what_is_added_is_loaded_and_the_rest_is_as_it_was(atlas: Path) -> None:
    before = tree(atlas)
    made = add(atlas)
    assert os.listdir(atlas.parent) == ["atlas"]
    after = tree(atlas)
    new = {name for name in after if name not in before and not name.startswith("viewer/")}
    assert new == {
        f"conv2-class-1/{name}"
        for name in (
            "vectors.npy", "points.npy", "source.npy", "evidence.npy", "moment.npy", "rows.npy",
            "cells-3.npz", "icons-3.png", "overview-3.png", "exemplars-3.png",
        )
    }  # fmt: skip
    changed = {name for name, content in before.items() if after[name] != content}
    assert changed <= {"atlas.json", "index.html"} | {
        name for name in before if name.startswith("viewer/")
    }
    found = load(atlas).find("conv2-class-1")
    for field in dataclasses.fields(found):
        if field.name != "grids":
            np.testing.assert_array_equal(getattr(found, field.name), getattr(made, field.name))
    for field in dataclasses.fields(found.grids[0]):
        here, there = (getattr(each.grids[0], field.name) for each in (found, made))
        np.testing.assert_array_equal(here, there)
    entry = json.loads(after["atlas.json"])["maps"][-1]
    assert (entry["kind"], entry["classes"], entry["samples"]) == ("class", [1], len(made.points))
    assert entry["settings"]["most"] == 30
    assert "class 1 (conv2)" in (atlas / "viewer/data/atlas.js").read_text()


def test_an_interruption_leaves_the_atlas_and_is_gone_on_from(
    atlas: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Let each go keep one thing more: the layout, chunks of two icons, exemplars, the cells."""
    before = tree(atlas)
    whole = save(load(atlas), tmp_path / "whole")
    add(whole)
    writes = files.write_arrays
    for kept in range(1, 20):
        monkeypatch.setattr(files, "write_arrays", failing_at(2, Killed(), writes))
        try:
            add(atlas)
        except Killed:
            assert tree(atlas) == before
            assert len(list((atlas.parent / "atlas.conv2-class-1.partial").glob("*.npz"))) == kept
        else:
            break
    cells = len(load(atlas).find("conv2-class-1").grids[0].cells)
    assert kept == 1 + -(-cells // 2) + 1 + 1
    assert os.listdir(atlas.parent) == ["atlas"]
    for name, content in tree(whole).items():
        if name.startswith("conv2-class-1/"):
            assert tree(atlas)[name] == content, name


@pytest.mark.parametrize("call", ["files.write_array", "files.write_image", "maps.map_entry"])
def test_a_failure_on_the_way_leaves_the_atlas(
    atlas: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    before = tree(atlas)

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(f"jatlas.{call}", fail)
    with pytest.raises(OSError, match="No space left"):
        add(atlas)
    assert tree(atlas) == before


def test_a_map_that_is_there_is_replaced_only_on_demand(atlas: Path) -> None:
    add(atlas)
    before = tree(atlas)
    with pytest.raises(ValueError, match="has the map conv2-class-1 already"):
        add(atlas, key=jax.random.key(5))
    assert tree(atlas) == before
    add(atlas, key=jax.random.key(5), overwrite=True)
    after = tree(atlas)
    assert after["conv2-class-1/points.npy"] != before["conv2-class-1/points.npy"]
    paths = [entry["path"] for entry in json.loads(after["atlas.json"])["maps"]]
    assert paths == ["conv1", "conv2", "conv2-class-1"]


@pytest.mark.parametrize("renames", [0, 1, 2])
def test_killed_while_a_map_is_replaced_the_atlas_is_whole(
    atlas: Path, monkeypatch: pytest.MonkeyPatch, renames: int
) -> None:
    """Stop before the old folder is moved away, before the new one comes, and after that."""
    add(atlas)
    other = dataclasses.replace(ONE, choice=dataclasses.replace(ONE.choice, size=2))
    renamed, removed, done = Path.rename, files.shutil.rmtree, 0

    def rename(path: Path, target: Path) -> Path:
        nonlocal done
        if done == renames:
            raise Killed  # also for what would tidy up
        done += 1
        return renamed(path, target)

    def remove(path: Path, **rest: Any) -> None:
        if "-old-" in path.name:
            raise Killed
        removed(path, **rest)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", rename)
        patch.setattr(files.shutil, "rmtree", remove)
        with pytest.raises(Killed):
            add(atlas, other, overwrite=True)
    assert [each.path for each in load(atlas).maps] == ["conv1", "conv2"]
    monkeypatch.setattr("jatlas.build._cells.render_each", failing_at(1, Killed(), lambda *_: None))
    assert add(atlas, other, overwrite=True).grids[0].size == 2  # from what was kept
    assert load(atlas).find("conv2-class-1").grids[0].size == 2


def test_what_cannot_be_had_is_said_and_leaves_nothing(atlas: Path) -> None:
    before = tree(atlas.parent)
    for change, message in (
        ({"layer": "mixed4c"}, "layer: expected one of conv1, conv2, got mixed4c"),
        ({"layer": None}, "layer: expected one of conv1, conv2, got None"),
        ({"classes": (9,)}, "class: expected an index from 0 to 4, got 9"),
        (
            {"choice": ClassSelection(max_samples=3, rule="magnitude")},
            "at least 10 samples, 3 were selected",
        ),
        (
            {"choice": ClassSelection(size=2, min_count=99, layout=LAYOUT)},
            "min_count: no cell of 2",
        ),
    ):
        with pytest.raises(ValueError, match=message):
            add(atlas, dataclasses.replace(ONE, **change))
        assert tree(atlas.parent) == before
    other = tiny_params() | {"bias": tiny_params()["bias"] + 1}
    with pytest.raises(ValueError, match="weights_sha256: expected that of the atlas"):
        add_map(atlas, tiny_network(), other, ONE, key=KEY, progress=False)
    assert tree(atlas.parent) == before


def test_views_hold_three_cells_of_the_layer() -> None:
    network = inception_v1(GOOGLENET_BVLC)
    params = abstract_params(GOOGLENET_BVLC)
    for layer, size in (("mixed3a", 48), ("mixed4c", 48), ("mixed5b", 96)):
        views = drawing_for(network, params, layer=layer).render.views
        assert views == dataclasses.replace(RandomViews(), size=size)
    with pytest.raises(ValueError, match="no layer 'mixed9'"):
        drawing_for(network, params, layer="mixed9")


def test_without_a_drawing_it_is_that_of_the_layer(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jatlas.build._class_maps.drawing_for", lambda *_, layer: DRAWING)
    open_config = dataclasses.replace(ONE, drawing=None)
    atlas = load(folder)
    maps = [
        with_map(tiny_network(), tiny_params(), atlas, config, key=KEY, progress=False).maps[-1]
        for config in (ONE, open_config)
    ]
    assert maps[0].settings == maps[1].settings
    np.testing.assert_array_equal(maps[0].grids[0].icons.images, maps[1].grids[0].icons.images)


@pytest.mark.parametrize("classes", [(), (1, 2, 3)])
def test_a_map_is_of_one_class_or_two(classes: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="classes: expected one or two"):
        MapConfig(classes=classes)
    with pytest.raises(ValueError, match="choice: expected a ClassSelection for 1 classes"):
        MapConfig(classes=(1,), choice=ComparisonSelection())


def test_exemplars_are_the_nearest_places_of_as_many_images(folder: Path) -> None:
    """Against a plain loop: the angle between whitened vectors, one sample per image."""
    layer = load(folder).find("conv2")
    (grid,) = layer.grids
    moment = layer.samples.moment.astype(np.float64)
    ridge = CONFIG.ridge * np.trace(moment) / len(moment)
    root = np.linalg.cholesky(np.linalg.inv(moment + ridge * np.eye(len(moment))))

    def unit(x: np.ndarray) -> np.ndarray:
        white = x @ root
        return white / np.linalg.norm(white, axis=-1, keepdims=True)

    assert grid.exemplars is not None and grid.exemplars.shape[1] == CONFIG.exemplars
    for cell, rows in zip(grid.cells, grid.exemplars, strict=True):
        cosine = unit(layer.samples.vectors) @ unit(grid.mean.reshape(4, -1)[cell])
        best: dict[int, int] = {}
        for row in np.argsort(-cosine):
            best.setdefault(int(layer.samples.source[row, 0]), int(row))
        np.testing.assert_allclose(cosine[rows], cosine[list(best.values())[:4]], atol=1e-5)
        assert len(set(layer.samples.source[rows, 0])) == 4


def test_icons_are_drawn_anew_with_other_settings(atlas: Path) -> None:
    before = load(atlas).find("conv2").grids[0]
    drawing = DrawConfig(render=dataclasses.replace(CONFIG.render, icon_size=16, steps=2))

    def draw(config: DrawConfig, seed: int = 0) -> Any:
        redraw(
            atlas, tiny_network(), tiny_params(), path="conv2", size=2,
            key=jax.random.key(seed), drawing=config, progress=False,
        )  # fmt: skip
        assert os.listdir(atlas.parent) == ["atlas"]
        return load(atlas).find("conv2").grids[0]

    after = draw(drawing)
    assert after.icons.images.shape == (len(before.cells), 16, 16, 3)
    assert after.settings is not None and after.settings["render"]["steps"] == 2
    for name in ("mean", "count", "evidence", "cells", "exemplars", "crops"):
        np.testing.assert_array_equal(getattr(after, name), getattr(before, name))
    assert (draw(drawing, seed=1).icons != after.icons.images).any()
    # The seed and the settings of the build give back what it drew.
    back = draw(DrawConfig(render=CONFIG.render))
    np.testing.assert_array_equal(back.icons.images, before.icons.images)
    np.testing.assert_array_equal(back.icons.cosines, before.icons.cosines)


def test_an_interrupted_redraw_leaves_the_atlas(
    atlas: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = tree(atlas)
    monkeypatch.setattr(
        "jatlas.build._class_maps.write_map", failing_at(1, Killed(), lambda *_: None)
    )
    with pytest.raises(Killed):
        redraw(
            atlas, tiny_network(), tiny_params(), path="conv1", size=2, key=KEY,
            drawing=DrawConfig(render=RenderConfig(steps=1, views=CONFIG.render.views)),
            progress=False,
        )  # fmt: skip
    assert tree(atlas) == before


def test_a_cell_is_drawn_as_in_the_atlas(folder: Path) -> None:
    atlas = load(folder)
    grid = atlas.find("conv2").grids[0]
    row, column = divmod(int(grid.cells[-1]), 2)

    def draw(row: int, column: int) -> Any:
        return draw_cell(
            tiny_network(), tiny_params(), atlas, path="conv2", size=2, row=row, column=column,
            key=jax.random.key(0), drawing=DRAWING, progress=False,
        )  # fmt: skip

    pixels = np.round(draw(row, column).images[0] * 255)
    np.testing.assert_allclose(pixels, grid.icons.images[-1], atol=1)
    with pytest.raises(ValueError, match="cell: 0 2 of the 2 x 2 grid holds no samples"):
        draw(0, 2)
