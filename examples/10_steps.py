"""How soon the default settings reach what 512 steps of plain Adam reach, in the same views.

Usage: jatlas build IMAGES --network googlenet_bvlc --layer mixed4c --grid 10 --out ATLAS
       python examples/10_steps.py ATLAS
"""

import dataclasses
import sys
import time

import jax
import numpy as np

import jatlas
from jatlas.build import DrawConfig, directions
from jatlas.cli._session import use_all_cores
from jatlas.types import Run
from jatlas.visualize import RenderConfig, paper, render

ICONS = 64
STEPS = (48, 64, 80, 96, 128)


def main(folder):
    use_all_cores()
    atlas = jatlas.load(folder)
    network, params = jatlas.load_network(atlas.info["network"])
    each = atlas.maps[0]
    grid = each.grids[0]
    cells = grid.cells[:ICONS]
    means = grid.mean.reshape(-1, grid.mean.shape[-1])[cells]
    aims = directions(means, each.samples.moment, config=DrawConfig())

    def measure(config):
        """Return the mean cosine, and the seconds of a first and a second time."""
        seconds = []
        for _ in range(2):
            start = time.perf_counter()
            icons = render(
                network, params, aims, layer=each.layer, key=jax.random.key(0), config=config,
                ids=cells, run=Run(progress=False),
            )  # fmt: skip
            seconds.append(time.perf_counter() - start)
        return float(np.mean(icons.cosines)), *seconds

    print(f"{len(cells)} cells of {each.layer}")
    ours = RenderConfig(retry_below=-1)
    plain = dataclasses.replace(paper(), views=ours.views, retry_below=-1)
    cosine, *whole = measure(plain)
    print(f"plain Adam, {plain.steps} steps: cosine {cosine:.4f}", end=", ")
    print(f"{whole[1]:.1f} s, {whole[0]:.1f} s with compiling")
    for steps in STEPS:
        cosine, *took = measure(dataclasses.replace(ours, steps=steps))
        share, with_compiling = (100 * a / b for a, b in zip(took[::-1], whole[::-1], strict=True))
        print(f"default, {steps} steps: cosine {cosine:.4f}", end=", ")
        print(f"{took[1]:.1f} s ({share:.0f} %)", end=", ")
        print(f"{took[0]:.1f} s with compiling ({with_compiling:.0f} %)")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(*sys.argv[1:])
