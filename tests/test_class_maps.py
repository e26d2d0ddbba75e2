"""Maps of classes added to an atlas, and icons rendered again."""

import dataclasses
import errno
import json
import shutil
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from atlases import CONFIG, RUN, build, make_images, tree
from faults import Killed, failing
from helpers import tiny_network, tiny_params

import jatlas
from jatlas import TSNE, Atlas, RandomViews, collect
from jatlas.arrange import cell_index
from jatlas.build import CellConfig, cells_like, class_map, comparison_map, render_cell, rerender
from jatlas.build import _identity as identity
from jatlas.explain import ClassSelection, ComparisonSelection, select_samples
from jatlas.model import GOOGLENET_BVLC, abstract_params, inception_v1
from jatlas.records import Info
from jatlas.storage import add_map, files, load, save

LAYOUT = TSNE(perplexity=8)
CELLS = CellConfig(icons=CONFIG.icons, exemplars=2)
ONE = ClassSelection(size=3, min_count=2, max_samples=30, layout=LAYOUT)
TWO = ComparisonSelection(size=3, min_count=2, max_samples=20, layout=LAYOUT)
KEY = jax.random.key(4)


def one(atlas: Atlas, **changes: Any) -> Atlas:
    """Add a map of class 1."""
    arguments = {"key": KEY, "layer": "conv2", "selection": ONE, "cells": CELLS, "run": RUN}
    name = changes.pop("name", 1)
    return class_map(tiny_network(), tiny_params(), atlas, name, **(arguments | changes))


def two(atlas: Atlas, **changes: Any) -> Atlas:
    """Add a map of classes 1 and 3."""
    arguments = {"key": KEY, "layer": "conv2", "selection": TWO, "cells": CELLS, "run": RUN}
    return comparison_map(tiny_network(), tiny_params(), atlas, 1, 3, **(arguments | changes))


@pytest.fixture(scope="module")
def atlas(whole: Path) -> Atlas:
    """An atlas of two layers."""
    return load(whole)


@pytest.fixture(scope="module")
def with_one(atlas: Atlas) -> Atlas:
    return one(atlas)


@pytest.fixture
def folder(atlas: Atlas, tmp_path: Path) -> Path:
    """The atlas in a folder of its own."""
    return save(atlas, tmp_path / "made" / "atlas")


@pytest.mark.slow
@pytest.mark.parametrize("add", [one, two])
def test_a_map_holds_the_samples_that_matter_each_once(atlas: Atlas, add: Any) -> None:
    after = add(atlas)
    *others, new = after.maps
    assert [each.path for each in others] == ["conv1", "conv2"]
    layer = atlas.find("conv2")
    selection = ONE if add is one else TWO
    wanted = [
        select_samples(layer.samples.evidence, index=i, config=selection) for i in new.classes
    ]
    np.testing.assert_array_equal(new.rows, np.unique(np.concatenate(wanted)))
    assert new.rows is not None
    jax.tree.map(np.testing.assert_array_equal, new.samples, layer.samples.take(new.rows))
    (grid,) = new.grids
    assert grid.count.sum() == len(new.rows) == len(new.points)
    np.testing.assert_array_equal(grid.cells, np.flatnonzero(grid.count.ravel() >= 2))
    total = (grid.mean * grid.count[..., None]).sum((0, 1))
    np.testing.assert_allclose(total / len(new.rows), new.samples.vectors.mean(0), rtol=1e-4)
    assert add(after) is after


@pytest.mark.slow
def test_from_left_to_right_the_second_class_counts_more(atlas: Atlas) -> None:
    new = two(atlas).maps[-1]
    evidence = new.samples.evidence.astype(np.float32)
    x = new.points[np.argsort(evidence[:, 3] - evidence[:, 1]), 0]
    assert (np.diff(x) >= 0).all() and (x[0] == 0 or x[-1] == 1)
    assert new.axes == {"x": ["class 1", "class 3"]}
    assert (new.kind, new.path) == ("comparison", "conv2-compare-1-3")


