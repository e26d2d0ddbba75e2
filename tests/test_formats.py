"""Shapes and values that networks have: inputs, maps, tokens, vectors, encoders, half precision."""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jatlas
from jatlas.model import (
    CAFFE,
    IMAGENET,
    MINUS_ONE_TO_ONE,
    ZERO_TO_255,
    ZERO_TO_ONE,
    ActivationFormat,
    InputFormat,
    Network,
)

SIDE = 12
KEY = jax.random.key(0)
PIXELS = np.random.default_rng(0).random((24, SIDE, SIDE, 3)).astype(np.float32)
KERNEL = jnp.asarray(np.random.default_rng(1).standard_normal((3, 8)), jnp.float32)
RUN = jatlas.Run(progress=False)
CONFIG = jatlas.BuildConfig(
    layout=jatlas.UMAP(n_neighbors=8),
    icons=jatlas.RenderConfig(icon_size=12, steps=8, views=jatlas.RandomViews(size=SIDE)),
)


def build(network: Network, params: Any, layer: str, out: Path | None = None) -> jatlas.Atlas:
    return jatlas.build(
        network, params, jatlas.arrays(PIXELS), layers=(layer,), grids=(2,), key=KEY,
        config=CONFIG, run=RUN, out=out,
    )  # fmt: skip


# Inputs


@pytest.mark.parametrize(
    ("form", "white", "black"),
    [
        (ZERO_TO_ONE, (1, 1, 1), (0, 0, 0)),
        (MINUS_ONE_TO_ONE, (1, 1, 1), (-1, -1, -1)),
        (ZERO_TO_255, (255, 255, 255), (0, 0, 0)),
        (CAFFE, (151.061, 138.221, 131.32), (-103.939, -116.779, -123.68)),
        (IMAGENET, (2.2489, 2.4286, 2.64), (-2.1179, -2.0357, -1.8044)),
    ],
)
def test_white_and_black_become_what_the_network_expects(
    form: InputFormat, white: tuple[float, ...], black: tuple[float, ...]
) -> None:
    np.testing.assert_allclose(form(jnp.ones((2, 4, 4, 3)))[0, 0, 0], white, rtol=1e-4)
    np.testing.assert_allclose(form(jnp.zeros((4, 4, 3)))[0, 0], black, rtol=1e-4, atol=1e-6)


def test_blue_comes_first_where_the_network_has_it_first() -> None:
    red = jnp.zeros((2, 2, 3)).at[..., 0].set(1.0)
    assert InputFormat(bgr=True)(red)[0, 0].tolist() == [0, 0, 1]
    assert InputFormat(scale=2.0, mean=(1, 2, 3), bgr=True)(red)[0, 0].tolist() == [-1, -2, -1]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"size": 0}, "size: expected at least 1 pixel, got 0"),
        ({"std": (1, 1, 0)}, "std: expected above 0, one for each channel"),
        ({"mean": (1, 2)}, "mean: expected one for each channel"),
        ({"scale": -1}, "scale: expected above 0"),
    ],
)
def test_an_input_that_cannot_be_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}"):
        InputFormat(**fields)


# Activations


@pytest.mark.parametrize(
    ("form", "shape", "expected"),
    [
        (ActivationFormat(), (2, 5, 7, 3), (2, 5, 7, 3)),
        (ActivationFormat(channels_first=True), (2, 3, 5, 7), (2, 5, 7, 3)),
        (ActivationFormat(channels_first=True), (2, 8), (2, 8)),
        (ActivationFormat(extra_tokens=0), (2, 36, 8), (2, 6, 6, 8)),
        (ActivationFormat(extra_tokens=5), (2, 41, 8), (2, 6, 6, 8)),
        (ActivationFormat(extra_tokens=1, grid=(3, 4)), (2, 13, 8), (2, 3, 4, 8)),
        (ActivationFormat(extra_tokens=1), (2, 36, 8), (2, 36, 8)),  # they fill no square
        (ActivationFormat(), (2, 36, 8), (2, 36, 8)),
    ],
)
def test_a_map_and_back_is_the_same(
    form: ActivationFormat, shape: tuple[int, ...], expected: tuple[int, ...]
) -> None:
    x = jnp.arange(np.prod(shape), dtype=jnp.float32).reshape(shape)
    made = form.to_map(x)
    assert made.shape == expected
    np.testing.assert_array_equal(form.from_map(made, x), x)
    changed = form.from_map(made + 1, x)
    untouched = (form.extra_tokens or 0) if expected != shape else 0
    assert int((changed == x).sum()) == untouched * shape[0] * shape[-1]


