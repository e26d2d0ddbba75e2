"""Which attribution says what a vector contributes to the classes, at what cost.

Usage: python examples/07_evidence.py ATLAS LAYER [EVERY]

ATLAS is of synthetic images, or of a folder of ImageNet photographs whose names begin with the
WordNet id of their class, such as n03400231_frying_pan.jpg; the folder must still exist. With
EVERY = 8, every eighth image is used. Prints a table in Markdown.
"""

import functools
import runpy
import sys
import time
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import tqdm

import jatlas
from jatlas.arrange import average, cell_index
from jatlas.collect import images_of
from jatlas.explain import ablation, evidence
from jatlas.model import CONFIGS, inception_v1

classes_of = runpy.run_path(str(Path(__file__).with_name("05_recovery.py")))["classes_of"]

PER_IMAGE = 4  # positions of each image, at most
SIZES, MIN_COUNT = (20, 10), 4  # of grids, and samples in a cell
TIMED, SPLITS = 12, 8  # images, and random halves of them

OF = "true class", "network's class"
COLUMNS = (
    "attribution", "time, linear = 1", "rank correlation with ablation to zero", "to the mean",
    *(f"{of} first / among five" for of in OF),
)  # fmt: skip
LAST = "other half of the images"


def after(network, params, image, layer):
    """Return the activation of a layer, and the logits as a function of what is added to it."""
    activation = network.apply(params, image, layers=(layer,)).activations[layer]
    return activation, lambda probe: network.apply(params, image, probes={layer: probe}).logits


def only(activation, position, base=0.0):
    """Return the vector at a position, less a base, with zeros everywhere else."""
    row, column = position
    return jnp.zeros_like(activation).at[row, column].set(activation[row, column] - base)


def along_path(network, params, image, position, *, layer, base, steps):
    """Integrate d logits / dt from the base to the vector, by midpoints."""
    activation, run = after(network, params, image, layer)
    change = only(activation, position, base)
    times = (np.arange(steps) + 0.5) / steps
    return sum(jax.jvp(run, ((t - 1) * change,), (change,))[1] for t in times.tolist()) / steps


def linear_from(network, params, image, position, *, layer, base):
    """Linearize at the vector, and go from the base to the vector."""
    activation, run = after(network, params, image, layer)
    return jax.linearize(run, jnp.zeros_like(activation))[1](only(activation, position, base))


def linear_at_half(network, params, image, position, *, layer):
    """Linearize where the whole layer is halved, and go from zero to the vector."""
    activation, run = after(network, params, image, layer)
    return jax.linearize(run, -activation / 2)[1](only(activation, position))


def ablation_to_image_mean(network, params, image, position, *, layer):
    """Put the mean of the image's own vectors in the place of the vector."""
    base = after(network, params, image, layer)[0].mean((0, 1))
    return ablation(network, params, image, position, layer=layer, base=base)


def attributions(network, mean):
    """Return functions of parameters, image, position and layer by name; linear first."""
    some, zero = functools.partial, jnp.zeros_like(mean)
    found = {
        "linear": some(evidence, network),
        "linear, from the mean": some(linear_from, network, base=mean),
        "linear, whole layer halved": some(linear_at_half, network),
    }
    for steps in (1, 2, 4):
        for name, base in (("zero", zero), ("the mean", mean)):
            path = some(along_path, network, base=base, steps=steps)
            found[f"path from {name}, {steps} step{'s' * (steps > 1)}"] = path
    if network.name in CONFIGS:
        relaxed = inception_v1(CONFIGS[network.name], relaxed=True)
        found["linear, relaxed pools"] = some(evidence, relaxed)
        path = some(along_path, relaxed, base=zero, steps=1)
        found["path from zero, 1 step, relaxed pools"] = path
    found["ablation to zero"] = some(ablation, network)
    found["ablation to the mean"] = some(ablation, network, base=mean)
    found["ablation to the image's mean"] = some(ablation_to_image_mean, network)
    return found


