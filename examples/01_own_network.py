"""Build an atlas of a network of your own: any pure functions, any images, no weights to download.

Usage: python examples/01_own_network.py OUT
"""

import sys

import jax
import jax.numpy as jnp
import numpy as np

import jatlas


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
NETWORK = jatlas.Network(
    stages=(("first", convolve("first", 2)), ("second", convolve("second", 2)), ("logits", logits)),
    name="mine",
    classes=("stripes", "checks", "noise"),
    input_size=48,
)


def main(out):
    keys = jax.random.split(jax.random.key(0), 4)
    params = {
        "first": jax.random.normal(keys[0], (5, 5, 3, 16)) / 5,
        "second": jax.random.normal(keys[1], (3, 3, 16, 24)) / 12,
        "logits": jax.random.normal(keys[2], (24, 3)),
    }
    x = jnp.arange(48) / 48
    frequency = jax.random.uniform(keys[3], (60, 1, 1, 3), minval=2, maxval=20)
    waves = 0.5 + 0.5 * jnp.sin(2 * jnp.pi * frequency * (x[:, None] + x)[None, ..., None])
    jatlas.build(
        NETWORK,
        params,
        jatlas.arrays(np.asarray(waves)),
        layers=("first", "second"),
        grids=(3, 6),
        key=jax.random.key(1),
        config=jatlas.BuildConfig(
            per_image=4,
            layout=jatlas.UMAP(n_neighbors=15),
            icons=jatlas.RenderConfig(icon_size=32, steps=20, views=jatlas.RandomViews(size=24)),
        ),
        out=out,
    )
    print(f"open {out}/index.html")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
