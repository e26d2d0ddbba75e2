"""Atlases by URL: what a local folder holds, whatever was interrupted, and what is refused."""

import dataclasses
import os
import secrets
import sys
from pathlib import Path
from typing import Any

import fsspec
import jax
import numpy as np
import pytest
from atlases import CONFIG, RUN, build, differences
from etils import epath
from faults import Killed
from helpers import tiny_network, tiny_params

import jatlas
from jatlas.build import _icons, status
from jatlas.cli import main
from jatlas.storage import (
    CachedStage,
    load,
    local,
    remove_copies,
    results_folder,
    save,
    working_folder,
)  # fmt: skip
from jatlas.storage._copies import _copies, _latest, _results
from jatlas.storage._remote import Remote, inside
from jatlas.types import is_url

ONE: dict[str, Any] = {"layers": ("conv2",), "grids": (2,)}


@pytest.fixture(params=["memory", "file"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A place where nothing is yet; its last name is that of the local atlas it is held against."""
    if request.param == "memory":
        return f"memory://{secrets.token_hex(8)}/atlas"
    return f"file://{tmp_path.as_posix()}/bucket/atlas"


def contents(url: str, folder: Path) -> Path:
    """Copy what is at a URL, past the copies that jatlas knows of."""
    place = Remote.open(url)
    for name in place.names():
        place.download(name, folder / name)
    return folder


def forget() -> None:
    """Stand for another process, which has no copies."""
    _copies.clear()
    _latest.clear()
    _results.clear()


def test_urls_are_told_from_paths() -> None:
    assert is_url("gs://bucket/atlas") and not is_url("C:\\atlas") and not is_url(Path("atlas"))
    with pytest.raises(ValueError, match="a Path drops a slash of a URL"):
        load(Path("gs://bucket/atlas"))
    assert is_url(epath.Path("gs://bucket/atlas")) and not is_url(epath.Path("/bucket"))
    assert inside("gs://bucket/atlas/", "a/b.png") == "gs://bucket/atlas/a/b.png"


@pytest.mark.slow
def test_a_place_holds_the_bytes_of_a_local_build(images: Path, tmp_path: Path, url: str) -> None:
    build(images, tmp_path / "atlas", **ONE)
    built = build(images, url, **ONE)  # type: ignore[arg-type]
    assert not differences(tmp_path / "atlas", contents(url, tmp_path / "there"))
    forget()
    stored = load(url)
    np.testing.assert_array_equal(stored.maps[0].points, built.maps[0].points)
    page = jatlas.export(url, html=tmp_path / "page.html")
    assert page.stat().st_size > 100_000


@pytest.mark.slow
def test_an_interrupted_upload_resumes(
    images: Path, tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(images, tmp_path / "atlas", **ONE)
    upload = Remote.upload

    def killed(self: Remote, path: Path, name: str) -> None:
        if name == "atlas.json":
            raise Killed
        upload(self, path, name)

    with monkeypatch.context() as patch:
        patch.setattr(Remote, "upload", killed)
        with pytest.raises(Killed):
            build(images, url, **ONE)  # type: ignore[arg-type]
    forget()
    with pytest.raises(FileNotFoundError, match="no atlas"):
        load(url)
    forget()
    with monkeypatch.context() as patch:  # the results of stages are at the place
        patch.setattr(_icons, "render_each", None)
        build(images, url, **ONE)  # type: ignore[arg-type]
    assert not differences(tmp_path / "atlas", contents(url, tmp_path / "there"))


def test_pieces_are_seen_by_all(url: str) -> None:
    folders = []
    for _ in range(2):
        _latest.clear()
        folders.append(local(url) / ".jatlas")
    ours, theirs = (CachedStage.begin(folder, "icons", size=2) for folder in folders)
    assert ours.get("a") is None and not ours.pieces() and not theirs.holds("a")
    ours.put({"x": np.arange(3)}, "a")
    theirs.put({"x": np.arange(4)}, "b")
    assert ours.pieces() == theirs.pieces() == ["a", "b"]
    assert theirs.holds("a")
    for stage in (ours, theirs):
        found = [stage.get(piece) for piece in ("a", "b")]
        assert [None if x is None else len(x["x"]) for x in found] == [3, 4]


def test_a_place_is_held_by_one(url: str) -> None:
    first = local(url)
    forget_latest = dict(_latest)
    _latest.clear()
    second = local(url)
    assert first != second and forget_latest
    with working_folder(first) as folder:
        CachedStage.begin(folder, "icons").put({"x": np.zeros(1)})
        with pytest.raises(ValueError, match="another process is writing"), working_folder(second):
            raise AssertionError
    with working_folder(second):
        pass
    assert not Remote.open(url).names()  # nor is a lock left


def test_a_lock_that_is_not_renewed_is_taken_over(url: str) -> None:
    place = Remote.open(url).within(".jatlas")
    place.write(b'{"pid": 1, "host": "gone", "renewed": 1}', "holder.json")
    with working_folder(local(url)):
        pass
    assert not place.names()


def test_what_another_process_has_written_is_seen_once_held(whole: Path, url: str) -> None:
    early = local(url)
    forget_latest = _latest.pop(url)
    save(load(whole), url)
    assert forget_latest == early and not (early / "atlas.json").exists()
    with working_folder(early):
        assert [each.path for each in load(early).maps] == ["conv1", "conv2"]
    assert (
        load(early).maps[1].grids[1].cells.tolist() == load(whole).maps[1].grids[1].cells.tolist()
    )


@pytest.mark.slow
def test_results_are_kept_at_a_url(
    images: Path, tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = dataclasses.replace(RUN, cache=f"{url}/results")
    build(images, tmp_path / "atlas", **ONE)
    build(images, tmp_path / "one" / "atlas", run=run, **ONE)
    assert Remote.open(url).names() and not (tmp_path / "one" / "atlas" / ".jatlas").exists()
    forget()
    monkeypatch.setattr(_icons, "render_each", None)
    build(images, tmp_path / "two" / "atlas", run=run, **ONE)
    assert not differences(tmp_path / "atlas", tmp_path / "two" / "atlas")


@pytest.mark.slow
def test_the_status_is_that_of_a_folder(
    images: Path, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    def killed(*arguments: Any, **settings: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(_icons, "render_each", killed)
        for place in (tmp_path / "atlas", url):
            with pytest.raises(Killed):
                build(images, place, **ONE)  # type: ignore[arg-type]
    forget()
    ours, theirs = status(tmp_path / "atlas"), status(url)
    assert theirs.stages == ours.stages and not theirs.complete and theirs.holder == {}
    assert theirs.idle is not None and 0 <= theirs.idle < 600
    with working_folder(local(url)):
        held = status(url)
        assert held.holder["pid"] == os.getpid() and not held.holder["gone"]
        assert main(["status", url]) == 0
    assert f"{url}: a build is at work (process {os.getpid()} on " in capsys.readouterr().out
    forget()
    build(images, url, **ONE)  # type: ignore[arg-type]
    assert status(url).complete and status(url).maps == ("conv2",) and not status(url).stages
    with pytest.raises(ValueError, match="nowhere: there is no atlas, and none is being built"):
        status(f"{url}/nowhere")


def test_copies_are_removed(url: str) -> None:
    folder, results = local(url), results_folder(f"{url}/results")
    assert results_folder(f"{url}/results") == results and folder.parent.exists()
    remove_copies()
    assert not folder.parent.exists() and not results.parent.exists()


@pytest.mark.slow
def test_maps_are_added_and_others_stay(whole: Path, tmp_path: Path, url: str) -> None:
    save(load(whole), url)
    before = contents(url, tmp_path / "before")
    forget()
    with pytest.raises(ValueError, match="holds an atlas already"):
        save(load(url), url)
    with working_folder(local(url)) as folder:
        run = jatlas.Run(chunk=4, progress=False, cache=folder)
        atlas = load(url)
        options = jatlas.ClassSelection(size=2, layout=CONFIG.layout, min_count=1)
        network, params = tiny_network(), tiny_params()
        new = jatlas.class_map(
            network, params, atlas, 1, key=jax.random.key(0), layer="conv2", selection=options,
            run=run,
        )  # fmt: skip
        jatlas.storage.add_map(local(url), new, new.maps[-1])
    forget()
    assert [each.kind for each in load(url).maps] == ["layer", "layer", "class"]
    there = contents(url, tmp_path / "there")
    changed = [name for name in differences(before, there) if "class" not in name]
    assert changed == ["atlas.json"]


def test_something_else_is_not_overwritten(images: Path, url: str) -> None:
    Remote.open(url).write(b"mine", "letter.txt")
    with pytest.raises(ValueError, match="holds something else"):
        build(images, url, **ONE)  # type: ignore[arg-type]


def test_what_is_missing_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=r"(?i)protocol not known: nowhere"):
        load("nowhere://bucket/atlas")
    with pytest.raises(FileNotFoundError, match="no atlas"):
        load("memory://nothing/is/here")
    monkeypatch.setitem(sys.modules, "fsspec", None)
    assert main(["export", "gs://bucket/atlas", "--html", str(tmp_path / "page.html")]) == 2
    error = capsys.readouterr().err
    assert error == "jatlas: gs://bucket/atlas: a URL needs fsspec: pip install 'jatlas[url]'\n"


def test_the_package_of_a_protocol_is_named() -> None:
    if "gs" in fsspec.registry:
        pytest.skip("gcsfs is here")
    with pytest.raises(ImportError, match=r"gs://bucket/atlas: .*gcsfs"):
        load("gs://bucket/atlas")
