"""An atlas of an Equinox model.

Usage: python examples/frameworks/equinox_cnn.py PHOTOS OUT
"""

import sys

import equinox
import jax

import jatlas


class Model(equinox.Module):
    """Yours, trained: anything that gives logits for one image (3, h, w)."""

    stem: equinox.nn.Conv2d
    block: equinox.nn.Conv2d
    head: equinox.nn.Linear

    def __init__(self, key):
        keys = jax.random.split(key, 3)
        self.stem = equinox.nn.Conv2d(3, 32, 7, stride=4, padding=3, key=keys[0])
        self.block = equinox.nn.Conv2d(32, 32, 3, padding=1, key=keys[1])
        self.head = equinox.nn.Linear(32, 10, key=keys[2])

    def __call__(self, x):
        x = self.stem(x)
        return self.head((x + self.block(jax.nn.relu(x))).mean((1, 2)))


def main(photos, out, config=None):
    key, inputs = jax.random.key(0), jatlas.model.IMAGENET
    network, params = jatlas.from_equinox(Model(key), layers=["block"], inputs=inputs)
    where = {"layers": ["block"], "grids": [8], "out": out}
    jatlas.build(network, params, photos, **where, key=key, config=config)


if __name__ == "__main__":
    main(*sys.argv[1:])
