"""Programs kept between processes: traced once, the same results, and never another's program."""

import dataclasses
import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import platformdirs
import pytest

from jatlas.cli import _session as session
from jatlas.model import TEXTURES, inception_v1, load_network
from jatlas.records import Icons
from jatlas.storage import KeptFiles
from jatlas.types import Run
from jatlas.types.programs import Program, _surroundings, describe, keep_in, kept_number
from jatlas.visualize import Direction, RandomViews, RenderConfig, _memory, render
from jatlas.visualize import _optimize as optimize


class Pair(NamedTuple):
    first: jax.Array
    second: jax.Array


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder that this process keeps programs in during a test."""
    path = tmp_path / "programs"
    path.mkdir()
    keep_in(KeptFiles(path))
    yield path
    keep_in(None)


def program(traces: list[int], **options: Any) -> Program[..., Any]:
    """Return a program as another process would make it, which notes when it is traced."""

    @functools.partial(jax.jit, static_argnames="power")
    def raised(pair: Pair, shift: Any, *, power: int) -> Pair:
        traces.append(power)
        if power < 0:
            raise ValueError("power: expected at least 0")
        return Pair(pair.first**power + shift, pair.second)

    return Program(raised, static=("power",), results=lambda *, pair, **_: pair, **options)


def pair(*shape: int, dtype: Any = jnp.float32) -> Pair:
    values = jnp.arange(np.prod(shape), dtype=dtype).reshape(shape)
    return Pair(values, values + 1)


def test_another_process_does_not_trace(folder: Path) -> None:
    traces: list[int] = []
    expected = Pair(pair(2, 3).first ** 2 + 1, pair(2, 3).second)
    for _ in range(2):
        found = program(traces)(pair(2, 3), 1, power=2)
        assert isinstance(found, Pair)
        jax.tree.map(np.testing.assert_array_equal, found, expected)
    assert traces == [2]
    assert len(list(folder.iterdir())) == 1


def test_calls_after_the_first_find_the_program(folder: Path) -> None:
    traces: list[int] = []
    kept = program(traces)
    for shift in (1, 2.5, 2, jnp.float32(3)):
        np.testing.assert_array_equal(kept(pair(2), shift, power=1).first, pair(2).first + shift)
    # An int, a float and a float32 array: three programs, as Python's numbers are weakly typed.
    assert len(traces) == len(list(folder.iterdir())) == 3


def test_whatever_decides_a_program_gives_another(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    traces: list[int] = []

    def run(*shape: int, power: int = 2, dtype: Any = jnp.float32) -> None:
        program(traces)(pair(*shape, dtype=dtype), 1, power=power)

    run(2)
    run(2, power=3)
    run(3)
    run(1, 2)
    run(2, dtype=jnp.int32)
    with jax.default_matmul_precision("highest"):
        run(2)
    with jax.enable_x64(True):
        run(2)
    monkeypatch.setattr(_surroundings, "source_digest", lambda parts: "edited")
    run(2)
    monkeypatch.setattr(_surroundings, "version", lambda name: "newer")
    run(2)
    assert len(traces) == len(list(folder.iterdir())) == 9


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:-1],
        lambda data: b"",
        lambda data: data[:40] + bytes([data[40] ^ 1]) + data[41:],
    ],
)
def test_a_damaged_file_is_replaced(folder: Path, damage: Callable[[bytes], bytes]) -> None:
    traces: list[int] = []
    program(traces)(pair(2), 1, power=2)
    (file,) = folder.iterdir()
    whole = file.read_bytes()
    file.write_bytes(damage(whole))
    found = program(traces)(pair(2), 1, power=2)
    np.testing.assert_array_equal(found.first, [1, 2])
    assert len(traces) == 2
    assert KeptFiles(folder).get(file.name) is not None


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    traces: list[int] = []
    keep_in(KeptFiles(tmp_path / "file" / "folder"))
    try:
        for _ in range(2):
            np.testing.assert_array_equal(program(traces)(pair(2), 1, power=2).first, [1, 2])
    finally:
        keep_in(None)
    assert len(traces) == 2


def test_errors_are_those_of_the_function(folder: Path) -> None:
    for _ in range(2):
        with pytest.raises(ValueError, match="power: expected at least 0"):
            program([])(pair(2), 1, power=-1)
    with pytest.raises(TypeError, match=r"missing a required .*argument: 'power'"):
        program([])(pair(2), 1)
    assert not list(folder.iterdir())


def test_inside_another_trace_it_is_the_function(folder: Path) -> None:
    kept = program([])
    gradient = jax.jit(jax.grad(lambda x: kept(Pair(x, x), 1, power=2).first.sum()))
    np.testing.assert_array_equal(gradient(jnp.arange(3.0)), [0, 2, 4])
    assert not list(folder.iterdir())


def test_donated_buffers_are_used_again(folder: Path) -> None:
    given = pair(64)
    program([], donate=("pair",))(given, 1.0, power=2)
    assert given.first.is_deleted()
    assert len(list(folder.iterdir())) == 1


class Mine(Direction):
    """An objective of a user's, whose code no name describes."""