@pytest.mark.slow
def test_a_class_goes_by_its_name(atlas: Atlas, with_one: Atlas) -> None:
    names = ("ant", "bee", "cat", "dog", "eel")
    named = one(dataclasses.replace(atlas, classes=names), name="Bee").maps[-1]
    np.testing.assert_array_equal(named.points, with_one.maps[-1].points)
    with pytest.raises(ValueError, match="fox"):
        one(dataclasses.replace(atlas, classes=names), name="fox")


def test_what_is_added_is_loaded_and_the_rest_is_as_it_was(folder: Path, with_one: Atlas) -> None:
    before = tree(folder)
    add_map(folder, with_one, with_one.maps[-1])
    after = tree(folder)
    assert {name for name in after if name not in before} == {
        f"conv2-class-1/{name}"
        for name in (
            "vectors.npy", "points.npy", "source.npy", "evidence.npy", "moment.npy", "rows.npy",
            "cells-3.npz", "icons-3.npy", "overview-3.png", "exemplars-3.npy",
        )
    }  # fmt: skip
    assert {name for name, content in before.items() if after[name] != content} == {"atlas.json"}
    loaded = load(folder).maps[-1]
    assert jax.tree.structure(loaded) == jax.tree.structure(with_one.maps[-1])
    jax.tree.map(np.testing.assert_array_equal, loaded, with_one.maps[-1])
    entry = json.loads(after["atlas.json"])["maps"][-1]
    assert (entry["kind"], entry["classes"]) == ("class", [1])
    assert (entry["name"], entry["title"]) == ("conv2-class-1", "class 1 (conv2)")
    assert entry["settings"]["max_samples"] == 30


