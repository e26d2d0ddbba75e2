"""From images to samples: against a plain loop, and after every interruption."""

import functools
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import CLASSES, counting_network, tiny_network, tiny_params
from PIL import Image

from jatlas import Run, collect
from jatlas.collect import Collected
from jatlas.collect import _sample as sample
from jatlas.explain import evidence
from jatlas.storage import CachedStage

KEY = jax.random.key(11)
LAYERS = ("conv2", "conv1")
COUNT, SIDE = 20, 16
IMAGES = np.random.default_rng(0).integers(0, 256, (COUNT, SIDE, SIDE, 3), np.uint8)


def gather(
    source: Any,
    *,
    layers: tuple[str, ...] = LAYERS,
    folder: Path | None = None,
    batch_size: int = 8,
    **changes: Any,
) -> Collected:
    stages = {layer: CachedStage.begin(folder, f"{layer}-samples") for layer in layers}
    arguments: dict[str, Any] = {"per_image": 1, "key": KEY} | changes
    network = arguments.pop("network", tiny_network())
    run = Run(batch_size=batch_size, progress=False)
    return collect.collect(network, tiny_params(), source, stages=stages, run=run, **arguments)


def assert_equal(found: Collected, expected: Collected) -> None:
    """Compare to the last bit."""
    assert found.samples.keys() == expected.samples.keys()
    assert (found.images, found.skipped) == (expected.images, expected.skipped)
    for layer, right in expected.samples.items():
        jax.tree.map(np.testing.assert_array_equal, found.samples[layer], right)


