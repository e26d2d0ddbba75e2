"""A network as named stages of pure functions."""

import dataclasses
import functools
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp

from jatlas.types import Array, Params

Stage: TypeAlias = Callable[[Params, Array], Array]
"""(params, activations of the stage before) -> activations of this stage."""


FEWEST = 16
"""Rows that a program has at least, so that it does not matter how many there are.

On a CPU, XLA multiplies smaller matrices in another way, which rounds differently: measured with
GoogLeNet, results are bitwise the same from 16 rows on, and not always below.
"""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Network:
    """A feed-forward network that can be run from any stage to any stage.

    Nothing else in jatlas knows what a network is made of, so a Flax, Equinox or plain-function
    network works alike. It is hashable and a static argument under `jax.jit`: build it once, at
    module level or behind a cache, as one made of fresh functions would be traced again.

    Attributes:
      stages: (name, function) in order of computation. The first takes images, (h, w, c) or
        (n, h, w, c) float32 RGB in [0, 1]; the last gives the logits, (classes,) or (n, classes).
      name: what the network is called in files and messages.
      classes: the name of each logit; empty where nobody knows them.
      input_size: side in pixels of the images the network was trained on.
      redirected: the same network, with ReLUs whose slope is redirected where all are closed: an
        icon that begins with nothing to climb gets its first steps from it. None where there is
        no such thing.
      centers: (name, function) of stages that can compute their centre without the rest; from
        what the stage takes, the function makes (1, 1, c) or (n, 1, 1, c). See `center`.
    """

    stages: tuple[tuple[str, Stage], ...]
    name: str = "network"
    classes: tuple[str, ...] = ()
    input_size: int = 224
    redirected: "Network | None" = None
    centers: tuple[tuple[str, Stage], ...] = ()

    def __post_init__(self) -> None:
        """Check that stages can be told apart."""
        names = self.layers
        if not names:
            raise ValueError("stages: expected at least one (name, function) pair, got none")
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"stages: each name may stand once, these stand twice: {twice}")
        for name, _ in self.centers:
            self.index(name)

    @property
    def layers(self) -> tuple[str, ...]:
        """The names of the stages in order of computation."""
        return tuple(name for name, _ in self.stages)

    def index(self, layer: str) -> int:
        """Return the place of a stage in the order of computation.

        Raises:
          ValueError: if there is no stage of that name; the message lists those there are.
        """
        if layer not in self.layers:
            known = ", ".join(self.layers)
            raise ValueError(f"{self.name} has no layer {layer!r}; it has: {known}")
        return self.layers.index(layer)

    def activation_shape(
        self, params: Params, image: tuple[int, int], *, layer: str
    ) -> tuple[int, int, int]:
        """Return (height, width, channels) of a layer for images of (height, width) pixels.

        Raises:
          ValueError: if the layer is unknown or has no positions, or the image is too small.
        """
        leaves, tree = jax.tree.flatten(params)
        abstract = tuple(jax.ShapeDtypeStruct(jnp.shape(x), jnp.result_type(x)) for x in leaves)
        shape = _shape(self, tree, abstract, image, layer)
        if len(shape) != 3:
            raise ValueError(f"layer: {layer!r} has no positions (its shape is {shape})")
        return shape

    def run(
        self, params: Params, x: Array, *, after: str | None = None, until: str | None = None
    ) -> Array:
        """Run the stages that come after one stage, up to and including another.

        Args:
          params: what the network has learned.
          x: images (h, w, c) or (n, h, w, c) in [0, 1] if `after` is None, else the activations
            of the stage `after`, with or without a leading batch axis.
          after: the stage whose output `x` is; None starts from images.
          until: the stage whose output is returned; None means the last one, the logits.

        Returns:
          The activations of the stage `until`, batched as `x` is.

        Raises:
          ValueError: for an unknown stage, or where `until` does not come after `after`.

        Example:
          >>> double = lambda params, x: 2 * x
          >>> net = Network(stages=(("a", double), ("b", double), ("c", double)))
          >>> net.run(None, 1.0), net.run(None, 1.0, until="b"), net.run(None, 1.0, after="b")
          (8.0, 4.0, 2.0)
        """
        for _, stage in self._between(after, until):
            x = stage(params, x)
        return x

    def center(self, params: Params, x: Array, *, until: str) -> Array:
        """Run the network on images, and compute of the last stage only the centre if it can.

        The centre of an even number of positions is the one after the middle. What icons are
        optimized for mostly lies there, and a stage that has no more to do takes less time.

        Args:
          params: what the network has learned.
          x: images (h, w, 3) or (n, h, w, 3) in [0, 1].
          until: the stage; it has positions.

        Returns:
          (1, 1, channels) or (n, 1, 1, channels).

        Raises:
          ValueError: for an unknown stage.
        """
        *before, (_, last) = self._between(None, until)
        for _, stage in before:
            x = stage(params, x)
        alone = dict(self.centers).get(until)
        return around_center(last(params, x), 0) if alone is None else alone(params, x)

    def _between(self, after: str | None, until: str | None) -> Iterator[tuple[str, Stage]]:
        first = 0 if after is None else self.index(after) + 1
        last = len(self.stages) - 1 if until is None else self.index(until)
        if last < first:
            raise ValueError(f"until={until!r} must come after={after!r} in {self.name}")
        return iter(self.stages[first : last + 1])


@functools.lru_cache(maxsize=256)  # every render asks, and tracing GoogLeNet takes 0.3 s
def _shape(
    network: Network,
    tree: Any,
    leaves: tuple[jax.ShapeDtypeStruct, ...],
    image: tuple[int, int],
    layer: str,
) -> tuple[int, ...]:
    """Return the shape of a layer for an image of (height, width) pixels."""
    params = jax.tree.unflatten(tree, leaves)
    abstract = jax.ShapeDtypeStruct((*image, 3), jnp.float32)
    return jax.eval_shape(functools.partial(network.run, until=layer), params, abstract).shape


def around_center(x: Array, reach: int) -> Array:
    """Cut out (..., h, w, c) up to `reach` positions from the centre; its centre is the same."""
    height, width = x.shape[-3] // 2, x.shape[-2] // 2
    rows = slice(max(height - reach, 0), height + reach + 1)
    return x[..., rows, max(width - reach, 0) : width + reach + 1, :]
