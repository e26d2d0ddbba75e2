"""The programs on the devices: icons on any number of them, keys, and no collectives."""

import dataclasses
import itertools
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from forked import Forked
from helpers import tiny_network, tiny_params
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from jatlas.types import Run
from jatlas.visualize import (
    Alpha,
    Direction,
    Neuron,
    Opacity,
    RandomViews,
    RenderConfig,
    Wasserstein,
    fixed_views,
    render,
)
from jatlas.visualize import _optimize as optimize

ICONS, STEPS = 70, 4
COLLECTIVES = ("all-reduce", "all-gather", "all-to-all", "collective-permute", "reduce-scatter")
CONFIG = RenderConfig(icon_size=12, steps=STEPS, views=RandomViews(size=10), retry_below=-1)


def main() -> None:
    """Run in a process with eight devices: JAX fixes their number when it starts."""
    jax.config.update("jax_num_cpu_devices", 8)
    devices = jax.devices()
    assert len(devices) == 8
    directions = np.random.default_rng(0).standard_normal((ICONS, 12)).astype(np.float32)
    icons = {
        count: render(
            tiny_network(), tiny_params(), directions, layer="conv2", key=jax.random.key(0),
            config=CONFIG, devices=devices[:count], run=Run(progress=False),
        )
        for count in (1, 3, 8)
    }  # fmt: skip
    for count in (3, 8):
        for one, other in zip(
            jax.tree.leaves(icons[1]), jax.tree.leaves(icons[count]), strict=True
        ):
            np.testing.assert_allclose(other, one, rtol=1e-4, atol=1e-5, err_msg=f"{count} devices")
    assert icons[8].images.std() > 0.01

    _check_what_each_icon_has_of_its_own(directions, devices)

    task = optimize.Task(tiny_network(), "conv2", CONFIG, Mesh(np.array(devices), ("icons",)))
    ids = np.arange(ICONS + 2)
    state = optimize.init(task, ids, 0 * ids, key=jax.random.key(0))
    assert len(state.params.sharding.device_set) == 8
    goals = optimize.Goal(np.zeros((len(ids), 12), np.float32))
    lowered = optimize.step.lower(
        task, tiny_params(), state, goals, 0, steps=CONFIG.steps, key=jax.random.key(1)
    )
    text = lowered.compile().as_text()
    assert "num_partitions=8" in text
    assert not [name for name in COLLECTIVES if name in text]
    _check_halving(directions, devices, task, state)


def _check_halving(
    directions: np.ndarray, devices: list[Any], task: optimize.Task, state: optimize.State
) -> None:
    """An icon's restarts are on one device: dropping some of them moves nothing."""
    config = dataclasses.replace(CONFIG, restarts=4, halve_at=(0.25, 0.5))
    one, all_ = (
        render(
            tiny_network(), tiny_params(), directions, layer="conv2", key=jax.random.key(0),
            config=config, devices=devices[:count], run=Run(progress=False),
        )
        for count in (1, 8)
    )  # fmt: skip
    np.testing.assert_allclose(all_.images, one.images, rtol=1e-4, atol=1e-5)
    order = jax.device_put(
        np.zeros((1, ICONS + 2), int), NamedSharding(task.mesh, P(None, "icons"))
    )
    text = optimize.pick.lower(task, (state, state), order).compile().as_text()
    assert "num_partitions=8" in text
    assert not [name for name in COLLECTIVES if name in text]


