"""What a caller may pass as images."""

import dataclasses
import os
from typing import Any

from jatlas.collect._arrays import arrays
from jatlas.collect._datasets import Dataset
from jatlas.collect._folder import Folder, folder
from jatlas.collect._source import ImageSource


def as_source(images: Any, *, size: int) -> ImageSource:
    """Return a source of images, whatever form they are given in.

    Args:
      images: the path of a folder; an array (b, h, w, 3), a list of images (h, w, 3) or a list of
        batches, uint8 or float in [0, 1]; or an `ImageSource`.
      size: side of the network's images in pixels: the size of a `Folder` or `Dataset` that has
        none of its own. Arrays are never scaled.

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
    if isinstance(images, str | os.PathLike):
        return folder(images, size=size)
    if isinstance(images, Folder | Dataset) and images.preprocess.size is None:
        preprocess = dataclasses.replace(images.preprocess, size=size)
        return dataclasses.replace(images, preprocess=preprocess)
    if isinstance(images, ImageSource):
        return images
    if hasattr(images, "shape") or isinstance(images, list | tuple):
        return arrays(images)
    raise ValueError(
        "images: expected a folder, an array, a list of arrays or an ImageSource, got "
        f"{type(images).__name__}"
    )
