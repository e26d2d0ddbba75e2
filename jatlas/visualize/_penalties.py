"""Penalties: regularizers to subtract from an objective. Each is at least 0.

All but `Opacity` are sums over the pixels and colours of the canvas, as in lucid: for a larger
canvas a suitable weight is smaller.
"""

import dataclasses

import jax
import jax.numpy as jnp

from jatlas.types import Array, checks
from jatlas.visualize._compose import Objective, ObjectiveInput

_L2_FLOOR = 1e-6
_TO_CONSTANT = 0.8


class _CanvasPenalty(Objective):
    """A penalty of the canvas; it does not depend on the activation."""

    @property
    def central(self) -> bool:
        """True: the activation is not used."""
        return True


class _DistancePenalty(_CanvasPenalty):
    """A penalty of the distance of pixels from a constant."""

    constant: float

    def __post_init__(self) -> None:
        """Check the constant."""
        checks.field(self, "constant", checks.number, minimum=0, maximum=1)


@dataclasses.dataclass(frozen=True, kw_only=True)
class L1(_DistancePenalty):
    """The sum of the distances of all pixels from a constant.

    Attributes:
      constant: the value without a penalty, in [0, 1]. Grey by default; lucid's is 0, black.
    """

    constant: float = 0.5

    def __call__(self, given: ObjectiveInput, target: Array) -> Array:
        """Return the penalty of the canvas."""
        del target
        return jnp.abs(given.image - self.constant).sum()


@dataclasses.dataclass(frozen=True, kw_only=True)
class L2(_DistancePenalty):
    """The root of the sum of squared distances of all pixels from a constant.

    Attributes:
      constant: the value without a penalty, in [0, 1]. Grey by default; lucid's is 0, black.
    """

    constant: float = 0.5

    def __call__(self, given: ObjectiveInput, target: Array) -> Array:
        """Return the penalty of the canvas."""
        del target
        return jnp.sqrt(_L2_FLOOR + jnp.square(given.image - self.constant).sum())


@dataclasses.dataclass(frozen=True, kw_only=True)
class TotalVariation(_CanvasPenalty):
    """The sum of the absolute differences of neighbouring pixels, down and to the right.

    Example:
      >>> image = jnp.zeros((4, 4, 3)).at[1, 1].set(0.5)
      >>> given = ObjectiveInput(jnp.zeros((1, 1, 1)), image)
      >>> float(TotalVariation()(given, jnp.zeros(())))  # four edges, three colours
      6.0

    Reference:
      TensorFlow's `tf.image.total_variation`, which lucid uses.
    """

    def __call__(self, given: ObjectiveInput, target: Array) -> Array:
        """Return the penalty of the canvas."""
        del target
        down, right = jnp.diff(given.image, axis=0), jnp.diff(given.image, axis=1)
        return jnp.abs(down).sum() + jnp.abs(right).sum()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Blur(_CanvasPenalty):
    """Half the squared distance from the blurred image, through which no gradient flows.

    A gradient step moves the image towards its blur, as if it was blurred at each step.

    Reference:
      lucid's `blur_input_each_step`, after Nguyen et al. 2015.
    """

    def __call__(self, given: ObjectiveInput, target: Array) -> Array:
        """Return the penalty of the canvas."""
        del target
        blurred = jax.lax.stop_gradient(_blur(given.image, width=3))
        return 0.5 * jnp.square(given.image - blurred).sum()


@dataclasses.dataclass(frozen=True, kw_only=True)
class BoundaryComplexity(_DistancePenalty):
    """How far a frame along the edges of the canvas is from smooth and from a constant.

    Squared distances from its 5 x 5 blur, plus 0.8 times those from the constant.

    Attributes:
      width: of the frame in pixels, at most 4096; 5 in lucid's atlas recipe, where the weight is 1.
      constant: the value without a penalty, in [0, 1].

    Reference:
      lucid's `penalize_boundary_complexity`, which returns minus this.
    """

    width: int = 5
    constant: float = 0.5

    def __post_init__(self) -> None:
        """Check the width and the constant."""
        checks.field(self, "width", checks.whole, maximum=checks.MAX_SIDE, unit="pixel")
        super().__post_init__()

    def __call__(self, given: ObjectiveInput, target: Array) -> Array:
        """Return the penalty of the canvas."""
        del target
        image = given.image
        cost = jnp.square(_blur(image, width=5) - image)
        cost += _TO_CONSTANT * jnp.square(image - self.constant)
        height, width, _ = image.shape
        rows, columns = jnp.arange(height)[:, None], jnp.arange(width)[None, :]
        to_edge = jnp.minimum(
            jnp.minimum(rows, height - 1 - rows), jnp.minimum(columns, width - 1 - columns)
        )
        return jnp.where((to_edge < self.width)[..., None], cost, 0).sum()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Opacity(_CanvasPenalty):
    """The mean opacity of an icon, in [0, 1]. As a penalty it leaves only what matters opaque."""

    @property
    def needs_opacity(self) -> bool:
        """True: it is the opacity."""
        return True

    def __call__(self, given: ObjectiveInput, target: Array) -> Array:
        """Return the mean of the opacity.

        Raises:
          ValueError: for an icon that has no opacity.
        """
        del target
        if given.alpha is None:
            raise ValueError("Opacity: expected icons with an opacity (see Alpha), got none")
        return given.alpha.mean()


def _blur(image: Array, *, width: int) -> Array:
    """Average over width x width pixels; the outermost have half the weight."""

    def weighted(image: Array) -> Array:
        return _box(image, width=width) + _box(image, width=width - 2)

    return weighted(image) / weighted(jnp.ones_like(image))


def _box(image: Array, *, width: int) -> Array:
    return jax.lax.reduce_window(image, 0.0, jax.lax.add, (width, width, 1), (1, 1, 1), "SAME")