def tables_of(functions, params, layer, images, positions):
    """Return tables (n, classes) by name. All share a pass through the network up to the layer."""

    @jax.jit
    def explain(image, where):
        each = (functools.partial(f, params, image, layer=layer) for f in functions.values())
        return [jax.vmap(one)(where) for one in each]

    parts = [
        jax.device_get(explain(as_float(item.image), where))
        for item, where in zip(tqdm.tqdm(images, unit="image"), positions, strict=True)
    ]
    return dict(zip(functions, map(np.concatenate, zip(*parts, strict=True)), strict=True))


def seconds_of(functions, params, layer, images, positions):
    """Return by name the median seconds of an image: a pass through the network, and positions.

    The functions take turns. The first image compiles them, and is not timed.
    """

    def all_positions(function):
        def explain(image, where):
            return jax.vmap(functools.partial(function, params, image, layer=layer))(where)

        return jax.jit(explain)

    jitted = {name: all_positions(function) for name, function in functions.items()}
    seconds = {name: [] for name in jitted}
    for item, where in zip(images[:TIMED], positions, strict=False):
        image = as_float(item.image)
        for name, function in jitted.items():
            start = time.perf_counter()
            jax.block_until_ready(function(image, where))
            seconds[name].append(time.perf_counter() - start)
    return {name: float(np.median(each[1:])) for name, each in seconds.items()}


def as_float(image):
    """Return an image in [0, 1]: those of files are uint8."""
    scale = 255 if image.dtype == np.uint8 else 1
    return jnp.asarray(image / np.float32(scale), jnp.float32)


def derived(tables, logits):
    """Return tables that follow from others, by name, and the names of those."""
    found = {}
    for name in ("linear", "ablation to zero", "ablation to the mean"):
        table = tables[name]
        rest = table - table.mean(0)
        change = softmax(logits) - softmax(logits - table)
        found[f"{name}, centred"] = rest, name
        found[f"{name}, z-score"] = rest / (table.std(0) + 1e-9), name
        found[f"{name}, as a change of probability"] = change, name
    found["probability in the image, the same for all vectors"] = softmax(logits), "linear"
    return found


def softmax(logits):
    return np.asarray(jax.nn.softmax(jnp.asarray(logits), axis=1))


def source_of(atlas):
    """Return the images of an atlas, to read again."""
    known = atlas.info["source"]
    if known.get("kind") != "synthetic":
        return images_of(atlas.info, atlas.images)
    key = jax.random.wrap_key_data(jnp.array(known["key"], jnp.uint32))
    return jatlas.Synthetic(known["count"], key=key, size=known["size"])


def spearman(left, right):
    """Correlate the ranks of all classes row by row; return the mean."""
    middle = (left.shape[1] - 1) / 2
    left, right = (np.argsort(np.argsort(x, axis=1), axis=1) - middle for x in (left, right))
    lengths = np.sqrt((left**2).sum(1) * (right**2).sum(1))
    return ((left * right).sum(1) / lengths).mean()


def own_class(table, truth):
    """Return how often the class is first, and among the first five."""
    five = np.argsort(-table, axis=1, kind="stable")[:, :5]
    return [(five[:, 0] == truth).mean(), (five == truth[:, None]).any(1).mean()]


def of_cells(label, cell, full, truth):
    """Compare labels with the samples of their cells.

    Returns:
      The share of samples of their cell's label, of cells whose label is the class of at least one
      of their images, and of cells whose label is their most frequent class.
    """
    counts = [np.bincount(truth[cell == i], minlength=label.max() + 1) for i in full]
    right = np.array([each[label[i]] for each, i in zip(counts, full, strict=True)])
    largest = np.array([each.max() for each in counts])
    total = sum(each.sum() for each in counts)
    return [right.sum() / total, (right > 0).mean(), (right == largest).mean()]


