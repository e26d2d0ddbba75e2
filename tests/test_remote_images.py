"""Images by URL: the same as those of a folder, under the same names."""

import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest
from atlases import DAMAGED, build, differences

from jatlas import collect, storage
from jatlas.collect import Loaded, folder, open_images
from jatlas.storage import Remote, load

ONE: dict[str, Any] = {"layers": ("conv2",), "grids": (2,)}


@pytest.fixture(params=["memory", "file"])
def upload(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[Path, str], str]:
    """Return a function that copies a folder to a URL of its own."""

    def run(source: Path, name: str) -> str:
        base = f"memory://{tmp_path.name}{id(tmp_path)}" if request.param == "memory" else ""
        url = f"{base or f'file://{tmp_path.as_posix()}'}/bucket/{name}"
        place = Remote.open(url)
        for path in sorted(source.rglob("*")):
            if path.is_file():
                place.upload(path, path.relative_to(source).as_posix())
        return url

    return run


def same(ours: Loaded, theirs: Loaded) -> bool:
    return (ours.index, ours.error) == (theirs.index, theirs.error) and np.array_equal(
        np.asarray(ours.image), np.asarray(theirs.image)
    )


def test_a_folder_by_url_is_one_here(images: Path, tmp_path: Path, upload: Any) -> None:
    here = tmp_path / "here"
    shutil.copytree(images, here / "b" / "deep")
    shutil.copy(images / "01.png", here / "a.PNG")
    shutil.copy(images / "01.png", here / ".hidden.png")
    (here / ".cache").mkdir()
    shutil.copy(images / "01.png", here / ".cache" / "x.png")
    (here / "notes.txt").write_text("no image")
    (here / "an atlas").mkdir()
    (here / "an atlas" / "atlas.json").write_text('{"format": "jatlas/1"}')
    shutil.copy(images / "01.png", here / "an atlas" / "overview-2.png")
    url = upload(here, "photos")
    for limit in (None, 5):
        ours, theirs = (folder(each, size=8, limit=limit) for each in (here, url))
        assert ours.paths == theirs.paths and ours.unusable == theirs.unusable
        assert all(map(same, ours.load(), theirs.load(workers=3)))
        assert all(map(same, ours.reload([3, 1]), theirs.reload([3, 1])))
    assert collect.as_source(f"{url}/", size=8) == open_images(url, size=8) == folder(url, size=8)


def test_what_changes_at_a_url_changes_the_fingerprint(images: Path, upload: Any) -> None:
    url = upload(images, "photos")
    before = folder(url, size=8).fingerprint()
    assert before["root"] == url and "marks_sha256" in before and "content_sha256" not in before
    assert folder(url, size=8).fingerprint() == before
    Remote.open(url).upload(images / "02.png", "01.png")
    after = folder(url, size=8)
    assert after.fingerprint() != before and not after.matches(before)
    assert after.matches(after.fingerprint())


def test_images_are_known_again_where_they_have_moved(
    images: Path, tmp_path: Path, upload: Any
) -> None:
    url = upload(images, "photos")
    here, there = folder(images, size=8), folder(url, size=8)
    assert here.matches(there.fingerprint()) and there.matches(here.fingerprint())
    Remote.open(url).upload(images / "02.png", "01.png")
    assert not folder(url, size=8).matches(here.fingerprint())


def test_without_marks_the_files_are_read(
    images: Path, upload: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = upload(images, "photos")
    monkeypatch.setattr(storage._remote, "_MARKS", ())
    found = folder(url, size=8).fingerprint()
    assert found["content_sha256"] == folder(images, size=8).fingerprint()["content_sha256"]


def test_a_file_that_is_gone_is_named_and_no_answer_is_an_error(
    images: Path, upload: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = upload(images, "photos")
    source = folder(url, size=8)
    Remote.open(url).remove("03.png")
    failed = {item.index: item.error for item in source.load() if item.image is None}
    assert failed.keys() == {3, DAMAGED} and failed[3] == f"{url}/03.png is not there"

    def cut_off(self: Any, path: str, **options: Any) -> bytes:
        raise ConnectionError("no route")

    monkeypatch.setattr(type(Remote.open(url).fs), "cat_file", cut_off)
    with pytest.raises(OSError, match=r"photos/00\.png: .*no route"):
        list(source.load())


def test_urls_that_hold_no_images_are_refused(upload: Any, tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "notes.txt").write_text("no image")
    with pytest.raises(ValueError, match=r"expected images .* but 1 unusable \(\*\.txt"):
        folder(upload(tmp_path / "made", "notes"))
    (tmp_path / "made" / "atlas.json").write_text('{"format": "jatlas/1"}')
    with pytest.raises(ValueError, match=r"notes', which is an atlas"):
        folder(upload(tmp_path / "made", "notes"))
    with pytest.raises(ValueError, match="expected ArrayRecord files here, got 'gs://b/1'"):
        open_images("arrayrecord:gs://b/1")
    with pytest.raises(ValueError, match="a Path drops a slash of a URL"):
        folder(Path("gs://bucket/photos"))


def test_tar_files_by_url_are_those_here(images: Path, tmp_path: Path, upload: Any) -> None:
    made = tmp_path / "made"
    (made / "train").mkdir(parents=True)
    for number, paths in enumerate(np.array_split(sorted(images.iterdir()), 3)):
        with tarfile.open(made / "train" / f"{number:02d}.tar", "w") as file:
            for path in paths:
                file.add(path, path.name)
    url = upload(made, "shards")
    ours = open_images(f"tar:{made}/train/*.tar", size=8)
    for pattern in ("train/*.tar", "**/*.tar", "train/{00..02}.tar", "t*n/0?.tar"):
        theirs = open_images(f"tar:{url}/{pattern}", size=8)
        names = [[source.name(i) for i in range(source.count)] for source in (ours, theirs)]
        assert names[0] == names[1] and len(names[0]) == 26
    assert all(map(same, ours.load(), theirs.load()))
    assert all(map(same, ours.reload([20, 3]), theirs.reload([20, 3])))
    before = theirs.fingerprint()
    assert open_images(f"tar:{url}/train/*.tar", size=8).fingerprint() == before
    one = open_images(f"tar:{url}/train/01.tar", size=8)
    assert one.name(0) == "01.tar/09.png"
    with pytest.raises(ValueError, match="where there is no file"):
        open_images(f"tar:{url}/train/07.tar")


@pytest.mark.slow
def test_an_atlas_of_images_by_url_is_that_of_a_folder(
    images: Path, tmp_path: Path, upload: Any
) -> None:
    url = upload(images, "photos")
    build(images, tmp_path / "atlas", **ONE)
    build(url, tmp_path / "there" / "atlas", **ONE)
    found = differences(tmp_path / "atlas", tmp_path / "there" / "atlas")
    assert [name for name in found if name.endswith((".npy", ".npz", ".txt", ".png"))] == []
    info = load(tmp_path / "there" / "atlas").info
    assert info["source"]["root"] == url
    assert [name for name, _ in info["skipped"]] == [f"{DAMAGED:02d}.png"]
    # Nothing is read again where nothing has changed.
    again = collect.images_of(info, load(tmp_path / "there" / "atlas").images)
    assert again is not None and again.root == url
    fsspec.url_to_fs(url)[0].rm(fsspec.url_to_fs(url)[1], recursive=True)
    assert collect.images_of(info, load(tmp_path / "there" / "atlas").images) is None
