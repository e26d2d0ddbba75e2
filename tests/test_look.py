"""One image on an atlas, and a walk across it."""

import dataclasses
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from atlases import build, make_images
from helpers import tiny_network, tiny_params
from PIL import Image

from jatlas.cli._options import IconOptions
from jatlas.cli.look import Look
from jatlas.cli.walk import Walk
from jatlas.collect import Preprocess, decode
from jatlas.explain import activation_grid
from jatlas.storage import load

PX, SIDE = 12, 16
ICONS = IconOptions(icon_size=PX, steps=2, view_size=10)


@pytest.fixture
def atlas(tmp_path: Path, tiny_by_name: None) -> Path:
    build(make_images(tmp_path / "images"), tmp_path / "atlas", layers=("conv2",), grids=(3,))
    return tmp_path / "atlas"


@pytest.mark.slow
def test_an_image_is_a_grid_of_icons_as_large_as_it_is_active(atlas: Path, tmp_path: Path) -> None:
    photograph, out = tmp_path / "images" / "00.png", tmp_path / "seen"
    Look(atlas=atlas, image=photograph, out=out, icons=ICONS).run()
    pixels = decode(photograph, preprocess=Preprocess(size=SIDE))
    seen = activation_grid(tiny_network(), tiny_params(), jnp.asarray(pixels / 255), layer="conv2")
    rows, columns = seen.magnitudes.shape
    sheet = np.asarray(Image.open(out / "grid.png"))
    assert sheet.shape == (rows * PX, columns * PX, 3)
    cells = sheet.reshape(rows, PX, columns, PX, 3).transpose(0, 2, 1, 3, 4)
    drawn = (cells != 255).any(-1)
    height = drawn.any(3).sum(2)
    right = np.maximum(np.round(np.asarray(seen.magnitudes) * PX), 1)
    assert np.abs(height - right).mean() < 0.2  # not 0: a pixel of an icon may be white
    assert height.max() == PX
    grid = load(atlas).maps[0].grids[0]
    whole = grid.size * grid.icons.images.shape[1]
    with Image.open(out / "places.png") as picture:
        assert picture.size == (2 * whole + grid.icons.images.shape[1] // 2, whole)


@pytest.mark.slow
def test_a_walk_is_a_row_of_icons(
    atlas: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "walk.png"
    walk = Walk(atlas=atlas, out=out, start=(0.1, 0.5), end=(0.9, 0.5), count=5, icons=ICONS)
    walk.run()
    with Image.open(out) as picture:
        assert picture.size == (5 * PX, PX)
    assert capsys.readouterr().out.count("0.") >= 5
    out.unlink()
    for wrong in ((float("nan"), 0.5), (0.5, float("inf")), (0.5, -0.1)):
        with pytest.raises(ValueError, match=r"^start: expected x and y from 0 to 1, got \["):
            dataclasses.replace(walk, start=wrong).run()
    assert not out.exists()
