"""Build an atlas of a network of your own: any pure functions, any images, no weights to fetch.

Usage: python examples/01_own_network.py OUT
"""

import sys

import jax
import jax.numpy as jnp
import numpy as np

import jatlas
from jatlas.arrange import UMAP
from jatlas.model import Network
from jatlas.visualize import RandomViews, RenderConfig


def convolve(name, stride):
    """Return a stage that convolves with params[name] and rectifies."""

    def stage(params, x):
        batch = x if x.ndim == 4 else x[None]
        y = jax.lax.conv_general_dilated(
            batch,
            params[name],
            (stride, stride),
            "SAME",
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        )
        return jax.nn.relu(y.reshape(*x.shape[:-3], *y.shape[1:]))

    return stage


def logits(params, x):
    """Average over positions and score three classes."""
    return x.mean(axis=(-3, -2)) @ params["logits"]


# Built once, at module level: a network is a static argument under jit.
NETWORK = Network(
    stages=(("first", convolve("first", 2)), ("second", convolve("second", 2)), ("logits", logits)),
    name="mine",
    classes=("stripes", "checks", "noise"),
    input_size=48,
)


def main():
    keys = jax.random.split(jax.random.key(0), 4)
    params = {
        "first": jax.random.normal(keys[0], (5, 5, 3, 16)) / 5,
        "second": jax.random.normal(keys[1], (3, 3, 16, 24)) / 12,
        "logits": jax.random.normal(keys[2], (24, 3)),
    }
    x = jnp.arange(48) / 48
    frequency = jax.random.uniform(keys[3], (60, 1, 1, 3), minval=2, maxval=20)
    waves = 0.5 + 0.5 * jnp.sin(2 * jnp.pi * frequency * (x[:, None] + x[None, :])[None, ..., None])
    atlas = jatlas.build(
        NETWORK,
        params,
        jatlas.collect.arrays(np.asarray(waves)),
        layers=("first", "second"),
        grids=(3, 6),
        key=jax.random.key(1),
        config=jatlas.BuildConfig(
            per_image=4,
            layout=UMAP(n_neighbors=15),
            render=RenderConfig(icon_size=32, steps=20, views=RandomViews(size=24)),
        ),
    )
    print(jatlas.save(atlas, sys.argv[1]))


if __name__ == "__main__":
    main()
