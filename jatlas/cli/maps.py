"""`jatlas class` and `jatlas compare`."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Literal

from tyro.conf import OmitArgPrefixes, Positional

from jatlas.arrange import TSNE
from jatlas.build import DrawConfig, MapConfig, add_map, drawing_for
from jatlas.build._class_maps import RIDGE
from jatlas.cli._options import IconOptions
from jatlas.cli._session import use_all_cores
from jatlas.explain import ClassConfig, ComparisonConfig, Rule
from jatlas.model import Network, class_names, find_class, load_network
from jatlas.storage import read_info
from jatlas.types import Params
from jatlas.visualize import RandomViews, RenderConfig


@dataclasses.dataclass(frozen=True, kw_only=True)
class MapOptions:
    """What the maps of one and of two classes have in common.

    Attributes:
      layer: whose samples are used; the evidence of late ones, mixed5b say, means most. Without
        it, the only layer of the atlas.
      rule: which samples matter for a class: "winner", those that speak for it more than for any
        other; "magnitude", those that speak for it most; "either".
      rank: a winner has the class among its first this many.
      most: by magnitude, at most this many samples. Without it, 3 in 100 of all there are, but no
        fewer than fill the cells and no more than 2000.
      min_count: samples a cell must hold to get an icon.
      layout: what lays the samples out; "tsne" spreads few samples over more cells.
      seed: seeds the layout and the icons.
      overwrite: whether such a map that is there may be replaced.
      whiten: whether icons follow whitened directions, as the article's do.
      ridge: steadies the whitening: share of the mean activation energy added to each channel.
      exemplars: real places kept with each cell, to check its icon against; 0 for none.
      icons: settings of the icons. The views of a late layer are larger, unless --view-size is
        given.
      chunk: icons that are optimized at once, no matter for the result. Without it, what fits.
    """

    layer: str | None = None
    rule: Rule = ClassConfig.rule
    rank: int = ClassConfig.rank
    most: int | None = ClassConfig.most
    min_count: int = ClassConfig.min_count
    layout: Literal["umap", "tsne"] = "umap"
    seed: int = 0
    overwrite: bool = False
    whiten: bool = DrawConfig.whiten
    ridge: float = RIDGE
    exemplars: int = DrawConfig.exemplars
    icons: OmitArgPrefixes[IconOptions] = IconOptions()
    chunk: int | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Class(MapOptions):
    """Add a map of what speaks for a class to an atlas.

    After an interruption, the same command goes on from what is done.

    Attributes:
      atlas: folder of the atlas.
      name: the class, by its name or index.
      size: cells along each side.
    """

    atlas: Positional[Path]
    name: Positional[str]
    size: int = ClassConfig.size

    def run(self) -> None:
        """Make the map and say where it is."""
        choice = ClassConfig(
            rule=self.rule,
            rank=self.rank,
            most=self.most,
            size=self.size,
            min_count=self.min_count,
            layout=ClassConfig.layout if self.layout == "umap" else TSNE(),
        )
        _add(self.atlas, (self.name,), choice, self)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Compare(MapOptions):
    """Add a map of two classes to an atlas: what speaks for one or the other, from left to right.

    After an interruption, the same command goes on from what is done.

    Attributes:
      atlas: folder of the atlas.
      left: the class on the left, by its name or index.
      right: the class on the right.
      size: cells along each side.
      percentile: the difference of evidence at this percentile of its size reaches the edge.
        Without it, the one that moves as many samples to the edges as fill one column.
    """

    atlas: Positional[Path]
    left: Positional[str]
    right: Positional[str]
    size: int = ComparisonConfig.size
    percentile: float | None = ComparisonConfig.percentile

    def run(self) -> None:
        """Make the map and say where it is."""
        choice = ComparisonConfig(
            rule=self.rule,
            rank=self.rank,
            most=self.most,
            size=self.size,
            min_count=self.min_count,
            layout=ComparisonConfig.layout if self.layout == "umap" else TSNE(),
            percentile=self.percentile,
        )
        _add(self.atlas, (self.left, self.right), choice, self)


def _add(
    atlas: Path,
    wanted: tuple[str, ...],
    choice: ClassConfig | ComparisonConfig,
    options: MapOptions,
) -> None:
    import jax

    use_all_cores()
    info = read_info(atlas)
    network, params = load_network(info["network"])
    names = class_names(network, params, known=info["classes"])
    layers = [entry["layer"] for entry in info["maps"] if entry["kind"] == "layer"]
    layer = layers[0] if options.layer is None else options.layer
    icons = options.icons.config()
    if layer in layers:  # else what is wrong with it is said below
        icons = icons_for(options.icons, network, params, layer=layer)
    drawing = DrawConfig(
        whiten=options.whiten, ridge=options.ridge, exemplars=options.exemplars, render=icons
    )
    config = MapConfig(
        classes=tuple(find_class(name, names) for name in wanted),
        layer=options.layer,
        choice=choice,
        drawing=drawing,
    )
    made = add_map(
        atlas,
        network,
        params,
        config,
        key=jax.random.key(options.seed),
        overwrite=options.overwrite,
        chunk=options.chunk,
    )
    (grid,) = made.grids
    picture = atlas / made.path / f"overview-{grid.size}.png"
    shown = int(grid.count.ravel()[grid.cells].sum())
    who = " or ".join(f"{names[index]} ({index})" for index in made.classes)
    print(
        f"{picture}: {len(grid.cells)} icons of {shown} of {len(made.points)} samples that matter "
        f"for {who}"
    )


def icons_for(
    options: IconOptions, network: Network, params: Params, *, layer: str
) -> RenderConfig:
    """Return settings of icons, with views as `drawing_for` the layer unless their size is given.

    The chain of the paper is left as it is.
    """
    icons = options.config()
    fitted = drawing_for(network, params, layer=layer).render.views
    if options.view_size is not None or not isinstance(icons.views, RandomViews):
        return icons
    assert isinstance(fitted, RandomViews)
    return dataclasses.replace(icons, views=dataclasses.replace(icons.views, size=fitted.size))
