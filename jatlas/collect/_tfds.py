"""The images of TensorFlow Datasets, read without TensorFlow."""

import os
from typing import Literal

import numpy as np

from jatlas.collect._datasets import Dataset, dataset
from jatlas.collect._preprocess import Preprocess

_INTEGERS = (np.uint8, np.uint16)


def tfds(
    name: str,
    *,
    split: str,
    size: int | None = None,
    fit: Literal["crop", "squash"] = "crop",
    image: str = "image",
    label: str | None = None,
    limit: int | None = None,
    data_dir: str | os.PathLike[str] | None = None,
) -> Dataset:
    """Use the images of a TensorFlow Dataset, such as "imagenet_v2".

    Needs the extra `tfds`. The data set is downloaded and prepared if it is not on disk, as
    array_record files. Reading them does not need TensorFlow; preparing some data sets does.

    Args:
      name: name of the data set in TFDS.
      split: which part of it, "train[:10%]" for example.
      size: side of the square that each image becomes, in pixels; None means that of the images
        of the network that they are used with.
      fit: how it becomes one; see `Preprocess`.
      image: key of the image in a record.
      label: key of the label in a record; None takes "label", where records have it.
      limit: maximum number of images, taken at even distances over the split.
      data_dir: folder of data sets; None means TFDS's own.

    Returns:
      The source, whose version is the full name of the data set and the split; no image is read
      yet. Labels have the names that the data set gives its classes.

    Raises:
      ImportError: if tensorflow-datasets is not installed.
      ValueError: if there is no such data set, split or key, there are no records, or an argument
        is out of range.
    """
    try:
        import tensorflow_datasets
    except ImportError as error:
        raise ImportError(
            "TensorFlow Datasets is not installed: pip install 'jatlas[tfds]'"
        ) from error
    Preprocess(size=size, fit=fit)  # checked before anything is downloaded
    folder = None if data_dir is None else os.fspath(data_dir)
    try:
        content = tensorflow_datasets.data_source(name, split=split, data_dir=folder)
    except tensorflow_datasets.core.DatasetNotFoundError as error:  # it lists a thousand names
        where = "one that was prepared" if folder is None else f"one prepared in {folder!r}"
        raise ValueError(f"name: expected a data set of TFDS or {where}, got {name!r}") from error
    features = content.dataset_info.features
    for key, value in (("image", image), ("label", label)):
        if value is not None and value not in features:
            raise ValueError(f"{key}: expected one of {sorted(features)}, got {value!r}")
    kind = features[image]
    if isinstance(kind, tensorflow_datasets.features.Image) and kind.np_dtype in _INTEGERS:
        # The bytes of a file are decoded as those in a folder are: at a fraction of the size where
        # that is enough, upright, and on threads. Those of floats are no picture.
        content.decoders = {image: tensorflow_datasets.decode.SkipDecoding()}
    return dataset(
        content,
        size=size,
        fit=fit,
        image=image,
        label=label,
        limit=limit,
        title=f"{name}:{split}",
        version=f"{content.dataset_info.full_name}:{split}",
    )
