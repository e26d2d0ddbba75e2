"""An array that grows row by row, in a file rather than in memory."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np

from jatlas.types import HostArray


class Rows:
    """Rows of one array, written to a file that has no name, and then mapped into memory.

    The file is gone with the array, however the process ends. On Windows, where a file that is
    mapped stays in the way, and without a folder, rows are kept in memory, once.

    Example:
      >>> rows = Rows(None, (2,), np.int32)
      >>> rows.append(np.array([[1, 2], [3, 4]], np.int32))
      >>> rows.replace(1, np.array([5, 6], np.int32))
      >>> rows.array().tolist()
      [[1, 2], [5, 6]]
    """

    def __init__(self, folder: Path | None, shape: tuple[int, ...], dtype: Any) -> None:
        """Begin an array without rows.

        Args:
          folder: where the file is; it is made. None keeps the rows in memory.
          shape: of a row.
          dtype: of its values.
        """
        self._shape, self._dtype = shape, np.dtype(dtype)
        self._count = 0
        self._memory = bytearray()
        self._file: IO[bytes] | None = None
        self._folder = folder
        if folder is not None and os.name != "nt":
            with self._named():
                folder.mkdir(parents=True, exist_ok=True)
                self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 -- `array` closes it

    def __del__(self) -> None:
        """Close the file of rows that an error has left before they were an array."""
        file = getattr(self, "_file", None)
        if file is not None:
            with contextlib.suppress(OSError):  # of a disk that is full, say
                file.close()

    def append(self, rows: HostArray) -> None:
        """Add rows at the end: (n, *shape), in the type of the array."""
        content = self._bytes(rows)
        self._count += len(rows)
        if self._file is None:
            self._memory += content
            return
        with self._named():
            self._file.seek(0, os.SEEK_END)
            self._file.write(content)

    def replace(self, index: int, row: HostArray) -> None:
        """Write another row in the place of one that is there."""
        content = self._bytes(row)
        if self._file is None:
            self._memory[index * len(content) : (index + 1) * len(content)] = content
            return
        with self._named():
            self._file.seek(index * len(content))
            self._file.write(content)

    def array(self) -> HostArray:
        """Return the array, (n, *shape); nothing may be added any more."""
        shape = (self._count, *self._shape)
        if self._file is None:
            return np.frombuffer(self._memory, self._dtype).reshape(shape)
        with self._file as file, self._named():
            file.flush()
            if not os.fstat(file.fileno()).st_size:  # nothing that could be mapped
                return np.empty(shape, self._dtype)
            return np.memmap(file, self._dtype, "r").view(np.ndarray).reshape(shape)

    def _bytes(self, rows: HostArray) -> memoryview | bytes:
        if not rows.size:
            return b""
        return np.ascontiguousarray(rows, self._dtype).data.cast("B")

    @contextlib.contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            error.filename = error.filename or str(self._folder)  # the file has no name to give
            raise
