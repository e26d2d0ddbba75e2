"""What decides a program: its arguments, packages, settings of JAX, jatlas's source."""

import functools
import hashlib
import importlib.metadata
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax

from jatlas.types.programs._describe import describe

_PACKAGES = ("flax", "jatlas", "jax", "jaxlib", "numpy", "optax")
_SOURCE = Path(__file__).parents[2]


def surroundings(packages: tuple[str, ...], parts: tuple[str, ...]) -> dict[str, Any]:
    """Return what decides the programs of this process, as JSON values.

    Args:
      packages: those whose versions count.
      parts: folders of jatlas whose source counts.

    Raises:
      OSError: if the source cannot be read, as in an archive of modules.
    """
    return {
        "settings": _settings(),
        "versions": {name: version(name) for name in packages},
        "source": source_digest(parts),
    }


@functools.cache  # it reads files: 10 ms
def version(package: str) -> str:
    """Return the version of a package."""
    return importlib.metadata.version(package)


def _settings() -> dict[str, str]:
    """Return all of JAX's settings, as they are in this thread."""
    values = jax.config.values
    return {name: str(getattr(jax.config, name, values[name])) for name in values}


@functools.cache
def source_digest(parts: tuple[str, ...]) -> str:
    """Return the sha256 of folders of jatlas's source, in hex."""
    sha = hashlib.sha256()
    for file in sorted(file for part in parts for file in (_SOURCE / part).rglob("*.py")):
        sha.update(f"{file.relative_to(_SOURCE)}\n".encode())
        sha.update(file.read_bytes())
    return sha.hexdigest()


def name_of(
    function: Callable[..., Any], static: Mapping[str, Any], arguments: Sequence[str]
) -> str:
    """Return a name for what a function of jatlas gives for certain arguments.

    Args:
      function: the function.
      static: arguments that are described.
      arguments: descriptions of the others.

    Returns:
      64 hex digits; others where anything differs that may change the result.

    Raises:
      TypeError: if a static argument cannot be described.
      OSError: as `surroundings`.
    """
    deciding = {
        "function": f"{function.__module__}.{function.__qualname__}",
        "static": {name: describe(value) for name, value in static.items()},
        "arguments": list(arguments),
        **surroundings(_PACKAGES, (".",)),
    }
    return digest_of(deciding)


def digest_of(deciding: Mapping[str, Any]) -> str:
    """Return the sha256 of JSON values, in hex."""
    return hashlib.sha256(json.dumps(deciding, sort_keys=True).encode()).hexdigest()
