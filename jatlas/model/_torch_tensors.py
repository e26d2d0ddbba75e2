"""What a file of `torch.save` states of its tensors and their storages, checked one by one.

Reference:
  torch/serialization.py, `persistent_id`; torch/_utils.py, `_rebuild_tensor_v2`.
"""

import dataclasses
from typing import Any

import numpy as np

DTYPES: dict[str, np.dtype[Any]] = {
    "torch.DoubleStorage": np.dtype("<f8"),
    "torch.FloatStorage": np.dtype("<f4"),
    "torch.HalfStorage": np.dtype("<f2"),
    "torch.LongStorage": np.dtype("<i8"),
    "torch.IntStorage": np.dtype("<i4"),
    "torch.ShortStorage": np.dtype("<i2"),
    "torch.CharStorage": np.dtype("i1"),
    "torch.ByteStorage": np.dtype("u1"),
}
"""The dtypes of the storages that are read, by the name of their class."""

_MAX_AXES = 8


@dataclasses.dataclass(frozen=True)
class Name:
    """A name in a pickle: a key of a table here, never what it is the name of."""

    text: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Storage:
    """A block of numbers that is elsewhere in the file.

    Attributes:
      key: its name.
      dtype: of the numbers.
      count: how many there are said to be; it may be of any size, so nothing is allocated from it.
    """

    key: str
    dtype: np.dtype[Any]
    count: int

    @property
    def size(self) -> int:
        """What it takes, in bytes."""
        return self.count * self.dtype.itemsize


@dataclasses.dataclass(frozen=True, kw_only=True)
class StoredTensor:
    """Where a tensor is in its storage, as stated; whether it fits is not checked yet.

    Attributes:
      storage: that its numbers are in.
      offset: of its first number.
      shape: of the tensor.
      strides: distances between neighbours along each axis, in numbers.
    """

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def as_storage(identity: tuple[Any, ...]) -> Storage:
    """Return the storage of ("storage", class, key, device, count), in old files with a None more.

    Raises:
      ValueError: if the tuple is anything else.
    """
    if len(identity) == 6 and identity[5] is None:
        identity = identity[:5]
    if len(identity) != 5 or checked(identity[0], str) != "storage":
        raise ValueError("a pickle in the file refers to something that is no storage of a tensor")
    _, kind, key, _, count = identity
    name = checked(kind, Name).text
    if name not in DTYPES:
        raise ValueError(f"a storage in the file is of the type {name}")
    return Storage(key=checked(key, str), dtype=DTYPES[name], count=_count(count))


def as_tensor(arguments: tuple[Any, ...]) -> StoredTensor:
    """Return the tensor that `_rebuild_tensor_v2` would make of its arguments.

    Raises:
      ValueError: if they are anything else.
    """
    # Gradient and hooks, the last two, say nothing of the numbers. A seventh argument would: it may
    # mark them as conjugate or negative.
    if len(arguments) != 6:
        raise ValueError(f"a tensor in the file has {len(arguments)} arguments: expected 6")
    storage, offset, shape, strides, *_ = arguments
    shape, strides = (tuple(map(_count, checked(x, tuple))) for x in (shape, strides))
    if len(shape) != len(strides) or len(shape) > _MAX_AXES:
        raise ValueError(
            f"a tensor in the file has {len(shape)} axes and {len(strides)} strides: expected as "
            f"many, up to {_MAX_AXES}"
        )
    storage = checked(storage, Storage)
    return StoredTensor(storage=storage, offset=_count(offset), shape=shape, strides=strides)


def checked(value: Any, kind: type) -> Any:
    """Return a value that is of a class, not of one derived from it; else raise ValueError."""
    if type(value) is not kind:
        expected, got = kind.__name__, type(value).__name__
        raise ValueError(f"in a pickle in the file: expected {expected}, got {got}")
    return value


def _count(value: Any) -> int:
    if checked(value, int) < 0:
        raise ValueError("a size, offset or stride in the file is negative")
    return int(value)
