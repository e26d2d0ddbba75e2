"""`build`: laws of the whole, interruptions, bad input."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from helpers import CLASSES, tiny_network, tiny_params
from PIL import Image

import jatlas
from jatlas import BuildConfig, collect
from jatlas.arrange import UMAP
from jatlas.arrange import _whiten as whiten
from jatlas.collect import _extract as samples
from jatlas.storage import _files as files
from jatlas.storage import load
from jatlas.types import Run
from jatlas.visualize import RandomViews, RenderConfig, render

IMAGES = 26
CONFIG = BuildConfig(
    per_image=3,
    layout=UMAP(n_neighbors=8),
    render=RenderConfig(icon_size=12, steps=3, views=RandomViews(size=10)),
)
LAYERS, GRIDS = ("conv1", "conv2"), (2, 3)


def make_images(folder: Path) -> Path:
    """Fill a folder with small pictures, one of them damaged."""
    folder.mkdir()
    rng = np.random.default_rng(3)
    for number in range(IMAGES):
        coarse = rng.integers(0, 256, (4, 4, 3), np.uint8)
        Image.fromarray(coarse).resize((20, 20)).save(folder / f"{number:02d}.png")
    (folder / "05.png").write_bytes(b"no picture")
    return folder


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_images(tmp_path_factory.mktemp("pipeline") / "images")


def build(images: Path, out: Path | None, **changes: Any) -> jatlas.Atlas:
    arguments: dict[str, Any] = {
        "layers": LAYERS,
        "grids": GRIDS,
        "key": jax.random.key(0),
        "config": CONFIG,
        "batch_size": 12,
        "chunk": 4,
        "progress": False,
    }
    source = collect.folder(images, size=16)
    return jatlas.build(tiny_network(), tiny_params(), source, out=out, **(arguments | changes))


def tree(folder: Path) -> dict[str, bytes]:
    found = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


@pytest.fixture(scope="module")
def whole(images: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What an uninterrupted build writes."""
    out = tmp_path_factory.mktemp("whole") / "atlas"
    build(images, out)
    assert os.listdir(out.parent) == ["atlas"]
    return tree(out)


@pytest.mark.slow
def test_the_atlas_adds_up(images: Path) -> None:
    atlas = build(images, None)
    used = IMAGES - 1
    assert atlas.images == tuple(f"{number:02d}.png" for number in range(IMAGES))
    assert [name for name, _ in atlas.info["skipped"]] == ["05.png"]
    for each in atlas.maps:
        assert each.samples.vectors.shape[0] == len(each.points) == 3 * used
        assert set(each.samples.source[:, 0]) == set(range(IMAGES)) - {5}
        for grid in each.grids:
            assert grid.count.sum() == 3 * used
            np.testing.assert_array_equal(grid.cells, np.flatnonzero(grid.count))
            average = (grid.mean * grid.count[..., None]).sum((0, 1)) / grid.count.sum()
            np.testing.assert_allclose(average, each.samples.vectors.mean(0), rtol=1e-4, atol=1e-5)
            shown = (grid.evidence * grid.count[..., None]).sum((0, 1)) / grid.count.sum()
            np.testing.assert_allclose(
                shown, each.samples.evidence.astype(np.float64).mean(0), rtol=1e-3, atol=1e-4
            )
            assert grid.evidence.shape[-1] == CLASSES
            assert np.isfinite(grid.icons.scores).all()
    first, second = (each.samples.source for each in atlas.maps)
    np.testing.assert_array_equal(first, second)  # the same places: both layers are 8 x 8


def test_icons_are_those_of_the_whitened_means(images: Path) -> None:
    atlas = build(images, None, layers=("conv2",), grids=(2,))
    (each,) = atlas.maps
    (grid,) = each.grids
    inverse = whiten.inverse(each.samples.moment, ridge=CONFIG.ridge)
    directions = whiten.whiten(grid.mean.reshape(4, -1)[grid.cells], inverse)
    for_icons = jax.random.split(jax.random.key(0), 3)[2]
    icons = render(
        tiny_network(), tiny_params(), directions, layer="conv2", key=for_icons,
        config=CONFIG.render, ids=grid.cells, run=Run(progress=False),
    )  # fmt: skip
    np.testing.assert_array_equal(grid.icons.images, np.round(icons.images * 255).astype(np.uint8))


