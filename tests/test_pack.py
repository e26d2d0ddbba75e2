"""What a page knows of samples, images, cells and a user's own values; several atlases at once."""

import base64
import dataclasses
import itertools
import json
import random
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import viewer_atlas
from viewer_atlas import CLASSES

from jatlas.cli import main
from jatlas.records import Atlas, Hierarchy, Labels, Map, Names
from jatlas.show import PackConfig, pack, widget
from jatlas.storage import load, save

HIERARCHY = Hierarchy(
    (*CLASSES, "cat", "thing"),
    (*[(len(CLASSES),)] * 2, *[(len(CLASSES) + 1,)] * 7, (len(CLASSES) + 1,), ()),
    classes=len(CLASSES),
)


def linked_atlas(folder: Path) -> Atlas:
    """An atlas of two layers with sources, of which some are equal, and a class map."""
    rng = np.random.default_rng(7)
    atlas = load(viewer_atlas.make(folder, sizes=(4, 8)))
    count = len(atlas.maps[0].samples)
    image = np.sort(rng.integers(0, 600, count))
    layers = []
    for side, layer in zip((14, 2), atlas.maps, strict=True):
        source = np.column_stack([image, *rng.integers(0, side, (2, count))]).astype(np.int32)
        samples = dataclasses.replace(layer.samples, source=source)
        grids = tuple(
            dataclasses.replace(grid, mean=rng.normal(size=(grid.size, grid.size, 6)).astype("f4"))
            for grid in layer.grids
        )
        samples = dataclasses.replace(
            samples, vectors=np.zeros((count, 6), np.float32), moment=np.eye(6, dtype=np.float32)
        )
        layers.append(dataclasses.replace(layer, samples=samples, grids=grids))
    rows = np.sort(rng.choice(count, 300, replace=False))
    return dataclasses.replace(
        atlas,
        maps=(*layers, class_map(layers[1], rows)),
        predictions=rng.integers(-1, len(CLASSES), 600).astype(np.int32),
    )


def class_map(layer: Map, rows: np.ndarray) -> Map:
    evidence = np.asarray(layer.samples.evidence, np.float32)[rows]
    points = np.asarray(layer.points)[rows]
    grid = viewer_atlas._grid(points, evidence, 4, viewer_atlas.PX, False)
    grid = dataclasses.replace(grid, mean=np.ones((4, 4, 6), np.float32))
    samples = layer.samples.take(rows)
    return dataclasses.replace(
        layer, samples=samples, points=points, grids=(grid,), kind="class", classes=(1,), rows=rows
    )


@pytest.fixture(scope="module")
def atlas(tmp_path_factory: pytest.TempPathFactory) -> Atlas:
    return linked_atlas(tmp_path_factory.mktemp("made") / "atlas")


@pytest.fixture(scope="module")
def folder(atlas: Atlas, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(atlas, tmp_path_factory.mktemp("saved") / "linked")


@pytest.fixture
def unsigned(folder: Path, tmp_path: Path) -> Path:
    """A copy without checksums, to be changed."""
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))

    def drop(info: dict[str, Any]) -> None:
        for entry in (info, *info["maps"]):
            del entry["crc32"]

    viewer_atlas.edit(copy, drop)
    return copy


def read(folder: Path, *others: Path, **settings: Any) -> dict[str, Any]:
    """Return the parts in JSON, with columns as arrays."""
    parts = pack(folder, others=others, config=PackConfig(**settings))
    return {part.name: plain(json.loads(part.data)) for part in parts if part.kind == "json"}


def plain(value: Any) -> Any:
    if isinstance(value, dict) and value.keys() == {"type", "data"}:
        return np.frombuffer(base64.b64decode(value["data"]), f"<{value['type']}")
    if isinstance(value, dict):
        return {name: plain(each) for name, each in value.items()}
    return value


def ids(parts: dict[str, Any], number: int) -> np.ndarray:
    """Return the ids of the samples of a map, as the viewer does."""
    samples = parts[f"m{number}-samples"]
    count = len(base64.b64decode(samples["xy"])) // 4
    return samples.get("id", np.arange(count) * parts["atlas"]["maps"][number]["stride"])


def places(parts: dict[str, Any], number: int) -> dict[int, tuple[int, ...]]:
    """Return image, row and column by the id of a sample."""
    source = parts[f"m{number}-source"]
    columns = [source[name].tolist() for name in ("image", "row", "column")]
    return dict(zip(ids(parts, number).tolist(), zip(*columns, strict=True), strict=True))


