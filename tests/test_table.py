"""The samples of a map as a table: what holds for every row, and the same by three ways."""

import csv
import dataclasses
import io
import json
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from test_cli import run

import jatlas
from jatlas.arrange import cell_index, nearest_neighbors
from jatlas.records import Atlas, Grid, Hierarchy, Icons, Info, Labels, Map, Names, Samples, Trust
from jatlas.show import _columns, _parquet, _table, to_csv, to_json, to_parquet
from jatlas.storage import save

COUNT, SIZES, PX = 40, (2, 3), 8
IMAGES = tuple(f"secret/{i}.jpg" for i in range(10))
CLASSES = ("cat", 'dog, "hot"', "línea\nnueva")


def make(**changes: Any) -> Atlas:
    """Return an atlas of 40 samples of 10 images, two of which have the same vector."""
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(COUNT, 6)).astype(np.float32)
    vectors[7] = vectors[3]
    evidence = rng.normal(size=(COUNT, len(CLASSES))).astype(np.float16)
    evidence[5] = 0
    source = np.stack([np.arange(COUNT) // 4, np.arange(COUNT) % 5, np.arange(COUNT) % 3], axis=1)
    points = rng.random((COUNT, 2)).astype(np.float32)
    points[:2] = [[0, 0], [1, 1]]
    layer = Map(
        layer="conv",
        samples=Samples(
            vectors=vectors, source=source.astype(np.int32), evidence=evidence,
            moment=np.eye(6, dtype=np.float32),
        ),
        points=points,
        grids=tuple(make_grid(points, evidence, size) for size in SIZES),
    )  # fmt: skip
    index = np.array([0, 1, -1, *[2] * 7], np.int32)
    atlas = Atlas(
        maps=(layer,), images=IMAGES, classes=CLASSES, info=Info(network="tiny"),
        predictions=index[::-1].copy(),
        labels=Labels(index=index, hierarchy=Hierarchy.flat(CLASSES), given=True),
    )  # fmt: skip
    return dataclasses.replace(atlas, **changes)


def make_grid(points: np.ndarray, evidence: np.ndarray, size: int) -> Grid:
    """Return a grid whose first cell has no icon, and that has one exemplar a cell."""
    index = np.asarray(cell_index(points, size=size))
    count = np.bincount(index, minlength=size**2).astype(np.int32)
    cells = np.flatnonzero(count)[1:].astype(np.int32)
    m = len(cells)
    ones = np.ones(m, np.int32)
    return Grid(
        size=size,
        mean=np.zeros((size, size, 6), np.float32),
        count=count.reshape(size, size),
        evidence=np.zeros((size, size, len(CLASSES)), np.float32),
        cells=cells,
        icons=Icons(
            images=np.full((m, PX, PX, 3), 200, np.uint8),
            scores=np.ones(m, np.float32), cosines=np.ones(m, np.float32),
        ),
        exemplars=np.array([[np.flatnonzero(index == cell)[0], -1] for cell in cells], np.int32),
        crops=np.zeros((m, 2, PX, PX, 3), np.uint8),
        names=Names(
            vocabulary=CLASSES, name=np.arange(m, dtype=np.int32) % 3 - 1, shown=ones, images=ones,
            held_out=np.ones(m, np.float32), held_out_images=ones,
        ),
        trust=Trust(pure=np.where(np.arange(m) == 1, np.nan, 0.25).astype(np.float32)),
    )  # fmt: skip


def pyarrow() -> Any:
    return pytest.importorskip("pyarrow.parquet", reason="no pyarrow: Parquet is not tested")


def read(file: Path) -> list[dict[str, Any]]:
    """Read a table back: what CSV leaves empty is None, and all else text."""
    if file.suffix == ".json":
        return json.loads(file.read_text(encoding="utf-8"))
    if file.suffix == ".parquet":
        return pyarrow().read_table(file).to_pylist()
    rows = csv.DictReader(io.StringIO(file.read_text(encoding="utf-8"), newline=""))
    return [{name: value or None for name, value in row.items()} for row in rows]


def write(atlas: Any, file: Path, **options: Any) -> list[dict[str, Any]]:
    if file.suffix == ".parquet":
        pyarrow()
        return read(to_parquet(atlas, file, progress=False, **options))
    return read({".csv": to_csv, ".json": to_json}[file.suffix](atlas, file, **options))


@pytest.mark.parametrize("suffix", [".json", ".parquet"])
@pytest.mark.parametrize("block", [7, 2**16])
def test_every_row_is_its_sample(
    tmp_path: Path, suffix: str, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_table, "_BLOCK", block)
    monkeypatch.setattr(_parquet, "_GROUP", block)
    monkeypatch.setattr(_columns, "_BLOCK", block)
    atlas = make()
    layer = atlas.maps[0]
    rows = write(save(atlas, tmp_path / "atlas"), tmp_path / f"a{suffix}")
    assert [row["sample"] for row in rows] == list(range(COUNT))
    found = [[row[name] for name in ("image", "row", "column")] for row in rows]
    assert found == layer.samples.source.tolist()
    points = np.array([[row["x"], row["y"]] for row in rows], np.float32)
    np.testing.assert_array_equal(points, layer.points)
    assert atlas.labels is not None and atlas.predictions is not None
    names = (*CLASSES, None)  # of which -1 is the last
    assert [row["label"] for row in rows] == [names[atlas.labels.index[r["image"]]] for r in rows]
    assert [row["prediction"] for row in rows] == [
        names[atlas.predictions[r["image"]]] for r in rows
    ]
    best = layer.samples.evidence.argmax(axis=1).tolist()
    expected = [None if i == 5 else CLASSES[each] for i, each in enumerate(best)]
    assert [row["evidence_class"] for row in rows] == expected
    assert rows[5]["evidence"] is None
    assert rows[6]["evidence"] == layer.samples.evidence[6].max()


@pytest.mark.parametrize("suffix", [".json", ".parquet"])
def test_cells_are_those_of_the_points(tmp_path: Path, suffix: str) -> None:
    atlas = make()
    rows = write(atlas, tmp_path / f"a{suffix}")
    points = np.array([[row["x"], row["y"]] for row in rows], np.float32)
    for grid in atlas.maps[0].grids:
        assert grid.names is not None
        prefix, place = f"cell_{grid.size}", {int(cell): i for i, cell in enumerate(grid.cells)}
        cells = np.array([row[prefix] for row in rows])
        np.testing.assert_array_equal(cells, cell_index(points, size=grid.size))
        np.testing.assert_array_equal(
            [row[f"{prefix}_row"] * grid.size + row[f"{prefix}_column"] for row in rows], cells
        )
        np.testing.assert_array_equal(
            np.bincount(cells, minlength=grid.size**2), grid.count.ravel()
        )
        for row in rows:
            i = place.get(row[prefix])
            assert row[f"{prefix}_name"] == (None if i is None else grid.names[i])
            assert row[f"{prefix}_pure"] == (None if i in (None, 1) else 0.25)


def test_csv_says_what_json_says(tmp_path: Path) -> None:
    atlas = make()
    expected = write(atlas, tmp_path / "a.json", paths=True)
    found = write(atlas, tmp_path / "a.csv", paths=True)
    as_text = [{x: None if y is None else str(y) for x, y in row.items()} for row in expected]
    assert found == as_text
    table = write(atlas, tmp_path / "a.parquet", paths=True)
    for one, other in zip(expected, table, strict=True):
        assert {*other} - {*one} == {"neighbors", "picture"}
        assert {x: np.float32(y) if isinstance(y, float) else y for x, y in one.items()} == {
            x: np.float32(other[x]) if isinstance(one[x], float) else other[x] for x in one
        }


@pytest.mark.parametrize("suffix", [".csv", ".json", ".parquet"])
def test_names_of_images_are_there_if_they_are_asked_for(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"a{suffix}"
    write(make(), file)
    assert b"secret" not in file.read_bytes()
    rows = write(make(), file, paths=True)
    assert [row["image_name"] for row in rows] == [IMAGES[int(row["image"])] for row in rows]


def test_neighbors_are_the_nearest_others(tmp_path: Path) -> None:
    atlas = make()
    near = [row["neighbors"] for row in write(atlas, tmp_path / "a.parquet", neighbors=5)]
    distance = {}
    for i, each in enumerate(near):
        assert i not in each["ids"] and len(set(each["ids"])) == 5
        assert each["distances"] == sorted(each["distances"])
        distance |= {(i, j): d for j, d in zip(each["ids"], each["distances"], strict=True)}
    assert near[3]["ids"][0] == 7 and near[7]["ids"][0] == 3  # which have the same vector
    both = [(i, j) for i, j in distance if (j, i) in distance]
    assert len(both) > COUNT
    for pair in both:
        assert distance[pair] == pytest.approx(distance[pair[::-1]], abs=1e-6)
    vectors = atlas.maps[0].samples.vectors
    true = nearest_neighbors(vectors, k=6, progress=False)
    furthest = [each["distances"][-1] for each in near]
    np.testing.assert_allclose(furthest, true.distances[:, -1], atol=1e-6)


@pytest.mark.parametrize("count", [1, 3])
def test_few_samples_have_few_neighbors(count: int) -> None:
    near = _table.other_neighbors(np.zeros((count, 2), np.float32), k=15, progress=False)
    others = [[j for j in range(count) if j != i] for i in range(count)]
    assert [sorted(each) for each in near.indices.tolist()] == others


def test_a_picture_is_the_place_or_else_the_icon(tmp_path: Path) -> None:
    atlas = make()
    rows = write(atlas, tmp_path / "a.parquet")
    grids = atlas.maps[0].grids
    own = {int(grid.exemplars[i, 0]) for grid in grids for i in range(len(grid.cells))}  # type: ignore[index]
    for row in rows:
        picture = row["picture"]
        expected = (0, "place.jpg") if row["sample"] in own else (200, "icon.jpg")
        if picture is None:
            assert row["sample"] not in own and row["cell_3"] not in grids[1].cells
            continue
        pixels = np.asarray(Image.open(io.BytesIO(picture["bytes"])))
        assert (pixels.shape, pixels.mean(), picture["path"]) == ((PX, PX, 3), *expected)
    assert {row["picture"] and row["picture"]["path"] for row in rows} == {
        None, "place.jpg", "icon.jpg",
    }  # fmt: skip


def test_pictures_that_are_alike_are_written_once(tmp_path: Path) -> None:
    write(make(), tmp_path / "a.parquet")
    group = pyarrow().ParquetFile(tmp_path / "a.parquet").metadata.row_group(0)
    found = {group.column(i).path_in_schema: group.column(i) for i in range(group.num_columns)}
    assert "RLE_DICTIONARY" in found["picture.bytes"].encodings
    plain = write(make(), tmp_path / "b.parquet", pictures=False, neighbors=0)
    assert not {"neighbors", "picture"} & plain[0].keys()


def test_a_map_of_a_class_has_the_samples_of_the_layer(tmp_path: Path) -> None:
    layer = make().maps[0]
    rows = np.array([4, 9, 30])
    some = dataclasses.replace(
        layer, kind="class", classes=(1,), rows=rows, samples=layer.samples.take(rows),
        points=layer.points[rows], grids=(),
    )  # fmt: skip
    atlas = make(maps=(layer, some))
    found = write(atlas, tmp_path / "a.json", map="conv-class-1")
    assert [row["sample"] for row in found] == rows.tolist()
    assert len(write(atlas, tmp_path / "a.json")) == COUNT  # of the only layer


def test_what_is_not_known_has_no_column(tmp_path: Path) -> None:
    layer = make().maps[0]
    samples = dataclasses.replace(layer.samples, evidence=np.zeros((COUNT, 0), np.float16))
    grids = tuple(dataclasses.replace(grid, names=None, trust=None) for grid in layer.grids)
    bare = dataclasses.replace(layer, samples=samples, grids=grids)
    rows = write(make(maps=(bare,), predictions=None, labels=None), tmp_path / "a.json")
    cells = [f"cell_{size}{end}" for size in SIZES for end in ("", "_row", "_column")]
    assert list(rows[0]) == ["sample", "image", "row", "column", "x", "y", "y_up", *cells]


def test_what_cannot_be_written_is_said(tmp_path: Path) -> None:
    layer = make().maps[0]
    file = tmp_path / "a.csv"
    two = make(maps=(layer, dataclasses.replace(layer, layer="late")))
    with pytest.raises(ValueError, match=r"^map: expected one of conv, late, got none$"):
        to_csv(two, file)
    with pytest.raises(ValueError, match=r"^map: expected one of conv, got 'no'$"):
        to_json(make(), file, map="no")
    with pytest.raises(ValueError, match=r"^paths: the atlas has no names of images$"):
        to_csv(make(images=()), file, paths=True)
    with pytest.raises(ValueError, match=r"^neighbors: expected at least 0, got -1$"):
        to_parquet(make(), file, neighbors=-1)
    assert not list(tmp_path.iterdir())


def test_parquet_without_pyarrow_says_what_to_install(tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "pyarrow", None)
        patch.setitem(sys.modules, "pyarrow.parquet", None)
        with pytest.raises(ImportError, match=r"needs pyarrow: pip install 'jatlas\[parquet\]'"):
            to_parquet(make(), tmp_path / "a.parquet")
        assert len(write(make(), tmp_path / "a.csv")) == COUNT


def test_a_failed_write_leaves_the_file_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "a.csv"
    file.write_text("before", encoding="utf-8")

    def broken(*_: Any) -> None:
        raise RuntimeError("no more")

    monkeypatch.setattr(_columns, "_unicode", broken)
    with pytest.raises(RuntimeError, match="no more"):
        to_csv(make(), file)
    assert file.read_text(encoding="utf-8") == "before" and list(tmp_path.iterdir()) == [file]


def test_names_that_are_no_unicode_are_escaped(tmp_path: Path) -> None:
    images = ("caf\udce9.jpg", *IMAGES[1:])
    for suffix in (".csv", ".json", ".parquet"):
        rows = write(make(images=images), tmp_path / f"a{suffix}", paths=True)
        assert rows[0]["image_name"] == "caf\\udce9.jpg"


def test_the_command_writes_what_the_suffix_says(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = save(make(), tmp_path / "atlas")
    assert run("export", folder, "--table", tmp_path / "a.csv", "--map", "conv", "--paths") == 0
    assert capsys.readouterr().out == f"{tmp_path / 'a.csv'}\n"
    assert read(tmp_path / "a.csv") == write(jatlas.load(folder), tmp_path / "b.csv", paths=True)
    for words, message in (
        (["--table", "a.xls"], "table: expected a name that ends in .csv, .json, .parquet"),
        (["--map", "conv"], "map: expected only with --overview or --table"),
    ):
        assert run("export", folder, *words) == 2
        assert message in capsys.readouterr().err
    assert not (folder / "index.html").exists()


@pytest.mark.slow
def test_a_large_table_is_never_in_memory_as_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_table, "_BLOCK", 500)
    layer = make().maps[0]
    rows = np.tile(np.arange(COUNT), 250)
    many = dataclasses.replace(
        layer, samples=layer.samples.take(rows), points=layer.points[rows], grids=layer.grids[:1]
    )
    atlas, file = make(maps=(many,)), tmp_path / "a.json"
    to_json(atlas, file)  # what is imported and compiled is not counted
    tracemalloc.start()
    to_json(atlas, file)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < file.stat().st_size / 2
