"""Icons: that they follow their directions, and hang on nothing else."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import counting_network, tiny_network, tiny_params

from jatlas.model.network import Network
from jatlas.types import Params
from jatlas.visualize import parameterize
from jatlas.visualize.objectives import Direction
from jatlas.visualize.render import Icons, RenderConfig, render, render_each
from jatlas.visualize.transforms import RandomViews, draw_view, resample, whole_view

SIZE, COUNT = 16, 11
VIEWS = RandomViews(size=12)
CONFIG = RenderConfig(icon_size=SIZE, steps=10, views=VIEWS)
KEY = jax.random.key(4)
DIRECTIONS = np.random.default_rng(0).standard_normal((COUNT, 12)).astype(np.float32)
tiny_render = functools.partial(
    render, tiny_network(), tiny_params(), layer="conv2", config=CONFIG, progress=False
)


@pytest.fixture(scope="module")
def icons() -> Icons:
    """Eleven icons, made in one chunk."""
    return tiny_render(DIRECTIONS, key=KEY, chunk=COUNT)


def assert_same(found: Icons, expected: Icons, which: Any = slice(None)) -> None:
    np.testing.assert_array_equal(found.images, expected.images[which])
    np.testing.assert_array_equal(found.scores, expected.scores[which])


def test_icons_are_images(icons: Icons) -> None:
    assert isinstance(icons.images, np.ndarray) and isinstance(icons.scores, np.ndarray)
    assert icons.images.shape == (COUNT, SIZE, SIZE, 3)
    assert icons.scores.shape == (COUNT,)
    assert icons.images.dtype == icons.scores.dtype == np.float32
    assert 0 <= icons.images.min() < icons.images.max() <= 1
    for one in range(COUNT):
        for other in range(one):
            assert np.abs(icons.images[one] - icons.images[other]).mean() > 0.01


def test_icons_are_those_of_a_plain_loop_over_icons_and_steps(icons: Icons) -> None:
    """One icon at a time, with Adam written out: ascent, views, centre and keys must agree."""
    for_init, for_views = jax.random.split(KEY)

    @jax.jit
    def climb(spectrum: jax.Array, direction: jax.Array, step: int) -> tuple[Any, Any]:
        view = draw_view(VIEWS, key=jax.random.fold_in(for_views, step))

        def score(spectrum: jax.Array) -> jax.Array:
            canvas = parameterize.spectrum_to_image(spectrum, width=SIZE)
            seen = resample(canvas, view, size=12, fill=1.0)
            activation = tiny_network().run(tiny_params(), seen, until="conv2")
            return activation[3, 3] @ direction  # the middle of 6 x 6

        return jax.value_and_grad(score)(spectrum)

    for number in (0, 5):
        for_cell = jax.random.fold_in(for_init, number)
        spectrum = np.asarray(parameterize.init_spectrum(SIZE, SIZE, key=for_cell), np.float64)
        mean, square = np.zeros_like(spectrum), np.zeros_like(spectrum)
        for step in range(CONFIG.steps):
            value, slope = climb(spectrum.astype(np.float32), DIRECTIONS[number], step)
            mean = 0.9 * mean + 0.1 * np.asarray(slope)
            square = 0.999 * square + 0.001 * np.asarray(slope) ** 2
            unbiased = mean / (1 - 0.9 ** (step + 1)), square / (1 - 0.999 ** (step + 1))
            spectrum += 0.05 * unbiased[0] / (np.sqrt(unbiased[1]) + 1e-8)
        right = parameterize.spectrum_to_image(jnp.asarray(spectrum, jnp.float32), width=SIZE)
        np.testing.assert_allclose(icons.images[number], right, rtol=0, atol=1e-3)
        assert icons.scores[number] == pytest.approx(float(value), rel=1e-3)


@pytest.mark.parametrize("power", [0, 2])
def test_the_objective_rises(power: float) -> None:
    objective = Direction(power=power)

    @jax.jit
    def look(images: jax.Array) -> jax.Array:
        seen = jax.vmap(lambda image: resample(image, whole_view(), size=12, fill=1.0))(images)
        return tiny_network().run(tiny_params(), seen, until="conv2")[:, 3, 3]

    def after(steps: int) -> tuple[np.ndarray, ...]:
        config = RenderConfig(icon_size=SIZE, steps=steps, views=VIEWS, objective=objective)
        made = tiny_render(DIRECTIONS, key=KEY, config=config)
        middle = np.asarray(look(made.images))
        cosines = (middle * DIRECTIONS).sum(1) / np.linalg.norm(middle, axis=1)
        seen_whole = jax.vmap(objective)(middle, DIRECTIONS)
        return made.scores, np.asarray(seen_whole), cosines / np.linalg.norm(DIRECTIONS, axis=1)

    (first, whole_first, cosine_first), (last, whole_last, cosine_last) = after(1), after(40)
    assert (whole_last > whole_first).all() and (cosine_last > cosine_first).all()
    assert last.mean() > 2.5 * first.mean() > 0
    assert cosine_last.mean() > cosine_first.mean() + 0.15


@pytest.mark.parametrize("chunk", [1, 3, 8, 64])
def test_an_icon_is_the_same_whatever_the_chunk(icons: Icons, chunk: int) -> None:
    assert_same(tiny_render(DIRECTIONS, key=KEY, chunk=chunk), icons)


@pytest.mark.parametrize("order", [[10, 6, 5, 4, 3, 2, 1, 0, 7], [3, 0, 4], [5]])
def test_an_icon_is_the_same_whatever_the_order_and_the_others(
    icons: Icons, order: list[int]
) -> None:
    found = tiny_render(DIRECTIONS[order], key=KEY, cells=np.array(order))
    assert_same(found, icons, order)


def test_equal_cells_are_equal_icons_and_another_cell_is_another(icons: Icons) -> None:
    directions = DIRECTIONS[[2, 2, 2, 2, 2, 2, 2]]
    found = tiny_render(directions, key=KEY, cells=np.array([2, 2, 9, 400, 2, 2, 2]))
    for same in (0, 1, 4):
        np.testing.assert_array_equal(found.images[same], icons.images[2])
    assert np.abs(found.images[2] - found.images[0]).max() > 0.01
    assert np.abs(found.images[3] - found.images[2]).max() > 0.01


def test_the_key_changes_the_icons(icons: Icons) -> None:
    other = tiny_render(DIRECTIONS, key=jax.random.key(5))
    differences = np.abs(other.images - icons.images)
    assert (differences.max((1, 2, 3)) > 0.01).all()


def test_equal_configs_are_traced_once() -> None:
    network, traces = counting_network()
    for seed in (0, 1):
        config = RenderConfig(icon_size=SIZE, steps=3, views=RandomViews(size=12))
        made = functools.partial(render, network, tiny_params(), layer="conv2", progress=False)
        made(DIRECTIONS[: 5 + seed], key=jax.random.key(seed), config=config, chunk=2)
        # Once for the shapes, at each call; once for the step, however many chunks and steps.
        assert len(traces) == 2 + seed


def test_each_chunk_is_handed_out_when_it_is_done(icons: Icons) -> None:
    parts = render_each(
        tiny_network(),
        tiny_params(),
        DIRECTIONS,
        layer="conv2",
        key=KEY,
        config=CONFIG,
        chunk=4,
        progress=False,
    )
    found = list(parts)
    assert [part for part, _ in found] == [slice(0, 4), slice(4, 8), slice(8, 11)]
    for part, made in found:
        assert_same(made, icons, part)


def test_the_progress_bar_counts_every_step(capsys: pytest.CaptureFixture[str]) -> None:
    """Those of the filling too: a program has at least 16 icons."""
    tiny_render(DIRECTIONS, key=KEY, progress=True)
    assert f"{16 * CONFIG.steps}/{16 * CONFIG.steps}" in capsys.readouterr().err
    tiny_render(DIRECTIONS, key=KEY)
    assert capsys.readouterr().err == ""


def test_a_direction_that_is_not_finite_spoils_only_its_own_icon(icons: Icons) -> None:
    directions = DIRECTIONS.copy()
    directions[3, 2] = np.nan
    found = tiny_render(directions, key=KEY)
    assert not np.isfinite(found.scores[3])
    for other in set(range(COUNT)) - {3}:
        np.testing.assert_array_equal(found.images[other], icons.images[other])


def test_directions_of_other_types_are_taken() -> None:
    whole = np.sign(DIRECTIONS[:2])
    right = tiny_render(whole, key=KEY)
    for directions in (whole.astype(np.int8), jnp.asarray(whole), whole.astype(np.float64)):
        assert_same(tiny_render(directions, key=KEY), right)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"directions": np.ones((11, 7))},
            r"directions: expected \(n, 12\) for conv2, got \(11, 7",
        ),
        ({"directions": np.ones((0, 12))}, r"directions: expected \(n, 12\) .* got \(0, 12\)"),
        ({"directions": np.ones(12)}, r"directions: expected \(n, 12\) for conv2, got \(12,\)"),
        ({"directions": np.float32(1)}, r"directions: expected \(n, 12\) for conv2, got \(\)"),
        ({"directions": np.ones((1, 7, 12))}, r"directions: expected \(n, 12\) .* \(1, 7, 12\)"),
        ({"layer": "mixed4c"}, "tiny has no layer 'mixed4c'; it has: input, conv1, "),
        ({"layer": "logits"}, r"layer: 'logits' has no positions \(its shape is \(5,\)\)"),
        ({"cells": np.arange(6)}, r"cells: expected 11 whole numbers, got .*\(6,\)"),
        ({"cells": np.zeros((11, 1), int)}, r"cells: expected 11 whole numbers, got .*\(11, 1\)"),
        ({"cells": np.arange(11) + 0.5}, "cells: expected 11 whole numbers, got float"),
        ({"chunk": 0}, "chunk: expected at least 1, got 0"),
        ({"chunk": -4}, "chunk: expected at least 1, got -4"),
    ],
)
def test_bad_input_is_refused(change: dict[str, Any], message: str) -> None:
    arguments = {"directions": DIRECTIONS, "layer": "conv2"} | change
    with pytest.raises(ValueError, match=message):
        tiny_render(**arguments, key=KEY)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"icon_size": 0}, "icon_size: expected at least 1, got 0"),
        ({"steps": 0}, "steps: expected at least 1, got 0"),
        ({"steps": -1}, "steps: expected at least 1, got -1"),
        ({"learning_rate": 0.0}, "learning_rate: expected above 0, got 0.0"),
        ({"learning_rate": -0.1}, "learning_rate: expected above 0, got -0.1"),
        ({"learning_rate": float("nan")}, "learning_rate: expected above 0, got nan"),
        ({"learning_rate": float("inf")}, "learning_rate: expected above 0, got inf"),
    ],
)
def test_wrong_settings_are_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RenderConfig(**wrong)


def test_equal_settings_are_one_static_argument() -> None:
    one, other = RenderConfig(), RenderConfig(views=RandomViews(), objective=Direction(power=0))
    assert one == other and hash(one) == hash(other) and one is not other
    assert one != RenderConfig(objective=Direction(power=1))


@pytest.mark.slow
def test_icons_of_a_real_network(googlenet: tuple[Network, Params]) -> None:
    network, params = googlenet
    config = RenderConfig(icon_size=40, steps=3, views=RandomViews(size=32))
    made = functools.partial(
        render, network, params, layer="mixed4c", key=KEY, config=config, progress=False
    )
    directions = np.random.default_rng(0).standard_normal((20, 512)).astype(np.float32)
    by_four = made(directions, chunk=4)
    # Programs of one size: order, company and chunk do not matter to the last bit.
    order = [4, 1, 8, 0]
    assert_same(made(directions[order], cells=np.array(order), chunk=3), by_four, order)
    # Nor does the size, from 16 on, with JAX 0.10. JAX 0.12 was measured to round differently by
    # up to 1.2e-7 after 6 steps.
    at_once = made(directions, chunk=20)
    tolerance = 0 if jax.__version_info__ < (0, 11) else 1e-6
    np.testing.assert_allclose(at_once.images, by_four.images, rtol=0, atol=tolerance)
    np.testing.assert_allclose(at_once.scores, by_four.scores, rtol=1e-5)
