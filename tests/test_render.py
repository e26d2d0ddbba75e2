"""Icons follow their targets, and depend on nothing but their id and the key."""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import counting_network, tiny_network, tiny_params

from jatlas.model import Network, redirected_relu
from jatlas.records import Icons
from jatlas.types import Params, Run
from jatlas.visualize import (
    Adam,
    Alpha,
    Channel,
    Direction,
    Diversity,
    Neuron,
    ObjectiveInput,
    RandomViews,
    RenderConfig,
    View,
    cosine,
    fixed_views,
    paper,
    render,
    render_each,
    resample,
    whole_view,
)
from jatlas.visualize import _parameterize as parameterize
from jatlas.visualize._optimize import step_keys

SIZE, COUNT = 16, 11
VIEWS = RandomViews(size=12)
# The article's optimizer and spectrum, which the plain loop below writes out.
CONFIG = dataclasses.replace(paper(), icon_size=SIZE, steps=10, views=VIEWS, retry_below=-1)
KEY = jax.random.key(4)
DIRECTIONS = np.random.default_rng(0).standard_normal((COUNT, 12)).astype(np.float32)
QUIET = Run(progress=False)
tiny_render = functools.partial(
    render, tiny_network(), tiny_params(), layer="conv2", config=CONFIG, run=QUIET
)


def chunks_of(count: int) -> Run:
    return Run(chunk=count, progress=False)


@pytest.fixture(scope="module")
def icons() -> Icons:
    """Eleven icons, rendered in one chunk."""
    return tiny_render(DIRECTIONS, key=KEY)


def assert_close(icons: Icons, expected: Icons, rows: Any = slice(None)) -> None:
    """Up to rounding, which XLA does differently for programs of another size."""
    np.testing.assert_allclose(icons.images, expected.images[rows], rtol=0, atol=1e-4)
    np.testing.assert_allclose(icons.scores, expected.scores[rows], rtol=1e-3, atol=1e-4)


def test_icons_are_images(icons: Icons) -> None:
    assert isinstance(icons.images, np.ndarray) and isinstance(icons.scores, np.ndarray)
    assert icons.images.shape == (COUNT, SIZE, SIZE, 3)
    assert icons.scores.shape == (COUNT,)
    assert icons.images.dtype == icons.scores.dtype == np.float32
    assert 0 <= icons.images.min() < icons.images.max() <= 1
    for one in range(COUNT):
        for other in range(one):
            assert np.abs(icons.images[one] - icons.images[other]).mean() > 0.01


@pytest.mark.slow
def test_icons_are_those_of_a_plain_loop_over_icons_and_steps(icons: Icons) -> None:
    """One icon at a time, with Adam written out: gradients, views, centre and keys must agree."""
    for_init, for_views, _ = jax.random.split(KEY, 3)

    @jax.jit
    def score(spectrum: jax.Array, number: int, view: View) -> jax.Array:
        canvas = parameterize.spectrum_to_image(spectrum, width=SIZE)
        seen = resample(canvas, view, size=12, fill=1.0)
        activation = tiny_network().run(tiny_params(), seen, until="conv2")
        return activation[3, 3] @ jnp.asarray(DIRECTIONS)[number]  # the middle of 6 x 6

    @jax.jit
    def gradient_of(spectrum: jax.Array, number: int, step: int) -> Any:
        view = VIEWS.draw(SIZE, key=step_keys(for_views, step)[0])
        return jax.grad(score)(spectrum, number, view)

    for number in (0, 5):
        own = jax.random.fold_in(jax.random.fold_in(for_init, number), 0)
        spectrum = np.asarray(parameterize.init_spectrum(SIZE, SIZE, key=own), np.float64)
        mean, square = np.zeros_like(spectrum), np.zeros_like(spectrum)
        for step in range(CONFIG.steps):
            gradient = gradient_of(spectrum.astype(np.float32), number, step)
            mean = 0.9 * mean + 0.1 * np.asarray(gradient)
            square = 0.999 * square + 0.001 * np.asarray(gradient) ** 2
            unbiased = mean / (1 - 0.9 ** (step + 1)), square / (1 - 0.999 ** (step + 1))
            spectrum += 0.05 * unbiased[0] / (np.sqrt(unbiased[1]) + 1e-8)
        right = parameterize.spectrum_to_image(jnp.asarray(spectrum, jnp.float32), width=SIZE)
        np.testing.assert_allclose(icons.images[number], right, rtol=0, atol=1e-3)
        fixed = fixed_views(VIEWS, canvas_size=SIZE)
        seen = [score(jnp.asarray(spectrum, jnp.float32), number, each) for each in _split(fixed)]
        assert icons.scores[number] == pytest.approx(np.mean(seen), rel=1e-3)
        activation = tiny_network().run(tiny_params(), jnp.asarray(right), until="conv2")[4, 4]
        assert icons.cosines[number] == pytest.approx(
            float(cosine(activation, jnp.asarray(DIRECTIONS[number]))), abs=1e-3
        )


