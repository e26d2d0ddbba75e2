"""Examples: what they compute is what the library computes; the others run."""

import dataclasses
import functools
import importlib.util
import types
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import tiny_network, tiny_params

from jatlas.arrange import TSNE
from jatlas.bench import article, random_directions
from jatlas.model import (
    CONFIGS,
    TEXTURES,
    InceptionConfig,
    inception_v1,
    init_params,
    read_params,
)
from jatlas.model._vit import abstract_vit_params
from jatlas.storage import load
from jatlas.types import Run
from jatlas.visualize import (
    LUCID_STANDARD,
    Channel,
    Fourier,
    ObjectiveInput,
    Pixels,
    RandomViews,
    RenderConfig,
    View,
    render,
    resample,
)

KEY = jax.random.key(0)


@functools.cache
def example(name: str) -> types.ModuleType:
    """Import an example, whose name is no Python name."""
    path = Path(__file__).parents[1] / "examples" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"example_{name}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_where_the_rest_is_linear_attributions_differ_by_their_base_alone() -> None:
    image = jax.random.uniform(jax.random.key(3), (12, 12, 3))
    mean = jnp.linspace(0, 1, 12)
    functions = example("07_evidence").attributions(tiny_network(), mean)
    position = jnp.array([2, 3])

    @jax.jit
    def all_of() -> dict[str, jax.Array]:
        call = (tiny_params(), image, position)
        return {name: f(*call, layer="conv2") for name, f in functions.items()}

    found = all_of()
    vectors = tiny_network().run(tiny_params(), image, until="conv2")
    # The mean over 6 x 6 positions, then a product.
    right = {"mean": mean, "image's mean": vectors.mean((0, 1))}
    for name, logits in found.items():
        base = right.get(name.rsplit("the ", 1)[-1].split(",")[0], jnp.zeros(12))
        expected = (vectors[2, 3] - base) @ tiny_params()["dense"] / 36
        np.testing.assert_allclose(logits, expected, rtol=1e-3, atol=1e-5, err_msg=name)
    assert np.abs(found["linear"] - found["ablation to the mean"]).max() > 1e-2


@pytest.mark.slow
def test_the_example_of_the_transformer_makes_an_atlas(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = example("17_vit")
    monkeypatch.setattr(module, "LAYERS", ("block1",))
    icons = RenderConfig(icon_size=24, steps=2, views=RandomViews(size=24))
    changes = {"icons": icons, "layout": TSNE(perplexity=8), "exemplars": 0}
    module.main(tmp_path / "atlas", images=64, grid=2, **changes)
    assert [each.layer for each in load(tmp_path / "atlas").maps] == ["block1"]


# One view for all steps and almost no noise to start from: nothing random is left.
FIXED = RenderConfig(
    icon_size=10,
    steps=6,
    parameterization=Fourier(spread=1e-7),
    views=RandomViews(size=10, window=(1, 1), rotate=0, pad=0),
    retry_below=-1,
)


@pytest.fixture(scope="module")
def directions() -> np.ndarray:
    return random_directions(tiny_network(), tiny_params(), layer="conv2", config=FIXED, icons=3)


@pytest.mark.slow
@pytest.mark.parametrize("vectorized", [True, False])
def test_baselines_make_the_icons_of_the_renderer(vectorized: bool, directions: np.ndarray) -> None:
    baselines, network, params = example("12_baselines"), tiny_network(), tiny_params()
    program = baselines.make_program(network, layer="conv2", config=FIXED, vectorized=vectorized)
    states = baselines.begin(3, key=KEY, config=FIXED)
    for _ in range(FIXED.steps):
        states = program(params, states, jnp.asarray(directions), KEY)
    image = functools.partial(FIXED.parameterization.image, size=FIXED.icon_size)
    icons = render(
        network, params, directions, layer="conv2", key=KEY, config=FIXED, run=Run(progress=False)
    ).images
    assert icons.std(axis=(1, 2)).min() > 0.01
    np.testing.assert_allclose(jax.vmap(image)(states[0]), icons, atol=2e-3)


def test_a_baseline_is_measured_per_icon_and_step(directions: np.ndarray) -> None:
    baselines = example("12_baselines")
    steps = []

    def program(params: Any, states: Any, targets: Any, key: Any) -> Any:
        steps.append(len(targets))
        return states

    seconds = baselines.measure(program, tiny_params(), directions, key=KEY, config=FIXED, repeat=2)
    assert steps == [3] * 3 * baselines.STEPS  # once more, to warm up
    assert 0 < seconds < 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"network": tiny_network()}, "network: expected one of googlenet_bvlc, .*got 'tiny'"),
        ({"layer": "logits"}, "layer: expected one up to mixed5b, got 'logits'"),
        ({"layer": "mixed9"}, "no layer 'mixed9'"),
        ({"objective": Channel()}, "objective: expected Direction, got Channel"),
        ({"views": LUCID_STANDARD}, "views: expected RandomViews, got Chain"),
        ({"parameterization": Pixels()}, "parameterization: expected Fourier, got Pixels"),
        ({"parameterization": Fourier(decorrelate=False)}, "expected the usual colours"),
    ],
)
def test_what_the_peer_lacks_is_named(change: dict[str, Any], message: str) -> None:
    arguments = {"network": inception_v1(TEXTURES), "layer": "mixed4c"}
    given = {name: change.get(name, value) for name, value in arguments.items()}
    settings = {name: value for name, value in change.items() if name not in arguments}
    config = dataclasses.replace(RenderConfig(), **settings)
    with pytest.raises(ValueError, match=message):
        example("11_peer_torch").check(given["network"], layer=given["layer"], config=config)


