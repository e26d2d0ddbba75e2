"""Where this process keeps what it has traced."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from jatlas.types.programs._surroundings import name_of


class Store(Protocol):
    """Where bytes are kept, by name."""

    def get(self, name: str) -> bytes | None:
        """Return what was put there, or None if it is not there whole."""

    def put(self, name: str, data: bytes) -> None:
        """Keep bytes, if that is possible."""


class _Process:
    store: Store | None = None


def keep_in(store: Store | None) -> None:
    """Say where this process keeps what it has traced, and looks for it; None: nowhere."""
    _Process.store = store


def store() -> Store | None:
    """Return where this process keeps what it has traced."""
    return _Process.store


def kept_number(
    function: Callable[..., int], static: Mapping[str, Any], arguments: Mapping[str, Any]
) -> int:
    """Return a number that a function finds by tracing, from the store if it is there.

    Args:
      function: called with all arguments, by name.
      static: those that must be described for the number to be kept.
      arguments: those whose text says all that the function reads of them.
    """
    kept = _Process.store
    try:
        name = None if kept is None else name_of(function, static, [*map(str, arguments.values())])
    except (TypeError, OSError):
        name = None
    found = None if kept is None or name is None else kept.get(name)
    if found is not None:
        return int(found)
    number = function(**static, **arguments)
    if kept is not None and name is not None:
        kept.put(name, str(number).encode())
    return number
