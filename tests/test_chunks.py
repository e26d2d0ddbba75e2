"""How many icons are optimized at once, on which devices, in how much memory."""

import dataclasses
from pathlib import Path

import jax
import numpy as np
import pytest
from helpers import tiny_network, tiny_params

from jatlas.visualize import RandomViews, RenderConfig
from jatlas.visualize import _memory as memory
from jatlas.visualize._render import default_chunk, plan


@dataclasses.dataclass(frozen=True)
class Device:
    """What is asked of a `jax.Device`."""

    id: int
    platform: str = "gpu"
    limit: int | None = None

    def memory_stats(self) -> dict[str, int] | None:
        return None if self.limit is None else {"bytes_limit": self.limit}


@pytest.mark.parametrize(
    ("icons", "chunk", "devices", "group", "used", "width"),
    [
        (1, 64, 1, 1, 1, 1),
        (64, 64, 1, 1, 1, 64),
        (65, 64, 1, 1, 1, 36),
        (201, 64, 2, 1, 2, 52),
        (10_000, 64, 1, 1, 1, 64),
        (1500, 1024, 1, 1, 1, 768),
        (5, 3, 1, 1, 1, 3),
        (3, 64, 8, 1, 3, 3),
        (70, 64, 8, 1, 8, 40),
        (9, 64, 8, 1, 8, 16),
        (20, 64, 1, 3, 1, 21),
        (6, 6, 4, 3, 2, 6),
        (9, 9, 2, 3, 2, 12),
    ],
)
def test_icons_fill_devices_evenly_in_whole_groups(
    icons: int, chunk: int, devices: int, group: int, used: int, width: int
) -> None:
    available = [Device(number) for number in range(devices)]
    mesh, found = plan(icons, chunk, available, group=group)  # type: ignore[arg-type]
    assert (mesh.devices.size, found) == (used, width)
    assert found % (used * group) == 0


def test_icons_are_rendered_in_as_few_parts_as_the_chunk_allows_and_seldom_another_number() -> None:
    device = [Device(0)]
    widths = {icons: plan(icons, 64, device)[1] for icons in range(65, 5000)}  # type: ignore[arg-type]
    assert all(-(-icons // width) == -(-icons // 64) for icons, width in widths.items())
    assert set(widths.values()) == set(range(36, 65, 4))
    lost = [-(-icons // width) * width / icons - 1 for icons, width in widths.items()]
    assert np.mean(lost) < 0.02 and max(lost) < 0.11


def chosen(devices: list[Device]) -> int:
    config = RenderConfig(icon_size=20, views=RandomViews(size=12))
    return default_chunk(
        tiny_network(), tiny_params(), layer="conv2", config=config, devices=devices
    )  # type: ignore[arg-type]


def test_a_chunk_is_a_constant_of_the_platform() -> None:
    assert chosen([Device(0, "cpu")]) == 64
    assert chosen([Device(number, "cpu") for number in range(32)]) == 256
    assert chosen([Device(0)]) == 1024
    assert chosen([Device(0, limit=10**12), Device(1, limit=10**12)]) == 2048


def test_a_chunk_fits_into_half_of_the_memory() -> None:
    config = RenderConfig(icon_size=20, views=RandomViews(size=12))
    size = memory.bytes_per_icon(tiny_network(), tiny_params(), layer="conv2", config=config)
    assert chosen([Device(0, limit=20 * size)]) == 10
    assert chosen(3 * [Device(0, limit=20 * size)]) == 30
    assert chosen([Device(0, limit=10)]) == 1


def test_the_memory_of_an_icon_is_what_a_step_needs() -> None:
    """Twice what the network keeps for its gradient, and some canvases."""
    config = RenderConfig(icon_size=16, views=RandomViews(size=16))
    size = memory.bytes_per_icon(tiny_network(), tiny_params(), layer="conv2", config=config)
    canvases = 10 * 4 * 3 * 16**2
    # The masks of a ReLU and a softplus, and what the convolutions read: about 20 channels.
    kept = 4 * (3 * 16**2 + 20 * 8**2)
    assert 0.3 * kept < (size - canvases) / 2 < 3 * kept
    larger = dataclasses.replace(config, icon_size=160)
    assert memory.bytes_per_icon(
        tiny_network(), tiny_params(), layer="conv2", config=larger
    ) - 100 * canvases == pytest.approx(25 * (size - canvases), rel=1e-3)


def test_the_memory_of_a_cpu_is_a_share_of_what_is_installed() -> None:
    limit = memory.available(jax.devices("cpu")[0])
    assert limit is not None and 1e7 < limit < 1e13


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.mark.parametrize(
    ("files", "limit"),
    [
        ({}, None),
        ({"sys/fs/cgroup/memory.max": "max\n"}, None),
        ({"sys/fs/cgroup/memory.max": "2000000\n"}, 2_000_000),
        (
            {
                "proc/self/cgroup": "0::/user/job\n",
                "sys/fs/cgroup/user/job/memory.max": "max\n",
                "sys/fs/cgroup/user/memory.max": "3000\n",
            },
            3000,
        ),
        ({"sys/fs/cgroup/memory/memory.limit_in_bytes": "5000\n"}, 5000),
        ({"sys/fs/cgroup/memory/memory.limit_in_bytes": f"{2**63 - 4096}\n"}, None),
        (
            {
                "proc/self/cgroup": "9:cpu,cpuacct:/job\n4:memory:/job\n",
                "sys/fs/cgroup/memory/job/memory.limit_in_bytes": "7000\n",
            },
            7000,
        ),
    ],
)
def test_the_limit_of_a_container_is_respected(
    files: dict[str, str], limit: int | None, tmp_path: Path
) -> None:
    assert memory.container_limit(write(tmp_path, files)) == limit


def test_devices_of_a_mesh_are_those_given() -> None:
    devices = jax.devices("cpu")[:1]
    mesh, _ = plan(5, 3, devices)
    assert np.array_equal(mesh.devices, np.array(devices))