def _split(views: View) -> list[View]:
    return [View(*each) for each in zip(*views, strict=True)]


@pytest.mark.slow
@pytest.mark.parametrize("power", [0, 2])
def test_the_objective_rises(power: float) -> None:
    objective = Direction(power=power)

    @jax.jit
    def look(images: jax.Array) -> jax.Array:
        seen = jax.vmap(lambda image: resample(image, whole_view(), size=12, fill=1.0))(images)
        return tiny_network().run(tiny_params(), seen, until="conv2")

    def after(steps: int) -> tuple[np.ndarray, ...]:
        config = dataclasses.replace(CONFIG, steps=steps, objective=objective)
        made = tiny_render(DIRECTIONS, key=KEY, config=config)
        found = look(made.images)
        middle = np.asarray(found)[:, 3, 3]
        cosines = (middle * DIRECTIONS).sum(1) / np.linalg.norm(middle, axis=1)
        given = jax.vmap(ObjectiveInput)(found, jnp.asarray(made.images))
        whole = jax.vmap(objective)(given, jnp.asarray(DIRECTIONS))
        return made.scores, np.asarray(whole), cosines / np.linalg.norm(DIRECTIONS, axis=1)

    (first, whole_first, cosine_first), (last, whole_last, cosine_last) = after(1), after(40)
    assert (whole_last > whole_first).all() and (cosine_last > cosine_first).all()
    assert last.mean() > 2.5 * first.mean() > 0
    assert cosine_last.mean() > cosine_first.mean() + 0.15


def test_the_same_call_gives_the_same_bytes(icons: Icons) -> None:
    jax.tree.map(np.testing.assert_array_equal, tiny_render(DIRECTIONS, key=KEY), icons)


@pytest.mark.slow
@pytest.mark.parametrize("chunk", [1, 4])
def test_an_icon_does_not_depend_on_the_chunk(icons: Icons, chunk: int) -> None:
    assert_close(tiny_render(DIRECTIONS, key=KEY, run=chunks_of(chunk)), icons)


@pytest.mark.parametrize("order", [[10, 6, 5, 4, 3, 2, 1, 0, 7, 8, 9], [3, 0, 4]])
def test_an_icon_does_not_depend_on_the_order_and_the_others(
    icons: Icons, order: list[int]
) -> None:
    assert_close(tiny_render(DIRECTIONS[order], key=KEY, ids=np.array(order)), icons, order)


def test_equal_ids_give_equal_icons_and_other_ids_others(icons: Icons) -> None:
    ids = np.array([2, 2, 9, 400, *7 * [2]])
    found = tiny_render(DIRECTIONS[COUNT * [2]], key=KEY, ids=ids)
    for same in (0, 1, 4):
        np.testing.assert_allclose(found.images[same], icons.images[2], rtol=0, atol=1e-4)
    assert np.abs(found.images[2] - found.images[0]).max() > 0.01
    assert np.abs(found.images[3] - found.images[2]).max() > 0.01


