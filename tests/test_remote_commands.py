"""Commands on an atlas at a URL, of images at one: what they make of a folder."""

import secrets
import urllib.request
from pathlib import Path
from types import SimpleNamespace

import pytest
from atlases import differences
from test_remote import contents, forget

from jatlas.cli import main
from jatlas.show import _view
from jatlas.storage import Remote

BUILD = [
    "--network", "tiny", "--layer", "conv2", "--grid", "2", "--per-image", "3",
    "--layout.n-neighbors", "8",
]  # fmt: skip
CLASS = ["--size", "2", "--rule", "magnitude", "--max-samples", "40"]
ICONS = ["--steps", "2", "--icon-size", "12", "--view-size", "10"]


def run(*words: str | Path) -> None:
    """Run a command in what stands for a process of its own."""
    forget()
    assert main([str(word) for word in words]) == 0


@pytest.mark.slow
@pytest.mark.usefixtures("tiny_by_name")
@pytest.mark.parametrize("kind", ["memory", "file"])
def test_commands_make_of_a_place_what_they_make_of_a_folder(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str], kind: str,
) -> None:  # fmt: skip
    base = {"memory": f"memory://{secrets.token_hex(8)}", "file": f"file://{tmp_path.as_posix()}"}
    bucket, here = Remote.open(f"{base[kind]}/bucket"), tmp_path / "here"
    for path in images.iterdir():
        bucket.upload(path, f"photos/{path.name}")
    photos, there = f"{bucket.url}/photos", f"{bucket.url}/atlas"
    for source, out in ((photos, here / "atlas"), (photos, there)):
        run("build", source, "--out", out, *BUILD, *ICONS)
        run("class", out, "2", *CLASS, *ICONS)
        run("render", out, "--seed", "1", *ICONS)
        run("check", out, "--map", "conv2", "--skip", "stable,placed")
        run("export", out)
        run("status", out)
    said = capsys.readouterr().out
    assert f"{there}/conv2/overview-2.png" in said and f"{there}/index.html\n" in said
    assert f"{there}: an atlas of conv2, conv2-class-2\n" in said
    assert differences(here / "atlas", contents(there, tmp_path / "there" / "atlas")) == []

    answers = []

    def sleep(seconds: float) -> None:
        address = capsys.readouterr().out.split()[0]
        with urllib.request.urlopen(address) as answer:
            answers.append(answer.status)
        raise KeyboardInterrupt

    monkeypatch.setattr(_view, "time", SimpleNamespace(sleep=sleep))
    run("view", there, "--no-browser")
    assert answers == [200]
