"""Memory of the stages: a tenth of a million samples, in a tenth of the memory of a million."""

import dataclasses
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jatlas.arrange import average_blocks
from jatlas.build import as_samples
from jatlas.collect._segments import Segments
from jatlas.explain import exemplars
from jatlas.records import Atlas, Grid, Icons, Info, Map, Samples
from jatlas.show import export
from jatlas.storage import CachedStage, Rows, load, save
from jatlas.types import release

COUNT, CHANNELS, CLASSES = 100_000, 512, 1000
SEGMENT = 10_000
SIZE, PX = 100, 80  # a grid with as many icons, of 190 MB, as a tenth of one of 320 x 320
LIMIT_MB = 600


def resident_mb() -> float:
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1000
    raise OSError("no VmRSS")


def grown(function: Callable[[], Any]) -> tuple[Any, float]:
    """Return what a function returns, and by how much more was resident at its peak, in MB."""
    before, peak, done = resident_mb(), [0.0], threading.Event()

    def watch() -> None:
        while not done.wait(0.01):
            peak.append(resident_mb())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        result = function()
    finally:  # or the process would wait for the watcher after an error
        done.set()
        watcher.join()
    return result, max(peak) - before


def segment(number: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(number)
    return {
        "images": np.array(SEGMENT),
        "skipped": np.zeros(0, np.int64),
        "reasons": np.zeros(0, np.str_),
        "index": np.arange(SEGMENT) + number * SEGMENT,
        "predicted": np.full(SEGMENT, number, np.int32),
        "vectors": rng.random((SEGMENT, 1, CHANNELS), np.float32),
        "positions": np.ones((SEGMENT, 1, 2), np.int32),
        "evidence": rng.random((SEGMENT, 1, CLASSES), np.float32).astype(np.float16),
        "moment": np.eye(CHANNELS)[np.triu_indices(CHANNELS)],
    }


def collected(folder: Path) -> Samples:
    stage = CachedStage.begin(folder, "samples")
    segments = Segments(stage)
    for number in range(COUNT // SEGMENT):
        segments.add(number, segment(number))
    joined = Segments(stage).joined()
    assert joined is not None
    return joined.samples()


def drawn(samples: Samples, points: np.ndarray, folder: Path) -> Map:
    cells = average_blocks(samples.vectors, points, size=SIZE)
    evidence = np.asarray(average_blocks(samples.evidence, points, size=SIZE).mean)
    mean, full = np.asarray(cells.mean), np.flatnonzero(np.asarray(cells.count)).astype(np.int32)
    near = exemplars(mean.reshape(-1, CHANNELS)[full[:20]], samples.vectors, samples.source[:, 0])
    assert near.rows.shape == (20, 4)
    icons = Rows(folder, (PX, PX, 3), np.uint8)
    for number in range(len(full)):
        icons.append(np.full((1, PX, PX, 3), number % 250, np.uint8))
    scores = np.ones(len(full), np.float32)
    grid = Grid(
        size=SIZE, mean=mean, count=np.asarray(cells.count), evidence=evidence, cells=full,
        icons=Icons(images=icons.array(), scores=scores, cosines=scores),
    )  # fmt: skip
    return Map(layer="conv", samples=samples, points=points, grids=(grid,))


def main(folder: Path) -> None:
    """Run in a process of its own, whose memory is that of the stages."""
    points = np.random.default_rng(0).random((COUNT, 2), np.float32)
    warm = as_samples(np.ones((20, CHANNELS), np.float32))
    average_blocks(warm.vectors, points[:20], size=2)
    used: dict[str, float] = {}
    samples, used["collect"] = grown(lambda: collected(folder / "stages"))
    assert len(samples) == COUNT and samples.moment[0, 0] == np.float32(COUNT // SEGMENT / COUNT)
    own, used["as_samples"] = grown(lambda: as_samples(samples.vectors, moment=samples.moment))
    assert np.shares_memory(own.vectors, samples.vectors)
    laid_out, used["cells"] = grown(lambda: drawn(samples, points, folder))
    atlas = Atlas(
        maps=(laid_out,), images=tuple(map(str, range(COUNT))), classes=(), info=Info(network="x")
    )
    _, used["save"] = grown(lambda: save(atlas, folder / "atlas"))
    loaded, used["load"] = grown(lambda: load(folder / "atlas"))
    assert dataclasses.is_dataclass(loaded)
    _, used["export"] = grown(lambda: export(folder / "atlas"))
    print({name: round(mb) for name, mb in used.items()})
    assert max(used.values()) < LIMIT_MB, used


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_a_tenth_of_a_million_samples_needs_a_tenth_of_its_memory(tmp_path: Path) -> None:
    command = [sys.executable, str(Path(__file__).resolve()), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True)
    print(done.stdout)
    assert done.returncode == 0, done.stderr


def test_pages_of_a_file_are_given_back(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.arange(1000))
    mapped = np.load(tmp_path / "a.npy", mmap_mode="r")
    for array in (mapped, mapped[3:], np.asarray(mapped), np.arange(3), [1, 2]):
        release(array)
    private = np.load(tmp_path / "a.npy", mmap_mode="c")
    private[0] = 7
    release(private)  # or what was written would be lost
    assert private[0] == 7 and mapped[:3].tolist() == [0, 1, 2]


@pytest.mark.parametrize("in_file", [False, True])
def test_rows_become_one_array(tmp_path: Path, in_file: bool) -> None:
    folder = tmp_path / "deep" / "rows" if in_file else None
    rows = Rows(folder, (2, 3), np.float16)
    blocks = [np.random.default_rng(i).random((i, 2, 3)) for i in (1, 0, 4)]
    for block in blocks:
        rows.append(block)
    rows.replace(2, np.full((2, 3), 9))
    wanted = np.concatenate(blocks).astype(np.float16)
    wanted[2] = 9
    np.testing.assert_array_equal(rows.array(), wanted)
    assert not list(tmp_path.rglob("*.*"))  # the file has no name
    for shape, count in (((3,), 0), ((0,), 5)):
        empty = Rows(folder, shape, np.int32)
        empty.append(np.zeros((count, *shape), np.int32))
        assert empty.array().shape == (count, *shape)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