def test_the_key_changes_the_icons(icons: Icons) -> None:
    other = tiny_render(DIRECTIONS, key=jax.random.key(5))
    differences = np.abs(other.images - icons.images)
    assert (differences.max((1, 2, 3)) > 0.01).all()


@pytest.mark.slow
def test_equal_configs_are_traced_once() -> None:
    network, traces = counting_network()
    for seed in (0, 1):
        config = dataclasses.replace(CONFIG, steps=3 + seed, views=RandomViews(size=12))
        render(
            network, tiny_params(), DIRECTIONS[: 5 + seed],
            layer="conv2", key=jax.random.key(seed), config=config, run=chunks_of(2),
        )  # fmt: skip
        # Once for the shapes of a view and of the canvas, the step, the fixed views and the image
        # as it is, for any number of calls, chunks and steps.
        assert len(traces) == 5


@pytest.mark.slow
def test_calls_of_any_size_share_a_program_and_give_the_same_icons(icons: Icons) -> None:
    network, traces = counting_network()
    known = 0
    for count in (5, 2, 11):
        parts = render_each(
            network, tiny_params(), DIRECTIONS[:count],
            layer="conv2", key=KEY, config=CONFIG, run=QUIET, shared=11,
        )  # fmt: skip
        ((part, made),) = parts
        assert part == slice(0, count) and len(made) == count
        assert_close(made, icons, slice(0, count))
        known = known or len(traces)
        assert len(traces) == known


@pytest.mark.slow
def test_each_chunk_is_yielded_when_it_is_done(icons: Icons) -> None:
    parts = render_each(
        tiny_network(),
        tiny_params(),
        DIRECTIONS,
        layer="conv2",
        key=KEY,
        config=CONFIG,
        run=chunks_of(4),
    )
    found = list(parts)
    assert [part for part, _ in found] == [slice(0, 4), slice(4, 8), slice(8, 11)]
    for part, made in found:
        assert_close(made, icons, part)


@pytest.mark.slow
def test_the_progress_bar_counts_every_step(capsys: pytest.CaptureFixture[str]) -> None:
    """But not those of the copies that fill the last chunk."""
    tiny_render(DIRECTIONS, key=KEY, run=Run(chunk=4))
    assert f"{COUNT * CONFIG.steps}/{COUNT * CONFIG.steps}" in capsys.readouterr().err
    tiny_render(DIRECTIONS, key=KEY)
    assert capsys.readouterr().err == ""


def test_a_direction_that_is_not_finite_affects_only_its_own_icon(icons: Icons) -> None:
    directions = DIRECTIONS.copy()
    directions[3, 2] = np.nan
    found = tiny_render(directions, key=KEY)
    assert not np.isfinite(found.scores[3])
    for other in set(range(COUNT)) - {3}:
        np.testing.assert_array_equal(found.images[other], icons.images[other])


