"""Weight files of PyTorch as named arrays, without PyTorch and without unpickling.

Two containers are read: the zip archive that `torch.save` writes since PyTorch 1.6, and the older
one, five pickles and then the numbers of each storage. What a pickle may hold is in
`jatlas.model._torch_pickle`.

Reference:
  torch/serialization.py, `_save` and `_legacy_save`.
"""

import io
import math
import zipfile
from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np

from jatlas.model._torch_pickle import read_pickle
from jatlas.model._torch_tensors import Storage, StoredTensor
from jatlas.model._weight_files import listed, other_kind
from jatlas.types import HostArray

_MAGIC = 0x1950A86A20F9469CFC6C
_VERSION = 1001
_COUNT_BYTES = 8

_Blocks: TypeAlias = dict[str, bytes | memoryview]


def read_torch_file(data: bytes) -> dict[str, HostArray]:
    """List the tensors of a state dict that `torch.save` has written.

    Args:
      data: the content of a .pth or .pt file.

    Returns:
      The tensors by name: read-only views of `data`, or of a copy of it, so that no more memory is
      taken than the file has bytes, whatever shapes it states. Numbers are float16 to float64 or
      int8 to int64.

    Raises:
      ValueError: if it is not such a file, is truncated or damaged, or holds anything else than a
        dict of tensors.

    Example:
      >>> read_torch_file(b"")
      Traceback (most recent call last):
      ValueError: the file is empty
    """
    if not data:
        raise ValueError("the file is empty")
    if is_torch_file(data):
        content, blocks = _read_archive(data) if data[:1] == b"P" else _read_old(data)
    else:
        kind = other_kind(data)
        reason = f"this is {kind}" if kind else "the file is truncated, damaged or of another kind"
        raise ValueError(reason)
    if type(content) is not dict:
        got = type(content).__name__
        raise ValueError(f"expected a dict of tensors in the file, got {got}")
    return {name: _array(name, value, blocks) for name, value in content.items()}


def is_torch_file(data: bytes) -> bool:
    r"""Return whether the content of a file starts like one of `torch.save`.

    Example:
      >>> is_torch_file(b"\x80\x02\x8a"), is_torch_file(b"name: 'GoogleNet'")
      (True, False)
    """
    return data[:1] == b"\x80" or other_kind(data) == "a PyTorch file"


def _read_old(data: bytes) -> tuple[Any, _Blocks]:
    """Return what the fourth pickle holds, and the numbers of each storage by key."""
    magic, _, at = read_pickle(data, 0)
    if type(magic) is not int or magic != _MAGIC:
        raise ValueError("this is a pickle, but not of torch.save")
    version, _, at = read_pickle(data, at)
    system, _, at = read_pickle(data, at)
    if type(version) is not int or version != _VERSION:
        raise ValueError("the file is of an unknown version of torch.save")
    if type(system) is not dict or system.get("little_endian") is not True:
        raise ValueError("the file is of a machine with another order of bytes")
    content, storages, at = read_pickle(data, at)
    keys, _, at = read_pickle(data, at)
    _check_keys(keys, storages)
    blocks: _Blocks = {}
    for key in keys:
        start = at + _COUNT_BYTES
        count = int.from_bytes(data[at:start], "little")
        at = start + storages[key].size
        if at > len(data):
            raise ValueError(f"the file is truncated, or damaged, in storage {listed([key])}")
        if count != storages[key].count:
            raise ValueError(f"the file is damaged: storage {listed([key])} has two sizes")
        blocks[key] = memoryview(data)[start:at]
    if at < len(data):
        raise ValueError(f"the file is damaged: {len(data) - at} bytes follow the last storage")
    return content, blocks


def _check_keys(keys: Any, storages: Mapping[str, Storage]) -> None:
    """Check the keys of the storages that follow, in their order."""
    if type(keys) is not list or not all(type(key) is str for key in keys):
        raise ValueError("the file is damaged: it has no list of its storages")
    if sorted(keys) != sorted(storages):
        raise ValueError(
            "the file is damaged: its tensors are in the storages "
            f"{listed(sorted(storages))}, and it has {listed(sorted(keys))}"
        )


def _read_archive(data: bytes) -> tuple[Any, _Blocks]:
    """Return what data.pkl holds, and the numbers of each storage by key."""
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
    except MemoryError:
        raise
    except Exception as error:  # zipfile raises nearly anything on a damaged archive
        raise ValueError(f"the archive is damaged: {error}") from error
    names = archive.namelist()
    if len(set(names)) < len(names):
        raise ValueError("the archive is damaged: it has a member twice")
    pickles = [name for name in names if name.endswith("/data.pkl")]
    if len(pickles) != 1:
        raise ValueError(f"the archive has {len(pickles)} members data.pkl: expected 1")
    folder = pickles[0].removesuffix("data.pkl")
    if f"{folder}byteorder" in names and _member(archive, f"{folder}byteorder") != b"little":
        raise ValueError("the file is of a machine with another order of bytes")
    content, storages, _ = read_pickle(_member(archive, pickles[0]), 0)
    # Members may overlap, and so have more bytes together than the file.
    if sum(storage.size for storage in storages.values()) > len(data):
        raise ValueError("the file is truncated, or damaged: its storages are larger than it is")
    blocks: _Blocks = {}
    for key, storage in storages.items():
        blocks[key] = _member(archive, f"{folder}data/{key}")
        if len(blocks[key]) != storage.size:
            raise ValueError(f"the file is damaged: storage {listed([key])} has two sizes")
    return content, blocks


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    failed = f"cannot read {listed([name])} in the archive"
    if name not in archive.NameToInfo:
        raise ValueError(f"{failed}: there is no such member")
    info = archive.getinfo(name)
    if info.compress_type != zipfile.ZIP_STORED:  # it might expand to anything
        raise ValueError(f"{failed}: PyTorch does not compress")
    try:
        return archive.read(info)
    except MemoryError:
        raise
    except Exception as error:  # as above
        raise ValueError(f"{failed}: {error}") from error


def _array(name: str, tensor: Any, blocks: _Blocks) -> HostArray:
    """Return a tensor as a view of its storage."""
    label = listed([name])
    if not isinstance(tensor, StoredTensor):
        raise ValueError(f"{label} in the file: expected a tensor, got {type(tensor).__name__}")
    storage, shape, strides = tensor.storage, tensor.shape, tensor.strides
    numbers = math.prod(shape)
    if not numbers:
        raise ValueError(f"{label} in the file has no numbers: its shape is {shape}")
    last = tensor.offset + sum((n - 1) * step for n, step in zip(shape, strides, strict=True))
    # With strides of 0, a few numbers could be a tensor of any size.
    if numbers > storage.count or last >= storage.count:
        raise ValueError(f"{label} in the file is larger than its storage")
    bytes_each = storage.dtype.itemsize
    return np.ndarray(
        shape,
        storage.dtype,
        buffer=blocks[storage.key],
        offset=tensor.offset * bytes_each,
        # The stride of an axis of one position may be any number.
        strides=[step * bytes_each if n > 1 else 0 for n, step in zip(shape, strides, strict=True)],
    )
