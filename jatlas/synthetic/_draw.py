"""One image of a class, or the same number of images of each class at once."""

import functools
import math
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jatlas.synthetic import _palettes as palettes
from jatlas.synthetic._canvas import Canvas
from jatlas.synthetic._classes import NAMES, SPECS, Spec
from jatlas.synthetic._image import Factors, Finish, Ranges, develop, set_up
from jatlas.types import Array, Key, as_key, checks
from jatlas.types.programs import Program

CLASSES: tuple[str, ...] = NAMES
MIN_SIZE = 16
_MAX_NUMBER = 2**31 - 1  # images are numbered in int32


class Image(NamedTuple):
    """An image (size, size, 3) RGB in [0, 1] and its factors of variation."""

    pixels: Array
    factors: Factors


class Batch(NamedTuple):
    """Images (n, size, size, 3) RGB in [0, 1], labels (n,) int32, and factors of shape (n,)."""

    pixels: Array
    labels: Array
    factors: Factors


def class_index(name: int | str) -> int:
    """Return the index of a class given by name or index.

    Raises:
      ValueError: if there is no such class; the message lists the classes.

    Example:
      >>> class_index("checkerboard")
      1
    """
    if isinstance(name, str):
        if name not in CLASSES:
            raise ValueError(f"class: expected one of {', '.join(CLASSES)}; got {name!r}")
        return CLASSES.index(name)
    last = len(CLASSES) - 1
    return checks.whole("class", name, minimum=0, maximum=last, expected=f"0 to {last}")


def class_indices(classes: Sequence[int | str]) -> tuple[int, ...]:
    """Return the indices of classes given by name or index.

    Raises:
      ValueError: if there are none, or a class is unknown or repeated.
    """
    names = checks.as_tuple(classes)
    if names is None:  # a string would be one class for each letter
        raise ValueError(f"classes: expected names or indices, got {checks.shown(classes)}")
    chosen = tuple(class_index(name) for name in names)
    if not chosen or len(set(chosen)) < len(chosen):
        raise ValueError(f"classes: expected at least one, without repetition; got {list(classes)}")
    return chosen


def check_size(size: int) -> int:
    """Return the side of an image.

    Raises:
      ValueError: if it is out of range.
    """
    return checks.whole("size", size, minimum=MIN_SIZE, maximum=checks.MAX_SIDE, unit="pixel")


def image_key(*, key: Key, label: int | Array, number: int | Array) -> Key:
    """Return the key of an image.

    Args:
      key: of all images.
      label: index of the image's class.
      number: of the image within its class.

    Example:
      >>> image_key(key=jax.random.key(0), label=3, number=7).shape
      ()
    """
    return jax.random.fold_in(jax.random.fold_in(as_key(key), label), number)


def draw(name: int | str, *, key: Key, size: int) -> Image:
    """Draw one image of a class.

    A pure function, for `jax.vmap` over keys and `jax.jit` around that, with class and size
    static.

    Args:
      name: index or name of the class, of `CLASSES`.
      key: seeds everything else.
      size: side in pixels, from 16 to 4096. The image shows the same at every size.

    Returns:
      The image and its factors.

    Raises:
      ValueError: for an unknown class or a size that is out of range.

    Example:
      >>> star = functools.partial(draw, "star", size=64)
      >>> jax.eval_shape(star, key=jax.random.key(0)).pixels.shape
      (64, 64, 3)
    """
    index, size = class_index(name), check_size(size)
    spec = SPECS[index]
    ranges = jax.tree.map(lambda x: jnp.asarray(x[index]), _ranges())
    canvas, factors, finish = set_up(ranges, key=key, size=size)
    if spec.field is not None:
        canvas = canvas._replace(field=spec.field(canvas))
    return Image(develop(spec.paint(canvas), finish), factors)


