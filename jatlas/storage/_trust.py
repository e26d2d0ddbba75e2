"""The file of a grid that says how far its cells can be trusted."""

from pathlib import Path

import numpy as np

from jatlas.records import MEASURES, Info, Trust
from jatlas.storage import files
from jatlas.storage._entries import GridEntry
from jatlas.types import HostArray


def trust_file(size: int) -> str:
    """Return the name of the file of a grid."""
    return f"trust-{size}.npz"


def write_trust(folder: Path, trust: Trust, *, size: int) -> None:
    """Write the measures of a grid into the folder of its map."""
    files.write_arrays(folder / trust_file(size), trust.measures)


def read_trust(folder: Path, entry: GridEntry) -> Trust:
    """Read the measures of a grid that has some.

    Args:
      folder: of the map.
      entry: what atlas.json says of the grid.

    Raises:
      OSError: if the file cannot be read.
      ValueError: if it is damaged, or not of the cells of the grid; the message names it.
    """
    path = folder / trust_file(entry.size)
    arrays = files.map_arrays(path)
    # What a newer version may measure does not concern this one.
    known = {name: arrays[name] for name in MEASURES if name in arrays}
    for name, values in known.items():
        check_measure(f"{path}: {name}", values, cells=len(entry.cells))
    return Trust(**known, settings=Info(entry.trust or {}))


def check_measure(name: str, values: HostArray, *, cells: int) -> None:
    """Raise ValueError if a measure is not one number from 0 to 1, or NaN, for each cell."""
    if values.shape != (cells,) or values.dtype.kind != "f":
        raise ValueError(
            f"{name}: expected floats of shape ({cells},), got {values.dtype} {values.shape}"
        )
    if not (np.isnan(values) | ((values >= 0) & (values <= 1))).all():
        low, high = np.nanmin(values), np.nanmax(values)
        raise ValueError(f"{name}: expected numbers from 0 to 1, got {low} to {high}")
