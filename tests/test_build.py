"""`build`: laws of the whole, what is reused, interruptions, bad input."""

import dataclasses
import json
import os
import time
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from atlases import (
    CONFIG,
    DAMAGED,
    IMAGES,
    LAYERS,
    RUN,
    build,
    build_arrays,
    differences,
    make_images,
    tree,
)
from faults import Killed, failing
from forked import Forked
from helpers import CLASSES, tiny_network, tiny_params

import jatlas
from jatlas import UMAP, BuildConfig, Network, Run, collect
from jatlas.arrange import inverse, whiten
from jatlas.storage import FOLDER, files, load
from jatlas.visualize import render

ICONS = dataclasses.replace(CONFIG.icons, steps=2)
ONE = {"layers": ("conv2",), "grids": (3,)}


class Watched:
    """A source that counts how often it is read, and can be cut off."""

    def __init__(self, source: Any, *, stop_at: int | None = None) -> None:
        self.source, self.stop_at, self.loads = source, stop_at, 0

    @property
    def count(self) -> int | None:
        return self.source.count

    def name(self, index: int) -> str:
        return self.source.name(index)

    def fingerprint(self) -> Any:
        return self.source.fingerprint()

    def load(self, start: int = 0, *, workers: int = 2) -> Any:
        self.loads += 1
        for item in self.source.load(start, workers=workers):
            if item.index == self.stop_at:
                raise Killed
            yield item


@pytest.fixture
def source(images: Path) -> Watched:
    return Watched(collect.folder(images, size=16))


def files_of(out: Path, stage: str) -> list[Path]:
    """What is kept of a stage in the working folder of an unfinished build."""
    return sorted((out / FOLDER).glob(f"{stage}-*"))


def test_the_atlas_adds_up(images: Path, whole: Path) -> None:
    atlas = load(whole)
    used = IMAGES - 1
    assert atlas.images == tuple(f"{number:02d}.png" for number in range(IMAGES))
    assert [name for name, _ in atlas.info["skipped"]] == [f"{DAMAGED:02d}.png"]
    for each in atlas.maps:
        assert len(each.samples) == len(each.points) == 3 * used
        assert set(each.samples.source[:, 0]) == set(range(IMAGES)) - {DAMAGED}
        for grid in each.grids:
            assert grid.count.sum() == 3 * used
            np.testing.assert_array_equal(grid.cells, np.flatnonzero(grid.count))
            average = (grid.mean * grid.count[..., None]).sum((0, 1)) / grid.count.sum()
            np.testing.assert_allclose(average, each.samples.vectors.mean(0), rtol=1e-4, atol=1e-5)
            total = (grid.evidence * grid.count[..., None]).sum((0, 1)) / grid.count.sum()
            mean = each.samples.evidence.astype(np.float64).mean(0)
            np.testing.assert_allclose(total, mean, rtol=1e-3, atol=1e-4)
            assert grid.evidence.shape[-1] == CLASSES
            assert np.isfinite(grid.icons.scores).all()
    first, second = (each.samples.source for each in atlas.maps)
    np.testing.assert_array_equal(first, second)  # the same places: both layers are 8 x 8


def test_an_atlas_is_a_pytree(whole: Path) -> None:
    atlas = load(whole)
    doubled = jax.tree.map(lambda x: 2 * x, atlas)
    assert isinstance(doubled, jatlas.Atlas) and doubled.images == atlas.images
    points = doubled.maps[0].points
    np.testing.assert_array_equal(points, 2 * atlas.maps[0].points)
    mean = jax.jit(lambda record: record.maps[1].samples.vectors.mean(0))(atlas)
    np.testing.assert_allclose(mean, atlas.maps[1].samples.vectors.mean(0), rtol=1e-5)


