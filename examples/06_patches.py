"""What adversarial patches do to photographs: those of the article, and those read off an atlas.

Usage: python examples/06_patches.py IMAGES PATCHES OUT [ATLAS]

IMAGES is a folder of ImageNet photographs named NUMBER_class_name.jpg. PATCHES holds the article's
patches, noodles-01.jpg to train-10.jpg, its random.jpg and the base_*.jpg of its examples. With an
atlas (jatlas build IMAGES --layer mixed5b --per-image 20 --out ATLAS) patches are read off it too.
Prints tables in Markdown; pictures are written to OUT.
"""

import sys
from pathlib import Path

import jax
import numpy as np
from matplotlib.figure import Figure
from PIL import Image, ImageEnhance

import jatlas
from jatlas.collect import Preprocess, decode
from jatlas.explain import CORNERS, SIZES, attack, rates, sweep
from jatlas.model import find_class

PAIRS = (  # source, target, patches
    ("snorkel", "scuba diver", "train"),
    ("grey whale", "great white shark", "baseball"),
    ("frying pan", "wok", "noodles"),
)
SINGLE = ("train-10", (0.4,)), ("baseball-01", (0.3, 0.4)), ("noodles-03", (0.4,))
# Published in the article: patch size, percent of source and of target.
ARTICLE = (
    ((0, 55.60, 13.49), (0.2, 51.21, 16.12), (0.4, 4.49, 71.28)),
    ((0, 90.95, 0.71), (0.4, 4.07, 66.70)),
    ((0, 76.52, 15.83), (0.4, 28.17, 66.13)),
)
RATES = ("65 % / 85 %", "19 % / 40 %", "26 % / 45 %")  # of up to 1000 photographs each
VARIATIONS = 3  # of each photograph
LAYER = "mixed5b"


def floats(image):
    return np.asarray(image, np.float32) / 255


def read(path):
    return floats(Image.open(path).convert("RGB"))


def base(patches, source):
    return read(patches / f"base_{source.replace(' ', '_')}.jpg")


def variations(image, seed):
    """Yield a photograph, then random crops, flips and colour changes of it."""
    rng, whole = np.random.default_rng(seed), Image.fromarray(np.uint8(np.round(image * 255)))
    yield image
    for _ in range(VARIATIONS):
        side = int(whole.width * rng.uniform(0.75, 1))
        x, y = rng.integers(0, whole.width - side + 1, 2).tolist()
        cut = whole.crop((x, y, x + side, y + side)).resize(whole.size, Image.Resampling.LANCZOS)
        if rng.random() < 0.5:
            cut = cut.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        for enhance in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
            cut = enhance(cut).enhance(rng.uniform(0.7, 1.3))
        yield floats(cut)


def photographs(images, patches, source):
    """Return the photographs of a class: the article's, and those of the folder."""
    found = sorted(images.glob(f"*_{source.replace(' ', '_')}.jpg"))
    here = [floats(decode(path, preprocess=Preprocess(size=224))) for path in found]
    return [base(patches, source), *here]


def singles(network, params, patches):
    """Print the article's single examples, with the patch in the top left corner."""
    print("| image | patch | size | most probable, % | article, % |\n|---|---|---|---|---|")
    for (source, target, _), (patch, sizes), there in zip(PAIRS, SINGLE, ARTICLE, strict=True):
        sizes = (0, *sizes)
        found = sweep(
            network, params, base(patches, source), read(patches / f"{patch}.jpg"),
            sizes=sizes, corners=CORNERS[:1],
        )  # fmt: skip
        published = {size: f"{source} {a}, {target} {b}" for size, a, b in there}
        for size, row in zip(sizes, 100 * np.asarray(found)[:, 0], strict=True):
            best = ", ".join(f"{network.classes[i]} {row[i]:.1f}" for i in np.argsort(-row)[:3])
            what = f"{patch} | {size}" if size else "none |"
            print(f"| {source} | {what} | {best} | {published.get(size, '')} |")


