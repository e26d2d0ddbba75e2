"""Use the stages one by one, under your own jit, vmap and grad.

Usage: python examples/02_stages.py FOLDER_OF_IMAGES PICTURE.png
"""

import functools
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

import jatlas
from jatlas import pixels
from jatlas.arrange import _whiten as whiten
from jatlas.arrange import nearest_neighbors
from jatlas.collect import _sample as sample
from jatlas.explain import evidence
from jatlas.storage._files import write_image
from jatlas.types import Run
from jatlas.visualize import RenderConfig, render

LAYER = "mixed4c"


def main():
    network, params = jatlas.load_network("googlenet_bvlc")
    loaded = jatlas.collect.folder(sys.argv[1], limit=16).load()
    images = jnp.stack([item.image for item in loaded if item.image is not None]) / 255

    # Activations of a batch: write it for one image, vmap makes the batch, jit goes around that.
    one = functools.partial(network.run, params, until=LAYER)
    activations = jax.jit(jax.vmap(one))(images)
    print(f"{LAYER}: {activations.shape}")

    # The middle of each image: its vector, and what that speaks for.
    middle = jnp.array([activations.shape[1] // 2, activations.shape[2] // 2])
    vectors = jax.vmap(lambda x: sample.pick(x, middle[None])[0])(activations)
    attribute = functools.partial(evidence, network, params, position=middle, layer=LAYER)
    for speaks_for in jax.jit(jax.vmap(lambda x: attribute(activation=x)))(activations)[:4]:
        best = np.argsort(-speaks_for)[:3]
        print(", ".join(f"{network.classes[i]} {speaks_for[i]:.2f}" for i in best))

    # Which of the images look alike there?
    print(nearest_neighbors(vectors, k=2).indices[:, 1])

    # A gradient of your own: how the image would have to change for more of the same.
    def strength(image):
        return jnp.vdot(network.run(params, image, until=LAYER)[7, 7], vectors[0])

    print(f"gradient on the image: {jax.jit(jax.grad(strength))(images[0]).shape}")

    # Icons of the vectors, whitened, all at once.
    moment = whiten.second_moment(activations.reshape(-1, activations.shape[-1]))
    directions = whiten.whiten(vectors, whiten.inverse(moment, ridge=1e-2))
    icons = render(
        network,
        params,
        directions,
        layer=LAYER,
        key=jax.random.key(0),
        config=RenderConfig(steps=16),
        run=Run(chunk=16),
    )
    sheet = pixels.sprite(pixels.to_uint8(icons.images), np.arange(len(directions)), size=4)
    write_image(Path(sys.argv[2]), sheet)


if __name__ == "__main__":
    main()
