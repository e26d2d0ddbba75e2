"""The names of what signatures share. No logic."""

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
