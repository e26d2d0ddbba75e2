"""`jatlas patch`."""

from __future__ import annotations

import dataclasses
import itertools
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np

from jatlas.build import read_off
from jatlas.cli._session import use_all_cores
from jatlas.collect import ImageError, Preprocess, decode, folder, in_one_line
from jatlas.explain import (
    CORNERS,
    SIZES,
    Attack,
    ComparisonConfig,
    Rates,
    attack,
    noise_patch,
    rates,
    sweep,
)
from jatlas.model import Network, find_class, load_network, names_of
from jatlas.records import Atlas
from jatlas.show import plot_sweep
from jatlas.storage import _files as files
from jatlas.storage import load
from jatlas.types import HostArray, Params

Place = Literal["top-left", "top-right", "bottom-left", "bottom-right"]
_PLACES: tuple[Place, ...] = ("top-left", "top-right", "bottom-left", "bottom-right")
_NOISE = "noise, the control"
_SHOWN = 4  # classes in the plot


@dataclasses.dataclass(frozen=True, kw_only=True)
class Patch:
    """Test whether patches turn images of one class into another.

    The patches are pictures of yours, or crops that are read off an atlas: places of its images
    that count for the target but show something else.

    Attributes:
      source: class of the images, by its name or index.
      target: class that they are to become.
      images: files or folders of images of the source class. With an atlas they may be left out:
        then they are those of its images that the network takes for the source.
      patches: picture files to paste.
      atlas: folder of an atlas to read patches off.
      layer: layer of the atlas to read. Without it, its only one.
      network: network to fool; with an atlas it is that of the atlas.
      sizes: sides of the patch to try, as shares of the image's.
      corners: where to try it.
      count: patches to read off the atlas, at most.
      most: samples of each class that are compared to find them, at most. Without it, as many as
        the map of two classes shows.
      control: whether to try a patch of noise too.
      seed: seeds the noise, and the layout of the comparison.
      plot: picture to draw of what the best patch does, size by size.
      json: file to write all results to.
      save: folder to write the patches to that were read off the atlas.
    """

    source: str
    target: str
    images: tuple[Path, ...] = ()
    patches: tuple[Path, ...] = ()
    atlas: Path | None = None
    layer: str | None = None
    network: str = "googlenet_bvlc"
    sizes: tuple[float, ...] = SIZES
    corners: tuple[Place, ...] = _PLACES
    count: int = 5
    most: int | None = ComparisonConfig.most
    control: bool = True
    seed: int = 0
    plot: Path | None = None
    json: Path | None = None
    save: Path | None = None

    def run(self) -> None:
        """Test the patches and print a line for each."""
        import jax

        if not self.patches and self.atlas is None:
            raise ValueError("patches: expected pictures, or an atlas to read them off")
        if not self.images and self.atlas is None:
            raise ValueError("images: expected files or folders of images of the source class")
        use_all_cores()
        atlas = None if self.atlas is None else load(self.atlas)
        network, params = load_network(self.network if atlas is None else atlas.info["network"])
        names = names_of(network, params, known=() if atlas is None else atlas.classes)
        source, target = (find_class(name, names) for name in (self.source, self.target))
        stamps = [(str(path), _read(path)) for path in self.patches]
        images = _Pictures(self.images, network.input_size)
        if atlas is not None:
            images, found = self._read_off(network, params, atlas, source, target, names, images)
            stamps += found
        if not images.paths:
            raise ValueError(f"images: found none of {names[source]}")
        if self.control:
            noise = noise_patch(key=jax.random.key(self.seed))
            stamps.append((_NOISE, np.asarray(noise)))
        test = _Test(network, params, images, source, target, self)
        results = [(name, patch, test.attack(patch)) for name, patch in stamps]
        known = int(results[0][2].correct.sum())
        print(
            f"{names[source]} -> {names[target]}: {known} of {len(images.paths)} images are taken "
            f"for {names[source]} without a patch, and tried"
        )
        lines = [self._line(name, rates(found)) for name, _, found in results]
        print("\n".join(lines))
        if self.json is not None:
            files.write_json(self.json, self._record(names, source, target, images, results))
        if self.plot is not None and known:
            real = [item for item in results if item[0] != _NOISE] or results
            best = max(real, key=lambda item: (rates(item[2]).static, rates(item[2]).static_target))
            title = f"{Path(best[0]).name} on {names[source]}"
            _draw(test.curve(*best[1:]), names, source, target, title, self.plot)

    def _read_off(
        self,
        network: Network,
        params: Params,
        atlas: Atlas,
        source: int,
        target: int,
        names: tuple[str, ...],
        images: _Pictures,
    ) -> tuple[_Pictures, list[tuple[str, HostArray]]]:
        """Read patches off the atlas, and images of the source class if none were given."""
        import jax

        read = read_off(
            network, params, atlas, source=source, target=target,
            key=jax.random.key(self.seed), layer=self.layer, count=self.count,
            config=ComparisonConfig(most=self.most),
        )  # fmt: skip
        if not images.paths:
            root = Path(atlas.info["source"]["root"])
            own = np.flatnonzero(read.probabilities.argmax(1) == source)
            paths = tuple(root / atlas.images[index] for index in own)
            images = _Pictures(paths, network.input_size)
        if not read.findings:
            print("the atlas shows no cell that counts for the target but is something else")
        stamps = []
        for number, found in enumerate(read.findings):
            what = f"{number}: {names[found.shows]} ({atlas.images[found.image]})"
            stamps.append((what, found.pixels / np.float32(255)))
            if self.save is not None:
                files.write_image(self.save / f"patch-{number}.png", found.pixels)
        return images, stamps

    def _line(self, name: str, found: Rates) -> str:
        if not found.images:
            return f"{name}: not tried"
        size, corner = found.place
        where = f"{self.sizes[size]:g} {self.corners[corner]}"
        static, dynamic = (round(x * found.images) for x in (found.static, found.dynamic))
        return (
            f"{name}: {static} of {found.images} become it at {where}, {dynamic} each at its best; "
            f"mean probability {found.before:.1%} -> {found.static_target:.1%}, "
            f"{found.dynamic_target:.1%}"
        )

    def _record(
        self,
        names: tuple[str, ...],
        source: int,
        target: int,
        images: _Pictures,
        results: list[tuple[str, HostArray, Attack]],
    ) -> dict[str, Any]:
        """Return everything as JSON values."""
        known = np.flatnonzero(results[0][2].correct)
        paths = [str(path) for path in images.paths]
        return {
            "source": [source, names[source]],
            "target": [target, names[target]],
            "images": paths,
            "known": [paths[index] for index in known],
            "sizes": list(self.sizes),
            "corners": list(self.corners),
            "patches": [
                {
                    "patch": name,
                    "rates": rates(found)._asdict() if len(known) else None,
                    "before": found.before.tolist(),
                    "target": found.target.tolist(),
                    "flipped": found.flipped.tolist(),
                }
                for name, _, found in results
            ],
        }


