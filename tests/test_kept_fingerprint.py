"""Fingerprints kept between processes: those of jatlas's own networks, as long as they hold."""

import dataclasses
from pathlib import Path

import jax
import jax.numpy as jnp
import platformdirs
import pytest

from jatlas.build import _kept_fingerprint as kept
from jatlas.model import TEXTURES, Network, abstract_params, inception_v1
from jatlas.types import Params
from jatlas.types.programs import _surroundings as surroundings

NETWORK = inception_v1(TEXTURES)
WEIGHTS = "0" * 64


@pytest.fixture
def traced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Keep fingerprints in a folder of the test; return the names of traced networks."""
    names: list[str] = []

    def fingerprint(network: Network, params: Params, *, weights_sha256: str) -> str:
        names.append(network.name)
        return f"{len(names):064x}"

    monkeypatch.setattr(platformdirs, "user_cache_dir", lambda name: str(tmp_path / "cache"))
    monkeypatch.setattr(kept, "fingerprint", fingerprint)
    return names


def take(network: Network = NETWORK, *, weights: str = WEIGHTS, dtype: str = "float32") -> str:
    params = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, jnp.dtype(dtype)), abstract_params(TEXTURES)
    )
    return kept.kept_fingerprint(network, params, weights_sha256=weights)


def test_the_programs_of_an_own_network_are_traced_once(traced: list[str]) -> None:
    assert take() == take() == take() == f"{1:064x}"
    assert traced == ["textures"]


def test_what_may_change_the_programs_has_them_traced_again(
    traced: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [take(), take(weights="1" * 64), take(dtype="bfloat16")]
    with jax.enable_x64(True):
        found.append(take())
    monkeypatch.setattr(surroundings, "source_digest", lambda parts: "edited")
    found.append(take())
    monkeypatch.setattr(surroundings, "version", lambda name: "newer")
    found.append(take())
    assert found == [f"{count:064x}" for count in range(1, 7)]


def test_a_network_of_the_users_is_always_traced(traced: list[str]) -> None:
    edited = dataclasses.replace(NETWORK, version="2")
    assert [take(edited), take(edited)] == [f"{1:064x}", f"{2:064x}"]


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"f" * 63 + b"\n", b"F" * 64])
def test_a_damaged_file_is_replaced(traced: list[str], tmp_path: Path, content: bytes) -> None:
    take()
    (file,) = (tmp_path / "cache" / "fingerprints").iterdir()
    file.write_bytes(content)
    assert take() == take() == f"{2:064x}"


def test_without_a_cache_or_source_all_is_as_before(
    traced: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(parts: tuple[str, ...]) -> str:
        raise OSError("an archive")

    with monkeypatch.context() as patch:
        patch.setattr(surroundings, "source_digest", missing)
        take()
    (tmp_path / "file").touch()
    monkeypatch.setattr(platformdirs, "user_cache_dir", lambda name: str(tmp_path / "file"))
    take()
    take()
    assert len(traced) == 3


def test_an_edited_source_has_another_digest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "model").mkdir()
    source = tmp_path / "model" / "stage.py"
    monkeypatch.setattr(surroundings, "_SOURCE", tmp_path)
    found = []
    for text in ("first", "second"):
        source.write_text(text)
        found.append(surroundings.source_digest.__wrapped__(("model",)))
    assert found[0] != found[1]
