"""Exemplars as one picture, and back."""

import numpy as np
import pytest

from jatlas import pixels


@pytest.mark.parametrize("cells", [1, 2, 5, 9, 12])
def test_what_is_joined_is_split(cells: int) -> None:
    crops = np.random.default_rng(0).integers(0, 255, (cells, 3, 4, 4, 3), np.uint8)
    picture = pixels.join_crops(crops)
    wide = pixels.crop_columns(cells)
    np.testing.assert_array_equal(pixels.split_crops(picture, cells=cells, each=3, px=4), crops)
    for i in range(cells):
        for k in range(3):
            top, left = i // wide * 4, (i % wide * 3 + k) * 4
            np.testing.assert_array_equal(picture[top : top + 4, left : left + 4], crops[i, k])
