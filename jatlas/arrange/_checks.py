"""What the layouts and the neighbour search expect of their arguments."""

from typing import Literal, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from jatlas.types import Array, HostArray, Key, as_key, blocks, checks

Metric: TypeAlias = Literal["cosine", "euclidean"]
"""How far two vectors are apart."""

MIN_SAMPLES = 10
"""Samples that a layout needs."""

_BLOCK = 65_536  # vectors that are looked at once

MAX_DIMENSIONS = 3
"""Of a layout: t-SNE's approximation is for no more."""


def check_dimensions(dimensions: int) -> int:
    """Return how many dimensions a layout has, or raise ValueError."""
    return checks.whole("dimensions", dimensions, maximum=MAX_DIMENSIONS)


def check_table(vectors: Array | HostArray) -> Array | HostArray:
    """Return vectors as a finite (n, channels) float32 table, or raise ValueError.

    A JAX array stays on its device.
    """
    if np.ndim(vectors) != 2:
        raise ValueError(f"vectors: expected (n, channels), got shape {np.shape(vectors)}")
    library = jnp if isinstance(vectors, jax.Array) else np
    table = library.asarray(vectors, np.float32)
    if not all(library.isfinite(block).all() for block in blocks(table, _BLOCK)):
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
    return int(jax.random.randint(as_key(key), (), 0, np.iinfo(np.int32).max, jnp.int32))
