"""Benchmarks: that they measure what they say, however fast this machine is."""

import dataclasses
import datetime
import json
import math
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from atlases import make_images
from helpers import tiny_network, tiny_params

from jatlas import bench, collect
from jatlas.arrange import UMAP
from jatlas.bench import _layout as laying_out
from jatlas.bench import _machine as machine
from jatlas.bench import _render as rendering
from jatlas.bench import article, whole
from jatlas.bench._report import short, table
from jatlas.cli import bench as command
from jatlas.model import Network
from jatlas.visualize import RenderConfig, lower_step

KEY = jax.random.key(0)
# So many steps that they take longer than what is done once, however busy the machine.
LONG = 128
SMALL = article(size=10, config=RenderConfig(steps=LONG))


@pytest.fixture(scope="module", autouse=True)
def small_products() -> Iterator[None]:
    """Measure the rate of products with small ones: the usual ones take two seconds each time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(machine._SIDE, "cpu", 128)
        yield


@pytest.fixture(scope="module")
def speed() -> bench.RenderSpeed:
    """What rendering with the tiny network costs."""
    return render_speed(icons=20, repeat=3)


def render_speed(**changes: Any) -> Any:
    arguments = {"layer": "conv2", "config": SMALL, "repeat": 1, "key": KEY} | changes
    return bench.bench_render(tiny_network(), tiny_params(), **arguments)


def extract_speed(**changes: Any) -> Any:
    arguments = {"layer": "conv1", "repeat": 2, "key": KEY} | changes
    return bench.bench_extract(tiny_network(), tiny_params(), **arguments)


def assert_positive(record: Any) -> None:
    for name, value in dataclasses.asdict(record).items():
        assert value is not None and math.isfinite(value), name
        assert value >= 0 if name in ("fixed_s", "compile_s", "spread") else value > 0, name


@pytest.mark.slow
def test_a_record_of_rendering_is_complete_and_its_numbers_agree(speed: bench.RenderSpeed) -> None:
    assert_positive(speed)
    assert speed.icons_in_program == 20 and speed.devices == 1
    assert speed.icon_steps_per_s * speed.ms_per_icon_step == pytest.approx(1000)
    assert speed.flop_per_s == pytest.approx(speed.flop_per_icon_step * speed.icon_steps_per_s)
    share = speed.flop_per_s / speed.matmul_flop_per_s
    assert speed.share_of_matmul == pytest.approx(share)


def dense_network(inputs: int, outputs: int) -> tuple[Network, Any]:
    """Pixels that are repeated over `inputs` channels, and one matrix product."""

    def widen(params: Any, x: jax.Array) -> jax.Array:
        del params
        return jnp.tile(x, inputs // 3)

    def dense(params: Any, x: jax.Array) -> jax.Array:
        return x @ params["kernel"]

    network = Network(stages=(("widen", widen), ("dense", dense)), name="dense")
    return network, {"kernel": jnp.ones((inputs, outputs))}


@pytest.mark.slow
def test_the_operations_of_an_icon_step_are_counted() -> None:
    """Only the size of the matrix differs, so the counts differ in its two products alone.

    One forward, one backward: the kernel itself has no gradient.
    """
    counts = []
    for inputs in (600, 1200):
        network, params = dense_network(inputs, 64)
        step = lower_step(network, params, np.ones((16, 64)), layer="dense", key=KEY, config=SMALL)
        counts.append(machine.flops(step.program) / step.icons)
    products = 2 * 2 * 10 * 10 * 600 * 64
    tiling = 10 * 10 * 600
    assert counts[1] - counts[0] == pytest.approx(products, abs=3 * tiling)


def test_operations_and_memory_of_a_product_are_those_on_paper() -> None:
    left, right = jnp.ones((40, 50)), jnp.ones((50, 60))
    lowered = jax.jit(jnp.matmul).lower(left, right)
    assert machine.flops(lowered) == 2 * 40 * 50 * 60
    arrays = 4 * (40 * 50 + 50 * 60 + 40 * 60)
    assert arrays <= machine.program_bytes(lowered.compile()) <= 3 * arrays


class Clock:
    """Times calls of `run` without waiting: 5 s to compile, 2 s a run, 0.25 s a step."""

    def __init__(self, *delays: float) -> None:
        self.ran: list[int] = []
        self.delays = list(delays)

    def timed(self, call: Any) -> float:
        call()
        first = 5.0 if len(self.ran) == 1 else 0.0
        delay = self.delays.pop(0) if self.delays else 0.0
        return 2.0 + 0.25 * self.ran[-1] + first + delay


def test_the_difference_leaves_out_what_a_run_does_once() -> None:
    clock = Clock()
    cost = rendering.step_cost(clock.ran.append, 128, repeat=3, timed=clock.timed)
    assert clock.ran == [128, 32, *3 * [128, 32]]
    assert cost == (0.25, 2.0, 5.0, 0.0)


def test_a_disturbed_run_does_not_move_the_median() -> None:
    """Fastest runs of either length may be of different repetitions: their difference means little.

    Here it would be (34 - 10 - 6) / 96 s: the second short run was disturbed, and so were both
    others' long runs.
    """
    clock = Clock(0, 0, 3.0, 3.0, 0, 6.0, 1.0, 1.0)
    cost = rendering.step_cost(clock.ran.append, 128, repeat=3, timed=clock.timed)
    assert cost.step == 0.25
    assert cost.spread == pytest.approx(6.0 / 96 / 0.25)


def test_runs_too_short_for_the_clock_are_refused() -> None:
    with pytest.raises(ValueError, match="steps: 8 steps took no longer than 2, 1 s: take more"):
        rendering.step_cost(lambda steps: None, 8, repeat=1, timed=lambda call: 1.0)


def test_regimes_have_the_size_that_was_asked_for() -> None:
    assert article().icon_size == 80 and article().views == RenderConfig().views
    assert article(size=96).icon_size == 160 and article(size=96).views.size == 96
    entire = whole(size=96)
    assert entire.icon_size == entire.views.size == 96
    assert entire.steps == RenderConfig().steps
    assert whole(size=40, config=SMALL).steps == LONG


@pytest.mark.slow
def test_extraction_is_measured() -> None:
    source = collect.arrays(np.zeros((20, 16, 16, 3), np.uint8))
    small, large = (extract_speed(batch_size=size, source=source) for size in (2, 16))
    for batch_size, speed in ((2, small), (16, large)):
        assert_positive(speed)
        assert speed.batch_size == batch_size
        assert speed.images_per_s_max >= speed.images_per_s
    assert large.program_bytes > small.program_bytes
    # The first convolution, and the second with its derivative along a tangent; at the border of
    # 8 x 8 positions a tenth of the products falls away.
    products = 2 * 8 * 8 * 9 * (3 * 8 + 2 * 8 * 12)
    assert large.flop_per_image == pytest.approx(products, rel=0.15)


@pytest.mark.slow
def test_a_layout_is_measured() -> None:
    config = UMAP(n_neighbors=5, epochs=20)
    speed = bench.bench_layout(key=KEY, points=120, channels=6, config=config, repeat=1)
    assert_positive(speed)
    assert speed.points == 120 and speed.channels == 6
    assert speed.neighbors_s + speed.map_s == pytest.approx(speed.total_s)
    assert speed.first_s == speed.total_s and speed.neighbor_recall == 1


@pytest.mark.slow
def test_the_layout_that_compiles_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = iter([9.0, 20.0, 1.0, 4.0, 2.0, 5.0])
    monkeypatch.setattr(laying_out, "_timed", lambda call: (call(), next(seconds)))
    config = UMAP(n_neighbors=5, epochs=20)
    speed = bench.bench_layout(key=KEY, points=60, channels=6, config=config, repeat=3)
    assert (speed.first_s, speed.total_s) == (29, 6)
    assert (speed.neighbors_s, speed.map_s) == (1.5, 4.5)


def test_some_of_the_vectors_that_are_given_are_laid_out() -> None:
    vectors = np.random.default_rng(0).normal(size=(300, 4)).astype(np.float32)
    config = UMAP(n_neighbors=5, epochs=20)
    speed = bench.bench_layout(key=KEY, points=60, vectors=vectors, config=config)
    assert (speed.points, speed.channels) == (60, 4)
    with pytest.raises(
        ValueError, match=r"vectors: expected at least 60 rows, got shape \(20, 4\)"
    ):
        bench.bench_layout(key=KEY, points=60, vectors=vectors[:20])


def test_the_machine_is_named() -> None:
    before = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    found = bench.machine(jax.devices())
    date = datetime.datetime.fromisoformat(found.date).replace(tzinfo=datetime.UTC)
    assert before <= date <= datetime.datetime.now(datetime.UTC)
    assert found.platform == "cpu" and found.device and found.devices == len(jax.devices())
    assert found.device in found.processor and found.runtime and found.system
    assert found.settings["XLA_FLAGS"] == os.environ.get("XLA_FLAGS", "")
    assert found.versions["jax"] == jax.__version__


def test_what_other_processes_take_is_known_on_linux_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    if Path("/proc/stat").exists():
        first = machine.busy_elsewhere()
        assert first is not None and machine.busy_elsewhere() is not None
    monkeypatch.delattr(os, "sysconf", raising=False)
    assert machine.busy_elsewhere() is None


def test_the_matmul_rate_is_work_over_time() -> None:
    """No product of this size can be faster than the fastest of many, or much slower."""
    x = jnp.ones((256, 256))
    product = jax.jit(jnp.matmul)
    machine.timed(lambda: product(x, x))
    seconds = machine.times(lambda: product(x, x), repeat=50).min
    rate = machine.matmul_rate(jax.devices()[:1], side=256)
    assert 0.2 < rate * seconds / (2 * 256**3) < 5


def test_peak_memory_covers_what_was_allocated() -> None:
    block = bytes(range(256)) * 4096
    peak = machine.peak_bytes(jax.devices()[:1])
    assert peak is not None and peak > 50 * len(block)  # JAX alone takes 100 MB
    assert peak < 64 * 2**30


@pytest.mark.slow
def test_without_the_resource_module_peak_memory_is_unknown() -> None:
    """As on Windows: commands start, and the table leaves the number out."""
    code = """
