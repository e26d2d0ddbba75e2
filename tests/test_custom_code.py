"""Custom settings are identified by their code, too."""

import dataclasses
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import jatlas
from jatlas.build import _identity as identity
from jatlas.build._custom_code import code_digest

SOURCE = """
import functools
class Base:
    def scale(self): return {base}
class Own(Base):
    def __call__(self, x): return (lambda y: {factor} * y)(x) if x in {{"ab", "cd", "ef"}} else 0
    @property
    def power(self): return {power}
    @staticmethod
    def name(): return {name!r}
    @functools.cached_property
    def side(self): return {side}
"""
VALUES: dict[str, Any] = {"base": 1, "factor": 1, "power": 1, "name": "a", "side": 1}


def own(**changes: Any) -> type:
    names: dict[str, Any] = {"__name__": "mine"}
    exec(SOURCE.format(**(VALUES | changes)), names)
    kind = names["Own"]
    assert isinstance(kind, type)
    return kind


@pytest.mark.parametrize("name", VALUES)
def test_an_edited_method_is_other_code(name: str) -> None:
    changed = "b" if name == "name" else 2
    assert code_digest(own()) == code_digest(own()) != code_digest(own(**{name: changed}))


@pytest.mark.slow
def test_the_code_is_the_same_in_another_process() -> None:
    script = "import test_custom_code as t; print(t.code_digest(t.own()))"
    for seed in ("1", "2"):  # of the hash of strings, and so of the order of sets
        found = subprocess.run(
            [sys.executable, "-c", script], cwd=Path(__file__).parent, check=True, text=True,
            capture_output=True, env=os.environ | {"PYTHONHASHSEED": seed},
        )  # fmt: skip
        assert found.stdout.strip() == code_digest(own())


def test_only_custom_settings_include_their_code() -> None:
    @dataclasses.dataclass(frozen=True)
    class Mine(jatlas.Direction):
        pass

    for objective, keys in (
        (jatlas.Direction(), {"kind", "power"}),
        (Mine(), {"kind", "power", "code_sha256"}),
    ):
        config = jatlas.RenderConfig(objective=objective)
        assert identity.settings(config)["objective"].keys() == keys
