"""The distance from real places against plain NumPy, and icons that are compared with them."""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import counting_network, tiny_network, tiny_params

from jatlas.build import CellConfig
from jatlas.records import Icons
from jatlas.types import Run
from jatlas.visualize import (
    Adam,
    Direction,
    ObjectiveInput,
    RandomViews,
    RenderConfig,
    Wasserstein,
    lower_step,
    quantile_means,
    render,
)

HostArray = np.ndarray
COUNT, CHANNELS, KEY = 5, 12, jax.random.key(1)
OBJECTIVE = Direction() - 2 * Wasserstein()
CONFIG = RenderConfig(
    icon_size=16, steps=6, views=RandomViews(size=12), objective=OBJECTIVE, retry_below=-1
)
RNG = np.random.default_rng(0)
DIRECTIONS = RNG.standard_normal((COUNT, CHANNELS)).astype(np.float32)
REFERENCES = RNG.uniform(0, 2, (COUNT, 50, CHANNELS)).astype(np.float32)
QUIET = Run(progress=False)
tiny_render = functools.partial(
    render, tiny_network(), tiny_params(), layer="conv2", key=KEY, config=CONFIG, run=QUIET
)
means = jax.jit(quantile_means, static_argnames="count")


def draw(*shape: int, seed: int = 0) -> HostArray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def prepared(references: HostArray, height: int, width: int) -> HostArray:
    shape = (height, width, references.shape[-1])
    return np.asarray(Wasserstein().references(references, shape=shape))


@jax.jit
def score(activation: Any, references: Any, target: Any) -> jax.Array:
    given = ObjectiveInput(activation, jnp.zeros((4, 4, 3)), None, references)
    return Wasserstein()(given, target)


@pytest.mark.parametrize(("n", "count"), [(12, 4), (7, 7), (10, 4), (3, 8), (1, 5), (9, 1)])
def test_quantile_means_are_means_of_repeated_sorted_values(n: int, count: int) -> None:
    values = draw(n, 3)
    repeated = np.repeat(np.sort(values.astype(np.float64), axis=0), count, axis=0)
    right = repeated.reshape(count, n, 3).mean(axis=1)
    np.testing.assert_allclose(means(values, count=count), right, atol=1e-5)


def test_quantile_means_are_nearest_of_all_that_many_values() -> None:
    values = np.sort(draw(12, 1)[:, 0])
    best = np.asarray(means(values[:, None], count=4))[:, 0]

    def distance(few: HostArray) -> float:
        return float(np.square(np.repeat(np.sort(few), 3) - values).mean())

    others = best + 0.1 * draw(50, 4, seed=1)
    assert distance(best) < min(map(distance, others))


def test_the_distance_is_that_of_plain_numpy() -> None:
    activation, target = draw(2, 3, 4), draw(4, seed=1)
    references = draw(1, 24, 4, seed=2)
    wanted = np.sort(references[0], axis=0).reshape(6, 4, 4).mean(axis=1)
    found = np.sort(activation.reshape(6, 4), axis=0)
    length = np.sqrt(np.square(wanted).sum(axis=1).mean())
    right = np.linalg.norm(target) / length * np.square(found - wanted).sum(axis=1).mean()
    b = prepared(references, 2, 3)
    np.testing.assert_allclose(b[0], wanted, atol=1e-6)
    assert float(score(activation, b[0], target)) == pytest.approx(float(right), rel=1e-5)


def test_a_golden_value() -> None:
    """Two positions, one channel: (1, 3) against (2, 6), |t| = 5."""
    activation = jnp.array([[[3.0], [1.0]]])
    b = prepared(np.array([[[6.0], [2.0]]], np.float32), 1, 2)
    right = 5 / np.sqrt((4 + 36) / 2) * (1 + 9) / 2
    assert float(score(activation, b[0], jnp.array([-5.0]))) == pytest.approx(right)


def test_places_of_the_same_values_are_at_no_distance() -> None:
    activation = draw(3, 3, 5)
    shuffled = np.random.default_rng(3).permuted(activation.reshape(9, 5), axis=0)
    b = prepared(np.tile(shuffled, (2, 1))[None], 3, 3)[0]
    target = draw(5, seed=1)
    assert float(score(activation, b, target)) == pytest.approx(0, abs=1e-9)
    length = np.sqrt(np.square(b).sum(axis=1).mean()) * np.linalg.norm(target)
    nothing = score(np.zeros_like(activation), b, target)
    assert float(nothing) == pytest.approx(float(length), rel=1e-5)


def test_references_that_are_all_zero_have_a_finite_distance() -> None:
    value, gradient = jax.value_and_grad(score)(jnp.ones((2, 2, 3)), jnp.zeros((4, 3)), jnp.ones(3))
    assert float(value) == pytest.approx(3 * 3**0.5)
    assert np.isfinite(gradient).all()


def test_the_gradient_is_that_of_finite_differences() -> None:
    activation, across, target = draw(3, 3, 5), draw(3, 3, 5, seed=1), draw(5, seed=2)
    b = prepared(draw(1, 18, 5, seed=3), 3, 3)[0]
    gradient = float((jax.grad(score)(activation, b, target) * across).sum())
    after = [float(score(activation + step * across, b, target)) for step in (1e-3, -1e-3)]
    assert abs(gradient) > 0.1
    assert gradient == pytest.approx((after[0] - after[1]) / 2e-3, rel=1e-2)


