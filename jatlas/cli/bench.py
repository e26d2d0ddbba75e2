"""`jatlas bench`."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Any, Literal

import jax
from tyro.conf import UseAppendAction, arg, subcommand

from jatlas import bench
from jatlas.arrange import UMAP
from jatlas.cli._session import open_network, prepare_timing, start_jax
from jatlas.cli._suite import BenchSuite, BenchTable
from jatlas.collect import as_source
from jatlas.storage import files
from jatlas.types import Run
from jatlas.visualize import Precision, RenderConfig, paper


@dataclasses.dataclass(frozen=True, kw_only=True)
class BenchRender:
    """Measure what an optimization step of an icon costs here.

    Attributes:
      network: network to visualize.
      layer: layer whose activations follow the directions.
      size: side in pixels of what the network sees. Without it, 48 (article) or 96 (whole).
      regime: "article" shows the network a random part of the canvas, which is 5/3 as large;
        "whole" shows it all of the canvas.
      icons: number of icons.
      steps: steps of the longer of the two runs whose difference is measured.
      preset: "fast" is the default settings of an icon; "paper" those of the article's notebooks,
        except for the views.
      precision: that the network is run in. Without it, that of its parameters.
      chunk: icons in one program. Without it, as many as fit.
      repeat: repetitions; the table shows the median.
      json: file to write the result to.
    """

    network: str = "googlenet_bvlc"
    layer: str = "mixed4c"
    size: int | None = None
    regime: Literal["article", "whole"] = "article"
    icons: int = 64
    steps: int = 64
    preset: Literal["fast", "paper"] = "fast"
    precision: Precision | None = None
    chunk: int | None = None
    repeat: int = 3
    json: Path | None = None

    def run(self) -> None:
        """Measure, print a table, and write JSON if asked to."""
        prepare_timing(self.json)
        network, params = open_network(self.network)
        config = self.config()
        speed = bench.bench_render(
            network,
            params,
            layer=self.layer,
            key=jax.random.key(0),
            config=config,
            icons=self.icons,
            chunk=self.chunk,
            repeat=self.repeat,
        )
        sides = f"{config.views.size} px of a canvas of {config.icon_size} px"
        title = f"render: {self.icons} icons of {self.layer}, {self.network}, {sides}"
        _show(self, f"{title}, {self.precision or 'float32'}", speed, devices=speed.devices)

    def config(self) -> RenderConfig:
        """Return the settings of the icons.

        Raises:
          ValueError: for a value out of range.
        """
        base = paper() if self.preset == "paper" else RenderConfig()
        base = dataclasses.replace(base, steps=self.steps, precision=self.precision)
        regime = bench.article if self.regime == "article" else bench.whole
        return regime(config=base) if self.size is None else regime(size=self.size, config=base)


@dataclasses.dataclass(frozen=True, kw_only=True)
class BenchExtract:
    """Measure how many images per second the network processes, with the evidence of a sample.

    Images are in memory; those of a folder are also decoded, alone and beside the extraction.

    Attributes:
      images: folder of images to decode.
      workers: threads that decode them.
      network: network to run.
      layer: layer to sample.
      size: side of the images in pixels. Without it, the network's own.
      batch_size: images in one program; may be repeated. Without it, 32.
      per_image: positions sampled in each image.
      repeat: repetitions; the table shows the median and the fastest.
      json: file to write the results to.
    """

    images: Path | None = None
    workers: int = Run.workers
    network: str = "googlenet_bvlc"
    layer: str = "mixed4c"
    size: int | None = None
    batch_size: UseAppendAction[tuple[int, ...]] = ()
    per_image: int = 1
    repeat: int = 3
    json: Path | None = None

    def run(self) -> None:
        """Measure, print a table, and write JSON if asked to."""
        prepare_timing(self.json)
        network, params = open_network(self.network)
        size = self.size or network.input_size
        source = None if self.images is None else as_source(self.images, size=size)
        speeds = [
            bench.bench_extract(
                network,
                params,
                layer=self.layer,
                key=jax.random.key(0),
                size=self.size,
                batch_size=batch_size,
                per_image=self.per_image,
                repeat=self.repeat,
                source=source,
                workers=self.workers,
            )
            for batch_size in self.batch_size or (32,)
        ]
        title = f"extract: {self.layer}, {self.network}, {size} px, {self.per_image} per image"
        _show(self, title, *speeds)


@dataclasses.dataclass(frozen=True, kw_only=True)
class BenchLayout:
    """Measure how long a layout takes, and how good the map is.

    Attributes:
      points: number of vectors; may be repeated. Without it, 10,000.
      channels: length of the vectors.
      vectors: a .npy file of (n, channels) float32 vectors, some of which are laid out; without it,
        random ones.
      layout: settings of UMAP.
      repeat: repetitions; the table shows the median, without the first if there are others.
      json: file to write the results to.
    """

    points: UseAppendAction[tuple[int, ...]] = ()
    channels: int = 512
    vectors: Path | None = None
    layout: UMAP = UMAP()
    repeat: int = 1
    json: Path | None = None

    def run(self) -> None:
        """Measure, print a table, and write JSON if asked to."""
        start_jax()
        prepare_timing(self.json)
        vectors = None if self.vectors is None else files.map_array(self.vectors)
        speeds = [
            bench.bench_layout(
                key=jax.random.key(0),
                points=points,
                channels=self.channels,
                vectors=vectors,
                config=self.layout,
                repeat=self.repeat,
            )
            for points in self.points or (10_000,)
        ]
        what = "random vectors" if self.vectors is None else f"vectors of {self.vectors.name}"
        _show(self, f"layout: {what}, method {self.layout.method}", *speeds)


@dataclasses.dataclass(frozen=True, kw_only=True)
class BenchData:
    """Measure how many images per second are read: as files, tar files, records and data sets.

    The images of a folder are written in every form that is read, to temporary files.

    Attributes:
      images: folder of images.
      size: side in pixels of the squares that they become.
      limit: take at most this many images.
      workers: threads that decode them.
      repeat: repetitions; the table shows the median.
      json: file to write the results to.
    """

    images: Path
    size: int = 224
    limit: int | None = None
    workers: int = Run.workers
    repeat: int = 3
    json: Path | None = None

    def run(self) -> None:
        """Measure, print a table, and write JSON if asked to."""
        prepare_timing(self.json)
        speed = bench.bench_data(
            self.images,
            size=self.size,
            limit=self.limit,
            workers=self.workers,
            repeat=self.repeat,
        )
        _show(self, f"data: {speed.images} images, decoded to {self.size} px", speed)


_Bench = (
    Annotated[BenchRender, subcommand("render")]
    | Annotated[BenchExtract, subcommand("extract")]
    | Annotated[BenchLayout, subcommand("layout")]
    | Annotated[BenchData, subcommand("data")]
    | Annotated[BenchSuite, subcommand("suite")]
    | Annotated[BenchTable, subcommand("table")]
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Bench:
    """Measure how fast this machine makes an atlas."""

    action: Annotated[_Bench, arg(name="")]

    def run(self) -> None:
        """Run the action."""
        self.action.run()


def _show(command: Any, title: str, *speeds: Any, devices: int = 1) -> None:
    """Print tables of what was measured, and write them as JSON if the command says where."""
    machine = bench.machine(jax.devices()[:devices])
    print(bench.report(title, *speeds, machine=machine))
    if command.json is None:
        return
    settings = {
        name: str(value) if isinstance(value, Path) else value
        for name, value in dataclasses.asdict(command).items()
        if name != "json"
    }
    content = {
        "benchmark": title,
        "settings": settings,
        "machine": machine._asdict(),
        "results": [dataclasses.asdict(speed) for speed in speeds],
    }
    files.write_json(command.json, content)
