"""Running a network from any stage to any stage."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import STAGES, counting_network, tiny_network, tiny_params

from jatlas.model import Network, Stage, abstract, digest


@pytest.fixture(scope="module")
def image() -> jax.Array:
    return jax.random.uniform(jax.random.key(0), (8, 8, 3))


def digit(number: int) -> Stage:
    """Return a stage that appends a digit to the numbers in its input."""
    return lambda params, x: 10 * x + number * params


DIGITS = Network(stages=tuple(("abcd"[i], digit(i + 1)) for i in range(4)), name="digits")
BLANK = jnp.zeros((2, 2, 3))


def test_the_stages_run_in_order_with_the_parameters() -> None:
    assert DIGITS.run(1, BLANK, until="a")[0, 0, 0] == 1
    assert DIGITS.run(1, BLANK, until="c")[0, 0, 0] == 123
    assert DIGITS.run(2, BLANK)[0, 0, 0] == 2468
    assert DIGITS.layers == ("a", "b", "c", "d")
    assert [DIGITS.index(name) for name in "abcd"] == [0, 1, 2, 3]


def test_several_layers_are_read_in_one_pass_and_those_not_needed_are_not_run() -> None:
    outputs = DIGITS.apply(1, BLANK, layers=("c", "a"))
    assert {name: x[0, 0, 0] for name, x in outputs.activations.items()} == {"a": 1, "c": 123}
    assert outputs.logits is not None and outputs.logits[0, 0, 0] == 1234

    def fail(params: Any, x: jax.Array) -> jax.Array:
        raise AssertionError("not needed")

    early = Network(stages=(*DIGITS.stages[:2], ("c", fail)))
    assert early.apply(1, BLANK, layers=("a",), until="b").logits is None
    assert early.run(1, BLANK, until="b")[0, 0, 0] == 12


def test_a_probe_is_added_to_a_layer_and_changes_what_comes_after() -> None:
    probes = {"b": jnp.full((2, 2, 3), 5.0), "c": jnp.array(0.5)}
    outputs = DIGITS.apply(1, BLANK, layers=("a", "b", "c"), probes=probes)
    # Read before its own probe is added, after those of earlier layers.
    assert {n: float(x[0, 0, 0]) for n, x in outputs.activations.items()} == {
        "a": 1, "b": 12, "c": 173,
    }  # fmt: skip
    assert outputs.logits is not None and outputs.logits[0, 0, 0] == 1739


@pytest.mark.parametrize(
    "call",
    [
        lambda: DIGITS.index("mixed4c"),
        lambda: DIGITS.run(1, BLANK, until="mixed4c"),
        lambda: DIGITS.apply(1, BLANK, layers=("a", "mixed4c")),
        lambda: DIGITS.apply(1, BLANK, probes={"mixed4c": BLANK}),
    ],
)
def test_an_unknown_layer_is_refused_and_the_known_are_listed(call: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match=r"digits has no layer 'mixed4c'; it has: a, b, c, d$"):
        call()


def test_no_stages_are_refused() -> None:
    with pytest.raises(ValueError, match="stages: expected at least one"):
        Network(stages=())


def test_repeated_stage_names_are_refused() -> None:
    stages = tuple((name, digit(0)) for name in "abcabd")
    with pytest.raises(ValueError, match=r"stages: names must be unique; repeated: a, b$"):
        Network(stages=stages)


@pytest.mark.parametrize("name", ["", "conv\n1", "conv1\n", "\r", "a\u2028b", None, 3])
def test_names_that_are_no_line_of_text_are_refused(name: Any) -> None:
    with pytest.raises(ValueError, match="stages: expected names of one line of text, got"):
        Network(stages=(("input", digit(0)), (name, digit(1))))


def test_an_input_size_without_pixels_is_refused() -> None:
    with pytest.raises(ValueError, match="input_size: expected at least 1 pixel, got 0"):
        Network(stages=STAGES, input_size=0)


@pytest.mark.slow
def test_one_image_and_a_batch_agree(image: jax.Array) -> None:
    params = tiny_params()
    images = (image, image[::-1], image**2)
    batch = jnp.stack(images)
    for layer in tiny_network().layers:
        together = tiny_network().run(params, batch, until=layer)
        run = jax.jit(functools.partial(tiny_network().run, params, until=layer))
        apart = np.stack([run(x) for x in images])
        np.testing.assert_allclose(together, apart, rtol=1e-5, atol=1e-6, err_msg=layer)
        np.testing.assert_allclose(jax.vmap(run)(batch), apart, rtol=1e-5, atol=1e-6)


def test_the_centre_is_that_of_the_whole_and_computed_alone_if_possible(
    image: jax.Array,
) -> None:
    params, network = tiny_params(), tiny_network()
    for batch in (image, jnp.stack([image, image[::-1]])):
        whole = network.run(params, batch, until="conv2")
        height, width = whole.shape[-3:-1]
        center = whole[..., height // 2, width // 2, :]
        alone = network.center(params, batch, until="conv2")
        np.testing.assert_allclose(alone[..., 0, 0, :], center, rtol=1e-5, atol=1e-6)
    able = dataclasses.replace(network, centers=(("conv2", lambda params, x: x[:1, :1] * 0 + 7),))
    assert set(np.unique(able.center(params, image, until="conv2"))) == {7}
    np.testing.assert_array_equal(
        able.center(params, image, until="conv1"), network.center(params, image, until="conv1")
    )
    with pytest.raises(ValueError, match="has no layer 'mixed9'"):
        dataclasses.replace(network, centers=(("mixed9", lambda params, x: x),))


def test_jit_agrees_and_equal_networks_are_traced_once(image: jax.Array) -> None:
    network, traces = counting_network()
    again = Network(stages=network.stages, name="counting")
    assert network == again and hash(network) == hash(again) and network is not again

    @functools.partial(jax.jit, static_argnames=("network", "until"))
    def run(network: Network, params: object, x: jax.Array, until: str) -> jax.Array:
        return network.run(params, x, until=until)

    params = tiny_params()
    results = [run(net, params, image, "conv2") for net in (network, again)]
    assert traces == [image.shape]
    expected = tiny_network().run(params, image, until="conv2")
    for result in results:
        np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-6)
    assert Network(stages=STAGES) != Network(stages=STAGES, classes=("cat",))


# What would fail later is said at once


def mean(params: Any, x: jax.Array) -> jax.Array:
    return x.mean((-3, -2))


@dataclasses.dataclass
class Unhashable:
    scale: float

    def __call__(self, params: Any, x: jax.Array) -> jax.Array:
        return self.scale * x


def test_stages_may_be_lists() -> None:
    network = Network(stages=[["copy", mean]], classes=["a", "b", "c"])  # type: ignore[arg-type]
    assert hash(network) == hash(dataclasses.replace(network))
    assert network.classes == ("a", "b", "c")


@pytest.mark.parametrize(
    ("stages", "message"),
    [
        ((("scale", Unhashable(2.0)),), "stages: 'scale' is a Unhashable, which cannot be hashed"),
        ({"mean": mean}, "stages: expected a tuple, got dict"),
        (("mean", mean), r"stages: expected \(name, function\) pairs, got 'mean'"),
        ((("mean", 3),), r"stages: expected \(name, function\) pairs"),
    ],
)
def test_what_is_no_stage_is_named(stages: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}"):
        Network(stages=stages)


def batches_only(params: Any, x: jax.Array) -> jax.Array:
    batch, height, width, channels = x.shape
    return x.reshape(batch, height * width, channels).mean(1)


def one_channel(params: Any, x: jax.Array) -> jax.Array:
    return x * jnp.ones((1, 1, 1)) if x.shape[-1] == 1 else jnp.ones((3, 3)) @ x[0, 0, :2]


def fixed_size(params: Any, x: jax.Array) -> jax.Array:
    return x + jnp.zeros((16, 16, 3))


def broken(params: Any, x: jax.Array) -> jax.Array:
    raise RuntimeError("the weights have gone")


@pytest.mark.parametrize(
    ("stage", "message"),
    [
        (batches_only, "it takes only batches: let each stage take one image too"),
        (one_channel, "it takes one channel, and images are RGB: begin with their mean"),
        (fixed_size, "it takes images of 16 px: set the size of the views to that"),
        (broken, "the weights have gone"),
    ],
)
def test_what_cannot_be_run_says_which_stage_and_why(stage: Stage, message: str) -> None:
    copy: Stage = lambda params, x: x  # noqa: E731
    network = Network(stages=(("copy", copy), ("odd", stage), ("more", copy)), input_size=16)
    start = "^network: 'odd' cannot be run on one image of 12 x 8 px: "
    with pytest.raises(ValueError, match=start + message):
        network.activation_shape(None, (12, 8), layer="more")


def test_logits_are_counted_and_fit_their_names() -> None:
    network = Network(stages=(("logits", mean),), input_size=4)
    assert network.class_count(None) == 3
    assert dataclasses.replace(network, classes=("a", "b", "c")).class_count(None) == 3
    with pytest.raises(ValueError, match=r"^classes: expected a name for each of the 3 "):
        dataclasses.replace(network, classes=("a", "b")).class_count(None)
    with pytest.raises(
        ValueError, match=r"^network: expected logits \(classes,\) of each image at its end"
    ):
        Network(stages=(("map", lambda params, x: x),)).class_count(None)


def test_parameters_are_arrays_of_any_kind() -> None:
    params = {"a": np.zeros(2), "b": 3, "c": jax.random.key(0), "d": None}
    _, leaves = abstract(params)
    assert [leaf.shape for leaf in leaves] == [(2,), (), ()]
    with pytest.raises(ValueError, match=r"^params: expected arrays, got str at params\['e'\]"):
        abstract({"e": "relu"})


def test_random_keys_among_the_parameters_have_a_digest() -> None:
    """As in the state of a model of Flax NNX with dropout."""
    one, other = ({"dropout": jax.random.key(seed), "kernel": jnp.ones(3)} for seed in (0, 1))
    assert digest(one) == digest(dict(one)) != digest(other)


@pytest.mark.parametrize("name", ["my\nnet", 7, "a\udce9"])
def test_a_name_that_cannot_be_kept_is_refused(name: Any) -> None:
    with pytest.raises(ValueError, match=r"^name: expected one line of UTF-8 text, got "):
        Network(stages=(("x", lambda params, x: x),), name=name)
