"""The folder of format jatlas/1, and that saving is whole or not at all."""

import dataclasses
import errno
import json
import os
import re
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from faults import Killed, failing

from jatlas import Atlas
from jatlas.records import Grid, Icons, Info, Map, Samples, top_classes
from jatlas.storage import (
    _format,
    check_output,
    files,
    load,
    save,
    update,
    working_folder,
)

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
            source=rng.integers(0, (2, 9, 9), (SAMPLES, 3)).astype(np.int32),
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


@pytest.mark.slow
def test_an_atlas_on_the_device_is_saved_as_one_in_memory(tmp_path: Path) -> None:
    made = make_atlas()
    for name, atlas in (("host", made), ("device", jax.tree.map(jnp.asarray, made))):
        save(atlas, tmp_path / name)
    assert tree(tmp_path / "host") == tree(tmp_path / "device")


def test_the_folder_has_the_files_of_the_format(tmp_path: Path) -> None:
    folder = save(make_atlas(), tmp_path / "atlas")
    assert set(tree(folder)) == {
        "atlas.json",
        "images.txt",
        *(f"mixed4c/{name}.npy" for name in ("vectors", "points", "source", "evidence", "moment")),
        "mixed4c/cells-3.npz",
        "mixed4c/icons-3.npy",
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


def test_icons_are_in_the_order_of_their_cells(tmp_path: Path) -> None:
    made = make_atlas()
    folder = save(made, tmp_path / "atlas")
    grid = made.maps[0].grids[0]
    icons = np.load(folder / "mixed4c/icons-3.npy")
    np.testing.assert_array_equal(icons, grid.icons.images)


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
    assert top_classes(np.zeros(5, np.float32), ("tench",), count=4) == []


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
    "name", ["images.txt", "mixed4c/vectors.npy", "mixed4c/cells-3.npz", "mixed4c/icons-3.npy"]
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


# What does not fit together


def changed(atlas: Atlas, where: str, value: Any) -> Atlas:
    """Return an atlas with another value at a place of its only map."""
    *way, last = where.split(".")
    (each,) = atlas.maps
    records: list[Any] = [each]
    for name in way:
        record = getattr(records[-1], name)
        records.append(record[0] if isinstance(record, tuple) else record)
    new = dataclasses.replace(records.pop(), **{last: value})
    for name in reversed(way):
        owner = records.pop()
        held = getattr(owner, name)
        new = dataclasses.replace(owner, **{name: (new,) if isinstance(held, tuple) else new})
    return dataclasses.replace(atlas, maps=(new,))


FLOATS, WHOLE = np.float32, np.int32
MISFITS = [
    ("samples.vectors", np.zeros((10, CHANNELS), FLOATS), "source.npy: expected integers of sh"),
    ("samples.vectors", np.zeros((SAMPLES, 4), FLOATS), r"moment.npy: expected .*\(4, 4\), got"),
    ("samples.vectors", np.zeros(SAMPLES, FLOATS), r"vectors.npy: expected floats of shape \(any"),
    ("samples.vectors", np.zeros((SAMPLES, CHANNELS), "V2"), "vectors.npy: expected floats"),
    ("samples.source", np.zeros((SAMPLES, 2), WHOLE), "source.npy"),
    ("samples.source", np.full((SAMPLES, 3), 2, WHOLE), "source.npy: images: expected .* 0 to 1"),
    ("samples.source", np.full((SAMPLES, 3), -1, WHOLE), "source.npy: expected numbers from 0"),
    ("samples.evidence", np.zeros((SAMPLES, 8), np.float16), "cells-3.npz: evidence"),
    ("samples.evidence", np.zeros((SAMPLES, 1), np.float16), "evidence for 2 classes, got 1"),
    ("samples.moment", np.zeros((CHANNELS, 4), FLOATS), "moment.npy"),
    ("points", np.zeros((SAMPLES, 3), FLOATS), "points.npy"),
    ("points", np.full((SAMPLES, 2), np.nan, FLOATS), "points.npy: expected numbers from 0 to 1"),
    ("points", np.full((SAMPLES, 2), 1.5, FLOATS), "points.npy: .* got 1.5 to 1.5"),
    ("grids", (), "mixed4c: expected at least one grid"),
    ("rows", np.arange(SAMPLES), "rows.npy: expected for maps of classes"),
    ("kind", "class", "expected 1 classes of 7 for a map of kind 'class'"),
    ("classes", (3,), "expected 0 classes of 7"),
    ("grids.mean", np.zeros((SIZE, SIZE, 4), FLOATS), "cells-3.npz: mean"),
    ("grids.count", np.ones((SIZE, SIZE), WHOLE), "count: expected 11 samples, got 9"),
    ("grids.count", np.full((SIZE, SIZE), -1, WHOLE), "count: expected numbers from 0"),
    ("grids.count", np.ones(9, WHOLE), "cells-3.npz: count: expected integers of shape"),
    ("grids.count", np.diag([0, 9, 2]).astype(WHOLE), "count: expected samples in each cell"),
    ("grids.evidence", np.zeros((SIZE, SIZE, 6), FLOATS), "cells-3.npz: evidence"),
    ("grids.cells", np.array([0, 8, 4], WHOLE), "cells: expected each once, ascending"),
    ("grids.cells", np.array([0, 4, 4], WHOLE), "cells: expected each once, ascending"),
    ("grids.cells", np.array([0, 4, 9], WHOLE), "cells: expected numbers from 0 to 8, got 0 to 9"),
    ("grids.cells", np.array([0.0, 4, 8]), "cells: expected integers"),
    ("grids.icons.images", np.zeros((2, PX, PX, 3), np.uint8), r"icons: .*\(3, 4, 4, 3\)"),
    ("grids.icons.images", np.zeros((3, PX, PX, 3), FLOATS), "icons: expected bytes"),
    ("grids.icons.images", np.zeros((3, PX, 5, 3), np.uint8), r"icons: .*\(3, 5, 5, 3\)"),
    ("grids.icons.scores", np.zeros(4, FLOATS), "scores"),
    ("grids.icons.cosines", np.zeros((3, 1), FLOATS), "cosines"),
    (
        "grids.exemplars",
        np.full((3, 2), SAMPLES, WHOLE),
        "exemplars: expected numbers from -1 to 10",
    ),
    ("grids.exemplars", np.zeros((4, 2), WHOLE), "exemplars: expected integers of shape"),
    ("grids.crops", np.zeros((2, 2, 4, 4, 3), np.uint8), "crops"),
]


@pytest.mark.parametrize(("where", "value", "message"), MISFITS)
def test_what_does_not_fit_together_is_not_saved(
    tmp_path: Path, where: str, value: Any, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        save(changed(make_atlas(), where, value), tmp_path / "atlas")
    assert os.listdir(tmp_path) == []


def without_sums(folder: Path) -> dict[str, Any]:
    """Leave an atlas as earlier versions wrote it; return what atlas.json says then."""
    info = json.loads((folder / "atlas.json").read_text())
    for entry in (info, *info["maps"]):
        del entry["crc32"]
    (folder / "atlas.json").write_text(json.dumps(info))
    return info


NO_ARRAYS = ("grids", "rows", "kind", "classes", "grids.icons.images", "grids.crops")


@pytest.mark.parametrize(("where", "value"), [x[:2] for x in MISFITS if x[0] not in NO_ARRAYS])
def test_what_does_not_fit_together_is_not_loaded(tmp_path: Path, where: str, value: Any) -> None:
    made = make_atlas()
    folder = save(made, tmp_path / "atlas")
    without_sums(folder)
    new = changed(made, where, value).maps[0]
    names = ("vectors", "source", "evidence", "moment")
    for name, array in [("points", new.points), *((x, getattr(new.samples, x)) for x in names)]:
        np.save(folder / "mixed4c" / f"{name}.npy", array)
    (grid,) = new.grids
    cells = {x: getattr(grid, x) for x in ("mean", "count", "evidence", "cells")}
    cells |= {x: getattr(grid.icons, x) for x in ("scores", "cosines")}
    cells |= {} if grid.exemplars is None else {"exemplars": grid.exemplars}
    np.savez(folder / "mixed4c" / "cells-3.npz", **cells)
    with pytest.raises(ValueError, match=r"is a damaged atlas: .*mixed4c/(\w+\.npy|cells-3\.npz)"):
        load(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda info: info["maps"][0].update(layer=None), "layer"),
        (lambda info: info["maps"][0].update(samples=12), "vectors.npy: expected 12 samples"),
        (lambda info: info["maps"][0].update(kind="new"), "unknown kind of map 'new'"),
        (lambda info: info["maps"][0].update(kind="class", classes=[9]), "rows.npy"),
        (lambda info: info["maps"].append(info["maps"][0]), "maps: expected each name once"),
        (lambda info: info["maps"][0]["grids"][0]["cells"].pop(), "cells are not those that atl"),
        (
            lambda info: info["maps"][0]["grids"][0]["cells"][0].update(count=4),
            "are not those that",
        ),
        (lambda info: info["maps"][0]["grids"][0].update(size=4), "cells-4.npz"),
        (lambda info: info["maps"][0]["grids"][0].update(icon_px=5), "icons-3.npy is damaged: exp"),
        (lambda info: info["maps"][0]["grids"][0].update(icon_px=10**9), "icon_px: expected an in"),
        (lambda info: info["maps"][0].update(crc32={"../x": "0"}), "leads out of the folder"),
        (lambda info: info["maps"][0].update(crc32={"points.npy": 3}), "crc32: expected strings"),
        (lambda info: info["maps"][0].update(crc32={"gone.npy": "0"}), "gone.npy"),
        (lambda info: info.update(crc32=[]), "crc32: expected an object"),
        (lambda info: info.update(network=7), "network: expected a string"),
        (lambda info: info.update(stages={"a": []}), "stages: expected strings"),
        (lambda info: info.update(skipped=[["a.jpg"]]), "skipped: expected"),
        (lambda info: info.update(settings=3), "settings: expected an object"),
        (lambda info: info.update(source={"root": 3}), "root: expected a string"),
        (lambda info: info.update(source={"preprocess": True}), "preprocess: expected an object"),
        (lambda info: info.update(source={"images": 3}), "images.txt: expected 3 names, got 2"),
        (lambda info: info.update(classes=["a"] * 8), "evidence for 8 classes, got 7"),
    ],
)
def test_what_atlas_json_says_is_checked(tmp_path: Path, change: Any, message: str) -> None:
    folder = save(make_atlas(), tmp_path / "atlas")
    info = without_sums(folder)
    assert_equal(load(folder), make_atlas())
    change(info)
    (folder / "atlas.json").write_text(json.dumps(info))
    with pytest.raises(ValueError, match=f"is a damaged atlas: .*{message}"):
        load(folder)


