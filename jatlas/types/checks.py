"""Checks of settings and arguments, so that what cannot work is refused before anything is run.

Each returns a plain Python value: one that can be hashed and written as JSON, whichever library
the given one came from. What cannot be meant raises ValueError, "name: expected ..., got ...".
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

LARGEST = 1e30
"""Numbers beyond this overflow in products of float32."""

LARGEST_WHOLE = 2**53
"""Whole numbers up to here are exact wherever JSON is read."""

MAX_SIDE = 4096
"""Pixels along the side of an icon, a view or an image, or cells along that of a grid, at most."""

PIXELS = "uint8 or float in [0, 1]"
"""How images are given, for messages."""

_ROUNDING = 1e-4  # how far a resize in floats overshoots: less than a step of 8 bits
_SHOWN = 60  # characters of a value in a message


def field(
    config: Any, name: str, check: Callable[..., Any], /, *, optional: bool = False, **limits: Any
) -> None:
    """Check a field of a frozen dataclass, for its `__post_init__`.

    Args:
      config: the dataclass; the field gets the plain value if it is another one.
      name: of the field.
      check: one of the functions below.
      optional: whether None is a value too.
      limits: what else the function takes.

    Raises:
      ValueError: for a value that is not expected.
    """
    value = getattr(config, name)
    if optional and value is None:
        return
    found = check(name, value, **limits)
    if found is not value:
        object.__setattr__(config, name, found)


def whole(
    name: str,
    value: Any,
    *,
    minimum: int = 1,
    maximum: int = LARGEST_WHOLE,
    unit: str = "",
    expected: str = "",
) -> int:
    """Return a whole number.

    Args:
      name: what it is called in messages.
      value: an int, or a scalar of integers of NumPy or JAX; not a bool, and not 3.0.
      minimum: the least it may be.
      maximum: the most it may be.
      unit: what is counted, in the singular.
      expected: for messages, in place of the words for the limits.

    Raises:
      ValueError: for another kind of value, or one out of range.

    Example:
      >>> whole("size", np.int64(3), unit="pixel")
      3
      >>> whole("size", 0, unit="pixel")
      Traceback (most recent call last):
      ValueError: size: expected at least 1 pixel, got 0
    """
    found = _as_whole(value)
    if found is None:
        raise ValueError(f"{name}: expected {expected or 'a whole number'}, got {shown(value)}")
    if minimum <= found <= maximum:
        return found
    words, limit = ("at least", minimum) if found < minimum else ("at most", maximum)
    counted = f" {unit}{'' if limit == 1 else 's'}" if unit else ""
    expected = expected or f"{words} {limit}{counted}"
    raise ValueError(f"{name}: expected {expected}, got {shown(found)}")


def number(
    name: str,
    value: Any,
    *,
    above: float | None = None,
    minimum: float | None = None,
    below: float | None = None,
    maximum: float | None = None,
    expected: str = "",
    limit: float = LARGEST,
) -> float:
    """Return a finite real number.

    Args:
      name: what it is called in messages.
      value: a float or an int, or such a scalar of NumPy or JAX; not a bool.
      above: what it must be larger than, also when it is rounded to float32.
      minimum: the least it may be.
      below: what it must be smaller than, also when it is rounded to float32.
      maximum: the most it may be.
      expected: for messages, in place of the words for the limits so far.
      limit: its largest magnitude, beyond which it overflows or can mean nothing; not mentioned
        unless it is exceeded.

    Raises:
      ValueError: for another kind of value, or one out of range.

    Example:
      >>> number("share", 1, above=0, maximum=1)
      1.0
      >>> number("share", float("nan"), above=0, maximum=1)
      Traceback (most recent call last):
      ValueError: share: expected above 0, up to 1, got nan
    """
    found = as_number(value)
    if found is None:
        raise ValueError(f"{name}: expected a number, got {shown(value)}")
    if (
        abs(found) <= limit  # False for NaN
        and (above is None or np.float32(found) > above)
        and (minimum is None or found >= minimum)
        and (below is None or np.float32(found) < below)
        and (maximum is None or found <= maximum)
    ):
        return found
    if limit < abs(found) < np.inf:
        expected = f"at most {limit:g} in magnitude"
    if not expected:
        expected = _words(above=above, minimum=minimum, below=below, maximum=maximum)
    raise ValueError(f"{name}: expected {expected}, got {shown(value)}")


def wholes(name: str, value: Any, **limits: Any) -> tuple[int, ...]:
    """Return a tuple of whole numbers: `numbers` for `whole`."""
    return _several(whole, name, value, **limits)


def numbers(name: str, value: Any, **limits: Any) -> tuple[float, ...]:
    """Return a tuple of finite numbers.

    Args:
      name: what it is called in messages.
      value: a tuple, list or range, or a one-dimensional array.
      limits: `expected`, for messages; `length`, how many there must be, or `least`, how many at
        least, 1 if it is not given; and what `number` takes, for each of them.

    Raises:
      ValueError: for another kind of value, another length, or a number out of range.

    Example:
      >>> numbers("mean", [1, 2], expected="finite numbers", length=2)
      (1.0, 2.0)
    """
    return _several(number, name, value, **limits)


def _several(
    check: Callable[..., Any],
    name: str,
    value: Any,
    *,
    expected: str,
    length: int | None = None,
    least: int = 1,
    **limits: Any,
) -> tuple[Any, ...]:
    items = as_tuple(value)
    if items is not None and len(items) >= least and length in (None, len(items)):
        try:
            return tuple(check(name, item, **limits) for item in items)
        except ValueError:
            pass  # the message is to show all of them
    raise ValueError(f"{name}: expected {expected}, got {shown(value)}")


def flag(name: str, value: Any) -> bool:
    """Return True or False, also of NumPy's or JAX's kind; raises ValueError for all else."""
    if _dtype(value) == np.bool_:
        return bool(value)
    if not isinstance(value, bool):
        raise ValueError(f"{name}: expected True or False, got {shown(value)}")
    return value


def choice(name: str, value: Any, *, options: Sequence[str], expected: str = "") -> str:
    """Return one of some strings; raises ValueError for all else.

    Example:
      >>> choice("fit", "stretch", options=("crop", "squash"))
      Traceback (most recent call last):
      ValueError: fit: expected 'crop' or 'squash', got 'stretch'
    """
    if isinstance(value, str) and value in options:
        return str(value)
    words = [repr(option) for option in options]
    listed = " or ".join([", ".join(words[:-1])] * (len(words) > 1) + words[-1:])
    raise ValueError(f"{name}: expected {expected or listed}, got {shown(value)}")


def instance(name: str, value: Any, *, kinds: tuple[type, ...]) -> Any:
    """Return an object of one of some kinds; raises ValueError for all else."""
    if not isinstance(value, kinds):
        words = " or ".join(kind.__name__ for kind in kinds)
        raise ValueError(f"{name}: expected {words}, got {_kind(value)}")
    return value


def settings(name: str, value: Any, *, like: type) -> Any:
    """Return settings that may be of a kind of one's own: a static argument of `jax.jit`.

    Args:
      name: what they are called in messages.
      value: a frozen dataclass that can be hashed.
      like: the class that it is of, or the protocol that it has all members of.

    Raises:
      ValueError: for anything else.
    """
    if getattr(like, "_is_protocol", False):
        fits = all(hasattr(value, member) for member in vars(like) if member[0] != "_")
    else:
        fits = isinstance(value, like)
    if not fits or isinstance(value, type):
        raise ValueError(f"{name}: expected {like.__name__}, got {_kind(value)}")
    parameters = getattr(value, "__dataclass_params__", None)
    if parameters is None or not parameters.frozen:
        raise ValueError(f"{name}: expected a frozen dataclass, got {_kind(value)}, which is none")
    try:
        hash(value)
    except TypeError as error:
        raise ValueError(
            f"{name}: expected settings that can be hashed, got {_kind(value)}: {error}"
        ) from error
    return value


def path(name: str, value: Any) -> Path:
    """Return a path, also of a string; raises ValueError for all else, and an empty string."""
    if not isinstance(value, str | Path) or not str(value):
        raise ValueError(f"{name}: expected a path, got {shown(value)}")
    return Path(value)


def text(name: str, value: Any) -> str:
    """Return one line of text; raises ValueError for all else, and an empty string."""
    # Half of a surrogate pair, as of a file name in another encoding, cannot be written as UTF-8.
    known = isinstance(value, str) and value.splitlines() == [value]
    if not known or value.encode("utf-8", "ignore").decode() != value:
        raise ValueError(f"{name}: expected one line of UTF-8 text, got {shown(value)}")
    return str(value)


def pixels(name: str, value: Any) -> np.ndarray:
    """Return the pixels of images as uint8, or as float32 in [0, 1].

    Args:
      name: what they are called in messages.
      value: an array of any shape.

    Raises:
      ValueError: if it is of another type, or values are not finite or out of range.

    Example:
      >>> pixels("image", np.full((2, 2, 3), 255.0))
      Traceback (most recent call last):
      ValueError: image: expected uint8 or float in [0, 1], got values from 255 to 255
    """
    array = np.asarray(value)
    if array.dtype == np.uint8:
        return array
    if array.dtype.kind != "f" and array.dtype.name != "bfloat16":
        raise ValueError(f"{name}: expected {PIXELS}, got type {array.dtype.name}")
    array = array.astype(np.float32, copy=False)
    lowest, highest = (array.min(), array.max()) if array.size else (0, 1)
    # "Not inside" rather than "outside", which would let NaN pass.
    if not (lowest >= -_ROUNDING and highest <= 1 + _ROUNDING):
        found = f"values from {lowest:.6g} to {highest:.6g}"
        raise ValueError(f"{name}: expected {PIXELS}, got {found}")
    return np.clip(array, 0, 1) if lowest < 0 or highest > 1 else array


def as_tuple(value: Any) -> tuple[Any, ...] | None:
    """Return a list, tuple, range or array as a tuple, None for all else."""
    if isinstance(value, list | tuple | range):
        return tuple(value)
    if _is_array(value) and value.ndim:
        return tuple(np.asarray(value).tolist())
    return None


def as_number(value: Any) -> float | None:
    """Return a real number of Python, NumPy or JAX as a float, None for all else."""
    dtype = _dtype(value)
    if dtype is not None:
        real = dtype.kind in "iu" or jnp.issubdtype(dtype, np.floating)
        return float(value) if real else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return float("inf")


def shown(value: Any) -> str:
    """Return a value for a message: on one line, and not long."""
    if _is_array(value) and value.size <= _SHOWN:
        value = np.asarray(value).tolist()
    try:
        text = " ".join(repr(value).split())
    except ValueError:  # Python does not write out integers of thousands of digits
        text = f"{type(value).__name__} of thousands of digits"
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."


def is_traced(*values: Any) -> bool:
    """Return whether any value is known only when a program runs, as under `jax.jit`."""
    return any(isinstance(value, jax.core.Tracer) for value in values)


def _words(**limits: float | None) -> str:
    given = {limit: f"{value:g}" for limit, value in limits.items() if value is not None}
    if given.keys() == {"minimum", "maximum"}:
        return "{minimum} to {maximum}".format(**given)
    before = {"above": "above", "minimum": "at least", "below": "below", "maximum": "up to"}
    listed = ", ".join(f"{before[limit]} {value}" for limit, value in given.items())
    return listed or "a finite number"


def _as_whole(value: Any) -> int | None:
    dtype = _dtype(value)
    if dtype is not None and dtype.kind in "iu":
        return int(value)
    return int(value) if isinstance(value, int) and not isinstance(value, bool) else None


def _dtype(value: Any) -> Any:
    """Return the type of a scalar of NumPy or JAX, None for all else."""
    return value.dtype if _is_array(value) and value.ndim == 0 else None


def _is_array(value: Any) -> bool:
    if isinstance(value, jax.Array):
        return not is_traced(value) and not jnp.issubdtype(value.dtype, jax.dtypes.extended)
    return isinstance(value, np.ndarray | np.generic)


def _kind(value: Any) -> str:
    if isinstance(value, type):
        return f"the class {value.__name__} itself"
    return "None" if value is None else type(value).__name__