import sys
sys.modules["resource"] = None
import jax
from jatlas.bench import _machine
from jatlas.cli import main
assert _machine.peak_bytes(jax.devices()[:1]) is None
"""
    subprocess.run([sys.executable, "-c", code], check=True)
    assert "peak" not in table({"points": 3, "peak_bytes": None})


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: render_speed(icons=0), "icons: expected at least 1, got 0"),
        (lambda: render_speed(repeat=0), "repeat: expected at least 1, got 0"),
        (lambda: render_speed(config=RenderConfig(steps=1)), "steps: expected at least 2, got 1"),
        (lambda: render_speed(layer="conv9"), "tiny has no layer 'conv9'"),
        (lambda: extract_speed(batch_size=0), "batch_size: expected at least 1, got 0"),
        (lambda: extract_speed(per_image=0), "per_image: expected at least 1, got 0"),
        (lambda: extract_speed(layer="conv9"), "tiny has no layer 'conv9'"),
        (lambda: bench.bench_layout(key=KEY, points=9), "points: expected at least 50, got 9"),
        (lambda: bench.bench_layout(key=KEY, channels=0), "channels: expected at least 1, got 0"),
    ],
)
def test_bad_arguments_are_named(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.slow
@pytest.mark.usefixtures("tiny_by_name")
def test_the_commands_print_a_table_and_write_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common: dict[str, Any] = {"network": "tiny", "repeat": 1}
    commands = {
        "render": command.BenchRender(
            layer="conv2", icons=20, size=10, steps=LONG, json=tmp_path / "render.json", **common
        ),
        "extract": command.BenchExtract(
            layer="conv1",
            batch_size=(2, 16),
            images=make_images(tmp_path / "images"),
            json=tmp_path / "extract.json",
            **common,
        ),
        "layout": command.BenchLayout(
            points=(60,), channels=6, repeat=1, json=tmp_path / "layout.json"
        ),
    }
    if sys.platform != "win32":  # array_record does not exist for it
        pytest.importorskip("tensorflow_datasets")
        pytest.importorskip("grain")
        commands["data"] = command.BenchData(
            images=tmp_path / "images", size=16, repeat=1, json=tmp_path / "data.json"
        )
    results = {}
    for name, action in commands.items():
        command.Bench(action=action).run()
        content = json.loads((tmp_path / f"{name}.json").read_text())
        assert content["benchmark"].startswith(f"{name}: ")
        assert content["machine"]["versions"]["jax"] == jax.__version__
        assert "json" not in content["settings"] and content["settings"]["repeat"] == 1
        results[name] = content["results"]
    (rendered,) = results["render"]
    assert set(rendered) == {field.name for field in dataclasses.fields(bench.RenderSpeed)}
    assert rendered["ms_per_icon_step"] > 0
    assert [speed["batch_size"] for speed in results["extract"]] == [2, 16]
    for speed in results["extract"]:
        assert min(speed["decoded_per_s"], speed["collected_per_s"]) > 0
    for (speed,) in [results["data"]] if "data" in results else []:
        assert min(value for name, value in speed.items() if name.endswith("per_s")) > 0
    printed = capsys.readouterr().out
    for words in ("20 icons of conv2, tiny", "ms per icon step", "images per s", "map s"):
        assert words in printed
    assert f"jax {jax.__version__}" in printed


def test_the_command_measures_the_settings_it_was_given() -> None:
    settings = command.BenchRender(preset="paper", steps=40, size=60, precision="bfloat16").config()
    assert (settings.steps, settings.precision, settings.views.size) == (40, "bfloat16", 60)
    assert settings.optimizer.learning_rate == 0.05
    assert command.BenchRender(regime="whole").config() == whole(config=RenderConfig(steps=64))


def test_numbers_are_written_short_and_aligned() -> None:
    assert short(1.2345e9) == "1.23 G" and short(12) == "12" and short(123_456) == "123456"
    assert short(5775.4) == "5775" and short(999.4) == "999" and short(0.05) == "0.05"
    assert table({"a": 1, "long_name": 2.5}) == "a          1\nlong name  2.5"
