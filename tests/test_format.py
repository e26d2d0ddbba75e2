"""The folder of format jatlas/1, and that saving is whole or not at all."""

import errno
import json
import os
from pathlib import Path

import jax
import numpy as np
import pytest
from faults import failing
from PIL import Image

from jatlas import Atlas
from jatlas.records import Grid, Icons, Info, Map, Samples
from jatlas.storage import files, load, save, top_classes

SIZE, PX, CHANNELS, CLASSES, SAMPLES = 3, 4, 5, 7, 11


def make_atlas(seed: int = 0) -> Atlas:
    rng = np.random.default_rng(seed)
    cells = np.array([0, 4, 8], np.int32)
    count = np.zeros((SIZE, SIZE), np.int32)
    count.ravel()[cells] = [5, 4, 2]
    grid = Grid(
        size=SIZE,
        mean=rng.random((SIZE, SIZE, CHANNELS), np.float32),
        count=count,
        evidence=rng.random((SIZE, SIZE, CLASSES), np.float32),
        cells=cells,
        icons=Icons(
            images=rng.integers(0, 255, (3, PX, PX, 3), np.uint8),
            scores=rng.random(3, np.float32),
            cosines=np.array([0.25, np.nan, -0.5], np.float32),
        ),
    )
    layer = Map(
        layer="mixed4c",
        samples=Samples(
            vectors=rng.random((SAMPLES, CHANNELS), np.float32),
            source=rng.integers(0, 9, (SAMPLES, 3)).astype(np.int32),
            evidence=rng.random((SAMPLES, CLASSES)).astype(np.float16),
            moment=np.eye(CHANNELS, dtype=np.float32),
        ),
        points=rng.random((SAMPLES, 2), np.float32),
        grids=(grid,),
    )
    info = {"network": "net", "seed": [0, 0], "skipped": [["b.jpg", "empty file"]]}
    return Atlas(
        maps=(layer,),
        images=("a.jpg", "dir/ü b.jpg"),
        classes=("tench", "goldfish"),
        info=Info(info),
    )


def assert_equal(a: Atlas, b: Atlas) -> None:
    # The structure holds everything that is no array: names, sizes, settings.
    assert jax.tree.structure(a) == jax.tree.structure(b)
    jax.tree.map(np.testing.assert_array_equal, a, b)


def tree(folder: Path) -> dict[str, bytes]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    made = make_atlas()
    assert_equal(load(save(made, tmp_path / "deep" / "atlas")), made)


def test_the_folder_has_the_files_of_the_format(tmp_path: Path) -> None:
    folder = save(make_atlas(), tmp_path / "atlas")
    assert set(tree(folder)) == {
        "atlas.json",
        "images.txt",
        *(f"mixed4c/{name}.npy" for name in ("vectors", "points", "source", "evidence", "moment")),
        "mixed4c/cells-3.npz",
        "mixed4c/icons-3.png",
        "mixed4c/overview-3.png",
    }
    info = json.loads((folder / "atlas.json").read_text())
    assert info["format"] == "jatlas/1"
    (entry,) = info["maps"]
    assert (entry["kind"], entry["layer"], entry["path"]) == ("layer", "mixed4c", "mixed4c")
    cells = entry["grids"][0]["cells"]
    places = [(cell["row"], cell["col"], cell["count"]) for cell in cells]
    assert places == [(0, 0, 5), (1, 1, 4), (2, 2, 2)]
    assert (folder / "images.txt").read_text() == "a.jpg\ndir/ü b.jpg\n"


def test_a_cell_is_where_the_format_says_in_the_sprite(tmp_path: Path) -> None:
    made = make_atlas()
    folder = save(made, tmp_path / "atlas")
    pixels = np.asarray(Image.open(folder / "mixed4c/icons-3.png"))
    grid = made.maps[0].grids[0]
    for cell, icon in zip(grid.cells, grid.icons.images, strict=True):
        row, column = divmod(int(cell), SIZE)
        y, x = row * PX, column * PX
        np.testing.assert_array_equal(pixels[y : y + PX, x : x + PX], icon)
    assert (pixels[:PX, PX:] == 255).all()


