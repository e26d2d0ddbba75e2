"""The files of a page: what they hold, what they must not hold, and whole or not at all."""

import base64
import dataclasses
import html
import json
import re
import shutil
import subprocess
import tracemalloc
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import viewer_atlas
from PIL import Image
from viewer_atlas import CLASSES, HOSTILE, PX, SECRET

from jatlas.arrange import cell_index
from jatlas.show import PackConfig, export, export_folder, export_html, has_page, pack, widget
from jatlas.show import _tiles as tiles
from jatlas.show._encode import embeddable, packed
from jatlas.show._export import ASSETS
from jatlas.storage import files, load, read_names, save


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = viewer_atlas.make(tmp_path_factory.mktemp("atlas") / "atlas")
    viewer_atlas.add_exemplars(path, layer="mixed4c", size=8)
    return path


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "copy"))


@pytest.fixture
def unsigned(copy: Path) -> Path:
    """The atlas without checksums, as another tool that changes its files leaves it."""

    def drop(info: dict[str, Any]) -> None:
        for entry in (info, *info["maps"]):
            del entry["crc32"]

    viewer_atlas.edit(copy, drop)
    return copy


def read(folder: Path, *, config: PackConfig | None = None) -> dict[str, Any]:
    parts = {part.name: part for part in pack(folder, config=config)}
    return {n: _parsed(p.data) if p.kind == "json" else p.data for n, p in parts.items()}


def _parsed(data: bytes) -> dict[str, Any]:
    """Read JSON, with columns of numbers as lists."""
    values = json.loads(data)
    for name, value in values.items():
        if isinstance(value, dict) and value.keys() == {"type", "data"}:
            column = np.frombuffer(base64.b64decode(value["data"]), f"<{value['type']}")
            values[name] = column.tolist()
    return values


def test_the_cells_of_a_page_are_those_of_the_atlas(folder: Path) -> None:
    parts, atlas = read(folder), load(folder)
    for number, atlas_map in enumerate(atlas.maps):
        for grid in atlas_map.grids:
            columns = parts[f"m{number}-g{grid.size}"]
            assert columns["cell"] == grid.cells.tolist()
            assert columns["count"] == grid.count.ravel()[grid.cells].tolist()
            evidence = grid.evidence.reshape(-1, len(CLASSES))[grid.cells]
            labels = np.reshape(columns["labels"], (-1, columns["per"]))
            assert (labels[:, 0] == evidence.argmax(1)).all()
            values = np.take_along_axis(evidence, labels, 1)
            np.testing.assert_allclose(np.ravel(columns["values"]), values.ravel(), rtol=1e-3)
            lowest = np.reshape(columns["against"], (-1, 3))
            assert (lowest[:, 0] == evidence.argmin(1)).all()


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([0, 255], "u1"),
        ([-1, 127], "i1"),
        ([0, 256], "u2"),
        ([-1, 128], "i2"),
        ([0, 70_000], "u4"),
        ([-1, 70_000], "i4"),
        ([0, 2**40], "f8"),
        ([0.5, -0.25], "f4"),
        ([], "f4"),
    ],
)
def test_columns_are_arrays_of_the_smallest_type(values: list[float], kind: str) -> None:
    column = packed(values)
    assert column["type"] == kind
    assert np.frombuffer(base64.b64decode(column["data"]), f"<{kind}").tolist() == values


def test_columns_hold_what_single_precision_can() -> None:
    column = packed([None, 1e300, -1e300])
    array = np.frombuffer(base64.b64decode(column["data"]), "<f4")
    assert np.isnan(array[0]) and np.isfinite(array[1:]).all() and array[1] > 1e38 > array[2]


