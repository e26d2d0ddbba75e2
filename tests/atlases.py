"""Small atlases of the tiny network, which several test modules share."""

from pathlib import Path
from typing import Any

import jax
import numpy as np
from helpers import tiny_network, tiny_params
from PIL import Image

import jatlas
from jatlas import TSNE, BuildConfig, RandomViews, RenderConfig, Run, collect
from jatlas.storage import files

IMAGES, DAMAGED = 26, 5
LAYERS, GRIDS = ("conv1", "conv2"), (2, 3)
CONFIG = BuildConfig(
    per_image=3,
    layout=TSNE(perplexity=8),  # umap-learn compiles for ten seconds in every process
    icons=RenderConfig(icon_size=12, steps=3, views=RandomViews(size=10)),
)
RUN = Run(batch_size=12, chunk=4, progress=False)


def make_images(folder: Path) -> Path:
    """Fill a folder with small pictures, one of them damaged."""
    folder.mkdir()
    rng = np.random.default_rng(3)
    for number in range(IMAGES):
        coarse = rng.integers(0, 256, (4, 4, 3), np.uint8)
        Image.fromarray(coarse).resize((20, 20)).save(folder / f"{number:02d}.png")
    (folder / f"{DAMAGED:02d}.png").write_bytes(b"no picture")
    return folder


def build(images: Path, out: Path | None, **changes: Any) -> jatlas.Atlas:
    arguments: dict[str, Any] = {
        "layers": LAYERS,
        "grids": GRIDS,
        "key": jax.random.key(0),
        "config": CONFIG,
        "run": RUN,
    }
    network = changes.pop("network", tiny_network())
    return jatlas.build(network, tiny_params(), images, out=out, **(arguments | changes))


def build_arrays(content: Any) -> jatlas.Atlas:
    """Build an atlas of images in memory."""
    source = collect.arrays(content)
    return build(source, None, layers=("conv1",), grids=(2,))  # type: ignore[arg-type]


def differences(one: Path, other: Path) -> list[str]:
    """Name the files in which two folders differ, and the arrays in them with a few values."""
    trees = tree(one), tree(other)
    found = []
    for name in sorted(trees[0].keys() | trees[1].keys()):
        pair = [each.get(name) for each in trees]
        if pair[0] == pair[1]:
            continue
        found.append(name)
        if None not in pair and name.endswith(".npz"):
            arrays = [files.read_arrays(folder / name) for folder in (one, other)]
            for key in sorted(arrays[0].keys() & arrays[1].keys()):
                if not np.array_equal(arrays[0][key], arrays[1][key]):
                    found += [f"{key}: {each[key].ravel()[:8].tolist()}" for each in arrays]
    return found


def tree(folder: Path) -> dict[str, bytes]:
    """Return the content of every file under a folder."""
    paths = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}
