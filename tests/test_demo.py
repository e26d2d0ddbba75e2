"""`jatlas demo`: an atlas from nothing, and how well it recovers what is known of its images."""

import dataclasses
import webbrowser
from pathlib import Path

import numpy as np
import pytest

import jatlas
from jatlas.arrange import cell_index
from jatlas.build import _cells as drawing
from jatlas.cli import demo
from jatlas.explain import _metrics as metrics
from jatlas.synthetic import CLASSES


def test_the_page_is_opened_if_there_is_a_browser(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    monkeypatch.setattr(webbrowser, "get", lambda: None)
    demo._open(tmp_path / "index.html")
    assert opened == [(tmp_path / "index.html").as_uri()]

    def none_here() -> None:
        raise webbrowser.Error

    monkeypatch.setattr(webbrowser, "get", none_here)
    caplog.set_level("INFO", logger="jatlas")
    demo._open(tmp_path / "index.html")
    assert len(opened) == 1 and "there is no browser here" in caplog.text


def test_the_times_of_the_stages_are_gathered(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="jatlas")
    with demo._stages() as took:
        with drawing.timed("layout"):
            drawing.log.info("something else")
        assert took[0].split()[0] == "layout" and took[0].endswith(" s")
    with drawing.timed("page"):
        pass
    assert len(took) == 1


@pytest.mark.slow
def test_a_small_demo_recovers_what_is_known(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO", logger="jatlas")  # as the command line has it
    small = dataclasses.replace(demo.CONFIG.render, steps=32)
    monkeypatch.setattr(demo, "CONFIG", dataclasses.replace(demo.CONFIG, render=small))
    monkeypatch.setattr(demo, "IMAGES", 640)
    monkeypatch.setattr(demo, "GRID", 10)
    demo.Demo(out=tmp_path / "atlas", browser=False).run()
    said = capsys.readouterr().out
    atlas = jatlas.load(tmp_path / "atlas")
    ((layer,), (grid,)) = atlas.maps, atlas.maps[0].grids
    assert f"mixed4c 10 x 10: {len(grid.cells)} cells" in said
    assert all(stage in said for stage in ("images ", "mixed4c layout ", "mixed4c icons ", "page "))
    assert f"Open {tmp_path / 'atlas' / 'index.html'}" in said
    assert (tmp_path / "atlas" / "index.html").exists() and len(grid.cells) > 30

    image = layer.samples.source[:, 0]
    truth = image % len(CLASSES)
    near = metrics.agreement(layer.points, layer.samples.vectors, truth, image)
    assert near.points > 12 * near.chance and near.vectors > near.points
    cell = np.asarray(cell_index(layer.points, size=grid.size))
    top = grid.evidence[np.divmod(grid.cells, grid.size)].argmax(1)
    pure = metrics.purity(cell, truth, dict(zip(grid.cells.tolist(), top.tolist(), strict=True)))
    assert pure.samples > 4 * pure.chance
    most = np.array([np.bincount(truth[cell == number]).argmax() for number in grid.cells])
    network, params = jatlas.load_network("textures")
    taken = metrics.recognized(network, params, grid.icons.images, most, top=5).mean()
    assert taken > 5 * 5 / len(CLASSES)