# Three programs, not one, in which XLA would fuse them and compute every plane several times.
@functools.partial(jax.jit, static_argnames=("per_class", "size", "classes"))
def _start(
    key: Key, first: Array, *, per_class: int, size: int, classes: tuple[int, ...]
) -> tuple[Canvas, Factors, Finish]:
    """Set up a batch; everything is (number, class, ...)."""
    labels = jnp.array(classes, jnp.int32)
    numbers = first + jnp.arange(per_class)

    def start(number: Array, label: Array, ranges: Ranges) -> tuple[Canvas, Factors, Finish]:
        return set_up(ranges, key=image_key(key=key, label=label, number=number), size=size)

    over_classes = jax.vmap(start, in_axes=(None, 0, 0))
    ranges = jax.tree.map(lambda x: jnp.asarray(x[list(classes)]), _ranges())
    return jax.vmap(over_classes, in_axes=(0, None, None))(numbers, labels, ranges)


@functools.partial(jax.jit, static_argnames="classes")
def _paint(canvas: Canvas, *, classes: tuple[int, ...]) -> Array:
    """Paint each class on its canvases: (number, class, 3 + LAYERS, size, size)."""
    return _painted(canvas, [SPECS[index] for index in classes])


_PAINT = Program(_paint, static=("classes",))


@jax.jit
def _develop(planes: Array, finish: Finish) -> Array:
    """Render all planes into pixels (n, size, size, 3)."""
    pixels = jax.vmap(jax.vmap(develop))(planes, finish)
    return pixels.reshape(-1, *pixels.shape[2:])


_DEVELOP = Program(_develop, static=())


def _painted(canvas: Canvas, specs: list[Spec]) -> Array:
    """Paint each class on its canvases (number, class, ...), computing shared fields once."""
    fields = {}
    for field in {spec.field: None for spec in specs if spec.field is not None}:
        users = [place for place, spec in enumerate(specs) if spec.field is field]
        canvases = jax.tree.map(lambda x, users=users: x[:, np.array(users)], canvas)
        shared = jax.vmap(jax.vmap(field))(canvases)
        for column, place in enumerate(users):
            fields[place] = jax.tree.map(lambda x, column=column: x[:, column], shared)
    planes = []
    for place, spec in enumerate(specs):
        own = jax.tree.map(lambda x, place=place: x[:, place], canvas)
        planes.append(jax.vmap(spec.paint)(own._replace(field=fields.get(place, ()))))
    return jnp.stack(planes, axis=1)


@functools.cache
def _ranges() -> Ranges:
    """Return the ranges of all classes as NumPy arrays with a row per class."""
    names = list(palettes.PALETTES)

    def rows(spec: Spec) -> Ranges:
        return Ranges(
            np.array([names.index(name) for name in spec.palettes.split()], np.int32),
            np.array([int(digit) for digit in spec.inks], np.int32),
            np.array(math.radians(spec.tilt), np.float32),
            np.array(spec.scale, np.float32),
            np.array(spec.shift, np.float32),
        )

    return jax.tree.map(lambda *x: np.stack(x), *map(rows, SPECS))


def batch(
    *,
    key: Key,
    per_class: int,
    size: int,
    first: int | Array = 0,
    classes: Sequence[int | str] = CLASSES,
) -> Batch:
    """Draw the same number of images of every class at once.

    Image `first + i` of a class is `draw(class, key=image_key(...), size=size)` whatever else is in
    the batch, up to rounding. Compiling all classes takes about 20 s on a CPU, again for each new
    `per_class`, `size` or `classes`.

    Args:
      key: seeds the whole stream of images.
      per_class: images of each class. Small batches are faster on a CPU; 1 gives 64 images.
      size: side in pixels, from 16 to 4096.
      first: number of the first image of each class.
      classes: names or indices of the classes; without repetition.

    Returns:
      Batch of per_class * len(classes) images: one of every class, in order, then the next of every
      class. Labels are indices of `CLASSES`.

    Raises:
      ValueError: if `per_class`, `size` or `first` is out of range, or a class is unknown or
        repeated.
    """
    per_class, size = checks.whole("per_class", per_class), check_size(size)
    if not checks.is_traced(first):
        first = checks.whole("first", first, minimum=0, maximum=_MAX_NUMBER)
    chosen = class_indices(classes)
    canvas, factors, finish = _start(
        key, jnp.asarray(first, jnp.int32), per_class=per_class, size=size, classes=chosen
    )
    pixels = _DEVELOP(_PAINT(canvas, classes=chosen), finish)
    labels = jnp.tile(jnp.array(chosen, jnp.int32), per_class)
    return Batch(pixels, labels, jax.tree.map(jnp.ravel, factors))
