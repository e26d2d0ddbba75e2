"""`jatlas build`."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import ClassVar, Literal

from tyro.conf import OmitArgPrefixes, Positional, UseAppendAction

from jatlas.arrange import UMAP
from jatlas.build import BuildConfig, NamesBy, build, recommended, recommended_layer
from jatlas.cli import _session as session
from jatlas.cli._cluster import ClusterOptions, joined
from jatlas.cli._options import IconOptions, OptionalPlace, Place
from jatlas.cli._session import report_skipped
from jatlas.collect import (
    Dataset,
    Folder,
    folder_labels,
    names_of,
    open_images,
    read_labels,
)
from jatlas.model import read_parents
from jatlas.storage import inside, map_folder
from jatlas.types import Run
from jatlas.visualize import RenderConfig

_SMALL = 4_000  # images: as many take two to three minutes on 2 cores


@dataclasses.dataclass(frozen=True, kw_only=True)
class Build:
    """Build an activation atlas of images: a folder of them, or a data set.

    After an interruption, the same command resumes. An atlas that is there already is extended by
    further layers and grids.

    Attributes:
      images: folder of images, or its URL, at any depth: JPEG, PNG, WebP, BMP, GIF, TIFF, where
        Pillow can AVIF and HEIC. Or tfds:NAME/SPLIT of TensorFlow Datasets, such as
        tfds:imagenet_v2/test; 'arrayrecord:FILES' or 'tar:FILES' with a pattern, such as
        'tar:data/*.tar'.
      out: folder to write, or its URL, such as gs://bucket/atlas.
      network: network to look into; `jatlas weights list` shows the known ones.
      layer: layer to map; may be given several times. Without it, mixed4c of an Inception, block5c
        of efficientnet_lite0, block3 of textures_vit.
      grid: cells along each side; may be given several times. Without it, 20.
      seed: seeds everything random: the same seed gives the same atlas.
      overwrite: whether an atlas with other settings may be replaced; what the settings do not
        change is reused.
      limit: take at most this many images, evenly spread over all of them.
      data_dir: folder of the data sets of TensorFlow Datasets. Without it, TFDS's own.
      per_image: random positions kept of each image. With few images, more make fuller cells.
      min_count: samples a cell must hold to get an icon.
      fit: how images become squares: "crop" cuts out the centre, "squash" distorts (as the
        article did).
      whiten: whether icons follow whitened directions, as the article's do.
      ridge: steadies the whitening: share of the mean activation energy added to each channel.
        Without it, what suits the network.
      names: what cells and regions are named by: "images", what their images show more often than
        all do, or "evidence", the classes that their samples have most evidence for.
      labels: what the images show: "folders" for the names of the folders they are in, "predicted"
        for what the network takes them for, or a CSV file with the columns image and label. Without
        it, what the data set itself says; of one that says nothing, "predicted".
      hierarchy: CSV file with the columns name and parent: what classes are kinds of, so that cells
        may be named by groups of classes. ImageNet's are known.
      exemplars: real places kept with each cell, to check its icon against; 0 for none.
      layout: settings of the layout, UMAP.
      icons: settings of the icons.
      batch_size: images that go through the network at once; does not change the result.
      chunk: icons that are optimized at once; does not change the result. Without it, what fits.
      workers: threads that decode images. Without it, one for each core.
      cache: folder, or its URL, to keep the results of stages in, for other builds to reuse.
        Without it, they are kept in the output folder until the atlas is complete.
      cluster: how several processes share the build.
    """

    resumes: ClassVar[bool] = True

    images: Positional[str]
    out: Place
    network: str = "googlenet_bvlc"
    layer: UseAppendAction[tuple[str, ...]] = ()
    grid: UseAppendAction[tuple[int, ...]] = ()
    seed: int = 0
    overwrite: bool = False
    limit: int | None = None
    data_dir: Path | None = None
    per_image: int = BuildConfig.per_image
    min_count: int = BuildConfig.min_count
    fit: Literal["crop", "squash"] = "crop"
    whiten: bool = BuildConfig.whiten
    ridge: float | None = None
    names: NamesBy = BuildConfig.names
    labels: str | None = None
    hierarchy: Path | None = None
    exemplars: int = BuildConfig.exemplars
    layout: UMAP = UMAP()
    icons: OmitArgPrefixes[IconOptions] = IconOptions()
    batch_size: int = Run.batch_size
    chunk: int | None = None
    workers: int | None = None
    cache: OptionalPlace = None
    cluster: OmitArgPrefixes[ClusterOptions] = ClusterOptions()

    def run(self) -> None:
        """Build the atlas and say what was made."""
        with joined(self.cluster):  # first of all, so that the others hear of what fails
            images = open_images(
                self.images, fit=self.fit, limit=self.limit, data_dir=self.data_dir
            )
            labels = self._labels(images)
            parents = None if self.hierarchy is None else read_parents(self.hierarchy)
            if self._is_small(images.count):
                session.compile_faster()
            self._build(images, labels, parents)

    def _build(
        self,
        images: Folder | Dataset,
        labels: tuple[str | None, ...] | Literal["predicted"] | None,
        parents: dict[str, list[str]] | None,
    ) -> None:
        network, params = session.open_network(self.network)
        layers = self.layer or (recommended_layer(network),)
        suited = recommended(network, params, layers)
        config = BuildConfig(
            per_image=self.per_image,
            min_count=self.min_count,
            whiten=self.whiten,
            ridge=suited.ridge if self.ridge is None else self.ridge,
            exemplars=self.exemplars,
            layout=self.layout,
            names=self.names,
            icons=self.icons.config(suited.icons),
        )
        run = Run(
            batch_size=self.batch_size, chunk=self.chunk, cache=self.cache,
            workers=session.usable_cores() if self.workers is None else self.workers,
        )  # fmt: skip
        atlas = build(
            network,
            params,
            images,
            layers=layers,
            grids=self.grid or (20,),
            key=session.make_key(self.seed),
            labels=labels,
            parents=parents,
            config=config,
            out=self.out,
            overwrite=self.overwrite,
            run=run,
        )
        report_skipped(atlas.info["skipped"])
        for atlas_map in atlas.maps:
            for grid in atlas_map.grids:
                picture = inside(self.out, f"{map_folder(atlas_map)}/overview-{grid.size}.png")
                print(f"{picture}: {len(grid.cells)} icons of {grid.count.sum()} samples")

    def _labels(
        self, images: Folder | Dataset
    ) -> tuple[str | None, ...] | Literal["predicted"] | None:
        """Return what the images are labelled with."""
        if self.labels is None or self.labels == "predicted":
            return "predicted" if self.labels else None
        names = names_of(images, images.count)
        return folder_labels(names) if self.labels == "folders" else read_labels(self.labels, names)

    def _is_small(self, images: int) -> bool:
        """Return whether compiling would take a large share of the time, with GoogLeNet on a CPU.

        An icon takes as long as five images, the evidence of a position half as long as an image.
        """
        icons = sum(size * size for size in self.grid or (20,)) * len(self.layer or ("one",))
        steps = self.icons.config(RenderConfig()).icon_steps()
        work = images * (1 + self.per_image) / 2 + 5 * icons * steps / RenderConfig.steps
        return work < _SMALL