def test_icons_are_those_of_the_whitened_means(whole: Path) -> None:
    each = load(whole).find("conv2")
    grid = each.grid(2)
    moment = inverse(jnp.asarray(each.samples.moment), ridge=CONFIG.ridge)
    directions = whiten(jnp.asarray(grid.mean.reshape(4, -1)[grid.cells]), moment)
    icons = render(
        tiny_network(), tiny_params(), directions, layer="conv2",
        key=jax.random.split(jax.random.key(0), 3)[2], config=CONFIG.icons, ids=grid.cells, run=RUN,
    )  # fmt: skip
    np.testing.assert_array_equal(grid.icons.images, np.round(icons.images * 255).astype(np.uint8))


def test_in_memory_and_on_disk_are_the_same(images: Path, whole: Path, tmp_path: Path) -> None:
    jatlas.save(build(images, None), tmp_path / "atlas")
    expected = tree(whole)
    page = {name for name in expected if name == "index.html" or name.startswith("viewer/")}
    assert page
    assert tree(tmp_path / "atlas") == {x: expected[x] for x in expected.keys() - page}


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes", [{"batch_size": 5}, {"chunk": 1}, {"chunk": 50, "workers": 5}], ids=str
)
def test_how_it_is_computed_changes_rounding_only(
    images: Path, whole: Path, changes: dict[str, int]
) -> None:
    run = dataclasses.replace(RUN, **changes)
    atlas, expected = build(images, None, run=run, **ONE), load(whole).find("conv2")
    (each,) = atlas.maps
    for name in ("vectors", "evidence", "moment"):
        got, right = (getattr(x.samples, name) for x in (each, expected))
        np.testing.assert_allclose(got, right, rtol=1e-3, atol=1e-5)
    np.testing.assert_array_equal(each.samples.source, expected.samples.source)
    if "chunk" in changes:
        got, right = (x.grid(3).icons.images.astype(int) for x in (each, expected))
        assert np.abs(got - right).max() <= 1


@pytest.mark.slow
def test_another_seed_gives_another_atlas(images: Path, whole: Path) -> None:
    (other,) = build(images, None, key=jax.random.key(1), **ONE).maps
    each = load(whole).find("conv2")
    assert (other.samples.source != each.samples.source).any()
    assert (other.points != each.points).any()
    assert (other.grid(3).icons.images[0] != each.grid(3).icons.images[0]).any()


def test_a_legacy_key_is_the_same_key(images: Path, whole: Path) -> None:
    (other,) = build(images, None, key=jax.random.PRNGKey(0), **ONE).maps
    np.testing.assert_array_equal(other.points, load(whole).find("conv2").points)
    with pytest.raises(ValueError, match="key: expected a key"):
        build(images, None, key=jnp.zeros(2))


# What is reused


def counting(network: Network) -> tuple[Network, list[str]]:
    """Return a network like another, and the list of what is traced of it."""
    traces: list[str] = []
    name, first = network.stages[0]

    def traced(params: Any, x: Any) -> Any:
        traces.append(str(x.shape))
        return first(params, x)

    stages = ((name, traced), *network.stages[1:])
    return dataclasses.replace(network, stages=stages), traces


def test_a_complete_atlas_is_not_built_again(source: Watched, tmp_path: Path) -> None:
    out = tmp_path / "atlas"
    build(source, out, **ONE)
    before, loads = tree(tmp_path), source.loads
    atlas = build(source, out, **ONE)
    assert [each.layer for each in atlas.maps] == ["conv2"]
    assert source.loads == loads and tree(tmp_path) == before


@pytest.mark.slow
def test_another_grid_and_layer_reuse_what_is_there(source: Watched, tmp_path: Path) -> None:
    out = tmp_path / "atlas"
    first = build(source, out, **ONE)
    before = tree(out)
    second = build(source, out, layers=("conv2",), grids=(3, 2))
    assert source.loads == 1
    assert [grid.size for grid in second.maps[0].grids] == [3, 2]
    build(source, out, layers=("conv2", "conv1"), grids=(3, 2))
    assert source.loads == 2
    after = tree(out)
    for name in ("vectors.npy", "points.npy", "cells-3.npz", "icons-3.npy"):
        assert after[f"conv2/{name}"] == before[f"conv2/{name}"]
    assert [each.path for each in load(out).maps] == ["conv2", "conv1"]
    # As if everything had been asked for at once.
    at_once = build(source, None, layers=("conv2", "conv1"), grids=(3, 2))
    jax.tree.map(np.testing.assert_array_equal, load(out), at_once)
    del first


