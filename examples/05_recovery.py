"""How well an atlas recovers what is known: the classes of synthetic images.

Usage: jatlas demo --out ATLAS && python examples/05_recovery.py ATLAS
"""

import sys

import numpy as np

import jatlas
from jatlas.arrange import cell_index
from jatlas.explain import agreement, purity, recognized
from jatlas.synthetic import CLASSES


def main(folder):
    atlas = jatlas.load(folder)
    network, params = jatlas.load_network(atlas.info["network"])
    # Image i of `jatlas demo` is of class i modulo the number of classes.
    if atlas.info["source"]["kind"] != "synthetic":
        sys.exit(f"{folder}: expected an atlas of synthetic images")
    for layer_map in atlas.maps:
        image = layer_map.samples.source[:, 0]
        truth = image % len(CLASSES)
        near = agreement(layer_map.points, layer_map.samples.vectors, truth, image)
        print(f"{layer_map.layer}: {len(truth)} samples of {len(np.unique(image))} images")
        print(
            f"  nearest 10 of the same class: {near.points:.1%} on the map, "
            f"{near.vectors:.1%} among the vectors, {near.chance:.1%} by chance"
        )
        for grid in layer_map.grids:
            report(network, params, layer_map, grid, truth)
    print(f"  by chance: {1 / len(CLASSES):.1%} and {5 / len(CLASSES):.1%}")


def report(network, params, layer_map, grid, truth):
    """Print how labels and icons of a grid agree with the classes of its samples."""
    cell = np.asarray(cell_index(layer_map.points, size=grid.size))
    counts = np.stack([np.bincount(truth[cell == i], minlength=len(CLASSES)) for i in grid.cells])
    names = {"majority class": counts.argmax(1)}
    print(f"  {grid.size} x {grid.size}, {len(grid.cells)} cells")
    if grid.evidence.any():
        top = grid.evidence[np.divmod(grid.cells, grid.size)].argmax(1)
        names = {"label": top} | names
        pure = purity(cell, truth, dict(zip(grid.cells.tolist(), top.tolist(), strict=True)))
        print(
            f"  label is the majority class {pure.majority:.1%}, samples of the label "
            f"{pure.samples:.1%} ({pure.chance:.1%} by chance)"
        )
    else:
        print("  no labels: what follows the layer gives no linear evidence for any class")
    for name, classes in names.items():
        first, five = (
            recognized(network, params, grid.icons.images, classes, top=k).mean() for k in (1, 5)
        )
        print(f"  icons classified as their {name}: top-1 {first:.1%}, top-5 {five:.1%}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
