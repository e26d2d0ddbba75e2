"""Two maps of the viewer side by side, linked by their samples."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from test_pack import linked_atlas
from test_viewer import COUNT
from test_viewer_modules import run
from viewer_page import Open, Seen

from jatlas.records import Atlas
from jatlas.show import export_folder, serving
from jatlas.show._encode import packed
from jatlas.storage import save

# Both maps are drawn.
BOTH = (
    "(() => { const v = jatlasViewer; return !v.dirty && v.panes.every((pane) => "
    "pane.stage.still && !pane.camera.flight && !pane.camera.glide); })()"
)
WHERE = "v.panes.map(({camera: {x, y, zoom}}) => [x, y, zoom])"
MAPS = "v.panes.map((pane) => pane.map)"


@pytest.fixture(scope="module")
def atlas(tmp_path_factory: pytest.TempPathFactory) -> Atlas:
    """Two layers, and a class map of 300 samples of the second one."""
    return linked_atlas(tmp_path_factory.mktemp("made") / "atlas")


@pytest.fixture(scope="module")
def page(atlas: Atlas, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = save(atlas, tmp_path_factory.mktemp("split") / "atlas")
    export_folder(folder)
    with serving(folder) as url:
        yield url


def split(seen: Seen, right: int) -> None:
    seen(f"v.split.show({right})")
    seen.wait(BOTH)
    seen.wait("jatlasViewer.panes.every(({grid}) => jatlasViewer.split.joins.now(grid))")


def hover(seen: Seen, size: int, row: int, column: int, pane: int = 0) -> None:
    """Move the pointer to a cell of a pane."""
    x, y = seen(f"v.panes[{pane}].camera.toScreen(({column} + .5) / {size}, ({row} + .5) / {size})")
    box = seen.page.locator(".j-canvas").nth(pane).bounding_box()
    seen.page.mouse.move(box["x"] + x, box["y"] + y)


def cells(atlas: Atlas, number: int, size: int) -> dict[int, int]:
    """The cell of each sample of a map, by its row in its layer's map."""
    one = atlas.maps[number]
    column, row = np.floor(np.asarray(one.points) * size).astype(int).T
    rows = range(len(row)) if one.rows is None else one.rows.tolist()
    return dict(zip(rows, (row * size + column).tolist(), strict=True))


def shares(atlas: Atlas, sizes: list[int], maps: list[int], cell: int) -> dict[int, float]:
    """By cell of the second map the share of its samples that are in a cell of the first."""
    first, second = (cells(atlas, *one) for one in zip(maps, sizes, strict=True))
    shown = [sample for sample, where in first.items() if where == cell]
    there = list(second.values())
    found = [second[sample] for sample in shown if sample in second]
    return {where: found.count(where) / there.count(where) for where in set(found)}


LIT = """(() => {
  const {grid, veil: {found}} = v.panes[a];
  return found && [...found.shares].map(([i, share]) => [grid.cell[i], share]);
})()"""


@pytest.mark.slow
@pytest.mark.parametrize(("left", "right"), [(0, 1), (1, 2)])
def test_the_cells_that_hold_the_samples_are_lit(
    left: int, right: int, open_: Open, page: str, atlas: Atlas
) -> None:
    seen = open_(page)
    if left:
        seen(f"v.go({left})")
        seen.wait()
    split(seen, right)
    sizes = seen("v.panes.map((pane) => pane.grid.size)")
    for x, y in ((0.3, 0.4), (0.6, 0.35), (0.45, 0.7)):
        for pane in (0, 1):
            size = sizes[pane]
            row, column = int(y * size), int(x * size)
            hover(seen, size, row, column, pane)
            seen.wait(BOTH)
            order = slice(None, None, -1 if pane else 1)
            wanted = shares(atlas, sizes[order], [left, right][order], row * size + column)
            assert dict(seen(LIT, 1 - pane)) == pytest.approx(wanted, abs=1e-6)
            assert seen(LIT, pane) is None
    seen.page.mouse.move(2, 2)
    seen.wait(BOTH)
    assert seen(LIT, 0) is None and seen(LIT, 1) is None


COLOURS = """(() => {
  const {stage, grid, canvas, veil} = v.panes[1];
  const all = new OffscreenCanvas(canvas.width, canvas.height);
  const copy = all.getContext("2d", {willReadFrequently: true});
  copy.drawImage(canvas, 0, 0);
  return [...grid.cell.keys()].map((i) => {
    const centre = stage.camera.toScreen(...grid.centre(i));
    const at = centre.map((value) => Math.round(value * stage.dpr));
    return [veil.found?.shares.get(i) ?? 0, copy.getImageData(...at, 1, 1).data[0]];
  });
})()"""


