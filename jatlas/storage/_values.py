"""Values of a JSON object, checked: it may be damaged, or hostile."""

from typing import Any

from jatlas.types import checks

INT32_MAX = 2**31 - 1


def is_index(value: Any, bound: int) -> bool:
    """Return whether a value is an integer from 0, below a bound."""
    return type(value) is int and 0 <= value < bound


def is_number(value: Any) -> bool:
    """Return whether a value is a number that a float can hold."""
    # JSON integers may be too large for a float.
    return type(value) is float or (type(value) is int and abs(value) <= checks.LARGEST_WHOLE)


_MISSING = object()


def get(entry: Any, name: str, where: str, default: Any = _MISSING) -> Any:
    """Return a value of an object, which must be there unless there is a default."""
    if not isinstance(entry, dict):
        raise ValueError(f"{where}: expected an object, got {checks.shown(entry)}")
    value = entry.get(name, default)
    if value is _MISSING:
        raise ValueError(f"{where}: {name} is missing")
    return value


def items(entry: Any, name: str, where: str, default: Any = _MISSING) -> list[Any]:
    """Return a list of an object; raises ValueError as `get`, or for another type."""
    value = get(entry, name, where, default)
    if not isinstance(value, list | tuple):
        raise ValueError(f"{where}.{name}: expected a list, got {checks.shown(value)}")
    return list(value)


def mapping(entry: Any, name: str, where: str, default: Any = _MISSING) -> Any:
    """Return an object of an object; raises as `items`."""
    value = get(entry, name, where, default)
    if not isinstance(value, dict) and value is not default:
        raise ValueError(f"{where}.{name}: expected an object, got {checks.shown(value)}")
    return value


def texts(entry: Any, name: str, where: str, default: Any = _MISSING) -> dict[str, str]:
    """Return an object of an object that holds strings alone; raises as `items`."""
    values: dict[str, str] = mapping(entry, name, where, default)
    if not all(isinstance(value, str) for value in values.values()):
        raise ValueError(f"{where}.{name}: expected strings, got {checks.shown(values)}")
    return values


def text(entry: Any, name: str, where: str, default: Any = _MISSING) -> Any:
    """Return a string of an object; raises as `items`."""
    value = get(entry, name, where, default)
    if not isinstance(value, str) and value is not default:
        raise ValueError(f"{where}.{name}: expected a string, got {checks.shown(value)}")
    return value


def integer(entry: Any, name: str, where: str, *, maximum: int, minimum: int = 0) -> int:
    """Return an integer of an object; raises as `items`, or if it is out of range."""
    value = get(entry, name, where)
    if type(value) is not int or not minimum <= value <= maximum:
        expected = f"expected an integer from {minimum} to {maximum}"
        raise ValueError(f"{where}.{name}: {expected}, got {checks.shown(value)}")
    return value