def test_evidence_is_exact_to_a_part_in_250_of_the_maximum(folder: Path) -> None:
    parts, grid = read(folder), load(folder).maps[0].grids[1]
    expected = grid.evidence.reshape(-1, len(CLASSES))[grid.cells]
    part = parts["m0-g8-e0"]
    raw = np.frombuffer(base64.b64decode(part["values"]), np.int8)
    actual = raw.reshape(len(CLASSES), -1).T / 127 * np.array(part["scale"])
    assert np.abs(actual - expected).max() <= np.abs(expected).max() / 250


def test_evidence_beyond_the_maximum_is_left_out(folder: Path) -> None:
    maximum = len(load(folder).maps[0].grids[0].cells) * len(CLASSES)
    grids = read(folder, config=PackConfig(evidence=maximum))["atlas"]["maps"][0]["grids"]
    assert ["evidence" in grid for grid in grids] == [True, False, False]


def test_samples_fall_into_the_cells_that_count_them(folder: Path) -> None:
    parts, layer = read(folder), load(folder).maps[1]
    xy = np.frombuffer(base64.b64decode(parts["m1-samples"]["xy"]), "<u2").reshape(-1, 2)
    for grid in layer.grids:
        index = cell_index((xy + 0.5) / 65536, size=grid.size)
        counted = np.bincount(np.asarray(index), minlength=grid.size**2)
        assert np.abs(counted - grid.count.ravel()).sum() <= 4  # of 1200: those on an edge
    fewer = read(folder, config=PackConfig(samples=500))
    assert fewer["atlas"]["maps"][1]["stride"] == 3
    assert len(base64.b64decode(fewer["m1-samples"]["xy"])) == 400 * 4


