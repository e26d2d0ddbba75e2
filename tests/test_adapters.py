"""Networks of other frameworks: they compute what the models do, and can be probed."""

import dataclasses
import os
import runpy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import frameworks
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from atlases import CONFIG, make_images

import jatlas
from jatlas.model import (
    MINUS_ONE_TO_ONE,
    ActivationFormat,
    Network,
    fingerprint,
    from_equinox,
    from_keras,
    from_linen,
    from_nnx,
    from_torch,
)

os.environ.setdefault("KERAS_BACKEND", "jax")  # before Keras is imported

SIDE = 16
KEY = jax.random.key(0)
INPUTS = dataclasses.replace(MINUS_ONE_TO_ONE, size=SIDE)
IMAGES = jnp.asarray(np.random.default_rng(0).random((3, SIDE, SIDE, 3)), jnp.float32)


@pytest.fixture(autouse=True)
def promotion() -> Iterator[None]:
    """Other frameworks promote ranks."""
    with jax.numpy_rank_promotion("allow"):
        yield


class Adapted(NamedTuple):
    """A model as a network, and what it computes by itself.

    Attributes:
      adapt: (layers) -> network and parameters.
      logits: (n, h, w, 3) in the model's own range -> (n, classes).
      late: name of the last block.
      early: name of the first convolution.
    """

    adapt: Callable[..., tuple[Network, Any]]
    logits: Callable[[Any], Any]
    late: str
    early: str = "stem"


def nnx() -> Adapted:
    model = frameworks.of_nnx()

    def logits(x: Any) -> Any:
        from flax import nnx

        copy = nnx.clone(model)
        copy.eval()
        return copy(x)

    return Adapted(lambda layers: from_nnx(model, layers=layers, inputs=INPUTS), logits, "blocks.1")


def linen() -> Adapted:
    module, variables = frameworks.of_linen()
    arguments = {"train": False}

    def adapt(layers: Any) -> tuple[Network, Any]:
        return from_linen(module, variables, layers=layers, inputs=INPUTS, arguments=arguments)

    return Adapted(adapt, lambda x: module.apply(variables, x, train=False), "Block_1")


def equinox() -> Adapted:
    package = pytest.importorskip("equinox")
    model = frameworks.of_equinox()
    quiet = package.nn.inference_mode(model)

    def logits(x: Any) -> Any:
        return jax.vmap(quiet)(jnp.moveaxis(x, -1, 1))

    return Adapted(
        lambda layers: from_equinox(model, layers=layers, inputs=INPUTS), logits, "blocks.1"
    )


def keras() -> Adapted:
    pytest.importorskip("keras")
    model = frameworks.of_keras()

    def adapt(layers: Any) -> tuple[Network, Any]:
        return from_keras(model, layers=layers, inputs=INPUTS)

    return Adapted(adapt, lambda x: model(x, training=False), "block1")


def torch() -> Adapted:
    package = pytest.importorskip("torch", reason="torch is not installed")
    try:
        import torchax  # noqa: F401
    except (ImportError, AttributeError) as error:
        pytest.skip(f"torchax cannot be used: {error}")
    model = frameworks.of_torch()

    def logits(x: Any) -> Any:
        model.eval()
        with package.no_grad():
            return model(package.tensor(np.moveaxis(np.array(x), -1, 1))).numpy()

    return Adapted(
        lambda layers: from_torch(model, layers=layers, inputs=INPUTS), logits, "blocks.1"
    )


@pytest.fixture(scope="module", params=[nnx, linen, equinox, keras, torch])
def adapted(request: pytest.FixtureRequest) -> Adapted:
    return request.param()


@pytest.mark.slow
def test_a_network_computes_what_its_model_does(adapted: Adapted) -> None:
    network, params = adapted.adapt([adapted.late, adapted.early])
    assert network.layers == (adapted.early, adapted.late)  # in order of computation
    right = np.asarray(adapted.logits(2 * IMAGES - 1))
    assert np.ptp(right) > 1e-2
    close = {"rtol": 1e-4, "atol": 1e-5}
    np.testing.assert_allclose(jax.jit(network.run)(params, IMAGES), right, **close)
    one = jax.jit(network.run)(params, IMAGES[1])
    np.testing.assert_allclose(one, right[1], **close)
    assert network.class_count(params) == frameworks.CLASSES
    side, channels = SIDE // 2, frameworks.CHANNELS
    assert network.activation_shape(params, (SIDE, SIDE), layer=adapted.late) == (
        side, side, channels,
    )  # fmt: skip


