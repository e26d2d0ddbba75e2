"""Folders of images: which files are found, in which order, and how they are loaded."""

import contextlib
import itertools
import os
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jatlas.collect import ImageError, Loaded, Preprocess, arrays, decode, folder
from jatlas.collect._decode import suffixes
from jatlas.collect._folder import AHEAD, load_ahead


def make_folder(root: Path, names: list[str]) -> None:
    for number, name in enumerate(names):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (number % 256, 0, 0)).save(path, "PNG")


def test_a_folder_is_walked_and_sorted(tmp_path: Path) -> None:
    make_folder(
        tmp_path, ["b/2.PNG", "b/10.jpeg", "a.webp", "B.JPG", "c/d/e.gif", "é.bmp", "z.jpe"]
    )
    make_folder(tmp_path, [".hidden.png", ".cache/x.png", "c/.d/y.png"])
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / "png").write_text("no extension")
    (tmp_path / "folder.png").mkdir()
    source = folder(tmp_path, size=16, fit="squash")
    assert source.paths == (
        "B.JPG", "a.webp", "b/10.jpeg", "b/2.PNG", "c/d/e.gif", "z.jpe", "é.bmp",
    )  # fmt: skip
    assert len(source) == source.count == 7
    assert source.name(3) == "b/2.PNG"
    reason = "1 file: not a suffix of images that are read here"
    assert source.unusable == (("*.txt", reason), ("names without a suffix", reason))
    assert source.preprocess == Preprocess(size=16, fit="squash")


def test_links_are_followed_and_a_loop_ends(tmp_path: Path) -> None:
    make_folder(tmp_path, ["all/1.png", "elsewhere/2.png"])
    (tmp_path / "all" / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "all" / "up").symlink_to(tmp_path / "all")
    assert folder(tmp_path / "all").paths == ("1.png", "link/2.png")


def test_names_that_break_a_listing_are_left_out_and_reported(tmp_path: Path) -> None:
    make_folder(tmp_path, ["good.png", "two\nlines.png", "in\rfolder/x.png", "para\u2029graph.png"])
    try:
        os.link(os.fsencode(tmp_path / "good.png"), os.fsencode(tmp_path) + b"/latin\xe9.png")
    except OSError:
        pytest.skip("this file system takes no names that are not UTF-8")
    source = folder(tmp_path)
    assert source.paths == ("good.png",)
    assert dict(source.unusable) == {
        repr("two\nlines.png"): "line break in its name",
        repr("in\rfolder/x.png"): "line break in its name",
        repr("para\u2029graph.png"): "line break in its name",
        repr("latin\udce9.png"): "name is not UTF-8",
    }
    for name, _ in source.unusable:
        assert name.encode("utf-8")
        assert name.splitlines() == [name]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_what_is_no_file_is_named_and_passed_over(tmp_path: Path) -> None:
    make_folder(tmp_path, ["good.png"])
    os.mkfifo(tmp_path / "pipe.jpg")
    os.mkfifo(tmp_path / "atlas.json")
    (tmp_path / "nowhere.jpg").symlink_to("/nowhere/x.jpg")
    (tmp_path / "loop.jpg").symlink_to(tmp_path / "loop.jpg")
    (tmp_path / "null.jpg").symlink_to(os.devnull)
    source = folder(tmp_path, size=4)
    assert source.paths == ("good.png",)
    assert source.fingerprint() == source.fingerprint()
    assert [name for name, _ in source.unusable] == [
        "'loop.jpg'", "'nowhere.jpg'", "'null.jpg'", "'pipe.jpg'", "*.json",
    ]  # fmt: skip
    reasons = dict(source.unusable)
    assert reasons["'pipe.jpg'"] == reasons["'null.jpg'"] == "not a file"
    assert reasons["'nowhere.jpg'"] == "No such file or directory"
    for name in ("pipe.jpg", "null.jpg", "nowhere.jpg"):
        with pytest.raises(ImageError):
            decode(tmp_path / name, preprocess=Preprocess(size=4))


