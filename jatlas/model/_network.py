"""A network as named stages of pure functions."""

import dataclasses
import functools
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp

from jatlas.types import Array, Params, checks, one_line

Stage: TypeAlias = Callable[[Params, Array], Array]
"""(params, activations of the previous stage) -> activations of this stage."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Network:
    """A feed-forward network that can be run from any stage to any stage.

    Nothing else in jatlas knows what a network is made of, so a Flax, Equinox or plain-function
    network works alike. It is hashable and a static argument under `jax.jit`: create it once, at
    module level or behind a cache, because a network of new functions is traced again.

    Attributes:
      stages: (name, function) in order of computation. The first takes images, (h, w, 3) or
        (n, h, w, 3) float32 RGB in [0, 1]; the last gives the logits, (classes,) or (n, classes).
      name: what the network is called in files and messages.
      version: identifies the code of a network of one's own beyond what `fingerprint` can trace,
        such as data that a stage reads through a callback. Change it, and results kept for the
        old version are not reused.
      classes: the name of each logit; empty if unknown.
      input_size: side in pixels of the images the network was trained on.
      redirected: the same network, with ReLUs whose gradient is redirected where all units are
        inactive (see `redirected_relu`): an icon that starts without a gradient takes its first
        steps with it. None if there is no such network.
      centers: (name, function) for stages that can compute their central position alone: from
        the input of the stage, the function computes (1, 1, c) or (n, 1, 1, c). See `center`.

    Raises:
      ValueError: if there is no stage, if a stage's name is not one line of text or is repeated,
        if a stage cannot be called or hashed, if `centers` names an unknown stage, or if
        `input_size` is below 1.

    Example:
      >>> relu = lambda params, x: jax.nn.relu(x @ params["kernel"])
      >>> mean = lambda params, x: x.mean((-3, -2))
      >>> network = Network(stages=(("hidden", relu), ("logits", mean)), classes=("cat", "dog"))
      >>> network.layers
      ('hidden', 'logits')
    """

    stages: tuple[tuple[str, Stage], ...]
    name: str = "network"
    version: str = ""
    classes: tuple[str, ...] = ()
    input_size: int = 224
    redirected: "Network | None" = None
    centers: tuple[tuple[str, Stage], ...] = ()

    def __post_init__(self) -> None:
        """Check the stages, and make tuples of lists."""
        object.__setattr__(self, "classes", _as_tuple("classes", self.classes))
        for field in ("stages", "centers"):
            pairs = (_as_stage(field, x) for x in _as_tuple(field, getattr(self, field)))
            object.__setattr__(self, field, tuple(pairs))
        names = self.layers
        if not names:
            raise ValueError("stages: expected at least one (name, function) pair, got none")
        for name in names:
            if not isinstance(name, str) or name.splitlines() != [name]:
                raise ValueError(f"stages: expected names of one line of text, got {name!r}")
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise ValueError(f"stages: names must be unique; repeated: {', '.join(repeated)}")
        for name, _ in self.centers:
            self.index(name)
        if not all(isinstance(name, str) for name in self.classes):
            raise ValueError("classes: expected names, one for each logit")
        for name in ("name", "version"):
            if getattr(self, name):
                checks.field(self, name, checks.text)
        largest = checks.MAX_SIDE
        checks.field(self, "input_size", checks.whole, maximum=largest, unit="pixel")

    @property
    def layers(self) -> tuple[str, ...]:
        """The names of the stages in order of computation."""
        return tuple(name for name, _ in self.stages)

    def index(self, layer: str) -> int:
        """Return the position of a stage in the order of computation.

        Raises:
          ValueError: if no stage has that name; the message lists the names.
        """
        if layer not in self.layers:
            known = ", ".join(self.layers)
            raise ValueError(f"{self.name} has no layer {layer!r}; it has: {known}")
        return self.layers.index(layer)

    def activation_shape(
        self, params: Params, image: tuple[int, int], *, layer: str
    ) -> tuple[int, int, int]:
        """Return (height, width, channels) of a layer for images of (height, width) pixels.

        Args:
          params: the network's parameters; only their shapes matter.
          image: height and width of the images in pixels.
          layer: the stage.

        Raises:
          ValueError: if the layer is unknown or has no positions, or a stage cannot be run on one
            such image; the message names the stage and what it can be run on.

        Example:
          >>> half = lambda params, x: x[..., ::2, ::2, :]
          >>> network = Network(stages=(("half", half),))
          >>> network.activation_shape(None, (32, 48), layer="half")
          (16, 24, 3)
        """
        self.index(layer)
        shape = _shape(self, *abstract(params), image, layer)
        if len(shape) != 3:
            raise ValueError(f"layer: {layer!r} has no positions (its shape is {shape})")
        return shape

    def class_count(self, params: Params) -> int:
        """Return the number of logits.

        Args:
          params: the network's parameters; only their shapes matter.

        Raises:
          ValueError: if the last stage gives no logits, (classes,) for an image, or not as many as
            there are names in `classes`.

        Example:
          >>> network = Network(stages=(("logits", lambda params, x: x.mean((-3, -2))),))
          >>> network.class_count(None)
          3
        """
        side = self.input_size
        last = self.layers[-1]
        shape = _shape(self, *abstract(params), (side, side), last)
        if len(shape) != 1:
            raise ValueError(
                f"stages: expected logits (classes,) of the last, {last!r}, got shape {shape}: add "
                "a stage that averages over positions, say"
            )
        if self.classes and len(self.classes) != shape[0]:
            raise ValueError(
                f"classes: expected a name for each of the {shape[0]} logits of {self.name}, got "
                f"{len(self.classes)}"
            )
        return shape[0]

    def run(
        self, params: Params, x: Array, *, after: str | None = None, until: str | None = None
    ) -> Array:
        """Run the stages that follow one stage, up to and including another.

        Args:
          params: the network's parameters.
          x: images (h, w, 3) or (n, h, w, 3) in [0, 1] if `after` is None, else the activations
            of the stage `after`, with or without a leading batch axis.
          after: the stage whose output `x` is; None starts from images.
          until: the stage whose output is returned; None means the last one, the logits.

        Returns:
          The activations of the stage `until`, batched as `x` is.

        Raises:
          ValueError: for an unknown stage, or if `until` does not come after `after`.

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
        """Run the network on images, and compute only the centre of the last stage if it can.

        With an even number of positions, the centre is the one after the middle. Most icons are
        optimized for the centre alone, and a stage that computes nothing else takes less time.

        Args:
          params: the network's parameters.
          x: images (h, w, 3) or (n, h, w, 3) in [0, 1].
          until: the stage; it has positions.

        Returns:
          (1, 1, channels) or (n, 1, 1, channels).

        Raises:
          ValueError: for an unknown stage.

        Example:
          >>> net = Network(stages=(("copy", lambda params, x: x),))
          >>> net.center(None, jnp.arange(16.0).reshape(4, 4, 1), until="copy").item()
          10.0
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


def abstract(params: Params) -> tuple[Any, tuple[jax.ShapeDtypeStruct, ...]]:
    """Return the structure of parameters, and the shapes and dtypes of their arrays.

    Both are hashable, and `jax.tree.unflatten` makes abstract parameters of them.

    Raises:
      ValueError: if something in the parameters is no array.

    Example:
      >>> abstract({"kernel": jnp.zeros((3, 8))})[1]
      (ShapeDtypeStruct(shape=(3, 8), dtype=float32),)
    """
    leaves, tree = jax.tree_util.tree_flatten_with_path(params)
    return tree, tuple(_abstract_leaf(path, leaf) for path, leaf in leaves)


def _abstract_leaf(path: Any, leaf: Any) -> jax.ShapeDtypeStruct:
    if isinstance(leaf, jax.Array | jax.ShapeDtypeStruct):  # keys among them
        return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype)
    try:
        return jax.ShapeDtypeStruct(jnp.shape(leaf), jnp.result_type(leaf))
    except TypeError as error:
        raise ValueError(
            f"params: expected arrays, got {type(leaf).__name__} at "
            f"params{jax.tree_util.keystr(path)}: leave it out, or close the stages over it"
        ) from error


def _as_tuple(field: str, values: Any) -> tuple[Any, ...]:
    if not isinstance(values, list | tuple):
        raise ValueError(f"{field}: expected a tuple, got {type(values).__name__}")
    return tuple(values)


def _as_stage(field: str, pair: Any) -> tuple[str, Stage]:
    """Return a pair as a name and a function that `jax.jit` takes, or raise ValueError."""
    if not isinstance(pair, tuple | list) or len(pair) != 2 or not callable(pair[1]):
        raise ValueError(f"{field}: expected (name, function) pairs, got {pair!r}")
    name, stage = pair
    try:
        hash(stage)
    except TypeError as error:
        raise ValueError(
            f"{field}: {name!r} is a {type(stage).__name__}, which cannot be hashed, as jax.jit "
            "needs: pass a function, or make the class a frozen dataclass or one with eq=False"
        ) from error
    return name, stage


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
    try:
        return _run_abstractly(network, params, (*image, 3), layer)
    except Exception as error:  # a stage may raise anything
        raise ValueError(_diagnosis(network, params, image, layer)) from error


def _run_abstractly(
    network: Network, params: Params, shape: tuple[int, ...], layer: str
) -> tuple[int, ...]:
    x = jax.ShapeDtypeStruct(shape, jnp.float32)
    return jax.eval_shape(functools.partial(network.run, until=layer), params, x).shape


def _diagnosis(network: Network, params: Params, image: tuple[int, int], layer: str) -> str:
    """Say which stage cannot be run on one RGB image, and what the network can be run on."""
    height, width = image
    for name in network.layers[: network.index(layer) + 1]:
        try:
            _run_abstractly(network, params, (height, width, 3), name)
        except Exception as error:
            reason = one_line(error)
            break
    what = f"{network.name}: {name!r} cannot be run on one image of {height} x {width} px"
    side = network.input_size
    for shape, advice in (
        ((1, height, width, 3), "it takes only batches: let each stage take one image too"),
        ((height, width, 1), "it takes one channel, and images are RGB: begin with their mean"),
        ((side, side, 3), f"it takes images of {side} px: set the size of the views to that"),
    ):
        try:
            _run_abstractly(network, params, shape, layer)
        except Exception:
            continue
        return f"{what}: {advice}"
    return f"{what}: {reason}"


def around_center(x: Array, reach: int) -> Array:
    """Crop (..., h, w, c) to at most `reach` positions from the centre, which stays the centre.

    Example:
      >>> around_center(jnp.zeros((9, 9, 2)), 1).shape, around_center(jnp.zeros((2, 9, 2)), 1).shape
      ((3, 3, 2), (2, 3, 2))
    """
    height, width = x.shape[-3] // 2, x.shape[-2] // 2
    rows = slice(max(height - reach, 0), height + reach + 1)
    return x[..., rows, max(width - reach, 0) : width + reach + 1, :]