def test_in_memory_and_on_disk_are_the_same(
    images: Path, whole: dict[str, bytes], tmp_path: Path
) -> None:
    jatlas.save(build(images, None), tmp_path / "atlas")
    page = {name for name in whole if name == "index.html" or name.startswith("viewer/")}
    assert tree(tmp_path / "atlas") == {x: whole[x] for x in whole.keys() - page}


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [{"batch_size": 3}, {"batch_size": 64}, {"chunk": 1}, {"chunk": 50}, {"workers": 5}],
    ids=str,
)
def test_how_it_is_computed_does_not_matter(
    images: Path, whole: dict[str, bytes], tmp_path: Path, changes: dict[str, int]
) -> None:
    build(images, tmp_path / "atlas", **changes)
    assert tree(tmp_path / "atlas") == whole


@pytest.mark.slow
def test_another_seed_gives_another_atlas(
    images: Path, whole: dict[str, bytes], tmp_path: Path
) -> None:
    build(images, tmp_path / "atlas", key=jax.random.key(1))
    other = tree(tmp_path / "atlas")
    for name in ("source.npy", "points.npy", "icons-2.png"):
        assert other[f"conv2/{name}"] != whole[f"conv2/{name}"]


class Killed(BaseException):
    """What the tests interrupt a build with."""


