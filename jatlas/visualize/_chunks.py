"""How many icons go into one program, and how they are spread over devices."""

import os
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh

from jatlas.visualize._optimize import CELLS

BLOCK = 16
"""Steps between two looks at the progress; on a GPU or TPU one program makes them all."""

# What a device takes at first: a CPU gains nothing from more, a GPU or TPU is fed by it.
_FIRST = {"cpu": 64}
_FIRST_ELSEWHERE = 1024

_SHARE = 0.6
"""Of a device's memory, what a program may need: other things are there too."""


class Spread(NamedTuple):
    """How a chunk lies on the devices.

    Attributes:
      mesh: the devices in use.
      width: icons in the program, filling included.
    """

    mesh: Mesh
    width: int


def spread(icons: int, devices: Sequence[jax.Device], *, unit: int, least: int) -> Spread:
    """Choose the devices for a chunk and the number of icons to fill them with.

    Args:
      icons: how many there are.
      devices: what may be used.
      unit: icons that have to lie on one device together.
      least: fewest icons that a device is to have.

    Returns:
      Spread; each device has a multiple of `unit` icons, and at least `least`.
    """
    least = -(-least // unit) * unit
    used = min(len(devices), -(-icons // least))
    each = max(-(-icons // used), least)
    each = -(-each // unit) * unit
    return Spread(Mesh(np.array(devices[:used]), (CELLS,)), used * each)


def first_guess(devices: Sequence[jax.Device]) -> int:
    """Return how many icons to try in a program over these devices."""
    platform = devices[0].platform
    return _FIRST.get(platform, _FIRST_ELSEWHERE * len(devices))


def fitting(
    icons: int, needs: Callable[[int], int], *, device: jax.Device, least: int
) -> tuple[int, int]:
    """Find how many icons fit into the memory of a device, asking the compiler.

    Args:
      icons: how many to begin with.
      needs: (icons) -> bytes that the compiled program needs on each device; each call compiles.
      device: one of the devices.
      least: fewest to come down to.

    Returns:
      (icons that fit, bytes that they need). If not even the fewest fit, they are tried all the
      same: the device will say what it lacks.
    """
    limit = memory(device)
    needed = needs(icons)
    while needed > limit and icons > least:
        # What programs need grows in proportion to the icons, weights apart.
        icons = max(least, min(icons // 2, int(icons * limit / needed)))
        needed = needs(icons)
    return icons, needed


def memory(device: jax.Device) -> int:
    """Return how many bytes of a device's memory a program may need."""
    known = device.memory_stats() if device.platform != "cpu" else None
    if known and "bytes_limit" in known:
        return int(_SHARE * known["bytes_limit"])
    installed = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return int(_SHARE * installed / max(len(jax.devices("cpu")), 1))
