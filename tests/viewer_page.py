"""Fixtures for tests of the viewer in a real browser."""

import itertools
import json
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import viewer_atlas

from jatlas.show import export_folder, serving
from jatlas.show._export import ASSETS

# The first is Chromium without what only a window needs: a page takes half as long.
NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
READY = "window.jatlasViewer?.followed && jatlasViewer.stage.stats.first !== null"
# Everything in view has been drawn.
STILL = (
    "(() => { const v = jatlasViewer; "
    "return !v.dirty && !v.camera.flight && !v.camera.glide && v.stage.still; })()"
)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = os.environ.get("JATLAS_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        pytest.skip("no Chromium: JATLAS_CHROMIUM names one elsewhere")
    with api.sync_playwright() as playwright:
        running = playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--disable-gpu"]
        )
        yield running
        running.close()


@pytest.fixture(scope="session")
def page_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = viewer_atlas.make(tmp_path_factory.mktemp("viewer") / "atlas")
    viewer_atlas.add_exemplars(path, layer="mixed4c", size=8)
    export_folder(path)
    return path


class Seen:
    """A page with its console messages and requests."""

    def __init__(self, page: Any) -> None:
        self.page, self.said, self.asked = page, [], []
        page.on("console", lambda message: self.said.append(message.text))
        page.on("pageerror", lambda error: self.said.append(str(error)))
        page.on("request", lambda request: self.asked.append(request.url))

    def __call__(self, script: str, argument: Any = None) -> Any:
        """Run a script with the viewer as `v`."""
        return self.page.evaluate(
            f"(a) => {{ const v = jatlasViewer; return {script}; }}", argument
        )

    def wait(self, condition: str = STILL) -> None:
        # Not wait_for_function, which evaluates text in the page: its policy forbids that.
        end = time.monotonic() + 30
        while not self.page.evaluate(condition):
            assert time.monotonic() < end, f"still not: {condition}"
            self.page.wait_for_timeout(20)

    def cell(self, size: int, row: int, column: int) -> tuple[float, float]:
        """Position of the centre of a cell on the page."""
        x, y = self(f"v.camera.toScreen(({column} + .5) / {size}, ({row} + .5) / {size})")
        box = self.page.locator(".j-canvas").bounding_box()
        return box["x"] + x, box["y"] + y

    def colour(self, size: int, row: int, column: int) -> list[int]:
        """Colour in the centre of a cell."""
        x, y = self(f"v.camera.toScreen(({column} + .5) / {size}, ({row} + .3) / {size})")
        pick = f"""(() => {{
          const [canvas, dpr] = [new OffscreenCanvas(1, 1), v.stage.dpr];
          const context = canvas.getContext("2d", {{willReadFrequently: true}});
          context.drawImage(v.canvas, {x} * dpr, {y} * dpr, 1, 1, 0, 0, 1, 1);
          return [...context.getImageData(0, 0, 1, 1).data];
        }})()"""
        return self(pick)


Open = Callable[..., Seen]


@pytest.fixture(scope="session")
def idle(browser: Any) -> Iterator[dict[str, list[Seen]]]:
    """Pages to use again, by the options of their contexts: opening one takes half a second."""
    pages: dict[str, list[Seen]] = {}
    yield pages
    for seen in itertools.chain(*pages.values()):
        seen.page.context.close()


@pytest.fixture
def open_(browser: Any, idle: dict[str, list[Seen]]) -> Iterator[Open]:
    opened: list[tuple[str, Seen]] = []

    def make(url: str, *, size: tuple[int, int] = (1200, 800), **options: Any) -> Seen:
        view = {"width": size[0], "height": size[1]}
        options = {"viewport": view, "reduced_motion": "reduce", **options}
        key = json.dumps(options)
        stock = idle.setdefault(key, [])
        seen = stock.pop() if stock else Seen(browser.new_context(**options).new_page())
        opened.append((key, seen))
        seen.page.goto(url)
        seen.wait(READY)
        seen.wait()
        return seen

    yield make
    for key, seen in opened:
        seen.page.mouse.move(0, 0)
        seen.page.evaluate("localStorage.clear()")  # what the reader has set
        seen.page.goto("about:blank")
        said, asked = seen.said[:], seen.asked[:]
        seen.said.clear()
        seen.asked.clear()
        idle[key].append(seen)
        assert not said, "the console is not empty"
        own = re.compile(r"(file|data|blob):|about:blank|http://127\.0\.0\.1:")
        assert all(own.match(url) for url in asked), asked


@pytest.fixture(scope="session")
def server(page_folder: Path) -> Iterator[str]:
    with serving(page_folder) as url:
        yield url


@pytest.fixture
def seen(open_: Open, server: str) -> Seen:
    return open_(server)


def kernel_page(browser: Any, shown: Any, size: tuple[int, int]) -> Seen:
    """Open an empty page whose function `ask` asks a widget and returns its answer."""
    sent: list[tuple[Any, Any]] = []
    shown.send = lambda content, buffers=None: sent.append((content, buffers))
    page = browser.new_page(viewport={"width": size[0], "height": size[1]})
    seen = Seen(page)

    def ask(message: dict[str, Any]) -> list[Any]:
        shown._handle_custom_msg(message, [])
        content, buffers = sent.pop()
        return [content, [list(bytes(buffer)) for buffer in buffers]]

    page.expose_function("ask", ask)
    page.set_content("<main id=here></main>")
    page.add_style_tag(path=str(ASSETS / "viewer.css"))
    return seen
