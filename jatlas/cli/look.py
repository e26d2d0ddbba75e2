"""`jatlas look` and `jatlas walk`."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
from tyro.conf import OmitArgPrefixes, Positional

from jatlas.build import DrawConfig, check_network, directions
from jatlas.cli._options import IconOptions
from jatlas.cli._session import use_all_cores
from jatlas.cli.maps import icons_for
from jatlas.collect import Preprocess, decode
from jatlas.model import Network, load_network
from jatlas.pixels import sprite, to_uint8
from jatlas.records import Map
from jatlas.storage import _files as files
from jatlas.storage import load
from jatlas.types import HostArray, Params


@dataclasses.dataclass(frozen=True, kw_only=True)
class LookOptions:
    """What looking at an image and walking through a map have in common.

    Attributes:
      layer: layer of the atlas. Without it, its only one.
      seed: seeds the icons.
      icons: settings of the icons.
    """

    layer: str | None = None
    seed: int = 0
    icons: OmitArgPrefixes[IconOptions] = IconOptions()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Look(LookOptions):
    """Show one image as a layer sees it, and where that lies on an atlas.

    Writes grid.png, an icon for each position, the larger the more active; and places.png, the
    cells of the atlas that the positions fall into, in frames of the colours that the positions
    have on the image beside it.

    Attributes:
      atlas: folder of the atlas.
      image: file of the image.
      out: folder to write to.
    """

    atlas: Positional[Path]
    image: Positional[Path]
    out: Path

    def run(self) -> None:
        """Draw both and say where they are."""
        import jax.numpy as jnp

        from jatlas.explain import activation_grid, find_on_map

        use_all_cores()
        network, params, owner = _load(self.atlas, self.layer)
        pixels = decode(self.image, preprocess=Preprocess(size=network.input_size))
        image = jnp.asarray(pixels, jnp.float32) / 255
        seen = activation_grid(network, params, image, layer=owner.layer)
        found = find_on_map(seen.directions, owner.samples.vectors, owner.points)
        places = _places(pixels, np.asarray(found.points), owner)
        files.write_image(self.out / "places.png", places)
        print(self.out / "places.png", flush=True)
        rows, columns, channels = seen.directions.shape
        table = np.asarray(seen.directions).reshape(-1, channels)
        icons = _icons(network, params, table, owner, self)
        sides = np.asarray(seen.magnitudes).ravel()
        small = np.stack([_shrunk(x, side) for x, side in zip(icons, sides, strict=True)])
        files.write_image(self.out / "grid.png", _sheet(small, rows, columns))
        print(self.out / "grid.png")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Walk(LookOptions):
    """Show what lies on a straight line through the map of a layer, as a row of icons.

    Attributes:
      atlas: folder of the atlas.
      out: file of the picture, a PNG.
      start: x and y where it begins: 0 0 is the top left corner of the map, 1 1 the last.
      end: x and y where it ends.
      count: icons.
      samples: nearest samples that are averaged for each icon.
    """

    atlas: Positional[Path]
    out: Path
    start: tuple[float, float]
    end: tuple[float, float]
    count: int = 20
    samples: int = 20

    def run(self) -> None:
        """Draw it, and say where the map is too empty to go by."""
        import jax.numpy as jnp

        from jatlas.explain import path_through_map

        use_all_cores()
        network, params, owner = _load(self.atlas, self.layer)
        line = path_through_map(
            jnp.asarray(owner.points), jnp.asarray(owner.samples.vectors),
            start=jnp.asarray(self.start),
            end=jnp.asarray(self.end), count=self.count, samples=self.samples,
        )  # fmt: skip
        icons = _icons(network, params, np.asarray(line.directions), owner, self)
        files.write_image(self.out, _sheet(icons, 1, self.count))
        reach = " ".join(f"{x:.2f}" for x in line.radius.tolist())
        print(f"{self.out}: the samples of each icon lie within {reach} of the line")


def _load(folder: Path, layer: str | None) -> tuple[Network, Params, Map]:
    atlas = load(folder)
    network, params = load_network(atlas.info["network"])
    check_network(atlas, network, params)
    return network, params, atlas.layer(layer)


def _icons(
    network: Network, params: Params, vectors: HostArray, owner: Map, options: LookOptions
) -> HostArray:
    """Draw icons of vectors as an atlas does: (m, px, px, 3) uint8."""
    import jax

    from jatlas.visualize import render

    found = render(
        network, params, directions(vectors, owner.samples.moment, config=DrawConfig()),
        layer=owner.layer, key=jax.random.key(options.seed),
        config=icons_for(options.icons, network, params, layer=owner.layer),
    )  # fmt: skip
    return to_uint8(found.images)


def _sheet(icons: HostArray, rows: int, columns: int) -> HostArray:
    """Lay (rows * columns, px, px, 3) pictures out in rows."""
    px = icons.shape[1]
    table = icons.reshape(rows, columns, px, px, 3).transpose(0, 2, 1, 3, 4)
    return table.reshape(rows * px, columns * px, 3)


def _shrunk(icon: HostArray, share: float) -> HostArray:
    """Scale an icon to a share of its size, in the middle of white."""
    from PIL import Image

    px = len(icon)
    side = max(round(float(share) * px), 1)
    start = (px - side) // 2
    small = Image.fromarray(icon).resize((side, side), Image.Resampling.LANCZOS)
    white = np.full_like(icon, 255)
    white[start : start + side, start : start + side] = np.asarray(small)
    return white


def _places(pixels: HostArray, points: HostArray, owner: Map) -> HostArray:
    """Draw an image under a colour for each position, and the map's cells framed in them."""
    from PIL import Image

    from jatlas.arrange import cell_index

    grid = owner.grids[0]
    px = grid.icons.images.shape[1]
    side, frame = grid.size * px, max(px // 10, 1)
    colours = _colours(*points.shape[:2])
    tint = Image.fromarray(colours).resize((side, side), Image.Resampling.NEAREST)
    image = Image.blend(Image.fromarray(pixels).resize((side, side)), tint, 0.35)
    faded = (255 - (255 - grid.icons.images.astype(np.int32)) // 5).astype(np.uint8)
    cells = np.asarray(cell_index(points.reshape(-1, 2), size=grid.size))
    for cell in np.unique(cells):
        # A cell may hold too few samples for an icon; then it is not on the map.
        for place in np.flatnonzero(grid.cells == cell):
            faded[place] = colours.reshape(-1, 3)[cells == cell].mean(0)
            inside = slice(frame, px - frame)
            faded[place, inside, inside] = grid.icons.images[place, inside, inside]
    between = np.full((side, px // 2, 3), 255, np.uint8)
    laid_out = sprite(faded, grid.cells, size=grid.size)
    return np.concatenate([np.asarray(image), between, laid_out], axis=1)


def _colours(rows: int, columns: int) -> HostArray:
    """Return a colour for each position: the lower the more red, the farther right the greener."""
    y, x = np.meshgrid(np.linspace(0, 1, rows), np.linspace(0, 1, columns), indexing="ij")
    return np.round(255 * np.stack([y, x, 1 - (x + y) / 2], axis=-1)).astype(np.uint8)
