"""The viewer's files: what is in them, what is not, and that they are whole or not there."""

import base64
import json
import re
import shutil
import subprocess
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
from jatlas.show import PackConfig, pack
from jatlas.show import _export as export
from jatlas.show import _tiles as tiles
from jatlas.show._pack import embeddable
from jatlas.storage import files, load


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = viewer_atlas.make(tmp_path_factory.mktemp("atlas") / "atlas")
    viewer_atlas.add_exemplars(path, layer="mixed4c", size=8)
    return path


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "copy"))


def read(folder: Path, *, config: PackConfig | None = None) -> dict[str, Any]:
    parts = {part.name: part for part in pack(folder, config=config)}
    return {n: json.loads(p.data) if p.kind == "json" else p.data for n, p in parts.items()}


def test_cells_are_those_of_the_atlas(folder: Path) -> None:
    parts, atlas = read(folder), load(folder)
    for number, each in enumerate(atlas.maps):
        for grid in each.grids:
            found = parts[f"m{number}-g{grid.size}"]
            assert found["cell"] == grid.cells.tolist()
            assert found["count"] == grid.count.ravel()[grid.cells].tolist()
            evidence = grid.evidence.reshape(-1, len(CLASSES))[grid.cells]
            labels = np.reshape(found["labels"], (-1, found["per"]))
            assert (labels[:, 0] == evidence.argmax(1)).all()
            values = np.take_along_axis(evidence, labels, 1)
            np.testing.assert_allclose(np.ravel(found["values"]), values.ravel(), rtol=1e-3)
            worst = np.reshape(found["against"], (-1, 3))
            assert (worst[:, 0] == evidence.argmin(1)).all()


def test_evidence_is_kept_to_a_part_in_250(folder: Path) -> None:
    parts, grid = read(folder), load(folder).maps[0].grids[1]
    wanted = grid.evidence.reshape(-1, len(CLASSES))[grid.cells]
    part = parts["m0-g8-e0"]
    raw = np.frombuffer(base64.b64decode(part["values"]), np.int8)
    found = raw.reshape(len(CLASSES), -1).T / 127 * np.array(part["scale"])
    assert np.abs(found - wanted).max() <= np.abs(wanted).max(0).max() / 250


def test_beyond_its_bound_evidence_is_left_out(folder: Path) -> None:
    bound = len(load(folder).maps[0].grids[0].cells) * len(CLASSES)
    grids = read(folder, config=PackConfig(evidence=bound))["atlas"]["maps"][0]["grids"]
    assert ["evidence" in grid for grid in grids] == [True, False, False]


def test_samples_fall_into_the_cells_that_the_grid_counts(folder: Path) -> None:
    parts, layer = read(folder), load(folder).maps[1]
    xy = np.frombuffer(base64.b64decode(parts["m1-samples"]["xy"]), "<u2").reshape(-1, 2)
    for grid in layer.grids:
        found = cell_index((xy + 0.5) / 65536, size=grid.size)
        counted = np.bincount(np.asarray(found), minlength=grid.size**2)
        assert np.abs(counted - grid.count.ravel()).sum() <= 4  # of 1200, on an edge
    fewer = read(folder, config=PackConfig(samples=500))
    assert fewer["atlas"]["maps"][1]["stride"] == 3
    assert len(base64.b64decode(fewer["m1-samples"]["xy"])) == 400 * 4


