"""Where on a map the evidence for a class is: icons fade with its heat.

Usage: python examples/14_heat.py ATLAS CLASS PICTURE.png

Left, icons of cells with evidence for the class; right, of cells with evidence against it, on the
same scale. CLASS is a name or an index. Evidence means most in late layers, such as mixed5b.
"""

import sys

import numpy as np
from PIL import Image

import jatlas
from jatlas.explain import class_heat
from jatlas.pixels import WHITE, mosaic


def faded(grid, heat):
    """Lay out the icons of a grid with the heat (size, size) as their opacity."""
    alpha = np.asarray(heat)[np.divmod(grid.cells, grid.size)][:, None, None, None]
    icons = WHITE + alpha * (grid.icons.images - np.float32(WHITE))
    icons = icons.round().astype(np.uint8)
    return mosaic(icons, grid.cells, size=grid.size, px=icons.shape[1])


def main(folder, name, picture):
    atlas = jatlas.load(folder)
    index = jatlas.find_class(name, atlas.classes)
    grid = atlas.maps[0].grids[0]
    heat = class_heat(grid.evidence, index=index)
    for sign, values in (("for", heat.positive), ("against", heat.negative)):
        best = np.asarray(values)[np.divmod(grid.cells, grid.size)].argmax()
        row, column = divmod(int(grid.cells[best]), grid.size)
        print(f"most evidence {sign} {atlas.classes[index]}: cell ({row}, {column})")
    sides = [faded(grid, heat.positive), faded(grid, heat.negative)]
    Image.fromarray(np.concatenate(sides, axis=1)).save(picture)
    print(f"wrote {picture}")


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
