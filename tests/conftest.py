"""Fixtures that several test modules share."""

import os
import shutil
import tempfile
from pathlib import Path

# Programs that one worker, or a process that a test starts, compiles serve all others of this run;
# what earlier runs left in the user's folder could hide what is tested.
if "JATLAS_TEST_COMPILED" not in os.environ:
    os.environ["JATLAS_TEST_COMPILED"] = tempfile.mkdtemp(prefix="jatlas-compiled-")
os.environ["JAX_COMPILATION_CACHE_DIR"] = os.environ["JATLAS_TEST_COMPILED"]
os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0.1"
os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "0"
# A rank that is promoted is mostly a mistake.
os.environ.setdefault("JAX_NUMPY_RANK_PROMOTION", "raise")

import jax
import jax.numpy as jnp
import pytest
from atlases import build, make_images

from jatlas.model import GOOGLENET_BVLC, Network, inception_v1, read_weight_file
from jatlas.types import Params


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove the compiled programs when the run is over, not when a worker is."""
    if not hasattr(config, "workerinput"):
        shutil.rmtree(os.environ["JATLAS_TEST_COMPILED"], ignore_errors=True)


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder of real weights, images and golden outputs, which is no part of the project."""
    path = os.environ.get("JATLAS_TEST_DATA")
    if not path:
        pytest.skip("JATLAS_TEST_DATA is not set: no real weights, images and golden outputs")
    return Path(path)


@pytest.fixture(scope="session")
def googlenet(test_data: Path) -> tuple[Network, Params]:
    """BVLC GoogLeNet with its real weights."""
    config = GOOGLENET_BVLC
    file = test_data / "googlenet_bvlc" / "googlenet_bvlc.caffemodel"
    return inception_v1(config), jax.tree.map(jnp.asarray, read_weight_file(file, config=config))


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of small pictures, one of them damaged; not to be changed."""
    return make_images(tmp_path_factory.mktemp("shared") / "images")


@pytest.fixture(scope="session")
def whole(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An atlas of two layers and two grids; not to be changed."""
    out = tmp_path_factory.mktemp("whole") / "atlas"
    build(images, out)
    assert os.listdir(out.parent) == ["atlas"]
    return out
