"""Benchmarks: that they measure what they say. How fast it is is nobody's business here."""

import dataclasses
import json
import math
import sys
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import tiny_network, tiny_params

from jatlas import bench
from jatlas.arrange import UMAP
from jatlas.bench import _machine as machine
from jatlas.bench import _peer as peer
from jatlas.bench import _render as render
from jatlas.bench import _report as report
from jatlas.bench._render import article, directions, whole
from jatlas.cli import bench as command
from jatlas.model import CONFIGS, TEXTURES, InceptionConfig, Network, inception_v1, init_params
from jatlas.model import _weights as weights
from jatlas.visualize import (
    LUCID_STANDARD,
    Channel,
    ObjectiveInput,
    Pixels,
    RenderConfig,
    View,
    resample,
)
from jatlas.visualize._render import plan

KEY = jax.random.key(0)
# So many steps that they take longer than what is done once, however busy the machine.
LONG = 240
SMALL = article(size=10, config=RenderConfig(steps=LONG))


@pytest.fixture(scope="module")
def speed() -> bench.RenderSpeed:
    """What rendering with the tiny network costs."""
    return bench.bench_render(
        tiny_network(), tiny_params(), layer="conv2", key=KEY, config=SMALL, icons=20, repeat=1
    )


def assert_positive(record: Any) -> None:
    for name, value in dataclasses.asdict(record).items():
        assert value is not None and math.isfinite(value), name
        assert value >= 0 if name in ("fixed_s", "compile_s", "umap_s") else value > 0, name


@pytest.mark.slow
def test_a_record_of_rendering_is_whole_and_its_numbers_agree(speed: bench.RenderSpeed) -> None:
    assert_positive(speed)
    assert speed.icons_in_program == 20 and speed.devices == 1
    assert speed.icon_steps_per_s * speed.ms_per_icon_step == pytest.approx(1000)
    assert speed.flop_per_s == pytest.approx(speed.flop_per_icon_step * speed.icon_steps_per_s)
    share = speed.flop_per_s / speed.matmul_flop_per_s
    assert speed.share_of_matmul == pytest.approx(share)
    assert speed.sequential_ms_per_icon_step is not None
    ratio = speed.sequential_ms_per_icon_step / speed.ms_per_icon_step
    assert speed.speedup_over_sequential == pytest.approx(ratio)