class _Test:
    """What is the same for all patches."""

    def __init__(
        self,
        network: Network,
        params: Params,
        images: _Pictures,
        source: int,
        target: int,
        options: Patch,
    ) -> None:
        self._network, self._params, self._images = network, params, images
        self._source, self._target, self._sizes = source, target, options.sizes
        self._corners = [CORNERS[_PLACES.index(name)] for name in options.corners]

    def attack(self, patch: HostArray) -> Attack:
        """Try a patch on all images."""
        return attack(
            self._network, self._params, self._images, patch, source=self._source,
            target=self._target, sizes=self._sizes, corners=self._corners,
        )  # fmt: skip

    def curve(self, patch: HostArray, found: Attack) -> tuple[list[float], HostArray]:
        """Return sizes from none on, and mean probabilities there (sizes, classes), best corner."""
        sizes = np.linspace(0, max(self._sizes), 21).round(3).tolist()
        corner = self._corners[rates(found).place[1]]
        known = [image for image, fine in zip(self._images, found.correct, strict=True) if fine]
        tables = [
            np.asarray(
                sweep(self._network, self._params, image, patch, sizes=sizes, corners=(corner,))
            )[:, 0]
            for image in known
        ]
        return sizes, np.mean(tables, axis=0)


def _draw(
    curve: tuple[list[float], HostArray],
    names: tuple[str, ...],
    source: int,
    target: int,
    title: str,
    path: Path,
) -> None:
    """Draw the two classes, and the others that get most probable."""
    sizes, table = curve
    others = [i for i in np.argsort(-table.max(0)).tolist() if i not in (source, target)]
    indices = [source, target, *others[: _SHOWN - 2]]
    figure = plot_sweep(table, sizes=sizes, indices=indices, names=names, title=title)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)


def _read(path: Path) -> HostArray:
    """Read a patch at its own size: (h, w, 3) float32 in [0, 1]."""
    from PIL import Image, ImageOps

    try:
        with Image.open(path) as image:
            pixels = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    except Exception as error:  # whatever bad bytes make a decoder raise
        raise ValueError(f"patches: {path}: {in_one_line(error)}") from error
    return pixels / np.float32(255)


class _Pictures:
    """Image files that are read each time they are gone through: they may be many."""

    def __init__(self, given: tuple[Path, ...], size: int) -> None:
        self._size = size
        inside = (
            [path / name for name in folder(path).paths] if path.is_dir() else [path]
            for path in given
        )
        self.paths = []
        for path in itertools.chain.from_iterable(inside):
            try:
                self._read(path)
            except (ImageError, OSError) as error:
                print(f"skipped {path}: {in_one_line(error)}", file=sys.stderr)
            else:
                self.paths.append(path)

    def __iter__(self) -> Iterator[HostArray]:
        return (self._read(path) for path in self.paths)

    def _read(self, path: Path) -> HostArray:
        """Read an image: (size, size, 3) float32 in [0, 1]."""
        from PIL import Image

        side = (self._size, self._size)
        with Image.open(path) as image:
            # One that is of the network's size already is not scaled and cropped again.
            fit: Literal["crop", "squash"] = "squash" if image.size == side else "crop"
        pixels = decode(path, preprocess=Preprocess(size=self._size, fit=fit))
        return pixels / np.float32(255)
