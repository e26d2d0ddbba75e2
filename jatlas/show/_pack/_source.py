"""The atlases that a page is made of, opened and checked."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jatlas.records import Labels
from jatlas.show._pictures import exemplar_images
from jatlas.storage import (
    MapEntry,
    files,
    map_place,
    read_about,
    read_classes,
    read_info,
    read_maps,
    read_names,
    read_shown,
    read_sums,
    trust_file,
)
from jatlas.types import HostArray

_ATLASES = 26  # each has a letter
_MAX_CLASS = 99_999  # of a prediction for a class without a name


class Source(NamedTuple):
    """One of the atlases of a page.

    Attributes:
      root: its folder.
      title: what people call it; None for the first.
      prefix: of the names of its own parts and maps, "" for the first atlas, then "b", "c" ...
      about: how it was made.
      maps: its maps.
      images: names of its images; none if they were not saved.
      known: names of its classes, as far as they are known.
      classes: the same, and "class 7" for those without a name that are mentioned.
      first_class: number of its first class among those of the page.
      predictions: (images,) class that its network takes each image for; None if unknown.
      labels: what its images show; None if unknown.
    """

    root: Path
    title: str | None
    prefix: str
    about: dict[str, Any]
    maps: tuple[MapEntry, ...]
    images: list[str]
    known: list[str]
    classes: list[str]
    first_class: int
    predictions: HostArray | None
    labels: Labels | None

    def map_id(self, entry: MapEntry) -> str:
        """Return the name of a map, which no other map of the page has."""
        return f"{self.prefix}:{entry.name}" if self.prefix else entry.name


@contextlib.contextmanager
def damage(root: Path) -> Iterator[None]:
    """Say of errors in the block that an atlas is damaged."""
    try:
        yield
    except (OSError, ValueError) as error:
        raise ValueError(f"{root} is a damaged atlas: {error}") from error


def open_sources(
    folders: Sequence[Path], *, titles: Sequence[str] = ()
) -> tuple[list[Source], list[str]]:
    """Open the atlases of a page.

    Args:
      folders: of the atlases, the first one's first.
      titles: what people call all but the first; without one, by its folder.

    Returns:
      The atlases, and the names of the classes of all of them.

    Raises:
      FileNotFoundError: if there is no atlas.
      ValueError: if one is damaged, or there are too many, or more titles than other atlases.
    """
    if len(folders) > _ATLASES:
        raise ValueError(f"others: expected at most {_ATLASES - 1}, got {len(folders) - 1}")
    if len(titles) >= len(folders):
        raise ValueError(
            f"titles: expected at most {len(folders) - 1}, one for each further atlas, "
            f"got {len(titles)}"
        )
    sources: list[Source] = []
    classes: list[str] = []
    for number, root in enumerate(folders):
        info = read_info(root)
        with damage(root):
            source = _open(root, info, number)
            if number:
                title = titles[number - 1] if number <= len(titles) else source.root.resolve().name
                first_class = _first_class(source, sources, classes)
                source = source._replace(title=title, first_class=first_class)
        classes += source.classes[max(len(classes) - source.first_class, 0) :]
        sources.append(source)
    return sources, classes


def _first_class(source: Source, others: list[Source], classes: list[str]) -> int:
    """Return the number of the first class of an atlas among those of the atlases before it.

    The same list of classes is there once. What has no name grows the list of the last atlas only.
    """
    for other in others:
        both = list(zip(source.classes, other.classes, strict=False))
        is_last = other.first_class + len(other.classes) == len(classes)
        if (
            source.known == other.known
            and all(one == another for one, another in both)
            and (is_last or len(source.classes) <= len(other.classes))
        ):
            return other.first_class
    # Evidence may know more classes than there are names: no other atlas has these numbers.
    widest = max(_evidence_width(other) + other.first_class for other in others)
    classes += [f"class {i}" for i in range(len(classes), widest)]
    return len(classes)


def _evidence_width(source: Source) -> int:
    """Return the number of classes that the samples have evidence for; 0 if it is not known."""
    paths = (map_place(source.root, entry) / "evidence.npy" for entry in source.maps)
    shapes = [files.map_array(path).shape for path in paths if path.exists()]
    return max((shape[1] for shape in shapes if len(shape) == 2), default=0)


def _open(root: Path, info: dict[str, Any], number: int) -> Source:
    maps, known = read_maps(info), read_classes(info)
    files.verify(root, read_sums(info))
    for entry in maps:
        _verify(map_place(root, entry), entry)
    images = _images(root, maps)
    predictions, labels = _shown(root, info, len(images))
    return Source(
        root=root,
        title=None,
        prefix=chr(ord("a") + number) if number else "",
        about=read_about(info),
        maps=maps,
        images=images,
        known=known,
        classes=_class_names(known, maps, predictions),
        first_class=0,
        predictions=predictions,
        labels=labels,
    )


def _verify(place: Path, entry: MapEntry) -> None:
    """Check that the files of a map that a page is made of are those that were saved."""
    used = {"points.npy", "source.npy", "rows.npy"}
    for grid in entry.grids:
        used |= {f"cells-{grid.size}.npz", f"icons-{grid.size}.npy"}
        used |= set() if grid.crops is None else {f"exemplars-{grid.size}.npy"}
        used |= set() if grid.trust is None else {trust_file(grid.size)}
    files.verify(place, {name: x for name, x in entry.sums.items() if name in used})


def _images(root: Path, maps: tuple[MapEntry, ...]) -> list[str]:
    """Read the names of the images, none if they were not saved."""
    if not (root / "images.txt").exists():
        return []
    names = list(read_names(root))
    if (last := max(exemplar_images(maps), default=-1)) >= len(names):
        raise ValueError(
            f"{root / 'images.txt'}: expected more than {last} names, got {len(names)}"
        )
    return names


def _shown(root: Path, info: dict[str, Any], images: int) -> tuple[HostArray | None, Labels | None]:
    """Read what the images show, checked: it may be damaged."""
    predictions, labels = read_shown(root, info)
    if predictions is not None:
        last = max(_MAX_CLASS, len(read_classes(info)) - 1)
        check_indices("predictions.npy", predictions, (images,), last)
    if labels is not None:
        check_indices("labels.npy", labels.index, (images,), labels.hierarchy.classes - 1)
    return predictions, labels


def check_indices(name: str, array: HostArray, shape: tuple[int, ...], last: int) -> None:
    """Raise ValueError unless an array of a shape holds integers from -1 to `last`."""
    if (
        array.dtype.kind not in "iu"
        or array.shape != shape
        or (array.size and not (array.min() >= -1 and array.max() <= last))
    ):
        raise ValueError(
            f"{name}: expected integers from -1 to {last} of shape {shape}, "
            f"got {array.dtype} {array.shape}"
        )


def _class_names(
    known: list[str], maps: tuple[MapEntry, ...], predictions: HostArray | None
) -> list[str]:
    """Names by index: the known ones, then those that labels mention, "class 7" in between."""
    names = dict(enumerate(known))
    for entry in maps:
        for grid in entry.grids:
            for labels in grid.labels:
                for index, name, _ in labels:
                    names.setdefault(index, name)
    last = -1 if predictions is None else int(np.max(predictions, initial=-1))
    return [names.get(i, f"class {i}") for i in range(max(last, *names, -1) + 1)]