def dense_network(inputs: int, outputs: int) -> tuple[Network, Any]:
    """Pixels that are spread over `inputs` channels, and one matrix product."""

    def widen(params: Any, x: jax.Array) -> jax.Array:
        del params
        return jnp.tile(x, inputs // 3)

    def dense(params: Any, x: jax.Array) -> jax.Array:
        return x @ params["kernel"]

    network = Network(stages=(("widen", widen), ("dense", dense)), name="dense")
    return network, {"kernel": jnp.ones((inputs, outputs))}


def test_the_operations_of_a_step_are_counted() -> None:
    """Only the size of the matrix differs, so the counts differ in its two products alone.

    Forward, and once backwards: the kernel itself has no gradient.
    """
    counts = []
    for inputs in (600, 1200):
        network, params = dense_network(inputs, 64)
        config = dataclasses.replace(SMALL, steps=8)
        targets = directions(network, params, layer="dense", size=10, icons=16)
        mesh, width = plan(16, 16, jax.devices()[:1])
        step = render.lower_step(
            network, params, targets, mesh, width, layer="dense", key=KEY, config=config
        )
        counts.append(machine.flops(step) / 16)
    products = 2 * 2 * 10 * 10 * 600 * 64
    tiling = 10 * 10 * 600
    assert counts[1] - counts[0] == pytest.approx(products, abs=3 * tiling)


def test_operations_and_memory_of_a_product_are_those_on_paper() -> None:
    one, other = jnp.ones((40, 50)), jnp.ones((50, 60))
    lowered = jax.jit(jnp.matmul).lower(one, other)
    assert machine.flops(lowered) == 2 * 40 * 50 * 60
    arrays = 4 * (40 * 50 + 50 * 60 + 40 * 60)
    assert arrays <= machine.program_bytes(lowered.compile()) <= 3 * arrays


def test_the_difference_leaves_out_what_is_done_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that goes as told: 5 s to compile, 2 s for each run, 0.25 s for each step."""
    ran: list[int] = []

    def timed(call: Any) -> float:
        call()
        return 2.0 + 0.25 * ran[-1] + (5.0 if len(ran) == 1 else 0.0)

    monkeypatch.setattr(machine, "timed", timed)
    found = render._difference(ran.append, 128, repeat=3)
    assert ran == [128, 32, *3 * [128, 32]]
    assert found.per_step == (0.25, 0.25) and found.fixed == 2.0 and found.compile == 5.0
    monkeypatch.setattr(machine, "timed", lambda call: 1.0)
    with pytest.raises(ValueError, match="steps: 8 steps took no longer than 2, 1 s: take more"):
        render._difference(ran.append, 8, repeat=1)


def test_regimes_have_the_size_that_was_asked_for() -> None:
    assert article().icon_size == 80 and article().views == RenderConfig().views
    assert article(size=96).icon_size == 160 and article(size=96).views.size == 96
    seen = whole(size=96)
    assert seen.icon_size == seen.views.size == 96
    assert seen.steps == RenderConfig().steps
    assert whole(size=40, config=SMALL).steps == LONG


def test_extraction_is_measured_for_each_batch_size() -> None:
    speeds = bench.bench_extract(
        tiny_network(), tiny_params(), layer="conv1", key=KEY, batch_sizes=(2, 16), repeat=2
    )
    assert [each.batch_size for each in speeds] == [2, 16]
    for each in speeds:
        assert_positive(each)
        assert each.images_per_s_max >= each.images_per_s
    one, other = speeds
    assert other.program_bytes > one.program_bytes
    # The first convolution, and the second with its derivative along a tangent; at the border of
    # 8 x 8 positions a tenth of the products falls away.
    products = 2 * 8 * 8 * 9 * (3 * 8 + 2 * 8 * 12)
    assert other.flop_per_image == pytest.approx(products, rel=0.15)


def test_a_layout_is_measured() -> None:
    speed = bench.bench_layout(
        key=KEY, points=120, channels=6, config=UMAP(n_neighbors=5), repeat=1
    )
    assert_positive(speed)
    assert speed.points == 120 and speed.channels == 6
    assert speed.neighbors_s + speed.umap_s == pytest.approx(max(speed.layout_s, speed.neighbors_s))


def test_the_machine_is_named() -> None:
    found = machine.machine(jax.devices())
    assert found.platform == "cpu" and found.device and found.devices == len(jax.devices())
    assert found.versions["jax"] == jax.__version__
    assert found.date.endswith(tuple("0123456789")) and found.date[:2] == "20"
    assert machine.matmul_rate(jax.devices()[:1], side=64) > 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: tiny(icons=0), "icons: expected at least 1, got 0"),
        (lambda: tiny(repeat=0), "repeat: expected at least 1, got 0"),
        (lambda: tiny(config=RenderConfig(steps=1)), "steps: expected at least 2, got 1"),
        (lambda: tiny(layer="conv9"), "tiny has no layer 'conv9'"),
        (lambda: extract(batch_sizes=()), "batch_sizes: expected at least 1, got 0"),
        (lambda: extract(batch_sizes=(4, 0)), "batch_sizes: expected at least 1, got 0"),
        (lambda: extract(per_image=0), "per_image: expected at least 1, got 0"),
        (lambda: extract(layer="conv9"), "tiny has no layer 'conv9'"),
        (lambda: bench.bench_layout(key=KEY, points=9), "points: expected at least 10, got 9"),
        (lambda: bench.bench_layout(key=KEY, channels=0), "channels: expected at least 1, got 0"),
    ],
)
def test_bad_arguments_are_named(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def tiny(**changes: Any) -> Any:
    arguments = {"layer": "conv2", "config": SMALL, "repeat": 1} | changes
    return bench.bench_render(tiny_network(), tiny_params(), key=KEY, **arguments)


def extract(**changes: Any) -> Any:
    arguments = {"layer": "conv1", "repeat": 1} | changes
    return bench.bench_extract(tiny_network(), tiny_params(), key=KEY, **arguments)


@pytest.fixture
def as_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands find the tiny network, and leave this process's JAX as it is."""
    monkeypatch.setattr(weights, "load", lambda name: (tiny_network(), tiny_params()))
    monkeypatch.setattr(command, "_prepare", lambda shared=False: None)


@pytest.mark.slow
@pytest.mark.usefixtures("as_command")
def test_the_commands_print_a_table_and_write_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common: dict[str, Any] = {"network": "tiny", "repeat": 1}
    commands = {
        "render": command.BenchRender(
            layer="conv2", icons=20, size=10, steps=LONG, json=tmp_path / "render.json", **common
        ),
        "extract": command.BenchExtract(
            layer="conv1", batch_size=(2, 3), json=tmp_path / "extract.json", **common
        ),
        "layout": command.BenchLayout(
            points=(60,), channels=6, repeat=1, json=tmp_path / "layout.json"
        ),
    }
    for name, each in commands.items():
        command.Bench(action=each).run()
        content = json.loads((tmp_path / f"{name}.json").read_text())
        assert content["benchmark"] == name
        assert content["machine"]["versions"]["jax"] == jax.__version__
        assert "json" not in content["settings"] and content["settings"]["repeat"] == 1
    made = json.loads((tmp_path / "render.json").read_text())
    names = {field.name for field in dataclasses.fields(bench.RenderSpeed)}
    assert names <= set(made) and made["ms_per_icon_step"] > 0 and made["peers"] == []
    assert made["settings"]["render"]["views"]["size"] == 10
    both = json.loads((tmp_path / "extract.json").read_text())["results"]
    assert [each["batch_size"] for each in both] == [2, 3]
    said = capsys.readouterr().out
    for words in ("ms per icon-step", "sequential", "unvectorized", "images/s", "of it UMAP"):
        assert words in said
    rows = [line for line in said.splitlines() if line.startswith(("rate  ", "compiling  "))]
    assert len({line.index(line.split()[1]) for line in rows[:2]}) == 1  # aligned


def test_numbers_are_written_short() -> None:
    assert report.amount(1.2345e9, "FLOP") == "1.23 GFLOP"
    assert report.amount(12.0, "B") == "12 B"
    assert report.table([("a", "1"), ("long", "2")]) == "a     1\nlong  2"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"network": tiny_network()}, "network: expected one of googlenet_bvlc, .*got 'tiny'"),
        ({"layer": "logits"}, "layer: expected one up to mixed5b, got 'logits'"),
        ({"layer": "mixed9"}, "no layer 'mixed9'"),
        ({"objective": Channel()}, "objective: expected Direction, got Channel"),
        ({"views": LUCID_STANDARD}, "views: expected RandomViews, got Chain"),
        ({"parameterization": Pixels()}, "parameterization: expected Fourier"),
    ],
)
def test_what_the_peer_has_not_is_named(change: dict[str, Any], message: str) -> None:
    arguments = {"network": inception_v1(TEXTURES), "layer": "mixed4c"}
    given = {name: change.pop(name, value) for name, value in arguments.items()}
    config = dataclasses.replace(RenderConfig(), **change)
    with pytest.raises(ValueError, match=message):
        peer.make_loss(given["network"], {}, layer=given["layer"], config=config)


