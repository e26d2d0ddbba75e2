"""Rules that hold for the whole package."""

import ast
import importlib
import inspect
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jatlas

ROOT = Path(jatlas.__file__).parent
# What each part may import of jatlas, besides itself, jatlas.types and jatlas.storage._files.
MAY_IMPORT: dict[str, set[str]] = {
    "types": set(),
    "files": set(),
    "model": set(),
    "arrange": set(),
    "collect": {"model"},
    "visualize": {"model", "arrange"},
    "explain": {"model", "arrange"},
    "synthetic": {"collect"},
    "show": {"atlas"},
    "samples": {"model", "collect", "explain"},
    "strips": set(),
    "records": {"show"},
    "atlas": {"records", "show", "strips"},
    "originals": {"model", "collect", "explain", "atlas", "show"},
    "drawing": {
        "model",
        "collect",
        "arrange",
        "visualize",
        "explain",
        "show",
        "samples",
        "atlas",
        "originals",
    },
    "pipeline": {
        "model",
        "collect",
        "arrange",
        "visualize",
        "show",
        "samples",
        "atlas",
        "drawing",
    },
    "maps": {
        "model",
        "collect",
        "arrange",
        "visualize",
        "explain",
        "show",
        "samples",
        "atlas",
        "drawing",
        "originals",
    },
    "redraw": {
        "model",
        "collect",
        "arrange",
        "visualize",
        "samples",
        "atlas",
        "drawing",
        "maps",
    },
    "patching": {"model", "collect", "explain", "atlas", "maps", "originals"},
    "bench": {"model", "collect", "arrange", "visualize", "samples"},
    "commands": {"model", "collect", "arrange", "visualize", "explain", "show", "synthetic"}
    | {"atlas", "pipeline", "bench", "drawing", "maps", "patching", "redraw"},
    "cli": {"commands"},
}


def imported(path: Path) -> set[str]:
    """The parts of jatlas that a file imports."""
    parts = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        parts |= {name.split(".")[1] for name in names if name.startswith("jatlas.")}
    return parts


def test_imports_point_one_way() -> None:
    for path in ROOT.rglob("*.py"):
        part = path.relative_to(ROOT).parts[0].removesuffix(".py")
        if part == "__init__":
            continue
        allowed = MAY_IMPORT[part] | {part, "types", "files"}
        assert imported(path) & known_parts() <= allowed, f"{path} imports too much"


def known_parts() -> set[str]:
    return {path.name.removesuffix(".py") for path in ROOT.iterdir()}


def public_functions() -> Iterator[tuple[str, Any]]:
    for info in pkgutil.walk_packages(jatlas.__path__, "jatlas."):
        module = importlib.import_module(info.name)
        for name, value in vars(module).items():
            if name.startswith("_") or getattr(value, "__module__", None) != info.name:
                continue
            if callable(value) and not inspect.isclass(value):
                yield f"{info.name}.{name}", value


def test_randomness_is_a_required_keyword_called_key() -> None:
    found = 0
    for name, function in public_functions():
        for parameter in inspect.signature(function).parameters.values():
            assert parameter.name not in ("rng", "seed", "random_state", "prng"), name
            if parameter.name == "key":
                found += 1
                assert parameter.kind is parameter.KEYWORD_ONLY, name
                assert parameter.default is parameter.empty, name
    assert found >= 6


def test_what_has_a_default_is_a_keyword() -> None:
    for name, function in public_functions():
        if name.startswith("jatlas.cli."):
            continue
        for parameter in inspect.signature(function).parameters.values():
            assert parameter.kind is not parameter.VAR_KEYWORD, name
            if parameter.default is not parameter.empty:
                assert parameter.kind is parameter.KEYWORD_ONLY, f"{name}: {parameter.name}"


def test_every_public_function_says_what_it_does() -> None:
    for name, function in public_functions():
        assert function.__doc__, name


def test_importing_jatlas_leaves_slow_libraries_alone() -> None:
    slow = ("umap", "numba", "sklearn", "matplotlib", "orbax.checkpoint", "tensorflow")
    code = f"import sys, jatlas; print([name for name in {slow} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
