"""Fault injection: functions that fail from a given call on."""

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest


class Killed(BaseException):
    """Stands for a killed process: no handler catches it."""


@contextlib.contextmanager
def failing(owner: Any, name: str, error: BaseException, *, call: int = 1) -> Iterator[None]:
    """Make a function of a module raise an error, from a given call on."""
    function, calls = getattr(owner, name), 0

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls >= call:
            raise error
        return function(*args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(owner, name, wrapped)
        yield