@pytest.mark.parametrize("name", ["a\nb.jpg", "\udcff.jpg"])
def test_names_that_are_not_a_line_are_not_saved(tmp_path: Path, name: str) -> None:
    atlas = dataclasses.replace(make_atlas(), images=("a.jpg", name))
    with pytest.raises(ValueError, match="image 1: expected one line of text as its name"):
        save(atlas, tmp_path / "atlas")
    assert os.listdir(tmp_path) == []


def test_images_txt_is_lines(tmp_path: Path) -> None:
    folder = save(make_atlas(), tmp_path / "atlas")
    without_sums(folder)
    for content in (b"a.jpg\nb.jpg", b"a.jpg\n\xff.jpg\n", b"a.jpg\n", b""):
        (folder / "images.txt").write_bytes(content)
        with pytest.raises(ValueError, match=r"is a damaged atlas: .*(images\.txt|source\.npy)"):
            load(folder)


def with_more(atlas: Atlas) -> Atlas:
    """Return an atlas with one map more."""
    more = dataclasses.replace(atlas.maps[0], layer="mixed5b")
    return dataclasses.replace(atlas, maps=(*atlas.maps, more))


def test_an_atlas_without_checksums_is_extended(tmp_path: Path) -> None:
    folder = save(make_atlas(), tmp_path / "atlas")
    without_sums(folder)
    stored = load(folder)
    update(folder, with_more(stored), stored=stored)
    info = json.loads((folder / "atlas.json").read_text())
    # Those of a map that was not written now would vouch for what may be damaged.
    assert ["crc32" in entry for entry in (info, *info["maps"])] == [True, False, True]
    assert [each.layer for each in load(folder).maps] == ["mixed4c", "mixed5b"]
    again = save(load(folder), tmp_path / "again")
    made = save(with_more(make_atlas()), tmp_path / "made")
    assert tree(again) == tree(made)


