"""An atlas of a Flax Linen module.

Usage: python examples/frameworks/flax_linen.py PHOTOS OUT
"""

import sys

import jax
import jax.numpy as jnp
from flax import linen

import jatlas


class Model(linen.Module):
    """Yours: anything that gives logits for (n, h, w, 3)."""

    @linen.compact
    def __call__(self, x, train=True):
        x = linen.Conv(32, (7, 7), strides=4)(x)
        x = linen.BatchNorm(use_running_average=not train)(x)
        x = x + linen.Conv(32, (3, 3), name="block")(linen.relu(x))
        return linen.Dense(10)(x.mean((1, 2)))


def main(photos, out, config=None):
    variables = Model().init(jax.random.key(0), jnp.zeros((1, 224, 224, 3)))  # yours are trained
    about = {"inputs": jatlas.model.IMAGENET, "arguments": {"train": False}}
    network, params = jatlas.from_linen(Model(), variables, layers=["block"], **about)
    jatlas.build(
        network, params, photos, layers=["block"], grids=[8], key=jax.random.key(0), out=out,
        config=config,
    )  # fmt: skip


if __name__ == "__main__":
    main(*sys.argv[1:])