def test_tiles_hold_every_icon_at_its_place() -> None:
    size = 90  # more than two tiles of 40 icons of 16 px
    cells = np.arange(0, size * size, 7)
    sprite = np.zeros((size * PX, size * PX, 3), np.uint8)
    for cell in cells.tolist():
        row, column = divmod(cell, size)
        sprite[row * PX : (row + 1) * PX, column * PX : (column + 1) * PX] = (row, column, 90)
    shape = tiles.levels(size, PX)
    assert shape == (40, (16, 8))
    found = {tile[:3]: tile.data for tile in _cut(sprite, cells, size)}
    assert sorted({key[0] for key in found}) == [0, 1]
    for level, px in enumerate(shape.icon_px):
        step = shape.cells << level
        for cell in cells[::5].tolist():
            row, column = divmod(cell, size)
            picture = Image.open(BytesIO(found[level, column // step, row // step]))
            place = ((column % step) * px + px // 2, (row % step) * px + px // 2)
            assert np.abs(np.subtract(picture.getpixel(place), (row, column, 90))).max() <= 16


def _cut(sprite: np.ndarray, cells: np.ndarray, size: int) -> list[tiles.Tile]:
    return list(tiles.cut(Image.fromarray(sprite), cells, size=size, icon_px=PX))


def test_where_there_is_no_cell_there_is_no_tile() -> None:
    sprite = np.zeros((90 * PX, 90 * PX, 3), np.uint8)
    found = _cut(sprite, np.array([0, 89]), 90)
    assert [tile[:3] for tile in found] == [(0, 0, 0), (0, 2, 0), (1, 0, 0), (1, 1, 0)]


def test_a_thumbnail_is_clear_where_there_is_no_cell(folder: Path) -> None:
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


def test_nothing_of_the_makers_machine_is_in_an_export(folder: Path, tmp_path: Path) -> None:
    page = export.export_folder(folder, out=tmp_path / "site")
    one = export.export_html(folder, tmp_path / "one.html")
    written = [*(path for path in page.parent.rglob("*") if path.is_file()), one]
    assert len(written) > 20
    for path in written:
        data = path.read_bytes()
        for secret in (SECRET, "holiday", str(tmp_path), str(folder)):
            assert secret.encode() not in data, path
    asked = tmp_path / "asked.html"
    export.export_html(folder, asked, config=PackConfig(paths=True))
    assert b"holiday" in asked.read_bytes()


class _Page(HTMLParser):
    """The elements of a page, as a browser splits it."""

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


def test_what_data_holds_ends_no_element(folder: Path, tmp_path: Path) -> None:
    file = export.export_html(folder, tmp_path / "one.html")
    page = _Page(file.read_text(encoding="utf-8"))
    assert not [tag for tag, _ in page.tags if tag in ("img", "iframe", "object")]
    assert len([1 for tag, _ in page.tags if tag == "script"]) == len(page.data) + 1
    assert json.loads(page.data["atlas"])["classes"] == list(CLASSES)


@pytest.mark.parametrize("text", [*HOSTILE, "\ud800", "<!--", "]]>"])
def test_json_is_safe_in_a_script_and_reads_back(text: str) -> None:
    found = embeddable({"name": text})
    found.encode()
    assert not re.search("[<\u2028\u2029]", found)
    assert json.loads(found) == {"name": text}


def test_a_title_is_text(copy: Path) -> None:
    viewer_atlas.edit(copy, lambda info: info.update(network="<b>&\"'"))
    text = export.export_folder(copy).read_text()
    assert "<title>Activation atlas of &lt;b&gt;&amp;" in text


def test_nothing_names_another_host(folder: Path, tmp_path: Path) -> None:
    text = export.export_html(folder, tmp_path / "one.html").read_text(encoding="utf-8")
    # The name of SVG, which is no address that anything is asked for at.
    found = set(re.findall(r"(?:https?:)?//[\w.-]+\.\w+[\w./]*", text))
    assert found <= {"http://www.w3.org/2000/svg"}
    assert "default-src &#x27;none&#x27;" in text


def test_an_export_takes_the_place_of_an_older_one_only(copy: Path, tmp_path: Path) -> None:
    page = export.export_folder(copy)
    before = sorted(path.name for path in (copy / "viewer").rglob("*"))
    (copy / "viewer" / "data" / "old.js").write_text("old")
    assert export.export_folder(copy) == page
    assert sorted(path.name for path in (copy / "viewer").rglob("*")) == before
    for name in ("viewer/mine.txt", "index.html"):
        other = tmp_path / name.replace("/", "-")
        (other / name).parent.mkdir(parents=True)
        (other / name).write_text("mine")
        with pytest.raises(ValueError, match="no viewer"):
            export.export_folder(copy, out=other)
        assert (other / name).read_text() == "mine"


def test_a_failed_export_leaves_what_was_there(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    export.export_folder(copy)
    before = {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()}

    def full(*args: Any, **kwargs: Any) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(tiles, "thumbnail", full)
    for write in (export.export_folder, lambda path: export.export_html(path, copy / "one.html")):
        with pytest.raises((OSError, ValueError), match="no space left"):
            write(copy)
        assert {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()} == before


def test_the_same_atlas_gives_the_same_bytes(folder: Path) -> None:
    assert list(pack(folder)) == list(pack(folder))


def test_a_file_that_would_be_too_large_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="most_mb"):
        export.export_html(folder, tmp_path / "one.html", most_mb=0.01)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda info: info["maps"][0].update(path="../elsewhere"), "leads out"),
        (lambda info: info["maps"][0].update(path="/etc"), "leads out"),
        (lambda info: info["maps"][0]["grids"][1]["exemplars"].update(file="../../x"), "leads out"),
        (lambda info: info["maps"][0]["grids"][0].update(icon_px=17), "expected 68 x 68"),
        (lambda info: info["maps"][0]["grids"][0]["cells"][0].update(row=40), "outside"),
        (lambda info: info.pop("maps"), "damaged"),
        (lambda info: info.update(maps=[7]), "damaged"),
    ],
)
def test_a_damaged_atlas_is_refused(copy: Path, change: Any, message: str) -> None:
    viewer_atlas.edit(copy, change)
    with pytest.raises(ValueError, match=message):
        export.export_folder(copy)
    assert not (copy / "viewer").exists()


def test_a_map_need_not_hold_more_than_icons(copy: Path) -> None:
    for name in ("points.npy", "cells-4.npz", "vectors.npy", "evidence.npy"):
        (copy / "mixed4c" / name).unlink()
    axes = {"x": "sea to land", "y": ["cat", "dog"]}
    viewer_atlas.edit(
        copy, lambda info: info["maps"][0].update(kind="comparison", title="a and b", axes=axes)
    )
    parts = read(copy)
    first, second = parts["atlas"]["maps"]
    assert (first["kind"], first["title"], first["axes"]) == ("comparison", "a and b", axes)
    assert "stride" not in first and "evidence" not in first["grids"][0]
    assert "m0-samples" not in parts and second["stride"] == 1


def test_not_finite_values_are_left_out(copy: Path) -> None:
    arrays = files.read_arrays(copy / "mixed4c" / "cells-4.npz")
    arrays["evidence"][...] = np.nan
    files.write_arrays(copy / "mixed4c" / "cells-4.npz", arrays)
    part = read(copy)["m0-g4-e0"]
    assert part["scale"] == [0.0] * len(CLASSES)


def test_the_bundle_is_what_the_source_gives(tmp_path: Path) -> None:
    """Builds it anew with the version of esbuild that package.json names."""
    if not (shutil.which("npm") and shutil.which("node")):
        pytest.skip("node and npm are not installed")
    viewer = export.ASSETS.parent
    shutil.copytree(viewer / "src", tmp_path / "src")
    for name in ("package.json", "build.js"):
        shutil.copy(viewer / name, tmp_path)
    install = ["npm", "install", "--no-package-lock", "--no-audit", "--no-fund", "--prefer-offline"]
    try:
        done = subprocess.run(install, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    except subprocess.TimeoutExpired:
        pytest.skip("npm does not reach its registry")
    if done.returncode:
        pytest.skip(f"npm could not install esbuild: {done.stderr.splitlines()[-1:]}")
    subprocess.run(["node", "build.js", "made"], cwd=tmp_path, check=True, timeout=60)
    made = {path.name: path.read_bytes() for path in (tmp_path / "made").iterdir()}
    kept = {path.name: path.read_bytes() for path in export.ASSETS.iterdir()}
    assert made.keys() == kept.keys()
    for name, data in made.items():
        assert data == kept[name], f"{name}: run `npm run build` in jatlas/show/viewer"
