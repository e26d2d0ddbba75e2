"""The README: what it tells people to type does what it says."""

import dataclasses
import os
import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import jatlas
from jatlas.arrange import cell_index
from jatlas.cli import _main as cli
from jatlas.cli import demo
from jatlas.explain import agreement, purity, recognized
from jatlas.synthetic import CLASSES

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)


def commands() -> list[list[str]]:
    lines = [
        part for block in blocks("sh") for line in block.splitlines() for part in line.split("&&")
    ]
    words = [shlex.split(line) for line in lines]
    return [each[1:] for each in words if Path(each[0]).name == "jatlas"]


def test_there_are_commands_and_snippets() -> None:
    assert len(commands()) >= 8 and len(blocks("python")) >= 3


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_a_command_is_understood(words: list[str]) -> None:
    """Parsed only: photographs and downloads are not at hand here."""
    assert callable(cli.parse(words).run)


def test_the_two_commands_are_those_that_are_checked() -> None:
    """`.ci/run` makes the set-up of the second and runs what both run; the demo from a wheel."""
    script = (ROOT / ".ci" / "run").read_text()
    demo, tests = blocks("sh")[:2]
    for block in (demo, tests):
        assert block.startswith("python3.11 -m venv .venv && .venv/bin/pip install -e ")
    assert tests.strip().split(" && ")[-1] in script
    assert "/bin/jatlas demo --out" in demo and "/bin/jatlas demo --out" in script


def test_files_that_are_linked_are_there() -> None:
    for place in re.findall(r"\]\((?!https?:)([^)#]+)\)", TEXT):
        assert (ROOT / place).exists(), place


@pytest.mark.slow
def test_the_snippets_run_one_after_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    for block in blocks("python"):
        # Fewer steps, images and icons: what takes long is compiling.
        short = block.replace("steps=32", "steps=2").replace("Synthetic(640", "Synthetic(128")
        short = short.replace("grids=(10,)", "grids=(4,)")
        exec(compile(short, "README.md", "exec"), names)
    assert (tmp_path / "atlas" / "index.html").exists()
    assert len(jatlas.load(tmp_path / "atlas").images) == 128
    assert names["logits"].shape == (128, 64) and names["some"].shape == (5, 256)
    assert names["icons"].images.shape == (3, 80, 80, 3)
    own = jatlas.load(tmp_path / "own").layer()
    assert len(own.samples) == 128 and own.grid(5).crops is not None


def small_demo(folder: Path) -> Path:
    """Make the atlas of the demo, smaller."""
    icons = dataclasses.replace(demo.CONFIG.icons, steps=32)
    config = dataclasses.replace(demo.CONFIG, icons=icons)
    demo.make_atlas(folder, grids=(10,), images=640, config=config)
    return folder


@pytest.mark.slow
@pytest.mark.usefixtures("optimized")
def test_the_first_command_recovers_what_is_known(tmp_path: Path) -> None:
    """JATLAS_DEMO may name what the command has made."""
    given = os.environ.get("JATLAS_DEMO")
    folder = Path(given) if given else small_demo(tmp_path / "atlas")
    atlas = jatlas.load(folder)
    ((layer,), (grid,)) = atlas.maps, atlas.maps[0].grids
    assert (folder / "index.html").exists() and len(grid.cells) > 30

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
