"""Data sets: the same pixels as files with the same images, whatever library reads the records."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from jatlas.collect import Preprocess, Rereadable, dataset, folder, tfds
from jatlas.collect._decode import formats

RNG = np.random.default_rng(0)
SHAPES = [(40, 60, 3), (33, 20, 3), (25, 25, 1), (30, 31)]
CONTENT = [{"image": RNG.integers(0, 256, shape, np.uint8), "label": 3} for shape in SHAPES]


@pytest.mark.parametrize("fit", ["crop", "squash"])
@pytest.mark.parametrize("pillow", [False, True], ids=["arrays", "pillow"])
def test_pixels_are_those_of_files(tmp_path: Path, fit: Any, pillow: bool) -> None:
    pictures = [Image.fromarray(np.squeeze(record["image"])) for record in CONTENT]
    for number, picture in enumerate(pictures):
        picture.save(tmp_path / f"{number}.png")
    files = folder(tmp_path, size=16, fit=fit).load()
    records = [{"image": picture} for picture in pictures] if pillow else CONTENT
    for one, other in zip(dataset(records, size=16, fit=fit).load(), files, strict=True):
        assert one.index == other.index
        np.testing.assert_array_equal(one.image, other.image)


def test_loading_starts_anywhere_and_images_are_named() -> None:
    source = dataset(CONTENT, size=8, title="things")
    assert source.count == 4 and source.name(2) == "things/2"
    assert [item.index for item in source.load(2)] == [2, 3]
    with pytest.raises(ValueError, match="start: expected the index of an image"):
        source.load(-1)


def test_records_are_read_again() -> None:
    source = dataset(CONTENT, size=8)
    first = list(source.load())
    assert isinstance(source, Rereadable)
    for item, index in zip(source.reload([0, 3]), (0, 3), strict=True):
        assert item.index == index
        np.testing.assert_array_equal(item.image, first[index].image)


def test_what_is_no_image_is_passed_over_with_a_reason() -> None:
    records: list[Any] = [
        {"image": np.zeros((4, 4, 5), np.uint8)},
        {"image": np.zeros((4, 4, 3))},
        None,
        CONTENT[0],
        {"picture": CONTENT[0]["image"]},
        b"serialized",
        {"image": b"no picture"},
    ]
    loaded = list(dataset(records, size=8).load())
    assert [item.error for item in loaded] == [
        "expected (h, w, 3) uint8, got uint8 (4, 4, 5)",
        "expected (h, w, 3) uint8, got float64 (4, 4, 3)",
        "no record: filtered out",
        None,
        "image: expected one of ['picture'], got 'image'",
        "content: expected records by key, got bytes",
        f"empty, damaged at its start, or not {', '.join(formats())}",
    ]
    assert all((item.image is None) == (item.error is not None) for item in loaded)


def test_a_record_that_raises_does_not_end_a_run() -> None:
    class Broken(list[Any]):
        def __getitem__(self, index: Any) -> Any:
            if index in (0, 2):
                raise OSError("the shard is damaged")
            return super().__getitem__(index)

    loaded = list(dataset(Broken(CONTENT), size=8).load())
    damaged = "the shard is damaged"
    assert [item.error for item in loaded] == [damaged, None, damaged, None]


@pytest.mark.parametrize("mode", ["RGB", "P", "RGBA", "LA", "L", "CMYK", "1", "I;16"])
def test_an_image_of_any_mode_is_the_same_as_a_record_and_as_a_file(
    tmp_path: Path, mode: str
) -> None:
    picture = Image.fromarray(CONTENT[0]["image"]).convert("L" if mode == "I;16" else mode)
    if mode == "I;16":
        picture = Image.fromarray(np.asarray(picture).astype(np.uint16) * 200)
    kind = "TIFF" if mode == "CMYK" else "PNG"
    picture.save(tmp_path / "picture.tif", kind)
    (expected,) = folder(tmp_path, size=16).load()
    content = (tmp_path / "picture.tif").read_bytes()
    assert expected.image is not None
    path = str(tmp_path / "picture.tif")
    kept = ({"bytes": content, "path": None}, {"bytes": None, "path": path})  # Hugging Face
    for image in (picture, content, path, *kept):
        (item,) = dataset([{"image": image}], size=16).load()
        np.testing.assert_array_equal(item.image, expected.image)


def test_what_holds_no_images_is_refused() -> None:
    with pytest.raises(ValueError, match=r"image: expected one of \['image', 'label'\], got 'img'"):
        list(dataset(CONTENT, size=8, image="img").load())
    with pytest.raises(ValueError, match="content: expected records by key, got bytes"):
        list(dataset([b"serialized"], size=8).load())
    with pytest.raises(ValueError, match="content: expected records, got none"):
        dataset([])
    for wrong, kind in ((iter(CONTENT), "list_iterator"), ({"train": CONTENT}, "dict")):
        with pytest.raises(ValueError, match=f"content: expected records that can .* got {kind}"):
            dataset(wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("title", ["a\nb", "a\r", "a\u2028b", "", "a\udce9"])
def test_a_title_that_would_shift_the_names_of_images_is_refused(title: str) -> None:
    with pytest.raises(ValueError, match=r"^title: expected one line of UTF-8 text, got "):
        dataset(CONTENT, title=title)


# Identity


def test_without_a_version_there_is_no_fingerprint() -> None:
    assert dataset(CONTENT, size=8, title="things").fingerprint() is None


def test_the_fingerprint_is_of_all_that_decides_the_images() -> None:
    options: dict[str, Any] = {"size": 8, "version": "things 1.0"}
    first = dataset(CONTENT, **options).fingerprint()
    assert first is not None
    assert dataset(list(CONTENT), **options, title="other name").fingerprint() == first
    for change in ({"version": "things 1.1"}, {"size": 9}, {"fit": "squash"}, {"image": "label"}):
        assert dataset(CONTENT, **(options | change)).fingerprint() != first
    assert dataset(CONTENT[:3], **options).fingerprint() != first


# Libraries


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small data set of TFDS, "things", prepared as array_record files."""
    datasets = pytest.importorskip("tensorflow_datasets")
    path = tmp_path_factory.mktemp("tfds")

    class Things(datasets.core.GeneratorBasedBuilder):
        VERSION = datasets.core.Version("1.2.0")
        pkg_dir_path = path

        def _info(self) -> Any:
            features = datasets.features.FeaturesDict({"picture": datasets.features.Image()})
            return datasets.core.DatasetInfo(builder=self, features=features)

        def _split_generators(self, manager: Any) -> Any:
            return {"train": self._generate_examples(), "test": self._generate_examples()}

        def _generate_examples(self) -> Any:
            for number, record in enumerate(CONTENT[:2]):
                yield number, {"picture": Image.fromarray(record["image"])}

    Things(data_dir=path, file_format="array_record").download_and_prepare()
    return path