@pytest.mark.slow
def test_a_held_cell_dims_what_holds_none_of_its_samples(open_: Open, page: str) -> None:
    seen = open_(page)
    seen("v.set({labels: false})")
    split(seen, 1)
    before = [colour for _, colour in seen(COLOURS)]
    hover(seen, seen("v.panes[0].grid.size"), 1, 2)
    seen.page.mouse.down()
    seen.page.mouse.up()
    seen.page.mouse.move(2, 2)
    seen.wait(BOTH)
    ground, held = 0xF4, seen(COLOURS)  # stays when the pointer has left
    most = max(share for share, _ in held)
    assert most > 0 and min(share for share, _ in held) == 0
    for (share, after), colour in zip(held, before, strict=True):
        light = 0.55 + 0.45 * share / most if share else 0.2
        assert after == pytest.approx(light * colour + (1 - light) * ground, abs=3)
    assert seen("v.panes[0].stage.state.hover") == -1
    seen("v.light(0)")  # a highlight keeps its light: the cells are framed instead
    seen.wait(BOTH)
    assert seen("v.panes[1].stage.labels.veiled") is False and dict(seen(LIT, 1))


@pytest.mark.slow
def test_a_link_restores_both_maps_and_back_closes_the_second(open_: Open, page: str) -> None:
    seen = open_(page)
    seen("v.light(0)")
    seen.wait("location.hash.includes('class=0')")
    seen.page.keyboard.press("s")
    seen.wait(BOTH)
    assert seen(MAPS) == [0, 1]  # the first map with the same samples
    seen("v.panes[0].camera.set(.25, .5, 4)")  # the bright cells are at the other end
    seen("v.panes[1].camera.set(.6, .45, 3)")
    seen.wait("location.hash.endsWith('split=mixed4d@0.6000,0.4500,3.000')")
    link = seen("location.hash")
    seen.page.go_back()
    seen.wait("jatlasViewer.panes.length === 1")
    seen.page.go_forward()
    seen.wait("jatlasViewer.panes.length === 2")
    other = open_(page + link)
    other.wait(BOTH)
    assert other(MAPS) == [0, 1] and other(WHERE) == [[0.25, 0.5, 4], [0.6, 0.45, 3]]
    for broken in ("split=nothing@0.5,0.5,1", "split=mixed4d@x,y,z"):
        other.page.goto(f"{page}#map=mixed4c&at=0.5,0.5,1&{broken}")
        other.page.reload()
        other.wait("window.jatlasViewer?.followed")
        assert other(MAPS) == [0]


@pytest.mark.slow
def test_keys_act_on_the_active_map(open_: Open, page: str) -> None:
    seen = open_(page)
    split(seen, 1)
    active = "[...document.querySelectorAll('.j-side-head')].map((head) => head.dataset.active)"
    assert seen(active) == ["true", "false"]
    seen.page.locator(".j-canvas").nth(1).focus()
    assert seen(active) == ["false", "true"]
    before = seen(WHERE)
    seen.page.keyboard.press("+")
    seen.wait(BOTH)
    after = seen(WHERE)
    assert after[0] == before[0] and after[1][2] == pytest.approx(1.6 * before[1][2])
    seen.page.keyboard.press("]")
    seen.wait(BOTH)
    assert seen(MAPS) == [0, 2]
    seen.page.get_by_label("Map 1 of 2").select_option("1")
    seen.wait(BOTH)
    assert seen(MAPS) == [1, 2] and seen(active) == ["true", "false"]
    # Pointing at the other map fills the inspector, and keys still act on this one.
    hover(seen, 4, 1, 2, 1)
    seen.wait("jatlasViewer.inspector.shown?.grid.map === 2")
    assert seen(active) == ["true", "false"]
    seen.page.keyboard.press("[")
    seen.wait(BOTH)
    assert seen(MAPS) == [0, 2]


@pytest.mark.slow
def test_maps_of_one_layer_move_together_until_told_otherwise(open_: Open, page: str) -> None:
    seen = open_(page)
    seen("v.go(1)")
    seen.wait()
    split(seen, 2)  # a class map of the same layer
    box = seen.page.locator(".j-canvas").nth(0).bounding_box()
    seen.page.mouse.move(box["x"] + 150, box["y"] + 300)
    seen.page.mouse.wheel(0, -300)
    seen.wait(BOTH)
    left, right = seen(WHERE)
    assert left == right and left[2] > 1.2
    button = seen.page.get_by_role("button", name="Move together")
    assert button.get_attribute("aria-pressed") == "true"
    button.click()
    seen("v.panes[1].camera.panBy(-40, 0)")
    seen.wait(BOTH)
    assert seen(WHERE)[0] == left != seen(WHERE)[1]
    button.click()
    seen.wait(BOTH)
    assert seen(WHERE) == [left, left]


