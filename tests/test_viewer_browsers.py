"""The main walk in Firefox and WebKitGTK: read a cell, find a class, zoom, come back by a link."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import viewer_atlas
import webdriver
from viewer_page import READY, STILL
from webdriver import Driver

from jatlas.show import export_folder, serving

# Before any other script: it keeps what the browser complains about.
WATCH = """
window.said = [];
const keep = (...what) => window.said.push(what.map(String).join(" "));
for (const name of ["error", "warn"]) console[name] = keep;
addEventListener("error", (e) => keep(e.message ?? "not loaded:", e.target?.src ?? ""), true);
addEventListener("unhandledrejection", (e) => keep(e.reason));
addEventListener("securitypolicyviolation", (e) => keep(e.violatedDirective, e.blockedURI));
"""
HELD = "v.state.pinned && [v.state.pinned.grid.row(v.state.pinned.i), v.cell(v.state.pinned).col]"
SIZE = 8


@pytest.fixture(scope="module", params=["firefox", "webkit"])
def driver(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    if needed := webdriver.missing(request.param):
        pytest.skip(f"not installed: {needed}")
    with webdriver.start(request.param, tmp_path_factory.mktemp(request.param)) as started:
        yield started


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = viewer_atlas.make(tmp_path_factory.mktemp("browsers") / "atlas", sizes=(4, SIZE))
    export_folder(path)
    (path / "viewer" / "watch.js").write_text(WATCH)
    page = path / "index.html"
    first = '<script src="viewer/watch.js"></script>\n<script'
    page.write_text(page.read_text().replace("<script", first, 1))
    return path


@pytest.fixture(params=["file", "loopback"])
def address(request: Any, folder: Path) -> Iterator[str]:
    if request.param == "file":
        yield (folder / "index.html").as_uri()
    else:
        with serving(folder) as url:
            yield url


def open_(driver: Driver, url: str) -> None:
    driver.go("about:blank")  # or a new fragment is the same page
    driver.go(url)
    driver.wait(READY)
    driver.wait(STILL)


def until(seen: Callable[[], bool]) -> None:
    """Wait for what is on the screen, which is later than what the page says."""
    end = time.monotonic() + 10
    while not seen():
        assert time.monotonic() < end
        time.sleep(0.05)


def still(driver: Driver) -> None:
    driver.wait(STILL)
    assert driver("window.said") == []


def cell(driver: Driver, row: int, column: int) -> tuple[float, float]:
    """Position of the centre of a cell on the page."""
    x, y = driver(f"v.camera.toScreen(({column} + .5) / {SIZE}, ({row} + .5) / {SIZE})")
    left, top = driver("((box) => [box.x, box.y])(v.canvas.getBoundingClientRect())")
    return left + x, top + y


@pytest.mark.slow
def test_the_main_walk(driver: Driver, address: str) -> None:
    driver.resize(1300, 850)
    open_(driver, f"{address}#grid={SIZE}")
    still(driver)
    for step in (pictures, reading, searching, zooming, helping, themes, narrow):
        step(driver)
        still(driver)
    linking(driver, address)
    still(driver)


def pictures(driver: Driver) -> None:
    for row, column in ((2, 2), (3, 5), (5, 4)):
        x, y = (round(value) for value in cell(driver, row, column))
        want = viewer_atlas.icon(row * SIZE + column, SIZE)[0, 0].astype(int)
        until(lambda: np.abs(driver.picture()[y - 8, x] - want).max() < 16)  # noqa: B023


def reading(driver: Driver) -> None:
    numbers = ".j-inspector .j-numbers"
    assert not driver.sees(numbers)
    driver.point(*cell(driver, 3, 4))
    driver.wait("document.querySelector(arguments[0])", numbers)
    assert driver.sees(numbers) and driver("[v.inspector.shown.i, v.state.hover]")[0] >= 0
    driver.point(*cell(driver, 3, 4), click=True)
    driver.wait("v.state.pinned")
    driver.point(*cell(driver, 5, 5))
    assert driver(HELD) == [3, 4]
    driver.press("ArrowRight", "ArrowDown")
    driver.wait(f"String({HELD}) === '4,5'")
    assert "row 5, column 6 of 8" in driver("document.querySelector('[role=status]').textContent")
    driver.press("Escape")
    driver.wait("!v.state.pinned")


def searching(driver: Driver) -> None:
    driver.press("/")
    driver.wait("document.activeElement === v.search.input")
    driver.press(*"seashor")
    driver.wait("document.querySelectorAll('.j-results li canvas').length === 1")
    assert driver.sees(".j-results li")
    driver.press("Enter")
    driver.wait("/^[1-9]\\d* of \\d+ cells bright$/.test(v.legend.count.textContent)")
    assert driver("v.state.lit.quantity.name") == "seashore, coast"
    assert driver.sees(".j-bright") and not driver.sees(".j-results")
    assert driver("document.activeElement === v.canvas")
    driver.press("Escape")
    driver.wait("v.legend.element.hidden")


def zooming(driver: Driver) -> None:
    before = driver("v.camera.zoom")
    x, y = cell(driver, 3, 4)
    driver.wheel(x, y, by=-200)
    driver.wait("v.camera.zoom > 1.2 * arguments[0]", before)
    driver.wait(STILL)
    assert np.abs(np.subtract(cell(driver, 3, 4), (x, y))).max() < 2  # around the pointer
    wheeled = driver("v.camera.zoom")
    driver.press("+")
    driver.wait("v.camera.zoom > 1.5 * arguments[0] && !v.camera.flight", wheeled)
    driver.press("h")
    driver.wait("Math.abs(v.camera.zoom / arguments[0] - 1) < .01 && !v.camera.flight", before)


def helping(driver: Driver) -> None:
    driver.press("?")
    driver.wait("v.help.element.open")
    assert driver.sees(".j-help h2")
    driver.click(".j-help .j-close")
    driver.wait("!v.help.element.open")
    assert not driver.sees(".j-help h2")


def themes(driver: Driver) -> None:
    def corner() -> float:
        return driver.picture()[-60:, -60:].mean()

    until(lambda: corner() > 200)
    driver.press("b")
    driver.wait("v.root.dataset.theme === 'dark'")
    until(lambda: corner() < 60)
    driver.press("b")
    driver.wait("v.root.dataset.theme === 'light'")


def narrow(driver: Driver) -> None:
    driver.resize(400, 800)  # Firefox does not go below 500, MiniBrowser below 447
    driver.wait("v.frame === 'narrow' && innerWidth <= 500")
    driver.wait(STILL)
    assert driver.sees(".j-bar-top .j-input") and not driver.sees(".j-rail")
    assert driver("document.documentElement.scrollWidth <= innerWidth")
    driver.click(".j-menu")
    driver.wait("v.root.dataset.drawer === 'open'")
    driver.wait("document.querySelector('.j-rail').getBoundingClientRect().left === 0")
    assert driver.sees(".j-map")
    driver.press("Escape")
    driver.wait("v.root.dataset.drawer !== 'open'")
    driver.resize(1300, 850)
    driver.wait("v.frame === 'wide'")


def linking(driver: Driver, address: str) -> None:
    place = f"at=0.4,0.45,1.6&grid={SIZE}"
    open_(driver, f"{address}#map=mixed4d&{place}&class=2&cell={SIZE}.4.3")
    driver.wait("v.state.pinned && v.state.lit")
    assert driver("v.model.maps[v.state.map].id") == "mixed4d" and driver(HELD) == [4, 3]
    assert driver("v.state.lit.quantity.key") == "class-2" and driver.sees(".j-legend")
    assert np.allclose(driver("[v.camera.x, v.camera.y, v.camera.zoom]"), [0.4, 0.45, 1.6])
    driver.click(".j-map")
    driver.wait("v.state.map === 0 && location.hash.includes('map=mixed4c')")
    driver.command("Back", {})
    driver.wait("v.state.map === 1 && v.state.pinned && !v.camera.flight")
    assert driver(HELD) == [4, 3] and driver("v.state.lit.quantity.key") == "class-2"
