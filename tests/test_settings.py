"""Settings refuse what cannot work when they are made, and are plain values otherwise."""

import dataclasses
import decimal
import enum
import fractions
import functools
import importlib
import inspect
import json
import math
import random
import re
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from test_api import PACKAGES

from jatlas.build._identity import settings
from jatlas.types import checks
from jatlas.visualize import Channel, Constant, Direction, Objective, Scaled, Sum

# Public frozen dataclasses that are not settings; all others are tested here.
OTHERS = {
    "Dataset": "a source",
    "Folder": "a source",
    "Stream": "a source",
    "Loaded": "an image",
    "Network": "functions",
    "WeightsPackage": "constants",
    "WeightsSource": "constants",
    "WeightsStatus": "a result",
    "CachedStage": "the place of a result",
    "Cells": "a result",
    "DataSpeed": "a result",
    "ExtractSpeed": "a result",
    "LayoutSpeed": "a result",
    "Remote": "a place",
    "RenderSpeed": "a result",
    "StageStatus": "a result",
    "Status": "a result",
    "SuiteRun": "results",
    "Workload": "a function",
    "WorkloadResult": "a result",
}
EXAMPLES = {
    "Scaled": Scaled(factor=2.0, part=Direction()),
    "Sum": Sum(parts=(Channel(), Channel())),
}
"""Settings of classes that have no default and of which the package has no example itself."""

UNRECORDED = {"Run"}
"""Settings that have no influence on results: they are not written to an atlas."""


def public() -> Iterator[Any]:
    for package in (*PACKAGES, "types"):
        for name, value in vars(importlib.import_module(f"jatlas.{package}")).items():
            if not name.startswith("_"):
                yield value


@functools.cache
def examples() -> dict[str, Any]:
    """Return valid settings of every class, by its name."""
    classes = {
        value.__name__: value
        for value in public()
        if inspect.isclass(value)
        and value.__module__.startswith("jatlas.")
        and dataclasses.is_dataclass(value)
        and value.__dataclass_params__.frozen
        and value.__dataclass_params__.eq
        and value.__name__ not in OTHERS
    }
    ready = {type(value).__name__: value for value in public()} | EXAMPLES
    made = {}
    for name, kind in classes.items():
        required = [x for x in dataclasses.fields(kind) if x.default is dataclasses.MISSING]
        if not required:
            made[name] = kind()
        elif name == "SelectionConfig":
            made[name] = kind(size=8)
        else:
            made[name] = ready[name]  # for a KeyError: add an example above
    return made


class Level(enum.IntEnum):
    """An int that is not written as one."""

    HIGH = 3


@functools.cache
def foreign() -> list[Any]:
    """Return values of every kind, most of which are wrong for any one field."""
    tracers: list[Any] = []
    jax.eval_shape(lambda x: tracers.append(x) or x, jnp.float32(0.5))
    nan, inf = math.nan, math.inf
    return [
        None, True, False, 0, 1, -1, 3, 10**6, 10**12, -(10**12), 10**400, 10**5000, Level.HIGH,
        0.0, 0.5, 1.0, 2.5, 3.0, -0.5, 1e-46, 1e39, 1e300, 0.9999999999, nan, inf, -inf, 1j,
        "", "3", "0.5", "nan", "cosine", "two\nlines", "bfloat16", b"3", Path("x"),
        (), [], {}, set(), (1,), [0.5], (0.6, 0.7), (0.7, 0.6), [1, 2], (1, 2, 3), (0, -1),
        (nan, 1), (inf, inf), (1e39, 1), ("a", "b"), ((0, 1), (1, 0)), [[1, 2]], (None, None),
        (True, True), range(3), iter([1, 2]), {"steps": 3}, {"size": 3, "window": (0.5, 0.7)},
        np.int64(3), np.uint8(200), np.float16(0.5), np.float32(0.5), np.float64(nan),
        np.longdouble(0.5), np.bool_(True), np.str_("cosine"), np.timedelta64(3, "s"),
        np.array(3), np.array(0.5), np.array(True), np.array([]), np.array([1, 2]),
        np.array([0.5, 0.7, nan]), np.ones((3, 3)), np.array("x"), np.array(None),
        jnp.int32(3), jnp.float32(0.5), jnp.bfloat16(0.5), jnp.float32(nan), jnp.array(True),
        jnp.array([1, 2]), jnp.ones((3, 3)), jax.random.key(0), *tracers,
        fractions.Fraction(1, 2), decimal.Decimal("0.5"), object(), int, float, len,
        Constant(np.eye(3)), Constant(np.ones((4, 3))), Constant(np.full((3, 3), nan)),
        Constant(()), *examples().values(), *map(type, examples().values()),
    ]  # fmt: skip