def test_equal_atlases_are_saved_as_equal_bytes(tmp_path: Path) -> None:
    first = tree(save(make_atlas(), tmp_path / "a"))
    assert first == tree(save(make_atlas(), tmp_path / "b"))
    assert first != tree(save(make_atlas(1), tmp_path / "c"))


def test_labels_are_the_classes_with_most_evidence() -> None:
    evidence = np.array([0.5, -1, 2, 0.25, 2], np.float32)
    labels = top_classes(evidence, ("tench", "goldfish", "shark"), count=4)
    assert labels == [
        (2, "shark", 2.0),
        (4, "class 4", 2.0),
        (0, "tench", 0.5),
        (3, "class 3", 0.25),
    ]


def test_an_empty_folder_is_filled_and_permissions_are_ordinary(tmp_path: Path) -> None:
    (tmp_path / "atlas").mkdir()
    folder = save(make_atlas(), tmp_path / "atlas")
    assert folder.stat().st_mode & 0o777 == 0o755
    assert sorted(path.name for path in tmp_path.iterdir()) == ["atlas"]


def test_something_else_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    for overwrite in (False, True):
        with pytest.raises(ValueError, match="holds something else"):
            save(make_atlas(), tmp_path, overwrite=overwrite)
    with pytest.raises(ValueError, match="is a file"):
        save(make_atlas(), tmp_path / "thesis.tex")
    assert tree(tmp_path) == {"thesis.tex": b"years of work"}


def test_an_atlas_is_replaced_only_on_demand(tmp_path: Path) -> None:
    folder = save(make_atlas(), tmp_path / "atlas")
    before = tree(folder)
    with pytest.raises(ValueError, match="holds an atlas already"):
        save(make_atlas(1), folder)
    assert tree(folder) == before
    save(make_atlas(1), folder, overwrite=True)
    assert_equal(load(folder), make_atlas(1))
    assert [path.name for path in tmp_path.iterdir()] == ["atlas"]


@pytest.mark.parametrize("call", ["write_array", "write_arrays", "write_image", "write_json"])
def test_a_failure_on_the_way_leaves_what_was_there(tmp_path: Path, call: str) -> None:
    folder = save(make_atlas(), tmp_path / "atlas")
    before = tree(tmp_path)
    with failing(files, call, OSError(errno.ENOSPC, "No space left on device")):
        with pytest.raises(OSError, match="No space left"):
            save(make_atlas(1), folder, overwrite=True)
        with pytest.raises(OSError, match="No space left"):
            save(make_atlas(1), tmp_path / "other")
    assert tree(tmp_path) == before
    assert os.listdir(tmp_path) == ["atlas"]


def test_what_is_no_atlas_is_not_loaded(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"is no atlas: it has no atlas\.json"):
        load(tmp_path)
    (tmp_path / "atlas.json").write_text("{")
    with pytest.raises(ValueError, match="is damaged"):
        load(tmp_path)
    for text in ('{"format": "jatlas/2"}', "[]", "null"):
        (tmp_path / "atlas.json").write_text(text)
        with pytest.raises(ValueError, match="expected format 'jatlas/1'"):
            load(tmp_path)


@pytest.mark.parametrize(
    "name", ["images.txt", "mixed4c/vectors.npy", "mixed4c/cells-3.npz", "mixed4c/icons-3.png"]
)
@pytest.mark.parametrize("keep", [None, 0, 40])
def test_a_missing_or_cut_file_is_a_damaged_atlas(
    tmp_path: Path, name: str, keep: int | None
) -> None:
    folder = save(make_atlas(), tmp_path / "atlas")
    path = folder / name
    content = path.read_bytes()
    path.unlink()
    if keep is not None and name != "images.txt":
        path.write_bytes(content[:keep])
    with pytest.raises(ValueError, match="is a damaged atlas"):
        load(folder)


def test_pickles_and_paths_that_lead_out_are_refused(tmp_path: Path) -> None:
    folder = save(make_atlas(), tmp_path / "atlas")
    np.save(folder / "mixed4c/points.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match="is a damaged atlas"):
        load(folder)
    info = json.loads((folder / "atlas.json").read_text())
    info["maps"][0]["path"] = "../elsewhere"
    (folder / "atlas.json").write_text(json.dumps(info))
    with pytest.raises(ValueError, match="leads out of the folder"):
        load(folder)
