"""The command line: `jatlas build` and `jatlas weights`."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import tyro
from tyro.conf import Positional, UseAppendAction, arg, subcommand

from jatlas.arrange.layout import UMAPConfig
from jatlas.collect.images import folder
from jatlas.model import weights
from jatlas.pipeline import BuildConfig, build
from jatlas.visualize.objectives import Direction
from jatlas.visualize.render import CHUNK, RenderConfig
from jatlas.visualize.transforms import RandomViews

EXIT_USAGE = 2
EXIT_INTERRUPTED = 130


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
      steps: optimization steps per icon.
      icon_size: side of an icon in pixels.
      seed: seeds everything random: the same seed gives the same atlas.
      limit: take at most this many images, evenly spread over the folder.
      per_image: random positions kept of each image. With few images, more make fuller cells.
      min_count: samples a cell must hold to get an icon.
      fit: how images become squares: "crop" cuts out the centre, "squash" distorts (as the
        article did).
      whiten: whether icons follow whitened directions, as the article's do.
      ridge: steadies the whitening: share of the mean activation energy added to each channel.
      learning_rate: of the icons' optimizer, Adam.
      layout: the layout, UMAP.
      views: the random views that make icons robust.
      objective: what icons maximize.
      batch_size: images that go through the network at once; no matter for the result.
      chunk: icons that are optimized at once; no matter for the result.
      workers: threads that decode images.
    """

    images: Positional[Path]
    out: Path
    network: str = "googlenet_bvlc"
    layer: UseAppendAction[tuple[str, ...]] = ()
    grid: UseAppendAction[tuple[int, ...]] = ()
    steps: int = RenderConfig.steps
    icon_size: int = RenderConfig.icon_size
    seed: int = 0
    limit: int | None = None
    per_image: int = BuildConfig.per_image
    min_count: int = BuildConfig.min_count
    fit: Literal["crop", "squash"] = "crop"
    whiten: bool = BuildConfig.whiten
    ridge: float = BuildConfig.ridge
    learning_rate: float = RenderConfig.learning_rate
    layout: UMAPConfig = UMAPConfig()
    views: RandomViews = RandomViews()
    objective: Direction = Direction()
    batch_size: int = 32
    chunk: int = CHUNK
    workers: int = 2

    def run(self) -> None:
        """Build the atlas and say what was made."""
        import jax

        _use_all_cores()
        network, params = weights.load(self.network)
        images = folder(self.images, size=network.input_size, fit=self.fit, limit=self.limit)
        render = RenderConfig(
            icon_size=self.icon_size,
            steps=self.steps,
            learning_rate=self.learning_rate,
            views=self.views,
            objective=self.objective,
        )
        config = BuildConfig(
            per_image=self.per_image,
            min_count=self.min_count,
            whiten=self.whiten,
            ridge=self.ridge,
            layout=self.layout,
            render=render,
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
        _report_skipped(atlas.info["skipped"])
        for each in atlas.maps:
            for grid in each.grids:
                picture = self.out / each.layer / f"overview-{grid.size}.png"
                print(f"{picture}: {len(grid.cells)} icons of {grid.count.sum()} samples")


@dataclasses.dataclass(frozen=True, kw_only=True)
class WeightsList:
    """List the known weights and whether they are here."""

    def run(self) -> None:
        """Print a line for each network."""
        for each in weights.status():
            state = "here" if each.installed else "not here"
            print(f"{each.name:16} {state:9} {each.licence:14} {each.url}")


@dataclasses.dataclass(frozen=True, kw_only=True)
class WeightsFetch:
    """Download weights, check them and convert them.

    Attributes:
      network: network to fetch.
    """

    network: Positional[str]

    def run(self) -> None:
        """Fetch and say where they are."""
        print(weights.fetch(self.network))


@dataclasses.dataclass(frozen=True, kw_only=True)
class WeightsConvert:
    """Convert a weight file that is here already (.caffemodel, .pb, or the published .zip).

    Attributes:
      file: the file.
      network: network that it holds the weights of.
    """

    file: Positional[Path]
    network: str

    def run(self) -> None:
        """Convert and say where they are."""
        print(weights.install(self.file, name=self.network))


@dataclasses.dataclass(frozen=True, kw_only=True)
class WeightsWhere:
    """Print the folder that weights are kept in (JATLAS_WEIGHTS_DIR overrides it)."""

    def run(self) -> None:
        """Print the folder."""
        print(weights.directory())


_Weights = (
    Annotated[WeightsList, subcommand("list")]
    | Annotated[WeightsFetch, subcommand("fetch")]
    | Annotated[WeightsConvert, subcommand("convert")]
    | Annotated[WeightsWhere, subcommand("where")]
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Weights:
    """Get the weights of the known networks."""

    action: Annotated[_Weights, arg(name="")]

    def run(self) -> None:
        """Run the action."""
        self.action.run()


_Command = Annotated[Build, subcommand("build")] | Annotated[Weights, subcommand("weights")]


def main(args: Sequence[str] | None = None) -> int:
    """Run a command; return its exit code.

    What the user can mend is said in one line, with exit code 2; set JATLAS_DEBUG to see where
    it came from.
    """
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    logging.getLogger("jatlas").setLevel(logging.INFO)
    command = tyro.cli(_Command, prog="jatlas", description=__doc__, args=args)
    try:
        command.run()
    except KeyboardInterrupt:
        print("jatlas: interrupted; the same command goes on from here", file=sys.stderr)
        return EXIT_INTERRUPTED
    except (ValueError, OSError) as error:
        if os.environ.get("JATLAS_DEBUG"):
            raise
        print(f"jatlas: {_one_line(error)}", file=sys.stderr)
        return EXIT_USAGE
    return 0


def _use_all_cores() -> None:
    """Have JAX see a CPU as one device per core, unless it was told or has begun already.

    Icons are spread over devices. On 2 cores, a device each took 3.8 ms per icon-step where one
    device for both took 5.2 (mixed4c, 48 px, 64 icons).
    """
    import jax

    if "JAX_NUM_CPU_DEVICES" in os.environ or "device_count" in os.environ.get("XLA_FLAGS", ""):
        return
    with contextlib.suppress(RuntimeError):  # what JAX says when it is running
        jax.config.update("jax_num_cpu_devices", len(os.sched_getaffinity(0)))


def _one_line(error: ValueError | OSError) -> str:
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return (
            f"no space left to write ({error}): free some, or choose another place, and run the "
            "same command again; it goes on from what is done"
        )
    return str(error)


def _report_skipped(skipped: list[list[str]]) -> None:
    for name, reason in skipped[:20]:
        print(f"skipped {name}: {reason}", file=sys.stderr)
    if len(skipped) > 20:
        print(f"skipped {len(skipped)} images in all; atlas.json lists them", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
