"""lucid's chains of transforms against a plain simulation of them in whole pixels."""

import functools
import math
from typing import Any

import jax
import numpy as np
import pytest

from jatlas.visualize import ATLAS_NOTEBOOK, ATLAS_RECIPE, LUCID_STANDARD, Chain, View, resample

HostArray = np.ndarray
CHAINS = {"standard": LUCID_STANDARD, "notebook": ATLAS_NOTEBOOK, "recipe": ATLAS_RECIPE}


@functools.partial(jax.jit, static_argnums=(0, 1))
def draws(chain: Chain, canvas: int, keys: jax.Array) -> View:
    return jax.vmap(lambda key: chain.draw(canvas, key=key))(keys)


@functools.partial(jax.jit, static_argnums=0, static_argnames="size")
def first_view(chain: Chain, image: jax.Array, *, size: int) -> jax.Array:
    view = chain.draw(len(image), key=jax.random.key(0))
    return resample(image, view, size=size, fill=chain.fill)


def simulated(chain: Chain, canvas: int, count: int, seed: int = 0) -> dict[str, HostArray]:
    """Follow pixels through pad, crops, scale, rotation and crop, as lucid applies them."""
    rng = np.random.default_rng(seed)
    found: dict[str, list[Any]] = {"zoom": [], "angle": [], "center": [], "sees": []}
    for _ in range(count):
        top = np.array([-chain.pad, -chain.pad])
        side = canvas + 2 * chain.pad
        for cut in chain.jitter:
            top = top + rng.integers(0, cut + 1, 2)
            side -= cut
        middle = top + side / 2
        scaled = int(np.float32(rng.choice(chain.scales)) * np.float32(side))
        zoom = scaled / side
        turn = math.radians(rng.choice(chain.angles))
        last = rng.integers(0, chain.jitter_after + 1, 2)
        sees = scaled - chain.jitter_after
        down, right = last + sees / 2 - scaled / 2
        # The content is turned against the clock, so what is seen there was clockwise of it.
        down, right = (
            down * math.cos(turn) + right * math.sin(turn),
            right * math.cos(turn) - down * math.sin(turn),
        )
        found["zoom"].append(zoom)
        found["angle"].append(turn)
        found["center"].append((middle + np.array([down, right]) / zoom) / canvas)
        found["sees"].append(sees)
    return {name: np.array(values) for name, values in found.items()}


@pytest.mark.slow
@pytest.mark.parametrize("name", CHAINS)
@pytest.mark.parametrize("canvas", [80, 65])
def test_windows_are_those_of_the_chain(name: str, canvas: int) -> None:
    chain = CHAINS[name].fitted(canvas)
    count = 6000
    right = simulated(chain, canvas, count)
    center, side, angle = map(
        np.asarray, draws(chain, canvas, jax.random.split(jax.random.key(0), count))
    )
    zoom = chain.size / (side * canvas)
    # The same values occur, about as often.
    for found, of in ((zoom, right["zoom"]), (-angle, right["angle"])):
        np.testing.assert_allclose(np.unique(found.round(4)), np.unique(of.round(4)), atol=2e-4)
        assert found.mean() == pytest.approx(of.mean(), abs=5 * of.std() / count**0.5)
        assert found.std() == pytest.approx(of.std(), rel=0.05)
    for axis in (0, 1):
        found, of = center[:, axis], right["center"][:, axis]
        assert found.mean() == pytest.approx(of.mean(), abs=6 * of.std() / count**0.5)
        assert found.std() == pytest.approx(of.std(), rel=0.05)
        spread = np.quantile(of, [0.01, 0.1, 0.5, 0.9, 0.99])
        np.testing.assert_allclose(
            np.quantile(found, [0.01, 0.1, 0.5, 0.9, 0.99]), spread, atol=0.02
        )
    assert abs(np.corrcoef(center.T)[0, 1]) < 0.06
    limit = (sum(chain.jitter) / 2 + 0.8 * chain.jitter_after / zoom.min()) / canvas
    assert np.abs(center - 0.5).max() <= limit
    # What the network sees is as large as in the chain, on average.
    assert chain.size == pytest.approx(right["sees"].mean(), abs=1)
    mean_side, spread = chain.typical(canvas)
    assert side.mean() == pytest.approx(mean_side, rel=0.01)
    assert right["center"].std(0) == pytest.approx(spread, rel=0.05)


