"""Every write of a command fails once, in every way: it says so, and run again it completes."""

import dataclasses
import os
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import jax
import pytest
from atlases import build, tree
from faults import FAULTS, ICONS, SMALL, Fault, Killed, disk, few_images, short_builds
from helpers import tiny_network, tiny_params

from jatlas.build import CellConfig, class_map, rerender
from jatlas.cli import _main as cli
from jatlas.cli._maps import store_map
from jatlas.explain import ClassSelection
from jatlas.storage import files, load, save, working_folder

QUICK, SLOW = 3, 12  # cases of each command


@dataclasses.dataclass(frozen=True)
class Command:
    """What is run on a folder that is in some state.

    Attributes:
      prepare: makes that state, of a folder that does not exist.
      run: the command, on the folder.
      rerun: the command again; None for `run`.
      keeps: what the folder holds if it fails or is killed: an atlas that can be read; one that
        can be read once what was moved away is put back; the atlas that was there or the new one,
        if it was not killed; or what only `rerun` needs.
    """

    prepare: Callable[[Path], Any]
    run: Callable[[Path], Any]
    rerun: Callable[[Path], Any] | None = None
    keeps: Literal["atlas", "atlas moved away", "old or new", "work"] = "work"


@pytest.fixture(scope="module", autouse=True)
def short() -> Iterator[None]:
    with short_builds():
        yield


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return few_images(tmp_path_factory.mktemp("few") / "images")


@pytest.fixture(scope="module")
def commands(images: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Command]:
    made = tmp_path_factory.mktemp("made")
    build(images, made / "one", **SMALL)
    first = load(made / "one")
    other = build(images, None, **SMALL | {"key": jax.random.key(1)})

    def copy(out: Path) -> None:
        shutil.copytree(made / "one", out)

    def nothing(out: Path) -> None:
        out.parent.mkdir()

    def linked(out: Path) -> None:
        copy(out.with_name("elsewhere"))
        out.symlink_to("elsewhere", target_is_directory=True)

    two = SMALL | {"layers": ("conv2", "conv1")}
    finer = SMALL | {"grids": (2, 3)}
    seed = SMALL | {"key": jax.random.key(1), "overwrite": True}

    def replace(out: Path) -> None:
        save(other, out, overwrite=True)

    def save_again(out: Path) -> None:
        if not out.exists():  # else the very last operation failed
            save(first, out)

    return {
        "build": Command(nothing, lambda out: build(images, out, **SMALL)),
        "extend": Command(copy, lambda out: build(images, out, **two), keeps="atlas"),
        "grid": Command(copy, lambda out: build(images, out, **finer), keeps="atlas moved away"),
        "rebuild": Command(copy, lambda out: build(images, out, **seed)),
        "class": Command(copy, add_class, keeps="atlas"),
        "render": Command(copy, render),
        "save": Command(nothing, lambda out: save(first, out), save_again),
        "replace": Command(copy, replace, keeps="old or new"),
        "fill": Command(linked, replace, keeps="old or new"),
    }


def add_class(out: Path) -> None:
    """What `jatlas class` does."""
    with working_folder(out) as cache:
        atlas = load(out)
        result = class_map(
            tiny_network(), tiny_params(), atlas, 1,
            key=jax.random.key(0), layer="conv2",
            selection=ClassSelection(size=2, min_count=1, rule="either"),
            cells=CellConfig(icons=ICONS, exemplars=1),
            run=dataclasses.replace(SMALL["run"], cache=cache),
        )  # fmt: skip
        store_map(out, result, result.find("conv2-class-1"), stored=atlas)


def render(out: Path) -> None:
    """What `jatlas render` does."""
    with working_folder(out) as cache:
        atlas = load(out)
        result = rerender(
            tiny_network(), tiny_params(), atlas, "conv2",
            size=2, key=jax.random.key(5),
            cells=CellConfig(icons=dataclasses.replace(ICONS, icon_size=10)),
            run=dataclasses.replace(SMALL["run"], cache=cache),
        )  # fmt: skip
        store_map(out, result, result.find("conv2"), stored=atlas)


