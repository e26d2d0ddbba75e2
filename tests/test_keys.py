"""Random keys as callers have them: one kind inside, whatever kind comes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import tiny_network, tiny_params

from jatlas import RandomViews, RenderConfig, Run, render
from jatlas.cli._session import make_key
from jatlas.collect import draw_places
from jatlas.explain import noise_patch
from jatlas.types import GENERATOR, as_key


def same(one: jax.Array, other: jax.Array) -> bool:
    return bool((jax.random.key_data(one) == jax.random.key_data(other)).all())


@pytest.mark.parametrize("generator", ["threefry2x32", "rbg", "unsafe_rbg"])
def test_keys_of_every_kind_are_taken(generator: str) -> None:
    new = jax.random.key(7, impl=generator)
    with jax.default_prng_impl(generator):
        old = jax.random.PRNGKey(7)
    assert str(jax.random.key_impl(as_key(new))) == GENERATOR
    assert same(as_key(new), jax.jit(as_key)(new))
    assert not same(as_key(new), as_key(jax.random.key(8, impl=generator)))
    if generator != "unsafe_rbg":  # whose old keys look like those of rbg
        assert same(as_key(new), as_key(old))


def test_what_is_no_key_is_refused() -> None:
    wrong = [7, None, jnp.zeros(2), np.zeros(3, np.uint32), jax.random.split(jax.random.key(0))]
    for value in wrong:
        with pytest.raises(ValueError, match=r"^key: expected "):
            as_key(value)


def test_a_seed_is_a_key_of_its_own() -> None:
    with jax.default_prng_impl("rbg"):
        assert same(make_key(3), jax.random.key(3, impl="threefry2x32"))
    for seed in (-1, 2**32):
        with pytest.raises(ValueError, match=f"^seed: expected 0 to 4294967295, got {seed}"):
            make_key(seed)


def test_places_and_noise_are_the_same_with_old_keys() -> None:
    old, new = jax.random.PRNGKey(5), jax.random.key(5)
    for draw in (
        lambda key: draw_places(key=key, image=jnp.array(3), per_image=2),
        lambda key: noise_patch(key=key, side=4),
    ):
        np.testing.assert_array_equal(draw(old), draw(new))


@pytest.mark.slow
def test_icons_do_not_depend_on_the_chunk_whatever_the_generator() -> None:
    config = RenderConfig(icon_size=12, steps=3, views=RandomViews(size=10))
    targets = np.eye(8, dtype=np.float32)[:4]
    for key in (jax.random.key(1, impl="rbg"), jax.random.PRNGKey(1)):
        together, apart = (
            render(
                tiny_network(), tiny_params(), targets,
                layer="conv1", key=key, config=config, run=Run(chunk=chunk, progress=False),
            )
            for chunk in (4, 1)
        )  # fmt: skip
        np.testing.assert_allclose(together.images, apart.images, atol=1e-3)
        assert np.abs(together.images[0] - together.images[1]).max() > 0.05
