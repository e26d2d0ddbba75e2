"""Notes, places to begin at and the tour, in a real browser; and the notes that Python reads."""

import itertools
import json
import math
import shutil
from pathlib import Path
from typing import Any

import pytest
import viewer_atlas
from viewer_atlas import HOSTILE
from viewer_page import READY, Open, Seen

import jatlas
from jatlas.show import export_folder, pack

NOTES: list[dict[str, Any]] = [
    {"map": "mixed4c", "x": 0.3, "y": 0.4, "zoom": 3.0, "text": f"{HOSTILE[0]}\nsecond line",
     "title": HOSTILE[1], "light": "class-1", "cell": {"grid": 8, "row": 3, "col": 2}},
    {"map": "mixed4d", "x": 0.6, "y": 0.5, "zoom": 2.0, "text": "", "light": "class-0",
     "against": True},
    {"map": "mixed4c", "x": 0.7, "y": 0.7, "zoom": 4.0, "text": "the last"},
]  # fmt: skip
ADD = (
    "v.guide.panel.write()",
    "v.guide.panel.title.value = a.title",
    "v.guide.panel.text.value = a.text",
    "v.guide.panel.form.querySelector('button').click()",
)


def written(path: Path, notes: Any) -> Path:
    """Write notes beside an atlas."""
    (path / "notes.json").write_text(json.dumps({"format": "jatlas-notes/1", "notes": notes}))
    return path


def read(path: Path) -> list[dict[str, Any]]:
    """Return the notes that the page of an atlas gets."""
    manifest = next(part for part in pack(path) if part.name == "atlas")
    return json.loads(manifest.data).get("notes", [])


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return viewer_atlas.make(tmp_path_factory.mktemp("guide") / "atlas", sizes=(4, 8))