def _check_what_each_icon_has_of_its_own(directions: np.ndarray, devices: list[Any]) -> None:
    """References and starts are sharded with their icons."""
    rng = np.random.default_rng(1)
    references = rng.uniform(0, 2, (ICONS, 30, 12)).astype(np.float32)
    start = rng.uniform(0, 1, (ICONS, 12, 12, 3)).astype(np.float32)
    config = dataclasses.replace(CONFIG, objective=Direction() - Wasserstein())
    one, all_ = (
        render(
            tiny_network(), tiny_params(), directions, layer="conv2", key=jax.random.key(0),
            config=config, references=references, start=start, devices=devices[:count],
            run=Run(progress=False),
        )
        for count in (1, 8)
    )  # fmt: skip
    np.testing.assert_allclose(all_.images, one.images, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(all_.scores, one.scores, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_icons_agree_on_any_number_of_devices_without_collectives(tmp_path: Path) -> None:
    code, _, errors = Forked(main, folder=tmp_path / "said").end()
    assert code == 0, errors


def key_bits(key: jax.Array) -> bytes:
    return np.asarray(jax.random.key_data(key)).tobytes()


@pytest.mark.parametrize("number", [0, 5])
def test_the_backdrop_has_a_key_that_no_view_is_drawn_from(number: int) -> None:
    """Views split their key; fold_in(key, i) is one of the keys of split(key, n)."""
    for_view, for_backdrop = optimize.step_keys(jax.random.key(3), number)
    derived = {key_bits(for_view)}
    for count in range(1, 8):
        derived |= {key_bits(key) for key in jax.random.split(for_view, count)}
        derived |= {key_bits(jax.random.fold_in(for_view, count))}
    assert key_bits(for_backdrop) not in derived


def test_every_icon_and_restart_has_a_key_of_its_own() -> None:
    """Also for `Alpha`, which splits the key of an icon."""
    config = dataclasses.replace(CONFIG, parameterization=Alpha())
    task = optimize.Task(tiny_network(), "conv2", config, Mesh(jax.devices()[:1], ("icons",)))
    pairs = np.array(list(itertools.product(range(3), range(3))))
    state = optimize.init(task, pairs[:, 0], pairs[:, 1], key=jax.random.key(0))
    spectra = [np.asarray(leaf).reshape(9, -1)[:, :72] for leaf in jax.tree.leaves(state.params)]
    drawn = np.concatenate(spectra)
    assert len(np.unique(drawn.round(6), axis=0)) == 2 * len(pairs)
    correlations = np.corrcoef(drawn)[np.triu_indices(len(drawn), 1)]
    assert np.abs(correlations).max() < 0.6


@pytest.mark.slow
def test_cosines_are_of_the_position_that_the_objective_looks_at() -> None:
    """The canvas is larger than a view: positions count from the centre."""
    network = dataclasses.replace(tiny_network(), centers=())
    config = dataclasses.replace(CONFIG, icon_size=20, views=RandomViews(size=12))
    params, canvas = tiny_params(), jax.random.uniform(jax.random.key(0), (20, 20, 3))

    @dataclasses.dataclass(frozen=True)
    class Fixed:
        def init(self, size: int, *, key: jax.Array) -> jax.Array:
            raise NotImplementedError

        def image(self, params: jax.Array, *, size: int) -> jax.Array:
            del params, size
            return canvas

    activation = network.run(params, canvas, until="conv2")  # 10 x 10, that of a view is 6 x 6
    for position, place in [((0, 0), (2, 2)), ((5, 1), (7, 3)), (None, (5, 5))]:
        changed = dataclasses.replace(
            config, parameterization=Fixed(), objective=Neuron(position=position)
        )
        task = optimize.Task(network, "conv2", changed, Mesh(jax.devices()[:1], ("icons",)))
        channels = np.array([0, 3, 11])
        _, _, cosines = optimize.evaluate(
            task, params, jnp.zeros(3), optimize.Goal(channels), key=jax.random.key(0)
        )
        vector = np.asarray(activation[place])
        expected = vector[channels] / np.linalg.norm(vector)
        np.testing.assert_allclose(cosines, expected, rtol=1e-4)


@pytest.mark.slow
def test_scores_are_means_over_the_fixed_views() -> None:
    """Of the opacity, which no view changes: a mean of five equal numbers."""
    config = dataclasses.replace(
        CONFIG, parameterization=Alpha(), objective=0.0 * Neuron() + Opacity()
    )
    task = optimize.Task(tiny_network(), "conv2", config, Mesh(jax.devices()[:1], ("icons",)))
    ids = np.arange(2)
    state = optimize.init(task, ids, 0 * ids, key=jax.random.key(0))
    images, scores, _ = optimize.evaluate(
        task, tiny_params(), state.params, optimize.Goal(ids), key=jax.random.key(1)
    )
    assert len(fixed_views(config.views, canvas_size=12).side) == 5
    np.testing.assert_allclose(scores, images[..., 3].mean((1, 2)), rtol=1e-5)
