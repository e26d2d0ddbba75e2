"""`jatlas bench`."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Annotated, Any, Literal

from tyro.conf import UseAppendAction, arg, subcommand

from jatlas import bench
from jatlas.arrange import UMAP
from jatlas.bench import _machine as on
from jatlas.bench import _peer as peer
from jatlas.bench import _report as report
from jatlas.bench._render import ARTICLE_VIEW, article, directions, whole
from jatlas.cli import _session as session
from jatlas.storage import files
from jatlas.visualize import Precision, RenderConfig, paper


@dataclasses.dataclass(frozen=True, kw_only=True)
class BenchRender:
    """Measure what an optimization step of an icon costs here.

    Beside the renderer stand two ways to do the same without vectorization: "sequential" is one
    icon at a time, in a program for one; "unvectorized" is a program of all icons that loops over
    them.

    Attributes:
      network: network to look into.
      layer: layer to follow.
      size: side in pixels of what the network sees. Without it, 48 (article) or 96 (whole).
      regime: "article" shows the network a random part of the canvas, which is 5/3 as large;
        "whole" shows it all of the canvas.
      icons: how many icons.
      steps: steps of the longer of the two runs whose difference is measured.
      preset: "fast" is the default settings of an icon; "paper" those of the article's notebooks,
        views excepted.
      precision: of the network.
      chunk: icons in one program. Without it, what fits.
      repeat: repetitions; the table shows the median and the fastest.
      baselines: whether to measure the two other ways.
      peer: "torch" measures the same work in PyTorch, batched by hand.
      peer_steps: steps of a repetition of the peer.
      json: file to write the result to.
    """

    network: str = "googlenet_bvlc"
    layer: str = "mixed4c"
    size: int | None = None
    regime: Literal["article", "whole"] = "article"
    icons: int = 64
    steps: int = 64
    preset: Literal["fast", "paper"] = "fast"
    precision: Precision = "float32"
    chunk: int | None = None
    repeat: int = 3
    baselines: bool = True
    peer: Literal["none", "torch"] = "none"
    peer_steps: int = 8
    json: Path | None = None

    def run(self) -> None:
        """Measure, print a table, and write JSON if asked to."""
        _prepare(shared=self.peer != "none")
        import jax

        network, params = session.open_network(self.network)
        config = self.config()
        if self.peer == "torch":
            peer.make_loss(network, params, layer=self.layer, config=config)  # or say so at once
        speed = bench.bench_render(
            network,
            params,
            layer=self.layer,
            key=jax.random.key(0),
            config=config,
            icons=self.icons,
            chunk=self.chunk,
            repeat=self.repeat,
            with_baselines=self.baselines,
        )
        peers: tuple[peer.PeerSpeed, ...] = ()
        if self.peer == "torch":
            aims = directions(
                network, params, layer=self.layer, size=config.views.size, icons=self.icons
            )
            peers = peer.bench_torch(
                network,
                params,
                aims,
                layer=self.layer,
                config=config,
                steps=self.peer_steps,
                repeat=self.repeat,
            )
        machine = on.machine(jax.devices()[: speed.devices])
        found = dataclasses.asdict(speed) | {"peers": _peers(peers, speed)}
        settings = _settings(self) | {"render": dataclasses.asdict(config)}
        _write(self.json, "render", found, settings=settings, machine=machine)
        side = f"{config.views.size} px of a canvas of {config.icon_size} px"
        of = f"{self.icons} icons of {self.layer}, {self.network}, {side}, {self.precision}"
        print(report.heading("render", of, machine))
        print(report.table(report.render_rows(found)))

    def config(self) -> RenderConfig:
        """Return the settings of the icons.

        Raises:
          ValueError: for a value out of range.
        """
        base = paper() if self.preset == "paper" else RenderConfig()
        base = dataclasses.replace(base, steps=self.steps, precision=self.precision)
        if self.regime == "whole":
            return whole(size=96 if self.size is None else self.size, config=base)
        return article(size=ARTICLE_VIEW if self.size is None else self.size, config=base)


@dataclasses.dataclass(frozen=True, kw_only=True)
class BenchExtract:
    """Measure how many images per second the network takes in, with the evidence of a sample.

    Images are in memory; decoding them is not measured.

    Attributes:
      network: network to run.
      layer: layer to sample.
      size: side of the images in pixels. Without it, the network's own.
      batch_size: images in one program; may be given several times. Without it, 32.
      per_image: places taken of each image.
      repeat: repetitions; the table shows the median and the fastest.
      json: file to write the result to.
    """

    network: str = "googlenet_bvlc"
    layer: str = "mixed4c"
    size: int | None = None
    batch_size: UseAppendAction[tuple[int, ...]] = ()
    per_image: int = 1
    repeat: int = 3
    json: Path | None = None

    def run(self) -> None:
        """Measure, print a table, and write JSON if asked to."""
        _prepare()
        import jax

        network, params = session.open_network(self.network)
        speeds = bench.bench_extract(
            network,
            params,
            layer=self.layer,
            key=jax.random.key(0),
            size=self.size,
            batch_sizes=self.batch_size or (32,),
            per_image=self.per_image,
            repeat=self.repeat,
        )
        machine = on.machine(jax.devices()[:1])
        found = [dataclasses.asdict(each) for each in speeds]
        _write(self.json, "extract", found, settings=_settings(self), machine=machine)
        size = network.input_size if self.size is None else self.size
        of = f"{self.layer}, {self.network}, {size} px, {self.per_image} of each image"
        print(report.heading("extract", of, machine))
        for each in found:
            print(report.table(report.extract_rows(each)))


@dataclasses.dataclass(frozen=True, kw_only=True)
class BenchLayout:
    """Measure how long a layout takes: exact neighbours and UMAP.

    Attributes:
      points: number of vectors; may be given several times. Without it, 10,000.
      channels: length of the vectors.
      layout: settings of UMAP.
      repeat: repetitions; the table shows the median and the fastest.
      json: file to write the result to.
    """

    points: UseAppendAction[tuple[int, ...]] = ()
    channels: int = 512
    layout: UMAP = UMAP()
    repeat: int = 1
    json: Path | None = None

    def run(self) -> None:
        """Measure, print a table, and write JSON if asked to."""
        _prepare()
        import jax

        speeds = [
            bench.bench_layout(
                key=jax.random.key(0),
                points=points,
                channels=self.channels,
                config=self.layout,
                repeat=self.repeat,
            )
            for points in self.points or (10_000,)
        ]
        machine = on.machine(jax.devices()[:1])
        found = [dataclasses.asdict(each) for each in speeds]
        _write(self.json, "layout", found, settings=_settings(self), machine=machine)
        print(report.heading("layout", f"vectors of {self.channels} channels", machine))
        for each in found:
            print(report.table(report.layout_rows(each)))


_Bench = (
    Annotated[BenchRender, subcommand("render")]
    | Annotated[BenchExtract, subcommand("extract")]
    | Annotated[BenchLayout, subcommand("layout")]
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Bench:
    """Measure how fast this machine makes an atlas."""

    action: Annotated[_Bench, arg(name="")]

    def run(self) -> None:
        """Run the action."""
        self.action.run()


def _prepare(*, shared: bool = False) -> None:
    """Have JAX use all cores, and compile anew what is to be timed."""
    if shared:  # with another library, which wants memory of a GPU as well
        os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    import jax

    jax.config.update("jax_enable_compilation_cache", False)


def _settings(command: Any) -> dict[str, Any]:
    settings = dataclasses.asdict(command)
    del settings["json"]
    return settings


def _write(
    file: Path | None, benchmark: str, found: Any, *, settings: Any, machine: on.Machine
) -> None:
    if file is not None:
        files.write_json(file, report.as_json(benchmark, found, settings=settings, machine=machine))


def _peers(peers: tuple[peer.PeerSpeed, ...], speed: bench.RenderSpeed) -> list[dict[str, Any]]:
    return [
        dataclasses.asdict(each)
        | {
            "ratio": None
            if each.ms_per_icon_step is None
            else each.ms_per_icon_step / speed.ms_per_icon_step
        }
        for each in peers
    ]
