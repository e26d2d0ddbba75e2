"""Selecting cells: shapes, the summary, tables and pictures taken away, links."""

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
import viewer_atlas
from PIL import Image
from test_viewer_modules import run
from viewer_page import Open, Seen

from jatlas.arrange import cell_index
from jatlas.show import PackConfig, export_folder, export_html
from jatlas.storage import load

SELECTED = (
    "[...v.selection.cells].map((i) => [v.selection.grid.row(i), v.selection.grid.column(i)])"
)
PICTURES = "(() => { v.set({grid: 16, labels: false}); v.camera.set(.5, .5, .9); })()"


def cells(seen: Seen) -> set[tuple[int, int]]:
    return {tuple(cell) for cell in seen(SELECTED)}


def ready(seen: Seen, size: int = 16) -> set[tuple[int, int]]:
    """Show a grid as a whole; returns its cells."""
    seen(f"(() => {{ v.set({{grid: {size}}}); v.camera.set(.5, .5, .9); }})()")
    seen.wait()
    grid = "v.stage.current.grid"
    return {
        tuple(cell)
        for cell in seen(f"[...{grid}.cell].map((_, i) => [{grid}.row(i), {grid}.column(i)])")
    }


def drag(seen: Seen, points: list[tuple[float, float]], *keys: str) -> None:
    """Drag along points of the unit square with keys held down."""
    box = seen.page.locator(".j-canvas").bounding_box()
    places = [seen(f"v.camera.toScreen({x}, {y})") for x, y in points]
    for key in keys:
        seen.page.keyboard.down(key)
    (x, y), *rest = places
    seen.page.mouse.move(box["x"] + x, box["y"] + y)
    seen.page.mouse.down()
    for x, y in rest:
        seen.page.mouse.move(box["x"] + x, box["y"] + y)
    seen.page.mouse.up()
    for key in keys:
        seen.page.keyboard.up(key)


def inside(polygon: list[tuple[float, float]], x: float, y: float) -> bool:
    """Whether the winding number of a polygon around a point is odd."""
    corners = np.asarray([*polygon, polygon[0]]) - (x, y)
    angles = np.arctan2(corners[:, 1], corners[:, 0])
    turns = (np.diff(angles) + np.pi) % (2 * np.pi) - np.pi
    return round(turns.sum() / (2 * np.pi)) % 2 == 1


@pytest.mark.slow
def test_cells_as_text_read_back_and_outlines_enclose_them() -> None:
    rng = np.random.default_rng(1)
    size = 12
    body = """
      const at = new Int32Array(data.size ** 2).fill(-1);
      data.cells.forEach((cell, i) => (at[cell] = i));
      const row = (i) => Math.floor(data.cells[i] / data.size);
      const column = (i) => data.cells[i] % data.size;
      const grid = {size: data.size, cell: data.cells, at, row, column};
      const chosen = new Set(data.chosen);
      return [written(grid, chosen), readCells(written(grid, chosen)), loops(grid, chosen)];
    """
    for share in (0.05, 0.3, 0.6, 1.0):
        there = np.flatnonzero(rng.random(size * size) < 0.9)
        chosen = np.flatnonzero(rng.random(len(there)) < share)
        data = {"size": size, "cells": there.tolist(), "chosen": chosen.tolist()}
        text, read, outline = run("shapes.js", "written, readCells, loops", body, data)
        expected = sorted(divmod(int(cell), size) for cell in there[chosen])
        assert read == {"size": size, "cells": [list(cell) for cell in expected]}
        assert set(text) <= set("0123456789,.-")
        # The signed areas of the loops add up to the number of cells.
        area = sum(
            (x1 * y2 - x2 * y1) / 2
            for loop in outline
            for (x1, y1), (x2, y2) in zip(loop, loop[1:] + loop[:1], strict=True)
        )
        assert area == len(chosen)
    for bad in ("", "x", "12", "12,99.1", "12,3.x", "12,3.5-2", "1e9,1.1-99999999", "12,-1.3"):
        read = run("shapes.js", "readCells", "return readCells(data).cells;", bad)
        assert read == []


def test_a_lasso_selects_the_cells_whose_centres_are_inside(seen: Seen) -> None:
    there = ready(seen)
    shape = [(0.2, 0.3), (0.83, 0.21), (0.5, 0.52), (0.79, 0.81), (0.24, 0.77), (0.4, 0.5)]
    drag(seen, shape, "Shift")
    expected = {
        (row, column)
        for row, column in there
        if inside(shape, (column + 0.5) / 16, (row + 0.5) / 16)
    }
    assert 20 < len(expected) < len(there)
    assert cells(seen) == expected
    # What is dragged with Shift is added, with Alt it is taken away, with a tool it is all.
    seen.page.get_by_role("button", name="Select a rectangle").click()
    more = [(0.6, 0.1), (0.9, 0.45)]
    drag(seen, more, "Shift")
    box = {(r, c) for r, c in there if 9.6 < c + 0.5 < 14.4 and 1.6 < r + 0.5 < 7.2}
    assert cells(seen) == expected | box
    drag(seen, more, "Alt")
    assert cells(seen) == expected - box
    drag(seen, more)
    assert cells(seen) == box
    # The map has not moved, nor was a cell held.
    assert seen("[v.camera.x, v.camera.y, v.state.pinned]") == [0.5, 0.5, None]
    for _ in range(2):
        seen.page.keyboard.press("Escape")
    assert seen("[v.selection.size, v.selection.tool]") == [0, None]


