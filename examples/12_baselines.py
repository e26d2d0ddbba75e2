"""What vectorization is worth: icons all at once, in a loop, and one at a time.

The optimization step of an icon is written out here for one icon, from public parts. `jax.vmap`
turns it into a step of all icons ("vectorized"), `jax.lax.map` into a program that loops over all
icons ("looped"); "sequential" is a program for a single icon, which would run for one icon after
the other. The renderer is measured beside them.

Usage: python examples/12_baselines.py [--icons 64] [--network googlenet_bvlc] [--layer mixed4c]

A CPU is measured as the commands use it with the environment variables that README.md names for
XLA's memory.
"""

import dataclasses
import functools
import os
import statistics

import jax
import optax
import tyro

import jatlas
from jatlas import bench
from jatlas.visualize import ObjectiveInput, resample

STEPS = 4  # in a repetition


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """What to measure.

    Attributes:
      network: network to visualize.
      layer: layer whose activations follow the directions.
      size: side in pixels of what the network sees; the canvas is 5/3 as large.
      icons: number of icons.
      steps: steps of the renderer's longer run.
      repeat: repetitions; the table shows the median.
    """

    network: str = "googlenet_bvlc"
    layer: str = "mixed4c"
    size: int = 48
    icons: int = 64
    steps: int = 64
    repeat: int = 3


def begin(icons, *, key, config):
    """Draw icons and the state of their optimizer, each with a leading axis of `icons`."""
    optimizer = config.optimizer.transformation(config.steps)

    def one(key):
        icon = config.parameterization.init(config.icon_size, key=key)
        return icon, optimizer.init(icon)

    return jax.vmap(one)(jax.random.split(key, icons))


def make_step(network, *, layer, config):
    """Return a step of one icon: (params, state, target, view) -> state."""
    optimizer = config.optimizer.transformation(config.steps)
    run = network.center if config.objective.central else network.run

    def loss(icon, params, target, view):
        canvas = config.parameterization.image(icon, size=config.icon_size)
        window = resample(canvas, view, size=config.views.size, fill=config.views.fill)
        return -config.objective(ObjectiveInput(run(params, window, until=layer), canvas), target)

    def step(params, state, target, view):
        icon, moments = state
        gradient = jax.grad(loss)(icon, params, target, view)
        updates, moments = optimizer.update(gradient, moments, icon)
        return optax.apply_updates(icon, updates), moments

    return step


def make_program(network, *, layer, config, vectorized):
    """Return a jitted step of all icons: (params, states, targets, key) -> states."""
    step = make_step(network, layer=layer, config=config)

    @functools.partial(jax.jit, donate_argnames="states")
    def program(params, states, targets, key):
        view = config.views.draw(config.icon_size, key=key)  # the same for all icons
        if vectorized:
            return jax.vmap(step, in_axes=(None, 0, 0, None))(params, states, targets, view)
        return jax.lax.map(lambda icon: step(params, *icon, view), (states, targets))

    return program


def measure(program, params, targets, *, key, config, repeat):
    """Return the seconds of an icon-step on the first device."""
    states = begin(len(targets), key=key, config=config)
    params, states, targets = jax.device_put((params, states, targets), jax.devices()[0])

    def run():
        nonlocal states
        for step in range(STEPS):
            states = program(params, states, targets, jax.random.fold_in(key, step))
        return states

    bench.timed(run)
    seconds = statistics.median(bench.timed(run) for _ in range(repeat))
    return seconds / (STEPS * len(targets))


def main(options):
    jax.config.update("jax_num_cpu_devices", os.cpu_count() or 1)  # the renderer uses them all
    network, params = jatlas.load_network(options.network)
    config = bench.article(size=options.size, config=jatlas.RenderConfig(steps=options.steps))
    targets = bench.random_directions(
        network, params, layer=options.layer, config=config, icons=options.icons
    )
    key = jax.random.key(0)
    common = {"key": key, "config": config, "repeat": options.repeat}
    speed = bench.bench_render(network, params, layer=options.layer, icons=options.icons, **common)
    ours = speed.ms_per_icon_step
    rows = [(f"jatlas.render, {speed.devices} devices", ours)]
    make = functools.partial(make_program, network, layer=options.layer, config=config)
    for name, icons, vectorized in (
        ("vectorized", options.icons, True),
        ("looped", options.icons, False),
        ("sequential", 1, True),
    ):
        program = make(vectorized=vectorized)
        rows.append((name, 1e3 * measure(program, params, targets[:icons], **common)))
    print(f"{options.icons} icons of {options.layer}, {options.network}, {options.size} px views")
    for name, took in rows:
        print(f"{name:<24} {took:7.3g} ms per icon-step, {took / ours:.2f} times jatlas.render")


if __name__ == "__main__":
    main(tyro.cli(Options))
