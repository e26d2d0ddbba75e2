"""A network as jatlas needs it: activations of named layers, and logits that can be probed."""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

import jax
import jax.numpy as jnp

from jatlas.model._network_fields import as_stage, as_tuple, check_source
from jatlas.model._ops import around_center
from jatlas.model._shapes import abstract, shape_of
from jatlas.model._taps import Taps
from jatlas.types import Array, Params, checks

Stage: TypeAlias = Callable[[Params, Array], Array]
"""(params, activations of the previous stage) -> activations of this stage."""

Tap: TypeAlias = Callable[[str, Array], Array]
"""(name of a layer, its activations) -> the activations that the network goes on with."""

Forward: TypeAlias = Callable[[Params, Array, Tap], Array | None]
"""(params, images (1, h, w, 3), tap) -> logits (1, classes); None of an encoder."""


class Outputs(NamedTuple):
    """What a network computes from one image, or from each of a batch.

    Attributes:
      activations: (h, w, channels) of each layer that was asked for.
      logits: (classes,); None if the network has none.
    """

    activations: dict[str, Array]
    logits: Array | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Network:
    """What jatlas needs of a network: for images, the activations of named layers, and the logits.

    Nothing else in jatlas knows what a network is made of. One of your own is either a chain of
    `stages`, each a pure function, or one `forward` function with branches and skips, which calls
    `tap` at each layer of interest and goes on with what that returns:

        def forward(params, images, tap):
            x = tap("early", convolve(params["early"], images))
            x = tap("late", x + convolve(params["late"], x))
            return x.mean((1, 2)) @ params["logits"]

        network = Network(forward=forward, taps=("early", "late"))

    `jatlas.model.adapters` makes one of a model of Flax, Equinox, Keras or PyTorch.

    A layer's activation is a map, (h, w, channels). A vector (channels,), as behind a global
    average, is a map of one position; `ActivationFormat` makes maps of tokens and of arrays with
    the channels first.

    A network is hashable and a static argument under `jax.jit`: create it once, at module level or
    behind a cache, because a network of new functions is traced again.

    Attributes:
      stages: (name, function) in order of computation. The first takes images, (h, w, 3) or
        (n, h, w, 3) float32 RGB in [0, 1]; the last gives the logits, (classes,) or (n, classes).
      forward: in place of stages, the whole network as one function of parameters, a batch of
        one image, (1, h, w, 3) float32 RGB in [0, 1], and `tap`. It returns the logits,
        (1, classes), or None; `jax.vmap` makes larger batches of it. It calls `tap` outside of
        loops and of functions with a `jit` or `vmap` of their own.
      taps: with `forward`, the names that it calls `tap` with, in order.
      name: what the network is called in files and messages.
      version: identifies the code of a network of one's own beyond what `fingerprint` can trace,
        such as data that a stage reads through a callback. Change it, and results kept for the
        old version are not reused.
      classes: the name of each logit; empty if unknown.
      has_logits: False for an encoder, whose output is not a score for each class; nothing is
        attributed to classes then.
      input_size: side in pixels of the images the network was trained on.
      redirected: the same network, with ReLUs whose gradient is redirected where all units are
        inactive (see `redirected_relu`): an icon that starts without a gradient takes its first
        steps with it. None if there is no such network.
      centers: (name, function) for stages that can compute their central position alone: from
        the input of the stage, the function computes (1, 1, c) or (n, 1, 1, c). See `center`.

    Raises:
      ValueError: if there is no layer, or stages and `forward` are both given; if a layer's name
        is not one line of text or is repeated; if a function cannot be called or hashed, if
        `centers` names an unknown stage, or if `input_size` is below 1.

    Example:
      >>> relu = lambda params, x: jax.nn.relu(x @ params["kernel"])
      >>> mean = lambda params, x: x.mean((-3, -2))
      >>> network = Network(stages=(("hidden", relu), ("logits", mean)), classes=("cat", "dog"))
      >>> network.layers
      ('hidden', 'logits')
    """

    stages: tuple[tuple[str, Stage], ...] = ()
    forward: Forward | None = None
    taps: tuple[str, ...] = ()
    name: str = "network"
    version: str = ""
    classes: tuple[str, ...] = ()
    has_logits: bool = True
    input_size: int = 224
    redirected: "Network | None" = None
    centers: tuple[tuple[str, Stage], ...] = ()

    def __post_init__(self) -> None:
        """Check the fields, and make tuples of lists."""
        for field in ("classes", "taps"):
            object.__setattr__(self, field, as_tuple(field, getattr(self, field)))
        for field in ("stages", "centers"):
            pairs = (as_stage(field, x) for x in as_tuple(field, getattr(self, field)))
            object.__setattr__(self, field, tuple(pairs))
        check_source(self.stages, self.forward, self.taps, self.centers)
        for name, _ in self.centers:
            self.index(name)
        if not all(isinstance(name, str) for name in self.classes):
            raise ValueError("classes: expected names, one for each logit")
        for name in ("name", "version"):
            if getattr(self, name):
                checks.field(self, name, checks.text)
        checks.field(self, "has_logits", checks.flag)
        largest = checks.MAX_SIDE
        checks.field(self, "input_size", checks.whole, maximum=largest, unit="pixel")

    @property
    def layers(self) -> tuple[str, ...]:
        """The names of the layers in order of computation."""
        return tuple(name for name, _ in self.stages) or self.taps

    def index(self, layer: str) -> int:
        """Return the position of a layer in the order of computation.

        Raises:
          ValueError: if no layer has that name; the message lists the names.
        """
        if layer not in self.layers:
            known = ", ".join(self.layers)
            raise ValueError(f"{self.name} has no layer {layer!r}; it has: {known}")
        return self.layers.index(layer)

    def apply(
        self,
        params: Params,
        images: Array,
        *,
        layers: Sequence[str] = (),
        probes: Mapping[str, Array] | None = None,
        until: str | None = None,
    ) -> Outputs:
        """Run the network, read the activations of layers, and add probes to some of them.

        A derivative with respect to a probe is one with respect to the layer's activation, and
        only what comes after the layer is differentiated.

        A pure function: it works under `jit`, `vmap` and `grad`. Under `jit`, what nothing depends
        on is not computed.

        Args:
          params: the network's parameters.
          images: (h, w, 3) or (n, h, w, 3) in [0, 1].
          layers: whose activations to return.
          probes: by layer, what is added to its activation; of its shape, or broadcast to it.
          until: a layer after which nothing is needed. Stages that follow it are not run, and
            there are no logits.

        Returns:
          Outputs, batched as the images are. Activations are those before probes are added.

        Raises:
          ValueError: for an unknown layer, or if one turns out to have no map.

        Example:
          >>> double = lambda params, x: 2 * x
          >>> mean = lambda params, x: x.mean((-3, -2))
          >>> network = Network(stages=(("double", double), ("mean", mean)))
          >>> image = jnp.ones((4, 4, 3))
          >>> network.apply(None, image, probes={"double": jnp.full((4, 4, 3), 5.0)}).logits
          Array([7., 7., 7.], dtype=float32)
        """
        for name in (*layers, *(probes or {}), *(() if until is None else (until,))):
            self.index(name)
        if self.forward is not None and jnp.ndim(images) == 4:
            # One by one: a function may be one of a single image, as models of Equinox are.
            axes = {name: 0 if jnp.ndim(x) == 4 else None for name, x in (probes or {}).items()}
            run = functools.partial(self.apply, params, layers=layers, until=until)
            each = jax.vmap(lambda image, probes: run(image, probes=probes), in_axes=(0, axes))
            outputs: Outputs = each(images, dict(probes or {}))
            return outputs
        batched = self.forward is not None or jnp.ndim(images) == 4
        taps = Taps(self.name, self.layers, layers, probes or {}, batched=batched)
        logits = self._call(params, images, tap=taps, until=until)
        taps.check_all_seen()
        found = taps.found
        if self.forward is not None:
            logits, found = jax.tree.map(lambda x: x[0], (logits, found))
        return Outputs(found, logits if self.has_logits and until is None else None)

    def _call(
        self, params: Params, images: Array, *, tap: Tap, until: str | None = None
    ) -> Array | None:
        """Run the stages, or the function on a batch of one image, with a tap."""
        if self.forward is not None:
            return self.forward(params, images[None], tap)
        last = len(self.stages) if until is None else self.index(until) + 1
        x = images
        for name, stage in self.stages[:last]:
            x = tap(name, stage(params, x))
        return x

    def run(self, params: Params, images: Array, *, until: str | None = None) -> Array:
        """Return the activation of one layer, or the logits.

        Args:
          params: the network's parameters.
          images: (h, w, 3) or (n, h, w, 3) in [0, 1].
          until: the layer; None means the logits.

        Returns:
          (h, w, channels) of the layer, or (classes,), batched as the images are.

        Raises:
          ValueError: for an unknown layer, or if the network has no logits.

        Example:
          >>> double = lambda params, x: 2 * x
          >>> network = Network(stages=(("a", double), ("b", double), ("c", double)))
          >>> network.run(None, jnp.ones((4, 4, 3)), until="b")[0, 0].tolist()
          [4.0, 4.0, 4.0]
        """
        if until is not None:
            return self.apply(params, images, layers=(until,), until=until).activations[until]
        logits = self.apply(params, images).logits
        if logits is None:
            raise ValueError(f"{self.name} has no logits: say until which layer to run it")
        return logits

    def center(self, params: Params, images: Array, *, until: str) -> Array:
        """Run the network on images, and compute only the centre of the last layer if it can.

        With an even number of positions, the centre is the one after the middle. Most icons are
        optimized for the centre alone, and a stage that computes nothing else takes less time.

        Args:
          params: the network's parameters.
          images: (h, w, 3) or (n, h, w, 3) in [0, 1].
          until: the layer.

        Returns:
          (1, 1, channels) or (n, 1, 1, channels).

        Raises:
          ValueError: for an unknown layer.

        Example:
          >>> net = Network(stages=(("copy", lambda params, x: x),))
          >>> net.center(None, jnp.arange(16.0).reshape(4, 4, 1), until="copy").item()
          10.0
        """
        alone = dict(self.centers).get(until)
        if alone is None:
            return around_center(self.run(params, images, until=until), 0)
        number = self.index(until)
        before = self.run(params, images, until=self.layers[number - 1]) if number else images
        return alone(params, before)

    def activation_shape(
        self, params: Params, image: tuple[int, int], *, layer: str
    ) -> tuple[int, int, int]:
        """Return (height, width, channels) of a layer for images of (height, width) pixels.

        Args:
          params: the network's parameters; only their shapes matter.
          image: height and width of the images in pixels.
          layer: the layer.

        Raises:
          ValueError: if the layer is unknown or has no map, or the network cannot be run on one
            such image; the message says what it can be run on.

        Example:
          >>> half = lambda params, x: x[..., ::2, ::2, :]
          >>> network = Network(stages=(("half", half),))
          >>> network.activation_shape(None, (32, 48), layer="half")
          (16, 24, 3)
        """
        self.index(layer)
        shape = shape_of(self, *abstract(params), image, layer)
        assert shape is not None  # as only logits can be
        height, width, channels = shape
        return height, width, channels

    def takes(self, params: Params, side: int, *, layer: str) -> bool:
        """Return whether a layer can be computed from images of `side` x `side` pixels.

        Some networks, such as most vision transformers, take images of one size alone.

        Raises:
          ValueError: if the layer is unknown.

        Example:
          >>> patches = lambda params, x: x.reshape(*x.shape[:-3], 4, 4, -1)
          >>> network = Network(stages=(("patches", patches),))
          >>> [network.takes(None, side, layer="patches") for side in (16, 17)]
          [True, False]
        """
        self.index(layer)
        try:
            self.activation_shape(params, (side, side), layer=layer)
        except ValueError:
            return False
        return True

    def layer_shapes(self, params: Params) -> dict[str, tuple[int, ...]]:
        """Return the shape of every layer for an image of `input_size`, to choose layers by.

        Args:
          params: the network's parameters; only their shapes matter.

        Returns:
          By layer, in order of computation: (h, w, channels) of a map, (channels,) of a vector, or
          whatever else a layer gives that has no map.

        Example:
          >>> network = Network(stages=(("logits", lambda params, x: x.mean((-3, -2))),))
          >>> network.layer_shapes(None)
          {'logits': (3,)}
        """
        image = jax.ShapeDtypeStruct((self.input_size, self.input_size, 3), jnp.float32)
        shapes: dict[str, tuple[int, ...]] = {}

        def note(name: str, x: Array) -> Array:
            shapes[name] = x.shape if self.forward is None else x.shape[1:]
            return x

        jax.eval_shape(functools.partial(self._call, tap=note), params, image)
        return shapes

    def class_count(self, params: Params) -> int:
        """Return the number of logits; 0 if the network has none.

        Args:
          params: the network's parameters; only their shapes matter.

        Raises:
          ValueError: if the logits of an image are not (classes,), or not as many as there are
            names in `classes`.

        Example:
          >>> network = Network(stages=(("logits", lambda params, x: x.mean((-3, -2))),))
          >>> network.class_count(None)
          3
        """
        side = self.input_size
        shape = shape_of(self, *abstract(params), (side, side), None) or (0,)
        if len(shape) != 1:
            raise ValueError(
                f"{self.name}: expected logits (classes,) of each image at its end, got shape "
                f"{shape}: average over positions, say, or set has_logits=False"
            )
        if self.classes and len(self.classes) != shape[0]:
            raise ValueError(
                f"classes: expected a name for each of the {shape[0]} logits of {self.name}, got "
                f"{len(self.classes)}"
            )
        return shape[0]
