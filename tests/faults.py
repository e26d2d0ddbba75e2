"""Faults that tests inject: a function that fails from some call on, and what kills a process."""

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest


class Killed(BaseException):
    """What tests interrupt a build with; nothing catches it."""


@contextlib.contextmanager
def failing(owner: Any, name: str, error: BaseException, *, call: int = 1) -> Iterator[None]:
    """Have a function of a module raise an error from its n-th call on."""
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
