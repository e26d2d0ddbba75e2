"""`jatlas look`."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import jax.numpy as jnp
import numpy as np
from PIL import Image
from tyro.conf import Positional

from jatlas.arrange import cell_index
from jatlas.cli._look import LookOptions, OpenLayer
from jatlas.cli._options import Place
from jatlas.cli._pictures import naming
from jatlas.collect import Preprocess, decode, preprocess_of
from jatlas.explain import activation_grid, find_on_map
from jatlas.pixels import WHITE, contact_sheet, mosaic
from jatlas.records import Map
from jatlas.storage import check_folder, files
from jatlas.types import HostArray

_LONGEST = 4096  # side of the map in pixels, at most


@dataclasses.dataclass(frozen=True, kw_only=True)
class Look(LookOptions):
    """Show one image as a layer sees it, and where that lies on an atlas.

    Writes grid.png, an icon for each position, the larger the more active; and places.png, the
    cells of the atlas that the positions fall into, in frames of the colours that the positions
    have on the image beside it.

    Attributes:
      atlas: folder of the atlas, or its URL.
      image: file of the image.
      out: folder to write to.
    """

    atlas: Positional[Place]
    image: Positional[Path]
    out: Path

    def run(self) -> None:
        """Draw both and say where they are."""
        check_folder(self.out)
        opened = OpenLayer.of(self.atlas, self)
        # The image is made a square as the atlas's own were.
        preprocess = preprocess_of(opened.atlas.info) or Preprocess(size=opened.network.input_size)
        with naming(self.image):
            pixels = decode(self.image, preprocess=preprocess)
        image = jnp.asarray(pixels, jnp.float32) / 255
        seen = activation_grid(opened.network, opened.params, image, layer=opened.map.layer)
        found = find_on_map(seen.directions, opened.map.samples.vectors, opened.map.points)
        places = _places(pixels, np.asarray(found.points), opened.map)
        files.write_image(self.out / "places.png", places)
        print(self.out / "places.png", flush=True)
        _, columns, channels = seen.directions.shape
        icons = opened.icons(np.asarray(seen.directions).reshape(-1, channels), seed=self.seed)
        shares = np.asarray(seen.magnitudes).ravel()
        small = np.stack([_shrunk(x, share) for x, share in zip(icons, shares, strict=True)])
        files.write_image(self.out / "grid.png", contact_sheet(small, columns=columns))
        print(self.out / "grid.png")


def _shrunk(icon: HostArray, share: float) -> HostArray:
    """Scale an icon to a share of its size, in the middle of white."""
    px = len(icon)
    side = max(round(float(share) * px), 1)
    start = (px - side) // 2
    small = Image.fromarray(icon).resize((side, side), Image.Resampling.LANCZOS)
    white = np.full_like(icon, WHITE)
    white[start : start + side, start : start + side] = np.asarray(small)
    return white


def _places(pixels: HostArray, points: HostArray, atlas_map: Map) -> HostArray:
    """Draw an image under a colour for each position, and the map's cells framed in them."""
    grid = atlas_map.grids[0]
    px = min(grid.icons.images.shape[1], max(_LONGEST // grid.size, 1))
    side, frame = grid.size * px, max(px // 10, 1)
    colours = _colours(*points.shape[:2])
    tint = Image.fromarray(colours).resize((side, side), Image.Resampling.NEAREST)
    image = Image.blend(Image.fromarray(pixels).resize((side, side)), tint, 0.35)
    icons = mosaic(grid.icons.images, grid.cells, size=grid.size, px=px)
    laid_out = WHITE - (WHITE - icons) // 5
    by_cell = (grid.size, px, grid.size, px, 3)
    strong, faded = icons.reshape(by_cell), laid_out.reshape(by_cell)
    cells = np.asarray(cell_index(points.reshape(-1, 2), size=grid.size))
    inside = slice(frame, px - frame)
    # A cell may hold too few samples for an icon; then it is not on the map.
    for cell in np.intersect1d(cells, grid.cells):
        row, column = divmod(int(cell), grid.size)
        faded[row, :, column] = colours.reshape(-1, 3)[cells == cell].mean(0)
        faded[row, inside, column, inside] = strong[row, inside, column, inside]
    between = np.full((side, px // 2, 3), WHITE, np.uint8)
    return np.concatenate([np.asarray(image), between, laid_out], axis=1)


def _colours(rows: int, columns: int) -> HostArray:
    """Return a colour for each position: redder downwards, greener to the right."""
    y, x = np.meshgrid(np.linspace(0, 1, rows), np.linspace(0, 1, columns), indexing="ij")
    return np.round(255 * np.stack([y, x, 1 - (x + y) / 2], axis=-1)).astype(np.uint8)