def test_without_torch_the_peer_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    network = inception_v1(TEXTURES)
    with pytest.raises(ValueError, match="peer: torch is not installed here"):
        peer.make_loss(network, {}, layer="mixed4c", config=RenderConfig())


@pytest.mark.slow
@pytest.mark.parametrize("config", CONFIGS.values(), ids=lambda each: each.name)
def test_the_peer_computes_what_the_renderer_does(config: InceptionConfig) -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed: no peer to compare with")
    network, layer = inception_v1(config), "mixed4c"
    params = init_params(config, key=KEY)
    settings = article()
    rng = np.random.default_rng(0)
    spectra = rng.standard_normal((2, 2, 3, 80, 41)).astype(np.float32)
    aims = directions(network, params, layer=layer, size=48, icons=2)
    view = View(jnp.array([0.4, 0.55]), jnp.asarray(0.7), jnp.asarray(0.2))

    @jax.jit
    def ours(spectra: jax.Array) -> jax.Array:
        def one(spectrum: jax.Array, aim: jax.Array) -> jax.Array:
            canvas = settings.parameterization.image(spectrum, size=80)
            window = resample(canvas, view, size=48, fill=1.0)
            found = network.run(params, window, until=layer)
            seen = ObjectiveInput(found, canvas)
            return settings.objective(seen, aim)

        return -jax.vmap(one)(spectra, jnp.asarray(aims)).sum()

    value, slope = jax.value_and_grad(ours)(jnp.asarray(spectra))
    leaf = torch.tensor(spectra, requires_grad=True)
    window = torch.tensor(peer.theta(np.array([0.4, 0.55]), 0.7, 0.2))
    loss = peer.make_loss(network, params, layer=layer, config=settings)
    theirs = loss(leaf, torch.tensor(aims), window)
    theirs.backward()
    assert theirs.item() == pytest.approx(float(value), rel=1e-3)
    largest = float(jnp.abs(slope).max())
    np.testing.assert_allclose(leaf.grad.numpy() / largest, slope / largest, rtol=0, atol=1e-2)
