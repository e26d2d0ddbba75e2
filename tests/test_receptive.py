"""Receptive fields against perturbation, and boxes by hand."""

import functools
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import tiny_network, tiny_params
from PIL import Image

from jatlas.explain import crop, receptive_box, receptive_field, receptive_share
from jatlas.model import Network

IMAGES = jnp.asarray(np.random.default_rng(0).random((3, 18, 22, 3)), jnp.float32)
measure = functools.partial(receptive_field, tiny_network(), tiny_params(), IMAGES)


@pytest.mark.slow
@pytest.mark.parametrize(("layer", "side"), [("conv1", 3), ("conv2", 7)])
def test_the_field_is_where_a_changed_pixel_changes_the_activation(layer: str, side: int) -> None:
    # Strides 2 and 1, windows of 3: 3 pixels, then 3 + 2 * 2.
    found = measure(layer=layer)
    run = jax.jit(functools.partial(tiny_network().run, tiny_params(), until=layer))
    middle = 4, 5  # of 9 x 11
    seen = np.zeros((18, 22), bool)
    for image in np.asarray(IMAGES):
        plain = run(image)[middle]
        for y, x in np.ndindex(18, 22):
            changed = image.copy()
            changed[y, x] += 0.5
            seen[y, x] |= bool((run(changed)[middle] != plain).any())
    np.testing.assert_array_equal(np.asarray(found.energy) > 0, seen)
    assert seen.sum() == side**2
    np.testing.assert_allclose(found.energy.sum(), 1, rtol=1e-5)
    np.testing.assert_allclose(found.centre, (9, 11))


def test_the_energy_is_the_squared_gradient_with_equal_weight_of_images() -> None:
    right = np.zeros((18, 22))
    run = functools.partial(tiny_network().run, tiny_params(), until="conv2")
    gradient = jax.jit(jax.grad(lambda x: (run(x)[4, 5] ** 2).sum()))
    for image in IMAGES:
        energy = np.square(np.asarray(gradient(image), np.float64)).sum(-1)
        right += energy / energy.sum() / 3
    np.testing.assert_allclose(measure(layer="conv2").energy, right, rtol=1e-3, atol=1e-7)


def test_the_share_is_the_smallest_square_that_holds_the_energy() -> None:
    share = functools.partial(receptive_share, tiny_network(), tiny_params(), IMAGES)
    energy = np.asarray(measure(layer="conv2").energy, np.float64)
    for wanted in (0.3, 0.9, 1.0):
        side = 18 * share(layer="conv2", energy=wanted)
        half = side / 2
        y, x = np.abs(np.arange(18) - 8.5)[:, None], np.abs(np.arange(22) - 10.5)[None, :]
        held = [energy[np.maximum(y, x) + 0.5 <= h + 1e-6].sum() for h in (half, half - 1)]
        assert held[0] >= wanted - 1e-6 > held[1] - 2e-6
    assert share(layer="conv1") < share(layer="conv2", energy=1.0) < 0.6
    with pytest.raises(ValueError, match="energy: expected above 0, up to 1, got 0"):
        share(layer="conv2", energy=0)
    assert share(layer="mean", energy=1.0) == 1  # a vector depends on the whole image


def test_boxes_hold_their_position_and_stay_inside() -> None:
    found = receptive_box(np.array([[1, 2], [0, 3]]), grid=(4, 4), share=0.5)
    np.testing.assert_allclose(found, [[0.125, 0.375, 0.625, 0.875], [0, 0.5, 0.5, 1]])
    every = np.stack(np.meshgrid(np.arange(7), np.arange(5), indexing="ij"), -1)
    for share in (0.1, 0.6, 1.0):
        box = receptive_box(every, grid=(7, 5), share=share)
        assert box.shape == (7, 5, 4)
        assert box.min() >= 0 and box.max() <= 1 + 1e-6
        np.testing.assert_allclose(box[..., 2:] - box[..., :2], share, rtol=1e-5)
        middle = (every + 0.5) / (7, 5)
        assert ((box[..., :2] <= middle + 1e-6) & (middle <= box[..., 2:] + 1e-6)).all()
    with pytest.raises(ValueError, match=r"share: expected above 0, up to 1, got 1\.5"):
        receptive_box(every, grid=(7, 5), share=1.5)


def test_a_crop_is_the_pixels_of_its_box() -> None:
    image = np.random.default_rng(1).integers(0, 255, (8, 12, 3), np.uint8)
    found = crop(image, np.array([0.25, 0.5, 0.75, 1.0], np.float32))
    np.testing.assert_array_equal(found, image[2:6, 6:12])
    np.testing.assert_array_equal(crop(image, np.array([0, 0, 1, 1])), image)
    assert crop(image, np.array([1.0, 1.0, 1.0, 1.0])).shape == (1, 1, 3)


@pytest.mark.slow
def test_later_layers_of_the_real_network_have_larger_receptive_fields(
    googlenet: tuple[Network, Any], test_data: Path
) -> None:
    names = ("base_frying_pan", "base_snorkel")
    images = [np.asarray(Image.open(test_data / "patches" / f"{name}.jpg")) for name in names]
    stack = jnp.asarray(np.stack(images) / 255, jnp.float32)
    shares = [receptive_share(*googlenet, stack, layer=x) for x in ("mixed3a", "mixed4c")]
    assert 0.1 < shares[0] < shares[1] < 0.7