def test_shift_click_and_keys_select_single_cells(seen: Seen) -> None:
    ready(seen, 8)
    seen.page.keyboard.down("Shift")
    for row, column in ((3, 3), (4, 4), (3, 3), (2, 5)):
        seen.page.mouse.click(*seen.cell(8, row, column))
    seen.page.keyboard.up("Shift")
    assert cells(seen) == {(4, 4), (2, 5)}
    assert "2 cells selected" in seen("v.status.textContent")
    seen.page.mouse.click(*seen.cell(8, 4, 3))
    assert seen("v.state.pinned.i >= 0 && v.selection.size") == 2
    seen.page.keyboard.press("ArrowRight")
    seen.page.keyboard.press("Shift+Enter")
    assert cells(seen) == {(2, 5)}
    assert "Removed" in seen("v.status.textContent")
    seen.page.keyboard.press("ArrowUp")
    seen.page.keyboard.press("Shift+Enter")
    assert cells(seen) == {(2, 5), (3, 4)}
    seen.page.keyboard.press("Escape")
    assert not cells(seen)


def test_one_finger_selects_with_a_tool_and_two_pinch(open_: Open, server: str) -> None:
    seen = open_(server, size=(390, 844), has_touch=True, is_mobile=True)
    ready(seen, 8)
    seen.page.get_by_role("button", name="Select with a lasso").tap()
    touch = seen.page.context.new_cdp_session(seen.page)
    box = seen.page.locator(".j-canvas").bounding_box()

    def at(*points: tuple[float, float]) -> list[dict[str, float]]:
        places = [seen(f"v.camera.toScreen({x}, {y})") for x, y in points]
        return [{"x": box["x"] + x, "y": box["y"] + y, "id": i} for i, (x, y) in enumerate(places)]

    def send(kind: str, *points: tuple[float, float]) -> None:
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": at(*points)})

    send("touchStart", (0.4, 0.4))
    for point in ((0.6, 0.4), (0.6, 0.6), (0.4, 0.6)):
        send("touchMove", point)
    send("touchEnd")
    chosen = cells(seen)
    assert {(3, 3), (3, 4), (4, 3), (4, 4)} == chosen
    zoom = seen("v.camera.zoom")
    send("touchStart", (0.45, 0.45))
    send("touchStart", (0.45, 0.45), (0.55, 0.5))
    for spread in (0.05, 0.1, 0.15):
        send("touchMove", (0.45 - spread, 0.45 - spread), (0.55 + spread, 0.5 + spread))
    send("touchEnd")
    assert seen("v.camera.zoom") > 1.3 * zoom
    assert cells(seen) == chosen
    assert seen("[v.active.lasso.drawing, v.state.pinned]") == [None, None]


def test_the_summary_counts_samples_and_lights_them_on_other_maps(
    seen: Seen, page_folder: Path
) -> None:
    ready(seen)
    drag(seen, [(0.3, 0.3), (0.7, 0.3), (0.7, 0.7), (0.3, 0.7)], "Shift")
    chosen = cells(seen)
    points = load(page_folder).maps[0].points
    index = np.asarray(cell_index(points, size=16))
    count = int(np.isin(index, [r * 16 + c for r, c in chosen]).sum())
    text = seen.page.locator(".j-inspector").inner_text()
    assert f"{len(chosen)} cells selected" in text
    assert f"{count} activations" in text
    # The second map is the first one mirrored, and so are the cells with samples of the selection.
    lit = seen(
        "v.model.grid(1, 16).then((g) => v.model.heat(g, v.state.trail)).then((h) => [...h.values])"
    )
    where = seen("v.model.grid(1, 16).then((g) => [...g.cell])")
    mirrored = np.asarray(cell_index(1 - points, size=16))
    picked = np.isin(index, [r * 16 + c for r, c in chosen])
    share = [picked[mirrored == cell].mean() for cell in where]
    np.testing.assert_allclose(lit, share, atol=0.35)
    assert np.corrcoef(lit, share)[0, 1] > 0.95


