"""The widget's selection, from the page to Python and back."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from viewer_page import kernel_page

from jatlas.arrange import cell_index
from jatlas.show import widget
from jatlas.show._export import ASSETS
from jatlas.storage import load

# A model as a notebook has one: `tell` says that Python has changed a trait.
MODEL = """async (source) => {
  const url = URL.createObjectURL(new Blob([source], {type: "text/javascript"}));
  const {default: widget} = await import(url);
  const heard = [];
  window.traits = {height: 500, selection: null, selected: null};
  const model = {
    get: (name) => traits[name], on: (name, act) => heard.push([name, act]), off() {},
    set: (name, value) => { traits[name] = value; tell(name); }, save_changes() {},
    send: (message) => ask(message).then(([content, buffers]) => {
      const views = buffers.map((bytes) => new DataView(new Uint8Array(bytes).buffer));
      heard.filter(([name]) => name === "msg:custom").forEach(([, act]) => act(content, views));
    }),
  };
  window.tell = (trait) =>
    heard.filter(([name]) => name === `change:${trait}`).forEach(([, act]) => act());
  window.done = widget.render({model, el: document.getElementById("here")});
}"""


@pytest.mark.slow
def test_the_widget_selects_both_ways(browser: Any, page_folder: Path) -> None:
    pytest.importorskip("anywidget", reason="anywidget is not installed")
    shown = widget(page_folder, height=500)
    seen = kernel_page(browser, shown, (1300, 600))
    page = seen.page
    page.evaluate(MODEL, (ASSETS / "widget.js").read_text(encoding="utf-8"))
    page.wait_for_selector(".j-map[aria-pressed=true]", state="attached")
    # From Python: the map moves and its cells are selected.
    shown.selected = {"map": "mixed4d", "grid": 8, "cells": [[4, 4], [3, 3], [4, 4], [0, 0]]}
    asked = shown.get_state("selected")["selected"]
    assert asked == {"map": "mixed4d", "layer": "mixed4d", "grid": 8, "cells": [[3, 3], [4, 4]]}
    page.evaluate("(value) => { traits.selected = value; tell('selected'); }", asked)
    page.get_by_role("heading", name="2 cells selected").wait_for()
    assert page.locator(".j-rail .j-map[aria-pressed=true]").text_content() == "mixed4d"
    # From the reader: the widget finds the samples.
    page.get_by_role("button", name="Clear selection", exact=True).click()
    page.wait_for_function("traits.selected === null")
    page.locator(".j-canvas").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+Enter")
    page.wait_for_function("traits.selected !== null")
    value = page.evaluate("traits.selected")
    shown.set_state({"selected": value})
    points = load(page_folder).maps[1].points
    index = np.asarray(cell_index(points, size=value["grid"]))
    ((row, column),) = value["cells"]
    rows = np.flatnonzero(index == row * value["grid"] + column)
    assert shown.selected == value | {"samples": rows.tolist(), "images": [0]}
    # The held cell likewise.
    held = {"map": "mixed4c", "grid": 4, "row": 1, "col": 2}
    page.evaluate("(value) => { traits.selection = value; tell('selection'); }", held)
    page.wait_for_function("traits.selection?.count > 0")
    assert page.evaluate("traits.selection").items() >= held.items()
    assert page.locator(".j-rail .j-map[aria-pressed=true]").text_content() == "mixed4c"
    assert not seen.said
    page.close()


def test_a_widget_refuses_what_cannot_be_selected(page_folder: Path) -> None:
    pytest.importorskip("anywidget", reason="anywidget is not installed")
    shown = widget(page_folder)
    good = {"map": "mixed4c", "grid": 8, "cells": [[3, 4]]}
    shown.selected = good
    before = shown.selected
    bad = (
        {"map": "mixed9z"}, {"grid": 7}, {"grid": [8]}, {"cells": [[3, 8]]}, {"cells": [[-1, 0]]},
        {"cells": [3, 4]}, {"cells": 3}, {"cells": [[0.5, 1]]}, {"cells": [[1], [2, 3]]},
    )  # fmt: skip
    for change in bad:
        with pytest.raises(ValueError, match=r"selected: .*expected .*got"):
            shown.selected = good | change
        assert shown.selected == before
    with pytest.raises(ValueError, match="selected: expected a dict of map, grid and cells"):
        shown.selected = {"map": "mixed4c"}
    shown.selected = good | {"cells": [[0, 0]]}
    assert shown.selected is None
    shown.selected = good | {"cells": []}
    assert shown.selected is None
