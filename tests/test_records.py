"""Images in files of records: the same as in a folder, wherever they are, with their labels."""

import dataclasses
import pickle
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from atlases import DAMAGED, IMAGES, build
from record_files import (
    CLASSES,
    example,
    no_array_record,
    write_all,
    write_array_record,
    write_records,
    write_tar,
)

import jatlas
from jatlas import Run
from jatlas.collect import Dataset, Loaded, Rereadable, as_source, folder, open_images, read_image
from jatlas.collect._example import read_example

LABELS = [CLASSES[row % 2] for row in range(IMAGES)]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_all(tmp_path_factory.mktemp("forms"))


@pytest.fixture(scope="module")
def records(files: Path) -> Path:
    return write_records(files)


def grain_records(files: Path) -> Any:
    grain = pytest.importorskip("grain")
    source = grain.sources.ArrayRecordDataSource(str(files / "plain.array_record"))
    return grain.MapDataset.source(source).map(lambda content: {"image": content})


FORMS: dict[str, Callable[[Path], Any]] = {
    "array_record": lambda path: jatlas.array_record(path / "plain.array_record", size=16),
    "examples": lambda path: jatlas.array_record(
        path / "examples-*.array_record", size=16, classes=CLASSES
    ),
    "tfds": lambda path: jatlas.tfds("pets", split="train", size=16, data_dir=path / "tfds"),
    "tfds files": lambda path: jatlas.array_record(path / "tfds/pets/1.0.0/*train*", size=16),
    "grain": lambda path: jatlas.dataset(grain_records(path), size=16),
    "stream": lambda path: jatlas.stream(grain_records(path).to_iter_dataset(), size=16),
}


def check_same(source: Any, files: Path, *, labelled: bool) -> None:
    """Check that a source yields the images of the folder from anywhere on, in any number."""
    expected = list(folder(files / "folder", size=16).load())
    wanted = LABELS if labelled else [None] * IMAGES
    for start, workers in ((0, 1), (9, 3)):
        loaded = list(source.load(start, workers=workers))
        assert [item.index for item in loaded] == list(range(start, IMAGES))
        for item in loaded:
            compare(item, expected[item.index])
            assert item.label == (None if item.index == DAMAGED else wanted[item.index])
    if source.count is not None:
        assert source.count == IMAGES and isinstance(source, Rereadable)
        again = source.reload([3, DAMAGED, 20])
        assert again is not None
        for item, index in zip(again, (3, DAMAGED, 20), strict=True):
            assert item.index == index
            compare(item, expected[index])


def compare(item: Loaded, other: Loaded) -> None:
    assert item.error == other.error
    np.testing.assert_array_equal(item.image, other.image)


def test_images_in_tar_files_are_those_of_a_folder(files: Path) -> None:
    source = jatlas.tar(files / "pets-*.tar", size=16, classes=CLASSES)
    assert source.name(0) == "pets-000.tar/00.png" and source.name(12) == "pets-001.tar/12.png"
    check_same(source, files, labelled=True)


@pytest.mark.slow
@no_array_record
@pytest.mark.parametrize("form", FORMS)
def test_images_in_records_are_those_of_a_folder(records: Path, form: str) -> None:
    source = FORMS[form](records)
    check_same(source, records, labelled=form in ("examples", "tfds", "tfds files"))
    assert "tensorflow" not in sys.modules


