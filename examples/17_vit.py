"""An atlas of the vision transformer that comes with jatlas, at two depths, on synthetic images.

Usage: python examples/17_vit.py OUT && python examples/05_recovery.py OUT
"""

import dataclasses
import sys

import jax

import jatlas
from jatlas.build import recommended

LAYERS, GRID, IMAGES = ("block1", "block3"), 12, 1280


def main(out, images=IMAGES, grid=GRID, **changes):
    network, params = jatlas.load_network("textures_vit")
    suited = recommended(network, params, LAYERS)  # views as large as its images, among others
    layout = jatlas.UMAP(n_neighbors=30, min_dist=0.3)
    config = dataclasses.replace(suited, **{"per_image": 4, "layout": layout} | changes)
    source = jatlas.Synthetic(images, key=jax.random.key(0), size=network.input_size)
    jatlas.build(
        network, params, source, layers=LAYERS, grids=[grid], key=jax.random.key(1), out=out,
        config=config,
    )  # fmt: skip
    print(f"open {out}/index.html")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
