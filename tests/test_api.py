"""Rules that hold for the whole package: its structure, its names, its signatures."""

import ast
import dataclasses
import functools
import importlib
import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import pytest

import jatlas
from jatlas import records

ROOT = Path(jatlas.__file__).parent
PACKAGES = (
    "arrange", "bench", "build", "cli", "collect", "explain", "model", "show", "storage",
    "synthetic", "visualize",
)  # fmt: skip

# The flat API, in order: a name is added here when it is added to the package.
PUBLIC = [
    "ActivationFormat", "Adam", "Alpha", "Atlas", "BuildConfig", "CellConfig", "Channel",
    "ClassSelection", "ComparisonSelection", "Direction", "Diversity", "Fourier", "Grid", "Icons",
    "InputFormat", "MACO", "Map",
    "Network", "Neuron", "Pixels", "Preprocess", "RandomViews", "RenderConfig", "Run", "Samples",
    "Synthetic", "TSNE", "TotalVariation", "UMAP", "Wasserstein", "array_record", "arrays",
    "as_samples",
    "build", "build_from", "class_map", "comparison_map", "dataset", "evidence", "exemplars",
    "export", "extract", "find_class", "find_patches", "folder", "from_equinox", "from_keras",
    "from_linen", "from_nnx", "from_torch", "inception_v1", "load", "load_network", "paper",
    "render", "rerender", "save", "stream", "tar", "tfds", "to_csv", "to_json", "to_parquet",
    "umap", "view", "widget",
]  # fmt: skip


def modules() -> Iterator[Path]:
    return (path for path in sorted(ROOT.rglob("*.py")) if "pretrained" not in path.parts)


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@functools.cache
def known() -> frozenset[str]:
    """Return the names of all modules."""
    return frozenset(module_name(path) for path in modules())


@functools.cache
def imports_of(path: Path) -> frozenset[str]:
    """Return the modules and packages of jatlas that a file imports when it runs."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = []
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return frozenset(names & known() - {"jatlas", module_name(path)})


def circle(graph: dict[str, set[str]]) -> list[str]:
    """Return a circle of a directed graph, [] if it has none."""
    finished: set[str] = set()

    def visit(node: str, way: list[str]) -> list[str]:
        if node in way:
            return [*way[way.index(node) :], node]
        if node not in finished:
            for other in sorted(graph.get(node, ())):
                found = visit(other, [*way, node])
                if found:
                    return found
            finished.add(node)
        return []

    return next((found for node in sorted(graph) if (found := visit(node, []))), [])


def test_what_finds_circles_finds_them() -> None:
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    assert circle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []


def test_imports_form_no_circle_between_packages_or_modules() -> None:
    of_modules = {module_name(path): imports_of(path) for path in modules()}
    # A package's own __init__ gathers its modules, which do not import it.
    inner = {
        name: {other for other in imported if not name.startswith(f"{other}.")}
        for name, imported in of_modules.items()
    }
    assert circle(inner) == []
    of_packages: dict[str, set[str]] = {}
    for name, imported in of_modules.items():
        part = ".".join(name.split(".")[:2])
        if part != "jatlas":
            parts = {".".join(other.split(".")[:2]) for other in imported} - {part}
            of_packages.setdefault(part, set()).update(parts)
    assert circle(of_packages) == []


def test_stages_are_used_through_their_packages() -> None:
    """No package reaches into the private modules of another one."""
    for path in modules():
        own = ".".join(module_name(path).split(".")[:2])
        for other in imports_of(path):
            private = other.rsplit(".", 1)[-1].startswith("_")
            assert not private or other.startswith(f"{own}."), f"{path} imports {other}"


def test_the_root_can_be_drawn_from_memory() -> None:
    entries = {path.name for path in ROOT.iterdir() if not path.name.startswith("__")}
    assert entries == {*PACKAGES, "types", "records", "pixels.py", "py.typed"}
    assert len(entries - {"py.typed"}) <= 14


TYPES = {"jatlas.types", "jatlas.types.checks"}


def test_records_neither_draw_nor_read_files() -> None:
    for path in (ROOT / "records").glob("_*.py"):
        assert {x for x in imports_of(path) if "records" not in x} <= TYPES
        code = path.read_text(encoding="utf-8")
        assert not any(word in code for word in ("PIL", "open(", "Path", "np.load"))


def test_records_are_frozen_pytrees() -> None:
    for name in ("Samples", "Icons", "Grid", "Map", "Atlas"):
        record = getattr(records, name)
        assert dataclasses.is_dataclass(record) and record.__dataclass_params__.frozen, name
        fields = dict.fromkeys(field.name for field in dataclasses.fields(record))
        filled = record(**{x: 1 if x not in ("maps", "grids") else (1,) for x in fields})
        assert not jax.tree_util.treedef_is_leaf(jax.tree.structure(filled)), name


def test_the_flat_api_is_this() -> None:
    assert sorted(jatlas.__all__) == sorted(PUBLIC) == sorted(set(PUBLIC))
    for name in PUBLIC:
        assert name in dir(jatlas)
        value = getattr(jatlas, name)
        home = importlib.import_module(f"jatlas.{jatlas._HOMES[name]}")
        assert value is getattr(home, name)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = jatlas.nothing


def test_what_type_checkers_see_is_the_flat_api() -> None:
    tree = ast.parse((ROOT / "__init__.py").read_text(encoding="utf-8"))
    checked = next(node for node in tree.body if isinstance(node, ast.If))
    seen = {
        alias.asname: node.module
        for node in checked.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert seen == {name: f"jatlas.{home}" for name, home in jatlas._HOMES.items()}


# In one process, which imports JAX once: what is imported first of jatlas is what counts.
IMPORTED_FIRST = """
import sys
for first in sys.argv[1:]:
    for name in [name for name in sys.modules if name.partition(".")[0] == "jatlas"]:
        del sys.modules[name]
    exec(first)
    import jatlas
    assert jatlas.build.__name__ == "build" and callable(jatlas.build), first
