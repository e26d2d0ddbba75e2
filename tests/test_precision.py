"""Networks in half precision: what is sampled and saved is float32, and icons can be drawn."""

import functools
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from atlases import CONFIG, RUN
from faults import Killed, failing

import jatlas
from jatlas.build import _cells as cells
from jatlas.model import Network
from jatlas.types import Params

IMAGES = np.random.default_rng(0).integers(0, 256, (12, 16, 16, 3), np.uint8)
SELECTION = jatlas.ClassSelection(rule="magnitude", max_samples=20, size=2, layout=CONFIG.layout)

pytestmark = pytest.mark.slow


def conv(params: Params, x: jax.Array) -> jax.Array:
    """A layer in the precision of its parameters, as flax's `dtype` makes them."""
    kernel = params["kernel"]
    batch = x.reshape(-1, *x.shape[-3:]).astype(kernel.dtype)
    form = ("NHWC", "HWIO", "NHWC")
    found = jax.lax.conv_general_dilated(batch, kernel, (2, 2), "SAME", dimension_numbers=form)
    return jax.nn.relu(found.reshape(*x.shape[:-3], *found.shape[1:]))


def logits(params: Params, x: jax.Array) -> jax.Array:
    return x.mean((-3, -2)) @ params["dense"]


NETWORK = Network(stages=(("conv", conv), ("logits", logits)), name="half", input_size=16)


def params(dtype: str) -> Params:
    first, second = jax.random.split(jax.random.key(1))
    kernel, dense = jax.random.normal(first, (3, 3, 3, 8)), jax.random.normal(second, (8, 5))
    return {"kernel": (0.3 * kernel).astype(dtype), "dense": dense.astype(dtype)}


def build(dtype: str, out: Path | None = None) -> jatlas.Atlas:
    return jatlas.build(
        NETWORK, params(dtype), IMAGES,
        layers=("conv",), grids=(2,), key=jax.random.key(0), config=CONFIG, out=out, run=RUN,
    )  # fmt: skip


@functools.cache
def single() -> jatlas.Atlas:
    return build("float32")


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_an_atlas_of_a_network_in_half_precision(dtype: str, tmp_path: Path) -> None:
    out = tmp_path / "atlas"
    with pytest.raises(Killed), failing(cells, "_exemplars", Killed()):
        build(dtype, out)
    made = build(dtype, out)
    samples = jatlas.load(out).maps[0].samples
    for name, kind in (("vectors", "float32"), ("moment", "float32"), ("evidence", "float16")):
        stored = getattr(samples, name)
        assert stored.dtype == kind
        np.testing.assert_array_equal(stored, getattr(made.maps[0].samples, name))
        assert np.isfinite(stored).all()
    whole = single().maps[0].samples
    np.testing.assert_allclose(samples.vectors, whole.vectors, atol=0.05)
    likeliest = int(samples.evidence.astype(np.float32).mean(0).argmax())
    with_map = jatlas.class_map(
        NETWORK, params(dtype), made, likeliest, key=jax.random.key(0), selection=SELECTION, run=RUN
    )
    assert with_map.maps[1].kind == "class"


def test_evidence_beyond_half_precision_stays_finite() -> None:
    large = params("bfloat16") | {"dense": jnp.full((8, 5), 1e30, jnp.bfloat16)}
    found = jatlas.extract(
        NETWORK, large, IMAGES, np.arange(12), layers=("conv",), per_image=1, key=jax.random.key(0)
    )
    assert found["conv"].evidence.dtype == jnp.float16
    assert bool(jnp.isfinite(found["conv"].evidence).all())


def test_parameters_stay_as_they_are_unless_a_precision_is_asked_for() -> None:
    seen: set[str] = set()

    def spy(params: Params, x: jax.Array) -> jax.Array:
        seen.add(f"{params['kernel'].dtype} {x.dtype}")
        return conv(params, x)

    network = Network(stages=(("conv", spy), ("logits", logits)), input_size=16)
    for precision, expected in (
        (None, "bfloat16 float32"),
        ("float32", "float32 float32"),
        ("bfloat16", "bfloat16 bfloat16"),
    ):
        config = jatlas.RenderConfig(
            icon_size=12, steps=1, views=CONFIG.icons.views, precision=precision
        )
        jatlas.render(
            network, params("bfloat16"), np.eye(8)[:1],
            layer="conv", key=jax.random.key(0), config=config, run=RUN,
        )  # fmt: skip
        assert expected in seen
