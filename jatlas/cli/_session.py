"""Process-wide settings of commands, and how they report."""

from __future__ import annotations

import contextlib
import ctypes
import importlib.metadata
import importlib.util
import os
import sys
from pathlib import Path

import jax

from jatlas.model import Network, load_network, start_backend
from jatlas.records import Atlas
from jatlas.storage import KeptFiles, check_file, user_cache
from jatlas.types import GENERATOR, Key, Params, checks
from jatlas.types.programs import keep_in
from jatlas.visualize import check_jaxlib

# One arena, nothing from mmap, nothing back to the system below 2 GB, growth by 256 MB: the
# numbers of M_ARENA_MAX, M_MMAP_MAX, M_TRIM_THRESHOLD and M_TOP_PAD in malloc.h.
_MALLOC_OPTIONS = ((-8, 1), (-4, 0), (-1, 2**31 - 1), (-2, 2**28))

_LARGEST_SEED = 2**32 - 1
_COMPILED = "jax_enable_compilation_cache"


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
        jax.config.update("jax_num_cpu_devices", usable_cores())


def usable_cores() -> int:
    """Return how many cores of the CPU this process may use."""
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
    """Keep programs on disk, traced and compiled, unless JAX was told where.

    A second run of a command then starts at once. JAX_COMPILATION_CACHE_DIR names another folder,
    JAX_ENABLE_COMPILATION_CACHE=false turns it off. Where no cache can be written there is none.
    """
    if getattr(jax.config, "jax_compilation_cache_dir", None) is not None:
        return
    folder = user_cache("compiled")
    if folder is not None:
        jax.config.update("jax_compilation_cache_dir", str(folder))
    traced = user_cache("programs")
    if traced is not None and getattr(jax.config, _COMPILED, True):
        keep_in(KeptFiles(traced))


def compile_faster() -> None:
    """Lower XLA's optimization level on a CPU, unless XLA_FLAGS sets it.

    For work that is soon done; no effect once JAX has started. On 2 cores, compiling takes half as
    long: a cold `jatlas demo` took 55 and 58 s instead of 69 to 80. Extraction with GoogLeNet
    becomes 5 to 10 % slower, rendering about 4 %.
    """
    if has_accelerator():  # whose kernels the level counts for as well
        return
    flags = ["--xla_backend_optimization_level=1"]
    if importlib.metadata.version("jaxlib").startswith("0.10."):  # later ones exit: unknown
        flags.append("--xla_cpu_use_fusion_emitters=false")
    given = os.environ.get("XLA_FLAGS", "")
    missing = [flag for flag in flags if flag.partition("=")[0] not in given]
    os.environ["XLA_FLAGS"] = " ".join([*missing, given]).strip()


def has_accelerator() -> bool:
    """Return whether JAX is installed for a GPU or TPU, and may use it."""
    if os.environ.get("JAX_PLATFORMS", "") == "cpu":
        return False
    plugins = importlib.metadata.entry_points(group="jax_plugins")
    return bool(plugins) or importlib.util.find_spec("libtpu") is not None


def open_network(name: str) -> tuple[Network, Params]:
    """Load a network by name, once the process is set up to run it.

    Raises:
      ValueError: if there is no network of that name, or JAX finds no device.
      FileNotFoundError: if its weights are not here; the message says how to get them.
    """
    start_jax()
    return load_network(name)


def open_network_of(atlas: Atlas) -> tuple[Network, Params]:
    """Load the network that an atlas is of; raises as `open_network`, and if it names none."""
    name = atlas.info.get("network")
    if not isinstance(name, str):
        raise ValueError(f"the atlas does not say which network it is of: network is {name!r}")
    return open_network(name)


def start_jax() -> None:
    """Start JAX on all cores of a CPU, or on the accelerator that there is.

    Raises:
      ValueError: if it cannot start, or its version hangs.
    """
    use_all_cores()
    try:
        start_backend()
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        chosen = os.environ.get("JAX_PLATFORMS")
        advice = f"JAX_PLATFORMS is {chosen!r}: unset it" if chosen else "try JAX_PLATFORMS=cpu"
        raise ValueError(f"JAX cannot start: {reason}; {advice}") from error
    check_jaxlib(jax.local_devices()[0])


def prepare_timing(json: Path | None) -> None:
    """Have JAX compile whatever is timed, whatever an earlier run has kept; check the output."""
    check_file(json)
    jax.config.update(_COMPILED, False)
    keep_in(None)


def make_key(seed: int) -> Key:
    """Return the key of a seed, whatever JAX's default generator is.

    Raises:
      ValueError: for a seed that JAX takes for another one, or for another one with x64.
    """
    limits = f"0 to {_LARGEST_SEED}"
    number = checks.whole("seed", seed, minimum=0, maximum=_LARGEST_SEED, expected=limits)
    return jax.random.key(number, impl=GENERATOR)


def report_skipped(skipped: list[list[str]]) -> None:
    """Name the images that could not be used, the first twenty of them, on stderr."""
    for name, reason in skipped[:20]:
        print(f"skipped {name}: {reason}", file=sys.stderr)
    if len(skipped) > 20:
        print(f"skipped {len(skipped)} images in all; atlas.json lists them", file=sys.stderr)