def test_directions_of_other_types_are_accepted() -> None:
    whole = np.sign(DIRECTIONS)
    right = tiny_render(whole, key=KEY)
    for directions in (whole.astype(np.int8), jnp.asarray(whole), whole.astype(np.float64)):
        assert_close(tiny_render(directions, key=KEY), right)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"targets": np.ones((11, 7))},
            r"targets: expected directions \(n, 12\), got \(11, 7",
        ),
        ({"targets": np.ones((0, 12))}, r"targets: expected directions \(n, 12\), got \(0, 12\)"),
        ({"targets": np.ones(12)}, r"targets: expected directions \(n, 12\), got \(12,\)"),
        ({"targets": np.float32(1)}, r"targets: expected directions \(n, 12\), got \(\)"),
        (
            {"targets": np.ones((1, 7, 12))},
            r"targets: expected directions \(n, 12\), got \(1, 7, 12\)",
        ),
        ({"layer": "mixed4c"}, "tiny has no layer 'mixed4c'; it has: input, conv1, "),
        ({"ids": np.arange(6)}, r"ids: expected 11 whole numbers, got .*\(6,\)"),
        ({"ids": np.zeros((11, 1), int)}, r"ids: expected 11 whole numbers, got .*\(11, 1\)"),
        ({"ids": np.arange(11) + 0.5}, "ids: expected 11 whole numbers, got float"),
    ],
)
def test_invalid_arguments_are_refused(change: dict[str, Any], message: str) -> None:
    arguments = {"targets": DIRECTIONS, "layer": "conv2"} | change
    with pytest.raises(ValueError, match=message):
        tiny_render(**arguments, key=KEY)
    with pytest.raises(ValueError, match=message):  # at the call, before the first chunk
        render_each(tiny_network(), tiny_params(), config=CONFIG, **arguments, key=KEY)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"icon_size": 0}, "icon_size: expected at least 1, got 0"),
        ({"steps": 0}, "steps: expected at least 1, got 0"),
        ({"steps": -1}, "steps: expected at least 1, got -1"),
        ({"restarts": 0}, "restarts: expected at least 1, got 0"),
        ({"group": 0}, "group: expected at least 1, got 0"),
        ({"restarts": 2, "group": 2}, "restarts: expected 1 with a group"),
        ({"objective": Diversity()}, "group: expected at least 2 icons"),
        ({"retry_below": 2.0}, "retry_below: expected a cosine, got 2.0"),
        ({"precision": "float16"}, "precision: expected float32 or bfloat16, got 'float16'"),
    ],
)
def test_invalid_settings_are_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RenderConfig(**wrong)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"learning_rate": 0.0}, "learning_rate: expected above 0, got 0.0"),
        ({"learning_rate": -0.1}, "learning_rate: expected above 0, got -0.1"),
        ({"learning_rate": float("nan")}, "learning_rate: expected above 0, got nan"),
        ({"learning_rate": float("inf")}, "learning_rate: expected above 0, got inf"),
        ({"b1": 1.0}, "b1: expected at least 0, below 1, got 1.0"),
        ({"b2": 0.0}, "b2: expected above 0, below 1, got 0.0"),
        ({"b2": 1.0}, "b2: expected above 0, below 1, got 1.0"),
        ({"cooldown": 1.5}, r"cooldown: expected a fraction in \[0, 1\], got 1.5"),
    ],
)
def test_an_invalid_optimizer_is_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Adam(**wrong)


def test_equal_settings_are_one_static_argument() -> None:
    one, other = RenderConfig(), RenderConfig(views=RandomViews(), objective=Direction(power=0.5))
    assert one == other and hash(one) == hash(other) and one is not other
    assert one != RenderConfig(objective=Direction(power=1))


@pytest.mark.slow
def test_the_best_restart_is_kept(icons: Icons) -> None:
    config = dataclasses.replace(CONFIG, restarts=3)
    best = tiny_render(DIRECTIONS, key=KEY, config=config)
    assert best.images.shape == icons.images.shape
    assert (best.scores >= icons.scores - 1e-4).all() and (best.scores > icons.scores).any()
    more = tiny_render(DIRECTIONS, key=KEY, config=dataclasses.replace(config, restarts=5))
    assert (more.scores >= best.scores - 1e-4).all()


@pytest.mark.slow
@pytest.mark.parametrize("chunk", [2, 4])
def test_restarts_may_be_more_than_a_chunk(chunk: int) -> None:
    config = dataclasses.replace(CONFIG, restarts=3)
    whole = tiny_render(DIRECTIONS[:3], key=KEY, config=config)
    assert_close(tiny_render(DIRECTIONS[:3], key=KEY, config=config, run=chunks_of(chunk)), whole)