def test_the_chain_of_the_notebooks_has_the_sizes_of_the_article() -> None:
    right = simulated(ATLAS_NOTEBOOK, 80, 4000)
    assert (right["sees"].min(), right["sees"].max()) == (32, 51)
    assert ATLAS_NOTEBOOK.size == 43
    assert len(ATLAS_NOTEBOOK.scales) == 125
    assert len(ATLAS_NOTEBOOK.angles) == 75 and ATLAS_NOTEBOOK.angles.count(0) == 8
    assert (min(ATLAS_NOTEBOOK.angles), max(ATLAS_NOTEBOOK.angles)) == (-20, 19)
    assert all(chain == chain.fitted(80) for chain in CHAINS.values())


def test_one_scale_and_no_jitter_show_the_middle_pixel_by_pixel() -> None:
    chain = Chain(pad=2, jitter=(), scales=(1.0,), angles=(0,), jitter_after=0, fill=0.25, size=12)
    image = np.random.default_rng(0).uniform(0, 1, (8, 8, 3)).astype(np.float32)
    found = first_view(chain, image, size=chain.fitted(8).size)
    right = np.pad(image, ((2, 2), (2, 2), (0, 0)), constant_values=0.25)
    np.testing.assert_allclose(found, right, rtol=0, atol=1e-5)


def test_a_positive_angle_turns_the_picture_against_the_clock() -> None:
    chain = Chain(pad=0, jitter=(), scales=(1,), angles=(90,), jitter_after=0, fill=0, size=6)
    image = np.random.default_rng(0).uniform(0, 1, (6, 6, 3)).astype(np.float32)
    found = first_view(chain, image, size=6)
    np.testing.assert_allclose(found, np.rot90(image), rtol=0, atol=1e-5)


def test_crops_move_uniformly_by_whole_pixels() -> None:
    chain = Chain(pad=1, jitter=(3,), scales=(1,), angles=(0,), jitter_after=0, fill=0, size=9)
    center = np.asarray(draws(chain, 10, jax.random.split(jax.random.key(0), 800)).center)
    places, counts = np.unique(center[:, 0].round(4), return_counts=True)
    np.testing.assert_allclose(places, [0.35, 0.45, 0.55, 0.65], atol=1e-4)
    assert counts.min() > 150


def test_views_depend_on_the_key_only() -> None:
    keys = (jax.random.key(n)[None] for n in (1, 1, 2))
    first, again, other = (draws(ATLAS_NOTEBOOK, 80, key) for key in keys)
    for one, same, different in zip(first, again, other, strict=True):
        np.testing.assert_array_equal(one, same)
        assert not np.array_equal(one, different)


def test_a_canvas_too_small_for_the_chain_is_refused() -> None:
    for run in (
        ATLAS_NOTEBOOK.fitted,
        functools.partial(ATLAS_NOTEBOOK.draw, key=jax.random.key(0)),
    ):
        with pytest.raises(ValueError, match=r"canvas_size: expected .*, got 30"):
            run(30)
    assert ATLAS_NOTEBOOK.fitted(40).size == 8


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"size": 0}, "size: expected at least 1 pixel, got 0"),
        ({"pad": -1}, "pad: expected at least 0 pixels, got -1"),
        ({"jitter_after": -1}, "jitter_after: expected at least 0 pixels, got -1"),
        ({"jitter": (4, -1)}, r"jitter: expected at least 0 pixels each, got \(4, -1\)"),
        ({"scales": ()}, r"scales: expected numbers above 0, got \(\)"),
        ({"scales": (1, 0)}, r"scales: expected numbers above 0, got \(1, 0\)"),
        ({"angles": ()}, r"angles: expected numbers of degrees, got \(\)"),
        ({"angles": (math.nan,)}, "angles: expected numbers of degrees"),
        ({"fill": 1.5}, r"fill: expected a grey value in \[0, 1\], got 1.5"),
    ],
)
def test_invalid_settings_are_refused(wrong: dict[str, Any], message: str) -> None:
    right: dict[str, Any] = {"pad": 2, "jitter": (4,), "scales": (1.0,), "angles": (0,)}
    right |= {"jitter_after": 2, "fill": 1, "size": 9}
    assert hash(Chain(**right)) == hash(Chain(**right))
    with pytest.raises(ValueError, match=message):
        Chain(**(right | wrong))