def test_tiles_hold_every_icon_in_its_place() -> None:
    size = 90  # more than two tiles of 40 icons of 16 px
    cells = np.arange(0, size * size, 7)
    colours = np.stack([cells // size, cells % size, np.full_like(cells, 90)], axis=1)
    icons = np.broadcast_to(colours.astype(np.uint8)[:, None, None], (len(cells), PX, PX, 3))
    shape = tiles.levels(size, PX)
    assert shape == (40, (16, 8))
    data = {tile[:3]: tile.data for tile in tiles.cut(icons, cells, size=size)}
    assert sorted({key[0] for key in data}) == [0, 1]
    for level, px in enumerate(shape.icon_px):
        step = shape.cells << level
        for cell in cells[::5].tolist():
            row, column = divmod(cell, size)
            picture = Image.open(BytesIO(data[level, column // step, row // step]))
            place = ((column % step) * px + px // 2, (row % step) * px + px // 2)
            assert np.abs(np.subtract(picture.getpixel(place), (row, column, 90))).max() <= 16


def test_an_area_without_cells_has_no_tile() -> None:
    icons = np.zeros((2, PX, PX, 3), np.uint8)
    cut = tiles.cut(icons, np.array([0, 89]), size=90)
    assert sorted(tile[:3] for tile in cut) == [(0, 0, 0), (0, 2, 0), (1, 0, 0), (1, 1, 0)]


def test_a_thumbnail_is_transparent_where_there_is_no_cell(folder: Path) -> None:
    alpha = np.asarray(Image.open(BytesIO(read(folder)["m0-thumb"])))[..., 3]
    side = alpha.shape[0] // 16
    count = load(folder).maps[0].grids[2].count
    assert ((alpha[::side, ::side] > 0) == (count > 0)).all()


def test_exemplars_are_cut_cell_by_cell(folder: Path) -> None:
    parts = read(folder)
    picture = np.asarray(Image.open(BytesIO(parts["m0-g8-x1"])))  # cells 32 to 63
    assert picture.shape[1] == 3 * 8
    assert np.abs(picture[2 * 8 + 4, 8 + 4].astype(int) - (34, 60, 200)).max() < 12
    assert "exemplars" not in parts["m0-g8"]
    named = read(folder, config=PackConfig(paths=True))
    assert named["m0-g8"]["exemplars"][5] == [5, 6, 7]


def test_an_export_tells_nothing_about_the_machine_it_was_made_on(
    folder: Path, tmp_path: Path
) -> None:
    page = export_folder(folder, out=tmp_path / "site")
    one = export_html(folder, tmp_path / "one.html")
    written = [*(path for path in page.parent.rglob("*") if path.is_file()), one]
    assert len(written) > 20
    for path in written:
        data = path.read_bytes()
        for secret in (SECRET, "holiday", str(tmp_path), str(folder)):
            assert secret.encode() not in data, path
    named = tmp_path / "named.html"
    export_html(folder, named, config=PackConfig(paths=True))
    assert b"holiday" in named.read_bytes()


class _Page(HTMLParser):
    """The elements of a page, as a browser parses it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.data: dict[str, str] = {}
        self._into: str | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._into = dict(attrs).get("data-jatlas") if tag == "script" else None

    def handle_data(self, data: str) -> None:
        if self._into:
            self.data[self._into] = self.data.get(self._into, "") + data


def test_text_of_the_atlas_ends_no_element(folder: Path, tmp_path: Path) -> None:
    file = export_html(folder, tmp_path / "one.html")
    page = _Page(file.read_text(encoding="utf-8"))
    assert not [tag for tag, _ in page.tags if tag in ("img", "iframe", "object")]
    assert len([1 for tag, _ in page.tags if tag == "script"]) == len(page.data) + 1
    assert json.loads(page.data["atlas"])["classes"] == list(CLASSES)


@pytest.mark.parametrize("text", [*HOSTILE, "\ud800", "<!--", "]]>"])
def test_json_is_safe_in_a_script_and_round_trips(text: str) -> None:
    written = embeddable({"name": text})
    written.encode()
    assert not re.search("[<\u2028\u2029]", written)
    assert json.loads(written) == {"name": text}


def test_a_title_is_escaped(copy: Path) -> None:
    viewer_atlas.edit(copy, lambda info: info.update(network="<b>&\"'"))
    text = export_folder(copy).read_text()
    assert "<title>Activation atlas of &lt;b&gt;&amp;" in text


def test_a_title_may_hold_anything(copy: Path) -> None:
    viewer_atlas.edit(copy, lambda info: info.update(network="a\ud800b"))
    assert "<title>Activation atlas of a?b" in export_folder(copy).read_text()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mixed4c/points.npy", "it is not the file that was saved"),
        ("mixed4c/icons-8.npy", "it is not the file that was saved"),
        ("mixed4c/cells-16.npz", "it is not the file that was saved"),
        ("images.txt", "it is not the file that was saved"),
    ],
)
def test_the_file_of_another_atlas_is_refused(
    copy: Path, tmp_path: Path, name: str, message: str
) -> None:
    other = viewer_atlas.make(tmp_path / "other", count=1300)
    shutil.copy(other / name, copy / name)
    if name == "images.txt":  # both have the same
        (copy / name).write_text("one\n" * 600)
    with pytest.raises(ValueError, match=f"{Path(name).name} is damaged: {message}"):
        list(pack(copy))
    (copy / name).unlink()
    with pytest.raises(ValueError, match=f"is a damaged atlas: .*{Path(name).name}"):
        list(pack(copy))


def test_points_and_names_fit_the_atlas(unsigned: Path) -> None:
    place = unsigned / "mixed4c" / "points.npy"
    points = files.read_array(place)
    for wrong in (points[:-1], points + 1, points.astype(str), points[:, 0], np.float32(3)):
        np.save(place, wrong)
        with pytest.raises(ValueError, match=r"points\.npy: expected finite \(1200, 2\)"):
            list(pack(unsigned))
    half = np.full((1200, 2), 1, np.float16)
    np.save(place, half)
    xy = base64.b64decode(read(unsigned)["m0-samples"]["xy"])
    assert (np.frombuffer(xy, "<u2") == 65535).all()
    (unsigned / "images.txt").write_text("one\n" * 20)
    with pytest.raises(ValueError, match=r"images\.txt: expected more than \d+ names, got 20"):
        list(pack(unsigned))


def test_there_is_evidence_for_every_class(unsigned: Path) -> None:
    viewer_atlas.edit(unsigned, lambda info: info["classes"].append("one more"))
    with pytest.raises(ValueError, match="expected evidence for 10 classes, got 9"):
        list(pack(unsigned))


def test_nothing_names_another_host(folder: Path, tmp_path: Path) -> None:
    text = export_html(folder, tmp_path / "one.html").read_text(encoding="utf-8")
    # The namespace of SVG, from which nothing is requested.
    hosts = set(re.findall(r"(?:https?:)?//[\w.-]+\.\w+[\w./]*", text))
    assert hosts <= {"http://www.w3.org/2000/svg"}
    assert "default-src &#x27;none&#x27;" in text


def test_an_export_replaces_an_earlier_export_and_nothing_else(copy: Path, tmp_path: Path) -> None:
    page = export_folder(copy)
    before = sorted(path.name for path in (copy / "viewer").rglob("*"))
    (copy / "viewer" / "data" / "old.js").write_text("old")
    assert export_folder(copy) == page
    assert sorted(path.name for path in (copy / "viewer").rglob("*")) == before
    for name in ("viewer/mine.txt", "index.html"):
        other = tmp_path / name.replace("/", "-")
        (other / name).parent.mkdir(parents=True)
        (other / name).write_text("mine")
        with pytest.raises(ValueError, match="was not exported"):
            export_folder(copy, out=other)
        assert (other / name).read_text() == "mine"


def test_a_failed_export_leaves_the_earlier_one(copy: Path) -> None:
    export_folder(copy)
    export_html(copy, copy / "one.html")
    last = copy / "mixed4d" / "points.npy"  # read when nearly all is written
    last.write_bytes(last.read_bytes()[:200])
    before = {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()}
    for write in (export_folder, lambda path: export_html(path, copy / "one.html")):
        with pytest.raises(ValueError, match=r"points\.npy is damaged"):
            write(copy)
        assert {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()} == before


def test_the_same_atlas_gives_the_same_bytes_from_another_folder(tmp_path: Path) -> None:
    first = viewer_atlas.make(tmp_path / "first", sizes=(4, 8))
    second = save(load(first), tmp_path / "second")
    assert list(pack(first)) == list(pack(second))


def test_another_icon_changes_its_tiles_and_the_thumbnail_only(unsigned: Path) -> None:
    before = {part.name: part.data for part in pack(unsigned)}
    file = unsigned / "mixed4c" / "icons-8.npy"
    icons = files.read_array(file)
    icons[len(icons) // 2] ^= 255
    files.write_array(file, icons)
    after = {part.name: part.data for part in pack(unsigned)}
    assert {name for name in before if after[name] != before[name]} == {"m0-g8-0-0-0"}
    file = unsigned / "mixed4c" / "icons-16.npy"  # the finest grid gives the thumbnail
    files.write_array(file, 255 - files.read_array(file))
    inverted = {part.name: part.data for part in pack(unsigned)}
    assert {name for name in before if inverted[name] != after[name]} == {
        "m0-thumb",
        "m0-g16-0-0-0",
    }


def test_a_file_larger_than_the_maximum_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="max_mb"):
        export_html(folder, tmp_path / "one.html", max_mb=0.01)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda info: info["maps"][0].update(path="../elsewhere"), "leads out"),
        (lambda info: info["maps"][0].update(path="/etc"), "leads out"),
        (
            lambda info: info["maps"][0]["grids"][0].update(icon_px=17),
            r"\(16, 17, 17, 3\)",
        ),
        (lambda info: info["maps"][0]["grids"][0]["cells"][0].update(row=40), "row: expected an"),
        (lambda info: info["maps"][0]["grids"][0]["cells"][0].update(col=-1), "col: expected an"),
        (lambda info: info["maps"][0]["grids"][0]["cells"][0].update(row=10**30), "row: expected"),
        (lambda info: info["maps"][0]["grids"][0]["cells"][0].update(count="9"), "count: expected"),
        (lambda info: info["maps"][0]["grids"][0]["cells"][0].update(cosine="x"), "cosine: expec"),
        (lambda info: info["maps"][0]["grids"][0]["cells"].append(7), "expected an object"),
        (lambda info: info["maps"][0]["grids"][0].update(size=10**9), "size: expected"),
        (lambda info: info["maps"][0]["grids"][0].update(icon_px=0), "icon_px: expected"),
        (lambda info: info["maps"][0]["grids"][1]["exemplars"].update(px=0), "px: expected"),
        (lambda info: info["maps"][0]["grids"].append(info["maps"][0]["grids"][0]), "each size"),
        (lambda info: info["maps"][0].update(grids=[]), "grids: expected at least one"),
        (lambda info: info["maps"][0].pop("grids"), "grids is missing"),
        (lambda info: info["maps"][0].update(title=7), "title: expected a string"),
        (lambda info: info["maps"][0].update(axes="x"), "axes: expected an object"),
        (lambda info: info.update(maps=[]), "maps: expected at least one"),
        (lambda info: info.pop("maps"), "maps is missing"),
        (lambda info: info.update(maps=[7]), "expected an object, got 7"),
        (lambda info: info.update(classes="cats"), "classes: expected a list"),
        (lambda info: info.update(network=["x"]), "network: expected a string"),
    ],
)
def test_a_damaged_atlas_is_refused(copy: Path, change: Any, message: str) -> None:
    viewer_atlas.edit(copy, change)
    with pytest.raises(ValueError, match=message):
        export_folder(copy)
    assert not (copy / "viewer").exists()


@pytest.mark.parametrize("index", [10**9, -2, 2**70, 1.5, "3", None])
def test_a_label_of_no_class_is_refused_and_allocates_nothing(copy: Path, index: Any) -> None:
    def change(info: dict[str, Any]) -> None:
        info["maps"][0]["grids"][0]["cells"][0]["labels"][0][0] = index

    viewer_atlas.edit(copy, change)
    tracemalloc.start()
    with pytest.raises(ValueError, match="labels: expected"):
        list(pack(copy))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 50e6


def test_classes_that_only_labels_name_are_known(copy: Path) -> None:
    def change(info: dict[str, Any]) -> None:
        info["classes"] = ["cat"]
        info["maps"][0]["grids"][0]["cells"][0]["labels"] = [[12, "ox", 0.5]]

    viewer_atlas.edit(copy, change)
    classes = read(copy)["atlas"]["classes"]
    assert (classes[0], classes[11], classes[12], len(classes)) == ("cat", "class 11", "ox", 13)


@pytest.mark.parametrize("name", ["cells-8.npz", "icons-8.npy", "exemplars-8.npy", "points.npy"])
def test_a_damaged_file_is_refused(copy: Path, name: str) -> None:
    path = copy / "mixed4c" / name
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ValueError, match="damaged"):
        export_folder(copy)
    assert not (copy / "viewer").exists()


def test_arrays_of_another_shape_are_refused(unsigned: Path) -> None:
    path = unsigned / "mixed4c" / "cells-8.npz"
    arrays = files.read_arrays(path)
    files.write_arrays(path, arrays | {"evidence": arrays["evidence"][:7]})
    with pytest.raises(ValueError, match="expected evidence as floats of shape"):
        list(pack(unsigned))
    files.write_arrays(path, arrays)
    for points in (np.zeros(8, np.float32), np.full((9, 2), np.nan, np.float32)):
        files.write_array(unsigned / "mixed4c" / "points.npy", points)
        with pytest.raises(ValueError, match="expected finite"):
            list(pack(unsigned))


def test_image_names_are_lines_that_end_in_a_line_feed_alone(unsigned: Path) -> None:
    names = ("a.jpg", "b\u2028c.jpg", "d\x0be.jpg", "", "f\x85g.jpg") * 20
    (unsigned / "images.txt").write_text("".join(f"{name}\n" for name in names), encoding="utf-8")
    images = read(unsigned, config=PackConfig(paths=True))["atlas"]["images"]
    assert tuple(images) == names == read_names(unsigned)


def test_people_see_the_name_of_a_map_and_not_its_folder(copy: Path) -> None:
    (copy / "mixed4c").rename(copy / "features_conv1")
    entry = {"path": "features_conv1", "name": "features/conv1", "layer": "features/conv1"}
    viewer_atlas.edit(copy, lambda info: info["maps"][0].update(entry))
    page = export_folder(copy)
    shown = read(copy)["atlas"]["maps"][0]
    assert (shown["id"], shown["title"]) == ("features/conv1", "features/conv1")
    inside = {path.relative_to(copy).parts[0] for path in page.parent.rglob("*")}
    assert inside == {
        "atlas.json", "images.txt", "features_conv1", "mixed4d", "index.html", "viewer"
    }  # fmt: skip


def test_a_map_in_the_folder_viewer_is_left_alone(copy: Path, tmp_path: Path) -> None:
    (copy / "mixed4c").rename(copy / "viewer")
    viewer_atlas.edit(copy, lambda info: info["maps"][0].update(path="viewer"))
    before = sorted(copy.rglob("*"))
    with pytest.raises(ValueError, match="was not exported"):
        export(copy)
    assert sorted(copy.rglob("*")) == before
    assert has_page(export(copy, site=tmp_path / "site").parent)


def test_an_interrupted_export_is_no_page_and_is_completed(copy: Path) -> None:
    page = export(copy)
    page.unlink()
    assert not has_page(copy)
    assert export(copy) == page and has_page(copy)


def test_an_atlas_in_memory_is_exported_as_its_folder_is(tmp_path: Path) -> None:
    folder = viewer_atlas.make(tmp_path / "atlas", sizes=(4,))
    names = ("folder", "memory")
    for name, atlas in zip(names, (folder, load(folder)), strict=True):
        assert export(atlas, html=tmp_path / f"{name}.html") == tmp_path / f"{name}.html"
        assert export(atlas, site=tmp_path / name) == tmp_path / name / "index.html"
    one, other = ((tmp_path / f"{name}.html").read_bytes() for name in names)
    assert one == other
    one, other = (
        {path.relative_to(tmp_path / name): path.read_bytes()
         for path in (tmp_path / name).rglob("*") if path.is_file()}
        for name in names
    )  # fmt: skip
    assert one == other and len(one) > 5


def test_a_static_frame_of_an_atlas_in_memory_is_its_page(tmp_path: Path) -> None:
    atlas = load(viewer_atlas.make(tmp_path / "atlas", sizes=(4,), layers=1))
    frame = widget(atlas, static=True, height=321)._repr_html_()
    assert 'height="321"' in frame
    page = html.unescape(re.search(r'srcdoc="([^"]*)"', frame)[1])  # type: ignore[index]
    assert page == export(atlas, html=tmp_path / "page.html").read_text(encoding="utf-8")


def test_targets_that_make_no_sense_are_refused(copy: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="html, site: expected at most one"):
        export(copy, html=tmp_path / "a.html", site=tmp_path / "site")
    with pytest.raises(ValueError, match="html, site: expected one"):
        export(load(copy))
    with pytest.raises(FileNotFoundError, match="no atlas"):
        export(tmp_path / "nothing")


def test_a_map_needs_no_more_than_its_icons(unsigned: Path) -> None:
    for name in ("points.npy", "cells-4.npz", "vectors.npy", "evidence.npy"):
        (unsigned / "mixed4c" / name).unlink()
    axes = {"x": "sea to land", "y": ["cat", "dog"]}
    viewer_atlas.edit(
        unsigned, lambda info: info["maps"][0].update(kind="comparison", title="a and b", axes=axes)
    )
    parts = read(unsigned)
    first, second = parts["atlas"]["maps"]
    assert (first["kind"], first["title"], first["axes"]) == ("comparison", "a and b", axes)
    assert "stride" not in first and "evidence" not in first["grids"][0]
    assert "m0-samples" not in parts and second["stride"] == 1


def test_evidence_that_is_not_finite_counts_as_zero(unsigned: Path) -> None:
    arrays = files.read_arrays(unsigned / "mixed4c" / "cells-4.npz")
    arrays["evidence"][...] = np.nan
    files.write_arrays(unsigned / "mixed4c" / "cells-4.npz", arrays)
    part = read(unsigned)["m0-g4-e0"]
    assert part["scale"] == [0.0] * len(CLASSES)


def test_cells_without_evidence_have_no_classes(folder: Path, tmp_path: Path) -> None:
    atlas = load(folder)
    first = atlas.maps[0].grids[0]
    silent = dataclasses.replace(first, evidence=np.zeros_like(first.evidence))
    changed = dataclasses.replace(atlas.maps[0], grids=(silent, *atlas.maps[0].grids[1:]))
    saved = save(dataclasses.replace(atlas, maps=(changed, *atlas.maps[1:])), tmp_path / "silent")
    parts = read(saved)
    columns = parts[f"m0-g{first.size}"]
    assert columns["per"] == 0 and columns["labels"] == [] and "against" not in columns
    known = ["evidence" in grid for grid in parts["atlas"]["maps"][0]["grids"]]
    assert known == [False, *[True] * (len(known) - 1)]


@pytest.mark.slow
def test_the_bundle_is_built_from_the_source(tmp_path: Path) -> None:
    """Built again with the version of esbuild that package.json names."""
    if not (shutil.which("npm") and shutil.which("node")):
        pytest.skip("node and npm are not installed")
    viewer = ASSETS.parent
    shutil.copytree(viewer / "src", tmp_path / "src")
    for name in ("package.json", "build.js"):
        shutil.copy(viewer / name, tmp_path)
    install = ["npm", "install", "--no-package-lock", "--no-audit", "--no-fund", "--prefer-offline"]
    try:
        done = subprocess.run(install, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    except subprocess.TimeoutExpired:
        pytest.skip("npm cannot reach its registry")
    if done.returncode:
        pytest.skip(f"npm could not install esbuild: {done.stderr.splitlines()[-1:]}")
    subprocess.run(["node", "build.js", "built"], cwd=tmp_path, check=True, timeout=60)
    built = {path.name: path.read_bytes() for path in (tmp_path / "built").iterdir()}
    committed = {path.name: path.read_bytes() for path in ASSETS.iterdir()}
    assert built.keys() == committed.keys()
    for name, data in built.items():
        assert data == committed[name], f"{name}: run `npm run build` in jatlas/show/viewer"


def test_the_viewer_of_another_program_is_left_alone(folder: Path, tmp_path: Path) -> None:
    script = tmp_path / "site" / "viewer" / "viewer.js"
    script.parent.mkdir(parents=True)
    script.write_text("theirs")
    with pytest.raises(ValueError, match=r"viewer exists and was not exported: choose another"):
        export(folder, site=tmp_path / "site")
    assert script.read_text() == "theirs"


@pytest.mark.parametrize("name", ["index.html", "viewer/data/atlas.js"])
def test_a_page_with_an_empty_file_is_still_ours(folder: Path, tmp_path: Path, name: str) -> None:
    page = export(folder, site=tmp_path / "site")
    whole = (page.parent / name).read_bytes()
    (page.parent / name).write_bytes(b"")  # as a power cut may leave it
    export(folder, site=page.parent)
    assert (page.parent / name).read_bytes() == whole
