"""What a reader meets: nothing hidden, covered, shifted or silent, on every window."""

import dataclasses
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import viewer_atlas
from viewer_page import READY, Open, Seen

import jatlas
from jatlas.show import export_folder, serving

pytestmark = pytest.mark.slow
LONG = "a class whose name is far longer than any panel is wide, " * 3
TWINS = ("crane", "crane", "wok", LONG, "seashore, coast")


@pytest.fixture(scope="module")
def four(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An atlas of four maps with long names of classes, and two of the same name."""
    path = tmp_path_factory.mktemp("four") / "atlas"
    viewer_atlas.make(path, sizes=(4, 12), layers=4, classes=TWINS)
    viewer_atlas.edit(path, lambda info: info["maps"][3].update(kind="comparison", title="a | b"))
    export_folder(path)
    return path


def box(seen: Seen, selector: str) -> dict[str, float]:
    found = seen.page.locator(selector).first.bounding_box()
    assert found is not None, selector
    return found


def inside(inner: dict[str, float], outer: dict[str, float]) -> bool:
    return all(
        outer[start] - 0.5 <= inner[start]
        and inner[start] + inner[side] <= outer[start] + outer[side] + 0.5
        for start, side in (("x", "width"), ("y", "height"))
    )


def hold(seen: Seen, size: int = 12, i: int = 40) -> None:
    seen(f"v.model.grid(v.state.map, {size}).then((grid) => v.pin({{grid, i: {i}}}))")
    seen.wait()


def test_search_maps_and_settings_are_above_the_fold(open_: Open, four: Path) -> None:
    seen = open_((four / "index.html").as_uri(), size=(1280, 720))
    footer = box(seen, ".j-rail footer")
    window = {"x": 0, "y": 0, "width": 1280, "height": footer["y"]}
    for selector in (".j-sentence", ".j-input", ".j-map:last-child", ".j-select", ".j-switch"):
        assert inside(box(seen, selector), window), selector


def test_results_end_inside_the_window(open_: Open, four: Path) -> None:
    seen = open_((four / "index.html").as_uri(), size=(1280, 540))
    seen.page.locator(".j-input").fill("a")
    results = box(seen, ".j-results")
    assert inside(results, {"x": 0, "y": 0, "width": 1280, "height": 540})
    last = seen.page.locator(".j-results li").last
    last.scroll_into_view_if_needed()
    assert inside(last.bounding_box(), results)


def test_classes_of_one_name_can_be_told_apart(open_: Open, four: Path) -> None:
    seen = open_((four / "index.html").as_uri())
    seen.page.locator(".j-input").fill("crane")
    names = seen.page.locator(".j-result-name").all_inner_texts()
    assert names[:2] == ["crane (class 0)", "crane (class 1)"]


def test_long_names_leave_the_values_where_they_are(open_: Open, four: Path) -> None:
    seen = open_((four / "index.html").as_uri())
    for i in range(0, 60, 12):
        hold(seen, i=i)
        inspector = box(seen, ".j-inspector")
        values = seen.page.locator(".j-bar-value")
        assert values.count()
        for k in range(values.count()):
            assert inside(values.nth(k).bounding_box(), inspector | {"height": 9999})
        assert seen("v.inspector.body.scrollWidth <= v.inspector.body.clientWidth")


def test_a_double_click_zooms_and_holds_nothing(open_: Open, four: Path) -> None:
    seen = open_((four / "index.html").as_uri())
    x, y = seen.cell(12, 5, 5)
    before = seen("v.camera.zoom")
    seen.page.mouse.dblclick(x, y)
    seen.wait()
    assert seen("v.state.pinned") is None
    assert seen("v.camera.zoom") == pytest.approx(2 * before)
    assert seen.cell(12, 5, 5) == pytest.approx((x, y), abs=1)  # around the pointer
    hold(seen)
    held = seen("v.cell(v.state.pinned)")
    seen.page.mouse.dblclick(*seen.cell(12, 6, 6))
    seen.wait()
    assert seen("v.cell(v.state.pinned)") == held


@pytest.mark.parametrize("size", [(1400, 900), (900, 700)])
def test_a_held_cell_stays_in_view_and_the_map_comes_back(
    open_: Open, four: Path, size: tuple[int, int]
) -> None:
    seen = open_((four / "index.html").as_uri(), size=size)
    seen("v.camera.set(.5, .4, 1.4)")
    seen.wait()
    where = seen("v.where()")
    last = seen("v.model.grid(0, 12).then((grid) => grid.cell.length)") - 1
    if size[0] > 1040:
        hold(seen)
        assert seen("v.where()") == where  # nothing covers the map, nothing shifts it
    hold(seen, i=last)  # at the bottom, where a sheet rises
    row, column = seen("[v.state.pinned.grid.row(v.state.pinned.i), v.cell(v.state.pinned).col]")
    for _ in range(3):
        seen.page.keyboard.press("+")
        seen.wait()
        x, y = seen.cell(12, row, column)
        view = box(seen, ".j-view")
        assert view["x"] < x < view["x"] + view["width"] and view["y"] < y
        sheet = box(seen, ".j-inspector")
        assert x < sheet["x"] or y < sheet["y"]
    seen("(v.pin(null), v.camera.set(.5, .4, 1.4))")
    seen.wait()
    hold(seen, i=last)
    seen("v.pin(null)")
    seen.wait()
    assert seen("v.where()") == pytest.approx(where)


@pytest.mark.parametrize("size", [(800, 700), (844, 390), (1000, 460), (390, 844), (320, 640)])
def test_every_window_leaves_room_for_the_map(
    open_: Open, four: Path, size: tuple[int, int]
) -> None:
    seen = open_((four / "index.html").as_uri(), size=size)
    hold(seen)
    window = {"x": 0, "y": 0, "width": size[0], "height": size[1]}
    inspector, view = box(seen, ".j-inspector"), box(seen, ".j-view")
    assert inside(inspector, window) and inside(view, window)
    free = view["width"] * view["height"]
    wide = min(inspector["x"] + inspector["width"], view["x"] + view["width"]) - max(
        inspector["x"], view["x"]
    )
    high = view["y"] + view["height"] - max(inspector["y"], view["y"])
    free -= max(wide, 0) * max(high, 0)
    assert free > 0.4 * size[0] * size[1]
    assert seen("document.documentElement.scrollWidth") <= size[0]
    seen("(v.pin(null), v.camera.set(.5, .5, 3))")
    seen.wait()
    controls, minimap = box(seen, ".j-controls"), box(seen, ".j-minimap")
    apart = (
        minimap["x"] + minimap["width"] <= controls["x"]
        or minimap["y"] + minimap["height"] <= controls["y"]
    )
    assert apart


def test_a_short_window_scrolls_the_inspector(open_: Open, four: Path) -> None:
    seen = open_((four / "index.html").as_uri(), size=(1400, 400))
    hold(seen)
    assert seen("v.inspector.body.scrollHeight > v.inspector.body.clientHeight")
    last = seen.page.locator(".j-inspector .j-action").last
    last.scroll_into_view_if_needed()
    assert inside(last.bounding_box(), {"x": 0, "y": 0, "width": 1400, "height": 400})


@pytest.mark.parametrize("size", [(1200, 800), (390, 844)])
def test_lighting_a_class_brings_its_cells_into_view(
    open_: Open, four: Path, size: tuple[int, int]
) -> None:
    seen = open_((four / "index.html").as_uri(), size=size)
    seen("v.camera.set(.3, .3, 6)")
    seen.wait()
    for cls in range(5):
        seen("v.light(a)", cls)
        seen.page.wait_for_timeout(100)
        seen.wait()
        bright = seen("""(async () => {
          const {grid} = v.active;
          const {values} = await v.model.heat(grid, v.state.lit.quantity);
          const order = [...values.keys()].sort((x, y) => values[y] - values[x]).slice(0, 6);
          return order.filter((i) => v.active.sees(grid, i)).length;
        })()""")
        assert bright, cls
    legend = seen.page.locator(".j-legend")
    assert legend.is_visible() and "of" in legend.inner_text()


@pytest.mark.parametrize("size", [(1200, 800), (390, 844)])
def test_the_strongest_cell_is_flown_to_and_held(
    open_: Open, four: Path, size: tuple[int, int]
) -> None:
    # With motion: a second move must not end the flight.
    seen = open_((four / "index.html").as_uri(), size=size, reduced_motion="no-preference")
    seen("(v.camera.set(.2, .2, 1), v.light(3, {}, {fly: false}))")
    seen.wait()
    seen.page.get_by_role("button", name="Strongest cell").click()
    seen.wait("jatlasViewer.state.pinned !== null && !jatlasViewer.camera.flight")
    seen.wait()
    assert seen("v.camera.zoom") >= 2.5
    assert seen("v.active.sees(v.state.pinned.grid, v.state.pinned.i)")
    values = seen("v.model.evidence(v.state.pinned.grid, 3).then((values) => [...values])")
    assert seen("v.state.pinned.i") == max(range(len(values)), key=values.__getitem__)


def test_the_focus_frames_a_cell_and_not_the_map(open_: Open, four: Path) -> None:
    seen = open_((four / "index.html").as_uri())
    seen.page.locator(".j-rail footer button").last.focus()
    seen.page.keyboard.press("Tab")
    assert seen("document.activeElement === v.canvas")
    assert seen("getComputedStyle(v.canvas).outlineStyle") == "none"
    assert seen("v.state.cursor") >= 0  # a cell has the focus, near the middle of the view
    seen("(v.stand(null, -1), v.light(2))")
    seen.page.locator(".j-input").fill("wok")
    seen.page.keyboard.press("Enter")
    assert seen("document.activeElement === v.canvas && v.state.cursor === -1")


def test_names_stay_while_cells_are_lit(open_: Open, four: Path) -> None:
    seen = open_((four / "index.html").as_uri())
    seen("(v.camera.set(.5, .5, 3), v.light(2))")
    seen.wait()
    lit = seen("v.stage.stats.labels")
    seen("v.set({labels: false})")
    seen.wait()
    assert lit > 0 and seen("v.stage.stats.labels") == 0


def test_a_choice_of_one_is_none(open_: Open, tmp_path: Path, four: Path) -> None:
    path = viewer_atlas.make(tmp_path / "atlas", sizes=(8,), layers=1)
    export_folder(path)
    assert not open_((path / "index.html").as_uri()).page.get_by_text("Detail").is_visible()
    assert open_((four / "index.html").as_uri()).page.get_by_text("Detail").is_visible()


@pytest.mark.parametrize("at", ["1,0,8", "0,0,64", "0.5,0.5,0.4", "0,1,3"])
def test_a_view_of_nothing_says_how_to_come_back(open_: Open, four: Path, at: str) -> None:
    seen = open_((four / "index.html").as_uri() + f"#at={at}")
    cells = seen("""(() => {
      const {grid, camera} = v.active;
      const seen = (i) => v.active.sees(grid, i);
      return [...grid.cell.keys()].filter(seen).length;
    })()""")
    nothing = seen.page.locator(".j-nothing")
    assert cells or nothing.is_visible()
    if nothing.is_visible():
        nothing.get_by_role("button").click()
        seen.wait()
        assert not nothing.is_visible()


def test_the_button_that_closes_has_a_ground(open_: Open, four: Path) -> None:
    for scheme in ("light", "dark"):
        seen = open_((four / "index.html").as_uri(), color_scheme=scheme)
        hold(seen)
        ground = seen("getComputedStyle(v.inspector.close).backgroundColor")
        assert ground not in ("transparent", "rgba(0, 0, 0, 0)")


DRAWN = """(() => {
  const draw = CanvasRenderingContext2D.prototype.drawImage;
  const names = [];
  CanvasRenderingContext2D.prototype.drawImage = function (image, x, y, ...rest) {
    if (image instanceof HTMLCanvasElement && this.canvas === v.canvas) names.push([x, rest[0]]);
    return draw.call(this, image, x, y, ...rest);
  };
  v.changed();
  return new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => {
    CanvasRenderingContext2D.prototype.drawImage = draw;
    done(names);
  })));
})()"""


@pytest.mark.parametrize("width", [390, 320])
def test_names_of_a_phones_first_view_are_whole(open_: Open, tmp_path: Path, width: int) -> None:
    path = viewer_atlas.make(tmp_path / "atlas", sizes=(20,), layers=1, classes=TWINS)
    export_folder(path)
    url = (path / "index.html").as_uri()
    seen = open_(url, size=(width, 640), has_touch=True, is_mobile=True)
    names = seen(DRAWN)
    assert names
    assert seen("v.camera.scale / 20") >= 44  # px: its cells can be seen
    whole = [x >= 0 and x + wide <= width for x, wide in names]
    view = [x + wide / 2 > 0 and x + wide / 2 < width for x, wide in names]
    assert all(a for a, b in zip(whole, view, strict=True) if b) and any(view)


def test_help_tells_of_touch_and_of_keys(open_: Open, four: Path) -> None:
    seen = open_((four / "index.html").as_uri())
    seen.page.keyboard.press("?")
    text = seen.page.locator(".j-help").inner_text()
    for word in ("tap", "pinch", "Double", "Esc", "Network"):
        assert word in text, word


def test_icons_do_not_bleed_into_each_other(open_: Open, tmp_path: Path) -> None:
    path = viewer_atlas.make(tmp_path / "atlas", sizes=(8,), layers=1)
    export_folder(path)
    with serving(path) as url:
        seen = open_(url)
        seen("v.set({labels: false, density: Infinity})")
        seen("v.camera.set(.5, .5, 4)")
        seen.wait()
        scale = seen("v.camera.scale / 8")
        assert scale > 200  # 16 px are magnified more than ten times
        for row, column in ((3, 3), (3, 4), (4, 3)):
            expected = viewer_atlas.icon(row * 8 + column, 8)[0, 0]
            for dx, dy in ((0.02, 0.5), (0.98, 0.5), (0.5, 0.02), (0.5, 0.98)):
                colour = at(seen, (column + dx) / 8, (row + dy) / 8)
                assert max(abs(int(a) - b) for a, b in zip(expected, colour, strict=False)) < 12


def at(seen: Seen, x: float, y: float) -> list[int]:
    """Colour at a point of the map."""
    return seen(
        """(() => {
          const [x, y] = v.camera.toScreen(...a);
          const context = new OffscreenCanvas(1, 1).getContext("2d", {willReadFrequently: true});
          context.drawImage(v.canvas, x * v.stage.dpr, y * v.stage.dpr, 1, 1, 0, 0, 1, 1);
          return [...context.getImageData(0, 0, 1, 1).data];
        })()""",
        [x, y],
    )


# What is broken is said, shown, and asked for again.


@pytest.fixture
def served(page_folder: Path, tmp_path: Path) -> Any:
    path = Path(shutil.copytree(page_folder, tmp_path / "atlas"))
    with serving(path) as url:
        yield path / "viewer", url


def test_a_missing_tile_is_hatched_named_and_asked_for_again(open_: Open, served: Any) -> None:
    viewer, url = served
    tiles = sorted((viewer / "tiles").glob("m0-g*-*-*-*.jpg"))
    saved = {tile: tile.read_bytes() for tile in tiles}
    for tile in tiles:
        tile.unlink()
    seen = open_(url)
    notice = seen.page.locator(".j-toast")
    notice.wait_for(state="visible")
    assert re.match(r"\d+ files? (is|are) missing: viewer/tiles/m0-g.*\.jpg", notice.inner_text())
    assert "Was the folder copied whole?" in notice.inner_text()
    grid = seen("v.stage.current.grid.size")
    i = seen("v.stage.current.grid.cell[v.stage.current.grid.cell.length >> 1]")
    row, column = divmod(i, grid)
    hatched = [at(seen, (column + k / 40) / grid, (row + 0.5) / grid)[3] for k in range(2, 38)]
    assert max(hatched) > 100 and min(hatched) == 0
    for tile, data in saved.items():
        tile.write_bytes(data)
    seen.page.wait_for_timeout(2300)
    seen("v.changed()")
    seen.wait("jatlasViewer.stage.current.whole && jatlasViewer.tiles.drawn.size > 0")
    seen.wait()
    assert at(seen, (column + 0.5) / grid, (row + 0.5) / grid)[3] == 255
    seen.said.clear()  # of the files that were missing


def test_a_missing_grid_leaves_another_and_is_named(open_: Open, served: Any) -> None:
    viewer, url = served
    for size in (8, 16):
        (viewer / "data" / f"m0-g{size}.js").unlink()
    seen = open_(url)
    seen("v.camera.set(.5, .5, 3)")
    seen.page.wait_for_timeout(200)
    seen.wait()
    assert seen("v.stage.current.grid.size") == 4
    text = seen.page.locator(".j-toast").inner_text()
    assert "viewer/data/m0-g" in text and "missing" in text
    (viewer / "data" / "m0-g4.js").unlink()
    seen.page.reload()
    seen.page.locator(".j-nothing").wait_for(state="visible")
    assert "cannot be read" in seen.page.locator(".j-nothing").inner_text()
    seen.said.clear()


def test_missing_evidence_is_said_and_the_highlight_is_taken_back(open_: Open, served: Any) -> None:
    viewer, url = served
    for file in (viewer / "data").glob("m0-g*-e0.js"):
        file.unlink()
    seen = open_(url)
    seen("v.light(2)")
    seen.wait("jatlasViewer.state.lit === null")
    seen.page.locator(".j-toast").wait_for(state="visible")
    assert "-e0.js" in seen.page.locator(".j-toast").inner_text()
    seen.said.clear()


def test_a_missing_manifest_is_said_in_words(browser: Any, served: Any) -> None:
    viewer, url = served
    (viewer / "data" / "atlas.js").unlink()
    page = browser.new_page()
    page.goto(url)
    page.locator(".j-failed").wait_for()
    text = page.locator(".j-failed").inner_text()
    assert "viewer/data/atlas.js is missing" in text and "Was the folder copied whole?" in text
    page.close()


# Steps of the reader, and what is kept of them.


def test_back_undoes_steps_and_not_pans(open_: Open, server: str) -> None:
    seen = open_(server)
    seen.wait("history.state?.jatlas === 0")
    for number, act in enumerate(("v.go(1)", "v.light(2)", "v.relight({against: true})"), 1):
        seen(act)
        seen("v.camera.panBy(5, 5)")
        seen.wait(f"history.state.jatlas === {number}")
        seen("v.camera.panBy(5, 5)")
        seen.page.wait_for_timeout(400)
        assert seen("history.state.jatlas") == number
    state = (
        "(({map, lit}) => [map, lit?.quantity.cls ?? null, lit?.against ?? null])"
        "(jatlasViewer.state)"
    )
    assert seen(state) == [1, 2, True]
    for number, expected in ((2, "1,2,false"), (1, "1,,"), (0, "0,,")):
        seen.page.go_back()
        seen.wait(f"String({state}) === '{expected}' && history.state.jatlas === {number}")
        seen.page.wait_for_timeout(400)  # what it writes later is no step
        assert seen("history.state.jatlas") == number
    seen.page.go_forward()
    seen.wait(f"String({state}) === '1,,' && history.state.jatlas === 1")


def test_settings_last_and_stay_out_of_links(open_: Open, server: str) -> None:
    seen = open_(server)
    seen("v.set({labels: false, density: Infinity})")
    seen.page.reload()
    seen.wait(READY)
    assert seen("[v.state.labels, v.state.density === Infinity]") == [False, True]
    assert "labels" not in seen.page.url


def test_cells_are_lit_by_what_is_known_of_them(open_: Open, server: str) -> None:
    seen = open_(server)
    seen("v.set({grid: 8})")
    seen.wait()
    menu = seen.page.get_by_label("Light by")
    menu.select_option("count")
    seen.wait()
    light = "[...v.active.grid.cell.keys()].map(v.look.of(v.active.grid).light)"
    counts, lights = seen("[...v.active.grid.count]"), seen(light)
    low, high = min(counts), max(counts)
    for count, value in zip(counts, lights, strict=True):
        expected = ((count - low) / (high - low)) ** 0.5
        assert value == pytest.approx(min(1, 0.03 + expected), abs=1e-4)
    legend = seen.page.locator(".j-legend").inner_text()
    assert str(low) in legend and str(high) in legend
    # The chosen part of the scale goes from dark to bright.
    seen("v.relight({range: [.25, .75]})")
    shares = [((count - low) / (high - low)) ** 0.5 for count in counts]
    for share, value in zip(shares, seen(light), strict=True):
        expected = 0.03 + max(0, (share - 0.25) / 0.5)
        assert value == pytest.approx(min(1, expected), abs=1e-4)
    menu.select_option("")
    assert seen("v.state.lit") is None


def test_cells_like_one_are_lit_by_the_cosine_of_their_means(open_: Open, tmp_path: Path) -> None:
    path = viewer_atlas.make(tmp_path / "atlas", sizes=(6,), layers=1)
    atlas = jatlas.load(path)
    (grid,) = atlas.maps[0].grids
    means = np.random.default_rng(1).normal(size=(6, 6, 2)).astype(np.float32)
    grids = (dataclasses.replace(grid, mean=means),)
    maps = (dataclasses.replace(atlas.maps[0], grids=grids),)
    jatlas.save(dataclasses.replace(atlas, maps=maps), path, overwrite=True)
    export_folder(path)
    seen = open_((path / "index.html").as_uri())
    hold(seen, size=6, i=7)
    seen.page.get_by_role("button", name="Cells like this").click()
    seen.wait()
    values = seen("v.model.heat(v.active.grid, v.state.lit.quantity).then((x) => [...x.values])")
    rows, counts = means.reshape(36, 2)[grid.cells], grid.count.ravel()[grid.cells]
    centred = rows - np.average(rows, axis=0, weights=counts)
    unit = centred / np.linalg.norm(centred, axis=1, keepdims=True)
    assert values == pytest.approx((unit @ unit[7]).tolist(), abs=0.05)
    seen.wait("location.hash.includes('by=like-0.6.')")
    again = open_(seen.page.url)
    assert again("v.state.lit.quantity.key") == seen("v.state.lit.quantity.key")


def test_the_lit_class_and_the_compared_classes_have_numbers(open_: Open, tmp_path: Path) -> None:
    path = viewer_atlas.make(tmp_path / "atlas", sizes=(8,), layers=1, classes=TWINS[1:])
    axes = {"x": ["wok", "seashore, coast"]}
    viewer_atlas.edit(path, lambda info: info["maps"][0].update(kind="comparison", axes=axes))
    export_folder(path)
    seen = open_((path / "index.html").as_uri())
    seen("v.light(0)")
    hold(seen, size=8, i=11)
    seen.page.wait_for_timeout(150)
    text = seen.page.locator(".j-lit-row").inner_text()
    assert text.startswith("crane") and re.search(r"Rank \d+ of \d+ cells", text)
    names = seen.page.locator(".j-compared .j-bar-name").all_inner_texts()
    assert names == ["wok", "seashore"]
    shown = seen.page.locator(".j-compared .j-bar-value").all_inner_texts()
    exact = seen("Promise.all([1, 3].map((k) => v.model.evidence(v.active.grid, k)))"
                 ".then((all) => all.map((values) => values[11]))")  # fmt: skip
    for text, value in zip(shown, exact, strict=True):
        assert float(text.replace("\u2212", "-")) == pytest.approx(value, abs=0.006)


def test_releasing_a_cell_brings_the_selection_back(open_: Open, four: Path) -> None:
    seen = open_((four / "index.html").as_uri())
    seen("v.model.grid(0, 12).then((grid) => v.selection.change(grid, [20, 21, 30]))")
    summary = seen.page.locator(".j-inspector").get_by_text("3 cells selected")
    summary.wait_for()
    hold(seen)
    assert not summary.is_visible()
    close = seen.page.locator(".j-inspector > .j-close")
    assert close.get_attribute("aria-label") == "Release (Esc)"
    close.click()
    assert summary.is_visible()
    assert close.get_attribute("aria-label") == "Clear selection (Esc)"
    close.click()
    assert seen("v.selection.size") == 0


def test_back_closes_what_lies_above_the_map(open_: Open, server: str) -> None:
    seen = open_(server)
    seen.page.wait_for_timeout(400)
    seen("v.guide.tour.start()")
    seen.page.locator(".j-tour").wait_for(state="visible")
    seen.page.wait_for_timeout(400)
    # While the tour runs, arrows are its own, but not those of a control or a dialog.
    seen("v.light(2)")
    slider = seen.page.get_by_label("Full light from")
    before = seen("v.state.lit.range[1]")
    slider.focus()
    slider.press("ArrowLeft")
    assert seen("v.state.lit.range[1]") < before
    seen.page.wait_for_timeout(400)
    seen.page.go_back()
    seen.page.locator(".j-tour").wait_for(state="hidden")


def test_a_link_keeps_the_range_of_a_highlight(open_: Open, server: str) -> None:
    seen = open_(server)
    seen("(v.light(2), v.relight({range: [.2, .55]}))")
    seen.wait("location.hash.includes('range=0.20,0.55')")
    assert open_(seen.page.url)("v.state.lit.range") == [0.2, 0.55]


@pytest.mark.parametrize("size", [(1200, 900), (500, 900), (390, 844)])
def test_nothing_lies_over_the_tools_and_the_legend(
    open_: Open, four: Path, size: tuple[int, int]
) -> None:
    seen = open_((four / "index.html").as_uri(), size=size)
    seen("v.split.show(1)")
    seen("v.light(2)")
    hold(seen)
    hit = """a.map((selector) => {
      const box = document.querySelector(selector).getBoundingClientRect();
      const found = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
      return found?.closest(selector) !== null;
    })"""
    tools = [".j-tools button", ".j-tools button:last-child", ".j-legend .j-button"]
    assert seen(hit, tools) == [True, True, True]