def test_checksums_of_what_stays_stay(tmp_path: Path) -> None:
    folder = save(make_atlas(), tmp_path / "atlas")
    stored = load(folder)
    (folder / "mixed4c" / "overview-3.png").write_bytes(b"damaged since")
    update(folder, with_more(stored), stored=stored)
    with pytest.raises(ValueError, match=r"mixed4c/overview-3\.png is damaged"):
        load(folder)


def test_a_damaged_atlas_that_is_replaced_is_none_until_it_is_whole(tmp_path: Path) -> None:
    """What it says of its stages would be taken for what the new maps are."""
    folder = save(make_atlas(), tmp_path / "atlas")
    with failing(_format, "_write_index", Killed()), pytest.raises(Killed):
        update(folder, make_atlas(1), stored=None)
    with pytest.raises(FileNotFoundError, match="is no atlas"):
        load(folder)


# Where it goes


def test_a_folder_may_have_any_name(tmp_path: Path) -> None:
    name = tmp_path / os.fsdecode(b"atl\xe9s \xff")
    folder = save(make_atlas(), name)
    save(make_atlas(1), folder, overwrite=True)
    assert_equal(load(folder), make_atlas(1))
    with working_folder(folder), pytest.raises(ValueError, match="writing"), working_folder(folder):
        pass
    assert os.listdir(os.fsencode(tmp_path)) == [os.fsencode(name.name)]


