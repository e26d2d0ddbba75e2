"""Atlases and working folders that are damaged, or hostile: named, or computed again."""

import io
import json
import os
import random
import re
import shutil
import time
import tracemalloc
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from atlases import build, tree
from faults import SMALL, Killed, failing, few_images, short_builds
from helpers import tiny_network, tiny_params
from mutations import mutated

from jatlas import Atlas
from jatlas.build import _identity as identity
from jatlas.build import cells_like
from jatlas.collect import images_of
from jatlas.show import export_folder, pack
from jatlas.storage import FOLDER, _format, files, load, save

SECONDS = 5.0


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return few_images(tmp_path_factory.mktemp("few") / "images")


@pytest.fixture(scope="module")
def built(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished atlas of one layer and two grids; not to be changed."""
    out = tmp_path_factory.mktemp("built") / "atlas"
    with short_builds():
        build(images, out, **SMALL | {"grids": (1, 2)})
    return out


# Damage, as a power cut, a full disk or a slip of the hand makes it.

DAMAGE = ("missing", "empty", "cut", "garbage", "a folder", "a pipe")


def damage(path: Path, kind: str, other: Path) -> None:
    """Damage a file; `other` is what it may be swapped with."""
    content = path.read_bytes()
    path.unlink()
    match kind:
        case "empty":
            path.touch()
        case "cut":
            path.write_bytes(content[: 2 * len(content) // 3])
        case "garbage":
            path.write_bytes(random.Random(0).randbytes(len(content)))
        case "a folder":
            path.mkdir()
            (path / "file").touch()
        case "a pipe":
            os.mkfifo(path)
        case "swapped":
            shutil.copy(other, path)


@pytest.fixture(scope="module")
def interrupted(images: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Builds of two seeds that were killed when all was computed, and what the first makes."""
    root = tmp_path_factory.mktemp("interrupted")
    with short_builds():
        build(images, root / "whole", **SMALL)
        for seed, name in enumerate(("one", "other")):
            with pytest.raises(Killed), failing(_format, "write_map", Killed()):
                build(images, root / name, **SMALL | {"key": jax.random.key(seed)})
    return {name: root / name for name in ("one", "other", "whole")}


def stage_files(out: Path) -> list[Path]:
    return sorted((out / FOLDER).glob("*.npz"))


def check_working_file(
    images: Path, interrupted: dict[str, Path], root: Path, caplog: Any, number: int, kind: str
) -> None:
    """Damage one file of an unfinished build, complete it, compare."""
    out = root / f"{number} {kind}"
    shutil.copytree(interrupted["one"], out)
    path = stage_files(out)[number]
    others = {
        "of another stage": stage_files(interrupted["one"])[number - 1],
        "of another build": stage_files(interrupted["other"])[number],
    }
    damage(path, "swapped" if kind in others else kind, others.get(kind, path))
    caplog.clear()
    build(images, out, **SMALL)
    assert tree(out) == tree(interrupted["whole"]), (path, kind)
    assert [x.name for x in out.iterdir() if x.name.startswith(".")] == [], (path, kind)
    if kind != "missing":
        assert f"{path} is damaged" in caplog.text and "computed again" in caplog.text, (path, kind)


WORKING_DAMAGE = (*DAMAGE, "of another stage", "of another build")


@pytest.mark.slow
def test_damaged_working_files_are_named_and_computed_again(
    images: Path, interrupted: dict[str, Path], tmp_path: Path, caplog: Any
) -> None:
    assert len(stage_files(interrupted["one"])) == 4  # samples, points, icons, exemplars
    with short_builds():
        for number, kind in enumerate(WORKING_DAMAGE):
            check_working_file(images, interrupted, tmp_path, caplog, number % 4, kind)


@pytest.mark.slow
def test_every_working_file_may_be_damaged_in_every_way(
    images: Path, interrupted: dict[str, Path], tmp_path: Path, caplog: Any
) -> None:
    with short_builds():
        for number in range(4):
            for kind in WORKING_DAMAGE:
                check_working_file(images, interrupted, tmp_path, caplog, number, kind)


@pytest.fixture(scope="module")
def other(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An atlas of the same shapes."""
    out = tmp_path_factory.mktemp("other") / "atlas"
    with short_builds():
        build(images, out, **SMALL | {"grids": (1, 2), "key": jax.random.key(1)})
    return out


def atlas_files(folder: Path) -> list[str]:
    """Return the files of an atlas, without those of its page."""
    return [x for x in tree(folder) if x != "index.html" and not x.startswith("viewer/")]


@pytest.mark.parametrize("kind", (*DAMAGE, "swapped"))
def test_every_file_of_an_atlas_is_named_if_it_is_damaged(
    built: Path, other: Path, images: Path, tmp_path: Path, kind: str
) -> None:
    names = atlas_files(built)
    assert len(names) == 3 + 5 + 2 * 4
    for name in names:
        same = (built / name).read_bytes() == (other / name).read_bytes()
        if kind == "swapped" and (same or name == "atlas.json"):
            continue  # of atlas.json, all that it names is another's
        folder = tmp_path / name.replace("/", "-")
        shutil.copytree(built, folder)
        damage(folder / name, kind, other / name)
        start = time.perf_counter()
        with pytest.raises((ValueError, OSError), match=re.escape(Path(name).name)) as caught:
            load(folder)
        assert str(folder) in str(caught.value) and len(str(caught.value).splitlines()) == 1
        try:
            list(pack(folder))
        except (ValueError, OSError) as error:
            assert Path(name).name in str(error) and str(folder) in str(error)
        else:  # the page is made of other files
            assert not re.search(r"json|txt|points|cells|icons|exemplars", name), name
        assert time.perf_counter() - start < SECONDS


def test_a_damaged_atlas_is_built_again_whole(
    built: Path, images: Path, tmp_path: Path, caplog: Any
) -> None:
    with short_builds():
        for name in ("images.txt", "conv2/overview-2.png", "conv2/moment.npy"):
            folder = tmp_path / name.replace("/", "-")
            shutil.copytree(built, folder)
            damage(folder / name, "cut", built)
            arguments = SMALL | {"grids": (1, 2)}
            with pytest.raises(ValueError, match=f"{Path(name).name} is damaged.*overwrite it"):
                build(images, folder, **arguments)
            build(images, folder, overwrite=True, **arguments)
            assert tree(folder) == tree(built)


def test_names_of_folders_need_not_be_utf8(images: Path, tmp_path: Path, caplog: Any) -> None:
    # Workers send what was logged in UTF-8, and a command may have had jatlas log more.
    caplog.set_level("WARNING", logger="jatlas")
    source, out = (tmp_path / os.fsdecode(name + b"\xff") for name in (b"images", b"atlas"))
    shutil.copytree(images, source)
    with short_builds():
        build(source, out, **SMALL)
        before = tree(out)
        build(source, out, **SMALL)
    assert tree(out) == before and load(out).info["source"]["root"] == str(source)


def forged(folder: Path, name: str) -> None:
    """Have a file state that it holds a million million elements, or so many pixels."""
    path = folder / name
    if path.suffix == ".npz":
        members = {each: npy(array) for each, array in files.read_arrays(path).items()}
        with zipfile.ZipFile(path, "w") as archive:
            for each, content in (members | {"mean": npy(np.zeros(3), states=HEADERS[0])}).items():
                archive.writestr(f"{each}.npy", content)
    else:
        path.write_bytes(npy(np.zeros(3), states=HEADERS[0]))


@pytest.mark.parametrize(
    "name", ["conv2/points.npy", "conv2/cells-2.npz", "conv2/icons-2.npy", "conv2/vectors.npy"]
)
def test_nothing_is_allocated_because_a_file_says_so(
    built: Path, tmp_path: Path, name: str
) -> None:
    folder = tmp_path / "atlas"
    shutil.copytree(built, folder)
    forged(folder, name)
    info = json.loads((folder / "atlas.json").read_text())
    for entry in (info, *info["maps"]):
        del entry["crc32"]
    (folder / "atlas.json").write_text(json.dumps(info))
    tracemalloc.start()
    start = time.perf_counter()
    for read in (load, lambda path: list(pack(path))):
        if not (read is not load and "vectors" in name):  # of which a page holds nothing
            with pytest.raises(ValueError, match="is a damaged atlas"):
                read(folder)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 50e6 and time.perf_counter() - start < SECONDS


# Fuzzing: an atlas without checksums, so that its content is looked at.

FUZZ_QUICK, FUZZ_SLOW, FUZZ_ALL = 150, 400, 3_000


def fuzz_file(rng: random.Random, folder: Path) -> str:
    """Change the bytes of a file, or have two files change places."""
    names = atlas_files(folder)
    path, other = (folder / name for name in rng.sample(names, 2))
    content = path.read_bytes()
    if rng.random() < 0.3:
        path.write_bytes(other.read_bytes())
        other.write_bytes(content)
        return f"{path.name} and {other.name} swapped"
    path.write_bytes(mutated([content], np.random.default_rng(rng.getrandbits(32))))
    return f"bytes of {path.name}"


def foreign_array(rng: random.Random, array: np.ndarray) -> np.ndarray:
    """Return an array of another type or shape, or with values that mean nothing."""
    shapes: list[Any] = [array[:-1], array[..., :-1], array.T, array[None], array.ravel()]
    shapes += [array[:0], np.concatenate([array, array]), np.zeros((), array.dtype), array[::-1]]
    kinds = ["f2", "f8", ">f4", ">i4", "i1", "u1", "i8", "u8", "?", "c8", "S3", "U3", "M8[s]", "V4"]
    values = [np.nan, np.inf, -np.inf, -1, 0, 1, 2**31 - 1, 1e30]
    match rng.randrange(4):
        case 0:
            return np.asarray(rng.choice(shapes)) if array.ndim else array[None]
        case 1:
            return array.view(np.uint8) if array.ndim else array[None]
        case 2:
            return np.zeros(array.shape, rng.choice(kinds))
    changed = array.copy()
    place = tuple(rng.randrange(length) for length in changed.shape)
    with np.errstate(all="ignore"):
        changed[place] = np.array(rng.choice(values)).astype(array.dtype)
    return changed


def npy(array: Any, *, states: str = "") -> bytes:
    """Return an array as .npy, whatever it is; `states` is what its header says instead."""
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    content = file.getvalue()
    if not states:
        return content
    return b"\x93NUMPY\x01\x00" + len(states).to_bytes(2, "little") + states.encode() + content


HEADERS = (
    "{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000,)}",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (100000, 100000, 100)}",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}",
    "{'descr': '<U0', 'fortran_order': False, 'shape': (1000000000000,)}",
    "{'descr': '|O', 'fortran_order': False, 'shape': (3,)}",
    "{'descr': [('a', '<f4', (1000000000,))], 'fortran_order': False, 'shape': (1000,)}",
    "{'descr': '<f4', 'fortran_order': 7, 'shape': 3}",
    "__import__('os').abort()",
    "(" * 3000,
    "",
)


def fuzz_array(rng: random.Random, folder: Path) -> str:
    """Put another array in the place of one."""
    path = folder / rng.choice([x for x in atlas_files(folder) if x.endswith((".npy", ".npz"))])
    arrays = {"": files.read_array(path)} if path.suffix == ".npy" else files.read_arrays(path)
    name = rng.choice(sorted(arrays))
    members = {each: npy(array) for each, array in arrays.items()}
    members[name] = npy(foreign_array(rng, arrays[name]))
    kind = "array"
    if rng.random() < 0.1:
        members[name], kind = npy(np.array([{}, 1], object)), "pickle"
    elif rng.random() < 0.1:
        members[name], kind = npy(arrays[name], states=rng.choice(HEADERS)), "header"
    if path.suffix == ".npy":
        path.write_bytes(members[""])
        return f"{kind} of {path.name}"
    with zipfile.ZipFile(path, "w", rng.choice((0, 0, 8, 12))) as archive:
        for each, content in members.items():
            if each != name or rng.random() < 0.9:
                archive.writestr(f"{each}.npy", content)
    return f"{kind} {name} of {path.name}"


FOREIGN: list[Any] = [
    None, True, False, 0, 1, -1, 3, 2**31, -(2**63), 10**9, 10**30, 0.5, -1.5, 1e300, "", "x",
    "../x", "/etc", "conv2", "\ud800", "\0", "a" * 300, "a\nb", [], [[]], [0], [None], {},
    [[0, "x", 1.0]],
    {"x": 1}, {"size": 2}, float("nan"), float("inf"), [[[[[[]]]]]],
]  # fmt: skip


def places_in(value: Any, where: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the way to every value of a JSON value."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, each in items:
        yield (*where, key)
        if isinstance(each, dict | list):
            yield from places_in(each, (*where, key))


def fuzz_json(rng: random.Random, folder: Path) -> str:
    """Replace, remove or repeat a value of atlas.json; rarely, replace all of it."""
    info = json.loads((folder / "atlas.json").read_text())
    # Values near the root are few, and matter most.
    ways = sorted(places_in(info), key=lambda way: (len(way), str(way)))
    *way, last = ways[int(len(ways) * rng.random() ** 2)]
    holder = info
    for key in way:
        holder = holder[key]
    kind = rng.choice(("replaced", "replaced", "replaced", "removed", "repeated"))
    if kind == "removed":
        del holder[last]
    elif kind == "repeated" and isinstance(holder, list):
        holder.insert(last, holder[last])
    else:
        holder[last] = rng.choice(FOREIGN)
    text = json.dumps(info)
    if rng.random() < 0.02:
        text = rng.choice(('{"format": "jatlas/1"}', "[" * 100_000, "1" * 5000, '{"a":' * 2000))
    (folder / "atlas.json").write_text(text)
    return f"{'/'.join(map(str, (*way, last)))} {kind}"


def fuzz_names(rng: random.Random, folder: Path) -> str:
    """Change the number of images, or their names."""
    path = folder / "images.txt"
    lines = path.read_bytes().splitlines(keepends=True)
    at = rng.randrange(len(lines))
    lines[at : at + rng.choice((0, 1, 3))] = rng.choice(
        ([], [b"x\n"], [b"\xff\n"], [b"a\0b\n", b"c"])
    )
    path.write_bytes(b"".join(lines))
    return "names"


FUZZERS = (fuzz_file, fuzz_array, fuzz_array, fuzz_json, fuzz_json, fuzz_json, fuzz_names)


def assert_consistent(atlas: Atlas) -> None:
    """What is loaded fits together."""
    for each in atlas.maps:
        n, channels = each.samples.vectors.shape
        _, classes = each.samples.evidence.shape
        shapes = [x.shape for x in jax.tree.leaves(each.samples)]
        assert sorted(shapes) == sorted([(n, channels), (n, 3), (n, classes), (channels, channels)])
        kinds = [getattr(each.samples, x).dtype.kind for x in ("vectors", "evidence", "moment")]
        assert kinds == ["f", "f", "f"] and each.samples.source.dtype.kind in "iu"
        assert each.points.shape == (n, 2) and ((each.points >= 0) & (each.points <= 1)).all()
        assert (each.samples.source >= 0).all()
        assert (each.samples.source[:, 0] < len(atlas.images)).all()
        assert len(atlas.classes) <= classes
        for grid in each.grids:
            m = len(grid.cells)
            assert grid.count.shape == (grid.size, grid.size) and grid.count.sum() == n
            assert sorted(set(grid.cells.tolist())) == grid.cells.tolist()
            assert (grid.count.ravel()[grid.cells] > 0).all()
            assert grid.mean.shape == (*grid.count.shape, channels)
            assert grid.evidence.shape == (*grid.count.shape, classes)
            assert len(grid.icons) == len(grid.icons.scores) == len(grid.icons.cosines) == m
            near, crops = grid.exemplars, grid.crops  # an atlas may lack either
            assert near is None or ((near >= -1) & (near < n)).all()
            assert crops is None or crops.shape[:1] == (m,)
            assert near is None or crops is None or crops.shape[:2] == near.shape


def fuzz(built: Path, root: Path, *, seed: int, cases: int) -> Counter[str]:
    """Change an atlas at random; return how it was taken."""
    original, seen = tree(built), Counter[str]()
    folder = root / "atlas"
    shutil.copytree(built, folder)
    info = json.loads(original["atlas.json"])
    for entry in (info, *info["maps"]):
        del entry["crc32"]
    original["atlas.json"] = json.dumps(info).encode()
    for number in range(cases):
        for name, content in original.items():
            if (folder / name).read_bytes() != content:
                (folder / name).write_bytes(content)
        rng = random.Random(f"{seed} {number}")
        case = f"{seed} {number}: {rng.choice(FUZZERS)(rng, folder)}"
        start = time.perf_counter()
        for what in (load_and_save, read_page):
            try:
                what(folder, root / "again", rng)
            except (ValueError, OSError) as error:
                text = str(error)
                assert str(folder) in text and len(text.splitlines()) == 1, (case, text)
                seen[f"{what.__name__} refused"] += 1
            except Exception as error:
                raise AssertionError(case) from error
            else:
                seen[f"{what.__name__} taken"] += 1
        assert time.perf_counter() - start < SECONDS, case
    return seen


def load_and_save(folder: Path, again: Path, rng: random.Random) -> None:
    """Load an atlas; what can be loaded can be saved, and is the same then."""
    atlas = load(folder)
    assert_consistent(atlas)
    use(atlas)
    if rng.random() < 0.03:
        saved = load(save(atlas, again))
        shutil.rmtree(again)
        assert jax.tree.structure(atlas) == jax.tree.structure(saved)
        jax.tree.map(np.testing.assert_array_equal, atlas, saved)


def read_page(folder: Path, again: Path, rng: random.Random) -> None:
    """Make a page of an atlas; rarely, write it."""
    parts = {part.name: part.data for part in pack(folder)}
    json.loads(parts["atlas"])
    if rng.random() < 0.03:
        export_folder(folder, out=again)
        shutil.rmtree(again)


def use(atlas: Atlas) -> None:
    """Do what commands begin with that add to an atlas; what they refuse is one line."""
    network, params = tiny_network(), tiny_params()
    for step in (
        lambda: cells_like(network, params, atlas, layer="conv2"),
        lambda: images_of(atlas.info, atlas.images),
        lambda: identity.check_network(atlas, network, params),
        lambda: [result() for result in identity.results_of(atlas).values()],
    ):
        try:
            step()
        except (ValueError, OSError) as error:
            assert len(str(error).splitlines()) == 1, error


@pytest.mark.slow
def test_a_fuzzed_atlas_is_refused_or_fits_together(built: Path, tmp_path: Path) -> None:
    seen = fuzz(built, tmp_path, seed=0, cases=FUZZ_QUICK)
    assert min(seen.values()) > FUZZ_QUICK // 10, seen


@pytest.mark.slow
def test_more_fuzzed_atlases_are_refused_or_fit_together(built: Path, tmp_path: Path) -> None:
    """Hundreds; with JATLAS_ALL_FAULTS, thousands."""
    cases = FUZZ_ALL if "JATLAS_ALL_FAULTS" in os.environ else FUZZ_SLOW
    seen = fuzz(built, tmp_path, seed=1, cases=cases)
    assert min(seen.values()) > cases // 10, seen