@pytest.mark.slow
def test_more_restarts_than_the_default_chunk_are_possible() -> None:
    config = dataclasses.replace(CONFIG, steps=2, restarts=65)
    best = tiny_render(DIRECTIONS[:2], key=KEY, config=config)
    one = tiny_render(DIRECTIONS[:2], key=KEY, config=dataclasses.replace(config, restarts=1))
    assert (best.scores > one.scores).all()


@pytest.mark.slow
def test_channels_get_an_icon_each() -> None:
    config = dataclasses.replace(CONFIG, objective=Channel(), steps=30)
    made = tiny_render([3, 0, 7], key=KEY, config=config)
    found = tiny_network().run(tiny_params(), jnp.asarray(made.images), until="conv2").mean((1, 2))
    for row, channel in enumerate([3, 0, 7]):
        assert np.asarray(found)[:, channel].argmax() == row
    with pytest.raises(ValueError, match="targets: expected channels from 0 to 11, got 3 to 12"):
        tiny_render([3, 12], key=KEY, config=config)


@pytest.mark.slow
def test_the_icons_of_a_group_become_different() -> None:
    """Three icons of one direction; those of the next group do not matter."""
    directions = DIRECTIONS[[0, 0, 0, 4, 4, 4]]

    def spread(weight: float) -> Icons:
        objective = Direction() + weight * Diversity()
        config = dataclasses.replace(CONFIG, steps=30, group=3, objective=objective)
        return tiny_render(directions, key=KEY, config=config)

    def alike(made: Icons) -> float:
        found = tiny_network().run(tiny_params(), jnp.asarray(made.images), until="conv2")
        flat = np.asarray(found).reshape(6, -1, 12)
        gram = np.einsum("npc,npd->ncd", flat, flat).reshape(6, -1)
        gram /= np.linalg.norm(gram, axis=1, keepdims=True)
        return float((gram @ gram.T)[np.triu_indices(3, 1)].mean())

    plain, diverse = spread(0.0), spread(100.0)
    assert alike(diverse) < alike(plain) - 0.01
    alone = tiny_render(
        directions[:3],
        key=KEY,
        config=dataclasses.replace(
            CONFIG, steps=30, group=3, objective=Direction() + 100.0 * Diversity()
        ),
    )
    assert_close(alone, diverse, slice(0, 3))
    with pytest.raises(ValueError, match="group: expected targets and chunk in multiples of 3"):
        tiny_render(DIRECTIONS[:4], key=KEY, config=dataclasses.replace(CONFIG, group=3))


def dead_network() -> Network:
    """A network whose ReLU is closed for any image, and its twin with redirected gradients."""

    def blocked(params: Any, x: jax.Array) -> jax.Array:
        return jax.nn.relu(x @ params["kernel"] - 3.0)

    def passed(params: Any, x: jax.Array) -> jax.Array:
        return redirected_relu(x @ params["kernel"] - 3.0)

    def mean(params: Any, x: jax.Array) -> jax.Array:
        del params
        return x.mean((-3, -2))

    twin = Network(stages=(("dense", passed), ("mean", mean)), name="twin")
    return Network(stages=(("dense", blocked), ("mean", mean)), name="dead", redirected=twin)


@pytest.mark.slow
def test_an_icon_that_activates_nothing_is_retried() -> None:
    # Grey gives 2.25 at most: all units are closed until an image is bright.
    params = {"kernel": jnp.eye(3) * 4.5}
    config = dataclasses.replace(
        CONFIG, steps=60, optimizer=Adam(learning_rate=0.2), objective=Direction(), retry_below=0.0
    )
    directions = np.eye(3, dtype=np.float32)
    made = functools.partial(
        render, params=params, targets=directions, layer="dense", key=KEY, run=QUIET
    )
    dead = made(dead_network(), config=dataclasses.replace(config, retry_below=-1))
    assert (dead.scores == 0).all() and (dead.cosines == 0).all()
    alive = made(dead_network(), config=config)
    assert (alive.scores > 0.1).all() and (alive.cosines > 0.3).all()


