"""Where jatlas runs: other systems, no home, read-only files, odd streams, strict settings."""

import contextlib
import ctypes
import errno
import importlib.metadata
import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import numba
import numpy as np
import platformdirs
import pytest
from atlases import CONFIG, RUN, build, build_arrays, make_images
from faults import failing
from helpers import tiny_network, tiny_params

import jatlas
from jatlas import bench
from jatlas.arrange import _layout, _numba, prepare_layout
from jatlas.cli import _session as session
from jatlas.cli import main
from jatlas.cli._main import parse
from jatlas.collect import Arrays
from jatlas.model import _weights as weights
from jatlas.types import progress_bar
from jatlas.types.programs import keep_in
from jatlas.visualize import _memory as memory

IMAGES = np.random.default_rng(0).integers(0, 256, (12, 16, 16, 3), np.uint8)
NO_HOME = RuntimeError("Could not determine home directory.")


# Systems


@pytest.mark.slow
def test_nothing_is_called_that_only_linux_has(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("sched_getaffinity", "sysconf", "getuid", "geteuid", "uname", "getloadavg"):
        monkeypatch.delattr(os, name, raising=False)
    load = ctypes.CDLL

    def as_on_windows(name: Any, *args: Any, **kwargs: Any) -> Any:
        if name is None:
            raise TypeError("as on Windows")
        return load(name, *args, **kwargs)

    monkeypatch.setattr(ctypes, "CDLL", as_on_windows)
    monkeypatch.setitem(sys.modules, "resource", None)  # an import of it fails
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "2")  # scikit-learn counts cores in its own ways
    session.use_all_cores()
    assert memory.available(jax.devices("cpu")[0]) is None or memory.container_limit()
    assert build(make_images(tmp_path / "images"), tmp_path / "atlas", run=jatlas.Run()).maps
    assert bench.machine(jax.devices()).devices >= 1


def test_cores_are_counted_where_affinity_is_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 7)
    assert session.usable_cores() == 7


def test_flags_that_xla_was_given_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "0.10.2")
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    monkeypatch.setenv("XLA_FLAGS", "--xla_backend_optimization_level=3 --xla_dump_to=x")
    for _ in range(2):
        session.compile_faster()
        assert os.environ["XLA_FLAGS"].split() == [
            "--xla_cpu_use_fusion_emitters=false",
            "--xla_backend_optimization_level=3",
            "--xla_dump_to=x",
        ]


