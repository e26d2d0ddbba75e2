"""What class evidence is worth, and whether the relaxed gradient of the article makes it better.

Usage: python examples/07_evidence.py ATLAS LAYER [EVERY]

ATLAS is one of a folder of ImageNet photographs whose names begin with the WordNet id of their
class, n03400231_frying_pan.jpg say; the folder must still be there. With EVERY = 8, every eighth
image is looked at. Prints a table in Markdown.
"""

import functools
import sys

import jax
import jax.numpy as jnp
import numpy as np

import jatlas
from jatlas.arrange import average, cell_index
from jatlas.build import images_of, layer_map
from jatlas.explain import ablation, evidence, purity
from jatlas.model import CONFIGS, inception_v1, wnids

ABLATED = 4  # places of each image whose vector is removed, to see what the logits really lose
SIZE, LEAST = 10, 4  # of the grid, and samples a cell must hold


def spearman(one, other):
    """Correlate the ranks of all classes row by row; return the mean."""
    middle = (one.shape[1] - 1) / 2
    one, other = (np.argsort(np.argsort(x, axis=1), axis=1) - middle for x in (one, other))
    return ((one * other).sum(1) / np.sqrt((one**2).sum(1) * (other**2).sum(1))).mean()


def main(folder, layer, every="1"):
    atlas = jatlas.load(folder)
    true, params = jatlas.load_network(atlas.info["network"])
    relaxed = inception_v1(CONFIGS[true.name], relaxed=True)
    index = {wnid: i for i, wnid in enumerate(wnids(true.name))}
    classes = np.array([index[name.split("/")[-1].split("_")[0]] for name in atlas.images])
    owner = layer_map(atlas, layer)

    @jax.jit
    def look(image, positions):
        """Return true and relaxed evidence at some positions, and what ablation loses at a few."""
        activation = true.run(params, image, until=layer)

        def at(function, network, where):
            one = functools.partial(function, network, params, activation, layer=layer)
            return jax.vmap(one)(where)

        few = positions[:ABLATED]
        return (
            at(evidence, true, positions),
            at(evidence, relaxed, positions),
            at(ablation, true, few),
        )

    used = np.unique(owner.samples.source[:, 0])[:: int(every)]
    rows = [np.flatnonzero(owner.samples.source[:, 0] == i) for i in used]
    images = images_of(atlas.info, atlas.images).reload(used.tolist())
    found = [
        [np.asarray(x) for x in look(jnp.asarray(item.image / np.float32(255)),
                                     owner.samples.source[where, 1:])]
        for item, where in zip(images, rows, strict=True)
    ]  # fmt: skip
    tables = {
        name: np.concatenate([x[k] for x in found]) for k, name in enumerate(("true", "relaxed"))
    }
    lost = np.concatenate([x[2] for x in found])
    ablated = np.concatenate([np.arange(ABLATED) + k * len(rows[0]) for k in range(len(rows))])
    rows = np.concatenate(rows)
    truth, points = classes[owner.samples.source[rows, 0]], owner.points[rows]
    cell = np.asarray(cell_index(points, size=SIZE))
    full = np.flatnonzero(np.bincount(cell, minlength=SIZE**2) >= LEAST)
    print(f"{layer}: {len(rows)} samples of {len(used)} images, {len(full)} cells of {SIZE} x "
          f"{SIZE}, {len(lost)} ablations\n\n| gradient | a sample's own class first / in five | "
          "samples of their cell's label (by chance) | label is the most frequent class of a cell "
          "| rank correlation with ablation |\n|---|---|---|---|---|")  # fmt: skip
    for name, table in tables.items():
        five = np.argsort(-table, axis=1)[:, :5]
        first, among = (five[:, 0] == truth).mean(), (five == truth[:, None]).any(1).mean()
        means = np.asarray(average(table, points, size=SIZE).mean).reshape(SIZE**2, -1)
        pure = purity(cell, truth, {int(i): int(means[i].argmax()) for i in full})
        print(f"| {name} | {first:.1%} / {among:.1%} | {pure.samples:.1%} ({pure.chance:.1%}) | "
              f"{pure.majority:.1%} | {spearman(table[ablated], lost):.3f} |")  # fmt: skip


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    main(*sys.argv[1:])