@pytest.mark.slow
def test_only_failed_icons_are_retried(icons: Icons) -> None:
    """They change only if the score improves."""
    again = tiny_render(DIRECTIONS, key=KEY, config=dataclasses.replace(CONFIG, retry_below=0.0))
    lives = icons.cosines > 0
    assert lives.any() and not lives.all()
    np.testing.assert_array_equal(again.images[lives], icons.images[lives])
    assert (again.scores >= icons.scores).all()


@pytest.mark.slow
def test_half_precision_gives_about_the_same_icons() -> None:
    config = dataclasses.replace(CONFIG, steps=40, views=RandomViews(size=12, concentration=1))
    directions = np.random.default_rng(1).standard_normal((64, 12)).astype(np.float32)
    full = tiny_render(directions, key=KEY, config=config)
    half = tiny_render(
        directions, key=KEY, config=dataclasses.replace(config, precision="bfloat16")
    )
    assert half.images.dtype == half.scores.dtype == np.float32
    assert np.abs(half.images - full.images).max() > 0
    assert half.scores.mean() == pytest.approx(full.scores.mean(), rel=0.03)


@pytest.mark.slow
def test_transparent_icons_have_four_channels() -> None:
    config = dataclasses.replace(CONFIG, parameterization=Alpha())
    made = tiny_render(DIRECTIONS[:3], key=KEY, config=config)
    assert made.images.shape == (3, SIZE, SIZE, 4)
    assert np.isfinite(made.scores).all() and np.isfinite(made.cosines).all()


@dataclasses.dataclass
class Counter:
    """Counts calls of a function that is traced into a program."""

    count: int = 0

    def add(self, _: Any) -> None:
        self.count += 1


@pytest.mark.slow
def test_icons_are_not_retried_for_a_centre_that_the_objective_does_not_use() -> None:
    """An image that is bright in one corner only, where a `Neuron` was asked for."""
    retried = Counter()

    def corner(params: Any, x: jax.Array) -> jax.Array:
        del params  # closed everywhere but in the corner
        height, width, _ = x.shape
        mask = (jnp.arange(height)[:, None] < 2) & (jnp.arange(width)[None, :] < 2)
        return jax.nn.relu(x) * mask[..., None]

    def counted(params: Any, x: jax.Array) -> jax.Array:
        retried.add(x)
        return corner(params, x)

    twin = Network(stages=(("corner", counted),), name="twin")
    network = Network(stages=(("corner", corner),), name="corner", redirected=twin)
    objective = Neuron(position=(0, 0))
    # A view that is the whole canvas, pixel by pixel.
    views = RandomViews(size=8, window=(1.0, 1.0), rotate=0.0, pad=0.0)
    config = RenderConfig(icon_size=8, steps=3, views=views, objective=objective)
    icons = render(network, {}, np.arange(3), layer="corner", key=KEY, config=config, run=QUIET)
    assert (icons.cosines > 0.3).all() and (icons.scores > 0).all()
    assert not retried.count
    channels = dataclasses.replace(config, objective=Channel())
    assert (
        render(network, {}, [0, 1], layer="corner", key=KEY, config=channels, run=QUIET).cosines
        > 0.3
    ).all()
    assert not retried.count


@pytest.mark.slow
def test_icons_of_a_real_network(googlenet: tuple[Network, Params]) -> None:
    network, params = googlenet
    config = RenderConfig(icon_size=40, steps=3, views=RandomViews(size=32), retry_below=-1)
    rendered = functools.partial(render, network, params, layer="mixed3a", key=KEY, config=config)
    directions = np.random.default_rng(0).standard_normal((10, 256)).astype(np.float32)
    whole = rendered(directions, run=QUIET)
    assert np.isfinite(whole.scores).all() and whole.images.std() > 0.01
    order = [4, 1, 8, 0]
    assert_close(rendered(directions[order], ids=np.array(order), run=chunks_of(3)), whole, order)
