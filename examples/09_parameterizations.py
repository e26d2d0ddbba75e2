"""Icons of the same cells, optimized as a spectrum, as phases, as pixels, with opacity: rows.

Usage: jatlas build IMAGES --network googlenet_bvlc --layer mixed4c --grid 20 --out ATLAS
       python examples/09_parameterizations.py ATLAS PICTURE.png
"""

import sys
import time

import jax
import numpy as np
from PIL import Image

import jatlas
from jatlas import MACO, Fourier, RenderConfig
from jatlas.build import directions
from jatlas.pixels import contact_sheet, to_uint8
from jatlas.visualize import Alpha, Pixels

ROWS = {
    "the article's settings, 512 steps": jatlas.paper(),
    "default, 96 steps": RenderConfig(),
    "spectrum of lucid": RenderConfig(parameterization=Fourier()),
    "MACO: only phases": RenderConfig(parameterization=MACO()),
    "pixels": RenderConfig(parameterization=Pixels()),
    "with opacity": RenderConfig(parameterization=Alpha(color=RenderConfig.parameterization)),
}
ICONS = 12


def over_checkerboard(icons):
    """Composite transparent icons over a checkerboard."""
    if icons.shape[-1] == 3:
        return icons
    y, x = np.indices(icons.shape[1:3]) // 8
    board = np.where((y + x) % 2, 0.85, 1.0)[..., None]
    alpha = icons[..., 3:]
    return icons[..., :3] * alpha + board * (1 - alpha)


def main(folder, picture):
    atlas = jatlas.load(folder)
    network, params = jatlas.load_network(atlas.info["network"])
    layer_map = atlas.maps[0]
    grid = layer_map.grids[0]
    cells = grid.cells[np.linspace(0, len(grid.cells) - 1, ICONS).round().astype(int)]
    means = grid.mean.reshape(-1, grid.mean.shape[-1])[cells]
    targets = directions(means, layer_map.samples.moment, config=jatlas.CellConfig())
    rows = []
    for name, config in ROWS.items():
        start = time.perf_counter()
        icons = jatlas.render(
            network,
            params,
            targets,
            layer=layer_map.layer,
            key=jax.random.key(0),
            config=config,
        )
        seconds = time.perf_counter() - start
        print(f"{name}: mean cosine {icons.cosines.mean():.3f}, {seconds:.0f} s with compiling")
        rows.append(to_uint8(over_checkerboard(icons.images)))
    Image.fromarray(contact_sheet(np.concatenate(rows), columns=ICONS)).save(picture)
    print(f"wrote {picture}")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
