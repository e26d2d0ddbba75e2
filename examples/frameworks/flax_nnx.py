"""An atlas of a Flax NNX model.

Usage: python examples/frameworks/flax_nnx.py PHOTOS OUT
"""

import sys

import jax
from flax import nnx

import jatlas


class Model(nnx.Module):
    """Yours, with its trained parameters: anything that gives logits for (n, h, w, 3)."""

    def __init__(self, rngs):
        self.stem = nnx.Conv(3, 32, (7, 7), strides=4, rngs=rngs)
        self.blocks = nnx.List([nnx.Conv(32, 32, (3, 3), rngs=rngs) for _ in range(2)])
        self.head = nnx.Linear(32, 10, rngs=rngs)

    def __call__(self, x):
        x = self.stem(x)
        for block in self.blocks:
            x = x + block(nnx.relu(x))
        return self.head(x.mean((1, 2)))


def main(photos, out, config=None):
    network, params = jatlas.from_nnx(Model(nnx.Rngs(0)), inputs=jatlas.model.IMAGENET)
    print(network.layer_shapes(params))  # all there are, to choose from
    jatlas.build(
        network, params, photos, layers=["blocks.1"], grids=[8], key=jax.random.key(0), out=out,
        config=config,
    )  # fmt: skip


if __name__ == "__main__":
    main(*sys.argv[1:])
