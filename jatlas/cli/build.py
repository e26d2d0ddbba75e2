"""`jatlas build`."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Literal

from tyro.conf import OmitArgPrefixes, Positional, UseAppendAction

from jatlas.arrange import UMAP
from jatlas.build import BuildConfig, build
from jatlas.cli._options import IconOptions
from jatlas.cli._session import report_skipped, use_all_cores
from jatlas.collect import folder
from jatlas.model import load_network


@dataclasses.dataclass(frozen=True, kw_only=True)
class Build:
    """Build an activation atlas of a folder of images.

    After an interruption, the same command goes on from what is done.

    Attributes:
      images: folder of JPEG, PNG, WebP, BMP or GIF images, at any depth.
      out: folder to write; it must not exist, or be empty.
      network: network to look into; `jatlas weights list` shows the known ones.
      layer: layer to map; may be given several times. Without it, mixed4c.
      grid: cells along each side; may be given several times. Without it, 20.
      seed: seeds everything random: the same seed gives the same atlas.
      limit: take at most this many images, evenly spread over the folder.
      per_image: random positions kept of each image. With few images, more make fuller cells.
      min_count: samples a cell must hold to get an icon.
      fit: how images become squares: "crop" cuts out the centre, "squash" distorts (as the
        article did).
      whiten: whether icons follow whitened directions, as the article's do.
      ridge: steadies the whitening: share of the mean activation energy added to each channel.
      exemplars: real places kept with each cell, to check its icon against; 0 for none.
      layout: the layout, UMAP.
      icons: settings of the icons.
      batch_size: images that go through the network at once; no matter for the result.
      chunk: icons that are optimized at once, no matter for the result. Without it, what fits.
      workers: threads that decode images.
    """

    images: Positional[Path]
    out: Path
    network: str = "googlenet_bvlc"
    layer: UseAppendAction[tuple[str, ...]] = ()
    grid: UseAppendAction[tuple[int, ...]] = ()
    seed: int = 0
    limit: int | None = None
    per_image: int = BuildConfig.per_image
    min_count: int = BuildConfig.min_count
    fit: Literal["crop", "squash"] = "crop"
    whiten: bool = BuildConfig.whiten
    ridge: float = BuildConfig.ridge
    exemplars: int = BuildConfig.exemplars
    layout: UMAP = UMAP()
    icons: OmitArgPrefixes[IconOptions] = IconOptions()
    batch_size: int = 32
    chunk: int | None = None
    workers: int = 2

    def run(self) -> None:
        """Build the atlas and say what was made."""
        import jax

        use_all_cores()
        network, params = load_network(self.network)
        images = folder(self.images, size=network.input_size, fit=self.fit, limit=self.limit)
        config = BuildConfig(
            per_image=self.per_image,
            min_count=self.min_count,
            whiten=self.whiten,
            ridge=self.ridge,
            exemplars=self.exemplars,
            layout=self.layout,
            render=self.icons.config(),
        )
        atlas = build(
            network,
            params,
            images,
            layers=self.layer or ("mixed4c",),
            grids=self.grid or (20,),
            key=jax.random.key(self.seed),
            config=config,
            out=self.out,
            batch_size=self.batch_size,
            chunk=self.chunk,
            workers=self.workers,
        )
        report_skipped(atlas.info["skipped"])
        for each in atlas.maps:
            for grid in each.grids:
                picture = self.out / each.layer / f"overview-{grid.size}.png"
                print(f"{picture}: {len(grid.cells)} icons of {grid.count.sum()} samples")
