"""How reliable class evidence is, and whether the relaxed gradient of the article improves it.

Usage: python examples/07_evidence.py ATLAS LAYER [EVERY]

ATLAS is an atlas of an InceptionV1, of a folder of ImageNet photographs whose names begin with the
WordNet id of their class, such as n03400231_frying_pan.jpg; the folder must still exist. With
EVERY = 8, every eighth image is used. Prints a table in Markdown.
"""

import functools
import runpy
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

import jatlas
from jatlas.arrange import average, cell_index
from jatlas.build import images_of
from jatlas.explain import ablation, evidence, purity
from jatlas.model import CONFIGS, inception_v1

classes_of = runpy.run_path(str(Path(__file__).with_name("05_recovery.py")))["classes_of"]

ABLATED = 4  # positions of each image whose vector is removed, to see what the logits really lose
SIZE, MIN_COUNT = 10, 4  # of the grid, and samples in a cell


def spearman(left, right):
    """Correlate the ranks of all classes row by row; return the mean."""
    middle = (left.shape[1] - 1) / 2
    left, right = (np.argsort(np.argsort(x, axis=1), axis=1) - middle for x in (left, right))
    return ((left * right).sum(1) / np.sqrt((left**2).sum(1) * (right**2).sum(1))).mean()


def make_measurement(true, relaxed, params, layer):
    """Return (image, positions) -> true and relaxed evidence, and what ablation of a few loses."""

    @jax.jit
    def measure(image, positions):
        def at(function, network, where):
            return jax.vmap(functools.partial(function, network, params, image, layer=layer))(where)

        few = positions[:ABLATED]
        return (
            at(evidence, true, positions),
            at(evidence, relaxed, positions),
            at(ablation, true, few),
        )

    return measure


def main(folder, layer, every="1"):
    atlas = jatlas.load(folder)
    true, params = jatlas.load_network(atlas.info["network"])
    if true.name not in CONFIGS:
        raise ValueError(f"{folder}: expected an atlas of {', '.join(CONFIGS)}, got {true.name}")
    relaxed = inception_v1(CONFIGS[true.name], relaxed=True)
    classes, _ = classes_of(atlas, true)
    layer_map = atlas.layer(layer)
    source = layer_map.samples.source
    used = np.unique(source[:, 0])[:: int(every)]
    rows = [np.flatnonzero(source[:, 0] == image) for image in used]
    measure = make_measurement(true, relaxed, params, layer)
    images = images_of(atlas.info, atlas.images).reload(used.tolist())
    parts = [
        jax.device_get(measure(jnp.asarray(item.image / np.float32(255)), source[where, 1:]))
        for item, where in zip(images, rows, strict=True)
    ]
    by_gradient = [np.concatenate(part) for part in zip(*parts, strict=True)]
    lost = by_gradient.pop()
    starts = np.cumsum([0, *map(len, rows[:-1])])
    ablated = np.concatenate(
        [
            start + np.arange(min(ABLATED, len(where)))
            for start, where in zip(starts, rows, strict=True)
        ]
    )
    rows = np.concatenate(rows)
    truth, points = classes[source[rows, 0]], layer_map.points[rows]
    cell = np.asarray(cell_index(points, size=SIZE))
    full = np.flatnonzero(np.bincount(cell, minlength=SIZE**2) >= MIN_COUNT)
    print(
        f"{layer}: {len(rows)} samples of {len(used)} images, {len(full)} cells of {SIZE} x "
        f"{SIZE}, {len(lost)} ablations\n\n| gradient | own class of a sample, top-1 / top-5 | "
        "samples of their cell's label (by chance) | label is the most frequent class of a cell "
        "| rank correlation with ablation |\n|---|---|---|---|---|"
    )
    for name, table in zip(("true", "relaxed"), by_gradient, strict=True):
        five = np.argsort(-table, axis=1)[:, :5]
        first, among = (five[:, 0] == truth).mean(), (five == truth[:, None]).any(1).mean()
        means = np.asarray(average(table, points, size=SIZE).mean).reshape(SIZE**2, -1)
        pure = purity(cell, truth, {int(i): int(means[i].argmax()) for i in full})
        print(
            f"| {name} | {first:.1%} / {among:.1%} | {pure.samples:.1%} ({pure.chance:.1%}) | "
            f"{pure.majority:.1%} | {spearman(table[ablated], lost):.3f} |"
        )


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    main(*sys.argv[1:])
