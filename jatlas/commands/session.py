"""What commands do to the process they run in, and how they report."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

import platformdirs


def use_all_cores() -> None:
    """Have JAX see a CPU as one device per core, unless it was told or has begun already.

    Icons are spread over devices. On 2 cores, a device each took 3.8 ms per icon-step where one
    device for both took 5.2 (mixed4c, 48 px, 64 icons).
    """
    import jax

    if "JAX_NUM_CPU_DEVICES" in os.environ or "device_count" in os.environ.get("XLA_FLAGS", ""):
        return
    with contextlib.suppress(RuntimeError):  # what JAX says when it is running
        jax.config.update("jax_num_cpu_devices", len(os.sched_getaffinity(0)))


def keep_compiled() -> None:
    """Have JAX keep compiled programs on disk, unless it was told where or has none to keep.

    A second run of a command then starts at once. JAX_COMPILATION_CACHE_DIR names another folder,
    JAX_ENABLE_COMPILATION_CACHE=false turns it off.
    """
    import jax

    if getattr(jax.config, "jax_compilation_cache_dir", None) is None:
        folder = Path(platformdirs.user_cache_dir("jatlas")) / "compiled"
        jax.config.update("jax_compilation_cache_dir", str(folder))


def report_skipped(skipped: list[list[str]]) -> None:
    """Name the images that could not be used, the first twenty of them, on stderr."""
    for name, reason in skipped[:20]:
        print(f"skipped {name}: {reason}", file=sys.stderr)
    if len(skipped) > 20:
        print(f"skipped {len(skipped)} images in all; atlas.json lists them", file=sys.stderr)