@pytest.mark.slow
def test_an_interrupted_map_resumes_from_its_cache(
    atlas: Atlas, with_one: Atlas, tmp_path: Path
) -> None:
    """Let each call keep one result more: the layout, chunks of icons, exemplars."""
    run = dataclasses.replace(RUN, cache=tmp_path, chunk=2)
    for kept in range(1, 20):
        try:
            with failing(files, "write_arrays", Killed(), call=2):
                resumed = one(atlas, run=run)
        except Killed:
            assert len(list(tmp_path.glob("*.npz"))) == kept
        else:
            break
    assert kept == 1 + -(-len(resumed.maps[-1].grids[0].cells) // 2) + 1
    new, expected = resumed.maps[-1], with_one.maps[-1]
    np.testing.assert_array_equal(new.points, expected.points)
    got, right = (x.grids[0].icons.images.astype(int) for x in (new, expected))
    assert np.abs(got - right).max() <= 1


@pytest.mark.parametrize("call", ["write_array", "write_image", "json_bytes"])
def test_a_failure_on_the_way_leaves_the_atlas(folder: Path, with_one: Atlas, call: str) -> None:
    before = tree(folder)
    full = OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(OSError, match="No space left"), failing(files, call, full):
        add_map(folder, with_one, with_one.maps[-1])
    assert {x: y for x, y in tree(folder).items() if x in before} == before
    assert [each.path for each in load(folder).maps] == ["conv1", "conv2"]


@pytest.mark.slow
def test_a_map_is_replaced_only_on_demand(atlas: Atlas, with_one: Atlas) -> None:
    settings = r"\(seed: \[0, 4\] there, \[0, 5\] now"
    message = f"already has the map conv2-class-1 with other settings {settings}"
    with pytest.raises(ValueError, match=message):
        one(with_one, key=jax.random.key(5))
    after = one(two(with_one), key=jax.random.key(5), overwrite=True)
    assert [x.path for x in after.maps] == [
        "conv1", "conv2", "conv2-class-1", "conv2-compare-1-3"
    ]  # fmt: skip
    assert (after.maps[2].points != with_one.maps[2].points).any()


@pytest.mark.slow
def test_images_that_cannot_be_told_apart_give_another_atlas(tmp_path: Path) -> None:
    """Its maps, and class maps kept in one cache, are not taken for those of other images."""
    rng, run = np.random.default_rng(0), dataclasses.replace(RUN, cache=tmp_path / "cache")

    def again() -> Atlas:
        stream: Any = collect.arrays(iter(rng.integers(0, 256, (5, 8, 20, 20, 3), np.uint8)))
        out = tmp_path / "out"
        made = build(stream, out, layers=("conv1",), grids=(2,), overwrite=True)
        save(one(made, layer="conv1", run=run), out, overwrite=True)
        return load(out)

    first, second = again(), again()
    for name in ("conv1", "conv1-class-1"):
        means = [each.find(name).samples.vectors.mean() for each in (first, second)]
        assert means[0] != means[1], name
    stages = [each.info["stages"] for each in (first, second)]
    differ = {name for name, digest in stages[0].items() if digest != stages[1][name]}
    assert differ == stages[0].keys() - {identity.LABELS}  # no labels were given


@pytest.mark.slow
@pytest.mark.parametrize("renames", [0, 1, 2])
def test_killed_while_a_map_is_replaced_the_atlas_is_whole(
    folder: Path, with_one: Atlas, monkeypatch: pytest.MonkeyPatch, renames: int
) -> None:
    """Stop before the old folder is moved away, before the new one comes, and after that."""
    add_map(folder, with_one, with_one.maps[-1])
    other = one(with_one, selection=dataclasses.replace(ONE, size=2), overwrite=True)
    renamed, removed, done = Path.rename, shutil.rmtree, 0

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
        patch.setattr(shutil, "rmtree", remove)
        with pytest.raises(Killed):
            add_map(folder, other, other.maps[-1])
    assert [each.path for each in load(folder).maps][:2] == ["conv1", "conv2"]
    add_map(folder, other, other.maps[-1])
    assert load(folder).find("conv2-class-1").grids[0].size == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"layer": "mixed4c"}, "layer: expected one of conv1, conv2, got mixed4c"),
        ({"layer": None}, "layer: expected one of conv1, conv2, got None"),
        ({"name": 9}, "9"),
        ({"selection": dataclasses.replace(ONE, max_samples=3, rule="magnitude")}, "at least 10"),
        ({"selection": dataclasses.replace(ONE, size=2, min_count=99)}, "min_count: no cell of 2"),
    ],
)
def test_what_cannot_be_had_is_said(atlas: Atlas, change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        one(atlas, **change)


def test_an_atlas_of_other_weights_is_refused(atlas: Atlas) -> None:
    other = tiny_params() | {"bias": tiny_params()["bias"] + 1}
    with pytest.raises(ValueError, match="weights_sha256: expected that of the atlas"):
        class_map(tiny_network(), other, atlas, 1, key=KEY, layer="conv2")


@pytest.mark.slow
def test_views_hold_three_cells_of_the_layer(atlas: Atlas) -> None:
    network, params = inception_v1(GOOGLENET_BVLC), abstract_params(GOOGLENET_BVLC)
    for layer, size in (("mixed3a", 48), ("mixed4c", 48), ("mixed5b", 96)):
        views = cells_like(network, params, atlas, layer=layer).icons.views
        assert views == dataclasses.replace(RandomViews(), size=size)
    with pytest.raises(ValueError, match="no layer 'mixed9'"):
        cells_like(network, params, atlas, layer="mixed9")


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, (True, 0.1, 9)),
        ({"whiten": False, "exemplars": 2}, (False, 0.1, 2)),
        ({"ridge": 0.5}, (True, 0.5, 9)),
    ],
)
def test_cells_are_like_those_of_the_atlas(
    atlas: Atlas, settings: dict[str, Any], expected: tuple[Any, ...]
) -> None:
    changed = dataclasses.replace(atlas, info=Info(settings=settings))
    cells = cells_like(tiny_network(), tiny_params(), changed, layer="conv2")
    assert (cells.whiten, cells.ridge, cells.exemplars) == expected


