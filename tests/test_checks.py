"""What checks settings and arguments, and that public functions use it."""

import dataclasses
import functools
import math
import re
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import tiny_network, tiny_params

from jatlas import arrange, explain, synthetic, visualize
from jatlas.build import BuildConfig, CellConfig
from jatlas.records import Hierarchy
from jatlas.types import Run, checks
from jatlas.visualize import (
    ATLAS_NOTEBOOK,
    MACO,
    Adam,
    Alpha,
    Channel,
    Constant,
    Direction,
    Fourier,
    Opacity,
    Pixels,
    RandomViews,
    RenderConfig,
)

KEY = jax.random.key(0)
NETWORK = (tiny_network(), tiny_params())
TABLE = np.random.default_rng(0).random((12, 4)).astype(np.float32)
POINTS = TABLE[:, :2]
IMAGES = jnp.zeros((2, 16, 16, 3))
CHAIN = ATLAS_NOTEBOOK
SPECTRUM = jnp.zeros((2, 3, 8, 5))
VIEW = visualize.whole_view()
SMALL = Constant(np.ones((8, 5)))


def candidates(**changed: Any) -> Any:
    given = {"left": 0, "right": 1} | changed
    return explain.patch_candidates(POINTS, TABLE, np.arange(12), TABLE, **given)


def attack(**changed: Any) -> Any:
    given = {"source": 0, "target": 1, "progress": False} | changed
    return explain.attack(*NETWORK, [IMAGES[0]], IMAGES[0], **given)


def walk(**changed: Any) -> Any:
    given = {"start": (0, 0), "end": (1, 1)} | changed
    return explain.path_through_map(jnp.asarray(POINTS), jnp.asarray(TABLE), **given)


near = functools.partial(arrange.nearest_neighbors, TABLE, progress=False)

WHOLE: dict[str, Callable[[Any], Any]] = {
    "k": lambda x: near(k=x),
    "query_block": lambda x: near(k=1, query_block=x),
    "candidate_block": lambda x: near(k=1, candidate_block=x),
    "dimensions of umap": lambda x: arrange.umap(TABLE, key=KEY, dimensions=x),
    "dimensions of tsne": lambda x: arrange.tsne(TABLE, key=KEY, dimensions=x),
    "size of cell_index": lambda x: arrange.cell_index(jnp.asarray(POINTS), size=x),
    "size of average": lambda x: arrange.average(jnp.asarray(TABLE), jnp.asarray(POINTS), size=x),
    "index": lambda x: explain.class_heat(jnp.asarray(TABLE), index=x),
    "count of exemplars": lambda x: explain.exemplars(TABLE, TABLE, np.arange(12), count=x),
    "neighbors": lambda x: explain.agreement(
        POINTS, TABLE, np.zeros(12, int), np.arange(12), neighbors=x
    ),
    "top": lambda x: explain.recognized(*NETWORK, np.asarray(IMAGES), np.zeros(2, int), top=x),
    "size of name_cells": lambda x: explain.name_cells(
        POINTS, np.zeros(12, int), np.arange(12), Hierarchy.flat(("a",)), size=x
    ),
    "rank of shows_none_of": lambda x: explain.shows_none_of(TABLE, classes=(0,), rank=x),
    "classes": lambda x: explain.shows_none_of(TABLE, classes=(0, x)),
    "size": lambda x: candidates(size=x),
    "count": lambda x: candidates(count=x),
    "rank": lambda x: candidates(rank=x),
    "min_count": lambda x: candidates(min_count=x),
    "left": lambda x: candidates(left=x),
    "right": lambda x: candidates(right=x),
    "side": lambda x: explain.noise_patch(key=KEY, side=x),
    "batch_size of classify": lambda x: explain.classify(*NETWORK, IMAGES, batch_size=x),
    "batch_size of sweep": lambda x: explain.sweep(*NETWORK, IMAGES[0], IMAGES[0], batch_size=x),
    "source": lambda x: attack(source=x),
    "target": lambda x: attack(target=x),
    "batch_size": lambda x: attack(batch_size=x),
    "count of a path": lambda x: walk(count=x),
    "samples": lambda x: walk(samples=x),
    "class of winners": lambda x: explain.winners(TABLE, index=x),
    "rank of winners": lambda x: explain.winners(TABLE, index=0, rank=x),
    "class of largest": lambda x: explain.largest(TABLE, index=x),
    "max_samples": lambda x: explain.largest(TABLE, index=0, max_samples=x),
    "class of balance": lambda x: explain.balance(TABLE, left=x, right=1),
    "class of select_class": lambda x: explain.select_class(TABLE, TABLE, index=x, key=KEY),
    "grid": lambda x: explain.receptive_box(POINTS, grid=(2, x), share=0.5),
    "height": lambda x: visualize.frequency_gain(x, 4),
    "width": lambda x: visualize.init_spectrum(4, x, key=KEY),
    "channels": lambda x: visualize.init_spectrum(4, 4, key=KEY, channels=x),
    "width of a spectrum": lambda x: visualize.spectrum_to_planes(SPECTRUM, width=x),
    "size of resample": lambda x: visualize.resample(IMAGES[0], VIEW, size=x, fill=0.0),
    "canvas_size": lambda x: visualize.fixed_views(RandomViews(), canvas_size=x),
    "canvas_size of a chain": CHAIN.fitted,
    "canvas_size of a view": lambda x: CHAIN.draw(x, key=KEY),
    "steps": Adam().transformation,
    "height of Fourier": lambda x: Fourier().init(x, key=KEY),
    "size of Pixels": lambda x: Pixels().init(x, key=KEY),
    "size of MACO": lambda x: MACO().init(x, key=KEY),
    "count of images": lambda x: synthetic.Synthetic(x, key=KEY),
    "size of images": lambda x: synthetic.Synthetic(3, key=KEY, size=x),
    "start": lambda x: synthetic.Synthetic(3, key=KEY).load(x),
    "index of an image": lambda x: synthetic.Synthetic(3, key=KEY).label(x),
    "index to reload": lambda x: synthetic.Synthetic(3, key=KEY).reload([0, x]),
    "size of draw": lambda x: synthetic.draw("star", key=KEY, size=x),
    "class of draw": lambda x: synthetic.draw(x, key=KEY, size=16),
    "per_class": lambda x: synthetic.batch(key=KEY, per_class=x, size=16),
    "first": lambda x: synthetic.batch(key=KEY, per_class=1, size=16, first=x),
}
"""Calls with what has to be a whole number of at least 0."""

