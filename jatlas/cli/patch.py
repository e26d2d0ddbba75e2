"""`jatlas patch`."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from jatlas.build import find_patches
from jatlas.cli import _session as session
from jatlas.cli._options import OptionalPlace
from jatlas.cli._outputs import check_figure, figure_format
from jatlas.cli._pictures import Pictures, read_picture
from jatlas.collect import Preprocess, preprocess_of
from jatlas.explain import (
    CORNERS,
    SIZES,
    Attack,
    ComparisonSelection,
    attack,
    check_classes,
    check_places,
    noise_patch,
    rates,
    sweep,
)
from jatlas.model import Network, class_names, find_class
from jatlas.records import Atlas
from jatlas.show import plot_sweep
from jatlas.storage import check_file, check_folder, files, load
from jatlas.types import HostArray, Params, is_url

Corner = Literal["top-left", "top-right", "bottom-left", "bottom-right"]
_PLACES: tuple[Corner, ...] = ("top-left", "top-right", "bottom-left", "bottom-right")
_NOISE = "noise, the control"
_SHOWN = 4  # classes in the plot


class _Case(NamedTuple):
    """Images of one class that are to become another."""

    network: Network
    params: Params
    images: Pictures
    source: int
    target: int
    names: tuple[str, ...]


class _Result(NamedTuple):
    """What a patch did."""

    name: str
    patch: HostArray
    attack: Attack


@dataclasses.dataclass(frozen=True, kw_only=True)
class Patch:
    """Test whether patches turn images of one class into another.

    The patches are pictures of yours, or crops that are found on an atlas: places of its images
    that count for the target but show something else.

    Attributes:
      source: class of the images, by its name or index.
      target: class that they are to become.
      images: files or folders of images of the source class. With an atlas they may be left out:
        then they are those of its images that the network takes for the source.
      patches: picture files to paste.
      atlas: folder of an atlas to find patches on, or its URL.
      layer: layer of the atlas to search. Without it, its only one.
      network: network to fool; with an atlas it is that of the atlas.
      sizes: sides of the patch to try, as shares of the image's.
      corners: where to try it.
      count: patches to find on the atlas, at most.
      max_samples: samples of each class that are compared to find them, at most. Without it, as
        many as the map of two classes shows.
      control: whether to try a patch of noise too.
      seed: seeds the noise, and the layout of the comparison.
      plot: picture to draw of what the best patch does, size by size.
      json: file to write all results to.
      save: folder to write the patches to that were found on the atlas.
    """

    source: str
    target: str
    images: tuple[Path, ...] = ()
    patches: tuple[Path, ...] = ()
    atlas: OptionalPlace = None
    layer: str | None = None
    network: str = "googlenet_bvlc"
    sizes: tuple[float, ...] = SIZES
    corners: tuple[Corner, ...] = _PLACES
    count: int = 5
    max_samples: int | None = None
    control: bool = True
    seed: int = 0
    plot: Path | None = None
    json: Path | None = None
    save: Path | None = None

    def run(self) -> None:
        """Test the patches and print a line for each."""
        check_figure(self.plot)
        check_file(self.json)
        check_folder(self.save)
        check_places(self.sizes, self._corners())
        key = session.make_key(self.seed)
        if self.atlas is None:
            self._check_without_atlas()
        atlas = None if self.atlas is None else load(self.atlas)
        if atlas is not None and not self.images and is_url(atlas.info["source"].get("root")):
            raise ValueError("images: expected files or folders, as the atlas's own are at a URL")
        patches = [(str(path), read_picture(path)) for path in self.patches]
        case = self._case(atlas)
        if self.images and not case.images.paths:
            raise ValueError("images: none of them can be read")
        if atlas is not None:
            case, found = self._find(case, atlas)
            patches += found
        if self.control:
            patches.append((_NOISE, np.asarray(noise_patch(key=key))))
        if not case.images.paths:
            raise ValueError(f"images: expected some of {case.names[case.source]}, found none")
        if not patches:
            raise ValueError("patches: found none on the atlas: give pictures, or another layer")
        self._report(case, [self._try(case, name, patch) for name, patch in patches])

    def _check_without_atlas(self) -> None:
        """Raise ValueError for options that are missing, or do nothing, without an atlas."""
        if not self.patches:
            raise ValueError("patches: expected pictures, or an atlas to find them on")
        if not self.images:
            raise ValueError("images: expected files or folders of images of the source class")
        for name in ("save", "layer", "max_samples"):
            if getattr(self, name) is not None:
                option = name.replace("_", "-")
                raise ValueError(f"{option}: expected with --atlas, to find patches on it")

    def _case(self, atlas: Atlas | None) -> _Case:
        if atlas is None:
            network, params = session.open_network(self.network)
        else:
            network, params = session.open_network_of(atlas)
        names = class_names(network, params, known=() if atlas is None else atlas.classes)
        source, target = (find_class(name, names) for name in (self.source, self.target))
        check_classes(source, target)
        # Images are made squares as the atlas's own were.
        preprocess = None if atlas is None else preprocess_of(atlas.info)
        preprocess = preprocess or Preprocess(size=network.input_size)
        images = Pictures(self.images, preprocess)
        return _Case(network, params, images, source, target, names)

    def _find(self, case: _Case, atlas: Atlas) -> tuple[_Case, list[tuple[str, HostArray]]]:
        """Find patches on the atlas, and images of the source class if none were given."""
        search = find_patches(
            case.network, case.params, atlas,
            source=case.source, target=case.target, key=session.make_key(self.seed),
            layer=self.layer, count=self.count,
            selection=ComparisonSelection(max_samples=self.max_samples),
        )  # fmt: skip
        if not case.images.paths:
            root = Path(atlas.info["source"]["root"])  # the search has read them there
            own = np.flatnonzero(search.probabilities.argmax(1) == case.source)
            paths = tuple(root / atlas.images[index] for index in own)
            case = case._replace(images=Pictures(paths, case.images.preprocess, fitted=False))
        if not search.patches:
            print("the atlas shows no cell that counts for the target but is something else")
        patches = []
        for number, crop in enumerate(search.patches):
            name = f"{number}: {case.names[crop.shows]} ({atlas.images[crop.image]})"
            patches.append((name, crop.pixels / np.float32(255)))
            if self.save is not None:
                files.write_image(self.save / f"patch-{number}.png", crop.pixels)
        return case, patches

    def _corners(self) -> list[tuple[float, float]]:
        return [CORNERS[_PLACES.index(name)] for name in self.corners]

    def _try(self, case: _Case, name: str, patch: HostArray) -> _Result:
        """Try a patch on all images."""
        tried = attack(
            case.network, case.params, case.images, patch,
            source=case.source, target=case.target, sizes=self.sizes, corners=self._corners(),
        )  # fmt: skip
        return _Result(name, patch, tried)

    def _report(self, case: _Case, results: list[_Result]) -> None:
        """Print what the patches did, and write and plot it where asked for."""
        known = int(results[0].attack.correct.sum())
        source, target = case.names[case.source], case.names[case.target]
        print(
            f"{source} -> {target}: {known} of {len(case.images.paths)} images are taken for "
            f"{source} without a patch, and tried"
        )
        print("\n".join(self._line(result) for result in results))
        if self.json is not None:
            files.write_json(self.json, self._record(case, results))
        if self.plot is not None and known:
            real = [result for result in results if result.name != _NOISE] or results
            best = max(real, key=lambda x: (rates(x.attack).static, rates(x.attack).static_target))
            self._plot(case, best, self.plot)

    def _line(self, result: _Result) -> str:
        measured = rates(result.attack)
        count = measured.images
        if not count:
            return f"{result.name}: not tried"
        size, corner = measured.place
        static, dynamic = (round(x * count) for x in (measured.static, measured.dynamic))
        return (
            f"{result.name}: {static} of {count} images flip at size {self.sizes[size]:g}, "
            f"{self.corners[corner]}; {dynamic} of {count} at their best placement; mean "
            f"probability {measured.before:.1%} -> {measured.static_target:.1%}, "
            f"{measured.dynamic_target:.1%}"
        )

    def _record(self, case: _Case, results: list[_Result]) -> dict[str, Any]:
        """Return everything as JSON values."""
        known = np.flatnonzero(results[0].attack.correct)
        paths = [str(path) for path in case.images.paths]
        return {
            "source": [case.source, case.names[case.source]],
            "target": [case.target, case.names[case.target]],
            "images": paths,
            "known": [paths[index] for index in known],
            "sizes": list(self.sizes),
            "corners": list(self.corners),
            "patches": [
                {
                    "patch": result.name,
                    "rates": rates(result.attack)._asdict() if len(known) else None,
                    "before": result.attack.before.tolist(),
                    "target": result.attack.target.tolist(),
                    "flipped": result.attack.flipped.tolist(),
                }
                for result in results
            ],
        }

    def _plot(self, case: _Case, result: _Result, path: Path) -> None:
        """Draw the probability of both classes, and of the others that get most probable."""
        sizes = np.linspace(0, max(self.sizes), 21).round(3).tolist()
        corner = self._corners()[rates(result.attack).place[1]]
        correct = zip(case.images, result.attack.correct, strict=True)
        tables = [
            np.asarray(
                sweep(
                    case.network, case.params, image, result.patch, sizes=sizes, corners=(corner,)
                )
            )[:, 0]
            for image, known in correct
            if known
        ]
        table = np.mean(tables, axis=0)
        shown = (case.source, case.target)
        others = [i for i in np.argsort(-table.max(0)).tolist() if i not in shown]
        figure = plot_sweep(
            table,
            sizes=sizes,
            indices=[*shown, *others[: _SHOWN - 2]],
            names=case.names,
            title=f"{Path(result.name).name} on {case.names[case.source]}",
        )
        with files.replacing(path) as file:
            figure.savefig(file, dpi=150, format=figure_format(path))
