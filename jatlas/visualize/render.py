"""The batched optimisation: one step moves the icons of a whole chunk of cells."""

import dataclasses
import functools
import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from tqdm import tqdm

from jatlas.model.network import Network
from jatlas.types import Array, HostArray, Key, Params
from jatlas.visualize import parameterize
from jatlas.visualize.objectives import Direction
from jatlas.visualize.transforms import RandomViews, draw_view, resample

CHUNK = 64
"""Icons in one program, unless said otherwise: about 1 GB for 48 px views and mixed4c."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class RenderConfig:
    """Settings of the icons.

    Attributes:
      icon_size: side of an icon in pixels.
      steps: optimization steps.
      learning_rate: of Adam.
      views: the random views that make icons robust.
      objective: what is maximized.

    Reference:
      Carter et al. 2019 and its notebooks: 80 px, Adam at 0.05, 512 (notebooks) to 1024
      (article) steps.
    """

    icon_size: int = 80
    steps: int = 512
    learning_rate: float = 0.05
    views: RandomViews = RandomViews()
    objective: Direction = Direction()

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name in ("icon_size", "steps"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: expected at least 1, got {getattr(self, name)}")
        if not 0 < self.learning_rate < math.inf:
            raise ValueError(f"learning_rate: expected above 0, got {self.learning_rate}")


# On a CPU, XLA multiplies small matrices in another way, which rounds differently: measured with
# GoogLeNet, icons are bitwise the same from 16 in a program on, and not always below.
_FEWEST = 16


class Icons(NamedTuple):
    """Rendered icons.

    Attributes:
      images: (n, icon_size, icon_size, 3) float32 in [0, 1].
      scores: (n,) float32, the objective in the last step; not finite where rendering failed.
    """

    images: HostArray
    scores: HostArray


class _State(NamedTuple):
    spectra: Array
    optimizer: Any


def render(
    network: Network,
    params: Params,
    directions: Array | HostArray,
    *,
    layer: str,
    key: Key,
    config: RenderConfig | None = None,
    cells: Array | HostArray | None = None,
    chunk: int = CHUNK,
    progress: bool = True,
) -> Icons:
    """Make an icon of each direction by feature visualization, all at once.

    Args:
      network: the network to look into.
      params: its parameters.
      directions: (n, channels) directions in the layer's activation space.
      layer: the stage that is to follow the directions.
      key: seeds the first images and the random views.
      config: settings; None means `RenderConfig()`.
      cells: (n,) int, what each icon's randomness hangs on; None means 0..n-1. An icon depends
        on its cell number and direction, not on the others or their order.
      chunk: icons that are optimized in one program; memory grows with it. The last chunk is
        filled up with copies, so that all have one shape, and no program has fewer than 16. On
        a CPU the icons of GoogLeNet were bitwise the same for every chunk with JAX 0.10; with
        JAX 0.12 the rounding differs by 1e-7 in six steps, which hundreds can make visible.
      progress: whether to show a progress bar.

    Returns:
      Icons, in the order of `directions`.

    Raises:
      ValueError: for directions that do not fit the layer, or an unknown layer.
    """
    parts = render_each(
        network,
        params,
        directions,
        layer=layer,
        key=key,
        config=config,
        cells=cells,
        chunk=chunk,
        progress=progress,
    )
    fields = zip(*(icons for _, icons in parts), strict=True)
    return Icons(*(np.concatenate(field) for field in fields))


def render_each(
    network: Network,
    params: Params,
    directions: Array | HostArray,
    *,
    layer: str,
    key: Key,
    config: RenderConfig | None = None,
    cells: Array | HostArray | None = None,
    chunk: int = CHUNK,
    progress: bool = True,
) -> Iterator[tuple[slice, Icons]]:
    """Render as `render` does, and yield each chunk of icons as soon as it is done.

    Yields:
      (which of the directions, their Icons), in order.

    Raises:
      ValueError: as `render`, when the first chunk is asked for.
    """
    config = RenderConfig() if config is None else config
    table = jnp.asarray(directions, jnp.float32)
    _check_directions(network, params, table.shape, layer=layer, config=config)
    numbers = jnp.arange(len(table)) if cells is None else jnp.asarray(cells)
    if numbers.shape != (len(table),) or not jnp.issubdtype(numbers.dtype, jnp.integer):
        raise ValueError(
            f"cells: expected {len(table)} whole numbers, got {numbers.dtype} {numbers.shape}"
        )
    if chunk < 1:
        raise ValueError(f"chunk: expected at least 1, got {chunk}")
    run = functools.partial(_render_chunk, network, params, layer=layer, key=key, config=config)
    starts = range(0, len(table), chunk)
    width = max(min(chunk, len(table)), _FEWEST)
    with tqdm(
        total=len(starts) * width * config.steps,
        desc="icons",
        unit="icon-step",
        unit_scale=True,
        disable=not progress,
    ) as bar:
        for start in starts:
            # The last chunk repeats its last icon to have the shape of the others.
            part = np.minimum(np.arange(start, start + width), len(table) - 1)
            icons = run(table[part], numbers[part], bar=bar)
            valid = min(chunk, len(table) - start)
            yield slice(start, start + valid), Icons(*(field[:valid] for field in icons))


def _render_chunk(
    network: Network,
    params: Params,
    directions: Array,
    cells: Array,
    *,
    layer: str,
    key: Key,
    config: RenderConfig,
    bar: tqdm,
) -> Icons:
    """Optimize one chunk of icons to the end.

    Steps are driven from Python: on a CPU a loop inside the program makes the gradient of a
    convolution up to 28 times slower (jax issue 12868).
    """
    for_init, for_views = jax.random.split(key)
    state = _start(cells, key=for_init, config=config)
    scores = jnp.zeros(len(cells))
    for step in range(config.steps):
        state, scores = _step(
            network,
            params,
            state,
            directions,
            jax.random.fold_in(for_views, step),
            layer=layer,
            config=config,
        )
        if step % 8 == 7:  # dispatch runs ahead of the device, the bar should not
            scores.block_until_ready()
        bar.update(len(cells))
    return Icons(np.asarray(_images(state.spectra, config=config)), np.asarray(scores))


def _check_directions(
    network: Network,
    params: Params,
    shape: tuple[int, ...],
    *,
    layer: str,
    config: RenderConfig,
) -> None:
    """Raise ValueError unless directions of that shape fit the layer and the view's size."""
    size = config.views.size
    image = jax.ShapeDtypeStruct((size, size, 3), jnp.float32)
    run = functools.partial(network.run, until=layer)
    found = jax.eval_shape(run, params, image).shape
    if len(found) != 3:
        raise ValueError(f"layer: {layer!r} has no positions (its shape is {found})")
    if len(shape) != 2 or shape[0] < 1 or shape[1] != found[-1]:
        raise ValueError(f"directions: expected (n, {found[-1]}) for {layer}, got {shape}")