def test_exemplars_are_the_nearest_places_in_their_cell_other_images_first(atlas: Atlas) -> None:
    """Against a plain loop: the angle between whitened vectors, the best of each image first."""
    layer = atlas.find("conv2")
    grid = layer.grid(2)
    moment = layer.samples.moment.astype(np.float64)
    ridge = CONFIG.ridge * np.trace(moment) / len(moment)
    root = np.linalg.cholesky(np.linalg.inv(moment + ridge * np.eye(len(moment))))

    def unit(x: np.ndarray) -> np.ndarray:
        white = x @ root
        return white / np.linalg.norm(white, axis=-1, keepdims=True)

    assert grid.exemplars is not None and grid.exemplars.shape[1] == CONFIG.exemplars
    own = np.asarray(cell_index(layer.points, size=2))
    for cell, rows in zip(grid.cells, grid.exemplars, strict=True):
        cosine = unit(layer.samples.vectors) @ unit(grid.mean.reshape(4, -1)[cell])
        seen: dict[int, int] = {}
        ranked: list[tuple[int, float, int]] = []
        for row in np.argsort(-cosine):
            if own[row] == cell:
                image = int(layer.samples.source[row, 0])
                seen[image] = seen.get(image, 0) + 1
                ranked.append((seen[image], -cosine[row], int(row)))
        expected = [row for _, _, row in sorted(ranked)[: CONFIG.exemplars]]
        found = rows[rows >= 0]
        assert (own[found] == cell).all()
        np.testing.assert_allclose(cosine[found], cosine[expected], atol=1e-5)


@pytest.mark.slow
def test_icons_are_rendered_again_with_other_settings(atlas: Atlas) -> None:
    before = atlas.find("conv2").grid(2)

    def again(cells: CellConfig, start: Atlas = atlas, seed: int = 0) -> Atlas:
        return rerender(
            tiny_network(), tiny_params(), start, "conv2",
            size=2, key=jax.random.key(seed), cells=cells, run=RUN,
        )  # fmt: skip

    other = CellConfig(icons=dataclasses.replace(CONFIG.icons, icon_size=16, steps=2))
    result = again(other)
    after = result.find("conv2").grid(2)
    assert after.icons.images.shape == (len(before.cells), 16, 16, 3)
    assert after.settings is not None and after.settings["icons"]["steps"] == 2
    for name in ("mean", "count", "evidence", "cells", "exemplars", "crops"):
        np.testing.assert_array_equal(getattr(after, name), getattr(before, name))
    stage = "conv2-icons-2"
    assert result.info["stages"][stage] != atlas.info["stages"][stage]
    assert [each.path for each in result.maps] == [each.path for each in atlas.maps]
    # The seed and the settings of the build give its icons again.
    back = again(CellConfig(icons=CONFIG.icons), result).find("conv2").grid(2)
    np.testing.assert_array_equal(back.icons.images, before.icons.images)
    # Up to rounding: the build draws 3 of them at once, as it has 9 icons of a larger grid.
    np.testing.assert_allclose(back.icons.cosines, before.icons.cosines, rtol=1e-6)


@pytest.mark.slow
def test_a_cell_is_rendered_as_in_the_atlas(atlas: Atlas) -> None:
    grid = atlas.find("conv2").grid(2)
    row, column = divmod(int(grid.cells[-1]), 2)

    def draw(row: int, column: int) -> jatlas.Icons:
        return render_cell(
            tiny_network(), tiny_params(), atlas, "conv2",
            size=2, row=row, column=column, key=jax.random.key(0), cells=CELLS, run=RUN,
        )  # fmt: skip

    pixels = np.round(draw(row, column).images[0] * 255)
    np.testing.assert_allclose(pixels, grid.icons.images[-1], atol=1)
    with pytest.raises(ValueError, match="cell: 0 2 of the 2 x 2 grid holds no samples"):
        draw(0, 2)


GRIDS = {"layers": ("conv2",), "grids": (3,)}


