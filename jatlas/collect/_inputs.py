"""What a caller may pass as images."""

import dataclasses
import os
import re
from collections.abc import Iterable
from typing import Any, Literal

from jatlas.collect._array_record import array_record
from jatlas.collect._arrays import arrays
from jatlas.collect._datasets import Dataset, dataset
from jatlas.collect._folder import Folder, folder
from jatlas.collect._source import ImageSource
from jatlas.collect._stream import Stream, stream
from jatlas.collect._tar import tar
from jatlas.collect._tfds import tfds

FORMS = ("tfds:NAME/SPLIT", "arrayrecord:FILES", "tar:FILES")
"""The forms of images as a text, next to a folder."""

# A letter alone is a drive of Windows; "://" belongs to a URL.
_PREFIX = re.compile(r"([A-Za-z][A-Za-z_]+):(?!//)(.*)", re.DOTALL)


def as_source(images: Any, *, size: int) -> ImageSource:
    """Return a source of images, whatever form they are given in.

    Args:
      images: a folder, or another text that `open_images` takes; an array (b, h, w, 3), a list of
        images (h, w, 3) or a list of batches, uint8 or float in [0, 1]; a Grain data set of
        records; or an `ImageSource`.
      size: side of the network's images in pixels: the size of a `Folder`, `Dataset` or `Stream`
        that has none of its own. Arrays are never scaled.

    Returns:
      The source.

    Raises:
      ValueError: if `images` is none of these, or the folder, the array or the list holds no
        images.

    Example:
      >>> import numpy as np
      >>> as_source([np.zeros((8, 8, 3)), np.ones((8, 8, 3))], size=224).count
      2
      >>> as_source(7, size=224)
      Traceback (most recent call last):
      ...
      ValueError: images: expected a folder, an array, a list of arrays or an ImageSource, got int
    """
    if isinstance(images, str):
        return open_images(images, size=size)
    if isinstance(images, os.PathLike):
        return folder(images, size=size)
    if isinstance(images, Folder | Dataset | Stream) and images.preprocess.size is None:
        preprocess = dataclasses.replace(images.preprocess, size=size)
        return dataclasses.replace(images, preprocess=preprocess)
    if isinstance(images, ImageSource):
        return images
    if _is_of_grain(images):
        counted = hasattr(type(images), "__len__") and hasattr(type(images), "__getitem__")
        return dataset(images, size=size) if counted else stream(images, size=size)
    if hasattr(images, "shape") or isinstance(images, list | tuple):
        return arrays(images)
    raise ValueError(
        "images: expected a folder, an array, a list of arrays or an ImageSource, got "
        f"{type(images).__name__}"
    )


def open_images(
    images: str,
    *,
    size: int | None = None,
    fit: Literal["crop", "squash"] = "crop",
    limit: int | None = None,
    data_dir: str | os.PathLike[str] | None = None,
) -> Folder | Dataset:
    """Open images that a text names, as after `jatlas build`.

    Args:
      images: a folder of images or its URL, see `folder`; "tfds:NAME/SPLIT", such as
        "tfds:imagenet_v2/test[:10%]", see `tfds`; "arrayrecord:FILES" or "tar:FILES" with a file
        or a pattern such as "tar:data/*.tar", see `array_record` and `tar`.
      size: side of the square that each image becomes, in pixels; None means that of the images
        of the network that they are used with.
      fit: how it becomes one; see `Preprocess`.
      limit: maximum number of images, taken at even distances over all of them.
      data_dir: folder of TFDS's data sets; None means TFDS's own.

    Returns:
      The source.

    Raises:
      ImportError: if the package that reads them is not installed.
      ValueError: if the text is none of these, or there are no such images.

    Example:
      >>> open_images("zip:photos.zip")
      Traceback (most recent call last):
      ...
      ValueError: images: expected a folder, tfds:NAME/SPLIT, arrayrecord:FILES or tar:FILES, got \
'zip:photos.zip'
    """
    prefix, rest = _parts(images)
    if data_dir is not None and prefix != "tfds":
        raise ValueError("data_dir: expected images as tfds:NAME/SPLIT with it, got other images")
    if prefix == "tfds":
        name, slash, split = rest.rpartition("/")
        if not (name and slash and split):
            raise ValueError(
                f"images: expected tfds:NAME/SPLIT, such as tfds:imagenet_v2/test, got {images!r}"
            )
        return tfds(name, split=split, size=size, fit=fit, limit=limit, data_dir=data_dir)
    if prefix == "arrayrecord":
        return array_record(rest, size=size, fit=fit, limit=limit)
    if prefix == "tar":
        return tar(rest, size=size, fit=fit, limit=limit)
    return folder(images, size=size, fit=fit, limit=limit)


def _parts(images: str) -> tuple[str, str]:
    """Return the prefix of a text, "" for a folder, and what follows it."""
    found = _PREFIX.fullmatch(images)
    known = [form.partition(":")[0] for form in FORMS]
    if found is None or (found[1] not in known and os.path.exists(images)):
        return "", images
    if found[1] not in known:
        raise ValueError(
            f"images: expected a folder, {', '.join(FORMS[:-1])} or {FORMS[-1]}, got {images!r}"
        )
    return found[1], found[2]


def _is_of_grain(images: Any) -> bool:
    """Return whether something is a data set of Grain's."""
    kinds = type(images).__mro__
    return isinstance(images, Iterable) and any(
        kind.__module__.split(".")[0] == "grain" for kind in kinds
    )