def _optimizer(config: RenderConfig) -> optax.GradientTransformation:
    return optax.adam(config.learning_rate)


@functools.partial(jax.jit, static_argnames=("config",))
def _start(cells: Array, *, key: Key, config: RenderConfig) -> _State:
    def one(cell: Array) -> Array:
        for_cell = jax.random.fold_in(key, cell)
        return parameterize.init_spectrum(config.icon_size, config.icon_size, key=for_cell)

    spectra = jax.vmap(one)(cells)
    return _State(spectra, _optimizer(config).init(spectra))


@functools.partial(jax.jit, static_argnames=("config",))
def _images(spectra: Array, *, config: RenderConfig) -> Array:
    to_image = functools.partial(parameterize.spectrum_to_image, width=config.icon_size)
    return jax.vmap(to_image)(spectra)


@functools.partial(
    jax.jit, static_argnames=("network", "layer", "config"), donate_argnames=("state",)
)
def _step(
    network: Network,
    params: Params,
    state: _State,
    directions: Array,
    key: Key,
    *,
    layer: str,
    config: RenderConfig,
) -> tuple[_State, Array]:
    """Move all icons of a chunk one step; return also the objective of each."""
    view = draw_view(config.views, key=key)

    def score(spectrum: Array, direction: Array) -> Array:
        canvas = parameterize.spectrum_to_image(spectrum, width=config.icon_size)
        views = config.views
        seen = resample(canvas, view, size=views.size, fill=views.fill)
        activation = network.run(params, seen, until=layer)
        height, width, _ = activation.shape
        return config.objective(activation[height // 2, width // 2], direction)

    def loss(spectra: Array) -> tuple[Array, Array]:
        scores = jax.vmap(score)(spectra, directions)
        return -scores.sum(), scores

    gradient, scores = jax.grad(loss, has_aux=True)(state.spectra)
    updates, optimizer = _optimizer(config).update(gradient, state.optimizer)
    return _State(optax.apply_updates(state.spectra, updates), optimizer), scores