@pytest.mark.slow
@pytest.mark.parametrize("config", CONFIGS.values(), ids=lambda config: config.name)
def test_the_peer_computes_what_the_renderer_does(config: InceptionConfig) -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed: no peer to compare with")
    peer, layer = example("11_peer_torch"), "mixed4c"
    network, params = inception_v1(config), init_params(config, key=KEY)
    settings = article()
    rng = np.random.default_rng(0)
    spectra = rng.standard_normal((2, 2, 3, 80, 41)).astype(np.float32)
    targets = random_directions(network, params, layer=layer, config=settings, icons=2)
    view = View(jnp.array([0.4, 0.55]), jnp.asarray(0.7), jnp.asarray(0.2))

    @jax.jit
    def ours(spectra: jax.Array) -> jax.Array:
        def one(spectrum: jax.Array, target: jax.Array) -> jax.Array:
            canvas = settings.parameterization.image(spectrum, size=80)
            window = resample(canvas, view, size=48, fill=1.0)
            activation = network.run(params, window, until=layer)
            return settings.objective(ObjectiveInput(activation, canvas), target)

        return -jax.vmap(one)(spectra, jnp.asarray(targets)).sum()

    value, gradient = jax.value_and_grad(ours)(jnp.asarray(spectra))
    leaf = torch.tensor(spectra, requires_grad=True)
    window = torch.tensor(peer.theta(np.array([0.4, 0.55]), 0.7, 0.2))
    loss = peer.make_loss(torch, network, params, layer=layer, config=settings)
    theirs = loss(leaf, torch.tensor(targets), window)
    theirs.backward()
    assert theirs.item() == pytest.approx(float(value), rel=1e-3)
    largest = float(jnp.abs(gradient).max())
    np.testing.assert_allclose(leaf.grad.numpy() / largest, gradient / largest, rtol=0, atol=1e-2)


@pytest.mark.slow
def test_a_training_that_was_interrupted_ends_with_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train = example("15_train_vit")
    options = train.Options(
        out=tmp_path / "whole", batches=2, width="small", small=0.0, test=64, keep=1
    )
    train.main(options)
    save = train.save

    def interrupted(*arguments: Any) -> None:
        save(*arguments)
        raise KeyboardInterrupt

    options = dataclasses.replace(options, out=tmp_path / "parts")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(train, "save", interrupted)
        train.main(options)
    with pytest.raises(ValueError, match=r"parts\.npz: expected the state of Options\(.*rate=1"):
        train.resume(dataclasses.replace(options, rate=1.0), ())
    train.main(options)
    assert {path.name for path in tmp_path.iterdir()} == {"whole", "parts"}
    expected = abstract_vit_params(train.CONFIGS["small"])
    whole, parts = (read_params(tmp_path / name, expected=expected) for name in ("whole", "parts"))
    jax.tree.map(np.testing.assert_array_equal, whole, parts)


def test_the_plan_on_paper_is_what_its_example_computes() -> None:
    module = example("19_scale")
    text = (Path(__file__).parents[1] / "docs" / "scale.md").read_text(encoding="utf-8")
    for table in module.report(module.Plan()).split("\n\n"):
        assert table in text
