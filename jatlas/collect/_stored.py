"""The folder of images that an atlas was built of, by what the atlas says of it."""

import dataclasses
import logging
from pathlib import Path
from typing import Any

from jatlas.collect._folder import Folder
from jatlas.collect._preprocess import Preprocess
from jatlas.types import is_url

log = logging.getLogger(__name__)


def preprocess_of(info: dict[str, Any]) -> Preprocess | None:
    """Return how the images of an atlas became squares; None if it does not say.

    Args:
      info: of the atlas.
    """
    settings = info.get("source", {}).get("preprocess")
    if settings is None:
        return None
    # What a newer version may have added does not concern this one.
    names = {field.name for field in dataclasses.fields(Preprocess)}
    return Preprocess(**{name: value for name, value in settings.items() if name in names})


def images_of(info: dict[str, Any], names: tuple[str, ...]) -> Folder | None:
    """Return the folder of images that an atlas was built of.

    Args:
      info: of the atlas.
      names: of its images.

    Returns:
      The images, if the folder is there and holds the same files; else None, and why is logged.
    """
    source = info.get("source", {})
    if not source.get("root") or "listing_sha256" not in source or preprocess_of(info) is None:
        return None
    try:
        return stored_folder(info, names)
    except (ImportError, OSError, ValueError) as error:
        log.info("no crops: %s", error)
        return None


def stored_folder(
    info: dict[str, Any], names: tuple[str, ...], *, root: Path | str | None = None
) -> Folder:
    """Return the folder of images that an atlas was built of, or one that they have moved to.

    Args:
      info: of the atlas.
      names: of its images.
      root: where the images are now, a folder or a URL; None means where they were.

    Raises:
      ValueError: if the atlas is not of image files, or the folder is gone or holds others.
    """
    source, preprocess = info.get("source", {}), preprocess_of(info)
    if "listing_sha256" not in source or preprocess is None:
        raise ValueError("the atlas was not built of a folder of images")
    if root is None and not source.get("root"):
        raise ValueError("the atlas does not say where its images are")
    place = root or source["root"]
    at = place.rstrip("/") if isinstance(place, str) and is_url(place) else Path(place)
    images = Folder(root=at, paths=names, preprocess=preprocess)
    if isinstance(at, Path) and not at.is_dir():
        raise ValueError(f"the images are not where they were: {images.root} is gone")
    if not images.matches(source):
        raise ValueError(f"{images.root} holds other images than the atlas was built of")
    return images
