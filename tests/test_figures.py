"""Figures hold the curves they were asked for."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jatlas.show import plot_sweep


@pytest.mark.slow
def test_a_sweep_has_one_named_curve_per_class(tmp_path: Path) -> None:
    table = np.linspace(0, 1, 6).reshape(3, 2)
    figure = plot_sweep(table, sizes=(0.1, 0.2, 0.4), indices=(1, 0), names=("a", "b"))
    (axes,) = figure.axes
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["b", "a"]
    np.testing.assert_allclose(axes.lines[0].get_xydata()[:, 0], (0.1, 0.2, 0.4))
    np.testing.assert_allclose(axes.lines[0].get_xydata()[:, 1], 100 * table[:, 1])
    figure.savefig(tmp_path / "sweep.png")
    with Image.open(tmp_path / "sweep.png") as picture:
        assert picture.size[0] > 100


def test_probabilities_of_other_sizes_are_refused() -> None:
    for shape in ((2, 2), (3,), (3, 4, 2)):
        with pytest.raises(ValueError, match="one row per size"):
            plot_sweep(np.ones(shape), sizes=(0.1, 0.2, 0.4), indices=(0,), names=("a", "b"))
