"""Tables of what was measured."""

import dataclasses
from typing import Any

from jatlas.bench._machine import Machine

_PREFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"))


def report(title: str, *speeds: Any, machine: Machine) -> str:
    """Describe measurements for a person: two lines of heading and a table of each.

    Args:
      title: what was measured.
      *speeds: records of numbers, such as `RenderSpeed`; their names say the units.
      machine: what they were measured on.

    Returns:
      Lines of text; numbers that are not known (None) are left out.
    """
    tables = [table(dataclasses.asdict(speed)) for speed in speeds]
    return "\n".join([title, where(machine), *tables])


def where(machine: Machine) -> str:
    """Describe a machine in a line."""
    versions = f"jatlas {machine.versions['jatlas']}, jax {machine.versions['jax']}"
    devices = f"{machine.devices} x {machine.device} ({machine.platform})"
    return f"{devices}, {versions}, {machine.date} UTC"


def table(numbers: dict[str, Any]) -> str:
    """Align names and numbers.

    Example:
      >>> print(table({"ms_per_icon_step": 1.234, "program_bytes": 2_500_000}))
      ms per icon step  1.23
      program bytes     2.5 M
    """
    known = {label(name): x for name, x in numbers.items() if x is not None}
    width = max(map(len, known), default=0)
    return "\n".join(f"{name:<{width}}  {short(value)}" for name, value in known.items())


def label(name: str) -> str:
    """Return the name of a number as words."""
    return name.replace("_", " ")


def short(value: Any) -> str:
    """Write a number with three digits, from 1,000 on without decimals, from a million on as 1 M.

    Example:
      >>> short(1.2345e9), short(5775.4), short(12), short(0.51234)
      ('1.23 G', '5775', '12', '0.512')
    """
    for size, prefix in _PREFIXES:
        if abs(value) >= size:
            return f"{value / size:.3g} {prefix}"
    return f"{value:.0f}" if isinstance(value, int) or abs(value) >= 999.5 else f"{value:.3g}"