@pytest.mark.parametrize("version", ["0.11.0", "0.12.0.1"])
def test_no_flag_is_set_that_this_version_of_xla_does_not_know(
    monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    monkeypatch.setattr(importlib.metadata, "version", lambda name: version)
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    monkeypatch.delenv("XLA_FLAGS", raising=False)
    session.compile_faster()
    assert os.environ["XLA_FLAGS"] == "--xla_backend_optimization_level=1"


def test_programs_of_an_accelerator_are_compiled_as_usual(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XLA_FLAGS", raising=False)
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: [group])
    monkeypatch.delenv("JAX_PLATFORMS", raising=False)
    session.compile_faster()
    assert "XLA_FLAGS" not in os.environ
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    session.compile_faster()
    assert "--xla_backend_optimization_level=1" in os.environ["XLA_FLAGS"]


@pytest.mark.parametrize(
    ("images", "words", "small"),
    [
        (700, [], True),
        (700, ["--grid", "40"], False),
        (700, ["--layer", "a", "--layer", "b"], False),
        (700, ["--steps", "512"], False),
        (700, ["--per-image", "20"], False),
        (5000, ["--grid", "10"], False),
    ],
)
def test_a_build_that_takes_longer_than_compiling_is_compiled_as_usual(
    images: int, words: list[str], small: bool
) -> None:
    command = parse(["build", "photos", "--out", "atlas", *words])
    assert command._is_small(images) == small


# Folders


@contextlib.contextmanager
def compilation_cache(folder: str | None) -> Iterator[None]:
    before = jax.config.jax_compilation_cache_dir
    jax.config.update("jax_compilation_cache_dir", folder)
    try:
        yield
    finally:
        jax.config.update("jax_compilation_cache_dir", before)
        keep_in(None)


def test_without_a_home_commands_go_without_a_cache(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("JATLAS_WEIGHTS_DIR", raising=False)
    with (
        failing(platformdirs, "user_cache_dir", NO_HOME),
        failing(platformdirs, "user_data_dir", NO_HOME),
        compilation_cache(None),
    ):
        assert main(["weights", "list"]) == 0
        assert jax.config.jax_compilation_cache_dir is None
        assert re.search("textures +here", capsys.readouterr().out)
        assert main(["weights", "where"]) == 2
    assert "set JATLAS_WEIGHTS_DIR" in capsys.readouterr().err


def test_a_cache_that_cannot_be_written_is_not_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(platformdirs, "user_cache_dir", lambda name: str(tmp_path / "file"))
    with compilation_cache(None):
        session.keep_compiled()
        assert jax.config.jax_compilation_cache_dir is None
    monkeypatch.setattr(platformdirs, "user_cache_dir", lambda name: str(tmp_path / "cache"))
    with compilation_cache(None):
        session.keep_compiled()
        assert jax.config.jax_compilation_cache_dir == str(tmp_path / "cache" / "compiled")


@pytest.mark.parametrize("home", [True, False])
def test_numba_gets_a_folder_that_can_be_written(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, home: bool
) -> None:
    monkeypatch.setattr(_numba, "can_write", lambda folder: False)  # as if installed read-only
    monkeypatch.setattr(platformdirs, "user_cache_dir", lambda name: str(tmp_path / "cache"))
    monkeypatch.setattr(numba.config, "CACHE_DIR", "")
    homeless = failing(platformdirs, "user_cache_dir", NO_HOME)
    with contextlib.nullcontext() if home else homeless:
        _numba._keep_compiled("umap")
    chosen = Path(numba.config.CACHE_DIR)
    assert chosen.is_dir()
    assert (chosen == tmp_path / "cache" / "numba") == home
    if not home:  # known to this process only
        assert chosen.parent == Path(tempfile.gettempdir()) and chosen.stat().st_mode & 0o77 == 0
    _numba._keep_compiled("umap")
    assert Path(numba.config.CACHE_DIR) == chosen


def test_what_the_layout_needs_is_imported_before_the_images_are_read() -> None:
    class Unread(Arrays):
        def load(self, start: int = 0, *, workers: int = 2) -> Any:
            raise AssertionError("images were read")

    with (
        failing(_layout, "import_umap", ImportError("no locator")),
        pytest.raises(ImportError, match="no locator"),
    ):
        layout = jatlas.UMAP(method="umap-learn")
        config = jatlas.BuildConfig(icons=CONFIG.icons, layout=layout)
        jatlas.build(
            tiny_network(), tiny_params(), Unread((IMAGES,), count=len(IMAGES)),
            layers=("conv1",), grids=(2,), key=jax.random.key(0), config=config, run=RUN,
        )  # fmt: skip
    prepare_layout(jatlas.TSNE(), count=300_000)
    prepare_layout(jatlas.UMAP(), count=299_999)
    prepare_layout(jatlas.UMAP())
    with (
        failing(_layout, "import_pynndescent", ImportError("no locator")),
        pytest.raises(ImportError, match="no locator"),
    ):
        prepare_layout(jatlas.UMAP(), count=300_000)


# Streams


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp437", "cp932", "gbk", "koi8-r"])
def test_help_is_printed_in_any_encoding(monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding=encoding))
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    assert b"Activation" in written.getvalue() or b"atlas" in written.getvalue()


class Closed(io.TextIOWrapper):
    """A pipe that nobody reads."""

    def __init__(self) -> None:
        super().__init__(io.BytesIO(), encoding="utf-8")

    def write(self, text: str) -> int:
        raise BrokenPipeError(32, "Broken pipe")

    def flush(self) -> None:
        pass


def test_nothing_is_said_of_a_closed_pipe(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for words in (["--help"], ["weights", "list"]):
        monkeypatch.setattr(sys, "stdout", Closed())
        assert main(words) == 141
    assert capfd.readouterr().err == ""


@pytest.mark.slow
def test_nothing_is_said_of_a_real_closed_pipe_and_a_full_device_is_named() -> None:
    command = f"{sys.executable} -m jatlas build --help"
    said = subprocess.run(f"{command} | head -c 1", shell=True, capture_output=True, text=True)
    assert (said.returncode, said.stderr) == (0, "")
    if Path("/dev/full").exists():
        said = subprocess.run(f"{command} > /dev/full", shell=True, capture_output=True, text=True)
        assert said.returncode == 2
        assert said.stderr.startswith("jatlas: no space left") and said.stderr.count("\n") == 1


def test_without_stderr_there_is_no_progress_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    assert list(progress_bar([1, 2], shown=True, desc="images", unit="image")) == [1, 2]
    assert main(["weights", "where"]) == 0
    assert sys.stderr is not None
    sys.stderr.close()


# JAX


@pytest.mark.parametrize(
    "error", [RuntimeError("Unable to initialize backend 'cuda': no GPU\nmore"), AssertionError()]
)
def test_a_backend_that_cannot_start_is_no_damage(
    images: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    error: Exception,
) -> None:
    out = str(tmp_path / "atlas")
    with failing(jax, "devices", error):
        assert main(["build", str(images), "--network", "textures", "--out", out]) == 2
    said = capsys.readouterr().err
    assert said.startswith("jatlas: JAX cannot start: ") and said.count("\n") == 1
    assert "damaged" not in said


@pytest.mark.parametrize("version", ["0.11.1", "0.11.2"])
def test_a_version_that_hangs_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, images: Path, tmp_path: Path, capsys: Any, version: str
) -> None:
    known = importlib.metadata.version
    monkeypatch.setattr(
        importlib.metadata, "version", lambda name: version if name == "jaxlib" else known(name)
    )
    message = f"jaxlib {version} hangs .*: install another version"
    with pytest.raises(ValueError, match=message):
        jatlas.render(
            tiny_network(), tiny_params(), np.eye(8)[:1], layer="conv1", key=jax.random.key(0)
        )
    with pytest.raises(ValueError, match=message):
        build_arrays(IMAGES)
    arguments = ["build", str(images), "--network", "textures", "--out", str(tmp_path / "atlas")]
    assert main(arguments) == 2
    assert f"jatlas: jaxlib {version} hangs" in capsys.readouterr().err
    assert not (tmp_path / "atlas").exists()


def test_a_full_device_is_said_in_one_line(images: Path, tmp_path: Path, capsys: Any) -> None:
    full = jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory\nallocator dump")
    with failing(session, "load_network", full):
        assert main(["build", str(images), "--out", str(tmp_path / "atlas")]) == 2
    said = capsys.readouterr().err
    assert "no memory left" in said and "--chunk" in said and said.count("\n") == 1


@contextlib.contextmanager
def setting(name: str, value: Any) -> Iterator[None]:
    before = getattr(jax.config, name)
    jax.config.update(name, value)
    try:
        yield
    finally:
        jax.config.update(name, before)


@pytest.fixture(scope="module")
def expected() -> jatlas.Atlas:
    return build_arrays(IMAGES)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("jax_numpy_dtype_promotion", "strict"),
        ("jax_debug_key_reuse", True),
        ("jax_enable_x64", True),
        ("jax_legacy_prng_key", "error"),
    ],
)
def test_an_atlas_is_the_same_under_strict_settings(
    name: str, value: Any, expected: jatlas.Atlas
) -> None:
    with setting(name, value):
        atlas = build_arrays(IMAGES)
    for one, other in zip(atlas.maps, expected.maps, strict=True):
        np.testing.assert_array_equal(one.samples.source, other.samples.source)
        np.testing.assert_allclose(one.samples.vectors, other.samples.vectors, atol=1e-5)
        assert one.samples.vectors.dtype == one.samples.moment.dtype == np.float32
        assert one.samples.evidence.dtype == np.float16
        np.testing.assert_array_equal(one.grids[0].count, other.grids[0].count)
        shown = one.grids[0].icons.images.astype(int), other.grids[0].icons.images.astype(int)
        assert np.abs(np.subtract(*shown)).mean() < 2