def test_files_with_other_suffixes_are_counted(tmp_path: Path) -> None:
    make_folder(tmp_path, ["a.jfif", "b.TIF", "c.jpg", "d.psd", "e.PSD", "f.heic", "Thumbs.db"])
    source = folder(tmp_path)
    assert source.paths[:3] == ("a.jfif", "b.TIF", "c.jpg")
    named = dict(source.unusable)
    assert named["*.psd"] == "2 files: not a suffix of images that are read here"
    assert named["*.db"] == "1 file: not a suffix of images that are read here"
    heic = ".heic" in suffixes()
    assert ("f.heic" in source.paths, "*.heic" in named) == (heic, not heic)
    assert heic or named["*.heic"] == "1 file: install 'jatlas[heic]' to read them"


def test_what_jatlas_wrote_is_no_photograph(tmp_path: Path) -> None:
    make_folder(tmp_path, ["a.png", "atlas/conv/icons-3.png", "page/viewer/tiles/t.jpg"])
    make_folder(tmp_path, ["begun/conv/icons-3.png", "site/viewer/me.png", "sprites/walk.png"])
    (tmp_path / "atlas" / "atlas.json").write_text('{\n "format": "jatlas/1",\n "maps": []}')
    (tmp_path / "sprites" / "atlas.json").write_text('{"frames": {}}')
    (tmp_path / "begun" / ".jatlas").mkdir()
    for page, script in (("page", "(self.jatlasParts=[])"), ("site", "atlas = 1")):
        data = tmp_path / page / "viewer" / "data" / "atlas.js"
        data.parent.mkdir()
        data.write_text(script)  # a gallery may have such a file of its own
    source = folder(tmp_path)
    assert source.paths == ("a.png", "site/viewer/me.png", "sprites/walk.png")
    named = [name for name, _ in source.unusable]
    assert named == ["'atlas'", "'begun'", "'page'", "*.js", "*.json"]
    with pytest.raises(ValueError, match=r"^path: expected a folder of images, .* is an atlas$"):
        folder(tmp_path / "atlas")


def test_the_fingerprint_is_of_the_content(tmp_path: Path) -> None:
    for name in ("a", "b"):
        Image.new("RGB", (8, 8), "red").save(tmp_path / f"{name}.bmp")
    first = folder(tmp_path, size=4).fingerprint()
    assert folder(tmp_path, size=4).matches(first)
    moved = tmp_path.with_name(f"{tmp_path.name}-moved")
    tmp_path.rename(moved)
    assert folder(moved, size=4).matches(first)
    times = os.stat(moved / "b.bmp").st_mtime_ns
    Image.new("RGB", (8, 8), "blue").save(moved / "b.bmp")
    os.utime(moved / "b.bmp", ns=(times, times))
    second = folder(moved, size=4).fingerprint()
    assert second["listing_sha256"] == first["listing_sha256"]
    assert second["content_sha256"] != first["content_sha256"]
    assert not folder(moved, size=4).matches(first)
    (moved / "b.bmp").unlink()
    assert not folder(moved, size=4).matches(first)


def test_limit_is_spread_over_the_classes(tmp_path: Path) -> None:
    make_folder(tmp_path, [f"class{c}/{i:02}.png" for c in range(5) for i in range(12)])
    everything = folder(tmp_path).paths
    for limit in (1, 5, 7, 10, 59, 60, 100):
        paths = folder(tmp_path, limit=limit).paths
        assert len(paths) == min(limit, 60)
        assert list(paths) == sorted(set(paths))
        assert set(paths) <= set(everything)
    for limit, share in ((5, 1), (10, 2), (30, 6)):
        paths = folder(tmp_path, limit=limit).paths
        assert [sum(p.startswith(f"class{c}/") for p in paths) for c in range(5)] == [share] * 5


