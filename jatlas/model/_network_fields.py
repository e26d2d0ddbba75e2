"""The fields of a network, checked when it is created."""

from collections.abc import Callable
from typing import Any


def as_tuple(field: str, values: Any) -> tuple[Any, ...]:
    """Return a list or a tuple as a tuple, or raise ValueError."""
    if not isinstance(values, list | tuple):
        raise ValueError(f"{field}: expected a tuple, got {type(values).__name__}")
    return tuple(values)


def as_stage(field: str, pair: Any) -> tuple[str, Callable[..., Any]]:
    """Return a pair as a name and a function that `jax.jit` takes, or raise ValueError."""
    if not isinstance(pair, tuple | list) or len(pair) != 2 or not callable(pair[1]):
        raise ValueError(f"{field}: expected (name, function) pairs, got {pair!r}")
    name, stage = pair
    _check_hashable(f"{field}: {name!r}", stage)
    return name, stage


def _check_hashable(what: str, function: Any) -> None:
    """Raise ValueError for a function that `jax.jit` does not take."""
    try:
        hash(function)
    except TypeError as error:
        raise ValueError(
            f"{what} is a {type(function).__name__}, which cannot be hashed, as jax.jit needs: "
            "pass a function, or make the class a frozen dataclass or one with eq=False"
        ) from error


def check_source(
    stages: tuple[tuple[str, Any], ...], forward: Any, taps: tuple[str, ...], centers: Any
) -> None:
    """Raise ValueError unless a network is stages or a function, and its layers have names."""
    if forward is None:
        if taps:
            raise ValueError("taps: expected forward with them, or stages in their place")
        _check_names("stages", tuple(name for name, _ in stages), "(name, function) pair")
        return
    if stages or centers:
        raise ValueError("forward: expected no stages and no centers beside it")
    if not callable(forward):
        raise ValueError(f"forward: expected a function, got {forward!r}")
    _check_hashable("forward", forward)
    _check_names("taps", taps, "name")


def _check_names(field: str, names: tuple[str, ...], kind: str) -> None:
    """Raise ValueError unless there are names that can be told apart."""
    if not names:
        raise ValueError(f"{field}: expected at least one {kind}, got none")
    for name in names:
        if not isinstance(name, str) or name.splitlines() != [name]:
            raise ValueError(f"{field}: expected names of one line of text, got {name!r}")
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ValueError(f"{field}: names must be unique; repeated: {', '.join(repeated)}")