@pytest.mark.slow
def test_other_settings_of_jax_are_in_the_record_and_named(tmp_path: Path) -> None:
    images = make_images(tmp_path / "images")
    build(images, tmp_path / "atlas")
    with (
        setting("jax_threefry_partitionable", False),
        pytest.raises(ValueError, match=r"jax\.jax_threefry_partitionable: true there, false now"),
    ):
        build(images, tmp_path / "atlas")
    assert jatlas.load(tmp_path / "atlas").info["generator"] == "threefry2x32"


def test_folders_of_others_are_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, images: Path
) -> None:
    """A home, and a folder among the images, that may be listed but not searched."""
    hidden = tmp_path / "photos" / "hidden"
    hidden.mkdir(parents=True)
    shutil.copy(images / "00.png", hidden.parent)
    known = os.stat

    def stat(path: Any, *arguments: Any, **named: Any) -> os.stat_result:
        if not isinstance(path, int) and Path(os.fsdecode(path)).parent == hidden:
            raise PermissionError(errno.EACCES, "Permission denied", os.fsdecode(path))
        return known(path, *arguments, **named)

    monkeypatch.setattr(os, "stat", stat)
    with pytest.raises(PermissionError):
        (hidden / "x").exists()
    assert jatlas.folder(hidden.parent).paths == ("00.png",)
    monkeypatch.setenv("JATLAS_WEIGHTS_DIR", str(hidden.parent))
    (hidden / "provenance.json").touch()
    assert not weights._is_checkpoint(hidden)