NUMBER: dict[str, Callable[[Any], Any]] = {
    "margin": lambda x: arrange.to_unit_square(POINTS, margin=x),
    "percentiles": lambda x: arrange.to_unit_square(POINTS, percentiles=(x, 99)),
    "ridge": lambda x: arrange.inverse(jnp.eye(3), ridge=x),
    "energy": lambda x: explain.receptive_share(*NETWORK, IMAGES, layer="conv1", energy=x),
    "share of receptive_box": lambda x: explain.receptive_box(POINTS, grid=(2, 2), share=x),
    "percentile": lambda x: explain.balance(TABLE, left=0, right=1, percentile=x),
    "share": lambda x: candidates(share=x),
    "size of composite": lambda x: explain.composite(IMAGES[0], IMAGES[0], size=x),
    "corner": lambda x: explain.composite(IMAGES[0], IMAGES[0], size=0.5, corner=(0, x)),
    "sizes": lambda x: explain.sweep(*NETWORK, IMAGES[0], IMAGES[0], sizes=(0.5, x)),
    "corners": lambda x: attack(corners=((0, 0), (x, 1))),
    "start": lambda x: walk(start=(x, 0.5)),
    "end": lambda x: walk(end=(0.5, x)),
    "decay": lambda x: visualize.frequency_gain(4, 4, decay=x),
    "spread": lambda x: visualize.init_spectrum(4, 4, key=KEY, spread=x),
    "fill": lambda x: visualize.resample(IMAGES[0], VIEW, size=4, fill=x),
}
"""Calls with what has to be a finite number."""


@pytest.mark.parametrize("name", WHOLE)
def test_what_is_no_whole_number_is_refused_at_the_call(name: str) -> None:
    wrong = [None, True, 2.5, 3.0, "3", math.nan, math.inf, 1j, [1], (), {}, np.float32(1), -1]
    for value in [*wrong, -(10**12)]:
        with pytest.raises(ValueError, match=rf"^{re.escape(name.split()[0])}: expected|Non-hash"):
            WHOLE[name](value)


@pytest.mark.parametrize("name", NUMBER)
def test_what_is_no_number_is_refused_at_the_call(name: str) -> None:
    for value in [None, True, "0.5", math.nan, math.inf, -math.inf, 1e39, 1j, [0.5], (), {}, Run()]:
        with pytest.raises(ValueError, match=f"^{name.split()[0]}: expected"):
            NUMBER[name](value)


def test_numbers_of_other_libraries_are_taken() -> None:
    three, half = (np.int64(3), np.array(3), jnp.int32(3)), (np.float32(0.5), jnp.bfloat16(0.5))
    for value in three:
        assert near(k=value).indices.shape == (12, 3)
        assert walk(count=value).points.shape == (3, 2)
        assert explain.noise_patch(key=KEY, side=value).shape == (3, 3, 3)
    for number in half:
        assert arrange.inverse(jnp.eye(3), ridge=number)[0, 0] == pytest.approx(1 / 1.5)
        assert candidates(share=number).rows.ndim == 1
    assert walk(start=POINTS[0], end=jnp.asarray(POINTS[1])).points.shape == (20, 2)


