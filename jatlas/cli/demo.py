"""`jatlas demo`."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import tempfile
import time
import webbrowser
from collections.abc import Iterator
from pathlib import Path

from jatlas.arrange import UMAP
from jatlas.build import BuildConfig, build
from jatlas.build import _cells as drawing
from jatlas.cli._session import use_all_cores
from jatlas.model import load_network
from jatlas.show import _export as export
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
    render=RenderConfig(
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

    def run(self) -> None:
        """Build the atlas, say what was made, and open it."""
        import jax

        use_all_cores()
        begin = time.perf_counter()
        network, params = load_network(NETWORK)
        for_images, for_atlas = jax.random.split(jax.random.key(self.seed))
        out = self.out or Path(tempfile.mkdtemp(prefix="jatlas-")) / "atlas"
        with _stages() as took:
            atlas = build(
                network,
                params,
                Synthetic(IMAGES, key=for_images, size=network.input_size),
                layers=(LAYER, *MORE_LAYERS) if self.full else (LAYER,),
                grids=(GRID, *MORE_GRIDS) if self.full else (GRID,),
                key=for_atlas,
                config=CONFIG,
                out=out,
            )
        print(
            f"{IMAGES} images of {len(CLASSES)} kinds, {CONFIG.per_image} places of each, through "
            f"the network {network.name!r}:"
        )
        for each in atlas.maps:
            for grid in each.grids:
                print(
                    f"  {each.layer} {grid.size} x {grid.size}: {len(grid.cells)} cells, mean "
                    f"cosine of icon and cell {float(grid.icons.cosines.mean()):.2f}"
                )
        print(*took, sep="\n", end="\n" if took else "")
        print(f"{time.perf_counter() - begin:.0f} s in all. Open {out / export.PAGE}")
        if self.browser:
            _open(out / export.PAGE)


@contextlib.contextmanager
def _stages() -> Iterator[list[str]]:
    """Gather the lines in which the stages of a build say how long they took."""
    lines: list[str] = []

    class Gather(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.funcName == drawing.timed.__name__:
                lines.append(f"  {record.getMessage()}")

    gather = Gather()
    drawing.log.addHandler(gather)
    try:
        yield lines
    finally:
        drawing.log.removeHandler(gather)


def _open(page: Path) -> None:
    """Open a page in the browser, if there is one."""
    try:
        webbrowser.get()
    except webbrowser.Error:
        log.info("there is no browser here: copy the folder to where there is one")
        return
    webbrowser.open(page.resolve().as_uri())
