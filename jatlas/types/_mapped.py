"""Tables of files that are mapped into memory."""

import mmap
from collections.abc import Iterator
from typing import Any, TypeVar

from jatlas.types._names import Array, HostArray

_Table = TypeVar("_Table", Array, HostArray, Array | HostArray)


def blocks(table: _Table, size: int) -> Iterator[_Table]:
    """Yield some rows of a table after others.

    Of a file that is mapped, each block leaves memory before the next one is read.

    Args:
      table: any array.
      size: rows at once; the last block may have fewer.

    Example:
      >>> list(blocks("abcde", 2))
      ['ab', 'cd', 'e']
    """
    for first in range(0, len(table), size):
        yield table[first : first + size]
        release(table)


def take(table: _Table, rows: HostArray) -> _Table:
    """Return a copy of some rows of a table, and let those of a mapped file go, as `blocks` does.

    Args:
      table: any array.
      rows: (m,) their numbers.
    """
    taken = table[rows]
    # More than these rows may be in memory: a file is read by pages, and many of them at once.
    release(table)
    return taken


def release(table: Any) -> None:
    """Give back the memory that the pages of a mapped file fill since they were read.

    They are read again where they are looked at. Otherwise they are kept, and count as used, as
    long as no other process asks for memory: a pass over a file ends with all of it in memory.

    Args:
      table: any array; one that is no file's, or whose changes would be lost, is left alone.
    """
    while table is not None and not isinstance(table, mmap.mmap):
        table = getattr(table, "base", None)
    if table is None or not hasattr(mmap, "MADV_DONTNEED"):  # there is none on Windows
        return
    with memoryview(table) as view:
        changeable = not view.readonly
    if not changeable:
        table.madvise(mmap.MADV_DONTNEED)
