"""Icons laid out on a grid."""

import numpy as np
import pytest
from PIL import Image

from jatlas import pixels

SIZE, PX = 4, 6


def icons_of(cells: np.ndarray) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (len(cells), PX, PX, 3), np.uint8)


@pytest.mark.parametrize("cells", [[0], [3, 4, 15], [5, 6, 9], list(range(16))])
def test_each_icon_is_at_its_cell_and_the_rest_is_white(cells: list[int]) -> None:
    icons = icons_of(np.array(cells))
    picture = pixels.mosaic(icons, np.array(cells), size=SIZE, px=PX)
    assert picture.shape == (SIZE * PX, SIZE * PX, 3)
    by_cell = picture.reshape(SIZE, PX, SIZE, PX, 3).transpose(0, 2, 1, 3, 4)
    flat = by_cell.reshape(SIZE * SIZE, PX, PX, 3)
    np.testing.assert_array_equal(flat[cells], icons)
    assert (np.delete(flat, cells, axis=0) == pixels.WHITE).all()


def test_a_smaller_mosaic_is_the_large_one_scaled_down() -> None:
    cells = np.arange(SIZE * SIZE)
    icons = icons_of(cells)
    whole = Image.fromarray(pixels.mosaic(icons, cells, size=SIZE, px=PX))
    small = pixels.mosaic(icons, cells, size=SIZE, px=2, resample=Image.Resampling.BOX)
    wanted = np.asarray(whole.resize((SIZE * 2, SIZE * 2), Image.Resampling.BOX))
    assert np.abs(small.astype(int) - wanted).max() <= 1
