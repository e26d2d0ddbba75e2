"""Fixtures that several test modules share."""

import gc
import importlib
import importlib.metadata
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

# Most of the time is XLA compiling programs that run for milliseconds. With these settings it takes
# a third of the time. Workers, and processes that tests start, inherit them.
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
# One module of LLVM for each: parts are for cores that have nothing else to do.
if importlib.metadata.version("jaxlib").startswith("0.10."):  # later ones may exit: unknown
    flags = f"--xla_cpu_parallel_codegen_split_count=1 {os.environ.get('XLA_FLAGS', '')}"
    os.environ["XLA_FLAGS"] = flags.strip()
# Compiled programs are kept, for all workers and for the next run; --cache-clear removes them.
# What is in the user's folder could hide what is tested.
os.environ["JAX_COMPILATION_CACHE_DIR"] = str(
    Path(__file__).parents[1] / ".pytest_cache" / "d" / "jax"
)
os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "0"
# A rank that is promoted is mostly a mistake.
os.environ.setdefault("JAX_NUMPY_RANK_PROMOTION", "raise")

import jax
import jax.numpy as jnp
import pytest
from atlases import build, make_images
from filelock import FileLock
from helpers import tiny_network, tiny_params

from jatlas.cli import _session as session
from jatlas.model import GOOGLENET_BVLC, Network, inception_v1, read_weight_file
from jatlas.types import Params

pytest_plugins = ["viewer_page"]
session.compile_faster()  # for the same reason; before JAX starts
# Started now, with one device: a command would make each core one, and results for another number
# of devices differ by rounding from those of other workers.
jax.devices()
# Traces are many objects that live on: by default Python looks through all of them again and again.
gc.set_threshold(100_000, 50, 100)


@pytest.hookimpl(tryfirst=True)  # before -m chooses
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests in a browser are slow: starting it and opening pages takes twenty seconds in all."""
    for item in items:
        if "browser" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder of real weights, images and golden outputs, which is no part of the project."""
    path = os.environ.get("JATLAS_TEST_DATA")
    if not path:
        pytest.skip("JATLAS_TEST_DATA is not set: no real weights, images and golden outputs")
    return Path(path)


@pytest.fixture
def optimized() -> Iterator[None]:
    """Have XLA optimize: for tests that run a real network long enough to pay for it."""
    before = jax.config.read("jax_disable_most_optimizations")
    jax.config.update("jax_disable_most_optimizations", False)
    yield
    jax.config.update("jax_disable_most_optimizations", before)


@pytest.fixture
def umap_learn(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let umap-learn be imported with pynndescent left as Python.

    Its functions, none of which is called, are compiled at import for 20 seconds.
    """
    import numba

    before = sys.modules.copy()
    with monkeypatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        patch.setattr(numba.config, "DISABLE_JIT", True)
        importlib.import_module("pynndescent")
    yield
    for name in sys.modules.keys() - before.keys():
        if name.partition(".")[0] in ("pynndescent", "umap"):
            del sys.modules[name]


@pytest.fixture
def tiny_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let commands load the tiny network by the name "tiny"."""

    def load_network(name: str) -> tuple[Network, Params]:
        return (tiny_network(), tiny_params()) if name == "tiny" else known(name)

    known = session.load_network
    monkeypatch.setattr(session, "load_network", load_network)


@pytest.fixture(scope="session")
def googlenet(test_data: Path) -> tuple[Network, Params]:
    """BVLC GoogLeNet with its real weights."""
    config = GOOGLENET_BVLC
    file = test_data / "googlenet_bvlc" / "googlenet_bvlc.caffemodel"
    return inception_v1(config), jax.tree.map(jnp.asarray, read_weight_file(file, config=config))


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Callable[..., Any]], Path]:
    """Return a function that makes a folder once for all workers of a run."""
    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent  # a worker has a folder of its own in that of the run

    def made(name: str, make: Callable[[Path], Any]) -> Path:
        path = base / "shared" / name
        path.parent.mkdir(exist_ok=True)
        done = base / f"{name}.made"
        with FileLock(base / f"{name}.lock"):
            if not done.exists():
                make(path)
                done.touch()
        return path

    return made


@pytest.fixture(scope="session")
def images(shared: Callable[..., Path]) -> Path:
    """A folder of small pictures, one of them damaged; not to be changed."""
    return shared("images", make_images)


@pytest.fixture(scope="session")
def whole(images: Path, shared: Callable[..., Path]) -> Path:
    """An atlas of two layers and two grids; not to be changed."""
    out = shared("atlas", lambda path: build(images, path))
    assert [path.name for path in out.parent.iterdir() if "atlas" in path.name] == ["atlas"]
    return out
