"""Images in tar files, as WebDataset keeps them, read at random."""

import dataclasses
import logging
import os
import tarfile
from array import array
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO, Literal

from jatlas.collect._datasets import Dataset
from jatlas.collect._decode import ImageError, suffixes
from jatlas.collect._files import File, Paths, files_identity, find_files, open_file, short_names
from jatlas.collect._listing import first_of
from jatlas.collect._preprocess import Preprocess
from jatlas.collect._records import FileRecords, checked_classes, text_of_label
from jatlas.collect._source import unlistable
from jatlas.types import checks, one_line

log = logging.getLogger(__name__)

_KIND = "tar files"
_LABELS = ("cls", "json:label")  # where labels are looked for, the first that is there


@dataclasses.dataclass(frozen=True)
class _Member:
    """A file in a tar file: its name, where its content begins, and its bytes."""

    name: str
    offset: int
    size: int


class TarRecords(FileRecords):
    """The images in tar files, indexed by their headers; what they hold is read when asked for.

    Attributes:
      paths: the files.
      unusable: (name, reason) of members that cannot be used, and of files that end too early.
    """

    def __init__(self, paths: Sequence[File], *, image: str | None, label: str | None) -> None:
        """Read the headers of all files.

        Raises:
          OSError: if a file cannot be read.
          ValueError: if one is no plain tar file, or none holds an image.
        """
        self.paths = tuple(paths)
        self._names = short_names(self.paths)
        self._image, self._labels = image, _LABELS if label is None else (label,)
        self._members: list[str] = []
        # Of each image its file, offset and size, and the offset, size and kind of its label.
        self._places = array("q")
        unusable: list[tuple[str, str]] = []
        for number, path in enumerate(self.paths):
            self._index(number, list(_members(path, self._names[number], unusable)), unusable)
        self.unusable = tuple(unusable)
        if not self._members:
            wanted = " ".join(suffixes()) if image is None else f".{image}"
            raise ValueError(
                f"paths: expected tar files with images ({wanted}), found none in "
                f"{', '.join(map(str, self.paths[:3]))}" + first_of(unusable)
            )

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self._members)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Read an image, and its label if it has one."""
        if not 0 <= index < len(self):
            raise IndexError(index)
        number, offset, size, *label = self._places[6 * index : 6 * index + 6]
        with open_file(self.paths[number], ahead=False) as file:
            file.seek(offset)
            record: dict[str, Any] = {"image": file.read(size)}
            if len(record["image"]) < size:
                raise ImageError(f"the tar file ends within it, before {size} bytes")
            if label[1]:
                file.seek(label[0])
                key = self._labels[label[2]].partition(":")[2] or None
                record["label"] = text_of_label(file.read(label[1]), key=key)
        return record

    def name(self, index: int) -> str:
        """Return the name of the tar file and of the image in it."""
        return f"{self._names[self._places[6 * index]]}/{self._members[index]}"

    def identity(self) -> dict[str, Any]:
        """Return digests of the files and which of their members are used."""
        which = {"image": self._image, "labels": list(self._labels)}
        return {"tar": files_identity(self.paths, self._names) | which}

    def _index(
        self, number: int, members: Sequence[_Member], unusable: list[tuple[str, str]]
    ) -> None:
        """Add the images of a file."""
        samples: dict[str, dict[str, list[_Member]]] = {}
        for member in members:
            key, extension = _split(member.name)
            samples.setdefault(key, {}).setdefault(extension, []).append(member)
        images = {image.offset for sample in samples.values() for image in self._images(sample)}
        for member in members:  # in their order: so are they read fastest
            if member.offset not in images:
                continue
            if reason := unlistable(member.name):
                unusable.append((repr(f"{self._names[number]}/{member.name}"), reason))
                continue
            label = self._label(samples[_split(member.name)[0]])
            self._places.extend((number, member.offset, member.size, *label))
            self._members.append(member.name)

    def _images(self, sample: dict[str, list[_Member]]) -> list[_Member]:
        """Return the images among the members that share a key."""
        if self._image is not None:
            return sample.get(self._image, [])
        known = suffixes()
        whole = [x for ending in sample if f".{ending}" in known for x in sample[ending]]
        # "7.jpg" is the image where "7.mask.png" is there too; "my.cat.jpg" is one by itself.
        return whole or [
            member for ending in sample if f".{ending}".endswith(known) for member in sample[ending]
        ]

    def _label(self, sample: dict[str, list[_Member]]) -> tuple[int, int, int]:
        """Return offset, size and kind of the label among the members that share a key."""
        for kind, label in enumerate(self._labels):
            for member in sample.get(label.partition(":")[0], ()):
                return member.offset, member.size, kind
        return 0, 0, 0


def _split(name: str) -> tuple[str, str]:
    """Return the key of a member and its extension in lower case, as WebDataset splits its name.

    Example:
      >>> _split("train/0001.mask.PNG")
      ('train/0001', 'mask.png')
    """
    folder, slash, base = name.rpartition("/")
    stem, _, extension = base.partition(".")
    return f"{folder}{slash}{stem}", extension.lower()


def _members(path: File, shown: str, unusable: list[tuple[str, str]]) -> Iterator[_Member]:
    """Yield the files in a tar file that are not hidden; damage is noted and ends it."""
    with open_file(path) as file:
        first = _opened(file, path)
        try:
            for info in _infos(file, first):
                name = info.name.removeprefix("./")
                if not info.isfile() or any(part.startswith(".") for part in name.split("/")):
                    continue
                if info.issparse():
                    unusable.append((repr(f"{shown}/{name}"), "a sparse file"))
                    continue
                yield _Member(name, info.offset_data, info.size)
        except tarfile.TarError as error:
            log.warning("%s is damaged, what follows in it is not read: %s", path, error)
            unusable.append((repr(shown), f"damaged: {one_line(error)}"))


def _opened(file: BinaryIO, path: File) -> tarfile.TarFile:
    """Return a tar file whose first header has been read, or raise ValueError."""
    try:
        return tarfile.open(fileobj=file, mode="r:")
    except tarfile.ReadError as error:
        raise ValueError(
            f"paths: expected tar files that are not compressed, got {str(path)!r}: "
            f"{one_line(error)}"
        ) from error


def _infos(file: BinaryIO, content: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """Yield the headers of a tar file, and of those that were appended to it with `cat`.

    Raises:
      tarfile.TarError: if it is damaged, which `tarfile` takes for its end.
    """
    while True:
        while (info := content.next()) is not None:
            content.members = []  # type: ignore[attr-defined]  # it would grow with the file
            yield info
        file.seek(content.offset)
        block = file.read(tarfile.BLOCKSIZE)
        if len(block) < tarfile.BLOCKSIZE:
            raise tarfile.ReadError("it ends without the mark of its end")
        if any(block):
            raise tarfile.ReadError(f"no header at byte {content.offset}")
        while block and not any(block):
            block = file.read(tarfile.BLOCKSIZE)
        if not block:
            return
        file.seek(-len(block), os.SEEK_CUR)
        content = tarfile.open(fileobj=file, mode="r:")  # noqa: SIM115  closes nothing


def tar(
    paths: Paths,
    *,
    size: int | None = None,
    fit: Literal["crop", "squash"] = "crop",
    image: str | None = None,
    label: str | None = None,
    classes: Sequence[str] = (),
    limit: int | None = None,
) -> Dataset:
    """Use the images in tar files: those of WebDataset, or of a folder.

    The headers are read at once, an image when it is asked for, wherever it is; so the files must
    not be compressed. Members that share their name up to the first dot belong together, as in
    WebDataset: "0001.jpg" is an image and "0001.cls" its label. Hidden members are ignored. An
    image that cannot be read is passed over and named.

    Args:
      paths: a file, a pattern such as "data/*.tar" or "data/{000..146}.tar", or several; or URLs,
        which need the extra `url`.
      size: side of the square that each image becomes, in pixels; None means that of the images
        of the network that they are used with.
      fit: how it becomes one; see `Preprocess`.
      image: extension of the images, without a dot; None means every suffix that `folder` takes.
        If a name is followed by such a suffix alone, others of that name are no images: masks, say.
      label: where labels are: an extension, whose members hold a text or the number of a class, or
        "json:KEY" for what JSON files say under a key. None takes "cls", else "json:label". Text
        is often a caption, so "txt" must be asked for.
      classes: names of the classes, for labels that are numbers; without them "class 7".
      limit: maximum number of images, taken at even distances over all of them.

    Returns:
      The source. Its images are named after the tar file and the member.

    Raises:
      OSError: if a file cannot be read.
      ValueError: if there is no such file, one is compressed or no tar file, none holds an image,
        or another argument is out of range.
    """
    preprocess = Preprocess(size=size, fit=fit)
    for name, value in (("image", image), ("label", label)):
        if value is not None:
            checks.text(name, value)
    known = checked_classes(classes)
    return Dataset(
        content=TarRecords(find_files(paths, kind=_KIND), image=image, label=label),
        preprocess=preprocess,
        classes=known,
        limit=limit,
        title="tar",
    )
