"""One thing that the viewer may ask for."""

from __future__ import annotations

from typing import Any, NamedTuple

from jatlas.show._encode import embeddable


class Part(NamedTuple):
    """One thing that the viewer may ask for.

    Attributes:
      name: the name it is asked for by.
      kind: "json", "jpg" or "png".
      data: the content of the file.
    """

    name: str
    kind: str
    data: bytes


def json_part(name: str, value: Any) -> Part:
    """Return a value as a part."""
    return Part(name, "json", embeddable(value).encode())
