"""The speed of reading: the same images as files, in tar files, in records and in data sets."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.util
import io
import statistics
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

from jatlas.bench import _machine as on
from jatlas.collect import Folder, ImageSource, array_record, dataset, folder, stream, tar, tfds
from jatlas.types import Run, checks, is_url, progress_bar


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataSpeed:
    """How fast images are read and decoded to squares, with nothing beside it.

    Every rate is the median of the repetitions, in images per second; None for a form whose package
    is not installed. All files have been read once before, so that most are in memory.

    Attributes:
      images: number of images.
      bytes_per_image: mean size of their files.
      workers: threads that decode.
      folder_per_s: files in a folder.
      tar_per_s: a tar file.
      array_record_per_s: an ArrayRecord file that holds the bytes of the files.
      tfds_per_s: a data set of TensorFlow Datasets, from ArrayRecord files as well.
      grain_map_per_s: a Grain MapDataset of the same ArrayRecord file.
      grain_iter_per_s: the IterDataset that Grain makes of it, reading on its own threads.
    """

    images: int
    bytes_per_image: float
    workers: int
    folder_per_s: float
    tar_per_s: float
    array_record_per_s: float | None = None
    tfds_per_s: float | None = None
    grain_map_per_s: float | None = None
    grain_iter_per_s: float | None = None


def bench_data(
    path: str | Path,
    *,
    size: int = 224,
    limit: int | None = None,
    workers: int = Run.workers,
    repeat: int = 3,
) -> DataSpeed:
    """Measure how fast the same images are read in every form that jatlas reads. A host function.

    The forms are written to a folder of temporary files first. They take turns, so that what else
    the machine does disturbs all alike.

    Args:
      path: a folder of images.
      size: side of the squares in pixels.
      limit: maximum number of images.
      workers: threads that decode them.
      repeat: repetitions, after one that warms up.

    Returns:
      DataSpeed.

    Raises:
      ValueError: if there is no such folder, it holds no image, or an argument is out of range.
    """
    checks.whole("repeat", repeat)
    checks.whole("workers", workers, unit="thread")
    if is_url(path):
        raise ValueError(f"path: expected a folder here, got {path!r}")
    images = folder(path, size=size, limit=limit)
    with tempfile.TemporaryDirectory() as place:
        sources = _sources(images, Path(place), size=size, workers=workers)
        seconds: dict[str, list[float]] = {name: [] for name in sources}
        rounds = progress_bar(range(1 + repeat), shown=True, desc="rounds", unit="round")
        for _ in rounds:
            for name, source in sources.items():
                seconds[name].append(on.timed(lambda source=source: _read(source, workers)))  # type: ignore[misc]
    rates = {name: images.count / statistics.median(each[1:]) for name, each in seconds.items()}
    total = sum((Path(images.root) / each).stat().st_size for each in images.paths)
    return DataSpeed(
        images=images.count, bytes_per_image=total / images.count, workers=workers, **rates
    )


def _read(source: ImageSource, workers: int) -> None:
    """Decode all images of a source."""
    with contextlib.closing(source.load(workers=workers)) as images:
        for _ in images:
            pass


def _sources(images: Folder, place: Path, *, size: int, workers: int) -> dict[str, ImageSource]:
    """Return the images in every form that can be written here, by the names of `DataSpeed`."""
    contents = [Path(images.root) / path for path in images.paths]
    sources: dict[str, ImageSource] = {"folder_per_s": images}
    with tarfile.open(place / "images.tar", "w") as file:
        for path, name in zip(contents, images.paths, strict=True):
            file.add(path, arcname=name)
    sources["tar_per_s"] = tar(place / "images.tar", size=size)
    records = place / "images.array_record"
    if not _installed("array_record"):
        return sources
    sources |= _array_record(contents, records, size)
    if _installed("grain"):
        sources |= _grain(records, size, workers)
    if _installed("tensorflow_datasets"):
        sources |= _tfds(contents, place / "tfds", size)
    return sources


def _installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def _array_record(contents: list[Path], records: Path, size: int) -> dict[str, ImageSource]:
    from array_record.python.array_record_module import ArrayRecordWriter

    writer = ArrayRecordWriter(str(records), "group_size:1")
    for path in contents:
        writer.write(path.read_bytes())
    writer.close()
    return {"array_record_per_s": array_record(records, size=size)}


def _grain(records: Path, size: int, workers: int) -> dict[str, ImageSource]:
    import grain

    source = grain.sources.ArrayRecordDataSource(str(records))
    content = grain.MapDataset.source(source).map(lambda record: {"image": record})
    options = grain.ReadOptions(num_threads=workers)
    return {
        "grain_map_per_s": dataset(content, size=size),
        "grain_iter_per_s": stream(content.to_iter_dataset(options), size=size),
    }


def _tfds(contents: list[Path], place: Path, size: int) -> dict[str, ImageSource]:
    import tensorflow_datasets

    core, features = tensorflow_datasets.core, tensorflow_datasets.features
    base: Any = core.GeneratorBasedBuilder

    class JatlasBench(base):
        """The images as a data set."""

        VERSION = core.Version("1.0.0")
        pkg_dir_path = place
        url_infos = None  # nothing is downloaded; TFDS would look beside this module

        def _info(self) -> Any:
            known = features.FeaturesDict({"image": features.Image()})
            return core.DatasetInfo(builder=self, features=known, disable_shuffling=True)

        def _split_generators(self, manager: Any) -> Any:
            return {"train": self._generate_examples()}

        def _generate_examples(self) -> Any:
            for number, path in enumerate(contents):
                yield number, {"image": io.BytesIO(path.read_bytes())}

    with contextlib.redirect_stdout(sys.stderr):
        JatlasBench(data_dir=place, file_format="array_record").download_and_prepare()
        source = tfds("jatlas_bench", split="train", size=size, data_dir=place)
    return {"tfds_per_s": source}
