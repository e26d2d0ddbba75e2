"""Use the stages one by one, under your own jit, vmap and grad.

Usage: python examples/02_stages.py FOLDER_OF_IMAGES PICTURE.png
"""

import functools
import sys

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image

import jatlas
from jatlas.arrange import inverse, nearest_neighbors, second_moment, whiten
from jatlas.collect import pick
from jatlas.pixels import contact_sheet, to_uint8

LAYER = "mixed4c"


def main(folder, picture):
    network, params = jatlas.load_network("googlenet_bvlc")
    loaded = jatlas.folder(folder, size=network.input_size, limit=16).load()
    images = jnp.stack([item.image for item in loaded if item.image is not None]) / 255

    # Activations of a batch: written for one image; vmap makes the batch, jit goes around it.
    run = functools.partial(network.run, params, until=LAYER)
    activations = jax.jit(jax.vmap(run))(images)
    print(f"{LAYER}: {activations.shape}")

    # The centre of each image: its activation vector, and the classes it is evidence for.
    center = jnp.array([activations.shape[1] // 2, activations.shape[2] // 2])
    vectors = jax.vmap(lambda x: pick(x, center[None])[0])(activations)
    attribute = functools.partial(jatlas.evidence, network, params, position=center, layer=LAYER)
    for evidence in jax.jit(jax.vmap(lambda image: attribute(image=image)))(images[:4]):
        best = np.argsort(-evidence)[:3]
        print(", ".join(f"{network.classes[i]} {evidence[i]:.2f}" for i in best))

    # The nearest neighbour of each image in that layer.
    print(nearest_neighbors(vectors, k=2).indices[:, 1])

    # A gradient of your own: how to change the image for more of the same activation.
    def strength(image):
        return jnp.vdot(network.run(params, image, until=LAYER)[7, 7], vectors[0])

    print(f"gradient with respect to the image: {jax.jit(jax.grad(strength))(images[0]).shape}")

    # Icons of the whitened vectors, all at once.
    moment = second_moment(activations.reshape(-1, activations.shape[-1]))
    directions = whiten(vectors, inverse(moment, ridge=1e-2))
    icons = jatlas.render(
        network,
        params,
        directions,
        layer=LAYER,
        key=jax.random.key(0),
        config=jatlas.RenderConfig(steps=16),
    )
    Image.fromarray(contact_sheet(to_uint8(icons.images), columns=4)).save(picture)
    print(f"wrote {picture}")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
