"""How well an atlas recovers what is known: the classes of synthetic images.

Usage: jatlas demo --out ATLAS && python examples/05_recovery.py ATLAS
"""

import sys

import numpy as np

import jatlas
from jatlas import explain
from jatlas.arrange import cell_index
from jatlas.synthetic import CLASSES


def main(folder: str) -> None:
    atlas = jatlas.load(folder)
    network, params = jatlas.load_network(atlas.info["network"])
    # Image i of `jatlas demo` is of class i modulo the number of classes.
    assert atlas.info["source"]["kind"] == "synthetic"
    for each in atlas.maps:
        image = each.samples.source[:, 0]
        truth = image % len(CLASSES)
        near = explain.agreement(each.points, each.samples.vectors, truth, image)
        print(f"{each.layer}: {len(truth)} samples of {len(np.unique(image))} images")
        print(f"  nearest 10 of the same class: {near.points:.1%} on the map, "
              f"{near.vectors:.1%} among the vectors, {near.chance:.1%} by chance")  # fmt: skip
        for grid in each.grids:
            cell = np.asarray(cell_index(each.points, size=grid.size))
            rows, columns = np.divmod(grid.cells, grid.size)
            top = grid.evidence[rows, columns].argmax(1)
            pure = explain.purity(
                cell, truth, dict(zip(grid.cells.tolist(), top.tolist(), strict=True))
            )
            print(
                f"  {grid.size} x {grid.size}, {len(top)} cells: label is the majority class "
                f"{pure.majority:.1%}, samples of the label {pure.samples:.1%} "
                f"({pure.chance:.1%} by chance)"
            )
            most = np.array([np.bincount(truth[cell == number]).argmax() for number in grid.cells])
            for what, classes in (("label", top), ("majority class", most)):
                one, five = (
                    explain.recognized(network, params, grid.icons.images, classes, top=k).mean()
                    for k in (1, 5)
                )
                print(f"  icons taken for their {what}: first guess {one:.1%}, of five {five:.1%}")
    print(f"  by chance: {1 / len(CLASSES):.1%} and {5 / len(CLASSES):.1%}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
