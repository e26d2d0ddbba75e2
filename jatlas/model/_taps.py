"""What happens at the layers of a network while it runs: activations are read, probes added."""

import math
from collections.abc import Collection, Mapping, Sequence

import jax.numpy as jnp

from jatlas.types import Array


class Taps:
    """Reads the activations of some layers, and adds probes to some.

    Args:
      network: name of the network, for messages.
      known: names of its layers.
      read: layers whose activations are wanted.
      probes: by layer, what is added to its activation.
      batched: whether activations have a leading batch axis.
    """

    def __init__(
        self,
        network: str,
        known: Sequence[str],
        read: Collection[str],
        probes: Mapping[str, Array],
        *,
        batched: bool,
    ) -> None:
        self._network = network
        self._unseen = dict.fromkeys(known)  # ordered, unlike a set
        self._known, self._read, self._probes = known, read, probes
        self._batched = batched
        self.found: dict[str, Array] = {}

    def __call__(self, name: str, x: Array) -> Array:
        """Return what the network goes on with after a layer."""
        self._mark(name)
        if name not in self._read and name not in self._probes:
            return x
        activation = as_map(name, x, batched=self._batched)
        if name in self._read:
            self.found[name] = activation
        if name not in self._probes:
            return x
        probe = jnp.broadcast_to(self._probes[name], activation.shape)
        return x + probe.reshape(x.shape).astype(x.dtype)

    def _mark(self, name: str) -> None:
        if name not in self._known:
            known = ", ".join(self._known)
            raise ValueError(f"{self._network} taps {name!r}, which is none of its taps: {known}")
        if name not in self._unseen:
            raise ValueError(
                f"{self._network} taps {name!r} more than once: give each call a name of its own"
            )
        del self._unseen[name]

    def check_all_seen(self) -> None:
        """Raise ValueError if a layer that is read or probed was never tapped."""
        for name in self._unseen:
            if name in self._read or name in self._probes:
                raise ValueError(f"{self._network} never taps {name!r}, which is one of its taps")


def as_map(layer: str, x: Array, *, batched: bool) -> Array:
    """Return an activation as a map: a vector is a map of one position.

    Args:
      layer: its name, for the message.
      x: (h, w, channels) or (channels,), with a leading batch axis if batched.
      batched: whether it has one.

    Returns:
      (h, w, channels), batched likewise.

    Raises:
      ValueError: for another shape.

    Example:
      >>> as_map("pool", jnp.ones((2, 64)), batched=True).shape
      (2, 1, 1, 64)
    """
    rank = jnp.ndim(x) - batched
    if rank == 3:
        return x
    if rank == 1:
        return jnp.expand_dims(x, (-3, -2))
    shape = jnp.shape(x)[1:] if batched else jnp.shape(x)
    advice = ""
    if rank == 2:
        side = math.isqrt(shape[0])
        advice = (
            f": for tokens, pass ActivationFormat(extra_tokens=...); with {shape[0] - side**2}, "
            f"they fill a grid of {side} x {side}"
        )
    raise ValueError(
        f"{layer}: expected a map (h, w, channels) or a vector (channels,) of each image, got "
        f"shape {shape}{advice}"
    )
