"""Damaged weight files: parameters that fit the network, or one error that says why not."""

import io
import time
import zipfile
from pathlib import Path

import jax
import numpy as np
import pytest
from mutations import mutated
from weight_files import draw, small_config, weight_file

from jatlas.model import read_params, write_params
from jatlas.model._convert import convert_bytes
from jatlas.model._fetch import read_content

NAMES = ("googlenet_bvlc", "inception5h")
CASES = 1_000
_LONGEST = 10  # seconds that one file may take


def check(data: bytes, path: Path) -> None:
    start = time.monotonic()
    path.write_bytes(data)
    for name in NAMES:
        config = small_config(name)
        try:
            content = read_content(path, member=None, max_bytes=10_000_000)
            params = convert_bytes(content, origin="file", config=config)
        except ValueError as error:
            assert str(error).startswith(("file", str(path)))
        else:
            assert all(np.isfinite(x).all() for x in jax.tree.leaves(params))
    assert time.monotonic() - start < _LONGEST


def fuzz(count: int, seed: int, path: Path) -> None:
    configs = [small_config(name) for name in NAMES]
    files = [weight_file(config, draw(config)) for config in configs]
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as target:
        target.writestr("folder/graph.pb", files[1])
    rng = np.random.default_rng(seed)
    for _ in range(count):
        check(mutated([*files, archive.getvalue()], rng), path)


@pytest.mark.slow
def test_damaged_weight_files_are_named(tmp_path: Path) -> None:
    fuzz(CASES, 1, tmp_path / "file")


@pytest.mark.slow
def test_a_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    """Each file of saved parameters damaged in turn."""
    config = small_config("googlenet_bvlc")
    params = draw(config)
    expected = jax.eval_shape(lambda: params)
    write_params(tmp_path / "sound", params, provenance={})
    files = sorted(path for path in (tmp_path / "sound").rglob("*") if path.is_file())
    rng = np.random.default_rng(3)
    for path in files:
        content = path.read_bytes()
        for damaged in (b"", content[: len(content) // 2], mutated([content], rng), None):
            path.unlink() if damaged is None else path.write_bytes(damaged)
            if damaged != content:
                with pytest.raises((ValueError, OSError), match=str(tmp_path)):
                    read_params(tmp_path / "sound", expected=expected)
            path.write_bytes(content)
    read_params(tmp_path / "sound", expected=expected)
