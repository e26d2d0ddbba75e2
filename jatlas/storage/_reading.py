"""Reading files that may be damaged: sizes they state are checked before anything is allocated."""

import contextlib
import json
import math
import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np

from jatlas.types import HostArray

_DEFLATED = 1032  # bytes that one byte of a deflated stream can stand for, at most
_BLOCK = 2**20
_LOCAL_LENGTHS = 26  # where a member's header says how long its name is, and what follows it


@contextlib.contextmanager
def reading(path: Path) -> Iterator[IO[bytes]]:
    """Open a file; what goes wrong with its content in the block becomes a ValueError.

    Raises:
      OSError: if it cannot be opened.
      ValueError: if it is no regular file, or damaged; the message names it.
    """
    with open(path, "rb", opener=_open_regular) as file:
        try:
            yield file
        except Exception as error:  # bad bytes make zipfile, NumPy and Pillow raise nearly anything
            raise ValueError(f"{path} is damaged: {_reason(error)}") from error


def _open_regular(path: str, flags: int) -> int:
    # A pipe would wait for a writer for ever.
    descriptor = os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    raise ValueError(f"{path} is damaged: it is not a file")


def _reason(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def read_text(path: Path) -> str:
    """Read text in UTF-8, with the line ends that it has; raises as `reading`."""
    with reading(path) as file:
        return file.read().decode()


def read_json(path: Path) -> Any:
    """Read a value in JSON; raises as `reading`."""
    with reading(path) as file:
        text = file.read().decode()
        return json.loads(text, parse_constant=_finite, parse_float=_finite)


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is no finite number")
    return value


def read_array(path: Path) -> HostArray:
    """Read what `write_array` wrote.

    Raises:
      OSError: if it cannot be opened.
      ValueError: if it is damaged, or holds a pickle.
    """
    with reading(path) as file:
        return _read_npy(file, os.fstat(file.fileno()).st_size)


def read_arrays(path: Path, *, names: Collection[str] | None = None) -> dict[str, HostArray]:
    """Read what `write_arrays` wrote; raises as `read_array`.

    Args:
      path: the file.
      names: of the arrays that are read, of those that are there; None means all.
    """
    with reading(path) as file, _archive(file) as archive:
        members = {x.filename.removesuffix(".npy"): x for x in archive.infolist()}
        chosen = members if names is None else {x: members[x] for x in names if x in members}
        return {name: _read_member(archive, member) for name, member in chosen.items()}


@contextlib.contextmanager
def _archive(file: IO[bytes]) -> Iterator[zipfile.ZipFile]:
    """Open a .npz file whose members can be as large as they say."""
    if not zipfile.is_zipfile(file):
        raise ValueError("it is no .npz file; nothing that is pickled is read")
    with zipfile.ZipFile(file) as archive:
        _check_members(archive.infolist(), os.fstat(file.fileno()).st_size)
        yield archive


def _check_members(members: Collection[zipfile.ZipInfo], size: int) -> None:
    """Check that the members of an archive can be as large as they say."""
    if sum(member.compress_size for member in members) > size:
        raise ValueError("its members are larger than the file")
    for member in members:
        stored = member.compress_type == zipfile.ZIP_STORED
        if not stored and member.compress_type != zipfile.ZIP_DEFLATED:
            raise ValueError(f"{member.filename} is compressed in a way that is not read")
        if member.file_size > member.compress_size * (1 if stored else _DEFLATED):
            raise ValueError(f"{member.filename} cannot hold {member.file_size} bytes")


def _read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> HostArray:
    with archive.open(member) as file:
        return _read_npy(file, member.file_size)


def map_array(path: Path) -> HostArray:
    """Map a .npy file into memory, to be read where it is looked at; raises as `read_array`.

    On Windows, where a file that is mapped cannot be replaced, it is read instead.
    """
    with reading(path) as file:
        size = os.fstat(file.fileno()).st_size
        return _read_npy(file, size) if os.name == "nt" else _map_npy(file, size)


def map_arrays(path: Path) -> dict[str, HostArray]:
    """Map the arrays of a .npz file into memory; raises as `read_array`.

    Their checksums are compared first. What `write_arrays` wrote can be mapped; arrays that are
    compressed are read.
    """
    with reading(path) as file, _archive(file) as archive:
        return {
            member.filename.removesuffix(".npy"): _map_member(file, archive, member)
            for member in archive.infolist()
        }


def _map_member(file: IO[bytes], archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> HostArray:
    if os.name == "nt" or member.compress_type != zipfile.ZIP_STORED:
        return _read_member(archive, member)
    with archive.open(member) as content:
        while content.read(_BLOCK):  # to its end, where zipfile compares the checksum
            pass
    file.seek(member.header_offset + _LOCAL_LENGTHS)
    name, extra = struct.unpack("<HH", file.read(4))
    file.seek(name + extra, os.SEEK_CUR)
    return _map_npy(file, file.tell() + member.file_size)


def _map_npy(file: IO[bytes], end: int) -> HostArray:
    """Map an array that begins where an open file is and goes on to `end`."""
    shape, fortran, dtype = _npy_header(file, end)
    if not math.prod(shape):  # nothing that could be mapped
        return np.empty(shape, dtype)
    order: Literal["F", "C"] = "F" if fortran else "C"
    return np.memmap(file, dtype, "r", file.tell(), shape, order).view(np.ndarray)


def _read_npy(file: IO[bytes], size: int) -> HostArray:
    """Read an array of an open .npy file of so many bytes."""
    shape, fortran, dtype = _npy_header(file, size)
    held = size - file.tell()
    content = bytearray(held)
    view, start = memoryview(content), 0
    while count := file.readinto(view[start : start + _BLOCK]):  # type: ignore[attr-defined]
        start += count
    if start != held:
        raise ValueError(f"it ends after {start} of {held} bytes")
    return np.ndarray(shape, dtype, buffer=content, order="F" if fortran else "C")


def _npy_header(file: IO[bytes], size: int) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Read shape, order and type of an array; what follows has as many bytes as these say."""
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
    elif version == (2, 0):
        shape, fortran, dtype = np.lib.format.read_array_header_2_0(file)
    else:
        raise ValueError(f"version {version} of .npy is not read")
    if dtype.hasobject:
        raise ValueError("Object arrays cannot be loaded: they are pickled")
    # Before anything is allocated: a header may state any shape.
    count: int = math.prod(shape)
    stated, held = count * dtype.itemsize, size - file.tell()
    if stated != held or min(shape, default=0) < 0 or (count and not stated):
        raise ValueError(f"an array {shape} of {dtype} has {stated} bytes, not {held}")
    return shape, fortran, dtype


def checksums(folder: Path) -> dict[str, str]:
    """Return the CRC-32, in hex, of each file in a folder, by name."""
    paths = sorted(path for path in folder.iterdir() if path.is_file())
    return dict(zip((path.name for path in paths), _each(checksum, paths), strict=True))


def verify(folder: Path, sums: Mapping[str, str]) -> None:
    """Check that files are those of which the checksums were taken.

    Args:
      folder: where they are.
      sums: their checksums by name, as `checksums` returns them.

    Raises:
      OSError: if one cannot be read.
      ValueError: if one is another; the message names it.
    """
    for name, found in zip(sums, _each(checksum, [folder / x for x in sums]), strict=True):
        if found != sums[name]:
            raise ValueError(f"{folder / name} is damaged: it is not the file that was saved")


def _each(function: Callable[[Path], str], paths: Collection[Path]) -> list[str]:
    if not paths:
        return []
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        return list(pool.map(function, paths))


def checksum(path: Path) -> str:
    """Return the CRC-32 of a file, in hex; raises as `reading`."""
    total = 0
    with reading(path) as file:
        while block := file.read(_BLOCK):
            total = zlib.crc32(block, total)
    return f"{total:08x}"