def test_only_what_is_asked_for_is_read(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = jatlas.tar(files / "pets-*.tar", size=16)
    read: list[int] = []
    whole = type(source.content).__getitem__
    monkeypatch.setattr(
        type(source.content), "__getitem__", lambda self, row: read.append(row) or whole(self, row)
    )
    assert [item.index for item in source.reload(range(4, 7))] == [4, 5, 6]
    assert sorted(read) == [4, 5, 6]
    few = dataclasses.replace(source, limit=3)
    assert few.count == 3 and len(list(few.reload([1]))) == 1 and read[-1] == 13
    assert few.name(1) == source.name(13) and few.fingerprint() != source.fingerprint()


# Tar files


def pictures(files: Path, *names: str) -> dict[str, bytes]:
    content = (files / "folder" / "00.png").read_bytes()
    return dict.fromkeys(names, content)


def names(source: Dataset) -> list[str]:
    return [source.name(index).partition("/")[2] for index in range(source.count)]


def test_which_members_are_images(files: Path, tmp_path: Path) -> None:
    members = ("./a.png", "b/a.PNG", "7.png", "7.mask.png", "my.cat.png", ".x.png", "b/._a.png")
    path = write_tar(tmp_path / "x.tar", pictures(files, *members) | {"7.txt": b"a cat"})
    images = ["a.png", "b/a.PNG", "7.png", "my.cat.png"]
    assert names(jatlas.tar(path)) == images
    assert names(jatlas.tar(path, image="mask.png")) == ["7.mask.png"]
    with pytest.raises(ValueError, match=r"paths: expected tar files with images \(\.jpg\)"):
        jatlas.tar(path, image="jpg")


@pytest.mark.parametrize(
    ("content", "label", "expected"),
    [
        ({"a.cls": b"1\n"}, None, "goldfish"),
        ({"a.cls": b"7"}, None, "class 7"),
        ({"a.cls": b"-1"}, None, None),
        ({"a.cls": b"red\nfox "}, None, "red fox"),
        ({"a.json": b'{"label": 0, "id": "x"}'}, None, "red fox"),
        ({"a.json": b'{"label": 0, "id": "x"}'}, "json:id", "x"),
        ({"a.json": b"[1"}, None, None),
        ({"a.txt": b"a cat"}, None, None),
        ({"a.txt": b"a cat"}, "txt", "a cat"),
        ({"b.cls": b"1", "a.cls": b""}, None, None),
    ],
)
def test_labels_beside_images(
    files: Path, tmp_path: Path, content: dict[str, bytes], label: str | None, expected: str | None
) -> None:
    path = write_tar(tmp_path / "x.tar", content | pictures(files, "a.png"))
    (item,) = jatlas.tar(path, size=8, label=label, classes=CLASSES).load()
    assert item.label == expected and item.image is not None


def test_damaged_tar_files_are_read_as_far_as_they_go(files: Path, tmp_path: Path) -> None:
    content = write_tar(tmp_path / "x.tar", pictures(files, "a.png", "b.png")).read_bytes()
    second = content.index(b"b.png")
    broken = {
        "no header at byte": content[:second] + b"!" + content[second + 1 :],
        "without the mark": content[:second],
        "unexpected end of data": content[: second + 600],
    }
    for reason, damaged in broken.items():
        path = tmp_path / "damaged.tar"
        path.write_bytes(damaged)
        source = jatlas.tar(path, size=8)
        ((name, said),) = source.unusable
        assert name == "'damaged.tar'" and reason in said
        first, *rest = source.load()
        assert first.error is None and len(rest) == (reason == "unexpected end of data")
        assert all("ends within it" in str(item.error) for item in rest)
    (tmp_path / "twice.tar").write_bytes(content + content)
    assert names(jatlas.tar(tmp_path / "twice.tar")) == ["a.png", "b.png"] * 2


def test_what_is_no_tar_file_is_refused(files: Path, tmp_path: Path) -> None:
    (tmp_path / "x.tar").write_bytes(b"no tar file" * 100)
    for wrong, match in (
        (tmp_path / "x.tar", "expected tar files that are not compressed, got .*x.tar"),
        (tmp_path / "y.tar", "y.tar', which does not exist"),
        (tmp_path, "which is not a file"),
        (tmp_path / "*.tgz", "which matches none"),
        ([], "expected tar files, got none"),
        ([files / "pets-000.tar", files / "pets-*.tar"], "expected each file once"),
    ):
        with pytest.raises(ValueError, match=f"^paths: .*{match}"):
            jatlas.tar(wrong)  # type: ignore[arg-type]


def test_numbers_in_braces_are_patterns(files: Path) -> None:
    assert jatlas.tar(files / "pets-{000..001}.tar").count == IMAGES
    assert jatlas.tar(str(files / "pets-{001..001}.tar")).count == IMAGES - 10


# ArrayRecord files


def test_an_example_is_read_without_tensorflow() -> None:
    found = read_example(example(b"x" * 300, 7, key="image/encoded"))
    assert found == {"image/encoded": b"x" * 300, "label": 7}
    with pytest.raises(ValueError, match=r"expected a tf\.train\.Example"):
        read_example(b"\x0a\xff")


@no_array_record
def test_records_of_other_kinds_are_passed_over_and_named(files: Path, tmp_path: Path) -> None:
    (picture,) = pictures(files, "x").values()
    pickled = pickle.dumps({"image": picture})
    path = write_array_record(
        tmp_path / "x.array_record", picture, pickled, b"", example(picture, 1, key="pixels"),
        example(picture, 1, key="image/encoded"), b"\x0anonsense",
    )  # fmt: skip
    source = jatlas.array_record(path, size=8)
    loaded = list(source.load())
    assert [item.error is None for item in loaded] == [True, False, False, False, True, False]
    assert "a pickle" in str(loaded[1].error)
    assert loaded[3].error == "image: expected one of ['label', 'pixels'], got 'image'"
    assert (loaded[4].label, source.name(4)) == ("class 1", "x.array_record/4")
    (found,) = jatlas.array_record(path, size=8, image="pixels").reload([3])
    assert found.error is None


@no_array_record
def test_what_is_no_array_record_file_is_refused(files: Path) -> None:
    pytest.importorskip("array_record")
    with pytest.raises(ValueError, match=r"paths: expected ArrayRecord files, got .*pets-000\.tar"):
        jatlas.array_record(files / "pets-000.tar")


def test_without_array_record_the_error_says_what_to_install(
    files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "array_record.python.array_record_data_source", None)
    with pytest.raises(ImportError, match=r"pip install 'jatlas\[arrayrecord\]'"):
        jatlas.array_record(files / "pets-000.tar")


# Identity


def test_files_are_known_by_what_they_hold(files: Path, tmp_path: Path) -> None:
    members = pictures(files, "a.png", "b.png")
    first, other = tmp_path / "1" / "x.tar", tmp_path / "2" / "x.tar"
    for path in (first, other):
        path.parent.mkdir()
        write_tar(path, members)
    known = jatlas.tar(first).fingerprint()
    assert known is not None and jatlas.tar(other).fingerprint() == known
    for changes in ({"classes": CLASSES}, {"label": "txt"}, {"size": 8}, {"limit": 1}):
        assert jatlas.tar(first, **changes).fingerprint() != known  # type: ignore[arg-type]
    content = bytearray(other.read_bytes())
    content[600] ^= 1
    other.write_bytes(content)
    assert jatlas.tar(other).fingerprint() != known


# By name


def test_a_text_names_images(files: Path) -> None:
    for text in (f"tar:{files}/pets-*.tar", str(files / "folder")):
        assert as_source(text, size=16).count == IMAGES
        assert open_images(text, limit=5).count == 5
    for text, match in (
        ("zip:x.zip", "images: expected a folder, tfds:NAME/SPLIT, arrayrecord:FILES or tar:"),
        ("tfds:pets", "images: expected tfds:NAME/SPLIT"),
        ("tar:", "paths: expected tar files"),
        (f"tar:{files}/none.tar", "which does not exist"),
        ("C:/photos", "path: expected a folder of images"),
    ):
        with pytest.raises(ValueError, match=match):
            open_images(text)
    with pytest.raises(ValueError, match="data_dir: expected images as tfds:"):
        open_images(str(files / "folder"), data_dir=files)


@pytest.mark.slow
@no_array_record
def test_a_text_names_data_sets(records: Path) -> None:
    found = open_images("tfds:pets/train[:10]", size=16, data_dir=records / "tfds")
    assert found.count == 10 and [item.label for item in found.load()][:2] == LABELS[:2]
    plain = open_images(f"arrayrecord:{records}/plain.array_record", size=16, limit=2)
    assert plain.count == 2
    with pytest.raises(ValueError, match=r"name: expected a data set of TFDS .* got 'nothing_'"):
        open_images("tfds:nothing_/train")
    with pytest.raises(ValueError, match=r"image: expected one of \['image', 'label'\], got 'x'"):
        jatlas.tfds("pets", split="train", image="x", data_dir=records / "tfds")
    assert as_source(grain_records(records), size=16).count == IMAGES
    assert as_source(grain_records(records).to_iter_dataset(), size=16).count is None
    with pytest.raises(ValueError, match="content: expected a data set that ends"):
        jatlas.dataset(grain_records(records).repeat())


# Libraries


class Features(dict[str, Any]):
    """What Hugging Face says of its columns."""

    def __init__(self) -> None:
        super().__init__(label=type("ClassLabel", (), {"names": list(CLASSES)})(), image=None)


class HuggingFace(list[Any]):
    """A data set like those of Hugging Face: rows by number, described by its features."""

    features = Features()


def test_labels_of_hugging_face_have_the_names_of_its_features(files: Path) -> None:
    picture = read_image(files / "folder" / "00.png")
    rows = HuggingFace({"image": picture, "label": label} for label in (1, 0, -1, 5))
    found = [item.label for item in jatlas.dataset(rows, size=8).load()]
    assert found == ["goldfish", "red fox", None, "class 5"]
    with pytest.raises(ValueError, match=r"label: expected one of \['image', 'label'\], got 'x'"):
        jatlas.dataset(rows, size=8, label="x").load()
    assert [item.label for item in jatlas.stream(rows, size=8).load()] == found
    rows[0] = {"image": picture}
    assert [x.label for x in jatlas.dataset(rows, size=8, label="label").load()] == [
        None,
        *found[1:],
    ]


def test_records_of_unknown_libraries_are_read_on_one_thread(files: Path) -> None:
    threads = set()

    class Rows(list[Any]):
        def __getitem__(self, index: Any) -> Any:
            threads.add(threading.get_ident())
            return super().__getitem__(index)

    picture = read_image(files / "folder" / "00.png")
    loaded = list(jatlas.dataset(Rows([{"image": picture}] * 30), size=8).load(workers=3))
    assert len(loaded) == 30 and threads == {threading.get_ident()}


def test_a_generator_is_read_once(files: Path) -> None:
    picture = read_image(files / "folder" / "00.png")
    source = jatlas.stream(({"image": picture} for _ in range(3)), size=8)
    assert source.fingerprint() is None and [item.index for item in source.load(1)] == [1, 2]
    with pytest.raises(ValueError, match="which can be read only once"):
        source.load()
    for wrong in (3, {"image": picture}, "text"):
        with pytest.raises(ValueError, match="content: expected records that come one after"):
            jatlas.stream(wrong)  # type: ignore[arg-type]


# Atlases


@pytest.mark.slow
def test_an_atlas_names_cells_by_the_labels_of_its_data(files: Path, tmp_path: Path) -> None:
    """And it keeps them when it grows; other labels replace them, and they come back."""
    images: Any = jatlas.tar(files / "pets-*.tar", size=16, classes=CLASSES)
    out, small = tmp_path / "atlas", {"layers": ("conv1",), "grids": (2,)}
    first = build(images, out, **small)
    plain = build(folder(files / "folder", size=16), None, **small)  # type: ignore[arg-type]
    np.testing.assert_array_equal(first.maps[0].samples.vectors, plain.maps[0].samples.vectors)
    own = np.array([-1 if row == DAMAGED else row % 2 for row in range(IMAGES)])
    assert plain.labels is not None and not plain.labels.given
    for atlas in (first, build(images, out, layers=("conv1", "conv2"), grids=(2,))):
        assert shown(atlas) == [CLASSES[x] if x >= 0 else None for x in own]
        assert atlas.labels is not None and atlas.labels.given
    forced = build(images, out, layers=("conv1", "conv2"), grids=(2,), labels="predicted",
                   overwrite=True)  # fmt: skip
    assert forced.labels is not None and not forced.labels.given
    back = build(images, out, layers=("conv1", "conv2"), grids=(2,), overwrite=True)
    assert shown(back) == shown(first)
    jax.tree.map(np.testing.assert_array_equal, back.maps[0], first.maps[0])


def shown(atlas: jatlas.Atlas) -> list[str | None]:
    """Return what the images of an atlas show."""
    assert atlas.labels is not None
    known = atlas.labels.hierarchy.names
    return [known[x] if x >= 0 else None for x in np.asarray(atlas.labels.index)]


def test_labels_are_kept_with_the_segments(
    files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No image is read again for them."""
    images: Any = jatlas.tar(files / "pets-*.tar", size=16, classes=CLASSES)
    run = Run(batch_size=12, chunk=4, progress=False, cache=tmp_path / "cache")
    small: dict[str, Any] = {"layers": ("conv1",), "grids": (2,), "run": run}
    first = build(images, None, **small)
    monkeypatch.setattr(Dataset, "load", lambda *_, **__: pytest.fail("an image is read"))
    again = build(images, None, **small)
    assert shown(again) == shown(first)


def test_a_share_of_a_stream_is_all_that_is_decoded() -> None:
    records = [{"image": np.full((8, 8, 3), number, np.uint8)} for number in range(7)]
    decoded: list[int] = []

    class Pixels:
        """An image that notes when it is looked at."""

        def __init__(self, number: int) -> None:
            self.number = number

        def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
            decoded.append(self.number)
            return records[self.number]["image"]

    source = jatlas.stream([{"image": Pixels(number)} for number in range(7)], size=8)
    found = list(source.load(1, wanted=lambda index: index % 3 == 1))
    assert [item.index for item in found] == [1, 4]
    assert [int(item.image[0, 0, 0]) for item in found if item.image is not None] == [1, 4]
    assert set(decoded) == {1, 4}
