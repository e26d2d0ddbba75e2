"""The images of an atlas: their names, and what they show."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jatlas.records import Labels
from jatlas.storage import files
from jatlas.storage._entries import read_sums
from jatlas.storage._names import read_labels
from jatlas.types import HostArray

NAMES, PREDICTIONS, LABELS = "images.txt", "predictions.npy", "labels.npy"


def read_names(folder: Path) -> tuple[str, ...]:
    """Read the names of an atlas's images, one a line of images.txt.

    Raises:
      OSError: if it cannot be read.
      ValueError: if it is damaged.
    """
    # Not splitlines, which also splits at characters that a name may hold.
    *names, rest = files.read_text(folder / NAMES).split("\n")
    if rest:
        raise ValueError(f"{folder / NAMES} is damaged: its last line has no end")
    return tuple(names)


def read_shown(folder: Path, info: dict[str, Any]) -> tuple[HostArray | None, Labels | None]:
    """Read what the network takes each image for, and what the images are labelled with.

    Args:
      folder: the atlas.
      info: the content of its atlas.json.

    Returns:
      (images,) predicted classes, None if there are none; labels, None if there are none.

    Raises:
      OSError: if a file cannot be read.
      ValueError: if one is damaged. Whether the numbers fit the atlas is not checked.
    """
    sums = read_sums(info)
    predictions, given = (
        # What is missing is said with the checksums.
        files.map_array(folder / name) if name in sums or (folder / name).exists() else None
        for name in (PREDICTIONS, LABELS)
    )
    return predictions, read_labels(info.get("labels"), predictions if given is None else given)