@pytest.mark.slow
def test_one_search_lights_both_maps_on_one_scale(open_: Open, page: str) -> None:
    seen = open_(page)
    split(seen, 2)
    seen("v.light(2)")
    seen.wait(BOTH)
    heat = "((v) => (p) => v.model.heatNow(p.grid, v.state.lit.quantity))(jatlasViewer)"
    seen.wait(f"jatlasViewer.panes.every({heat})")
    seen.wait(BOTH)
    highs = seen(f"v.panes.map({heat}).map(({{high}}) => high)")
    assert highs[0] != highs[1]
    ends = seen.page.locator(".j-end").all_inner_texts()
    assert float(ends[1]) == pytest.approx(0.7 * max(highs), rel=0.05)  # full light from 70 % on
    lights = seen("v.panes.map((p) => [...p.grid.cell.keys()].map(v.look.of(p.grid).light))")
    low = 0.03 + min(highs) / (0.7 * max(highs))
    assert [max(light) for light in lights] == pytest.approx(
        [min(1, low) if high == min(highs) else 1 for high in highs], abs=1e-3
    )
    cells = sum(map(len, lights))
    bright = sum(value >= 0.5 for light in lights for value in light)
    assert seen.page.locator(".j-bright").inner_text() == f"{bright} of {cells} cells bright"


@pytest.mark.slow
@pytest.mark.parametrize("closed", [0, 1])
def test_a_closed_map_leaves_nothing_behind(closed: int, open_: Open, page: str) -> None:
    seen = open_(page)
    held = seen("v.tiles.drawn.size + v.tiles.pictures.size")
    elements = seen("document.querySelectorAll('.j-view :not(.j-tag *)').length")
    seen(COUNT)
    for _ in range(3):
        if seen(MAPS) == [1]:
            seen("v.go(0)")
            seen.wait()
        split(seen, 1)
        hover(seen, seen("v.panes[0].grid.size"), 1, 2)
        seen.wait(BOTH)
        seen("v.panes[1].camera.set(.5, .5, 3)")
        seen.wait(BOTH)
        seen.page.get_by_role("button", name="Close this map").nth(closed).click()
        seen.wait(BOTH)
    assert seen(MAPS) == [1 - closed]
    assert seen("v.camera.zoom === 3") == (closed == 0)
    assert seen("document.querySelectorAll('.j-view :not(.j-tag *)').length") == elements
    assert seen("v.stage.veil === null && v.active === v.panes[0] && !v.split.heads.size")
    assert seen("counts.open") == seen("v.tiles.drawn.size + v.tiles.pictures.size") - held


@pytest.mark.slow
def test_where_there_is_no_room_a_second_map_is_not_offered(open_: Open, page: str) -> None:
    phone = open_(page, size=(390, 844), has_touch=True, is_mobile=True)
    split(phone, 1)
    top, bottom = (phone.page.locator(".j-canvas").nth(i).bounding_box() for i in (0, 1))
    assert min(top["height"], bottom["height"]) >= 220 and top["width"] == bottom["width"] == 390
    assert top["y"] + top["height"] <= bottom["y"]
    small = open_(page, size=(390, 500))
    button = small.page.locator(".j-split")
    assert not button.is_visible()
    small.page.keyboard.press("s")
    assert small(MAPS) == [0]
    small.page.set_viewport_size({"width": 1200, "height": 800})
    button.click()
    small.wait(BOTH)
    assert small(MAPS) == [0, 1]
    small.page.set_viewport_size({"width": 390, "height": 500})
    small.wait("jatlasViewer.panes.length === 1")


def test_samples_are_found_by_their_ids() -> None:
    body = """
      const [from, to] = data.sets.map(({size, columns, xy, ids}) => {
        const grid = new Grid(0, "m0", {size, px: [8], tile: 8}, columns);
        return tablesOf(ids, grid.locate(xy), data.stride);
      });
      return [...Array(data.sets[0].size ** 2).keys()].map((i) => {
        const {shares, found, all} = shared(from, i, to);
        return {shares: [...shares], found, all};
      });"""
    rng = np.random.default_rng(2)
    sets: list[dict[str, Any]] = []
    for size, count in ((3, 200), (5, 60)):
        ids = 7 * np.sort(rng.choice(300, count, replace=False))
        xy = rng.integers(0, 65536, (count, 2))
        cells = packed(np.arange(size**2))
        columns = {"cell": cells, "count": cells, "per": 0, "labels": cells, "values": cells}
        sets.append(
            {"size": size, "xy": xy.ravel().tolist(), "ids": ids.tolist(), "columns": columns}
        )
    found = run(("grid.js", "join.js"), "Grid, tablesOf, shared", body, {"sets": sets, "stride": 7})
    placed = []
    for one in sets:
        x, y = np.reshape(one["xy"], (-1, 2)).T * one["size"] // 65536
        placed.append(dict(zip(one["ids"], (y * one["size"] + x).tolist(), strict=True)))
    totals = list(placed[1].values())
    for cell, got in enumerate(found):
        mine = [sample for sample, where in placed[0].items() if where == cell]
        there = [placed[1][sample] for sample in mine if sample in placed[1]]
        assert (got["all"], got["found"]) == (len(mine), len(there))
        assert dict(got["shares"]) == {i: there.count(i) / totals.count(i) for i in set(there)}
