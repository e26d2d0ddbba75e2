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
      >>> list(blocks("abcde", 2))
      ['ab', 'cd', 'e']
    """
    for first in range(0, len(table), size):
        yield table[first : first + size]
        _let_go(table)


def take(table: _Table, rows: HostArray) -> _Table:
    """Return a copy of some rows of a table, and let those of a mapped file go, as `blocks` does.

    Args:
      table: any array.
      rows: (m,) their numbers.
    """
    taken = table[rows]
    # More than these rows may be in memory: a file is read by pages, and many of them at once.
    _let_go(table)
    return taken


def _let_go(table: Any) -> None:
    """Drop the pages of the file that a table is mapped from, if they can be read again."""
    while table is not None and not isinstance(table, mmap.mmap):
        table = getattr(table, "base", None)
    if table is None or not hasattr(mmap, "MADV_DONTNEED"):  # there is none on Windows
        return
    with memoryview(table) as view:
        changeable = not view.readonly
    if not changeable:  # what was changed in memory only would be lost
        table.madvise(mmap.MADV_DONTNEED)