@pytest.fixture(scope="module")
def noted(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = viewer_atlas.make(tmp_path_factory.mktemp("noted") / "atlas", sizes=(4, 8))
    return export_folder(written(path, NOTES)).as_uri()


def add(seen: Seen, title: str, text: str) -> None:
    for line in ADD:
        seen(line, {"title": title, "text": text})


def at_points(seen: Seen) -> bool:
    """Whether every pin of the map in view lies at its point."""
    return seen("""(() => {
      const view = v.canvas.getBoundingClientRect();
      const here = v.guide.notes.all.filter(({note}) => note.map === v.model.maps[v.state.map].id);
      const pins = [...document.querySelectorAll(".j-pin")];
      return pins.length === here.length && pins.every((pin, k) => {
        if (pin.hidden) return true;
        const [x, y] = v.camera.toScreen(here[k].note.x, here[k].note.y);
        const box = pin.getBoundingClientRect();
        const [dx, dy] = [box.x + box.width / 2 - view.x - x, box.y + box.height / 2 - view.y - y];
        return Math.hypot(dx, dy) < 1;
      });
    })()""")


def test_notes_are_read_as_they_are_and_none_are_none(small: Path, tmp_path: Path) -> None:
    assert read(small) == []
    try:
        assert read(written(small, NOTES)) == NOTES
    finally:
        (small / "notes.json").unlink()


@pytest.mark.parametrize(
    ("notes", "message"),
    [
        ({}, r"notes: expected a list, got \{\}"),
        (["x"], r"notes\[0\]: expected an object, got 'x'"),
        ([{"map": "mixed4c"}], r"notes\[0\]: expected 'x', got none"),
        ([NOTES[2] | {"map": 4}], r"notes\[0\].map: expected text, got 4"),
        ([NOTES[2] | {"x": 1.5}], r"notes\[0\].x: expected"),
        ([NOTES[2] | {"zoom": 0}], r"notes\[0\].zoom: expected above 0"),
        ([NOTES[2], NOTES[2] | {"text": 3}], r"notes\[1\].text: expected text, got 3"),
        (
            [NOTES[2] | {"text": "x" * 2001}],
            r"notes\[0\].text: expected at most 2000 letters, got 2001",
        ),
        ([NOTES[2] | {"lite": "x"}], r"notes\[0\]: a name: expected 'map'"),
        (
            [NOTES[2] | {"cell": {"grid": 8, "row": 8, "col": 0}}],
            r"notes\[0\].cell.row: expected at most 7",
        ),
        ([NOTES[2]] * 201, r"notes: expected at most 200, got 201"),
    ],
)
def test_bad_notes_are_refused(small: Path, notes: Any, message: str) -> None:
    try:
        with pytest.raises(ValueError, match=f"notes.json: {message}"):
            read(written(small, notes))
    finally:
        (small / "notes.json").unlink()


def test_notes_outlast_the_maps_they_are_on(
    small: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = Path(shutil.copytree(small, tmp_path / "atlas"))
    other = {"grid": 5, "row": 0, "col": 0}
    notes = [NOTES[2] | {"map": "conv"}, NOTES[2] | {"cell": other}]
    before = (written(path, notes) / "notes.json").read_bytes()
    plain = {key: value for key, value in NOTES[2].items() if key != "cell"}
    assert read(path) == [plain]
    assert "1 notes are on maps" in caplog.text
    jatlas.save(jatlas.load(path), path, overwrite=True)
    assert (path / "notes.json").read_bytes() == before


@pytest.mark.parametrize("text", ["", "[]", "{", '{"format": "jatlas-notes/2", "notes": []}'])
def test_a_file_that_holds_no_notes_is_refused(small: Path, text: str) -> None:
    (small / "notes.json").write_text(text)
    try:
        with pytest.raises(ValueError, match=r"notes\.json"):
            read(small)
    finally:
        (small / "notes.json").unlink()


@pytest.mark.slow
def test_pins_lie_at_their_points_and_open_the_view_of_their_note(open_: Open, noted: str) -> None:
    seen = open_(noted)
    for x, y, zoom in ((0.5, 0.5, 1), (0.35, 0.45, 3), (0.6, 0.6, 2)):
        seen(f"v.camera.fly({x}, {y}, {zoom}, 0)")
        seen.wait()
        assert at_points(seen)
    seen("v.home(0)")
    seen.wait()
    assert seen.page.locator(".j-pin").all_inner_texts() == ["1", "3"]
    seen.page.locator(".j-pin").first.click()
    seen.wait("jatlasViewer.state.pinned !== null")
    seen.wait()
    assert seen("v.where()") == {"x": 0.3, "y": 0.4, "zoom": 3}
    assert seen("[v.state.lit.quantity.key, v.cell(v.state.pinned).row]") == ["class-1", 3]
    assert at_points(seen)
    bubble = seen.page.locator(".j-note")
    words = bubble.inner_text()
    assert HOSTILE[0] in words and HOSTILE[1] in words and "second line" in words
    assert bubble.locator("img, script, b").count() == 0 and seen("document.title") != "pwned"
    # The next one is on the other map, and has another light and no cell.
    bubble.get_by_text("Next", exact=True).click()
    seen.wait("jatlasViewer.state.map === 1 && jatlasViewer.state.pinned === null")
    seen.wait()
    assert seen("[v.state.lit.quantity.key, v.state.lit.against]") == ["class-0", True]
    assert seen("document.activeElement.textContent") == "Next"
    assert at_points(seen)
    seen.page.keyboard.press("Escape")
    assert not bubble.is_visible() and seen("v.state.lit !== null")


@pytest.mark.slow
def test_a_link_carries_a_note_as_text(open_: Open, server: str) -> None:
    seen = open_(server)
    text = f"{HOSTILE[2]} & = , # %"
    add(seen, HOSTILE[0], text)
    link = seen("(v.links.copy = (link) => (v.copied = link), "
                "v.guide.copy(v.guide.notes.all[0]), v.copied)")  # fmt: skip
    seen("localStorage.clear()")
    seen.page.goto("about:blank")
    seen.page.goto(server + link)
    seen.wait(READY)
    bubble = seen.page.locator(".j-note")
    bubble.wait_for()
    shown = seen("v.guide.notes.all.map(({note, from}) => [from, note.title, note.text])")
    assert shown == [["link", HOSTILE[0], text]]
    assert "From the link" in bubble.inner_text() and HOSTILE[0] in bubble.inner_text()
    assert seen("document.title") != "pwned"
    # The address keeps it, so that a reload does.
    seen("v.guide.close()")
    assert seen("v.links.link()").endswith(link[link.index("&note=") :])
    # Kept, it is the reader's own.
    seen("v.guide.show(v.guide.notes.all[0])")
    bubble.get_by_text("Keep", exact=True).click()
    assert seen("v.guide.notes.all.map(({from}) => from)") == ["own"]
    # What is no note of this atlas is none.
    for bad in ("%E0%A4%A", "a,b", "conv,.5,.5,1,,,,x", "mixed4c,x,.5,1,,,,x"):
        seen(f"v.links.follow('#map=mixed4c&note={bad}')")
        assert seen("v.guide.notes.ofLink") == []


@pytest.mark.slow
def test_notes_that_are_too_long_are_in_no_link(open_: Open, server: str) -> None:
    seen = open_(server)
    add(seen, "", "x" * 2000)
    seen("v.links.copy = (link) => (v.copied = link), v.guide.copy(v.guide.notes.all[0])")
    assert seen("v.copied ?? null") is None
    assert "Too long" in seen.page.locator(".j-toast").inner_text()


@pytest.mark.slow
def test_own_notes_survive_a_reload_and_are_downloaded_as_python_reads_them(
    open_: Open, small: Path, tmp_path: Path
) -> None:
    path = viewer_atlas.make(tmp_path / "atlas", sizes=(4, 8))
    export_folder(written(path, NOTES))
    url = (path / "index.html").as_uri()
    seen = open_(url)
    seen("v.light(1)")
    seen("v.pin({grid: v.stage.current.grid, i: 9})")
    add(seen, HOSTILE[0], f"{HOSTILE[2]}\n\ud800.")
    add(seen, "", "y" * 3000)
    expected = seen("v.guide.notes.own")
    assert [len(note["text"]) for note in expected][1] == 2000 and "cell" in expected[0]
    seen.page.goto("about:blank")
    seen.page.goto(url)
    seen.wait(READY)
    assert seen("v.guide.notes.own") == expected
    with seen.page.expect_download() as download:
        seen("v.guide.save()")
    download.value.save_as(path / "notes.json")
    assert read(path) == NOTES + expected
    # With the page exported again they are the atlas's, and shown once.
    export_folder(path)
    seen.page.goto("about:blank")
    seen.page.goto(url)
    seen.wait(READY)
    assert seen("v.guide.notes.all.map(({from}) => from)") == ["atlas"] * 5
    seen("v.guide.notes.remove(v.guide.notes.own[0])")


def _claims(info: dict[str, Any]) -> None:
    """Name cells by the quarter of the map; the region that holds best is too wide."""
    entry = info["maps"][0]
    for half, cell in (
        (grid["size"] / 2, cell) for grid in entry["grids"] for cell in grid["cells"]
    ):
        north, west = cell["row"] < half, cell["col"] < half
        name = ("cat" if west else "dog") if north else ("car" if west else None)
        shown = {"cat": 9, "dog": 8, "car": 7, None: 0}[name]
        held_out = None if name is None else 0.5
        cell["name"] = {"name": name, "shown": shown, "images": 10, "held_out": held_out,
                        "held_out_images": 5}  # fmt: skip
    side = {"parent": -1, "held_out": 0.6, "held_out_images": 5, "level": 0}
    entry["regions"] = [
        side | {"name": name, "shown": shown, "images": 100, "center": at, "typical": at}
        for name, shown, at in (
            ("animal", 99, [0.5, 0.25]), ("cat", 80, [0.25, 0.3]), ("dog", 70, [0.7, 0.3]),
            ("cat", 60, [0.3, 0.25]),
        )
    ]  # fmt: skip
    entry["cover"] = [[[0, 1], [2, 3]]]


@pytest.mark.slow
def test_places_to_begin_at_are_named_by_what_holds_and_far_apart(
    open_: Open, tmp_path: Path
) -> None:
    path = viewer_atlas.make(tmp_path / "atlas", sizes=(4, 8), layers=2)
    viewer_atlas.edit(path, _claims)
    seen = open_(export_folder(path).as_uri())
    seen.page.locator(".j-chips").wait_for()
    chips = seen.page.locator(".j-chips .j-start")
    # No cell there has the name of the widest region, and no region is named "car".
    assert chips.all_inner_texts() == ["Cat", "Dog", "Car"]
    assert chips.first.get_attribute("title") == "80 of 100 images in this region show it."
    script = "v.guide.starts({}).then((all) => all.map(({{at, name}}) => [at, name ?? null]))"
    for number in (0, 1):
        places = seen(script.format(number))
        near = min(math.dist(a, b) for (a, _), (b, _) in itertools.combinations(places, 2))
        assert len(places) == 3 and near > 0.25, number
    # The other map has no names: none is claimed.
    assert [name for _, name in seen(script.format(1))] == [None] * 3
    chips.first.click()
    seen.wait("jatlasViewer.state.pinned !== null")
    assert seen("v.cell(v.state.pinned).name") == "cat" and seen("v.where().zoom") == 3
    assert not seen.page.locator(".j-chips").is_visible()


@pytest.mark.slow
def test_greets_once_and_never_a_link(open_: Open, server: str) -> None:
    seen = open_(server)
    chips = seen.page.locator(".j-chips")
    chips.wait_for()
    assert chips.locator(".j-start").all_inner_texts() == ["A crowded place"] * 3
    seen("v.camera.panBy(40, 0)")  # the first move ends it
    chips.wait_for(state="hidden")
    for clear, address in ((False, server), (True, f"{server}#map=mixed4c&at=0.5,0.5,1")):
        if clear:
            seen("localStorage.clear()")
        seen.page.goto("about:blank")
        seen.page.goto(address)
        seen.wait(READY)
        seen.page.locator(".j-welcome .j-start").first.wait_for()
        seen.wait()
        assert not chips.is_visible()


def test_the_tour_goes_through_the_places(seen: Seen) -> None:
    places = seen(
        "v.guide.starts(0).then((all) => all.map(({grid, i}) => [grid.row(i), grid.column(i)]))"
    )
    held = "[v.cell(v.state.pinned).row, v.cell(v.state.pinned).col]"
    tour = seen.page.locator(".j-tour")
    seen.page.keyboard.press("t")
    tour.wait_for()
    for key, expected in (("", 0), ("ArrowRight", 1), ("ArrowRight", 2), ("ArrowLeft", 1)):
        if key:
            seen.page.keyboard.press(key)
        seen.wait(f"document.querySelector('.j-tour-count').textContent === '{expected + 1} of 3'")
        assert seen(held) == places[expected]
        assert f"Stop {expected + 1} of 3. A crowded place." in seen("v.status.textContent")
        assert seen("document.activeElement.textContent") in ("Next", "Finish")
    seen.page.keyboard.press("Escape")
    assert not tour.is_visible() and seen("document.activeElement === v.canvas")
    # The keys are the map's again.
    before = seen(held)
    seen.page.keyboard.press("ArrowRight")
    assert seen(held) != before


@pytest.mark.slow
def test_the_tour_goes_through_the_notes_if_there_are_any(open_: Open, noted: str) -> None:
    seen = open_(noted)
    seen("v.guide.tour.start()")
    tour = seen.page.locator(".j-tour")
    tour.wait_for()
    stops = []
    for _ in NOTES:
        seen.wait()
        stops.append((seen("v.model.maps[v.state.map].id"), seen("v.where().zoom")))
        tour.locator("button").nth(1).click()
        seen.page.wait_for_timeout(50)
    assert stops == [(note["map"], note["zoom"]) for note in NOTES]
    assert not tour.is_visible()


@pytest.mark.slow
def test_undo_and_redo_by_keys_stay_on_the_page(seen: Seen) -> None:
    seen.page.wait_for_timeout(400)
    seen("v.light(1)")
    seen.page.wait_for_timeout(400)
    url = seen("location.href.split('#')[0]")
    for key, lit in (("Control+z", False), ("Control+Shift+z", True), ("Control+Shift+z", True),
                     ("Control+z", False), ("Control+z", False)):  # fmt: skip
        seen.page.keyboard.press(key)
        seen.wait(f"(jatlasViewer.state.lit !== null) === {str(lit).lower()}")
        seen.page.wait_for_timeout(400)
    assert seen("location.href.split('#')[0]") == url
