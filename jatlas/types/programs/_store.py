"""Where this process keeps what it has traced."""

from collections.abc import Callable, Mapping, Sequence
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
    traced: Callable[[], int], static: Mapping[str, Any], arguments: Sequence[str]
) -> int:
    """Return a number that a function finds by tracing, from the store if it is there.

    Args:
      traced: finds the number.
      static: what decides it and must be described for it to be kept.
      arguments: descriptions of what else decides it.
    """
    kept = _Process.store
    if kept is None:
        return traced()
    try:
        name = name_of(traced, static, arguments)
    except (TypeError, OSError):
        return traced()
    found = kept.get(name)
    if found is not None:
        return int(found)
    number = traced()
    kept.put(name, str(number).encode())
    return number
