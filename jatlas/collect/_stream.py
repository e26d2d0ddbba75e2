"""Records that come one after another: a Grain IterDataset, a streamed data set, a generator."""

import contextlib
import dataclasses
import itertools
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

from jatlas.collect._decode import decoder
from jatlas.collect._preprocess import Preprocess
from jatlas.collect._records import LABEL, RecordForm, checked_classes, class_names
from jatlas.collect._source import Loaded, check_load
from jatlas.types import checks, in_order

_AHEAD = 4  # records that wait for a thread, per worker: they may hold pictures of any size


@dataclasses.dataclass(frozen=True, kw_only=True)
class Stream:
    """The images of records whose number is not known; made by `stream`.

    Attributes:
      content: the records.
      preprocess: how each image becomes a square.
      image: key of the image in a record.
      label: key of the label in a record; None takes "label", where there is one.
      classes: names of the classes, for labels that are numbers.
      title: name of the data set; one line.
      version: identifies the content and its order; None if nothing does.

    Raises:
      ValueError: if the records cannot be iterated, or the title is not one line.
    """

    content: Iterable[Any]
    preprocess: Preprocess = dataclasses.field(default_factory=Preprocess)
    image: str = "image"
    label: str | None = None
    classes: tuple[str, ...] = ()
    title: str = "dataset"
    version: str | None = None
    _read: list[bool] = dataclasses.field(default_factory=list, init=False, repr=False)

    def __post_init__(self) -> None:
        content = self.content
        if isinstance(content, Mapping | str | bytes) or not hasattr(type(content), "__iter__"):
            raise ValueError(
                "content: expected records that come one after another, got "
                f"{type(content).__name__}"
            )
        for name in ("image", "label", "title", "version"):
            checks.field(self, name, checks.text, optional=name in ("label", "version"))
        object.__setattr__(self, "classes", checked_classes(self.classes))

    @property
    def count(self) -> None:
        """None: how many records there are is known once they are read."""
        return None

    def name(self, index: int) -> str:
        """Return the title of the data set and the number of the record."""
        return f"{self.title}/{index}"

    def fingerprint(self) -> dict[str, Any] | None:
        """Return what identifies the images; None without a version."""
        if self.version is None:
            return None
        return {
            "kind": "stream",
            "version": self.version,
            **self._form.identity(),
            "preprocess": dataclasses.asdict(self.preprocess),
            "decoder": decoder(),
        }

    def load(
        self, start: int = 0, *, workers: int = 2, wanted: Callable[[int], bool] | None = None
    ) -> Generator[Loaded, None, None]:
        """Yield every image from index `start` on, in order, decoding ahead on threads.

        Args:
          start: index of the first image to yield; records before it are read, but not decoded.
          workers: number of threads that decode. Records are read one by one.
          wanted: which indices to yield; the other records are read, but not decoded. None means
            all.

        Returns:
          A generator of (size, size, 3) uint8 images with their labels, with the reason in place of
          one that cannot be used. An exception of the stream itself ends it.

        Raises:
          ValueError: if `start` is negative, `workers` is less than 1, the size is not known, or
            the records are an iterator that was read before.
        """
        check_load(start, workers)
        _ = self.preprocess.side  # checked before the first image is asked for
        if self._read:
            raise ValueError(
                "content: expected an object whose __iter__ starts again, got an iterator, which "
                "can be read only once"
            )
        records = iter(self.content)
        if records is self.content:
            self._read.append(True)
        numbered: Iterator[tuple[int, Any]] = itertools.islice(enumerate(records), start, None)
        if wanted is not None:
            numbered = ((index, record) for index, record in numbered if wanted(index))
        return self._decoded(numbered, workers)

    def _decoded(
        self, numbered: Iterator[tuple[int, Any]], workers: int
    ) -> Generator[Loaded, None, None]:
        """Yield the images of numbered records."""
        ahead = _AHEAD * workers
        images = in_order(
            self._load_one, numbered, workers=workers, ahead=ahead, name="jatlas-images"
        )
        with contextlib.closing(images):
            yield from images

    def _load_one(self, numbered: tuple[int, Any]) -> Loaded:
        """Decode the image of a record."""
        return self._form.read(*numbered, preprocess=self.preprocess)

    @property
    def _form(self) -> RecordForm:
        return RecordForm(image=self.image, label=self.label, classes=self.classes)


def stream(
    content: Iterable[Any],
    *,
    size: int | None = None,
    fit: Literal["crop", "squash"] = "crop",
    image: str = "image",
    label: str | None = None,
    classes: Sequence[str] = (),
    title: str = "dataset",
    version: str | None = None,
) -> Stream:
    """Use the images of records that come one after another.

    Every image is read once, in order, and none can be read again: so cells show no places of the
    images, and an interrupted build reads again from the start. With several processes each reads
    all of them. Prefer `dataset` where records have numbers.

    Args:
      content: gives a mapping for each record: a Grain IterDataset or DataLoader, a streamed
        Hugging Face data set, a generator. The image in it is as for `dataset`.
      size: side of the square that each image becomes, in pixels; None means that of the images
        of the network that they are used with.
      fit: how it becomes one; see `Preprocess`.
      image: key of the image in a record.
      label: key of the label in a record; None takes "label", where records have it.
      classes: names of the classes, for labels that are numbers; without them, those that the data
        set's own `features` name, else "class 7".
      title: name of the data set in the atlas.
      version: names the content and its order: equal versions mean equal images in equal order.
        Without it, results are not reused, and an interrupted build starts anew.

    Returns:
      The source, whose `count` is None; nothing is read yet.

    Raises:
      ValueError: if `content` cannot be iterated, or another argument is out of range.

    Example:
      >>> import numpy as np
      >>> records = ({"image": np.full((8, 8, 3), x, np.uint8), "label": "grey"} for x in (7, 9))
      >>> [(item.index, item.image[0, 0, 0].item()) for item in stream(records, size=8).load()]
      [(0, 7), (1, 9)]
    """
    return Stream(
        content=content,
        preprocess=Preprocess(size=size, fit=fit),
        image=image,
        label=label,
        classes=tuple(classes) or class_names(content, label or LABEL),
        title=title,
        version=version,
    )
