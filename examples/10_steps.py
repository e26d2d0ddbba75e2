"""How soon the default settings reach what 512 steps of plain Adam reach, with the same views.

Usage: jatlas build IMAGES --network googlenet_bvlc --layer mixed4c --grid 10 --out ATLAS
       python examples/10_steps.py ATLAS

A CPU is measured as the commands use it with the environment variables that README.md names for
XLA's memory.
"""

import dataclasses
import os
import sys
import time

import jax
import numpy as np

import jatlas
from jatlas.build import directions

ICONS = 64
STEPS = (48, 64, 80, 96, 128)


def main(folder):
    jax.config.update("jax_num_cpu_devices", os.cpu_count() or 1)  # one per core, as the commands
    atlas = jatlas.load(folder)
    network, params = jatlas.load_network(atlas.info["network"])
    layer_map = atlas.maps[0]
    grid = layer_map.grids[0]
    cells = grid.cells[:ICONS]
    means = grid.mean.reshape(-1, grid.mean.shape[-1])[cells]
    targets = directions(means, layer_map.samples.moment, config=jatlas.CellConfig())

    def measure(config):
        """Return the mean cosine, and the seconds of a first and a second run."""
        seconds = []
        for _ in range(2):
            start = time.perf_counter()
            icons = jatlas.render(
                network,
                params,
                targets,
                layer=layer_map.layer,
                key=jax.random.key(0),
                config=config,
                ids=cells,
                run=jatlas.Run(progress=False),
            )
            seconds.append(time.perf_counter() - start)
        return float(np.mean(icons.cosines)), *seconds

    print(f"{len(cells)} cells of {layer_map.layer}")
    default = jatlas.RenderConfig(retry_below=-1)
    adam = dataclasses.replace(jatlas.paper(), views=default.views, retry_below=-1)
    cosine, first, second = measure(adam)
    print(f"plain Adam, {adam.steps} steps: cosine {cosine:.4f}", end=", ")
    print(f"{second:.1f} s, {first:.1f} s with compiling")
    for steps in STEPS:
        cosine, *seconds = measure(dataclasses.replace(default, steps=steps))
        print(f"default, {steps} steps: cosine {cosine:.4f}", end=", ")
        print(f"{seconds[1]:.1f} s ({seconds[1] / second:.0%})", end=", ")
        print(f"{seconds[0]:.1f} s with compiling ({seconds[0] / first:.0%})")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