@pytest.fixture
def with_map(images: Path, tmp_path: Path) -> Path:
    """An atlas of images in a folder, with a map of class 1 and one of classes 1 and 3."""
    out = tmp_path / "out"
    made = build(images, out, **GRIDS)
    return save(two(one(made)), out, overwrite=True)


@pytest.mark.slow
def test_an_atlas_with_class_maps_can_be_extended(with_map: Path, images: Path) -> None:
    before = load(with_map)
    finer = build(images, with_map, layers=("conv2",), grids=(3, 2))
    icons = dataclasses.replace(CONFIG.icons, steps=2)
    other = build(
        images, with_map, layers=("conv2",), grids=(3, 2), overwrite=True,
        config=dataclasses.replace(CONFIG, icons=icons),
    )  # fmt: skip
    for after in (finer, other, load(with_map)):
        for path in ("conv2-class-1", "conv2-compare-1-3"):
            jax.tree.map(np.testing.assert_array_equal, after.find(path), before.find(path))
    layer = before.find("conv2")
    jax.tree.map(np.testing.assert_array_equal, finer.find("conv2").samples, layer.samples)
    with pytest.raises(ValueError, match=r"settings\.icons\.steps: 2 there, 3 now"):
        build(images, with_map, layers=("conv2",), grids=(3, 2))


@pytest.mark.slow
def test_other_names_of_classes_are_another_atlas(with_map: Path, images: Path) -> None:
    names = ("ant", "bee", "cat", "dog", "eel")
    named = dataclasses.replace(tiny_network(), classes=names)
    with pytest.raises(ValueError, match="classes: 0 names there, 5 now"):
        build(images, with_map, network=named, **GRIDS)
    after = build(images, with_map, network=named, overwrite=True, **GRIDS)
    assert after.classes == load(with_map).classes == names
    assert after.find("conv2-compare-1-3").axes == {"x": ["bee", "dog"]}
    wrong = dataclasses.replace(named, classes=("ant", "dog", "cat", "bee", "eel"))
    message = "classes: class 1 is 'bee' there, 'dog' now"
    with pytest.raises(ValueError, match=message):
        class_map(wrong, tiny_params(), after, "dog", key=KEY, selection=ONE, cells=CELLS, run=RUN)
    with pytest.raises(ValueError, match=message):
        build(images, with_map, network=wrong, **GRIDS)


@pytest.mark.slow
def test_crops_are_added_once_the_images_are_back(tmp_path: Path) -> None:
    images, gone = make_images(tmp_path / "images"), tmp_path / "gone"
    atlas = build(images, None, **GRIDS)
    images.rename(gone)
    without = one(atlas)
    assert without.maps[-1].grids[0].crops is None and one(without) is without
    gone.rename(images)
    after = one(without)
    (grid,), (before,) = after.maps[-1].grids, without.maps[-1].grids
    np.testing.assert_array_equal(grid.icons.images, before.icons.images)
    np.testing.assert_array_equal(grid.exemplars, before.exemplars)
    assert grid.crops is not None and one(after) is after


@pytest.mark.slow
def test_another_network_of_the_name_does_not_share_results(
    atlas: Atlas, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Such as one whose gradients are relaxed."""
    run = dataclasses.replace(RUN, cache=tmp_path / "cache")
    network = tiny_network()
    (name, first), *others = network.stages
    edited = dataclasses.replace(network, stages=((name, lambda p, x: 0.5 * first(p, x)), *others))
    found = one(atlas, run=run)
    cells = dataclasses.replace(CELLS, exemplars=0)
    arguments = {"layer": "conv2", "selection": ONE, "cells": cells, "run": run, "key": KEY}
    other = class_map(edited, tiny_params(), atlas, 1, **arguments)
    assert "the code of the network has changed since the atlas was built" in caplog.text
    icons = [each.maps[-1].grids[0].icons.images for each in (found, other)]
    assert (icons[0] != icons[1]).any()
