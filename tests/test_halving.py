"""Of an icon's restarts the better half goes on: the same icons for fewer steps."""

import dataclasses
import functools

import jax
import numpy as np
import pytest
from helpers import counting_network, tiny_network, tiny_params
from jax.sharding import Mesh

from jatlas.types import Run
from jatlas.visualize import RandomViews, RenderConfig, render
from jatlas.visualize import _optimize as optimize

RESTARTS, COUNT = 5, 7
CONFIG = RenderConfig(
    icon_size=16,
    steps=12,
    views=RandomViews(size=12),
    restarts=RESTARTS,
    halve_at=(0.25, 0.5),
    retry_below=-1,
)
ENDS, ALIVE = (3, 6, 12), (5, 3, 2)  # five restarts, after a quarter three, after a half two
KEY, QUIET = jax.random.key(4), Run(progress=False)
DIRECTIONS = np.random.default_rng(0).standard_normal((COUNT, 12)).astype(np.float32)
tiny_render = functools.partial(
    render, tiny_network(), tiny_params(), layer="conv2", key=KEY, run=QUIET
)


@functools.cache
def all_restarts() -> tuple[np.ndarray, np.ndarray]:
    """Every restart through all steps: its scores at the ends of the legs, its last image."""
    task = optimize.Task(tiny_network(), "conv2", CONFIG, Mesh(jax.devices()[:1], ("icons",)))
    for_init, for_views, for_evaluation = jax.random.split(KEY, 3)
    ids, goals = np.arange(COUNT), optimize.Goal(DIRECTIONS)
    scores, images = np.zeros((RESTARTS, len(ENDS), COUNT)), []
    for restart in range(RESTARTS):
        state = optimize.init(task, ids, np.full(COUNT, restart), key=for_init)
        for number in range(CONFIG.steps):
            state, _ = optimize.step(
                task, tiny_params(), state, goals, number, steps=CONFIG.steps, key=for_views
            )
            if number + 1 in ENDS:
                made = optimize.evaluate(
                    task, tiny_params(), state.params, goals, key=for_evaluation
                )
                scores[restart, ENDS.index(number + 1)] = made[1]
        images.append(made[0])
    return scores, np.stack(images)


@pytest.mark.slow
def test_the_better_half_by_the_score_in_fixed_views_goes_on_unchanged() -> None:
    """As if all restarts had taken all steps, and those dropped did not count."""
    scores, images = all_restarts()
    made = tiny_render(DIRECTIONS, config=CONFIG)
    chosen = []
    for icon in range(COUNT):
        left = np.arange(RESTARTS)
        for leg, kept in enumerate((*ALIVE[1:], 1)):
            left = left[np.argsort(-scores[left, leg, icon])[:kept]]
        chosen.append(left[0])
    rows = np.array(chosen), np.arange(COUNT)
    assert len(set(chosen)) > 1 and (rows[0] != scores[:, -1].argmax(0)).any()
    np.testing.assert_allclose(made.images, images[rows], rtol=0, atol=1e-4)
    np.testing.assert_allclose(made.scores, scores[:, -1][rows], rtol=1e-3)


@pytest.mark.slow
def test_without_halving_the_best_of_all_restarts_is_kept() -> None:
    scores, images = all_restarts()
    made = tiny_render(DIRECTIONS, config=dataclasses.replace(CONFIG, halve_at=()))
    best = scores[:, -1].argmax(0), np.arange(COUNT)
    np.testing.assert_allclose(made.images, images[best], rtol=0, atol=1e-4)


@pytest.mark.slow
def test_chunks_do_not_matter_and_one_program_serves_any_halving() -> None:
    whole = tiny_render(DIRECTIONS, config=CONFIG)
    parts = tiny_render(DIRECTIONS, config=CONFIG, run=Run(chunk=3, progress=False))
    np.testing.assert_allclose(parts.images, whole.images, rtol=0, atol=1e-4)
    network, traces = counting_network()
    known = 0
    for halve_at, restarts in (((0.25, 0.5), 5), ((0.5,), 2), ((0.3, 0.4, 0.9), 4)):
        config = dataclasses.replace(CONFIG, halve_at=halve_at, restarts=restarts)
        render(network, tiny_params(), DIRECTIONS, layer="conv2", key=KEY, config=config, run=QUIET)
        known = known or len(traces)
        assert len(traces) == known


@pytest.mark.slow
def test_as_many_steps_are_taken_as_the_settings_say(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = []

    class Counted:
        def prepared(self, *args: object, **rest: object) -> "Counted":
            return self

        def __call__(self, *args: object, **rest: object) -> object:
            taken.append(args[4])
            return optimize.step(*args, **rest)

    monkeypatch.setattr(optimize, "STEP", Counted())
    tiny_render(DIRECTIONS, config=CONFIG)
    assert len(taken) == CONFIG.icon_steps() == 3 * 5 + 3 * 3 + 6 * 2
    assert set(taken) == set(range(CONFIG.steps))


@pytest.mark.parametrize(
    ("changes", "legs"),
    [
        ({"restarts": 1}, ((96, 1),)),
        ({"restarts": 2}, ((24, 2), (96, 1))),
        ({"restarts": 5}, ((24, 5), (48, 3), (96, 2))),
        ({"restarts": 3, "halve_at": ()}, ((96, 3),)),
        ({"restarts": 3, "steps": 1}, ((1, 3),)),
        ({"restarts": 4, "steps": 3}, ((1, 4), (2, 2), (3, 1))),
    ],
)
def test_legs(changes: dict[str, object], legs: object) -> None:
    settings = {"halve_at": (0.25, 0.5)} | changes
    assert RenderConfig(**settings).legs() == legs  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", [(0.0, 0.5), (0.5, 1.0), (0.5, 0.5), (0.5, 0.25), 0.5, ("a",)])
def test_fractions_that_are_none_or_do_not_increase_are_refused(wrong: object) -> None:
    with pytest.raises(ValueError, match="halve_at: expected fractions between 0 and 1, increas"):
        RenderConfig(halve_at=wrong)  # type: ignore[arg-type]