@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("a file", "place is a file: choose another output folder"),
        ("a pipe", "place is no folder: choose another output folder"),
        ("a link to a file", "place is a file: choose another output folder"),
        ("a link to nowhere", "place is a link to a folder that is not there: remove the link"),
        ("a link to itself", "place is a link to a folder that is not there: remove the link"),
        ("a long name", "x cannot be written: File name too long"),
    ],
)
def test_what_can_be_no_folder_is_said_at_the_start(
    tmp_path: Path, kind: str, message: str, deep: bool
) -> None:
    place = tmp_path / "place"
    match kind:
        case "a file":
            place.touch()
        case "a pipe":
            os.mkfifo(place)
        case "a link to a file":
            (tmp_path / "file").touch()
            place.symlink_to("file")
        case "a link to nowhere":
            place.symlink_to("nowhere")
        case "a link to itself":
            place.symlink_to("place")
        case "a long name":
            place = tmp_path / ("x" * 300)
    before = sorted(tmp_path.iterdir())
    target = place / "below" / "x" if deep else place
    for use in (check_output, lambda path: save(make_atlas(), path)):
        with pytest.raises((ValueError, OSError), match=message) as caught:
            use(target)
        assert len(str(caught.value).splitlines()) == 1
    named = pytest.raises((ValueError, OSError), match=re.escape(str(target)))
    with named, working_folder(target):
        pass
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.EPERM])
def test_a_folder_that_may_not_be_written_to_is_said(tmp_path: Path, number: int) -> None:
    folder = save(make_atlas(), tmp_path / "atlas")
    before = tree(tmp_path)
    denied = OSError(number, os.strerror(number), "some path")
    with failing(os, "mkdir", denied):
        for target in (folder, tmp_path / "new"):
            message = re.escape(f"{target} cannot be written: {os.strerror(number)}")
            with pytest.raises(OSError, match=message):
                save(make_atlas(1), target, overwrite=True)
            with pytest.raises(OSError, match=message), working_folder(target):
                pass
    assert tree(tmp_path) == before


def test_a_damaged_atlas_file_is_said_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "atlas.json").write_text("{")
    with pytest.raises(ValueError, match=r"is damaged: .*choose another output folder, or remove"):
        check_output(tmp_path)


def test_a_full_disk_stays_one(tmp_path: Path) -> None:
    """Commands say more of it, which they tell by its number."""
    with failing(os, "mkdir", OSError(errno.ENOSPC, "No space left on device")):
        with pytest.raises(OSError, match="No space left") as caught:
            save(make_atlas(1), tmp_path / "atlas")
        assert caught.value.errno == errno.ENOSPC


def test_a_mount_is_filled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mount cannot be renamed."""
    folder = save(make_atlas(), tmp_path / "atlas")
    monkeypatch.setattr(os.path, "ismount", lambda path: Path(path) == folder)
    inode = folder.stat().st_ino
    save(make_atlas(1), folder, overwrite=True)
    assert_equal(load(folder), make_atlas(1))
    assert folder.stat().st_ino == inode and os.listdir(tmp_path) == ["atlas"]


def test_an_atlas_that_was_moved_away_is_told(tmp_path: Path) -> None:
    folder = save(make_atlas(), tmp_path / "atlas")
    folder.rename(tmp_path / ".atlas-old-01234567")
    with pytest.raises(FileNotFoundError, match=r"interrupted save left .*\.atlas-old-01234567"):
        load(folder)
    with pytest.raises(ValueError, match="holds an atlas already"):
        save(make_atlas(1), folder)
    assert_equal(load(folder), make_atlas())


def test_layers_of_other_images_do_not_fit_together(tmp_path: Path) -> None:
    atlas = make_atlas()
    layer = atlas.maps[0]
    source = layer.samples.source.copy()
    source[0, 0] += 1
    samples = dataclasses.replace(layer.samples, source=source)
    other = dataclasses.replace(layer, layer="other", samples=samples)
    with pytest.raises(ValueError, match=r"^other/source\.npy: expected samples of the same"):
        save(dataclasses.replace(atlas, maps=(layer, other)), tmp_path / "atlas")
