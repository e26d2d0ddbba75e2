"""What `jatlas class` and `jatlas compare` have in common."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, Literal

from tyro.conf import OmitArgPrefixes

from jatlas.arrange import TSNE, UMAP
from jatlas.build import CellConfig, cells_like
from jatlas.cli import _session as session
from jatlas.cli._cluster import ClusterOptions, joined, shared_folder
from jatlas.cli._options import IconOptions
from jatlas.explain import ClassSelection, Rule
from jatlas.model import Network, class_names, find_class
from jatlas.records import Atlas, Map
from jatlas.show import export_folder, has_page
from jatlas.storage import add_map, inside, load, local, map_folder
from jatlas.types import Params, Run


@dataclasses.dataclass(frozen=True, kw_only=True)
class MapOptions:
    """What the maps of one and of two classes have in common.

    Attributes:
      layer: layer whose samples are used; class evidence means most in late ones, mixed5b say.
        Without it, the only layer of the atlas.
      rule: which samples matter for a class: "winner", those with more evidence for it than for
        any other class; "magnitude", those with the most evidence for it; "either".
      rank: a winner has the class among its first this many.
      max_samples: by magnitude, at most this many samples. Without it, 3 in 100 of all there are,
        but at least as many as fill the cells and at most 2000.
      min_count: samples a cell must hold to get an icon.
      layout: how the samples are laid out; "tsne" spreads few samples over more cells.
      seed: seeds the layout and the icons.
      overwrite: whether a map of the class with other settings may be replaced.
      whiten: whether icons follow whitened directions. Without it, as in the atlas.
      ridge: steadies the whitening: share of the mean activation energy added to each channel.
        Without it, as in the atlas, but at least 0.1.
      exemplars: real places kept with each cell, to check its icon against; 0 for none. Without
        it, as in the atlas.
      icons: settings of the icons. Views are larger for a late layer, unless --view-size is given.
      chunk: icons that are optimized at once; does not change the result. Without it, what fits.
      cluster: how several processes share the icons.
    """

    resumes: ClassVar[bool] = True

    layer: str | None = None
    rule: Rule = ClassSelection.rule
    rank: int = ClassSelection.rank
    max_samples: int | None = None
    min_count: int = ClassSelection.min_count
    layout: Literal["umap", "tsne"] = "umap"
    seed: int = 0
    overwrite: bool = False
    whiten: bool | None = None
    ridge: float | None = None
    exemplars: int | None = None
    icons: OmitArgPrefixes[IconOptions] = IconOptions()
    chunk: int | None = None
    cluster: OmitArgPrefixes[ClusterOptions] = ClusterOptions()

    def selection(self) -> dict[str, Any]:
        """Return what of it decides which samples are shown."""
        layout = ClassSelection.layout if self.layout == "umap" else TSNE()
        assert isinstance(layout, UMAP | TSNE)
        return {
            "rule": self.rule,
            "rank": self.rank,
            "max_samples": self.max_samples,
            "min_count": self.min_count,
            "layout": layout,
        }


def cells_of(options: MapOptions, network: Network, params: Params, atlas: Atlas) -> CellConfig:
    """Return how the cells of a map become pictures: as the atlas's, but for what is given."""
    layer = atlas.layer(options.layer).layer
    cells = cells_like(network, params, atlas, layer=layer)
    cells = dataclasses.replace(cells, icons=options.icons.config(cells.icons))
    given = {name: getattr(options, name) for name in ("whiten", "ridge", "exemplars")}
    return dataclasses.replace(cells, **{name: x for name, x in given.items() if x is not None})


def add(
    place: str | Path,
    options: MapOptions,
    names: tuple[str, ...],
    conduct: Callable[[Network, Params, Atlas, tuple[int, ...], CellConfig, Run], Atlas],
) -> None:
    """Add the map that a conductor makes to an atlas folder, and say where it is.

    Args:
      place: the atlas, a folder or a URL.
      options: of the command.
      names: of the map's classes.
      conduct: (network, params, atlas, classes, cells, run) -> the atlas with the map.
    """
    folder = local(place)
    with joined(options.cluster), shared_folder(folder) as (cache, leads):
        atlas = load(folder)
        network, params = session.open_network_of(atlas)
        layer = atlas.layer(options.layer).layer
        known = class_names(network, params, known=atlas.classes)
        classes = tuple(find_class(name, known) for name in names)
        run = Run(chunk=options.chunk, cache=cache)
        cells = cells_of(options, network, params, atlas)
        result = conduct(network, params, atlas, classes, cells, run)
        (new,) = (x for x in result.maps if x.layer == layer and x.classes == classes)
        if leads:
            store_map(folder, result, new, stored=atlas)
    (grid,) = new.grids
    picture = inside(place, f"{map_folder(new)}/overview-{grid.size}.png")
    shown = int(grid.count.ravel()[grid.cells].sum())
    who = " or ".join(f"{result.class_name(index)} ({index})" for index in new.classes)
    print(
        f"{picture}: {len(grid.cells)} icons of {shown} of {len(new.points)} samples that matter "
        f"for {who}"
    )


def store_map(folder: Path, atlas: Atlas, new: Map, *, stored: Atlas) -> None:
    """Write a map into an atlas folder, and its page again if it has one.

    Args:
      folder: of the atlas.
      atlas: with the map.
      new: the map.
      stored: the atlas that the folder holds. If it has the map, only the page is written: an
        interruption may have come between the two.
    """
    if atlas is not stored:
        add_map(folder, atlas, new)
    if has_page(folder):
        export_folder(folder)