def test_a_wrong_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match=r"^path: expected a folder of images, got .*nowhere', which does not"
    ):
        folder(tmp_path / "nowhere")
    (tmp_path / "file.jpg").touch()
    with pytest.raises(ValueError, match=r"^path: .*file\.jpg', which is not a folder"):
        folder(tmp_path / "file.jpg")
    (tmp_path / "empty").mkdir()
    with pytest.raises(
        ValueError, match=r"^path: expected images .*\.jpg \.jpeg .*found none in .*empty'$"
    ):
        folder(tmp_path / "empty")
    make_folder(tmp_path, ["odd/a\nb.png"])
    with pytest.raises(ValueError, match=r"found none in .*odd' but 1 unusable"):
        folder(tmp_path / "odd")
    with pytest.raises(ValueError, match=r"^limit: expected at least 1, or None.*got 0"):
        folder(tmp_path, limit=0)
    with pytest.raises(ValueError, match=r"^size: expected at least 1 pixel, got -1"):
        folder(tmp_path, size=-1)


@pytest.mark.slow
def test_load_yields_every_image_in_order_for_any_number_of_threads(tmp_path: Path) -> None:
    make_folder(tmp_path, [f"{i:03}.png" for i in range(200)])
    (tmp_path / "050.png").write_bytes(b"damaged")
    source = folder(tmp_path, size=4)
    (tmp_path / "199.png").unlink()
    for workers, start in itertools.product((1, 2, 5), (0, 49, 199, 200, 300)):
        loaded = list(source.load(start, workers=workers))
        assert [item.index for item in loaded] == list(range(start, 200))
        for item in loaded:
            if item.index in (50, 199):
                assert item.image is None
                assert item.error
            else:
                assert item.error is None
                assert item.image is not None
                assert item.image[0, 0].tolist() == [item.index, 0, 0]


def test_load_checks_its_arguments_at_once(tmp_path: Path) -> None:
    make_folder(tmp_path, ["a.png"])
    for source in (folder(tmp_path, size=4), arrays(np.zeros((1, 2, 2, 3), np.uint8))):
        with pytest.raises(ValueError, match=r"^start: expected the index of an image.*got -1"):
            source.load(-1)
        with pytest.raises(ValueError, match=r"^workers: expected at least 1 thread, got 0"):
            source.load(workers=0)


class Threads:
    """The decoding threads that were started since."""

    def __init__(self) -> None:
        self._before = set(threading.enumerate())

    def names(self) -> list[str]:
        started = set(threading.enumerate()) - self._before
        return [t.name for t in started if t.name.startswith("jatlas-images")]


def test_threads_start_with_the_first_image_and_end_with_the_last(tmp_path: Path) -> None:
    make_folder(tmp_path, [f"{i:03}.png" for i in range(100)])
    threads = Threads()
    images = folder(tmp_path, size=4).load(workers=2)
    assert not threads.names()
    assert [next(images).index for _ in range(3)] == [0, 1, 2]
    assert threads.names()
    assert len(list(images)) == 97
    assert not threads.names()


@pytest.mark.parametrize("again", [False, True], ids=["load", "reload"])
def test_an_error_in_the_loop_ends_the_threads_at_once(tmp_path: Path, again: bool) -> None:
    make_folder(tmp_path, [f"{i:03}.png" for i in range(100)])
    source = folder(tmp_path, size=4)
    threads = Threads()
    with (
        pytest.raises(RuntimeError, match="in the loop") as failure,
        contextlib.closing(source.reload(range(100)) if again else source.load()) as images,
    ):
        for _ in images:
            assert threads.names()
            raise RuntimeError("in the loop")
    # The traceback is still there, which would keep an unclosed generator and its threads alive.
    assert failure.tb is not None
    assert not threads.names()


def test_decoding_runs_ahead_by_a_bounded_number() -> None:
    started: list[int] = []

    def load_one(index: int) -> Loaded:
        started.append(index)
        return Loaded(index=index, image=None)

    images = load_ahead(load_one, range(1000), workers=2)
    assert started == []
    for index in range(3):
        assert next(images).index == index
    images.close()
    assert len(started) <= 3 + 2 * AHEAD
    whole = load_ahead(load_one, range(1000), workers=2)
    assert [item.index for item in whole] == list(range(1000))


def test_the_sample_images_all_decode(test_data: Path) -> None:
    source = folder(test_data / "imagenet_sample", size=224, limit=100)
    assert source.count == 100
    assert all(item.image is not None for item in source.load())
    assert folder(test_data / "imagenet_sample").count == 700