@pytest.mark.parametrize("most", [10_000, 500, 40])
def test_a_sample_has_the_same_id_on_every_map(atlas: Atlas, folder: Path, most: int) -> None:
    parts = read(folder, samples=most)
    maps = parts["atlas"]["maps"]
    stride = -(-1200 // most)
    assert [(each["places"], each["stride"]) for each in maps] == [("a0", stride)] * 3
    found = [places(parts, number) for number in range(3)]
    for each, layer in zip(found, (*atlas.maps[:2], atlas.maps[1]), strict=True):
        for row, place in each.items():
            assert place == tuple(layer.samples.source[row].tolist())
    assert list(found[0]) == list(found[1]) == list(range(0, 1200, stride))
    rows = atlas.maps[2].rows
    assert rows is not None and list(found[2]) == [x for x in rows.tolist() if x % stride == 0]
    assert "id" not in parts["m0-samples"] and "id" in parts["m2-samples"]


def test_without_rows_samples_are_found_by_their_source(atlas: Atlas, unsigned: Path) -> None:
    (unsigned / atlas.maps[2].path / "rows.npy").unlink()
    parts = read(unsigned)
    source = [tuple(x) for x in atlas.maps[1].samples.source.tolist()]
    assert len(set(source)) < len(source)
    for row, place in places(parts, 2).items():
        assert source.index(place) == row
    assert len(ids(parts, 2)) == 300


def test_what_cannot_be_compared_is_not_linked(atlas: Atlas, unsigned: Path) -> None:
    whole = read(unsigned)
    viewer_atlas.edit(unsigned, lambda info: info["maps"].pop(1))
    parts = read(unsigned)
    assert [each["places"] for each in parts["atlas"]["maps"]] == ["a0", None]
    assert "id" not in parts["m1-samples"]
    assert parts["m1-samples"]["xy"] == whole["m2-samples"]["xy"]
    (unsigned / "mixed4c" / "source.npy").unlink()
    first = read(unsigned)["atlas"]["maps"][0]
    assert (first["places"], first["source"]) == (None, False)


def test_layers_of_other_images_are_not_linked(unsigned: Path) -> None:
    file = unsigned / "mixed4d" / "source.npy"
    np.save(file, np.load(file)[::-1])
    np.save(unsigned / "mixed4d-class-1" / "source.npy", np.load(file)[:300])
    np.save(unsigned / "mixed4d-class-1" / "rows.npy", np.arange(300))
    assert [each["places"] for each in read(unsigned)["atlas"]["maps"]] == ["a0", "a1", "a1"]


@pytest.mark.parametrize("name", ["source", "rows"])
def test_sources_and_rows_that_do_not_fit_are_refused(unsigned: Path, name: str) -> None:
    file = unsigned / "mixed4d-class-1" / f"{name}.npy"
    table = np.load(file)
    for wrong in (table[:-1], table + 10_000, table.astype(float), table - 10_000, np.int32(3)):
        np.save(file, wrong)
        with pytest.raises(ValueError, match=r"(source|rows)\.npy: expected"):
            read(unsigned)
    np.save(file, table[::-1])
    with pytest.raises(ValueError, match=r"rows\.npy: expected the rows of its samples"):
        read(unsigned)


def test_predictions_are_classes_and_labels_have_their_own_names(
    atlas: Atlas, folder: Path, tmp_path: Path
) -> None:
    parts = read(folder)
    assert parts["atlas"]["labels"] == {"label": False, "prediction": True}
    assert (parts["labels"]["prediction"] == atlas.predictions).all()
    index = np.arange(600).astype(np.int32) % 3 - 1
    for names, own in ((("a", "b"), ["a", "b"]), (CLASSES, None)):
        labels = Labels(index=index, hierarchy=Hierarchy.flat(names), given=True)
        labelled = dataclasses.replace(atlas, labels=labels, predictions=None)
        parts = read(save(labelled, tmp_path / names[0]))
        assert (parts["labels"]["label"] == index).all() and "prediction" not in parts["labels"]
        assert parts["atlas"]["labels"].get("vocabulary") == own
        assert "groups" not in parts["atlas"]


def test_groups_are_those_that_say_something(atlas: Atlas, tmp_path: Path) -> None:
    for index, named, expected in (([0, 1], False, 1), ([0, 0], False, 0), ([0, 0], True, 1)):
        labels = Labels(index=np.resize(index, 600).astype(np.int32), hierarchy=HIERARCHY)
        changed = dataclasses.replace(atlas, labels=labels, predictions=labels.index)
        if named:
            changed = name_cells(changed, "cat")
        parts = read(save(changed, tmp_path / f"{index}-{named}"))
        assert parts["atlas"].get("groups", 0) == expected
        if expected:  # "thing" is more than half of the classes
            groups = parts["groups"]
            assert groups["name"] == ["cat"] and groups["count"].tolist() == [2]
            assert groups["classes"].tolist() == [0, 1]


def name_cells(atlas: Atlas, name: str) -> Atlas:
    first, *rest = atlas.maps
    grid = first.grids[0]
    zero = np.zeros(len(grid.cells), np.int32)
    names = Names(
        vocabulary=(name,), name=zero, shown=zero, images=zero,
        held_out=zero.astype(np.float32), held_out_images=zero,
    )  # fmt: skip
    grids = (dataclasses.replace(grid, names=names), *first.grids[1:])
    return dataclasses.replace(atlas, maps=(dataclasses.replace(first, grids=grids), *rest))


def test_products_of_vectors_are_cosines_of_cells_of_any_grid(atlas: Atlas, folder: Path) -> None:
    parts = read(folder)
    layer = atlas.maps[0]
    means = np.concatenate([grid.cell_means for grid in layer.grids]).astype(float)
    counts = np.concatenate([grid.count.ravel()[grid.cells] for grid in layer.grids])
    off = means - counts @ means / counts.sum()
    off /= np.linalg.norm(off, axis=1, keepdims=True)
    described = parts["atlas"]["maps"][0]["grids"]
    assert [grid["vectors"] for grid in described] == [6, 6]
    vectors = [parts[f"m0-g{grid['size']}-v"]["vectors"].reshape(-1, 6) for grid in described]
    found = np.concatenate(vectors).astype(float) / 127
    np.testing.assert_allclose(found @ found.T, off @ off.T, atol=0.02)
    # The cells of the class map are all the same.
    assert "vectors" not in parts["atlas"]["maps"][2]["grids"][0]


def table(folder: Path, text: str, *, name: str = "mine.csv") -> str:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_columns_of_images_are_found_by_name_or_number(folder: Path, tmp_path: Path) -> None:
    names = read(folder, paths=True)["atlas"]["images"]
    second = names[2].replace('"', '""')
    text = f'\ufeffsize,image,kind\r\n 3,7,"b, or c"\r\n\r\n,"{second}",\r\n2.5,599,a \r\n'
    parts = read(folder, columns=[table(tmp_path, text)])
    size, kind = parts["atlas"]["columns"]
    assert size == {"name": "size", "of": "image", "kind": "number", "low": 2.5, "high": 3.0}
    assert (kind["kind"], kind["vocabulary"]) == ("category", ["a", "b, or c"])
    values, categories = parts["c0"]["values"], parts["c1"]["values"]
    assert len(values) == len(categories) == 600
    assert {i: x for i, x in enumerate(values.tolist()) if x == x} == {7: 3, 599: 2.5}
    assert {i: x for i, x in enumerate(categories.tolist()) if x != -1} == {7: 1, 599: 0}


def test_columns_of_samples_are_thinned_as_samples_are(folder: Path, tmp_path: Path) -> None:
    rows = "".join(f"{i},{i * i}\n" for i in reversed(range(1200)))
    parts = read(folder, columns=[table(tmp_path, "sample,square\n" + rows)], samples=500)
    assert (
        parts["atlas"]["columns"][0] | {"low": 0, "high": 1199**2, "places": "a0"}
        == (parts["atlas"]["columns"][0])
    )
    for number in range(3):  # of id i it is value i / stride
        found = parts["c0"]["values"][ids(parts, number) // 3]
        assert (found == ids(parts, number).astype(float) ** 2).all()


def test_columns_of_cells_are_in_the_order_of_the_cells(
    atlas: Atlas, folder: Path, tmp_path: Path
) -> None:
    lines, expected = ["map,grid,row,column,v"], {}
    for number, each in ((0, atlas.maps[0]), (2, atlas.maps[2])):
        for grid in each.grids:
            expected[f"m{number}-g{grid.size}"] = grid.cells.tolist()
            lines += [
                f"{each.path},{grid.size},{x // grid.size},{x % grid.size},{x}" for x in grid.cells
            ]
    random.Random(0).shuffle(lines[1:])
    parts = read(folder, columns=[table(tmp_path, "\n".join(lines))])
    assert {name: values.tolist() for name, values in parts["c0"].items()} == expected
    assert parts["atlas"]["columns"][0]["maps"] == [0, 2]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected a header"),
        ("image,v\n", "expected rows"),
        ("image\n1\n", "expected a column of values beside image"),
        ("picture,v\n1,2\n", "expected a header with image, or sample"),
        ("image,sample,v\n1,2,3\n", "expected a header with image, or sample"),
        ("map,grid,row,v\nmixed4c,4,1,1\n", "expected a header with image, or sample"),
        ("image,v,v\n1,2,3\n", "a name for each column"),
        ("image,v,\n1,2,3\n", "a name for each column"),
        ("image,v\n1,2,3\n", "line 2: expected 2 columns"),
        ("image,v\n1,2\n600,3\n", "line 3: image: expected a number below 600, got '600'"),
        ("image,v\n-1,3\n", "line 2: image: expected the name of an image, such as"),
        ("image,v\n1,3\n\n1,4\n", "line 4: image: expected each image once, '1' is in line 2 too"),
        ("image,v\n1,\n", "v: expected values, got none"),
        ("image,v\n1,inf\n", "line 2: v: expected a finite number, got 'inf'"),
        ("image,v\n1,1e39\n", "line 2: v: expected a finite number"),
        (f"image,v\n1,{'x' * 201}\n", "line 2: v: expected at most 200 letters"),
        ('image,v\n1,"2\n', "after line 2: expected CSV in UTF-8"),
        ("sample,v\n1200,1\n", "line 2: sample: expected a number below 1200"),
        ("sample,v\nx,1\n", "line 2: sample: expected a number below 1200, got 'x'"),
        ("map,grid,row,column,v\nmixed9,4,1,1,1\n", "line 2: map: expected one of mixed4c, mixe"),
        ("map,grid,row,column,v\nmixed4c,5,1,1,1\n", "line 2: grid: expected one of 4, 8, got 5"),
        ("map,grid,row,column,v\nmixed4c,4,4,1,1\n", "line 2: row: expected a number below 4"),
        ("map,grid,row,column,v\nmixed4c,8,0,0,1\n", r"line 2: row, column: .* \(0, 0\)"),
        (
            "image,v\n" + "".join(f"{i},{'oops' if i == 3 else f'n{i}'}\n" for i in range(300)),
            "line 2: v: expected numbers, or at most 256 different texts, got 300, such as 'n0'",
        ),
    ],
)  # fmt: skip
def test_a_wrong_table_is_refused(folder: Path, tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=rf"mine\.csv[,:] (.*{message})"):
        read(folder, columns=[table(tmp_path, text)])


