"""The names that signatures share. No logic."""

import dataclasses
from pathlib import Path
from typing import Any, TypeAlias

import jax
import numpy as np

Array: TypeAlias = jax.Array
"""A JAX array. Images are (height, width, 3) float32 RGB in [0, 1], batches lead."""

HostArray: TypeAlias = np.ndarray[Any, Any]
"""A NumPy array, in the host's memory."""

Key: TypeAlias = jax.Array
"""A typed random key, as `jax.random.key` makes it."""

Params: TypeAlias = Any
"""A PyTree of arrays: what a network has learned."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Run:
    """How a computation is carried out. Nothing here changes its result beyond rounding.

    Attributes:
      batch_size: images that go through the network at once.
      chunk: icons that are optimized at once, on all devices together; None chooses by platform
        and memory.
      workers: threads that decode images.
      progress: whether to show progress bars.
      cache: folder in which the results of stages are kept, so that an interrupted call resumes
        and another call reuses them; None keeps them where the output goes, until it is complete.
    """

    batch_size: int = 32
    chunk: int | None = None
    workers: int = 2
    progress: bool = True
    cache: Path | None = None

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name in ("batch_size", "workers", "chunk"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name}: expected at least 1, got {value}")
