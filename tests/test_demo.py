"""`jatlas demo`: an atlas from nothing, and how well it recovers what is known of its images."""

import dataclasses
import webbrowser
from pathlib import Path

import numpy as np
import pytest

import jatlas
from jatlas.arrange import cell_index
from jatlas.cli import demo
from jatlas.explain import agreement, purity, recognized
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


@pytest.mark.slow
@pytest.mark.usefixtures("optimized")
def test_a_small_demo_recovers_what_is_known(tmp_path: Path) -> None:
    icons = dataclasses.replace(demo.CONFIG.icons, steps=32)
    config = dataclasses.replace(demo.CONFIG, icons=icons)
    demo.make_atlas(tmp_path / "atlas", grids=(10,), images=640, config=config)
    atlas = jatlas.load(tmp_path / "atlas")
    ((layer,), (grid,)) = atlas.maps, atlas.maps[0].grids
    assert (tmp_path / "atlas" / "index.html").exists() and len(grid.cells) > 30

    image = layer.samples.source[:, 0]
    truth = image % len(CLASSES)
    near = agreement(layer.points, layer.samples.vectors, truth, image)
    assert near.points > 12 * near.chance and near.vectors > near.points
    cell = np.asarray(cell_index(layer.points, size=grid.size))
    top = grid.evidence[np.divmod(grid.cells, grid.size)].argmax(1)
    pure = purity(cell, truth, dict(zip(grid.cells.tolist(), top.tolist(), strict=True)))
    assert pure.samples > 4 * pure.chance
    most = np.array([np.bincount(truth[cell == number]).argmax() for number in grid.cells])
    network, params = jatlas.load_network("textures")
    taken = recognized(network, params, grid.icons.images, most, top=5).mean()
    assert taken > 5 * 5 / len(CLASSES)