def assert_close(found: Collected, expected: Collected) -> None:
    """Compare up to rounding."""
    assert (found.images, found.skipped) == (expected.images, expected.skipped)
    for layer, right in expected.samples.items():
        got = found.samples[layer]
        np.testing.assert_array_equal(got.source, right.source)
        np.testing.assert_allclose(got.vectors, right.vectors, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(got.evidence, right.evidence, rtol=2e-3, atol=1e-5)
        np.testing.assert_allclose(got.moment, right.moment, rtol=1e-5, atol=1e-6)


@pytest.fixture(scope="module")
def expected() -> Collected:
    return gather(collect.arrays(IMAGES))


@pytest.mark.slow
@pytest.mark.parametrize("per_image", [1, 3])
def test_samples_are_those_of_a_plain_loop(per_image: int) -> None:
    found = gather(collect.arrays(IMAGES), per_image=per_image)
    assert tuple(found.samples) == LAYERS
    assert (found.images, found.skipped) == (COUNT, [])
    for layer, channels in {"conv1": 8, "conv2": 12}.items():
        run = jax.jit(functools.partial(tiny_network().run, until=layer))
        explain = jax.jit(functools.partial(evidence, tiny_network(), layer=layer))
        vectors, source, attributed = [], [], []
        moment = np.zeros((channels, channels))
        for number, image in enumerate(IMAGES):
            pixels = image.astype(np.float32) / 255
            activation = np.asarray(run(tiny_params(), pixels))
            places = sample.draw_places(key=KEY, image=jnp.asarray(number), per_image=per_image)
            for share in np.asarray(places):
                row, column = 1 + np.floor(share * 6).astype(int)  # of 8 x 8 without the border
                vectors.append(activation[row, column])
                source.append([number, row, column])
                position = jnp.array([row, column])
                attributed.append(explain(tiny_params(), pixels, position))
            inner = activation[1:-1, 1:-1].reshape(-1, channels).astype(np.float64)
            moment += inner.T @ inner / len(inner)
        got = found.samples[layer]
        assert got.vectors.shape == (COUNT * per_image, channels)
        assert got.evidence.shape == (COUNT * per_image, CLASSES)
        dtypes = [getattr(got, name).dtype for name in ("vectors", "source", "evidence", "moment")]
        assert dtypes == [np.float32, np.int32, np.float16, np.float32]
        np.testing.assert_array_equal(got.source, source)
        np.testing.assert_allclose(got.vectors, vectors, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(got.evidence, attributed, rtol=2e-3, atol=1e-6)
        np.testing.assert_allclose(got.moment, moment / COUNT, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("batch_size", [1, 3, 32])
def test_the_batch_size_changes_rounding_only(expected: Collected, batch_size: int) -> None:
    assert_close(gather(collect.arrays(IMAGES), batch_size=batch_size), expected)


@pytest.mark.slow
@pytest.mark.parametrize("batch_size", [1, 7, 50])
def test_several_positions_of_an_image_are_rows_side_by_side(batch_size: int) -> None:
    found = gather(collect.arrays(IMAGES), per_image=3, batch_size=batch_size)
    assert_close(found, gather(collect.arrays(IMAGES), per_image=3, batch_size=9))
    conv1 = found.samples["conv1"]
    np.testing.assert_array_equal(conv1.source[:, 0], np.repeat(np.arange(COUNT), 3))
    # The moment does not depend on the positions.
    one = gather(collect.arrays(IMAGES)).samples["conv1"]
    np.testing.assert_allclose(conv1.moment, one.moment, rtol=1e-5)


def test_two_collections_are_one_trace() -> None:
    network, traces = counting_network()
    for seed in (0, 1):
        gather(collect.arrays(IMAGES), network=network, key=jax.random.key(seed))
        if not seed:
            first = len(traces)
    assert len(traces) == first


def test_a_layer_does_not_depend_on_the_others(expected: Collected) -> None:
    alone = gather(collect.arrays(IMAGES), layers=("conv1",))
    jax.tree.map(np.testing.assert_array_equal, alone.samples["conv1"], expected.samples["conv1"])
    np.testing.assert_array_equal(
        expected.samples["conv1"].source, expected.samples["conv2"].source
    )  # both are 8 x 8


def test_the_key_changes_the_places_alone(expected: Collected) -> None:
    other = gather(collect.arrays(IMAGES), key=jax.random.key(12)).samples["conv1"]
    right = expected.samples["conv1"]
    np.testing.assert_array_equal(other.moment, right.moment)
    moved = (other.source != right.source).any(1)
    assert moved.mean() > 0.8
    assert (other.vectors != right.vectors).any(1)[moved].all()


def main() -> None:
    """Run in a process with four devices: JAX fixes their number when it starts."""
    on_one = [jax.local_devices()[0]]
    for batch_size in (3, 8):
        many = gather(collect.arrays(IMAGES), batch_size=batch_size)
        with mock.patch.object(jax, "local_devices", lambda: on_one):
            one = gather(collect.arrays(IMAGES), batch_size=batch_size)
        assert_close(many, one)


@pytest.mark.slow
def test_several_devices_change_rounding_only() -> None:
    flags = {"XLA_FLAGS": "--xla_force_host_platform_device_count=4"}
    command = [sys.executable, str(Path(__file__).resolve())]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | flags)
    assert done.returncode == 0, done.stderr


def test_bytes_and_floats_are_the_same_images(expected: Collected) -> None:
    floats = gather(collect.arrays(IMAGES.astype(np.float32) / 255))
    for layer, right in expected.samples.items():
        got = floats.samples[layer]
        np.testing.assert_array_equal(got.source, right.source)
        np.testing.assert_allclose(got.vectors, right.vectors, rtol=1e-5, atol=1e-6)


def write_folder(path: Path, *, damaged: tuple[int, ...]) -> Any:
    path.mkdir(exist_ok=True)
    for number, image in enumerate(IMAGES):
        file = path / f"{number:02d}.png"
        Image.fromarray(image).save(file)
        if number in damaged:
            file.write_bytes(file.read_bytes()[:100])
    return collect.folder(path, size=SIDE, fit="squash")


def test_a_folder_gives_what_its_arrays_give(tmp_path: Path, expected: Collected) -> None:
    assert_equal(gather(write_folder(tmp_path, damaged=())), expected)


@pytest.mark.parametrize("segment", [4, 256])
@pytest.mark.parametrize("damaged", [(0,), (3, 7, 19), (4, 5, 6, 7)], ids=str)
def test_damaged_images_are_named_and_shift_nothing(
    tmp_path: Path,
    expected: Collected,
    damaged: tuple[int, ...],
    segment: int,
) -> None:
    source = write_folder(tmp_path, damaged=damaged)
    found = gather(source, batch_size=3, segment=segment)
    assert [source.name(index) for index, _ in found.skipped] == [f"{n:02d}.png" for n in damaged]
    assert all(isinstance(reason, str) and reason for _, reason in found.skipped)
    assert found.images == COUNT
    good = [number for number in range(COUNT) if number not in damaged]
    for layer, right in expected.samples.items():
        got = found.samples[layer]
        np.testing.assert_array_equal(got.source, right.source[good])
        np.testing.assert_array_equal(got.vectors, right.vectors[good])
        np.testing.assert_array_equal(got.evidence, right.evidence[good])
        run = functools.partial(tiny_network().run, tiny_params(), until=layer)
        run = jax.jit(jax.vmap(run))
        inner = np.asarray(run(IMAGES[good] / np.float32(255)), np.float64)[:, 1:-1, 1:-1]
        moment = np.einsum("nhwa,nhwb->ab", inner, inner) / inner[..., 0].size
        np.testing.assert_allclose(got.moment, moment, rtol=1e-5)


class Watched:
    """A source that writes down what is read, and may fail on the way."""

    def __init__(self, source: Any, *, fail_at: int | None = None) -> None:
        self._source, self._fail_at = source, fail_at
        self.count = source.count
        self.read: list[int] = []

    def name(self, index: int) -> str:
        return self._source.name(index)

    def load(self, start: int = 0, *, workers: int = 2) -> Iterator[Any]:
        for item in self._source.load(start, workers=workers):
            if item.index == self._fail_at:
                raise KeyboardInterrupt("Ctrl-C")
            self.read.append(item.index)
            yield item


@pytest.mark.parametrize("batch_sizes", [(8, 8), (3, 5)], ids=str)
def test_an_interrupted_collection_resumes(tmp_path: Path, batch_sizes: tuple[int, int]) -> None:
    source = write_folder(tmp_path / "images", damaged=(2, 9))
    whole = gather(source, segment=6)
    folder = tmp_path / "cache"
    first = Watched(source, fail_at=14)
    with pytest.raises(KeyboardInterrupt, match="Ctrl-C"):
        gather(first, folder=folder, batch_size=batch_sizes[0], segment=6)
    assert first.read == list(range(14))
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert len(before) == 2 * len(LAYERS)
    second = Watched(source)
    found = gather(second, folder=folder, batch_size=batch_sizes[1], segment=6)
    assert second.read == list(range(12, COUNT))
    after = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert before.items() <= after.items()
    assert_close(found, whole)
    third = Watched(source)
    assert_equal(gather(third, folder=folder, segment=6), found)
    assert third.read == []


def test_a_damaged_segment_is_computed_again_alone(tmp_path: Path) -> None:
    source, folder = collect.arrays(IMAGES), tmp_path / "cache"
    whole = gather(source, folder=folder, segment=6)
    damaged = sorted(folder.glob("conv1-samples-*"))[1]
    damaged.write_bytes(damaged.read_bytes()[:50])
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert_equal(gather(source, folder=folder, segment=6), whole)
    after = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert {name for name in after if after[name] != before[name]} == {damaged.name}


def test_another_layer_is_collected_alone(tmp_path: Path, expected: Collected) -> None:
    source, folder = collect.arrays(IMAGES), tmp_path / "cache"
    gather(source, layers=("conv1",), folder=folder)
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert_equal(gather(source, folder=folder), expected)
    after = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert before.items() < after.items()


def test_segments_are_kept_even_where_nothing_could_be_used(tmp_path: Path) -> None:
    source = write_folder(tmp_path / "images", damaged=(0, 1, 2, 3, 4))
    whole = gather(source, folder=tmp_path / "cache", segment=5)
    assert [index for index, _ in whole.skipped] == [0, 1, 2, 3, 4]
    again = Watched(source)
    assert_equal(gather(again, folder=tmp_path / "cache", segment=5), whole)
    assert again.read == []


def test_nothing_but_damaged_images_is_an_error(tmp_path: Path) -> None:
    source = write_folder(tmp_path, damaged=tuple(range(COUNT)))
    with pytest.raises(ValueError, match=r"no image could be used \(image 0: .+; image 2: "):
        gather(source)


def test_no_images_at_all_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"no image could be used \(there are none\)"):
        gather(collect.arrays(IMAGES[:0]))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"layers": ("conv1", "mixed4c")}, "tiny has no layer 'mixed4c'; it has: input, "),
        ({"per_image": 0}, "per_image: expected at least 1, got 0"),
    ],
)
def test_bad_input_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        gather(collect.arrays(IMAGES), **changes)


def test_other_files_among_the_segments_are_left_alone(tmp_path: Path) -> None:
    source = collect.arrays(IMAGES)
    expected = gather(source, folder=tmp_path, segment=8)
    first, second, _ = sorted(tmp_path.glob("conv1-*"))
    second.unlink()
    for name in ("notes", "000009"):  # as many segments as there are, and one that is none
        first.with_name(first.name.replace("000000", name)).write_bytes(first.read_bytes())
    assert_equal(gather(source, folder=tmp_path, segment=8), expected)
    assert second.exists() and len(list(tmp_path.glob("conv1-*"))) == 5


if __name__ == "__main__":
    assert len(jax.local_devices()) == 4
    main()