def test_changed_tables_are_read_or_refused_in_words(folder: Path, tmp_path: Path) -> None:
    draw = random.Random(5)
    good = b"image,v,w\n" + b"".join(b"%d,%d.5,a%d\n" % (i, i, i % 3) for i in range(9))
    file, read_fine, refused = tmp_path / "mine.csv", 0, 0
    for _ in range(40):
        data = bytearray(good)
        for _ in range(draw.randint(1, 3)):
            place = draw.randrange(len(data))
            data[place : place + draw.randint(0, 2)] = draw.choice(
                (b"", b"\x00", b"\xff", b'"', b",", b"\n", b"\r", b"9" * 20, b"nan", b"-", b"1")
            )
        file.write_bytes(data)
        try:
            columns = read(folder, columns=[file])["atlas"]["columns"]
            read_fine += all(column["low"] <= column["high"] for column in columns)
        except ValueError as error:
            refused += 1
            assert str(error).startswith(str(file)) and "damaged atlas" not in str(error)
            assert "\n" not in str(error) and "expected" in str(error)
    assert read_fine >= 5 and refused >= 10 and read_fine + refused == 40


def test_a_column_is_there_once_and_its_file_exists(folder: Path, tmp_path: Path) -> None:
    file = table(tmp_path, "image,v\n1,2\n")
    with pytest.raises(ValueError, match="expected each column once, got 'v' again"):
        read(folder, columns=[file, file])
    with pytest.raises(FileNotFoundError):
        read(folder, columns=[tmp_path / "nothing.csv"])