@pytest.mark.slow
def test_a_network_with_the_channels_first_has_the_same_atlas_as_with_them_last() -> None:
    def last(params: Any, images: jax.Array, tap: Any) -> jax.Array:
        return tap("layer", jnp.tanh(images @ params)).mean((1, 2))

    def first(params: Any, images: jax.Array, tap: Any) -> jax.Array:
        tap = ActivationFormat(channels_first=True).tap(tap)
        x = jnp.moveaxis(jnp.tanh(images @ params), -1, 1)
        return tap("layer", x).mean((2, 3))

    atlases = [
        build(Network(forward=each, taps=("layer",), input_size=SIDE), KERNEL, "layer")
        for each in (last, first)
    ]
    for field in ("vectors", "source", "evidence", "moment"):
        one, other = (getattr(atlas.layer("layer").samples, field) for atlas in atlases)
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
    # Half of what tanh gives is below zero: nothing takes activations for rectified ones.
    assert (atlases[0].layer("layer").samples.vectors < 0).mean() > 0.2
    icons = [atlas.layer("layer").grids[0].icons for atlas in atlases]
    np.testing.assert_allclose(icons[0].cosines, icons[1].cosines, atol=1e-3)


@pytest.mark.slow
def test_a_vector_is_a_map_of_one_position(tmp_path: Path) -> None:
    def mean(params: Any, x: jax.Array) -> jax.Array:
        return x.mean((-3, -2))

    def dense(params: Any, x: jax.Array) -> jax.Array:
        return jnp.tanh(4 * x @ params - 2)

    network = Network(stages=(("mean", mean), ("hidden", dense)), input_size=SIDE)
    assert network.layer_shapes(KERNEL) == {"mean": (3,), "hidden": (8,)}
    atlas = build(network, KERNEL, "hidden", tmp_path / "atlas")
    samples = atlas.layer("hidden").samples
    right = np.tanh(4 * PIXELS.mean((1, 2)) @ np.asarray(KERNEL) - 2)
    np.testing.assert_allclose(samples.vectors, right, rtol=1e-3, atol=1e-4)
    np.testing.assert_array_equal(samples.source[:, 1:], 0)
    # The logits are the layer itself, so that the evidence is what it is.
    np.testing.assert_allclose(samples.evidence, right, rtol=2e-3, atol=1e-3)


@pytest.mark.slow
def test_an_encoder_has_an_atlas_without_classes(tmp_path: Path) -> None:
    def forward(params: Any, images: jax.Array, tap: Any) -> None:
        tap("features", jnp.tanh(images @ params))

    network = Network(forward=forward, taps=("features",), input_size=SIDE)
    assert network.class_count(KERNEL) == 0
    with pytest.raises(ValueError, match="network has no logits: say until which layer to run it"):
        network.run(KERNEL, jnp.asarray(PIXELS[0]))
    atlas = build(network, KERNEL, "features", tmp_path / "atlas")
    assert atlas.layer("features").samples.evidence.shape == (len(PIXELS), 0)
    assert atlas.classes == ()
    assert (tmp_path / "atlas" / "index.html").is_file()


def test_an_embedding_is_not_taken_for_classes() -> None:
    stages = (
        ("features", lambda params, x: jnp.tanh(x @ params)),
        ("embedding", lambda params, x: x.mean((-3, -2))),
    )
    network = Network(stages=stages, input_size=SIDE, has_logits=False)
    assert network.class_count(KERNEL) == 0
    assert network.apply(KERNEL, jnp.asarray(PIXELS[0])).logits is None
    position = jnp.array([1, 2])
    found = jatlas.evidence(network, KERNEL, jnp.asarray(PIXELS[0]), position, layer="features")
    assert found.shape == (0,)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_a_network_in_half_precision(dtype: Any) -> None:
    def forward(params: Any, images: jax.Array, tap: Any) -> jax.Array:
        x = tap("layer", jnp.tanh(images.astype(dtype) @ params))
        return x.mean((1, 2))

    network = Network(forward=forward, taps=("layer",), input_size=SIDE)
    half = build(network, KERNEL.astype(dtype), "layer").layer("layer")
    whole = build(network, KERNEL, "layer").layer("layer")
    assert half.samples.vectors.dtype == np.float32
    np.testing.assert_allclose(half.samples.vectors, whole.samples.vectors, atol=0.03)
    np.testing.assert_allclose(half.samples.evidence, whole.samples.evidence, atol=0.01)
    assert half.grids[0].icons.cosines.min() > 0  # of a direction in a space with three colours