def test_settings_are_described_by_all_that_they_say() -> None:
    default = RenderConfig()
    others = [
        dataclasses.replace(default, **changes)
        for changes in (
            {"icon_size": 81},
            {"precision": "bfloat16"},
            {"objective": Direction(power=3)},
            {"views": RandomViews(fill=0.5)},
            {"views": RandomViews(rotate=14.999999)},
        )
    ]
    texts = {describe(config) for config in (default, *others)}
    assert len(texts) == 1 + len(others)
    assert describe(RenderConfig()) in texts


def test_what_may_hold_code_of_others_is_not_described() -> None:
    network = inception_v1(TEXTURES)
    assert describe(network) == "network 'textures'"
    for value in (
        Mine(),
        RenderConfig(objective=Mine()),
        dataclasses.replace(network, version="2"),
        inception_v1(TEXTURES, relaxed=True),
        lambda x: x,
        np.arange(3),
        [1],
    ):
        with pytest.raises(TypeError):
            describe(value)


def test_numbers_are_found_once(folder: Path) -> None:
    found: list[str] = []

    def length(text: str, layer: object) -> int:
        def traced() -> int:
            found.append(text)
            return len(text)

        return kept_number(traced, {"layer": layer}, [text])

    for text in ("one", "one", "three"):
        assert length(text, "mixed4c") == len(text)
    assert found == ["one", "three"]
    for _ in range(2):  # a layer that cannot be described
        assert length("one", object()) == 3
    assert found == ["one", "three", "one", "one"]


@pytest.mark.slow
def test_icons_are_the_same_bytes_traced_kept_and_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network, params = load_network("textures")
    config = RenderConfig(steps=3, icon_size=40, views=RandomViews(size=32))
    targets = np.random.default_rng(0).standard_normal((3, 240), np.float32)

    def icons() -> Icons:  # as another process would
        for kept in (optimize.STEP, optimize._SCORES_IN_VIEW, optimize._AS_THEY_ARE):
            monkeypatch.setattr(kept, "_ready", {})
        _memory._kept_for_gradient.cache_clear()
        return render(
            network, params, targets, layer="mixed3b", key=jax.random.key(0), config=config,
            run=Run(progress=False),
        )  # fmt: skip

    exports: list[object] = []
    export = jax.export.export
    monkeypatch.setattr(
        jax.export, "export", lambda *args, **rest: (exports.append(args), export(*args, **rest))[1]
    )
    usual = icons()
    assert not exports
    keep_in(KeptFiles(tmp_path))
    try:
        kept = icons()
        assert len(exports) == 3 and len(list(tmp_path.iterdir())) == 4  # and the bytes of an icon
        read = icons()
    finally:
        keep_in(None)
    assert len(exports) == 3
    for found in (kept, read):
        for name in ("images", "scores", "cosines"):
            np.testing.assert_array_equal(getattr(found, name), getattr(usual, name))


def test_commands_keep_programs_unless_jax_is_told_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stores: list[object] = []
    monkeypatch.setattr(session, "keep_in", stores.append)
    monkeypatch.setattr(platformdirs, "user_cache_dir", lambda name: str(tmp_path))
    before = jax.config.jax_compilation_cache_dir
    try:
        session.keep_compiled()
        assert not stores  # as here: the tests say where
        jax.config.update("jax_compilation_cache_dir", None)
        jax.config.update("jax_enable_compilation_cache", False)
        session.keep_compiled()
        assert not stores
        jax.config.update("jax_compilation_cache_dir", None)
        jax.config.update("jax_enable_compilation_cache", True)
        session.keep_compiled()
        assert len(stores) == 1 and (tmp_path / "programs").is_dir()
    finally:
        jax.config.update("jax_compilation_cache_dir", before)
        jax.config.update("jax_enable_compilation_cache", True)