@pytest.mark.slow
def test_other_icons_reuse_samples_and_points(source: Watched, tmp_path: Path) -> None:
    out = tmp_path / "atlas"
    build(source, out, **ONE)
    config = dataclasses.replace(CONFIG, icons=ICONS)
    with pytest.raises(ValueError, match=r"settings\.icons\.steps: 3 there, 2 now"):
        build(source, out, config=config, **ONE)
    before = tree(out)
    build(source, out, config=config, overwrite=True, **ONE)
    assert source.loads == 1
    after = tree(out)
    assert after["conv2/points.npy"] == before["conv2/points.npy"]
    assert after["conv2/icons-3.npy"] != before["conv2/icons-3.npy"]
    jax.tree.map(
        np.testing.assert_array_equal, load(out), build(source, None, config=config, **ONE)
    )


@pytest.mark.slow
def test_a_shared_cache_serves_other_outputs(source: Watched, tmp_path: Path) -> None:
    run = dataclasses.replace(RUN, cache=tmp_path / "cache")
    build(source, tmp_path / "one", run=run, **ONE)
    config = dataclasses.replace(CONFIG, icons=ICONS)
    build(source, tmp_path / "two", run=run, config=config, **ONE)
    assert source.loads == 1 and len(list((tmp_path / "cache").glob("conv2-points-*"))) == 1
    one, two = tree(tmp_path / "one"), tree(tmp_path / "two")
    assert one["conv2/points.npy"] == two["conv2/points.npy"]
    assert one["conv2/icons-3.npy"] != two["conv2/icons-3.npy"]


@pytest.mark.slow
def test_other_images_are_never_taken_for_the_same(tmp_path: Path) -> None:
    """Two arrays of one shape: an atlas of zeros is none of ones."""
    zeros, ones = np.zeros((40, 16, 16, 3), np.uint8), np.full((40, 16, 16, 3), 200, np.uint8)
    out = tmp_path / "atlas"
    first = build(zeros, out, **ONE)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="holds an atlas with other settings"):
        build(ones, out, **ONE)  # type: ignore[arg-type]
    second = build(ones, out, overwrite=True, **ONE)  # type: ignore[arg-type]
    assert (first.maps[0].samples.vectors != second.maps[0].samples.vectors).any()


@pytest.mark.slow
def test_images_that_cannot_be_told_apart_are_not_reused(tmp_path: Path) -> None:
    class Unknown(Watched):
        def fingerprint(self) -> None:
            return None

    pictures = np.random.default_rng(0).random((40, 16, 16, 3), np.float32)
    unknown = Unknown(collect.arrays(pictures))
    run = dataclasses.replace(RUN, cache=tmp_path / "cache")
    out = tmp_path / "atlas"
    build(unknown, out, run=run, **ONE)
    with pytest.raises(ValueError, match="holds an atlas"):
        build(unknown, out, run=run, **ONE)
    build(unknown, out, run=run, overwrite=True, **ONE)
    assert unknown.loads == 2 and not (tmp_path / "cache").exists()


def test_an_edited_stage_is_another_network(source: Watched, tmp_path: Path) -> None:
    out, network = tmp_path / "atlas", tiny_network()
    build(source, out, **ONE)
    name, first = network.stages[0]
    edited = ((name, lambda params, x: first(params, x) + 0.25), *network.stages[1:])
    other = dataclasses.replace(network, stages=edited)
    with pytest.raises(ValueError, match="code_sha256"):
        build(source, out, network=other, **ONE)


