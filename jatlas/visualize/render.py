"""The batched optimisation: one step moves the icons of a whole chunk of cells."""

import functools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P
from tqdm import tqdm

from jatlas.model.network import Network
from jatlas.types import Array, HostArray, Key, Params
from jatlas.visualize import step
from jatlas.visualize.config import RenderConfig as RenderConfig

CHUNK = 64
"""Icons in one program, unless said otherwise: about 1 GB for 48 px views and mixed4c."""


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
    devices: Sequence[jax.Device] | None = None,
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
      devices: what the icons of a program are spread over; None means all of `jax.devices()`.
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
        devices=devices,
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
    devices: Sequence[jax.Device] | None = None,
    progress: bool = True,
) -> Iterator[tuple[slice, Icons]]:
    """Render as `render` does, and yield each chunk of icons as soon as it is done.

    Yields:
      (which of the directions, their Icons), in order.

    Raises:
      ValueError: as `render`, when the first chunk is asked for.
    """
    config = RenderConfig() if config is None else config
    table = np.asarray(directions, np.float32)
    _check_directions(network, params, table.shape, layer=layer, config=config)
    numbers = np.arange(len(table)) if cells is None else np.asarray(cells)
    if numbers.shape != (len(table),) or not np.issubdtype(numbers.dtype, np.integer):
        raise ValueError(
            f"cells: expected {len(table)} whole numbers, got {numbers.dtype} {numbers.shape}"
        )
    if chunk < 1:
        raise ValueError(f"chunk: expected at least 1, got {chunk}")
    mesh, width = _spread(min(chunk, len(table)), devices or jax.devices())
    run = functools.partial(
        _render_chunk, network, params, layer=layer, key=key, config=config, mesh=mesh
    )
    starts = range(0, len(table), chunk)
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
    directions: HostArray,
    cells: HostArray,
    *,
    layer: str,
    key: Key,
    config: RenderConfig,
    mesh: Mesh,
    bar: tqdm,
) -> Icons:
    """Optimize one chunk of icons to the end.

    Steps are driven from Python: on a CPU a loop inside the program makes the gradient of a
    convolution up to 28 times slower (jax issue 12868).
    """
    for_init, for_views = jax.random.split(key)
    each, all_ = NamedSharding(mesh, P(step.CELLS)), NamedSharding(mesh, P())
    directions, cells = jax.device_put((directions, cells), each)
    params, for_init = jax.device_put((params, for_init), all_)
    state = step.begin(cells, key=for_init, config=config, mesh=mesh)
    run = functools.partial(step.advance, network, layer=layer, config=config, mesh=mesh)
    scores = jnp.zeros(len(cells))
    for number in range(config.steps):
        for_step = jax.device_put(jax.random.fold_in(for_views, number), all_)
        state, scores = run(params, state, directions, key=for_step)
        if number % 8 == 7:  # dispatch runs ahead of the device, the bar should not
            scores.block_until_ready()
        bar.update(len(cells))
    images = step.images(state.spectra, config=config, mesh=mesh)
    return Icons(np.asarray(images), np.asarray(scores))


def _spread(icons: int, devices: Sequence[jax.Device]) -> tuple[Mesh, int]:
    """Return the devices to use for that many icons, and how many icons to fill them with."""
    used = min(len(devices), -(-icons // _FEWEST))
    each = max(-(-icons // used), _FEWEST)
    return Mesh(np.array(devices[:used]), (step.CELLS,)), used * each


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