def test_layers_are_found_where_none_are_named(adapted: Adapted) -> None:
    network, params = adapted.adapt(None)
    shapes = network.layer_shapes(params)
    assert tuple(shapes) == network.layers
    assert list(shapes).index(adapted.early) < list(shapes).index(adapted.late)
    assert shapes[adapted.late] == (SIDE // 2, SIDE // 2, frameworks.CHANNELS)
    assert shapes["head"] == (frameworks.CLASSES,)


def test_what_comes_after_the_last_block_is_a_mean_and_a_product(adapted: Adapted) -> None:
    """So evidence adds up to the logits without the bias, and a probe's effect is its mean's."""
    network, params = adapted.adapt([adapted.late])
    apply = jax.jit(network.apply, static_argnames=("layers",))
    whole = apply(params, IMAGES[0], layers=(adapted.late,))
    zero = jnp.zeros_like(whole.activations[adapted.late])
    bias = apply(params, IMAGES[0], probes={adapted.late: -whole.activations[adapted.late]}).logits
    places = jnp.stack(jnp.meshgrid(*2 * [jnp.arange(SIDE // 2)], indexing="ij"), -1).reshape(-1, 2)
    explain = jax.jit(
        jax.vmap(lambda p: jatlas.evidence(network, params, IMAGES[0], p, layer=adapted.late))
    )
    np.testing.assert_allclose(explain(places).sum(0), whole.logits - bias, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(
        apply(params, IMAGES[0], probes={adapted.late: zero}).logits, whole.logits, rtol=1e-6
    )


@pytest.mark.slow
def test_the_gradient_reaches_the_image(adapted: Adapted) -> None:
    network, params = adapted.adapt([adapted.early, adapted.late])

    @jax.jit
    def activity(image: jax.Array) -> jax.Array:
        return network.run(params, image, until=adapted.late)[3, 4].sum()

    gradient = np.asarray(jax.grad(activity)(IMAGES[0]))
    direction = np.random.default_rng(1).standard_normal(gradient.shape).astype(np.float32)
    above, below = (float(activity(IMAGES[0] + s * 1e-2 * direction)) for s in (1, -1))
    np.testing.assert_allclose(np.vdot(gradient, direction), (above - below) / 2e-2, rtol=0.05)


def test_an_adapted_network_is_known_again(adapted: Adapted) -> None:
    once, again = (adapted.adapt([adapted.late]) for _ in range(2))
    assert fingerprint(*once) == fingerprint(*again)
    assert fingerprint(*once) != fingerprint(*adapted.adapt([adapted.early]))


def test_an_unknown_layer_is_refused_and_the_known_are_listed(adapted: Adapted) -> None:
    with pytest.raises(
        ValueError, match=r"^layers: 'conv9' is no layer; those called once: .*head"
    ):
        adapted.adapt(["conv9"])


@pytest.mark.slow
def test_icons_of_an_adapted_network_follow_their_directions(adapted: Adapted) -> None:
    network, params = adapted.adapt([adapted.late])
    directions = np.eye(frameworks.CHANNELS, dtype=np.float32)[:3]

    def cosines(steps: int) -> np.ndarray:
        views = jatlas.RandomViews(size=12)
        config = jatlas.RenderConfig(icon_size=16, steps=steps, views=views, retry_below=-1)
        arguments: dict[str, Any] = {"layer": adapted.late, "config": config}
        return jatlas.render(
            network, params, directions, key=KEY, run=jatlas.Run(progress=False), **arguments
        ).cosines

    assert (cosines(24) > cosines(1)).all()


@pytest.mark.slow
def test_an_atlas_of_an_adapted_network(adapted: Adapted, tmp_path: Path) -> None:
    network, params = adapted.adapt([adapted.early, adapted.late])
    views = jatlas.RandomViews(size=12)
    atlas = jatlas.build(
        network,
        params,
        jatlas.arrays(np.random.default_rng(0).random((24, SIDE, SIDE, 3)).astype(np.float32)),
        layers=(adapted.late,),
        grids=(2,),
        key=KEY,
        config=jatlas.BuildConfig(
            per_image=2,
            layout=jatlas.UMAP(n_neighbors=8),
            icons=jatlas.RenderConfig(icon_size=16, steps=4, views=views),
        ),
        out=tmp_path / "atlas",
        run=jatlas.Run(progress=False),
    )
    assert atlas.layer(adapted.late).samples.evidence.shape == (48, frameworks.CLASSES)
    assert [each.layer for each in jatlas.load(tmp_path / "atlas").maps] == [adapted.late]


def example(name: str) -> dict[str, Any]:
    file = Path(__file__).parents[1] / "examples" / "frameworks" / f"{name}.py"
    assert len(file.read_text(encoding="utf-8").splitlines()) <= 40
    return runpy.run_path(str(file))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "package"),
    [("flax_nnx", "flax"), ("flax_linen", "flax"), ("equinox_cnn", "equinox")],
)
def test_an_example_makes_an_atlas(name: str, package: str, tmp_path: Path) -> None:
    pytest.importorskip(package, reason=f"{package} is not installed")
    icons = jatlas.RenderConfig(icon_size=32, steps=2, views=jatlas.RandomViews(size=32))
    photos, out = make_images(tmp_path / "photos"), tmp_path / "atlas"
    example(name)["main"](photos, out, config=dataclasses.replace(CONFIG, icons=icons))
    assert len(jatlas.load(out).maps) == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "package"), [("keras_mobilenet", "keras"), ("torch_resnet", "torchvision")]
)
def test_an_example_with_a_large_model_asks_for_an_atlas_of_it(
    name: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip(package, reason=f"{package} is not installed")
    module, built = example(name), []
    monkeypatch.setattr(jatlas, "build", lambda *args, **kwargs: built.append((args, kwargs)))
    module["main"]("photos", "atlas", weights=None)  # they would be downloaded
    ((network, params, photos), asked), *others = built
    assert (photos, others, asked["layers"]) == ("photos", [], list(network.layers))
    assert network.class_count(params) == len(network.classes) == 1000
    for layer in asked["layers"]:
        assert network.activation_shape(params, (48, 48), layer=layer)[0] > 1


# What is particular to one of them


def test_a_module_that_is_called_several_times_is_no_layer() -> None:
    with pytest.raises(ValueError, match="layers: 'act' is called more than once"):
        nnx().adapt(["act"])


def test_a_model_is_left_as_it_was() -> None:
    from flax import nnx as flax

    model = frameworks.of_nnx()
    before = flax.split(model)[0]
    from_nnx(model, layers=["stem"], inputs=INPUTS)
    assert flax.split(model)[0] == before
    assert not hasattr(model.stem, "_jatlas_tap")


def test_keras_with_another_backend_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    package = pytest.importorskip("keras")
    monkeypatch.setattr(package.config, "backend", lambda: "tensorflow")
    with pytest.raises(ValueError, match="model: expected one of Keras with JAX as its backend"):
        from_keras(None, inputs=INPUTS)


def test_a_subclassed_keras_model_is_refused() -> None:
    package = pytest.importorskip("keras")

    class Model(package.Model):
        pass

    with pytest.raises(ValueError, match="model: expected a functional Keras model, got Model"):
        from_keras(Model(), inputs=INPUTS)


@pytest.mark.slow
@pytest.mark.parametrize("extra", [0, 1, 5])
def test_class_and_register_tokens_are_put_aside(extra: int) -> None:
    """A layer of attention, whose tokens all see each other."""

    def forward(params: Any, images: jax.Array, tap: Any) -> jax.Array:
        patches = images.reshape(1, 4, 4, 4, 4, 3).swapaxes(2, 3).reshape(1, 16, 48)
        first = jnp.broadcast_to(params["first"], (1, extra, 48))
        tap = ActivationFormat(extra_tokens=extra).tap(tap)
        x = tap("tokens", jnp.concatenate([first, patches], axis=1))
        x = tap("mixed", x + jax.nn.softmax(x @ x.swapaxes(1, 2) / 48) @ x)
        return (x[:, :1] if extra else x).mean(1)[:, :5]

    network = Network(forward=forward, taps=("tokens", "mixed"), input_size=SIDE)
    params = {"first": jnp.asarray(np.random.default_rng(2).standard_normal(48), jnp.float32)}
    image = IMAGES[0]
    assert network.layer_shapes(params) == {"tokens": (4, 4, 48), "mixed": (4, 4, 48)}
    found = np.asarray(jax.jit(lambda: network.run(params, image, until="tokens"))())
    np.testing.assert_array_equal(found[1, 2], image[4:8, 8:12].reshape(-1))
    # A probe of one patch changes what all tokens see in the next layer.
    probe = jnp.zeros((4, 4, 48)).at[3, 0].set(1.0)

    @jax.jit
    def probed() -> tuple[Any, jax.Array, jax.Array]:
        outputs = network.apply(params, image, layers=("mixed",), probes={"tokens": probe})
        evidence = jatlas.evidence(network, params, image, jnp.array([3, 0]), layer="tokens")
        return outputs, network.run(params, image), evidence

    outputs, logits, evidence = probed()
    assert (np.asarray(outputs.activations["mixed"])[3, 0] != found[3, 0]).any()
    assert (outputs.logits != logits).any()
    assert np.isfinite(evidence).all() and (evidence != 0).all()


def test_tokens_without_a_format_say_which_would_fit() -> None:
    def forward(params: Any, images: jax.Array, tap: Any) -> jax.Array:
        return tap("block", jnp.zeros((1, 201, 8))).mean(1)

    network = Network(forward=forward, taps=("block",), input_size=SIDE)
    assert network.layer_shapes(None) == {"block": (201, 8)}
    with pytest.raises(
        ValueError,
        match=r"block: expected a map .* got shape \(201, 8\): for tokens, pass "
        r"ActivationFormat\(extra_tokens=...\); with 5, they fill a grid of 14 x 14",
    ):
        network.run(None, IMAGES[0], until="block")