def failing_at(call: int, error: BaseException, function: Callable[..., None]) -> Any:
    """Return the function, to raise the error at its n-th call instead."""
    calls = 0

    def wrapped(*args: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == call:
            raise error
        function(*args)

    return wrapped


def test_an_interruption_anywhere_is_gone_on_from(
    images: Path, whole: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stop before the first write, the second, ...; each time go on and compare."""
    monkeypatch.setattr(samples, "SEGMENT", 10)
    writes = files.write_arrays
    one = {"layers": ("conv2",), "grids": (3,)}
    build(images, tmp_path / "whole", **one)
    whole = tree(tmp_path / "whole")
    for stop in range(1, 100):
        out = tmp_path / f"{stop}" / "atlas"
        monkeypatch.setattr(files, "write_arrays", failing_at(stop, Killed(), writes))
        try:
            build(images, out, **one)
        except Killed:
            assert os.listdir(out.parent) == ["atlas.partial"]
        else:
            break
        monkeypatch.setattr(files, "write_arrays", writes)
        build(images, out, **one)
        assert os.listdir(out.parent) == ["atlas"]
        assert tree(out) == whole
    # 3 segments, the layout, chunks of 4 icons, exemplars, the cells of the atlas; then none.
    cells = len(load(out).maps[0].grids[0].cells)
    assert stop == 3 + 1 + -(-cells // 4) + 1 + 1 + 1


@pytest.mark.slow
def test_a_killed_process_is_gone_on_from(tmp_path: Path, images: Path) -> None:
    script = Path(__file__).with_name("build_script.py")
    # Most of the time is compiling; what is tested does not hang on how well that is done.
    environment = os.environ | {"JAX_PLATFORMS": "cpu", "JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}

    def start(out: Path) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, script, images, out], env=environment)

    assert start(tmp_path / "whole").wait() == 0
    out = tmp_path / "atlas"
    for wanted in ("images-*", "conv1-points*", "conv1-icons*"):
        process = start(out)
        while process.poll() is None and not list(tmp_path.glob(f"atlas.partial/{wanted}")):
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert not out.exists(), "it was killed too late to show anything"
    assert start(out).wait() == 0
    assert tree(out) == tree(tmp_path / "whole")


def test_a_finished_atlas_is_not_built_again(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(images, tmp_path / "atlas")
    before = tree(tmp_path)
    monkeypatch.setattr("jatlas.build._build.collect", failing_at(1, Killed(), lambda: None))
    atlas = build(images, tmp_path / "atlas")
    assert [each.layer for each in atlas.maps] == list(LAYERS)
    assert tree(tmp_path) == before
    with pytest.raises(ValueError, match=r"holds an atlas with other settings \(settings"):
        build(images, tmp_path / "atlas", grids=(2,))
    with pytest.raises(ValueError, match=r"holds an atlas with other settings \(seed"):
        build(images, tmp_path / "atlas", key=jax.random.key(5))


def test_an_unfinished_build_is_not_mixed_with_another(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writes = files.write_arrays
    monkeypatch.setattr(files, "write_arrays", failing_at(2, Killed(), writes))
    with pytest.raises(Killed):
        build(images, tmp_path / "atlas")
    before = tree(tmp_path)
    with pytest.raises(ValueError, match=r"unfinished build with other settings \(settings"):
        build(images, tmp_path / "atlas", config=BuildConfig())
    assert tree(tmp_path) == before


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"layers": ("mixed9z",)}, "has no layer 'mixed9z'; it has: input, conv1"),
        ({"layers": ("logits",)}, "has no positions"),
        ({"layers": ()}, "layers: expected at least one"),
        ({"layers": ("conv1", "conv1")}, "each may be given once"),
        ({"grids": ()}, "grids: expected at least one"),
        ({"grids": (0,)}, "grids: expected at least 1, got 0"),
        ({"grids": (2, 9)}, "78 samples cannot fill 9 x 9 cells.*at most 8"),
        ({"config": BuildConfig(min_count=30)}, "grid: 26 samples cannot fill 3 x 3 cells"),
        ({"batch_size": 0}, "batch_size: expected at least 1"),
        ({"chunk": -1}, "chunk: expected at least 1"),
    ],
)
def test_what_cannot_work_is_said_before_anything_is_done(
    images: Path, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        build(images, tmp_path / "atlas", **changes)
    assert os.listdir(tmp_path) == []


def test_damaged_images_count_when_the_grid_is_checked(tmp_path: Path) -> None:
    folder = make_images(tmp_path / "images")
    for path in sorted(folder.iterdir())[9:]:
        path.write_bytes(b"")
    with pytest.raises(ValueError, match="24 samples cannot fill 5 x 5"):
        build(folder, None, grids=(5,))
    for path in sorted(folder.iterdir())[3:]:
        path.write_bytes(b"")
    with pytest.raises(ValueError, match="needs at least 10 samples, these images give 9"):
        build(folder, None, grids=(1,))
    for path in folder.iterdir():
        path.write_bytes(b"")
    with pytest.raises(ValueError, match=r"no image could be used \(image 0: "):
        build(folder, None)


def test_cells_of_too_few_samples_get_no_icon(images: Path) -> None:
    config = dataclasses.replace(CONFIG, min_count=8)
    (grid,) = build(images, None, grids=(3,), layers=("conv1",), config=config).maps[0].grids
    np.testing.assert_array_equal(grid.cells, np.flatnonzero(grid.count.ravel() >= 8))
    assert 0 < len(grid.icons.images) == len(grid.cells) < np.count_nonzero(grid.count)
    assert grid.count.sum() == 3 * (IMAGES - 1)


def test_arrays_build_an_atlas_too(images: Path) -> None:
    pictures = np.stack([item.image for item in collect.folder(images, size=16).load()
                         if item.image is not None])  # fmt: skip
    atlas = build_arrays(pictures)
    halves = build_arrays(p for p in (pictures[:7], pictures[7:]))
    assert atlas.images[:2] == ("image 0", "image 1")
    np.testing.assert_array_equal(atlas.maps[0].samples.vectors, halves.maps[0].samples.vectors)
    floats = build_arrays(pictures.astype(np.float32) / 255)
    np.testing.assert_allclose(
        floats.maps[0].samples.vectors, atlas.maps[0].samples.vectors, atol=1e-5
    )


def build_arrays(content: Any) -> jatlas.Atlas:
    return jatlas.build(
        tiny_network(), tiny_params(), collect.arrays(content), layers=("conv1",), grids=(2,),
        key=jax.random.key(0), config=CONFIG, progress=False,
    )  # fmt: skip


def test_the_record_says_how_it_was_made(whole: dict[str, bytes], images: Path) -> None:
    info = json.loads(whole["atlas.json"])
    assert info["network"] == "tiny"
    assert info["settings"]["render"]["views"]["size"] == 10
    assert info["settings"]["per_image"] == 3
    assert info["source"]["root"] == str(images.resolve())
    assert {"jatlas", "jax", "umap-learn", "python"} <= info["versions"].keys()
    assert len(info["weights_sha256"]) == 64
