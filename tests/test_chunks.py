"""Chunks: how many icons, on which devices, in how much memory."""

import jax
import pytest

from jatlas.visualize import _chunks as chunks

DEVICES = jax.devices("cpu")[:1]


@pytest.mark.parametrize(
    ("icons", "unit", "width"), [(1, 1, 16), (16, 1, 16), (17, 1, 17), (64, 1, 64), (20, 3, 21)]
)
def test_a_program_is_filled_to_sixteen_and_to_whole_groups(
    icons: int, unit: int, width: int
) -> None:
    plan = chunks.spread(icons, DEVICES, unit=unit, least=16)
    assert plan.width == width and plan.mesh.devices.tolist() == DEVICES


@pytest.mark.parametrize(("limit", "expected"), [(2000, 100), (1000, 100), (999, 50), (120, 12)])
def test_icons_fit_into_the_memory(
    limit: int, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunks, "memory", lambda device: limit)
    asked: list[int] = []

    def needs(icons: int) -> int:
        asked.append(icons)
        return 10 * icons

    found, needed = chunks.fitting(100, needs, device=DEVICES[0], least=4)
    assert found == asked[-1] == expected and needed == 10 * expected
    assert len(asked) <= 3


def test_the_fewest_are_tried_whatever_they_need(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "memory", lambda device: 1)
    assert chunks.fitting(64, lambda icons: icons, device=DEVICES[0], least=16) == (16, 16)


def test_a_cpu_has_a_share_of_the_memory_that_is_installed() -> None:
    assert 1e8 < chunks.memory(DEVICES[0]) < 1e13
