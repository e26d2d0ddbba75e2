"""What runs on the devices: initialize icons, move them one step, evaluate them.

Each function is written for one icon; `jax.vmap` makes the batch, and `jax.shard_map` gives every
device its share of it. Icons are independent, so no program has a collective.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from jatlas.model import Network
from jatlas.types import Array, Key, Params
from jatlas.types.programs import Program
from jatlas.visualize._compose import ObjectiveInput
from jatlas.visualize._config import RenderConfig
from jatlas.visualize._objectives import GROUP, cosine
from jatlas.visualize._parameterize import Fourier
from jatlas.visualize._start import from_image
from jatlas.visualize._views import View, fixed_views, resample, whole_view
from jatlas.visualize._wanted import Goal as Goal

ICONS = "icons"
"""The mesh axis that icons are sharded along."""

_BACKDROP = Fourier(spread=0.5)


@dataclasses.dataclass(frozen=True)
class Task:
    """What is static under jit.

    Attributes:
      network: the network.
      layer: the stage that the objective is given.
      config: settings. Those that no program depends on, such as the number of steps, have their
        defaults here, so that other values of them compile nothing.
      mesh: the devices, along `ICONS`.
    """

    network: Network
    layer: str
    config: RenderConfig
    mesh: Mesh

    def __post_init__(self) -> None:
        """Forget the settings that no program depends on."""
        default = RenderConfig()
        config = dataclasses.replace(
            self.config,
            steps=default.steps,
            restarts=default.restarts,
            halve_at=default.halve_at,
            retry_below=default.retry_below,
        )
        object.__setattr__(self, "config", config)


class State(NamedTuple):
    """What is carried from step to step.

    Attributes:
      params: parameters of the icons, (n, ...), sharded.
      optimizer: state of the optimizer: moments like the parameters; counts, which are scalars and
        replicated.
    """

    params: Any
    optimizer: Any


@functools.partial(jax.jit, static_argnames="task")
def init(task: Task, ids: Array, restarts: Array, start: Array | None = None, *, key: Key) -> State:
    """Draw the initial parameters of icons.

    Args:
      task: the task.
      ids: (n,) int that each icon's randomness depends on; n is a multiple of the devices.
      restarts: (n,) int number of the restart.
      start: (n, icon_size, icon_size, 3) images in [0, 1] that they begin as; None means random
        ones.
      key: of the initial parameters.

    Returns:
      The state, sharded over the devices.
    """
    config = task.config

    def one(key: Key, number: Array, restart: Array, start: Array | None) -> Any:
        own = jax.random.fold_in(jax.random.fold_in(key, number), restart)
        if start is None:
            return config.parameterization.init(config.icon_size, key=own)
        return from_image(config).init_as(start, key=own)

    params = _shard(_batch(one), task.mesh)((key,), (ids, restarts, start))
    optimizer = config.optimizer.transformation(1)  # its state does not depend on the number
    return _placed(State(params, optimizer.init(params)), task.mesh)


@functools.partial(jax.jit, static_argnames="task", donate_argnames="state")
def step(
    task: Task,
    params: Params,
    state: State,
    goals: Goal,
    number: int | Array,
    *,
    steps: int | Array,
    key: Key,
) -> tuple[State, Array]:
    """Move icons one step up the gradient of the objective in a random view, the same for all.

    Args:
      task: the task.
      params: of the network, replicated.
      state: the icons, sharded; its buffers are donated.
      goals: of each icon, sharded.
      number: of the step, from 0.
      steps: number of all steps, which the learning rate depends on.
      key: of the random views of all steps.

    Returns:
      The new state, and (n,) cosines of the icons with their directions, before the step and in
      its view.
    """
    config = task.config
    optimizer = config.optimizer.transformation(steps)

    def one(params: Params, number: Array, key: Key, icon: Any, goal: Goal) -> tuple[Array, Array]:
        for_view, for_backdrop = step_keys(key, number)
        view = config.views.draw(config.icon_size, key=for_view)
        return _score(task, params, icon, goal, view, key=for_backdrop)

    def gradients_of(common: tuple[Any, ...], icons: tuple[Any, Goal]) -> Any:
        def loss(parameters: Any) -> tuple[Array, Array]:
            scores, aligned = _batch(one, config.group)(common, (parameters, icons[1]))
            return -scores.sum(), aligned

        return jax.grad(loss, has_aux=True)(icons[0])

    gradients, aligned = _shard(gradients_of, task.mesh)(
        (params, number, key), (state.params, goals)
    )
    with jax.numpy_dtype_promotion("standard"):  # optax mixes types, whatever the caller allows
        updates, moments = optimizer.update(gradients, state.optimizer, state.params)
    new = State(optax.apply_updates(state.params, updates), moments)
    return _placed(new, task.mesh), aligned


def _results_of_step(*, state: State, **_: Any) -> tuple[State, int]:
    return state, 0


STEP = Program(step, static=("task",), donate=("state",), results=_results_of_step)


def _placed(state: State, mesh: Mesh) -> State:
    """Shard what has an axis of icons, and replicate what has none."""

    def place(leaf: Array) -> Array:
        spec = P(ICONS) if leaf.ndim else P()
        return jax.lax.with_sharding_constraint(leaf, NamedSharding(mesh, spec))

    return jax.tree.map(place, state)


def step_keys(key: Key, number: int | Array) -> Array:
    """Return the keys (2,) of a step: of its view, and of what lies behind transparent icons."""
    return jax.random.split(jax.random.fold_in(key, number))


def evaluate(
    task: Task, params: Params, icons: Any, goals: Goal, *, key: Key
) -> tuple[Array, Array, Array]:
    """Evaluate icons in fixed views and as they are.

    Args:
      task: the task.
      params: of the network, replicated.
      icons: their parameters, sharded.
      goals: of each icon, sharded.
      key: of what lies behind transparent icons.

    Returns:
      images (n, icon_size, icon_size, 3), or 4 channels with opacity; scores (n,), the mean
      objective over the fixed views; cosines (n,) with the directions, of the images as they are.
    """
    scores = scores_in_fixed_views(task, params, icons, goals, key=key)
    images, cosines = _AS_THEY_ARE(_without_optimizer(task), params, icons, goals)
    return images, scores, cosines


def scores_in_fixed_views(
    task: Task, params: Params, icons: Any, goals: Goal, *, key: Key
) -> Array:
    """Return the mean objective of icons over the fixed views, (n,); arguments as of `evaluate`."""
    task = _without_optimizer(task)
    views = fixed_views(task.config.views, canvas_size=task.config.icon_size)
    # One after another: a program of all five needs five times the memory.
    scores = [
        _SCORES_IN_VIEW(task, params, icons, goals, View(*view), key=key)
        for view in zip(*views, strict=True)
    ]
    return sum(scores[1:], start=scores[0]) / len(scores)


def _without_optimizer(task: Task) -> Task:
    """What moved the icons does not matter to a score: another optimizer compiles nothing."""
    config = dataclasses.replace(task.config, optimizer=RenderConfig().optimizer)
    return dataclasses.replace(task, config=config)


@functools.partial(jax.jit, static_argnames="task")
def pick(task: Task, states: tuple[State, ...], order: Array) -> tuple[State, ...]:
    """Choose some of the restarts of each icon, each restart in a state of its own.

    Args:
      task: the task.
      states: of each restart, all of the same icons at the same step.
      order: (kept, n) int, which restarts are kept of each icon.

    Returns:
      As many states as are kept.
    """
    leaves = [jax.tree.leaves(state) for state in states]
    own = [[leaf for leaf in each if leaf.ndim] for each in leaves]

    def one(own: list[list[Array]], chosen: Array) -> list[Array]:
        return [jnp.stack(restarts)[chosen] for restarts in zip(*own, strict=True)]

    def state_of(chosen: Array) -> State:
        moved = iter(_shard(_batch(one), task.mesh)((), (own, chosen)))
        # Counts of steps, which have no axis of icons, are the same in all.
        picked = [next(moved) if leaf.ndim else leaf for leaf in leaves[0]]
        return _placed(jax.tree.unflatten(jax.tree.structure(states[0]), picked), task.mesh)

    return tuple(state_of(chosen) for chosen in order)


@functools.partial(jax.jit, static_argnames="task")
def _scores_in_view(
    task: Task, params: Params, icons: Any, goals: Goal, view: View, *, key: Key
) -> Array:
    def one(params: Params, view: View, key: Key, icon: Any, goal: Goal) -> Array:
        return _score(task, params, icon, goal, view, key=key)[0]

    batch = _batch(one, task.config.group)
    return _shard(batch, task.mesh)((params, view, key), (icons, goals))


_SCORES_IN_VIEW = Program(_scores_in_view, static=("task",))


@functools.partial(jax.jit, static_argnames="task")
def _as_they_are(task: Task, params: Params, icons: Any, goals: Goal) -> tuple[Array, Array]:
    """Return the images, and their cosines if they are the network's input, without a view.

    For a network that takes images of the views' size alone, they are scaled to that.
    """
    config = task.config
    side = config.views.size
    rows, columns, _ = task.network.activation_shape(params, (side, side), layer=task.layer)
    takes_canvas = task.network.takes(params, config.icon_size, layer=task.layer)

    def one(params: Params, icon: Any, target: Array) -> tuple[Array, Array]:
        canvas = config.parameterization.image(icon, size=config.icon_size)
        image = canvas if canvas.shape[-1] == 3 else _over(canvas, jnp.asarray(0.5))
        if not takes_canvas:
            image = resample(image, whole_view(), size=side, fill=config.views.fill)
        activation = _activation(task, params, image)
        # Its middle, as large as the activation of a view: so a `Neuron` has the same position.
        activation = _middle(_middle(activation, rows, axis=0), columns, axis=1)
        return canvas, _cosine(activation, target, config)

    return _shard(_batch(one), task.mesh)((params,), (icons, goals.target))


_AS_THEY_ARE = Program(_as_they_are, static=("task",))


def _score(
    task: Task, params: Params, icon: Any, goal: Goal, view: View, *, key: Key
) -> tuple[Array, Array]:
    """Return the objective of one icon in one view, and the cosine with its direction."""
    config = task.config
    canvas = config.parameterization.image(icon, size=config.icon_size)
    image, alpha = _before_backdrop(canvas, key=key)
    window = resample(image, view, size=config.views.size, fill=config.views.fill)
    activation = _activation(task, params, window)
    given = ObjectiveInput(activation, image, alpha, goal.references)
    aligned = _cosine(activation, goal.target, config)
    return config.objective(given, goal.target), jax.lax.stop_gradient(aligned)


def _activation(task: Task, params: Params, image: Array) -> Array:
    """Run the network in the configured precision and return the layer in float32.

    Only its centre, (1, 1, channels), for an objective that uses no more.
    """
    precision = task.config.precision

    def cast(leaf: Array) -> Array:
        return leaf.astype(precision) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf

    if precision is not None:
        params = jax.tree.map(cast, params)
    image = image.astype(precision or jnp.float32)  # with x64 it may be float64
    run = task.network.center if task.config.objective.central else task.network.run
    return run(params, image, until=task.layer).astype(jnp.float32)


def _cosine(activation: Array, target: Array, config: RenderConfig) -> Array:
    """Return the cosine of what the objective looks at with the direction of a target."""
    direction = config.objective.direction(target, channels=activation.shape[-1])
    return cosine(config.objective.vector(activation), direction)


def _middle(x: Array, size: int, *, axis: int) -> Array:
    """Cut the middle `size` places out of an axis, about the same centre; all if it has fewer."""
    start = max(x.shape[axis] // 2 - size // 2, 0)
    return jax.lax.slice_in_dim(x, start, min(start + size, x.shape[axis]), axis=axis)


def _before_backdrop(canvas: Array, *, key: Key) -> tuple[Array, Array | None]:
    """Put a random image behind what is transparent, so that no icon can rely on it.

    Returns:
      The image (size, size, 3), and the opacity (size, size) or None.
    """
    if canvas.shape[-1] == 3:
        return canvas, None
    size = canvas.shape[0]
    backdrop = _BACKDROP.image(_BACKDROP.init(size, key=key), size=size)
    return _over(canvas, backdrop), canvas[..., 3]


def _over(canvas: Array, backdrop: Array) -> Array:
    alpha = canvas[..., 3:]
    return canvas[..., :3] * alpha + (1 - alpha) * backdrop


def _batch(one: Callable[..., Any], group: int = 1) -> Callable[..., Any]:
    """Turn a function of one icon into one of many.

    Args:
      one: (*common, *of one icon) -> results of one icon.
      group: consecutive icons that see each other along the axis `GROUP`.

    Returns:
      (common arguments, arguments with a leading axis of icons) -> results with that axis.
    """

    def batch(common: tuple[Any, ...], icons: tuple[Any, ...]) -> Any:
        function = functools.partial(one, *common)
        if group == 1:
            return jax.vmap(function)(*icons)
        split = jax.tree.map(lambda leaf: leaf.reshape(-1, group, *leaf.shape[1:]), icons)
        results = jax.vmap(jax.vmap(function, axis_name=GROUP))(*split)
        return jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), results)

    return batch


def _shard(batch: Callable[..., Any], mesh: Mesh) -> Callable[..., Any]:
    """Give each device of a mesh its share of the icons, and all of what is common."""
    return jax.shard_map(
        batch,
        mesh=mesh,
        in_specs=(P(), P(ICONS)),
        out_specs=P(ICONS),
        check_vma=False,  # it has no rule for the all_gather over the axis of a group
    )
