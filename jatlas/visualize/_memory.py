"""How much memory there is, and how much an icon takes."""

import functools
import os
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jatlas.model import Network, abstract
from jatlas.types import Array, Params
from jatlas.types.programs import kept_number
from jatlas.visualize._config import RenderConfig

_SHARE = 0.5
"""Share of the memory that a chunk of icons may take."""

_CANVASES = 10
"""Arrays as large as a canvas: parameters, moments, gradients, spectra, images."""

_STATE = 4
"""Arrays as large as a canvas of a restart that waits for its turn: parameters, two moments."""

_UNLIMITED = 1 << 60
"""Limits above this are none: cgroup v1 gives a number near 2^63."""


def bytes_per_icon(network: Network, params: Params, *, layer: str, config: RenderConfig) -> int:
    """Estimate the memory that one icon takes while it is optimized and evaluated.

    A step mostly holds what the forward pass keeps for the gradient. Compiled for a CPU, programs
    for GoogLeNet's mixed3b to mixed5b at 48 to 128 px needed 0.8 to 1.05 times that (JAX 0.10.2);
    it counts twice here, for the workspace of a GPU's convolutions. The evaluation of a whole
    canvas has no gradient, but may have many more pixels: it counts half.

    Args:
      network: the network.
      params: its parameters.
      layer: the stage that the objective is given.
      config: settings.

    Returns:
      Bytes.
    """
    kept = _kept_for_gradient(network, *abstract(params), layer, config.views.size)
    larger = (config.icon_size / config.views.size) ** 2
    canvas = 3 * config.icon_size**2 * np.dtype(np.float32).itemsize
    waiting = (config.restarts - 1) * _STATE if len(config.legs()) > 1 else 0
    return int(kept * max(2.0, larger / 2)) + (_CANVASES + waiting) * canvas


@functools.lru_cache(maxsize=256)  # tracing the gradient of GoogLeNet takes 0.5 s
def _kept_for_gradient(
    network: Network,
    tree: jax.tree_util.PyTreeDef,
    leaves: tuple[jax.ShapeDtypeStruct, ...],
    layer: str,
    size: int,
) -> int:
    """Return the bytes that the forward pass of one float32 image keeps for its gradient."""
    batch = 8  # some of what is kept are the parameters, which images share

    def forward(params: Params, images: Array) -> Any:
        run = functools.partial(network.run, params, until=layer)
        return jax.vjp(jax.vmap(run), images)[1]

    def traced() -> int:
        images = jax.ShapeDtypeStruct((batch, size, size, 3), jnp.float32)
        kept = jax.eval_shape(forward, jax.tree.unflatten(tree, leaves), images)
        return sum(x.size * x.dtype.itemsize for x in jax.tree.leaves(kept)) // batch

    static = {"network": network, "layer": layer, "size": size}
    return kept_number(traced, static, [str(tree), *map(str, leaves)])


def available(device: jax.Device) -> int | None:
    """Return the bytes that icons may take on a device; None if that is unknown.

    On a CPU all devices share them. Elsewhere each has its own.
    """
    if device.platform == "cpu":
        limits = [limit for limit in (_installed(), container_limit()) if limit is not None]
        return int(_SHARE * min(limits)) if limits else None
    statistics = device.memory_stats() or {}
    limit = statistics.get("bytes_limit")
    return None if limit is None else int(_SHARE * limit)


def _installed() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf, others not these names
        return None


def container_limit(root: Path = Path("/")) -> int | None:
    """Return the memory limit of the container or group of processes that this one is in.

    Args:
      root: of the file system, for tests.

    Returns:
      Bytes, or None without a limit.

    Reference:
      Linux, "Control Group v2" (`memory.max`) and "Memory Resource Controller"
      (`memory.limit_in_bytes`).
    """
    version_2 = root / "sys/fs/cgroup"
    version_1 = version_2 / "memory"
    folders = [version_2, version_1]
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "" or "memory" in controllers.split(","):
            base, group = version_1 if controllers else version_2, Path(path.lstrip("/"))
            folders += [base / each for each in (group, *group.parents)]
    limits = [
        int(text)
        for folder in folders
        for name in ("memory.max", "memory.limit_in_bytes")
        if (text := _read(folder / name).strip()).isdigit() and int(text) < _UNLIMITED
    ]
    return min(limits, default=None)


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