def test_a_parquet_file_is_read_as_csv_is(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    file = tmp_path / "mine.parquet"
    columns = {"image": [4, 0], "v": [0.5, None], "w": [None, "x"]}
    parquet.write_table(arrow.table(columns), file)
    written = table(tmp_path, "image,v,w\n4,0.5,\n0,,x\n")
    one, other = (list(pack(folder, config=PackConfig(columns=(x,)))) for x in (file, written))
    assert one == other
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ValueError, match=r"mine\.parquet: reading Parquet needs pyarrow"):
        read(folder, columns=[file])
    monkeypatch.undo()
    file.write_bytes(b"PAR1 nothing")
    with pytest.raises(ValueError, match=r"mine\.parquet: expected a Parquet file"):
        read(folder, columns=[file])


def test_maps_of_two_atlases_have_other_names_and_the_same_content(
    atlas: Atlas, folder: Path, tmp_path: Path
) -> None:
    renamed = dataclasses.replace(atlas, classes=tuple(f"other {x}" for x in range(len(CLASSES))))
    other = save(renamed, tmp_path / "later")
    parts, alone = read(folder, other), read(other)
    maps = parts["atlas"]["maps"]
    assert [each["id"] for each in maps[3:]] == ["b:mixed4c", "b:mixed4d", "b:mixed4d-class-1"]
    assert maps[3]["title"] == "mixed4c (later)" and maps[3]["atlas"] == 1
    assert parts["atlas"]["classes"] == [*CLASSES, *renamed.classes]
    assert [each["places"] for each in maps] == ["a0"] * 6
    assert maps[3]["grids"][0]["evidence"]["first"] == len(CLASSES)
    assert parts["atlas"]["others"][0]["same_images"]
    for name, part in alone.items():
        if not name.startswith("m"):
            continue
        twin = parts[f"m{int(name[1]) + 3}{name[2:]}"]
        shifted = {"labels", "against"} & part.keys()
        for column, values in part.items():
            np.testing.assert_array_equal(
                twin[column], values + len(CLASSES) if column in shifted else values
            )
    shift = np.where(alone["labels"]["prediction"] < 0, 0, len(CLASSES))
    expected = alone["labels"]["prediction"] + shift
    assert (parts["b-labels"]["prediction"] == expected).all()