def run(command: Callable[[Path], Any], out: Path, capfd: pytest.CaptureFixture[str]) -> int:
    """Run a command as `jatlas` does; return its exit code, with one line about an error."""

    class Parsed:
        def run(self) -> None:
            command(out)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cli.tyro, "cli", lambda *args, **rest: Parsed())
        code = cli.main([])
    said = [x for x in capfd.readouterr().err.splitlines() if not x.endswith(" s")]
    lines = [line for line in said if line.startswith("jatlas: ")]
    assert len(lines) == (code != 0) and not any("Traceback" in line for line in said), said
    return code


def places(done: list[str]) -> list[int]:
    """Return the operations to have fail: of many writes to one file, the first and the last."""
    after, before = [*done[1:], ""], ["", *done[:-1]]
    same = zip(done, before, after, strict=True)
    return [at for at, (x, y, z) in enumerate(same) if not x == y == z]


def check(
    command: Command, root: Path, expected: dict[str, bytes], fault: Fault, at: int, capfd: Any
) -> None:
    """Have one operation fail; then run the command again and compare."""
    out = root / "atlas"
    command.prepare(out)
    before = tree(out) if out.exists() else {}
    code = None
    with disk(root, fault, at=at) as watched:
        try:
            code = run(command.run, out, capfd)
        except Killed:
            assert fault == "killed"
    case = f"{fault} at {at}: {watched.done[at]}"
    # It ends well where only tidying up failed, or a lock that is there for others.
    assert code in ((0, 130) if fault.startswith("interrupted") else (0, 2, None)), case
    if command.keeps == "atlas moved away":
        files.recover(out, index="atlas.json")
    if command.keeps.startswith("atlas"):
        assert load(out).maps[0].layer == "conv2", case
    if command.keeps == "old or new" and fault != "killed":
        assert visible(out) in (before, expected), case
    assert run(command.rerun or command.run, out, capfd) == 0, case
    assert tree(out) == expected, case
    assert not [path for path in root.rglob("*") if path.name.startswith(".")], case
    assert {path.name for path in root.iterdir()} <= {"atlas", "elsewhere"}, case


def visible(out: Path) -> dict[str, bytes]:
    """Return the content of the files under a folder but for those with hidden names."""
    return {name: x for name, x in tree(out).items() if not name.startswith(".")}


def undisturbed(command: Command, root: Path) -> tuple[dict[str, bytes], list[str]]:
    """Return what a command makes, and the operations it does that with."""
    command.prepare(root / "atlas")
    with disk(root) as watched:
        command.run(root / "atlas")
    return tree(root / "atlas"), watched.done


NAMES = ("build", "extend", "grid", "rebuild", "class", "render", "save", "replace", "fill")


def check_some(command: Command, root: Path, capfd: Any, *, seed: str, count: int | None) -> None:
    """Check a sample of all operations and faults, or all of them."""
    expected, done = undisturbed(command, root / "whole")
    cases = [(at, fault) for at in places(done) for fault in FAULTS]
    chosen = cases if count is None else random.Random(seed).sample(cases, count)
    for at, fault in chosen:
        place = root / f"{at} {fault}"
        check(command, place, expected, fault, at, capfd)
        shutil.rmtree(place)


@pytest.mark.slow
def test_a_build_that_cannot_write_says_so_and_completes_when_it_can(
    commands: dict[str, Command], tmp_path: Path, capfd: Any
) -> None:
    check_some(commands["build"], tmp_path, capfd, seed="build", count=QUICK)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_any_operation_of_a_command_may_fail(
    commands: dict[str, Command], tmp_path: Path, capfd: Any, name: str
) -> None:
    """Many at random; with JATLAS_ALL_FAULTS all of them, 7,000."""
    count = None if "JATLAS_ALL_FAULTS" in os.environ else SLOW
    check_some(commands[name], tmp_path, capfd, seed=f"more of {name}", count=count)
