"""Tables that are read some rows after others."""

import mmap
from collections.abc import Iterator
from typing import Any, TypeVar

from jatlas.types import Array, HostArray

_Table = TypeVar("_Table", Array, HostArray, Array | HostArray)


def blocks(table: _Table, size: int) -> Iterator[_Table]:
    """Yield some rows of a table after others.

    Of a file that is mapped, each block leaves memory before the next one is read: its pages would
    be kept, and count as used, as long as no other process asks for memory.

    Args:
      table: any array.
      size: rows at once; the last block may have fewer.

    Example:
      >>> [len(block) for block in blocks(np.zeros((5, 2)), 2)]
      [2, 2, 1]
    """
    file = _mapped(table)
    for first in range(0, len(table), size):
        yield table[first : first + size]
        if file is not None:
            file.madvise(mmap.MADV_DONTNEED)


def _mapped(table: Any) -> mmap.mmap | None:
    """Return the file that a table is mapped from, if it can be read again."""
    while table is not None and not isinstance(table, mmap.mmap):
        table = getattr(table, "base", None)
    if table is None or not hasattr(mmap, "MADV_DONTNEED"):  # there is none on Windows
        return None
    with memoryview(table) as view:
        # What was changed in memory only would be lost.
        return table if view.readonly else None