no_array_record = pytest.mark.skipif(
    sys.platform == "win32", reason="array_record does not exist for Windows"
)


@no_array_record
def test_a_data_set_of_tfds_is_read_without_tensorflow(prepared: Path) -> None:
    source = tfds("things", split="train", size=16, image="picture", data_dir=prepared)
    assert (source.count, source.name(1)) == (2, "things:train/1")
    expected = list(dataset(CONTENT[:2], size=16).load())
    loaded = list(source.load())
    # TFDS shuffles what it writes.
    for item in loaded:
        assert any(np.array_equal(item.image, other.image) for other in expected)
    (again,) = source.reload([1])
    np.testing.assert_array_equal(again.image, loaded[1].image)
    assert "tensorflow" not in sys.modules


@no_array_record
def test_a_data_set_of_tfds_knows_what_it_is(prepared: Path) -> None:
    options: dict[str, Any] = {"image": "picture", "data_dir": str(prepared)}
    source = tfds("things", split="train[:50%]", **options)
    assert source.count == 1
    assert source.preprocess == Preprocess(size=None)
    assert source.version == "things/1.2.0:train[:50%]"
    again = tfds("things:1.2.0", split="train[:50%]", **options)
    assert again.fingerprint() == source.fingerprint()
    whole, test = (tfds("things", split=split, **options) for split in ("train", "test"))
    assert whole.fingerprint() != test.fingerprint()
    with pytest.raises(ValueError, match="nothing"):
        tfds("things", split="nothing", **options)


def test_without_tfds_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    with pytest.raises(ImportError, match=r"pip install 'jatlas\[tfds\]'"):
        tfds("flowers", split="train")


@pytest.mark.slow
def test_a_map_dataset_of_grain_is_read() -> None:
    grain = pytest.importorskip("grain")
    content = (
        grain.MapDataset.source(CONTENT)
        .shuffle(seed=3)
        .map(lambda record: {"pixels": record["image"]})
    )
    source = dataset(content, size=16, image="pixels")
    expected = list(dataset(CONTENT, size=16).load())
    loaded = list(source.load())
    order = [
        next(i for i, item in enumerate(expected) if np.array_equal(item.image, found.image))
        for found in loaded
    ]
    assert sorted(order) == [0, 1, 2, 3]
    for item, index in zip(source.reload([1, 3]), (1, 3), strict=True):
        np.testing.assert_array_equal(item.image, loaded[index].image)


def test_what_grain_filters_out_is_passed_over() -> None:
    grain = pytest.importorskip("grain")
    content = grain.MapDataset.source(CONTENT).filter(lambda record: record["image"].ndim == 3)
    loaded = list(dataset(content, size=16).load())
    assert [item.error for item in loaded] == [None, None, None, "no record: filtered out"]


@no_array_record
def test_records_of_an_array_record_file_are_read(prepared: Path) -> None:
    """A source of Grain's own, over the file that TFDS wrote."""
    grain = pytest.importorskip("grain")
    datasets = pytest.importorskip("tensorflow_datasets")
    (path,) = prepared.glob("things/1.2.0/*train*.array_record*")
    features = datasets.builder("things", data_dir=prepared).info.features
    content = grain.MapDataset.source(grain.sources.ArrayRecordDataSource(str(path))).map(
        features.deserialize_example_np
    )
    source = dataset(content, size=16, image="picture")
    expected = tfds("things", split="train", size=16, image="picture", data_dir=prepared)
    assert source.count == 2
    for item, other in zip(source.load(), expected.load(), strict=True):
        np.testing.assert_array_equal(item.image, other.image)


def test_one_record_without_an_image_does_not_end_a_run_wherever_it_is() -> None:
    pixels = np.zeros((8, 8, 3), np.uint8)
    for records in ([{"label": 1}, {"image": pixels}], [{"image": pixels}, {"label": 1}]):
        found = [item.error for item in dataset(records, size=4).load()]
        assert sorted(map(str, found)) == ["None", "image: expected one of ['label'], got 'image'"]
    with pytest.raises(ValueError, match=r"image: expected one of \['label'\], got 'image'"):
        dataset([{"label": 1}] * 3, size=4).load()


@pytest.mark.parametrize("changes", [{"title": None}, {"image": ["image"]}, {"version": ""}])
def test_names_that_are_no_text_are_refused(changes: Any) -> None:
    (name,) = changes
    with pytest.raises(ValueError, match=f"^{name}: expected one line of UTF-8 text, got "):
        dataset([{"image": 1}], **changes)
