"""Process-wide settings of commands, and how they report."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from pathlib import Path

import jax
import platformdirs

from jatlas.model import Network, load_network
from jatlas.types import Params

# One arena, nothing from mmap, nothing back to the system below 2 GB, growth by 256 MB: the
# numbers of M_ARENA_MAX, M_MMAP_MAX, M_TRIM_THRESHOLD and M_TOP_PAD in malloc.h.
_MALLOC_OPTIONS = ((-8, 1), (-4, 0), (-1, 2**31 - 1), (-2, 2**28))


def use_all_cores() -> None:
    """Make each core of a CPU a JAX device, and keep freed memory.

    JAX is left alone if it has started already, or was told how many devices to make.

    Icons are spread over devices. On 2 cores, a device each took 3.8 ms per icon-step where one
    device for both took 5.2 (mixed4c, 48 px, 64 icons).
    """
    _keep_memory()
    if "JAX_NUM_CPU_DEVICES" in os.environ or "device_count" in os.environ.get("XLA_FLAGS", ""):
        return
    with contextlib.suppress(RuntimeError):  # JAX is running
        jax.config.update("jax_num_cpu_devices", _usable_cores())


def _usable_cores() -> int:
    if hasattr(os, "sched_getaffinity"):  # Linux; a container may allow fewer cores than there are
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _keep_memory() -> None:
    """Have glibc keep the memory that XLA frees; other C libraries are left alone.

    On a CPU XLA asks for the same few hundred MB at every step. By default each goes back to the
    system at once and comes again page by page, zeroed: a quarter of a rendering step (3.9 ms per
    icon-step became 2.8 to 3.0: mixed4c, 48 px, 64 icons, 2 cores).
    """
    with contextlib.suppress(OSError, AttributeError, TypeError):  # no glibc
        library = ctypes.CDLL(None)
        for option, value in _MALLOC_OPTIONS:
            library.mallopt(option, value)


def keep_compiled() -> None:
    """Keep compiled programs on disk, unless JAX was told where.

    A second run of a command then starts at once. JAX_COMPILATION_CACHE_DIR names another folder,
    JAX_ENABLE_COMPILATION_CACHE=false turns it off.
    """
    if getattr(jax.config, "jax_compilation_cache_dir", None) is None:
        folder = Path(platformdirs.user_cache_dir("jatlas")) / "compiled"
        jax.config.update("jax_compilation_cache_dir", str(folder))


def open_network(name: str) -> tuple[Network, Params]:
    """Load a network by name, once the process is set up to run it.

    Raises:
      ValueError: if there is no network of that name.
      FileNotFoundError: if its weights are not here; the message says how to get them.
    """
    use_all_cores()
    return load_network(name)


def report_skipped(skipped: list[list[str]]) -> None:
    """Name the images that could not be used, the first twenty of them, on stderr."""
    for name, reason in skipped[:20]:
        print(f"skipped {name}: {reason}", file=sys.stderr)
    if len(skipped) > 20:
        print(f"skipped {len(skipped)} images in all; atlas.json lists them", file=sys.stderr)