"""


@pytest.mark.slow
def test_build_is_the_function_whatever_is_imported_first() -> None:
    first = "import jatlas.build", "from jatlas.build import BuildConfig", "import jatlas.cli._main"
    subprocess.run([sys.executable, "-c", IMPORTED_FIRST, *first], check=True)


def public() -> Iterator[tuple[str, Any]]:
    """Yield every public name of every stage with its value."""
    for package in (*PACKAGES, "records", "types", "pixels"):
        module = importlib.import_module(f"jatlas.{package}")
        for name, value in vars(module).items():
            ours = getattr(value, "__module__", "").startswith("jatlas.")
            if not name.startswith("_") and not inspect.ismodule(value) and ours:
                yield f"jatlas.{package}.{name}", value


def functions() -> Iterator[tuple[str, Any]]:
    for name, value in public():
        if callable(value) and not inspect.isclass(value):
            yield name, value


def test_a_name_means_one_thing() -> None:
    homes: dict[str, tuple[str, Any]] = {}
    for full, value in public():
        package, name = full.split(".")[1:]
        other, same = homes.setdefault(name, (package, value))
        assert same is value or package == other, f"{name} is in {other} and in {package}"


def test_randomness_is_a_required_keyword_called_key() -> None:
    found = 0
    for name, function in functions():
        for parameter in inspect.signature(function).parameters.values():
            assert parameter.name not in ("rng", "seed", "random_state", "prng"), name
            if parameter.name == "key":
                found += 1
                assert parameter.kind is parameter.KEYWORD_ONLY, name
                assert parameter.default is parameter.empty, name
    assert found >= 6


def test_what_has_a_default_is_a_keyword() -> None:
    for name, function in functions():
        if name.startswith("jatlas.cli."):
            continue
        for parameter in inspect.signature(function).parameters.values():
            assert parameter.kind is not parameter.VAR_KEYWORD, name
            if parameter.default is not parameter.empty:
                assert parameter.kind is parameter.KEYWORD_ONLY, f"{name}: {parameter.name}"


def test_every_public_name_says_what_it_is() -> None:
    for name, value in public():
        assert value.__doc__, name


def test_docstrings_name_every_argument() -> None:
    missing = []
    for name, function in functions():
        parameters = inspect.signature(function).parameters
        if len(parameters) > 2 and not name.startswith("jatlas.cli."):
            said = function.__doc__
            if "as for `" not in said and "as `" not in said.split("Raises:")[0]:
                missing += [f"{name}: {x}" for x in parameters if f"{x}:" not in said]
    assert not missing


def test_examples_are_many() -> None:
    prompts = sum(path.read_text(encoding="utf-8").count(">>> ") for path in modules())
    assert prompts >= 60


def test_importing_jatlas_leaves_slow_libraries_alone() -> None:
    slow = ("jax", "flax", "umap", "numba", "sklearn", "matplotlib", "orbax", "tensorflow")
    code = f"import sys, jatlas; print([name for name in {slow} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


@pytest.mark.slow
def test_python_m_jatlas_is_the_command_line() -> None:
    run = [sys.executable, "-m", "jatlas", "--help"]
    help_ = subprocess.run(run, capture_output=True, text=True, check=True).stdout
    assert "usage: jatlas" in help_ and "build" in help_


IDIOMS = (
    "hang on", "hangs on", "speaks for", "speak for", "made anew", "drawn anew", "written anew",
    "goes on from", "go on from", "gone on from", "no matter for", "stands twice", "nobody knows",
    "is asked back", "say whether", "as it was found", "may stand once", "whom", "mended",
)  # fmt: skip


def test_the_words_are_those_of_the_field() -> None:
    texts = [*modules(), *ROOT.rglob("viewer/*.md"), ROOT.parent / "README.md"]
    for path in texts:
        if path.exists():
            text = " ".join(path.read_text(encoding="utf-8").lower().split())
            assert not [words for words in IDIOMS if re.search(rf"\b{words}\b", text)], path