# Interruptions


@pytest.mark.slow
def test_an_interruption_anywhere_resumes(source: Watched, whole: Path, tmp_path: Path) -> None:
    """Stop before the first file is written, the second, ...; each time resume and compare."""
    build(source, tmp_path / "whole", **ONE)
    expected = tree(tmp_path / "whole")
    for stop in range(1, 100):
        out = tmp_path / f"{stop}" / "atlas"
        try:
            with failing(files, "write_arrays", Killed(), call=stop):
                build(source, out, **ONE)
        except Killed:
            assert not (out / "atlas.json").exists()
        else:
            break
        build(source, out, **ONE)
        assert tree(out) == expected
    # The images, the layout, chunks of 4 icons, exemplars, the cells of the atlas; then none.
    cells = len(load(out).maps[0].grids[0].cells)
    assert stop == 1 + 1 + -(-cells // 4) + 1 + 1 + 1


@pytest.mark.slow
def test_a_build_cut_off_while_images_are_read_resumes(
    images: Path, whole: Path, tmp_path: Path
) -> None:
    source = collect.folder(images, size=16)
    with pytest.raises(Killed):
        build(Watched(source, stop_at=20), tmp_path / "atlas")
    build(images, tmp_path / "atlas")
    assert tree(tmp_path / "atlas") == tree(whole)


def test_interrupted_before_the_page_the_page_is_made_up_for(
    source: Watched, tmp_path: Path
) -> None:
    out = tmp_path / "atlas"
    build(source, out, **ONE)
    expected = tree(out)
    (out / "index.html").unlink()
    build(source, out, **ONE)
    assert tree(out) == expected and source.loads == 1


@pytest.mark.slow
@pytest.mark.parametrize("content", [b"", b"no archive", None])
def test_a_damaged_result_is_computed_again_alone(
    source: Watched, tmp_path: Path, content: bytes | None
) -> None:
    out = tmp_path / "atlas"
    with pytest.raises(Killed), failing(files, "write_arrays", Killed(), call=4):
        build(source, out, **ONE)
    (layout,) = files_of(out, "conv2-points")
    layout.write_bytes(layout.read_bytes()[:-40] if content is None else content)
    assert len(files_of(out, "conv2-icons-3")) == 1
    build(source, out, **ONE)
    assert source.loads == 1
    jax.tree.map(np.testing.assert_array_equal, load(out), build(source, None, **ONE))


def test_a_damaged_atlas_is_built_again_only_on_demand(source: Watched, tmp_path: Path) -> None:
    out = tmp_path / "atlas"
    build(source, out, **ONE)
    expected = tree(out)
    (out / "conv2/points.npy").write_bytes(b"")
    with pytest.raises(ValueError, match=r"points\.npy is damaged.*or overwrite it"):
        build(source, out, **ONE)
    build(source, out, overwrite=True, **ONE)
    assert tree(out) == expected


def test_two_builds_do_not_share_an_output(source: Watched, tmp_path: Path) -> None:
    from jatlas.storage import working_folder

    with (
        working_folder(tmp_path / "atlas"),
        pytest.raises(ValueError, match="another process is writing to it"),
    ):
        build(source, tmp_path / "atlas", **ONE)


def build_it(images: Path, out: Path) -> None:
    build(images, out)


@pytest.mark.slow
def test_a_killed_process_resumes(tmp_path: Path, images: Path, whole: Path) -> None:
    out = tmp_path / "atlas"
    for wanted in ("conv1-samples-*", "conv2-icons-2-*"):
        process = Forked(build_it, images, out, folder=tmp_path / wanted[:5])
        while process.poll() is None and not files_of(out, wanted[:-2]):
            time.sleep(0.002)
        process.kill()
        assert not (out / "atlas.json").exists(), "it was killed too late to show anything"
    build(images, out)  # by another process: this one, which has compiled everything
    assert differences(out, whole) == []


def test_images_are_identified_once(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    identified, calls = collect.Folder.fingerprint, []

    def fingerprint(source: collect.Folder) -> dict[str, Any]:
        calls.append(source)
        return identified(source)

    monkeypatch.setattr(collect.Folder, "fingerprint", fingerprint)
    build(images, tmp_path / "atlas", layers=("conv1",), grids=(2,))
    assert len(calls) == 1


# Bad input


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"layers": ("mixed9z",)}, "has no layer 'mixed9z'; it has: input, conv1"),
        ({"layers": ()}, "layers: expected at least one"),
        ({"layers": ("conv1", "conv1")}, "layers: expected each once"),
        ({"grids": ()}, "grids: expected at least one"),
        ({"grids": (0,)}, "grids: expected at least 1, got 0"),
        ({"grids": 3}, "grids: expected a list of whole numbers, got 3"),
        ({"grids": (2.5,)}, "grids: expected a whole number, got 2.5"),
        ({"layers": "conv1"}, "layers: expected a list of names, got 'conv1'"),
        ({"layers": (3,)}, r"layers: expected a list of names, got \(3,\)"),
        ({"config": jatlas.RenderConfig()}, "config: expected BuildConfig, got RenderConfig"),
        ({"run": 4}, "run: expected Run, got int"),
        ({"key": 7}, "key: expected a key as jax.random.key makes it, got 7"),
        ({"grids": (2, 9)}, "78 samples cannot fill 9 x 9 cells.*at most 8"),
        ({"config": BuildConfig(min_count=30)}, "grid: 26 samples cannot fill 3 x 3 cells"),
    ],
)
def test_what_cannot_work_is_said_before_anything_is_done(
    images: Path, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        build(images, tmp_path / "atlas", **changes)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("name", ["batch_size", "chunk", "workers"])
def test_a_run_needs_at_least_one_of_everything(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name}: expected at least 1, got 0"):
        Run(**{name: 0})


@pytest.mark.parametrize("images", ["nowhere/", 7, None, b"bytes"])
def test_what_is_no_source_is_said_at_the_door(images: Any) -> None:
    with pytest.raises(ValueError, match=r"folder|images"):
        build(images, None)


def test_an_output_that_holds_something_else_is_left_alone(images: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("words")
    for overwrite in (False, True):
        with pytest.raises(ValueError, match="holds something else"):
            build(images, tmp_path, overwrite=overwrite, **ONE)
    with pytest.raises(ValueError, match="is a file"):
        build(images, tmp_path / "thesis.tex", **ONE)
    assert os.listdir(tmp_path) == ["thesis.tex"]


def test_damaged_images_count_when_the_grid_is_checked(tmp_path: Path) -> None:
    folder = make_images(tmp_path / "images")
    for path in sorted(folder.iterdir())[9:]:
        path.write_bytes(b"")
    with pytest.raises(ValueError, match="24 samples cannot fill 5 x 5"):
        build(folder, None, grids=(5,))
    for path in sorted(folder.iterdir())[3:]:
        path.write_bytes(b"")
    with pytest.raises(ValueError, match="needs at least 10 samples, there are 9"):
        build(folder, None, grids=(1,))
    for path in folder.iterdir():
        path.write_bytes(b"")
    with pytest.raises(ValueError, match=r"no image could be used \(image 0: "):
        build(folder, None)


def test_cells_of_too_few_samples_get_no_icon(images: Path) -> None:
    config = dataclasses.replace(CONFIG, min_count=8)
    (grid,) = build(images, None, grids=(3,), layers=("conv1",), config=config).maps[0].grids
    np.testing.assert_array_equal(grid.cells, np.flatnonzero(grid.count.ravel() >= 8))
    assert 0 < len(grid.icons) == len(grid.cells) < np.count_nonzero(grid.count)
    assert grid.count.sum() == 3 * (IMAGES - 1)


def test_arrays_build_an_atlas_too(images: Path) -> None:
    pictures = np.stack([item.image for item in collect.folder(images, size=16).load()
                         if item.image is not None])  # fmt: skip
    atlas = build_arrays(pictures)
    halves = build_arrays(p for p in (pictures[:7], pictures[7:]))
    assert atlas.images[:2] == ("image 0", "image 1")
    np.testing.assert_array_equal(atlas.maps[0].samples.vectors, halves.maps[0].samples.vectors)


@pytest.mark.slow
@pytest.mark.parametrize("layer", ["features/conv1", "block[0]", "viewer", "..", "über 1"])
def test_a_layer_may_be_called_anything(images: Path, tmp_path: Path, layer: str) -> None:
    network = tiny_network()
    names = dict(network.stages)
    stages = tuple((layer if name == "conv1" else name, names[name]) for name in names)
    other = dataclasses.replace(network, stages=stages)
    out = tmp_path / "atlas"
    build(images, out, network=other, layers=(layer,), grids=(2,))
    assert load(out).maps[0].layer == layer
    assert {path.name for path in out.iterdir()} >= {"atlas.json", "index.html", "viewer"}
    assert len(list(out.iterdir())) == 6 and os.listdir(tmp_path) == ["atlas"]


@pytest.mark.slow
def test_the_recall_of_the_neighbors_is_recorded(images: Path, tmp_path: Path) -> None:
    """And kept, when an atlas is extended and the points of a layer are reused."""
    config = dataclasses.replace(CONFIG, layout=UMAP(n_neighbors=5, epochs=20))
    out = tmp_path / "atlas"
    first = build(images, out, config=config, layers=LAYERS[:1])
    assert first.info["neighbor_recall"] == {LAYERS[0]: 1.0}
    extended = build(images, out, config=config)
    assert extended.info["neighbor_recall"] == dict.fromkeys(LAYERS, 1.0)
    assert load(out).info["neighbor_recall"] == dict.fromkeys(LAYERS, 1.0)
    assert extended.maps[0].points.tobytes() == first.maps[0].points.tobytes()
    replaced = build(images, out, overwrite=True)  # t-SNE searches neighbours of its own
    assert replaced.info["neighbor_recall"] == {}


def test_the_record_says_how_it_was_made(whole: Path, images: Path) -> None:
    info = json.loads((whole / "atlas.json").read_text(encoding="utf-8"))
    assert info["network"] == "tiny"
    assert info["settings"]["icons"]["views"]["size"] == 10
    assert info["settings"]["per_image"] == 3
    assert info["source"]["root"] == str(images.resolve())
    assert {"jatlas", "jax", "umap-learn", "python"} <= info["versions"].keys()
    assert len(info["weights_sha256"]) == 64
    assert {f"{layer}-points" for layer in LAYERS} <= info["stages"].keys()


@pytest.mark.parametrize("name", ["a\nb", "a\udce9", Path("a"), 7])
def test_names_that_cannot_be_kept_are_said_before_anything_is_done(name: Any) -> None:
    class Named(collect.Arrays):
        def name(self, index: int) -> Any:
            return name if index == 3 else "a"

    images = np.zeros((20, 16, 16, 3), np.uint8)
    message = r"^name\(3\): expected one line of UTF-8 text, got "
    with pytest.raises(ValueError, match=message):
        build(Named([images], count=20), None, **ONE)  # type: ignore[arg-type]


@pytest.mark.slow
def test_icons_that_were_rendered_again_are_named(images: Path, tmp_path: Path) -> None:
    out = tmp_path / "atlas"
    made = build(images, out, **ONE)
    again = jatlas.rerender(
        tiny_network(), tiny_params(), made, "conv2", size=3, key=jax.random.key(7),
        cells=jatlas.CellConfig(icons=CONFIG.icons), run=RUN,
    )  # fmt: skip
    jatlas.save(again, out, overwrite=True)
    with pytest.raises(ValueError, match=r"other settings \(conv2-icons-3 differ\)"):
        build(images, out, **ONE)