def test_the_same_classes_are_there_once_and_other_images_are_not_linked(
    atlas: Atlas, folder: Path, tmp_path: Path
) -> None:
    images = tuple(f"{x}.jpg" for x in range(600))
    other = save(dataclasses.replace(atlas, images=images), tmp_path / "other")
    parts = read(folder, other, titles=["the other"], paths=True)
    assert parts["atlas"]["classes"] == list(CLASSES)
    assert [each["places"] for each in parts["atlas"]["maps"]] == ["a0"] * 3 + ["a1"] * 3
    about = parts["atlas"]["others"][0]
    assert (about["title"], about["same_images"], about["images"]) == (
        "the other", False, list(images),
    )  # fmt: skip
    assert "first" not in parts["atlas"]["maps"][3]["grids"][0]["evidence"]
    with pytest.raises(ValueError, match="titles: expected at most 0"):
        read(folder, titles=["one"])
    with pytest.raises(ValueError, match="others: expected at most 25, got 26"):
        read(folder, *itertools.repeat(other, 26))


def test_the_command_takes_columns_and_other_atlases(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = table(tmp_path, "image,v\n1,2\n")
    site = tmp_path / "site"
    arguments = ["--column", file, "--with", str(folder), "--title", "B", "--site", str(site)]
    assert main(["export", str(folder), *arguments]) == 0
    assert capsys.readouterr().out.split() == [str(site / "index.html")]
    written = (site / "viewer" / "data" / "atlas.js").read_text(encoding="utf-8")
    assert '"mixed4c (B)"' in written and '"columns":[{"name":"v"' in written
    assert (site / "viewer" / "data" / "c0.js").exists()


def test_a_frame_shows_several_atlases_and_columns(
    atlas: Atlas, folder: Path, tmp_path: Path
) -> None:
    config = PackConfig(columns=(table(tmp_path, "image,v\n1,2\n"),), titles=("B",))
    page = widget(folder, static=True, others=(atlas,), config=config)._repr_html_()
    assert "mixed4c (B)" in page and "data-jatlas=&quot;c0&quot;" in page