@functools.cache
def hints(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def plain(value: Any, hint: Any) -> bool:
    """Return whether a value is of the type that a field has, and nothing that passes for it."""
    arguments = typing.get_args(hint)
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        return any(plain(value, each) for each in arguments)
    if origin is typing.Literal:
        return type(value) is str and value in arguments
    if origin is tuple:
        each = arguments[:1] * len(value) if arguments[1:] == (...,) else arguments
        return type(value) is tuple and len(value) == len(each) and all(map(plain, value, each))
    if hint is float:
        return type(value) is float and abs(value) <= checks.LARGEST
    if hint in (int, bool, str):
        return type(value) is hint
    if getattr(hint, "_is_protocol", False):
        return dataclasses.is_dataclass(value) and not isinstance(value, type)
    return isinstance(value, hint)


def is_usable(made: Any) -> bool:
    """Return whether settings can do what settings must; raises if they cannot."""
    fields = {field.name: getattr(made, field.name) for field in dataclasses.fields(made)}
    for name, value in fields.items():
        assert plain(value, hints(type(made))[name]), f"{type(made).__name__}.{name}: {value!r}"
    again = type(made)(**fields)
    assert again == made == dataclasses.replace(made) and hash(again) == hash(made)
    if type(made).__name__ not in UNRECORDED:
        record = json.dumps(settings(made), allow_nan=False)
        assert record == json.dumps(settings(again), allow_nan=False)
    return True


def attempt(example: Any, changes: dict[str, Any]) -> bool:
    """Make settings with some changes; return whether they are accepted."""
    try:
        made = dataclasses.replace(example, **changes)
    except ValueError as error:
        assert type(error) is ValueError, changes
        assert re.match(r"[\w, ]+: expected \S", str(error)), error
        assert len(str(error)) < 400 and "\n" not in str(error)
        return False
    return is_usable(made)


def test_every_class_of_settings_is_found() -> None:
    found = set(examples())
    assert len(found) >= 28
    assert {"Adam", "RenderConfig", "UMAP", "Run", "PackConfig", "InceptionConfig"} <= found
    for name, example in examples().items():
        assert type(example).__name__ == name and is_usable(example)


def test_values_of_other_libraries_are_those_of_python() -> None:
    for example in examples().values():
        for field in dataclasses.fields(example):
            value = getattr(example, field.name)
            same: list[Any] = []
            if type(value) in (bool, int, float):
                same = [np.asarray(value)[()], np.asarray(value)]
            if type(value) is tuple and value and not isinstance(value[0], Objective):
                same = [list(value), np.asarray(value)]
            if type(value) in (bool, int):  # JAX rounds the others to float32
                same.append(jnp.asarray(value))
            for each in same:
                made = dataclasses.replace(example, **{field.name: each})
                assert made == example and is_usable(made)


def test_each_foreign_value_is_refused_or_made_plain() -> None:
    tried = accepted = 0
    for example in examples().values():
        for field in dataclasses.fields(example):
            for value in foreign():
                tried += 1
                accepted += attempt(example, {field.name: value})
    assert tried > 15_000 and 0.03 < accepted / tried < 0.2


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_combinations_of_values_are_refused_or_made_plain(seed: int) -> None:
    draw = random.Random(seed)
    kinds = [example for example in examples().values() if dataclasses.fields(example)]
    accepted = 0
    for _ in range(5000):
        example = draw.choice(kinds)
        names = [field.name for field in dataclasses.fields(example)]
        chosen = draw.sample(names, draw.randint(1, min(3, len(names))))
        accepted += attempt(example, {name: draw.choice(foreign()) for name in chosen})
    assert accepted > 100
