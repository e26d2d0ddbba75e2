"""Static arguments of programs as text that says the same in every process."""

import dataclasses
import functools

import jax


@functools.singledispatch
def describe(value: object) -> str:
    """Return text for a static argument: another for each that may make another program.

    It covers plain values, tuples, meshes of devices, and settings whose class is jatlas's own.
    Other types are registered where they are defined.

    Raises:
      TypeError: if the text could not say what a program does with the value, as with code that
        is not jatlas's.

    Example:
      >>> describe(("mixed4c", 48, None))
      "('mixed4c', 48, None)"
    """
    kind = type(value)
    if not dataclasses.is_dataclass(value) or not kind.__module__.startswith("jatlas."):
        raise TypeError(f"a {kind.__qualname__} cannot be described")
    fields = (
        f"{field.name}={describe(getattr(value, field.name))}"
        for field in dataclasses.fields(value)
    )
    return f"{kind.__module__}.{kind.__qualname__}({', '.join(fields)})"


@describe.register(bool | int | float | str | None)
def _(value: object) -> str:
    return repr(value)


@describe.register
def _(value: tuple) -> str:
    return f"({', '.join(map(describe, value))}{',' * (len(value) == 1)})"


@describe.register
def _(value: jax.sharding.Mesh) -> str:
    platforms = sorted({device.platform for device in value.devices.flat})
    return f"mesh {value.axis_names} {value.devices.shape} {platforms}"
