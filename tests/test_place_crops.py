"""Squares around samples, for icons to be compared with or to begin as."""

import re
from typing import Any

import numpy as np
import pytest
from atlases import build_arrays
from helpers import tiny_network, tiny_params

import jatlas
from jatlas import collect
from jatlas.build import place_crops
from jatlas.types import HostArray

pytestmark = pytest.mark.slow  # it builds an atlas
PIXELS = np.random.default_rng(2).integers(0, 255, (26, 16, 16, 3), np.uint8)


@pytest.fixture(scope="module")
def atlas() -> jatlas.Atlas:
    return build_arrays(PIXELS)


def cut(atlas: jatlas.Atlas, rows: Any, **changes: Any) -> HostArray:
    arguments = {"path": "conv1", "side": 6, "images": collect.arrays(PIXELS)} | changes
    return place_crops(tiny_network(), tiny_params(), atlas, np.asarray(rows), **arguments)


def test_squares_are_those_around_the_samples(atlas: jatlas.Atlas) -> None:
    rows = np.array([[0, 5], [7, 0]])
    found = cut(atlas, rows)
    assert found.shape == (2, 2, 6, 6, 3) and found.dtype == np.float32
    for place, row in np.ndenumerate(rows):
        image, y, x = atlas.maps[0].samples.source[row]
        top, left = (min(max(2 * at + 1 - 3, 0), 10) for at in (y, x))  # conv1 is 8 x 8
        right = PIXELS[image, top : top + 6, left : left + 6] / np.float32(255)
        np.testing.assert_allclose(found[place], right, atol=1e-6)


def test_squares_are_resampled_and_no_larger_than_the_image(atlas: jatlas.Atlas) -> None:
    found = cut(atlas, [[0]], side=40, px=8)
    assert found.shape == (1, 1, 8, 8, 3)
    image = PIXELS[atlas.maps[0].samples.source[0, 0]]
    assert found.mean() == pytest.approx(image.mean() / 255, abs=0.01)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rows": [0, 1]}, "rows: expected whole numbers (m, k), got int64 (2,)"),
        ({"rows": [[0.5]]}, "rows: expected whole numbers (m, k), got float64 (1, 1)"),
        ({"rows": [[-1]]}, "rows: expected 0 to "),
        ({"rows": [[10**6]]}, "rows: expected 0 to "),
        ({"side": 0}, "side: expected at least 1 pixel, got 0"),
        ({"px": 0}, "px: expected at least 1 pixel, got 0"),
        ({"path": "conv9"}, "map: expected one of conv1, got 'conv9'"),
        ({"images": None}, "images: expected the atlas's own, got none that can be read again"),
    ],
)
def test_what_does_not_fit_is_refused(
    atlas: jatlas.Atlas, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        cut(atlas, **({"rows": [[0]]} | change))
