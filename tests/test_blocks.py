"""Vectors are read and scaled block by block: one copy of them is in memory, at most."""

import platform
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from jatlas.arrange import _memory
from jatlas.arrange._checks import check_layout_input
from jatlas.arrange._distances import _write as write
from jatlas.arrange._distances import comparable
from jatlas.storage import files
from jatlas.types import blocks, take

needs_pages = pytest.mark.skipif(sys.platform != "linux", reason="pages are counted by Linux")


def mapped_bytes() -> int:
    """Return how much of the files that are mapped is in memory."""
    found = re.search(r"RssFile:\s+(\d+)", Path("/proc/self/status").read_text("utf-8"))
    assert found is not None
    return 1024 * int(found[1])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "vectors.npy"
    np.save(path, np.random.default_rng(0).random((100_000, 256), np.float32))  # 102 MB
    return path


@pytest.mark.slow
@needs_pages
@pytest.mark.parametrize(
    "read",
    [
        check_layout_input,
        lambda vectors: comparable(vectors, metric="cosine"),
        lambda vectors: take(vectors, np.arange(0, len(vectors), 1000)),
    ],
    ids=["check", "scale", "take"],
)
def test_the_pages_of_a_mapped_file_are_let_go(file: Path, read: Any) -> None:
    vectors = files.map_array(file)
    read(np.load(file))  # what is compiled for it is in files as well
    before = mapped_bytes()
    read(vectors)
    assert mapped_bytes() - before < 25e6
    assert vectors[::1000].sum() == np.load(file)[::1000].sum()


def test_what_was_changed_in_memory_only_is_kept(file: Path) -> None:
    vectors = np.load(file, mmap_mode="c")
    vectors[:] = 1
    assert all((block == 1).all() for block in blocks(vectors, 7000))
    assert (vectors == 1).all()


def test_blocks_of_any_array() -> None:
    for table in (np.arange(7)[:, None], jnp.arange(7)[:, None], np.arange(14)[::2, None]):
        parts = list(blocks(table, 3))
        assert [len(part) for part in parts] == [3, 3, 1]
        np.testing.assert_array_equal(np.concatenate(parts), table)
    assert list(blocks(np.zeros((0, 2)), 3)) == []


def test_vectors_are_scaled_into_one_table() -> None:
    table = jnp.zeros((100, 8), jnp.float32)
    where = table.unsafe_buffer_pointer()
    table = write(table, np.ones((30, 8), np.float32), 70)
    assert table.unsafe_buffer_pointer() == where
    np.testing.assert_array_equal(table.sum(axis=1), np.repeat([0, 8], [70, 30]))


FREED = r"""
import re, runpy, sys
import numpy as np
from jatlas.cli._session import _keep_memory

def used():
    text = open("/proc/self/status").read()
    return 1024 * int(re.search(r"RssAnon:\s+(\d+)", text)[1])

_keep_memory()
pieces = [np.ones(20_000_000, np.uint8) for _ in range(20)]
full = used()
del pieces[::2], pieces[:5]
kept = used()
runpy.run_path(sys.argv[1])["return_freed"]()
print(full - kept, full - used())
"""


@pytest.mark.slow
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_what_was_freed_in_pieces_is_returned() -> None:
    command = [sys.executable, "-c", FREED, str(_memory.__file__)]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    kept, returned = map(int, run.stdout.split())
    assert kept < 50e6 and returned > 250e6
