"""Arrays as values of settings."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from jatlas.types import HostArray, checks


class Constant:
    """An immutable float32 array of real numbers that can be compared and hashed.

    Settings are static arguments of `jax.jit`, which must be hashable; arrays are not. Two
    constants are equal if their shapes and bytes are. `np.asarray` gives the array.

    Raises:
      ValueError: for anything but real numbers.

    Example:
      >>> Constant([1, 2]) == Constant([1, 2])
      True
      >>> np.asarray(Constant([[1, 2]]))
      array([[1., 2.]], dtype=float32)
    """

    __slots__ = ("_bytes", "shape")

    shape: tuple[int, ...]
    _bytes: bytes

    def __init__(self, values: ArrayLike) -> None:
        array = _as_float32(values)
        object.__setattr__(self, "shape", array.shape)
        object.__setattr__(self, "_bytes", array.tobytes())

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a Constant is immutable: {name} cannot be set")

    def __reduce__(self) -> tuple[Any, ...]:
        return Constant, (np.asarray(self),)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> HostArray:
        array = np.frombuffer(self._bytes, np.float32).reshape(self.shape)
        return np.array(array, dtype=dtype, copy=copy)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Constant):
            return NotImplemented
        return self.shape == other.shape and self._bytes == other._bytes

    def __hash__(self) -> int:
        return hash((self.shape, self._bytes))

    def __repr__(self) -> str:
        return f"Constant(shape={self.shape})"


def _as_float32(values: ArrayLike) -> HostArray:
    if isinstance(values, Constant):
        return np.asarray(values)
    try:
        array = np.asarray(values)
    except (TypeError, ValueError):
        array = np.asarray(None)
    # None and strings would be numbers to NumPy, and of complex numbers it would drop a part.
    if array.dtype.kind not in "iuf" and not jnp.issubdtype(array.dtype, np.floating):
        raise ValueError(f"values: expected an array of real numbers, got {checks.shown(values)}")
    with np.errstate(over="ignore"):
        return array.astype(np.float32)
