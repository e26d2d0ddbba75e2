"""The same images as a folder, tar files, ArrayRecord files, and data sets of TFDS and Grain."""

import io
import sys
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from atlases import make_images

CLASSES = ("red fox", "goldfish")

no_array_record = pytest.mark.skipif(
    sys.platform == "win32", reason="array_record does not exist for Windows"
)


def write_tar(path: Path, members: Mapping[str, bytes]) -> Path:
    """Write a tar file of these members, in their order."""
    with tarfile.open(path, "w") as file:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            file.addfile(info, io.BytesIO(content))
    return path


def write_array_record(path: Path, *records: bytes) -> Path:
    """Write an ArrayRecord file."""
    pytest.importorskip("array_record")
    from array_record.python.array_record_module import ArrayRecordWriter

    writer = ArrayRecordWriter(str(path), "group_size:1")
    for record in records:
        writer.write(record)
    writer.close()
    return path


def message(number: int, content: bytes) -> bytes:
    """Return a field of a protobuf message that holds bytes."""
    size, length = len(content), b""
    while size >= 128:
        length, size = length + bytes([size % 128 + 128]), size // 128
    return bytes([8 * number + 2]) + length + bytes([size]) + content


def example(image: bytes, label: int, *, key: str = "image") -> bytes:
    """Return a tf.train.Example, written by hand: the encoding's own rules are the reference."""
    features = {key: message(1, message(1, image)), "label": message(3, message(1, bytes([label])))}
    entries = (message(1, name.encode()) + message(2, x) for name, x in features.items())
    return message(1, b"".join(message(1, entry) for entry in entries))


def prepare_tfds(path: Path, paths: list[Path]) -> Path:
    """Prepare the data set "pets" of these images, labelled in turn; TensorFlow is not needed."""
    datasets = pytest.importorskip("tensorflow_datasets")

    class Pets(datasets.core.GeneratorBasedBuilder):
        VERSION = datasets.core.Version("1.0.0")
        pkg_dir_path = path

        def _info(self) -> Any:
            names = list(CLASSES)
            features = {
                "image": datasets.features.Image(),
                "label": datasets.features.ClassLabel(names=names),
            }
            return datasets.core.DatasetInfo(
                builder=self, features=datasets.features.FeaturesDict(features),
                disable_shuffling=True,
            )  # fmt: skip

        def _split_generators(self, manager: Any) -> Any:
            return {"train": self._generate_examples()}

        def _generate_examples(self) -> Any:
            for number, image in enumerate(paths):
                yield number, {"image": io.BytesIO(image.read_bytes()), "label": number % 2}

    Pets(data_dir=path, file_format="array_record").download_and_prepare()
    return path


def write_all(path: Path) -> Path:
    """Write the pictures of `atlases.make_images` in every form, labelled in turn."""
    files = sorted(make_images(path / "folder").iterdir())
    contents = [file.read_bytes() for file in files]
    for part, rows in enumerate((range(10), range(10, len(files)))):
        members: dict[str, bytes] = {}
        for row in rows:
            members |= {f"{row:02d}.png": contents[row], f"{row:02d}.cls": b"%d" % (row % 2)}
        write_tar(path / f"pets-{part:03d}.tar", members)
    return path


def write_records(path: Path) -> Path:
    """Write them as ArrayRecord files and as a data set of TFDS too."""
    files = sorted((path / "folder").iterdir())
    contents = [file.read_bytes() for file in files]
    write_array_record(path / "plain.array_record", *contents)
    labelled = [example(content, row % 2) for row, content in enumerate(contents)]
    write_array_record(path / "examples-0.array_record", *labelled[:7])
    write_array_record(path / "examples-1.array_record", *labelled[7:])
    prepare_tfds(path / "tfds", files)
    return path
