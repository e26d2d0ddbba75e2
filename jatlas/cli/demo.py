"""`jatlas demo`."""

from __future__ import annotations

import dataclasses
import logging
import tempfile
import time
import webbrowser
from pathlib import Path

import jax

from jatlas.arrange import UMAP
from jatlas.build import BuildConfig, build
from jatlas.cli import _session as session
from jatlas.records import Atlas
from jatlas.show import PAGE
from jatlas.synthetic import CLASSES, Synthetic
from jatlas.visualize import Adam, Direction, RandomViews, RenderConfig

log = logging.getLogger(__name__)

NETWORK = "textures"
LAYER, MORE_LAYERS = "mixed4c", ("mixed4e",)
GRID, MORE_GRIDS = 22, (11,)
IMAGES = 1_920
# Whitened, the icons of this narrow network show what tells a cell from all others, which is mostly
# noise. Not whitened, and close to their direction, they show what the images look like.
# The classes are islands to the layout; a large distance within them fills the plane.
# The images are full of what they show, to the edges, and so are icons whose views go anywhere:
# for 86 % of 213 the network had what their cell is of most among five guesses, for 81 % with
# views near the middle.
CONFIG = BuildConfig(
    per_image=4,
    min_count=3,
    whiten=False,
    layout=UMAP(n_neighbors=60, min_dist=0.9),
    icons=RenderConfig(
        objective=Direction(power=4),
        views=RandomViews(concentration=1),
        optimizer=Adam(learning_rate=0.08),
    ),
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Demo:
    """Build an atlas from nothing: images and network are jatlas's own. Needs no internet.

    Attributes:
      out: folder to write; without it, a new one in the folder for temporary files.
      full: whether to map a second layer and add a coarser grid.
      seed: decides the images and all else that is random.
      browser: whether to open the page, if there is a browser.
    """

    out: Path | None = None
    full: bool = False
    seed: int = 0
    browser: bool = True

    @property
    def resumes(self) -> bool:
        """Whether the same command goes on after an interruption."""
        return self.out is not None

    def run(self) -> None:
        """Build the atlas, say what was made, and open it."""
        begin = time.perf_counter()
        session.compile_faster()
        out = self.out or Path(tempfile.mkdtemp(prefix="jatlas-")) / "atlas"
        if self.out is None:
            log.info("building in %s; if it is interrupted, --out %s resumes", out, out)
        layers = (LAYER, *MORE_LAYERS) if self.full else (LAYER,)
        grids = (GRID, *MORE_GRIDS) if self.full else (GRID,)
        atlas = make_atlas(out, layers=layers, grids=grids, seed=self.seed)
        print(
            f"{len(atlas.images)} images of {len(CLASSES)} kinds, {CONFIG.per_image} places of "
            f"each, through the network {NETWORK!r}:"
        )
        for atlas_map in atlas.maps:
            for grid in atlas_map.grids:
                print(
                    f"  {atlas_map.layer} {grid.size} x {grid.size}: {len(grid.cells)} cells, mean "
                    f"cosine of icon and cell {float(grid.icons.cosines.mean()):.2f}"
                )
        print(f"{time.perf_counter() - begin:.0f} s in all. Open {out / PAGE}")
        if self.browser:
            _open(out / PAGE)


def make_atlas(
    out: Path,
    *,
    layers: tuple[str, ...] = (LAYER,),
    grids: tuple[int, ...] = (GRID,),
    images: int = IMAGES,
    config: BuildConfig = CONFIG,
    seed: int = 0,
) -> Atlas:
    """Build an atlas of the network `textures` on synthetic images.

    Args:
      out: folder to write.
      layers: names of the layers.
      grids: cells along each side.
      images: how many.
      config: settings.
      seed: decides the images and all else that is random.
    """
    network, params = session.open_network(NETWORK)
    for_images, for_atlas = jax.random.split(session.make_key(seed))
    source = Synthetic(images, key=for_images, size=network.input_size)
    return build(
        network, params, source,
        layers=layers, grids=grids, key=for_atlas, config=config, out=out,
    )  # fmt: skip


def _open(page: Path) -> None:
    """Open a page in the browser, if there is one."""
    try:
        webbrowser.get()
    except webbrowser.Error:
        log.info("there is no browser here: copy the folder to where there is one")
        return
    webbrowser.open(page.resolve().as_uri())
