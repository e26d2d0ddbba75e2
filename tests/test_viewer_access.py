"""The page for everyone: contrast, names and roles in every state, measured by axe-core."""

from pathlib import Path
from typing import Any

import pytest
import viewer_atlas
from viewer_page import Open, Seen

from jatlas.show import export_folder, serving

api = pytest.importorskip("axe_playwright_python.base", reason="axe is not installed")
RULES = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    "resultTypes": ["violations"],  # describing what passes takes most of the time
}
# What the scheme can change: all else is of elements, which are the same in both.
COLOURS = RULES | {"runOnly": ["color-contrast", "link-in-text-block"]}


def violations(seen: Seen) -> list[str]:
    """What axe-core finds on the page, dark and light: the rule, and the elements."""
    if seen.page.evaluate("typeof axe") == "undefined":  # which takes a second to read
        seen.page.evaluate(Path(api.AXE_FILE_PATH).read_text(encoding="utf-8"))
    found = []
    # The page that a test gets is light.
    for scheme, rules in (("dark", RULES), ("light", COLOURS)):
        seen.page.emulate_media(color_scheme=scheme)
        seen.wait(f"jatlasViewer.root.dataset.theme === '{scheme}'")
        found += [f"{scheme}: {each}" for each in _found(seen, rules)]
    return found


def _found(seen: Seen, rules: dict[str, Any]) -> list[str]:
    result = seen.page.evaluate("(rules) => axe.run(document, rules)", rules)
    found = [(rule["id"], node["html"][:160], node["failureSummary"][:200]) for rule in
             result["violations"] for node in rule["nodes"]]  # fmt: skip
    return [": ".join(each) for each in found]


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """An atlas with what a page can show: names, regions, classes, two maps and exemplars."""
    path = viewer_atlas.make(tmp_path_factory.mktemp("access") / "atlas", sizes=(4, 8))
    viewer_atlas.add_exemplars(path, layer="mixed4c", size=8)
    export_folder(path)
    with serving(path) as url:
        yield url


STATES = {
    "start": "null",
    "held": "v.model.grid(0, 8).then((grid) => v.pin({grid, i: 20}))",
    "lit": "v.light(2)",
    "lit and held": "(v.light(1), v.model.grid(0, 8).then((grid) => v.pin({grid, i: 20})))",
    "another map": "(v.model.grid(0, 8).then((grid) => v.pin({grid, i: 20})), v.go(1))",
    "two maps": "v.split.show(1)",
    "selected": "(v.selection.take('lasso'), v.model.grid(0, 8).then((grid) => "
    "v.selection.change(grid, [20, 21, 29])), document.querySelector('.j-save').open = true)",
    "a real place": "v.model.grid(0, 8).then((grid) => v.lightbox.open({grid, i: 20, k: 0}))",
    "help": "v.help.open()",
    "outside": "(v.camera.bounds = [0, 0, 1, 1], v.camera.set(1, 0, 40))",
    "a notice": "v.notice('1 file is missing', 9000)",
    "searching": "(v.find(), v.search.input.value = 't', "
    "v.search.input.dispatchEvent(new Event('input')))",
}

# Undoes any of them: opening the page again takes longer than looking at it.
UNDO = """(v.lightbox.element.close(), v.help.element.close(), v.split.close(v.panes[1]),
  v.selection.clear(), v.selection.take(null), document.querySelector('.j-save').open = false,
  v.light(null), v.pin(null), v.go(0), v.toast.hidden = true, v.search.input.value = '',
  v.search.input.blur(), v.drawer(false), v.home(0))"""
LEFT = """[v.state.map, v.panes.length, v.state.pinned, v.state.lit, v.selection.size,
  v.selection.tool, v.toast.hidden, v.search.list.hidden, v.root.dataset.drawer === 'open',
  document.querySelectorAll('[open]').length, v.camera.zoom]"""


@pytest.mark.slow
@pytest.mark.parametrize("size", [(1400, 900), (900, 700), (390, 844)])
def test_axe_finds_no_violation(open_: Open, known: str, size: tuple[int, int]) -> None:
    seen = open_(known, size=size)
    start, found = seen(LEFT), {}
    states = STATES if size[0] >= 1040 else STATES | {"drawer": "v.drawer(true)"}
    for state, act in states.items():
        seen(act)
        seen.page.wait_for_timeout(150)
        found[state] = violations(seen)
        seen(UNDO)
        seen.wait()
        assert seen(LEFT) == start, state
    assert {state: each for state, each in found.items() if each} == {}


def _luminance(colour: str) -> float:
    """Relative luminance of "#rrggbb" or "#rgb", as WCAG 2.2 defines it."""
    digits = colour.removeprefix("#")
    digits = "".join(2 * digit for digit in digits) if len(digits) == 3 else digits
    parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(a: str, b: str) -> float:
    low, high = sorted((_luminance(a), _luminance(b)))
    return (high + 0.05) / (low + 0.05)


def test_contrast_is_that_of_black_on_white() -> None:
    assert _contrast("#000", "#ffffff") == pytest.approx(21)
    assert _contrast("#767676", "#fff") == pytest.approx(4.54, abs=0.01)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_contrast_enough(open_: Open, known: str, scheme: str) -> None:
    seen = open_(known, color_scheme=scheme)
    names = ("ink", "muted", "accent", "against", "edge", "paper", "rail", "ground", "track")
    look = seen(
        "((look) => Object.fromEntries(a.map((x) => [x, look.getPropertyValue(`--${x}`).trim()])))"
        "(getComputedStyle(v.root))",
        names,
    )
    # WCAG 2.2 AA: 4.5 for text, 3 for what controls and bars are seen by.
    for text in ("ink", "muted", "accent", "against"):
        for ground in ("paper", "rail", "ground"):
            assert _contrast(look[text], look[ground]) >= 4.5, (text, ground)
    for ground in ("paper", "rail"):
        assert _contrast(look["edge"], look[ground]) >= 3, ground
    for bar in ("accent", "against"):
        assert _contrast(look[bar], look["track"]) >= 3, bar