def test_sums_and_multiples_need_what_their_parts_need() -> None:
    assert OBJECTIVE.needs_references and (2 * Wasserstein()).needs_references
    assert not (Direction() + Direction(power=1)).needs_references
    assert not OBJECTIVE.central and OBJECTIVE.kind == "directions"
    shape = (2, 2, CHANNELS)
    own = Wasserstein().references(REFERENCES, shape=shape)
    np.testing.assert_array_equal(OBJECTIVE.references(REFERENCES, shape=shape), own)


@pytest.fixture(scope="module")
def icons() -> Icons:
    return tiny_render(DIRECTIONS, references=REFERENCES)


@pytest.mark.slow
def test_icons_come_nearer_to_their_references(icons: Icons) -> None:
    alone = dataclasses.replace(CONFIG, objective=-Wasserstein(), steps=1)
    before = tiny_render(DIRECTIONS, references=REFERENCES, config=alone).scores
    longer = dataclasses.replace(alone, steps=40, optimizer=Adam())
    after = tiny_render(DIRECTIONS, references=REFERENCES, config=longer).scores
    assert (after > before).all() and after.mean() > 0.9 * before.mean()
    other = tiny_render(DIRECTIONS, references=REFERENCES[::-1])
    changed = np.abs(other.images - icons.images).mean(axis=(1, 2, 3))
    assert changed[COUNT // 2] < 1e-5  # it is its own reverse
    assert np.delete(changed, COUNT // 2).min() > 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("chunk", [1, 2, 3])
def test_chunks_do_not_matter(icons: Icons, chunk: int) -> None:
    again = tiny_render(DIRECTIONS, references=REFERENCES, run=Run(chunk=chunk, progress=False))
    np.testing.assert_allclose(again.images, icons.images, rtol=0, atol=1e-4)
    np.testing.assert_allclose(again.scores, icons.scores, rtol=1e-3, atol=1e-4)


@pytest.mark.slow
def test_the_order_does_not_matter(icons: Icons) -> None:
    ids = np.array([3, 0, 4])
    again = tiny_render(DIRECTIONS[ids], references=REFERENCES[ids], ids=ids)
    np.testing.assert_allclose(again.images, icons.images[ids], rtol=0, atol=1e-4)


@pytest.mark.slow
def test_restarts_and_retries_keep_the_references(icons: Icons) -> None:
    config = dataclasses.replace(CONFIG, restarts=2, retry_below=1.0)
    again = tiny_render(DIRECTIONS, references=REFERENCES, config=config)
    assert (again.scores >= icons.scores - 1e-4).all() and (again.scores > icons.scores).any()


@pytest.mark.slow
def test_other_references_trace_nothing() -> None:
    network, traces = counting_network()
    for seed in (0, 1):
        references = np.abs(draw(4 + seed, 20 + seed, CHANNELS, seed=seed))
        render(
            network, tiny_params(), DIRECTIONS[: 4 + seed], references=references, layer="conv2",
            key=jax.random.key(seed), config=CONFIG, run=Run(chunk=2, progress=False),
        )  # fmt: skip
        # The shapes of a view and of the canvas, the step, the fixed views, the image as it is.
        assert len(traces) == 5


def test_the_lowered_step_takes_references() -> None:
    step = lower_step(
        tiny_network(), tiny_params(), DIRECTIONS, layer="conv2", key=KEY, config=CONFIG,
        references=REFERENCES,
    )  # fmt: skip
    assert step.icons == COUNT


@pytest.mark.parametrize(
    ("references", "message"),
    [
        (None, r"references: expected some for Sum.*, got none"),
        (REFERENCES[:4], r"references: expected those of 5 icons, got 4"),
        (REFERENCES[0], r"references: expected vectors \(n, r, 12\), got \(50, 12\)"),
        (REFERENCES[..., 1:], r"references: expected vectors \(n, r, 12\), got \(5, 50, 11\)"),
        (REFERENCES[:, :0], r"references: expected vectors \(n, r, 12\), got \(5, 0, 12\)"),
        (np.full_like(REFERENCES, np.nan), "references: some are not finite"),
    ],
)
def test_references_that_do_not_fit_are_refused(references: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tiny_render(DIRECTIONS, references=references)


def test_references_for_nothing_are_refused() -> None:
    config = dataclasses.replace(CONFIG, objective=Direction())
    with pytest.raises(ValueError, match="references: expected none for Direction"):
        tiny_render(DIRECTIONS, references=REFERENCES, config=config)
    with pytest.raises(ValueError, match="references: expected none for Sum"):
        (Direction() + Direction()).references(REFERENCES, shape=(2, 2, CHANNELS))
    without = ObjectiveInput(jnp.zeros((2, 2, 3)), jnp.zeros((4, 4, 3)))
    with pytest.raises(ValueError, match="references: expected some for Wasserstein"):
        Wasserstein()(without, jnp.ones(3))


def test_settings_of_an_atlas_have_no_references() -> None:
    with pytest.raises(ValueError, match="icons: expected an objective without references, got"):
        CellConfig(icons=CONFIG)