@pytest.mark.slow
def test_tables_have_exactly_the_samples_of_the_cells(open_: Open, tmp_path: Path) -> None:
    path = viewer_atlas.make(tmp_path / "atlas", layers=1, sizes=(8, 48))
    atlas = load(path)
    export_folder(path, config=PackConfig(paths=True))
    seen = open_((path / "index.html").as_uri())
    ready(seen, 8)
    drag(seen, [(0.3, 0.2), (0.8, 0.2), (0.8, 0.6), (0.3, 0.6)], "Shift")
    chosen = cells(seen)
    tables = {}
    for kind in ("CSV", "JSON", "Parquet"):
        with seen.page.expect_download() as waiting:
            seen.page.get_by_role("button", name=kind, exact=True).click()
        assert waiting.value.suggested_filename == f"samples-mixed4c-8.{kind.lower()}"
        tables[kind] = Path(waiting.value.path()).read_bytes()
    rows = json.loads(tables["JSON"])
    reader = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    assert reader.read_table(io.BytesIO(tables["Parquet"])).to_pylist() == rows
    read = list(csv.DictReader(io.StringIO(tables["CSV"].decode("utf-8"), newline="")))
    assert [{k: "" if v is None else str(v) for k, v in row.items()} for row in rows] == read
    points = atlas.maps[0].points
    index = np.asarray(cell_index(points, size=8))
    expected = np.flatnonzero(np.isin(index, [r * 8 + c for r, c in chosen]))
    assert [row["sample"] for row in rows] == expected.tolist()
    for row in rows:
        assert row["cell_row"] * 8 + row["cell_column"] == index[row["sample"]]
        assert (row["image"], row["row"], row["column"]) == (0, 0, 0)
        assert row["image_name"] == atlas.images[0]
        np.testing.assert_allclose((row["x"], row["y"]), points[row["sample"]], atol=1e-5)
    # A selection that would make the link too long is left out of it.
    assert seen("v.selection.link") is not None
    select = "v.selection.change(grid, [...grid.cell.keys()]); return v.selection"
    size, link = seen(
        f"v.model.grid(0, 48).then((grid) => {{ {select}; }}).then((s) => [s.size, s.link ?? null])"
    )
    assert size > 500
    assert link is None


@pytest.mark.slow
@pytest.mark.parametrize("form", ["server", "file"])
def test_pictures_have_the_size_asked_for_and_are_drawn_at_it(
    form: str, open_: Open, server: str, page_folder: Path, tmp_path: Path
) -> None:
    url = server
    if form == "file":
        url = export_html(page_folder, tmp_path / "one.html").as_uri()
    seen = open_(url)
    seen(PICTURES)
    seen.wait()
    width, height = seen("[v.camera.width, v.camera.height]")
    for scale in (1, 3):
        seen.page.locator(".j-save summary").click()
        with seen.page.expect_download() as waiting:
            seen.page.get_by_role("button", name=f"{scale}\u00d7 PNG", exact=True).click()
        picture = Image.open(waiting.value.path()).convert("RGB")
        assert picture.size == (width * scale, height * scale)
        assert waiting.value.suggested_filename == f"atlas-mixed4c-16@{scale}x.png"
        x, y = seen("v.camera.toScreen(5.5 / 16, 7.5 / 16)")
        colour = picture.getpixel((round(x * scale), round(y * scale)))
        expected = viewer_atlas.icon(7 * 16 + 5, 16)[0, 0]
        assert max(abs(int(a) - b) for a, b in zip(expected, colour, strict=True)) < 12
        assert picture.getpixel((1, 1)) == (0xF4, 0xF4, 0xF2)
        # Lines between icons are sharp and between pixels of the page: nothing is scaled up.
        line = np.asarray(picture)[round(y * scale)].astype(int)
        edges = np.flatnonzero(np.abs(np.diff(line, axis=0)).max(1) > 90)
        assert len(edges) > 10
        assert scale == 1 or len(set(edges % scale)) > 1


def test_a_page_from_a_folder_says_why_it_cannot_save_a_picture(
    open_: Open, page_folder: Path
) -> None:
    seen = open_((page_folder / "index.html").as_uri())
    seen.page.locator(".j-save summary").click()
    seen.page.get_by_role("button", name="2\u00d7 PNG", exact=True).click()
    seen.wait("document.querySelector('.j-toast').textContent.includes('jatlas view')")


@pytest.mark.slow
def test_a_link_restores_the_selection_and_back_undoes_it(seen: Seen, open_: Open) -> None:
    ready(seen)
    drag(seen, [(0.3, 0.3), (0.7, 0.3), (0.7, 0.7), (0.3, 0.7)], "Shift")
    chosen = cells(seen)
    seen.wait("location.hash.includes('sel=16,')")
    link = seen.page.url
    seen("v.go(1)")
    seen.wait("location.hash.includes('selof=mixed4c')")
    other = seen.page.url
    for url in (link, other):
        again = open_(url)
        again.wait("jatlasViewer.selection.size > 0")
        assert cells(again) == chosen
    seen.page.go_back()
    seen.wait("jatlasViewer.state.map === 0")
    assert cells(seen) == chosen
    seen.page.go_back()
    seen.wait("jatlasViewer.selection.size === 0")
