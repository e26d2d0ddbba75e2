"""Records of a data set: the same pixels as the same images from files."""

import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from jatlas import collect
from jatlas.collect import Rereadable

RNG = np.random.default_rng(0)
SHAPES = [(40, 60, 3), (33, 20, 3), (25, 25, 1), (30, 31)]
CONTENT = [{"image": RNG.integers(0, 256, shape, np.uint8), "label": 3} for shape in SHAPES]


@pytest.mark.parametrize("fit", ["crop", "squash"])
def test_pixels_are_those_of_files(tmp_path: Path, fit: Any) -> None:
    for number, record in enumerate(CONTENT):
        Image.fromarray(np.squeeze(record["image"])).save(tmp_path / f"{number}.png")
    files = collect.folder(tmp_path, size=16, fit=fit).load()
    found = collect.records(CONTENT, size=16, fit=fit).load()
    for one, other in zip(found, files, strict=True):
        np.testing.assert_array_equal(one.image, other.image)
        assert one.index == other.index


def test_loading_starts_anywhere_and_says_what_is_what() -> None:
    source = collect.records(CONTENT, size=8, title="things")
    assert source.count == 4 and source.name(2) == "things/2"
    assert [item.index for item in source.load(2)] == [2, 3]
    assert source.fingerprint()["records"] == "things"


def test_what_is_no_image_is_named_and_passed_over() -> None:
    bad = [{"image": np.zeros((4, 4, 2), np.uint8)}, {"image": np.zeros((4, 4, 3))}, CONTENT[0]]
    found = list(collect.records(bad, size=8).load())
    assert [item.image is None for item in found] == [True, True, False]
    assert found[0].error == "expected (h, w, 3) uint8, got uint8 (4, 4, 2)"
    with pytest.raises(ValueError, match=r"image: expected one of \['image', 'label'\], got 'img'"):
        list(collect.records(CONTENT, image="img").load())
    with pytest.raises(ValueError, match="content: expected records, got none"):
        collect.records([])


def test_records_are_read_again() -> None:
    source = collect.records(CONTENT, size=8)
    first = list(source.load())
    assert isinstance(source, Rereadable)
    for item, index in zip(source.reload([0, 3]), (0, 3), strict=True):
        assert item.index == index
        np.testing.assert_array_equal(item.image, first[index].image)


def test_a_prepared_data_set_of_tfds_is_read(tmp_path: Path) -> None:
    """Real files of TFDS, written here; skipped without the extra."""
    datasets = pytest.importorskip("tensorflow_datasets")
    pixels = [np.atleast_3d(record["image"]) for record in CONTENT[:2]]

    class Things(datasets.core.GeneratorBasedBuilder):
        VERSION = datasets.core.Version("1.0.0")
        pkg_dir_path = tmp_path

        def _info(self) -> Any:
            features = datasets.features.FeaturesDict({"picture": datasets.features.Image()})
            return datasets.core.DatasetInfo(builder=self, features=features)

        def _split_generators(self, manager: Any) -> Any:
            return {"train": self._generate_examples()}

        def _generate_examples(self) -> Any:
            for number, image in enumerate(pixels):
                yield number, {"picture": Image.fromarray(image)}

    Things(data_dir=tmp_path, file_format="array_record").download_and_prepare()
    options: Any = {"size": 16, "image": "picture", "data_dir": str(tmp_path)}
    source = collect.tfds("things", split="train", **options)
    assert source.count == 2
    # TFDS shuffles what it writes.
    expected = list(collect.records([{"image": image} for image in pixels], size=16).load())
    for item in source.load():
        assert any(np.array_equal(item.image, other.image) for other in expected)
    assert collect.tfds("things", split="train[:50%]", **options).count == 1


def test_tfds_is_asked_for_a_data_source(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in: a real data set would be downloaded."""
    asked: list[Any] = []

    def data_source(name: str, *, split: str, data_dir: str | None) -> list[dict[str, Any]]:
        asked.append((name, split, data_dir))
        return CONTENT

    stand_in = types.SimpleNamespace(data_source=data_source)
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", stand_in)
    source = collect.tfds("flowers", split="train[:10%]", size=8, data_dir="here")
    assert asked == [("flowers", "train[:10%]", "here")]
    assert source.name(0) == "flowers:train[:10%]/0" and len(list(source.load())) == 4
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    with pytest.raises(ImportError, match=r"pip install 'jatlas\[tfds\]'"):
        collect.tfds("flowers", split="train")
