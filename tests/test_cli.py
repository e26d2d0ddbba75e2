"""The command line: what a user types, and what they are told."""

import errno
import importlib
import inspect
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from faults import failing
from PIL import Image
from record_files import write_all

from jatlas.cli import _main as cli
from jatlas.cli import _session as session
from jatlas.storage import FOLDER, files, load

pytestmark = pytest.mark.usefixtures("tiny_by_name")
BUILD = [
    "--layer", "conv1", "--layer", "conv2", "--grid", "2", "--grid", "3", "--steps", "2",
    "--icon-size", "12", "--per-image", "3", "--view-size", "10", "--layout.n-neighbors", "8",
]  # fmt: skip

# Of one layer and one grid, for what does not depend on them.
SMALL = ["--layer", "conv1", "--grid", "2", *BUILD[8:]]


@pytest.fixture
def out(tmp_path: Path) -> Path:
    (tmp_path / "made").mkdir()
    return tmp_path / "made" / "atlas"


def run(*words: str | Path) -> int:
    return cli.main([str(word) for word in words])


@pytest.mark.slow
def test_build_writes_every_layer_and_grid(
    images: Path, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("build", images, "--network", "tiny", "--out", out, *BUILD) == 0
    atlas = load(out)
    found = [(each.layer, grid.size) for each in atlas.maps for grid in each.grids]
    assert found == [("conv1", 2), ("conv1", 3), ("conv2", 2), ("conv2", 3)]
    assert atlas.info["settings"]["icons"]["steps"] == 2
    assert atlas.info["settings"]["layout"]["n_neighbors"] == 8
    said = capsys.readouterr()
    icons = len(atlas.maps[1].grids[1].cells)
    assert f"{out}/conv2/overview-3.png: {icons} icons of 75 samples" in said.out
    assert "skipped 05.png: " in said.err


@pytest.mark.slow
def test_labels_are_read_from_folders_and_tables(
    images: Path, out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sorted_ = tmp_path / "sorted"
    for number, file in enumerate(sorted(images.iterdir())):
        (sorted_ / f"kind {number % 2}").mkdir(parents=True, exist_ok=True)
        shutil.copy(file, sorted_ / f"kind {number % 2}")
    kinds = tmp_path / "kinds.csv"
    kinds.write_text("name,parent\nkind 0,thing\nkind 1,thing\n")
    arguments = ["build", sorted_, "--network", "tiny", "--out", out, *SMALL]
    assert run(*arguments, "--labels", "folders", "--hierarchy", kinds) == 0
    labels = load(out).labels
    assert labels is not None and labels.hierarchy.names == ("kind 0", "kind 1", "thing")
    assert np.bincount(labels.index).tolist() == [13, 13]
    table = tmp_path / "labels.csv"
    table.write_text("image,label\nkind 0/00.png,odd one\n")
    assert run(*arguments, "--labels", table, "--overwrite") == 0
    labels = load(out).labels
    assert labels is not None and labels.hierarchy.names == ("odd one",)
    assert (labels.index >= 0).sum() == 1
    capsys.readouterr()
    assert run(*arguments, "--labels", tmp_path / "none.csv") == 2
    assert "none.csv" in capsys.readouterr().err


@pytest.mark.slow
def test_build_takes_images_and_labels_out_of_tar_files(tmp_path: Path, out: Path) -> None:
    write_all(tmp_path)
    arguments = ["build", f"tar:{tmp_path}/pets-*.tar", "--network", "tiny", "--out", out, *SMALL]
    arguments += ["--limit", "13"]
    assert run(*arguments) == 0
    atlas = load(out)
    assert atlas.images[:2] == ("pets-000.tar/01.png", "pets-000.tar/03.png")
    assert atlas.labels is not None and atlas.labels.given
    assert {atlas.labels.hierarchy.names[x] for x in atlas.labels.index if x >= 0} == {"class 1"}
    assert run(*arguments, "--labels", "predicted", "--overwrite") == 0
    labels = load(out).labels
    assert labels is not None and not labels.given


@pytest.mark.slow
def test_the_list_of_commands_is_right_and_takes_no_jax() -> None:
    for command in cli.COMMANDS.values():
        described = importlib.import_module(f"jatlas.cli.{command.module}")
        text = inspect.getdoc(getattr(described, command.name)) or ""
        assert " ".join(text.split("\n\n")[0].split()) == command.summary
    code = """
import sys
from jatlas.cli import main
try:
    main(sys.argv[1:])
except SystemExit:
    print("jax" in sys.modules)
"""
    found = [
        subprocess.run(
            [sys.executable, "-c", code, *words], capture_output=True, text=True, check=True
        ).stdout
        for words in (["--help"], ["unknown"], ["weights", "--help"])
    ]
    assert [text.split()[-1] for text in found] == ["False", "False", "True"]
    assert all(name in found[0] for name in cli.COMMANDS)


def test_a_script_that_completes_words_has_all_commands_and_their_options(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        cli.parse(["--tyro-print-completion", "bash"])
    script = capsys.readouterr().out
    assert all(word in script for word in (*cli.COMMANDS, "--per-image", "--workers"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--layer", "mixed9z"], "tiny has no layer 'mixed9z'; it has: input, conv1, conv2"),
        (["--network", "resnet"], "resnet.*googlenet_bvlc"),
        (["--grid", "9"], "78 samples cannot fill 9 x 9 cells.*at most 8"),
        (["--steps", "0"], "steps: expected at least 1, got 0"),
        (["--window", "0.9", "0.2"], "window: expected 0 < minimum <= maximum"),
        (["--preset", "paper", "--rotate", "3"], "rotate: the preset paper has a chain of its own"),
        (["--learning-rate", "0"], "learning_rate: expected above 0, got 0"),
        (["--limit", "0"], "limit: expected at least 1"),
        (["--per-image", "0"], "per_image: expected at least 1"),
    ],
)
def test_bad_settings_are_one_line_and_leave_nothing(
    images: Path, out: Path, capfd: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    assert run("build", images, "--network", "tiny", "--out", out, *BUILD, *words) == 2
    assert_said(capfd, message)
    assert os.listdir(out.parent) == []


def assert_said(capfd: pytest.CaptureFixture[str], pattern: str) -> None:
    """One line of the command's own, which says what is expected."""
    said = [line for line in capfd.readouterr().err.splitlines() if line.startswith("jatlas: ")]
    assert len(said) == 1
    assert re.search(pattern, said[0]), said[0]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--layout.n-neighbors", "1"], "n_neighbors: expected at least 2, got 1"),
        (["--grid", "many"], "--grid"),
        (["--laye", "conv1"], "--layer"),
    ],
)
def test_what_the_parser_refuses_is_said_and_leaves_nothing(
    images: Path, out: Path, capfd: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    with pytest.raises(SystemExit, match="2"):
        run("build", images, "--network", "tiny", "--out", out, *BUILD, *words)
    said = " ".join(capfd.readouterr().err.replace("│", " ").split())
    assert message in said
    assert os.listdir(out.parent) == []


@pytest.mark.slow
def test_bad_folders_are_one_line_and_leave_nothing(
    images: Path, out: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    for number in range(4):
        (damaged / f"{number}.jpg").write_bytes(b"not an image")
    for folder, message in (
        (tmp_path / "nowhere", "does not exist"),
        (empty, "found none"),
        (damaged, "no image could be used.*image 0"),
    ):
        small = ["--grid", "1", "--layer", "conv1", "--network", "tiny"]
        assert run("build", folder, "--out", out, *small, "--per-image", "9") == 2
        assert_said(capfd, message)
        assert not (out / "atlas.json").exists()
    shutil.rmtree(out)
    out.mkdir()
    (out / "thesis.tex").write_text("years of work")
    assert run("build", images, "--network", "tiny", "--out", out, *BUILD) == 2
    assert_said(capfd, "holds something else: choose another output folder")
    assert [path.name for path in out.iterdir()] == ["thesis.tex"]


@pytest.mark.slow
def test_missing_weights_are_said_with_the_command_that_gets_them(
    images: Path,
    out: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("JATLAS_WEIGHTS_DIR", str(tmp_path / "weights"))
    assert run("build", images, "--network", "googlenet_bvlc", "--out", out) == 2
    assert_said(capfd, "jatlas weights fetch googlenet_bvlc")
    assert run("weights", "convert", images / "00.png", "--network", "googlenet_bvlc") == 2
    assert_said(capfd, "00.png")
    assert not (tmp_path / "weights").exists() or not any((tmp_path / "weights").iterdir())


@pytest.mark.slow
def test_a_full_disk_is_one_line_and_the_same_command_resumes(
    images: Path, out: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    arguments = ["build", images, "--network", "tiny", "--out", out, *BUILD]
    full = OSError(errno.ENOSPC, "No space left on device", "icons-2.png")
    with failing(files, "write_image", full):
        assert run(*arguments) == 2
    assert_said(capfd, "no space left to write.*same command again: it resumes")
    assert os.listdir(out) == [FOLDER]
    assert run(*arguments) == 0
    assert os.listdir(out.parent) == ["atlas"]


def test_control_c_is_said_to_be_no_loss(
    images: Path, out: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with failing(session, "load_network", KeyboardInterrupt()):
        assert run("build", images, "--network", "tiny", "--out", out, *BUILD) == 130
    assert_said(capfd, "interrupted; the same command resumes")


def test_weights_list_and_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("JATLAS_WEIGHTS_DIR", str(tmp_path))
    assert run("weights", "where") == 0
    assert capsys.readouterr().out == f"{tmp_path}\n"
    assert run("weights", "list") == 0
    lines = capsys.readouterr().out.splitlines()
    *others, last = [line.split()[:3] for line in lines]
    assert others == [
        ["googlenet_bvlc", "not", "here"],
        ["inception5h", "not", "here"],
        ["textures", "here", "Apache-2.0"],
        ["textures_vit", "here", "Apache-2.0"],
    ]
    assert last[0] == "efficientnet_lite0"  # here if its package is installed


ICONS = ["--layer", "conv2", "--steps", "2", "--icon-size", "12", "--view-size", "10"]


@pytest.mark.slow
def test_maps_are_added_rendered_again_and_searched(
    images: Path, out: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """What a user does with an atlas that is there, one command after the other."""
    assert run("build", images, "--network", "tiny", "--out", out, *BUILD) == 0
    small = ["--size", "2", "--min-count", "2"]
    for words, path in (
        (["class", out, "class 1"], "conv2-class-1"),
        (["compare", out, "1", "Class 3"], "conv2-compare-1-3"),
    ):
        assert run(*words, *small, *ICONS) == 0
        assert f"{out}/{path}/overview-2.png: " in capfd.readouterr().out
        picture, page = out / path / "overview-2.png", out / "index.html"
        page.write_text("older")  # as after an interruption between the map and its page
        before = picture.stat().st_mtime_ns
        assert run(*words, *small, *ICONS) == 0
        assert picture.stat().st_mtime_ns == before and page.read_text("utf-8") != "older"
        assert run(*words, *small, *ICONS, "--seed", 1) == 2
        assert_said(capfd, f"already has the map {path} with other settings .seed: ")
    assert [each.kind for each in load(out).maps][2:] == ["class", "comparison"]

    (row, column), icon = (
        divmod(int(load(out).maps[0].grids[0].cells[0]), 2),
        out / "icon.png",
    )
    words = ["render", out, *ICONS[2:], "--seed", "3"]
    assert run(*words, "--cell", str(row), str(column), "--out", icon) == 0
    with Image.open(icon) as picture:
        assert picture.size == (12, 12)
    before = load(out)
    assert run(*words, "--map", "conv2-class-1") == 0
    after = load(out)
    np.testing.assert_array_equal(
        before.maps[0].grids[0].icons.images, after.maps[0].grids[0].icons.images
    )
    assert (before.maps[2].grids[0].icons.images != after.maps[2].grids[0].icons.images).any()

    found = tmp_path / "found.json"
    words = ["patch", "--atlas", out, "--layer", "conv2", "--source", "0", "--target", "1"]
    sizes = ["--sizes", "0.5", "1", "--corners", "top-left", "--json", found]
    plot = ["--plot", tmp_path / "plot.png", "--patches", images / "00.png"]
    assert run(*words, *sizes, *plot, "--images", images) == 0
    record = json.loads(found.read_text())
    assert (record["source"], record["target"]) == ([0, "class 0"], [1, "class 1"])
    assert len(record["images"]) == 25  # one is damaged
    tried = [each["patch"] for each in record["patches"]]
    assert tried[0] == str(images / "00.png") and tried[-1] == "noise, the control"
    assert (tmp_path / "plot.png").exists() == bool(record["known"])


@pytest.mark.slow
def test_what_cannot_be_meant_is_one_line(
    images: Path, out: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run("build", images, "--network", "tiny", "--out", out, *BUILD, "--exemplars", "0") == 0
    for words, message in (
        (
            ["class", out, "clas 1", *ICONS],
            "no class is called 'clas 1'; did you mean 'class 1' .1.",
        ),
        (["class", out, "1"], "layer: expected one of conv1, conv2, got None"),
        (["class", out.parent, "1"], "is no atlas"),
        (["compare", out, "1", "1", *ICONS], "right: expected another class than left"),
        (["render", out, "--map", "conv9"], "map: expected one of conv1, conv2, got 'conv9'"),
        (
            ["render", out, "--grid", "7", *ICONS[2:]],
            "grid: expected one of 2, 3 for the map conv1, got 7",
        ),
        (["render", out, "--cell", "0", "0"], "cell, out: expected both or none"),
        (["patch", "--source", "0", "--target", "1"], "patches: expected pictures, or an atlas"),
    ):
        assert run(*words) == 2, words
        assert_said(capfd, message)
    assert os.listdir(out.parent) == ["atlas"]


@pytest.mark.slow
def test_convert_then_build_with_the_real_weights(
    test_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The two commands of the README."""
    monkeypatch.setenv("JATLAS_WEIGHTS_DIR", str(tmp_path))
    file = test_data / "googlenet_bvlc" / "googlenet_bvlc.caffemodel"
    out = tmp_path / "atlas"

    assert run("weights", "convert", file, "--network", "googlenet_bvlc") == 0
    words = (
        "build", test_data / "imagenet_sample", "--network", "googlenet_bvlc", "--layer",
        "mixed3a", "--grid", "2", "--limit", "12", "--batch-size", "4", "--steps", "2",
        "--icon-size", "32", "--view-size", "32", "--out", out,
    )  # fmt: skip
    assert run(*words) == 0
    info = json.loads((out / "atlas.json").read_text(encoding="utf-8"))
    (grid,) = info["maps"][0]["grids"]
    counts = [cell["count"] for cell in grid["cells"]]
    assert sum(counts) == 12
    best = {cell["labels"][0][1] for cell in grid["cells"]}
    assert best <= set(info["classes"])


def test_an_atlas_that_names_no_network_is_one_line(
    whole: Path, out: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(whole, out)
    info = json.loads((out / "atlas.json").read_text(encoding="utf-8"))
    del info["network"]
    files.write_json(out / "atlas.json", info)
    for words in (
        ["class", out, "1", "--layer", "conv2"],
        ["render", out],
        ["walk", out, "--layer", "conv2", "--start", "0", "0", "--end", "1", "1",
         "--out", out.parent / "x.png"],
    ):  # fmt: skip
        assert run(*words) == 2
        assert_said(capfd, "does not say which network it is of")


def test_an_argument_that_is_empty_is_named(capfd: pytest.CaptureFixture[str]) -> None:
    """As of a variable that is not set: the current folder is not meant."""
    assert run("build", "", "--out", "atlas") == 2
    assert_said(capfd, "an argument is empty: is a shell variable unset")


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (MemoryError("Unable to allocate 7 TiB"), "out of memory .Unable to allocate 7"),
        (ImportError("Numba needs NumPy 2.3 or less"), "^jatlas: Numba needs NumPy 2.3 or less$"),
    ],
)
def test_what_the_machine_lacks_is_one_line(
    error: Exception, message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with failing(session, "keep_compiled", error):
        assert run("weights", "list") == 2
    assert_said(capfd, message)


def test_only_what_resumes_says_so(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with failing(session, "keep_compiled", KeyboardInterrupt()):
        assert run("export", tmp_path) == 130
    assert capfd.readouterr().err == "jatlas: interrupted\n"
    with failing(session, "keep_compiled", KeyboardInterrupt()):
        assert run("demo", "--out", tmp_path / "a") == 130
    assert capfd.readouterr().err == "jatlas: interrupted; the same command resumes\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--source", "1", "--target", "1"], "source, target: expected two classes, got 1 twice"),
        (["--source", "1", "--target", "2", "--sizes", "30"], "sizes: expected 0 to 1"),
        (["--source", "1", "--target", "2", "--save", "found"], "save: expected with --atlas"),
        (["--source", "1", "--target", "2", "--images", "typo.jpg"], "images: none of them can be"),
    ],
)
@pytest.mark.usefixtures("tiny_by_name")
def test_what_cannot_be_patched_is_said_at_the_start(
    words: list[str], message: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    picture = tmp_path / "patch.png"
    Image.new("RGB", (8, 8)).save(picture)
    images = [] if "--images" in words else ["--images", picture]
    assert run("patch", "--network", "tiny", "--patches", picture, *images, *words) == 2
    assert_said(capfd, message)