def test_a_path_that_leaves_the_map_is_refused() -> None:
    for wrong in ((math.nan, 0.5), (0.5, math.inf), (-0.1, 0.5), (0.5, 1.1), (0.5,), 0.5, "0.5"):
        with pytest.raises(ValueError, match=r"^start: expected x and y from 0 to 1, got"):
            walk(start=wrong)
    with pytest.raises(ValueError, match=r"^points, vectors: expected one each, got 12 and 11"):
        explain.path_through_map(POINTS, TABLE[1:], start=POINTS[0], end=POINTS[1])


def test_a_position_outside_of_the_activation_is_refused() -> None:
    height, width, _ = tiny_network().run(tiny_params(), IMAGES[0], until="conv1").shape
    for function in (explain.evidence, explain.ablation):
        for wrong in ((height, 0), (0, width), (-1, 0), (0.5, 0.5), (0,), (True, False)):
            with pytest.raises(ValueError, match=rf"^position: expected .* of {height} x {width}"):
                function(*NETWORK, IMAGES[0], jnp.array(wrong), layer="conv1")


def test_what_a_program_computes_is_not_checked() -> None:
    inverse = jax.jit(lambda ridge: arrange.inverse(jnp.eye(3), ridge=ridge))
    np.testing.assert_allclose(inverse(1.0), np.eye(3) / 2)
    pasted = jax.jit(lambda size: explain.composite(IMAGES[0], IMAGES[0] + 1, size=size))
    assert pasted(0.5).sum() > 0
    image = functools.partial(visualize.resample, IMAGES[0], size=3)
    outside = visualize.View(jnp.full((2,), 5.0), jnp.asarray(1.0), jnp.asarray(0.0))
    assert jax.jit(lambda fill: image(outside, fill=fill))(0.5).tolist()[0][0] == [0.5] * 3


def test_moments_need_vectors_and_inverses_a_square() -> None:
    with pytest.raises(ValueError, match=r"^vectors: expected .*, got \(0, 3\)"):
        arrange.second_moment(jnp.zeros((0, 3)))
    with pytest.raises(ValueError, match=r"^moment: expected .*, got \(2, 3\)"):
        arrange.inverse(jnp.zeros((2, 3)), ridge=0.1)


@pytest.mark.parametrize(
    "wrong", [None, "1", ["a"], [[1], [1, 2]], {"a": 1}, [1j], object(), [None]]
)
def test_a_constant_is_of_real_numbers(wrong: Any) -> None:
    with pytest.raises(ValueError, match=r"^values: expected an array of real numbers, got "):
        Constant(wrong)
    assert Constant(jnp.ones(2, jnp.bfloat16)) == Constant([1, 1]) == Constant(Constant([1, 1]))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Adam(b2=1 - 1e-9), r"b2: expected above 0, below 1, got 0\.999999999"),
        (
            lambda: Adam(learning_rate=2000),
            "learning_rate: expected at most 1000 in magnitude, got",
        ),
        (lambda: RenderConfig(icon_size=10**6), "icon_size: expected at most 4096, got 1000000"),
        (lambda: RenderConfig(steps=2.5), r"steps: expected a whole number, got 2\.5"),
        (lambda: RenderConfig(optimizer={"b1": 0}), "optimizer: expected Adam, got dict"),
        (
            lambda: RenderConfig(views=RandomViews),
            "views: expected Views, got the class RandomViews",
        ),
        (lambda: RenderConfig(icon_size=30, views=ATLAS_NOTEBOOK), "canvas_size: .* got 30"),
        (
            lambda: RenderConfig(objective=Direction() - Opacity()),
            "parameterization: expected Alpha",
        ),
        (lambda: RenderConfig(icon_size=1, parameterization=MACO()), "size: .* can vary, got 1 px"),
        (
            lambda: RenderConfig(parameterization=Fourier(spectrum=SMALL)),
            "size: expected at most the 8 px of the spectrum, got 80",
        ),
        (
            lambda: RenderConfig(parameterization=Alpha(color=Fourier(spectrum=SMALL))),
            "size: expected at most the 8 px of the spectrum, got 80",
        ),
        (lambda: MACO(decay=(1, 2, 11)), "decay: expected at most 10 in magnitude, got 11"),
        (lambda: Fourier(spectrum=np.ones((8, 5))), "spectrum: expected Constant, got ndarray"),
        (lambda: CellConfig(icons=RenderConfig(objective=Channel())), "icons: .* are channels"),
        (
            lambda: BuildConfig(icons=RenderConfig(parameterization=Alpha())),
            "icons: expected a parameterization without opacity, got Alpha",
        ),
        (lambda: BuildConfig(layout={"n_neighbors": 5}), "layout: expected UMAP or TSNE, got dict"),
        (lambda: arrange.TSNE(perplexity=math.inf), "perplexity: expected at least 1, got inf"),
        (lambda: arrange.TSNE(learning_rate=math.inf), "learning_rate: expected above 0, got inf"),
        (lambda: Run(cache=7), "cache: expected a path, got 7"),
        (lambda: synthetic.Synthetic(3, key=KEY, classes="star"), "classes: expected names or ind"),
        (lambda: arrange.layout(TABLE, key=KEY, config={}), "config: expected UMAP or TSNE, got d"),
    ],
)
def test_what_would_fail_later_is_refused(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}"):
        make()


