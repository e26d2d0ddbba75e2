"""Arrays of files that are mapped into memory."""

import mmap
from typing import Any

import numpy as np


def release(array: Any) -> None:
    """Give back the memory that the pages of a mapped file fill since they were read.

    They are read again where they are looked at. Without it, a pass over a file of gigabytes ends
    with all of it in memory, until the system needs that for something else.

    Args:
      array: an array; one that is no file's, or that may be written to, is left alone.
    """
    if not isinstance(array, np.ndarray) or array.flags.writeable:
        return
    base: Any = array
    while isinstance(base, np.ndarray):
        base = base.base
    if isinstance(base, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        base.madvise(mmap.MADV_DONTNEED)
