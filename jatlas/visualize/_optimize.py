"""The programs that run on the devices: begin a chunk of icons, move it on, judge it.

Icons do not know of each other, so each device has its share of them and runs a program of its
own, and no step has a collective.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P

from jatlas.model import Network
from jatlas.types import Array, Key, Params
from jatlas.visualize._compose import Seen
from jatlas.visualize._config import RenderConfig
from jatlas.visualize._objectives import GROUP, cosine
from jatlas.visualize._parameterize import Fourier
from jatlas.visualize._views import View, fixed_views, resample

CELLS = "cells"
"""The mesh axis that icons are spread over."""

_BACKDROP = Fourier(spread=0.5)


class State(NamedTuple):
    """What is carried from step to step: the icons' parameters and the optimizer's moments."""

    params: Any
    optimizer: Any


class Progress(NamedTuple):
    """How well icons do in one view: the objective (n,), the cosine with the direction (n,)."""

    scores: Array
    cosines: Array


class Judged(NamedTuple):
    """Icons and how well they do.

    Attributes:
      images: (n, icon_size, icon_size, 3), or 4 with opacity.
      scores: (n,) the objective, mean over the fixed views.
      cosines: (n,) the cosine with the direction, where the network sees the icon as it is.
    """

    images: Array
    scores: Array
    cosines: Array


@functools.partial(jax.jit, static_argnames=("config", "mesh"))
def begin(cells: Array, attempts: Array, *, key: Key, config: RenderConfig, mesh: Mesh) -> State:
    """Draw the first parameters of icons.

    Args:
      cells: (n,) int, what each icon's randomness hangs on; n is a multiple of the devices.
      attempts: (n,) int, which attempt at its cell each icon is.
      key: of the first parameters.
      config: settings.
      mesh: the devices, along `CELLS`.

    Returns:
      The state, spread over the devices.
    """

    def one(cell: Array, attempt: Array) -> Any:
        first = jax.random.fold_in(key, cell)
        other = jax.random.fold_in(first, attempt)
        for_icon = jnp.where(attempt > 0, other, first)
        return config.parameterization.init(config.icon_size, key=for_icon)

    draw = jax.shard_map(jax.vmap(one), mesh=mesh, in_specs=P(CELLS), out_specs=P(CELLS))
    params = draw(cells, attempts)
    return State(params, config.ascent.optimizer(config.steps).init(params))


@functools.partial(
    jax.jit,
    static_argnames=("network", "layer", "config", "mesh"),
    donate_argnames=("state",),
)
def advance(
    network: Network,
    params: Params,
    state: State,
    targets: Array,
    keys: Key,
    *,
    layer: str,
    config: RenderConfig,
    mesh: Mesh,
) -> tuple[State, Progress]:
    """Move icons on by as many steps as there are keys.

    Args:
      network: the network.
      params: its parameters, on every device.
      state: the icons; its buffers are used up.
      targets: (n, ...) what each icon is aimed at, spread over the devices as the icons are.
      keys: (steps,) of each step's random view, which all icons share.
      layer: the stage that is looked at.
      config: settings.
      mesh: the devices, along `CELLS`.

    Returns:
      The state after the steps, and how the icons did in the last view.
    """
    optimizer = config.ascent.optimizer(config.steps)

    def local(params: Params, state: State, targets: Array, keys: Key) -> tuple[State, Progress]:
        def step(state: State, key: Key) -> tuple[State, Progress]:
            for_view, for_backdrop = key, jax.random.fold_in(key, 1)
            view = config.views.draw(config.icon_size, key=for_view)
            look = functools.partial(
                _score, network, params, layer=layer, config=config, view=view, key=for_backdrop
            )

            def loss(icons: Any) -> tuple[Array, Progress]:
                scores, cosines = _each(look, config.group)(icons, targets)
                return -scores.sum(), Progress(scores, cosines)

            slope, progress = jax.grad(loss, has_aux=True)(state.params)
            updates, moments = optimizer.update(slope, state.optimizer, state.params)
            return State(optax.apply_updates(state.params, updates), moments), progress

        if len(keys) == 1:
            return step(state, keys[0])
        state, progress = jax.lax.scan(step, state, keys)
        return state, jax.tree.map(lambda each: each[-1], progress)

    # The optimizer counts its steps once for all icons; everything else is per icon.
    spread = jax.tree.map(lambda leaf: P(CELLS) if leaf.ndim else P(), state)
    return jax.shard_map(
        local,
        mesh=mesh,
        in_specs=(P(), spread, P(CELLS), P()),
        out_specs=(spread, P(CELLS)),
        check_vma=False,  # it has no rule for what the icons of a group gather from each other
    )(params, state, targets, keys)


@functools.partial(jax.jit, static_argnames=("network", "layer", "config", "mesh"))
def judge(
    network: Network,
    params: Params,
    icons: Any,
    targets: Array,
    *,
    key: Key,
    layer: str,
    config: RenderConfig,
    mesh: Mesh,
) -> Judged:
    """Look at icons in fixed views and as they are.

    Args:
      network: the network.
      params: its parameters, on every device.
      icons: their parameters, spread over the devices.
      targets: (n, ...) what each icon is aimed at.
      key: of the backdrop that transparent icons are seen before.
      layer: the stage that is looked at.
      config: settings.
      mesh: the devices, along `CELLS`.

    Returns:
      Judged.
    """
    views = fixed_views(config.views, canvas_size=config.icon_size)
    whole = functools.partial(_cosine_as_it_is, network, layer=layer, config=config)

    def local(params: Params, icons: Any, targets: Array, key: Key) -> Judged:
        def in_view(view: View) -> Array:
            look = functools.partial(
                _score, network, params, layer=layer, config=config, view=view, key=key
            )
            return _each(look, config.group)(icons, targets)[0]

        scores = jax.vmap(in_view)(views).mean(0)
        to_image = functools.partial(config.parameterization.image, size=config.icon_size)
        images = jax.vmap(to_image)(icons)
        return Judged(images, scores, jax.vmap(functools.partial(whole, params))(images, targets))

    return jax.shard_map(
        local,
        mesh=mesh,
        in_specs=(P(), P(CELLS), P(CELLS), P()),
        out_specs=P(CELLS),
        check_vma=False,
    )(params, icons, targets, key)


def _score(
    network: Network,
    params: Params,
    icon: Any,
    target: Array,
    *,
    layer: str,
    config: RenderConfig,
    view: View,
    key: Key,
) -> tuple[Array, Array]:
    """Return the objective of one icon in one view, and the cosine with its direction."""
    canvas = config.parameterization.image(icon, size=config.icon_size)
    image, alpha = _behind(canvas, key=key)
    window = resample(image, view, size=config.views.size, fill=config.views.fill)
    activation = _activation(
        network, params, window, layer=layer, config=config, center=config.objective.central
    )
    return config.objective(Seen(activation, image, alpha), target), _cosine(
        activation, target, config
    )


def _cosine_as_it_is(
    network: Network, params: Params, canvas: Array, target: Array, *, layer: str, config: Any
) -> Array:
    # Grey behind what is transparent; no window, no scaling.
    image = canvas if canvas.shape[-1] == 3 else _over(canvas, jnp.asarray(0.5))
    activation = _activation(network, params, image, layer=layer, config=config, center=True)
    return _cosine(activation, target, config)


def _activation(
    network: Network,
    params: Params,
    image: Array,
    *,
    layer: str,
    config: RenderConfig,
    center: bool,
) -> Array:
    """Run the network in the precision of the settings; return all or the centre, float32."""
    precision = jnp.dtype(config.precision)

    def cast(leaf: Array) -> Array:
        return leaf.astype(precision) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf

    run = network.center if center else network.run
    return run(jax.tree.map(cast, params), image.astype(precision), until=layer).astype(jnp.float32)


def _cosine(activation: Array, target: Array, config: RenderConfig) -> Array:
    height, width, channels = activation.shape
    direction = config.objective.direction(target, channels=channels)
    return jax.lax.stop_gradient(cosine(activation[height // 2, width // 2], direction))


def _behind(canvas: Array, *, key: Key) -> tuple[Array, Array | None]:
    """Put something random behind what is transparent, so that it cannot be made use of."""
    if canvas.shape[-1] == 3:
        return canvas, None
    size = canvas.shape[0]
    backdrop = _BACKDROP.image(_BACKDROP.init(size, key=key), size=size)
    return _over(canvas, backdrop), canvas[..., 3]


def _over(canvas: Array, backdrop: Array) -> Array:
    alpha = canvas[..., 3:]
    return canvas[..., :3] * alpha + (1 - alpha) * backdrop


def _each(look: Callable[..., Any], group: int) -> Callable[..., Any]:
    """Map over icons; those of a group see each other along the axis `GROUP`."""
    if group == 1:
        return jax.vmap(look)
    together = jax.vmap(jax.vmap(look, axis_name=GROUP))

    def grouped(*trees: Any) -> Any:
        split = jax.tree.map(lambda leaf: leaf.reshape(-1, group, *leaf.shape[1:]), trees)
        return jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), together(*split))

    return grouped