def plots(network, params, patches, out):
    """Plot probability against the size of the patch; crosses are the article's numbers."""
    figure = Figure(figsize=(11, 3.2), layout="constrained")
    sizes = np.arange(0, 0.8, 0.02).round(2).tolist()
    panels = zip(figure.subplots(1, 3), PAIRS, SINGLE, ARTICLE, strict=True)
    for axes, (*pair, _), (patch, _), published in panels:
        found = sweep(
            network, params, base(patches, pair[0]), read(patches / f"{patch}.jpg"),
            sizes=sizes, corners=CORNERS[:1],
        )  # fmt: skip
        table = 100 * np.asarray(found)[:, 0]
        where, *percents = zip(*published, strict=True)
        for name, there in zip(pair, percents, strict=True):
            curve = table[:, find_class(name, network.classes)]
            (line,) = axes.plot(sizes, curve, label=name)
            axes.plot(where, there, "x", color=line.get_color(), markersize=8)
        last = int(table[-1].argmax())
        axes.plot(sizes, table[:, last], color="0.6", label=network.classes[last])
        axes.set(title=f"{pair[0]} + {patch}", xlim=(-0.02, 0.79), ylim=(0, 101))
        axes.set(xlabel="side of the patch / side of the image", ylabel="probability (%)")
        axes.legend(frameon=False, fontsize=8)
    figure.savefig(out / "sweeps.png", dpi=110)


def line(name, *results):
    """Return a table row: the mean rates of several patches on the same images."""
    static, dynamic, before, static_target, dynamic_target = (
        np.mean([getattr(x, field) for x in results])
        for field in ("static", "dynamic", "before", "static_target", "dynamic_target")
    )
    shares = f"{static:.0%} / {dynamic:.0%}"
    return f"| {name} | {shares} | {before:.1%} | {static_target:.1%} / {dynamic_target:.1%} |"


def quantify(network, params, images, patches, out, atlas, pair, published):
    """Print how often patches change the prediction from one class to another."""
    source, target, kind = pair
    left, right = (find_class(name, network.classes) for name in (source, target))
    real = photographs(images, patches, source)
    many = [variant for i, image in enumerate(real) for variant in variations(image, i)]

    def test(patch):
        found = attack(
            network, params, many, patch, source=left, target=right, batch_size=24, progress=False
        )  # all sizes and corners at once
        return rates(found)

    noise = test(read(patches / "random.jpg"))
    print(
        f"\n### {source} to {target}\n\n{len(real)} photographs and {VARIATIONS} variations of "
        f"each: {len(many)} images, of which the network classifies {noise.images} correctly; "
        f"these are attacked. The article over its 10 patches, static / dynamic: {published}.\n\n"
        "| patch | static / dynamic | target before | target after |\n|---|---|---|---|"
    )
    print(line("noise", noise), flush=True)
    if atlas is not None:
        key = jax.random.key(0)
        search = jatlas.find_patches(
            network, params, atlas, source=left, target=right, key=key, layer=LAYER
        )
        for i, crop in enumerate(search.patches):
            Image.fromarray(crop.pixels).save(out / f"{kind}-read-{i}.png")
            name = f"read off cell {crop.cell}: {network.classes[crop.shows]}"
            print(line(name, test(floats(crop.pixels))), flush=True)
    ten = []
    for path in sorted(patches.glob(f"{kind}-*.jpg")):
        ten.append(test(read(path)))
        print(line(path.stem, ten[-1]), flush=True)
    print(line(f"{kind}, mean of {len(ten)}", *ten), flush=True)


def main(images, patches, out, atlas=None):
    network, params = jatlas.load_network("googlenet_bvlc")
    out.mkdir(parents=True, exist_ok=True)
    singles(network, params, patches)
    plots(network, params, patches, out)
    print(f"\nSizes tried: {SIZES}. Static is the best size and corner for all, dynamic for each.")
    known = None if atlas is None else jatlas.load(atlas)
    for pair, published in zip(PAIRS, RATES, strict=True):
        quantify(network, params, images, patches, out, known, pair, published)


if __name__ == "__main__":
    if len(sys.argv) not in (4, 5):
        sys.exit(__doc__)
    main(*map(Path, sys.argv[1:]))