@pytest.mark.slow
def test_icons_of_a_network_that_takes_one_size_have_any_size() -> None:
    def forward(params: Any, images: jax.Array, tap: Any) -> jax.Array:
        return tap("layer", jnp.tanh(images @ params["kernel"]) + params["places"]).mean((1, 2))

    params = {"kernel": KERNEL, "places": jnp.zeros((1, SIDE, SIDE, 8))}
    network = Network(forward=forward, taps=("layer",), input_size=SIDE)
    assert [network.takes(params, side, layer="layer") for side in (SIDE, 16)] == [True, False]
    free = Network(forward=lambda p, x, tap: forward(p | {"places": 0.0}, x, tap), taps=("layer",))
    assert free.takes(params, 16, layer="layer")
    directions = np.eye(8, dtype=np.float32)[:2]

    def icons(network: Network, size: int) -> jatlas.Icons:
        views = jatlas.RandomViews(size=SIDE)
        config = jatlas.RenderConfig(icon_size=size, steps=4, views=views)
        return jatlas.render(
            network, params, directions, layer="layer", key=KEY, config=config, run=RUN
        )

    for size in (SIDE, 18):
        one, other = icons(network, size), icons(free, size)
        np.testing.assert_allclose(one.images, other.images, atol=1e-4)
        np.testing.assert_allclose(one.cosines, other.cosines, atol=0.02)  # scaled, or its middle
    views = jatlas.RandomViews(size=SIDE + 1)
    with pytest.raises(ValueError, match="it takes images of 12 px: set the size of the views to"):
        jatlas.render(
            network, params, directions, layer="layer", key=KEY,
            config=jatlas.RenderConfig(views=views), run=RUN,
        )  # fmt: skip


# What a forward function may not do


@pytest.mark.parametrize(
    ("forward", "message"),
    [
        (lambda p, x, tap: tap("other", x), "network taps 'other', which is none of its taps: a"),
        (lambda p, x, tap: tap("a", tap("a", x)), "network taps 'a' more than once"),
        (lambda p, x, tap: x, "network never taps 'a', which is one of its taps"),
    ],
)
def test_taps_that_do_not_fit_are_named(forward: Any, message: str) -> None:
    network = Network(forward=forward, taps=("a",), input_size=SIDE)
    with pytest.raises(ValueError, match=message):
        network.run(None, jnp.asarray(PIXELS[0]), until="a")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"forward": lambda p, x, tap: x}, "taps: expected at least one name, got none"),
        ({"forward": 3, "taps": ("a",)}, "forward: expected a function, got 3"),
        ({"taps": ("a",)}, "taps: expected forward with them, or stages in their place"),
        (
            {"forward": print, "taps": ("a",), "stages": (("a", print),)},
            "forward: expected no stages and no centers beside it",
        ),
    ],
)
def test_a_network_is_stages_or_a_function(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}"):
        Network(**fields)


@pytest.mark.slow
def test_one_image_a_batch_and_a_vmap_agree() -> None:
    def forward(params: Any, images: jax.Array, tap: Any) -> jax.Array:
        x = tap("a", jnp.tanh(images @ params))
        return tap("b", x * x[:, ::-1]).mean((1, 2))

    network = Network(forward=forward, taps=("a", "b"), input_size=SIDE)
    images = jnp.asarray(PIXELS[:3])
    probes = jnp.asarray(np.random.default_rng(3).random((3, SIDE, SIDE, 8)), jnp.float32)

    def apply(images: jax.Array, probe: jax.Array) -> Any:
        return network.apply(KERNEL, images, layers=("b",), probes={"a": probe})

    together, mapped = apply(images, probes), jax.vmap(apply)(images, probes)
    shared = apply(images, probes[0])
    for number in range(3):
        alone = apply(images[number], probes[number])
        for many in (together, mapped):
            each = jax.tree.map(lambda x, n=number: x[n], many)
            jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5), alone, each)
    np.testing.assert_allclose(shared.logits[0], together.logits[0], rtol=1e-5)
    assert (shared.logits[1] != together.logits[1]).any()
