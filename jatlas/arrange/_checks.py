"""What the layouts and the neighbour search expect of their arguments."""

from typing import Literal, TypeAlias, get_args

import jax
import jax.numpy as jnp
import numpy as np

from jatlas.types import Array, HostArray, Key

Metric: TypeAlias = Literal["cosine", "euclidean"]
"""How far two vectors are apart."""

MIN_SAMPLES = 10
"""Samples that a layout needs."""


def check_metric(metric: str) -> None:
    """Raise ValueError for an unknown metric."""
    if metric not in get_args(Metric):
        raise ValueError(f"metric: expected 'cosine' or 'euclidean', got {metric!r}")


def check_table(vectors: Array | HostArray) -> Array | HostArray:
    """Return vectors as a finite (n, channels) float32 table, or raise ValueError.

    A JAX array stays on its device.
    """
    if np.ndim(vectors) != 2:
        raise ValueError(f"vectors: expected (n, channels), got shape {np.shape(vectors)}")
    library = jnp if isinstance(vectors, jax.Array) else np
    table = library.asarray(vectors, np.float32)
    if not library.isfinite(table).all():
        raise ValueError("vectors: some are not finite (NaN or infinity)")
    return table


def check_layout_input(vectors: Array | HostArray) -> HostArray:
    """Return vectors as a table that can be laid out, or raise ValueError."""
    table = check_table(vectors)
    if len(table) < MIN_SAMPLES:
        raise ValueError(
            f"vectors: a layout needs at least {MIN_SAMPLES} samples, got {len(table)}: "
            "use more images or more positions per image"
        )
    return np.asarray(table)


def seed_from(key: Key) -> int:
    """Draw a seed for a library that has random states of its own."""
    return int(jax.random.randint(key, (), 0, np.iinfo(np.int32).max))