def labels_of(table, points, size):
    """Return the class with the largest mean in each cell, row-major."""
    return np.asarray(average(table, points, size=size).mean).reshape(size**2, -1).argmax(1)


def held_out(table, points, image, five):
    """Label the cells of the coarsest grid by half of the images; judge by the other half.

    Returns:
      The share of held-out samples with their cell's label among the five classes that the network
      finds most probable for their image; mean over splits.
    """
    cell, shares = np.asarray(cell_index(points, size=SIZES[-1])), []
    for seed in range(SPLITS):
        half = np.random.default_rng(seed).random(image.max() + 1)[image] < 0.5
        label = labels_of(table[half], points[half], SIZES[-1])
        known = np.bincount(cell[half], minlength=len(label)) >= MIN_COUNT
        rows = np.flatnonzero(~half & known[cell])
        shares.append((five[rows] == label[cell[rows], None]).any(1).mean())
    return np.mean(shares)


class Known(NamedTuple):
    """What is known of the samples: of their images, the class and the network's five classes."""

    points: np.ndarray
    image: np.ndarray
    truth: np.ndarray
    five: np.ndarray


def row(name, table, tables, seconds, known):
    """Return a row of the table in Markdown."""
    agreement = [spearman(table, tables[f"ablation to {base}"]) for base in ("zero", "the mean")]
    cells = [name, f"{seconds:.2f}", *(f"{each:.3f}" for each in agreement)]
    classes = (known.truth, known.five[:, 0])
    cells += [shown(own_class(table, each)) for each in classes]
    for size in SIZES:
        cell = np.asarray(cell_index(known.points, size=size))
        full = np.flatnonzero(np.bincount(cell, minlength=size**2) >= MIN_COUNT)
        label = labels_of(table, known.points, size)
        cells += [shown(of_cells(label, cell, full, each)) for each in classes]
    cells.append(shown([held_out(table, known.points, known.image, known.five)]))
    return f"| {' | '.join(cells)} |"


def shown(shares):
    return " / ".join(f"{100 * x:.1f}" for x in shares)


def main(folder, layer, every="1"):
    atlas = jatlas.load(folder)
    network, params = jatlas.load_network(atlas.info["network"])
    classes, _ = classes_of(atlas, network)
    layer_map = atlas.layer(layer)
    source = layer_map.samples.source
    used = np.unique(source[:, 0])[:: int(every)]
    rows = [np.flatnonzero(source[:, 0] == image)[:PER_IMAGE] for image in used]
    images = list(source_of(atlas).reload(used.tolist()))
    positions = [source[each, 1:] for each in rows]
    functions = attributions(network, jnp.asarray(layer_map.samples.vectors).mean(0))
    seconds = seconds_of(functions, params, layer, images, positions)
    tables = tables_of(functions, params, layer, images, positions)
    run = jax.jit(functools.partial(network.run, params))
    logits = np.stack([run(as_float(item.image)) for item in images])
    logits, rows = np.repeat(logits, [len(each) for each in rows], axis=0), np.concatenate(rows)
    image = source[rows, 0]
    five = np.argsort(-logits, axis=1, kind="stable")[:, :5]
    known = Known(layer_map.points[rows], image, classes[image], five)
    print(
        f"{layer}: {len(rows)} samples of {len(used)} images; linear evidence takes "
        f"{1000 * seconds['linear']:.0f} ms for all positions of an image. Shares in percent.\n\n"
        f"| {' | '.join((*COLUMNS, *(f'{n} x {n}: {of}' for n in SIZES for of in OF), LAST))} |"
    )
    print("|---" * (len(COLUMNS) + len(OF) * len(SIZES) + 1) + "|")
    all_tables = {name: (table, name) for name, table in tables.items()} | derived(tables, logits)
    for name, (table, origin) in all_tables.items():
        ratio = seconds[origin] / seconds["linear"]
        print(row(name, table, tables, ratio, known), flush=True)


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    main(*sys.argv[1:])
