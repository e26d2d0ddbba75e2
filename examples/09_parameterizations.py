"""Icons of the same cells, optimized as a spectrum, as phases, as pixels, with opacity: rows.

Usage: jatlas build IMAGES --network googlenet_bvlc --layer mixed4c --grid 20 --out ATLAS
       python examples/09_parameterizations.py ATLAS PICTURE.png
"""

import sys
import time
from pathlib import Path

import jax
import numpy as np
from jatlas.storage._files import write_image

import jatlas
from jatlas import pixels
from jatlas.build import DrawConfig, directions
from jatlas.visualize import MACO, Alpha, Fourier, Pixels, RenderConfig, paper, render

ROWS = {
    "the article's settings, 512 steps": paper(),
    "default, 96 steps": RenderConfig(),
    "spectrum as lucid has it": RenderConfig(parameterization=Fourier()),
    "MACO: phases alone": RenderConfig(parameterization=MACO()),
    "pixels": RenderConfig(parameterization=Pixels()),
    "with opacity": RenderConfig(parameterization=Alpha(color=RenderConfig.parameterization)),
}
ICONS = 12


def on_checks(icons):
    """Lay what is transparent over a checkerboard."""
    if icons.shape[-1] == 3:
        return icons
    y, x = np.indices(icons.shape[1:3]) // 8
    board = np.where((y + x) % 2, 0.85, 1.0)[..., None]
    alpha = icons[..., 3:]
    return icons[..., :3] * alpha + board * (1 - alpha)


def main(folder, picture):
    atlas = jatlas.load(folder)
    network, params = jatlas.load_network(atlas.info["network"])
    each = atlas.maps[0]
    grid = each.grids[0]
    chosen = grid.cells[np.linspace(0, len(grid.cells) - 1, ICONS).round().astype(int)]
    means = grid.mean.reshape(-1, grid.mean.shape[-1])[chosen]
    aims = directions(means, each.samples.moment, config=DrawConfig())
    rows = []
    for name, config in ROWS.items():
        start = time.perf_counter()
        icons = render(
            network, params, aims, layer=each.layer, key=jax.random.key(0), config=config
        )
        seconds = time.perf_counter() - start
        print(f"{name}: mean cosine {icons.cosines.mean():.3f}, {seconds:.0f} s with compiling")
        rows.append(pixels.to_uint8(on_checks(icons.images)))
    px = rows[0].shape[1]
    sheet = np.stack(rows).transpose(0, 2, 1, 3, 4).reshape(len(rows) * px, ICONS * px, 3)
    write_image(Path(picture), sheet)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