def test_opacity_needs_a_parameterization_that_has_it() -> None:
    objective = Direction() - 0.5 * Opacity()
    config = RenderConfig(objective=objective, parameterization=Alpha())
    assert config.objective.needs_opacity and not Direction().needs_opacity


class OwnViews:
    """Views of one's own."""

    size: int = 12
    fill: float = 1.0

    def draw(self, canvas_size: int, *, key: jax.Array) -> visualize.View:
        return visualize.whole_view()

    def typical(self, canvas_size: int) -> tuple[float, float]:
        return 1.0, 0.0


def test_settings_of_ones_own_are_used_if_they_can_be_static() -> None:
    make = functools.partial(dataclasses.make_dataclass, "Own", bases=(OwnViews,))
    frozen = make([], frozen=True)()
    assert RenderConfig(views=frozen).views is frozen
    with pytest.raises(ValueError, match=r"^views: expected a frozen dataclass, got OwnViews"):
        RenderConfig(views=OwnViews())
    with pytest.raises(ValueError, match=r"^views: expected a frozen dataclass, got Own"):
        RenderConfig(views=make([], eq=False)())
    with pytest.raises(ValueError, match=r"^views: expected settings that can be hashed, got Own"):
        RenderConfig(views=make(["steps"], frozen=True)([1]))
    with pytest.raises(ValueError, match=r"^objective: expected Objective, got Own"):
        RenderConfig(objective=frozen)


@pytest.mark.slow
@pytest.mark.parametrize(
    "extreme",
    [
        Fourier(spread=1000, decay=10),
        Fourier(spread=1e-30, decay=0),
        Pixels(spread=1000),
        MACO(decay=(10, 0, 10), contrast=1000),
        MACO(contrast=1e-30),
        Alpha(color=MACO(contrast=1000), spread=1000),
    ],
    ids=str,
)
def test_the_largest_and_smallest_settings_give_images(extreme: Any) -> None:
    size = 64
    icon = extreme.init(size, key=KEY)
    image, pull = jax.vjp(functools.partial(extreme.image, size=size), icon)
    assert 0 <= image.min() <= image.max() <= 1
    assert all(jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(pull(image)))


def test_the_steepest_spectrum_fits_float32() -> None:
    gain = visualize.frequency_gain(checks.MAX_SIDE, 3, decay=10)
    assert np.isfinite(1000 * gain).all() and gain.min() > 0


@pytest.mark.slow
@pytest.mark.parametrize(
    "views",
    [
        RandomViews(window=(1e-30, 1e30), rotate=1e30, pad=1e30, concentration=1000),
        RandomViews(window=(1, 1), rotate=0, pad=0, concentration=1, fill=0),
        dataclasses.replace(CHAIN, angles=(1e30, -1e30), scales=(0.5, 100)),
    ],
    ids=["wide", "fixed", "chain"],
)
def test_the_widest_views_are_finite(views: visualize.Views) -> None:
    image = jnp.full((80, 80, 3), 0.5)
    for number in range(3):
        view = views.draw(80, key=jax.random.key(number))
        assert all(jnp.isfinite(x).all() for x in view)
        shown = visualize.resample(image, view, size=8, fill=views.fill)
        assert 0 <= shown.min() <= shown.max() <= 1


def test_messages_are_one_short_line() -> None:
    for value in ("x" * 1000, np.zeros((50, 50)), 10**5000, "a\nb", object()):
        text = checks.shown(value)
        assert len(text) <= 60 and "\n" not in text
    assert checks.shown(np.float32(0.5)) == "0.5" and checks.shown(jnp.array(3)) == "3"


def test_a_run_takes_a_path_as_text() -> None:
    assert Run(cache="cache") == Run(cache=checks.path("cache", "cache"))
