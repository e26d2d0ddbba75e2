"""How often a patch succeeds, against plain loops."""

from collections import Counter

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import CLASSES, tiny_network, tiny_params

from jatlas.explain import CORNERS, Attack, attack, composite, rates

RNG = np.random.default_rng(3)
SHAPE = (20, 26, 3)
PATCH = jnp.asarray(RNG.random((13, 31, 3)), jnp.float32)
SIZES = (0.3, 0.7)


run = jax.jit(tiny_network().run)


def probabilities(image: jnp.ndarray) -> np.ndarray:
    logits = np.asarray(run(tiny_params(), image), np.float64)
    return np.exp(logits) / np.exp(logits).sum()


@pytest.mark.slow
def test_an_attack_equals_a_loop_over_images() -> None:
    images = [jnp.asarray(RNG.random(SHAPE), jnp.float32) for _ in range(4)]
    plain = [probabilities(image) for image in images]
    source = Counter(int(p.argmax()) for p in plain).most_common(1)[0][0]
    target = (source + 1) % CLASSES
    found = attack(
        tiny_network(),
        tiny_params(),
        images,
        PATCH,
        source=source,
        target=target,
        sizes=SIZES,
        progress=False,
    )
    assert found.correct.tolist() == [int(p.argmax()) == source for p in plain]
    known = np.flatnonzero(found.correct)
    np.testing.assert_allclose(found.before, [plain[n][target] for n in known], rtol=1e-4)
    assert found.target.shape == found.flipped.shape == (len(known), 2, 4)
    for n, image in enumerate(images[n] for n in known):
        for i, size in enumerate(SIZES):
            for j, corner in enumerate(CORNERS):
                p = probabilities(composite(image, PATCH, size=size, corner=corner))
                np.testing.assert_allclose(found.target[n, i, j], p[target], rtol=1e-4)
                assert found.flipped[n, i, j] == (p.argmax() == target)


def test_rates_count_as_the_article_does() -> None:
    # Three recognized images and one that is not, two sizes, one corner.
    target = np.array([[0.9, 0.1], [0.4, 0.6], [0.3, 0.45]])[..., None]
    flipped = np.array([[1, 0], [0, 1], [0, 1]], bool)[..., None]
    before = np.array([0.1, 0.2, 0.3])
    found = rates(Attack(np.array([True, True, True, False]), before, target, flipped))
    assert found.images == 3
    assert found.place == (1, 0)
    assert found.static == pytest.approx(2 / 3)
    assert found.dynamic == pytest.approx(1)
    assert found.before == pytest.approx(0.2)
    assert found.static_target == pytest.approx((0.1 + 0.6 + 0.45) / 3)
    assert found.dynamic_target == pytest.approx((0.9 + 0.6 + 0.45) / 3)


def test_of_places_with_equal_successes_the_more_probable_is_best() -> None:
    target = np.array([[[0.2, 0.3], [0.4, 0.1]]])
    never = np.zeros((1, 2, 2), bool)
    found = rates(Attack(np.array([True]), np.array([0.1]), target, never))
    assert (found.place, found.static, found.dynamic) == ((1, 0), 0, 0)
    none = rates(Attack(np.array([False]), np.zeros(0), target[:0], never[:0]))
    assert none.images == 0
    assert np.isnan([none.static, none.dynamic]).all()


def test_the_best_place_of_an_image_is_one_that_succeeds_if_there_is_any() -> None:
    # At the first place another class has more than 0.45; at the second, 0.4 is the most.
    target = np.array([[[0.45], [0.4]]])
    found = rates(Attack(np.array([True]), np.array([0.1]), target, np.array([[[False], [True]]])))
    assert (found.static, found.dynamic, found.dynamic_target) == (1, 1, 0.4)
    rng = np.random.default_rng(0)
    for _ in range(20):
        target, flipped = rng.random((6, 3, 4)), rng.random((6, 3, 4)) < 0.3
        found = rates(Attack(np.ones(6, bool), np.zeros(6), target, flipped))
        assert found.dynamic == flipped.any((1, 2)).mean() >= found.static


def test_no_images_and_sizes_out_of_range_are_refused() -> None:
    arguments = (tiny_network(), tiny_params())
    with pytest.raises(ValueError, match="images: expected at least one"):
        attack(*arguments, [], PATCH, source=0, target=1, progress=False)
    with pytest.raises(ValueError, match="sizes: expected 0 to 1"):
        attack(*arguments, [PATCH], PATCH, source=0, target=1, sizes=(-1,), progress=False)
