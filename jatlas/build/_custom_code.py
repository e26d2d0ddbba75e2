"""The identity of custom objectives, parameterizations and views: their code."""

from __future__ import annotations

import hashlib
import types
from collections.abc import Iterator
from typing import Any


def code_digest(kind: type) -> str:
    """Return a digest of the code of a class and of those that it inherits from.

    It covers methods, but not the functions that they call. An edited method gives another digest,
    and the same code gives the same one in another process.

    Args:
      kind: a custom class; jatlas's own classes among its bases are left out.

    Returns:
      The sha256, in hex.

    Example:
      >>> class Double: __module__, __call__ = "mine", lambda self, x: 2 * x
      >>> class Triple: __module__, __call__ = "mine", lambda self, x: 3 * x
      >>> code_digest(Double) == code_digest(Triple)
      False
    """
    sha = hashlib.sha256()
    for base in kind.__mro__:
        if base.__module__.partition(".")[0] not in ("abc", "builtins", "jatlas", "typing"):
            sha.update(f"{base.__module__}.{base.__qualname__}\n".encode())
            for name, member in sorted(vars(base).items()):
                for code in _codes(member):
                    sha.update(f"{name} {_text(code)}\n".encode())
    return sha.hexdigest()


def _codes(member: Any) -> Iterator[types.CodeType]:
    """Yield the code of a method, a property, a static or a class method."""
    for part in (member, *(getattr(member, name, None) for name in ("__func__", "fget", "func"))):
        code = getattr(part, "__code__", None)
        if isinstance(code, types.CodeType):
            yield code


def _text(code: types.CodeType) -> str:
    constants = [_constant(value) for value in code.co_consts]
    return f"{code.co_code.hex()} {code.co_names} {code.co_varnames} {constants}"


def _constant(value: Any) -> str:
    if isinstance(value, types.CodeType):
        return _text(value)
    if isinstance(value, frozenset):  # whose order is another in each process
        return str(sorted(map(repr, value)))
    return repr(value)
