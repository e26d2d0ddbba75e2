"""How well an atlas recovers what is known: the classes of its images.

Usage: jatlas demo --out ATLAS && python examples/05_recovery.py ATLAS

ATLAS is of synthetic images, or of a folder of ImageNet photographs whose names begin with the
WordNet id of their class, such as n03400231_frying_pan.jpg.
"""

import sys

import numpy as np

import jatlas
from jatlas import synthetic
from jatlas.arrange import cell_index
from jatlas.explain import agreement, name_accuracy, predictions, purity, recognized
from jatlas.model import wnids


def main(folder):
    atlas = jatlas.load(folder)
    network, params = jatlas.load_network(atlas.info["network"])
    classes, count = classes_of(atlas, network)
    for layer_map in atlas.maps:
        image = layer_map.samples.source[:, 0]
        truth = classes[image]
        near = agreement(layer_map.points, layer_map.samples.vectors, truth, image)
        print(f"{layer_map.layer}: {len(truth)} samples of {len(np.unique(image))} images")
        print(
            f"  nearest 10 of the same class: {near.points:.1%} on the map, "
            f"{near.vectors:.1%} among the vectors, {near.chance:.1%} by chance"
        )
        for grid in layer_map.grids:
            cell = np.asarray(cell_index(layer_map.points, size=grid.size))
            table = np.stack([np.bincount(truth[cell == i], minlength=count) for i in grid.cells])
            cosine = grid.icons.cosines.mean()
            print(f"  {grid.size} x {grid.size}, {len(table)} cells, mean cosine {cosine:.3f}")
            report_names(atlas, layer_map, grid, truth, table)
            report_classes(network, params, grid, table, truth, cell)
            report_samples(network, params, grid.icons.images, table > 0)
    print(f"  one class by chance: {1 / count:.1%} and {5 / count:.1%}")


def classes_of(atlas, network):
    """Return the class of each image, and how many classes there are."""
    if atlas.info["source"].get("kind") == "synthetic":
        count = len(synthetic.CLASSES)  # image i is of class i modulo this
        return np.arange(len(atlas.images)) % count, count
    index = {wnid: i for i, wnid in enumerate(wnids(network.name))}
    ids = [name.split("/")[-1].split("_")[0] for name in atlas.images]
    if not all(each in index for each in ids):
        sys.exit("expected synthetic images, or photographs whose names begin with WordNet ids")
    return np.array([index[each] for each in ids]), len(index)


def report_names(atlas, layer_map, grid, truth, table):
    """Print how the names of cells agree with the true classes of their images."""
    if grid.names is None or atlas.labels is None:
        return
    hierarchy = atlas.labels.hierarchy
    image = layer_map.samples.source[:, 0]
    found = name_accuracy(
        grid.names, layer_map.points, truth, image, hierarchy, size=grid.size, cells=grid.cells
    )
    print(
        f"  {found.named:.1%} of the cells have a name: {found.held_out:.1%} of the images it was "
        f"not chosen on are of it ({found.chance:.1%} by chance), in {found.absent:.1%} no image is"
    )
    majority = np.flatnonzero(table.max(1) > table.sum(1) / 2)
    if len(majority):
        best = [hierarchy.names[i] for i in table[majority].argmax(1)]
        right = [grid.names[i] == name for i, name in zip(majority.tolist(), best, strict=True)]
        print(
            f"  a class that more than half of its samples are of: {len(majority)} cells, of which "
            f"{np.mean(right):.1%} are named by it"
        )


def report_classes(network, params, grid, table, truth, cell):
    """Print how labels and icons agree with the class that most samples of their cell are of."""
    names = {"majority class": table.argmax(1)}
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


def report_samples(network, params, icons, present):
    """Print how often an icon is classified as one of the classes that its cell has samples of."""
    guesses = predictions(network, params, icons, top=5)
    right = present[:, guesses]  # (cells, icons, 5): each icon beside the samples of each cell
    own = right[np.arange(len(icons)), np.arange(len(icons))]
    print(
        f"  icons classified as a class of their samples: top-1 {own[:, 0].mean():.1%} "
        f"({right[..., 0].mean():.1%} for the samples of any cell), "
        f"top-5 {own.any(1).mean():.1%} ({right.any(2).mean():.1%})"
    )


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
