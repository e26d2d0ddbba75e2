"""Which names a command may call classes by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jatlas.model.network import Network


def names_of(network: Network, params: Any, *, known: Sequence[str] = ()) -> tuple[str, ...]:
    """Return a name for each class of a network.

    Args:
      network: the network; its last stage gives the logits.
      params: its parameters.
      known: names from elsewhere, an atlas say, that come first.

    Returns:
      The known names, or those of the network; where nobody knows them, "class 0" and so on.
    """
    import jax
    import jax.numpy as jnp

    names = tuple(known) or network.classes
    if names:
        return names
    side = network.input_size
    image = jax.ShapeDtypeStruct((side, side, 3), jnp.float32)
    count = jax.eval_shape(network.run, params, image).shape[-1]
    return tuple(f"class {index}" for index in range(count))
