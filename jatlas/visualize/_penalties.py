"""What an icon is to have little of. Each returns an amount of at least 0: subtract it.

All but `Opacity` are sums over the pixels and colours of the canvas, as in lucid, so their fitting
weight falls with the size of the canvas.
"""

import dataclasses

import jax
import jax.numpy as jnp

from jatlas.types import Array
from jatlas.visualize._compose import Objective, Seen

_L2_FLOOR = 1e-6
_TO_CONSTANT = 0.8


class _OfTheCanvas(Objective):
    """What penalties share: the activation does not matter to them."""

    @property
    def central(self) -> bool:
        """Not even the centre is looked at."""
        return True


@dataclasses.dataclass(frozen=True, kw_only=True)
class L1(_OfTheCanvas):
    """The sum of the distances of all pixels from a constant.

    Attributes:
      constant: the value without cost, in [0, 1]. Grey by default; lucid's default is 0, black.
    """

    constant: float = 0.5

    def __call__(self, seen: Seen, target: Array) -> Array:
        """Measure the canvas."""
        del target
        return jnp.abs(seen.image - self.constant).sum()


@dataclasses.dataclass(frozen=True, kw_only=True)
class L2(_OfTheCanvas):
    """The root of the sum of squared distances of all pixels from a constant.

    Attributes:
      constant: the value without cost, in [0, 1]. Grey by default; lucid's default is 0, black.
    """

    constant: float = 0.5

    def __call__(self, seen: Seen, target: Array) -> Array:
        """Measure the canvas."""
        del target
        return jnp.sqrt(_L2_FLOOR + jnp.square(seen.image - self.constant).sum())


@dataclasses.dataclass(frozen=True, kw_only=True)
class TotalVariation(_OfTheCanvas):
    """The sum of the absolute differences of neighbouring pixels, down and to the right.

    Reference:
      TensorFlow's `tf.image.total_variation`, which lucid uses.
    """

    def __call__(self, seen: Seen, target: Array) -> Array:
        """Measure the canvas."""
        del target
        down, right = jnp.diff(seen.image, axis=0), jnp.diff(seen.image, axis=1)
        return jnp.abs(down).sum() + jnp.abs(right).sum()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Blur(_OfTheCanvas):
    """Half the squared distance from the blurred image, which counts as fixed.

    A step down its slope moves the image towards its blur, as if it was blurred at each step.

    Reference:
      lucid's `blur_input_each_step`, after Nguyen et al. 2015.
    """

    def __call__(self, seen: Seen, target: Array) -> Array:
        """Measure the canvas."""
        del target
        blurred = jax.lax.stop_gradient(_blur(seen.image, width=3))
        return 0.5 * jnp.square(seen.image - blurred).sum()


@dataclasses.dataclass(frozen=True, kw_only=True)
class BoundaryComplexity(_OfTheCanvas):
    """How far a frame of the canvas is from smooth and from a constant.

    Squared distances from its 5 x 5 blur, plus 0.8 of those from the constant.

    Attributes:
      width: of the frame in pixels; 5 in lucid's atlas recipe, where the weight is 1.
      constant: the value without cost, in [0, 1].

    Reference:
      lucid's `penalize_boundary_complexity`, which returns minus this.
    """

    width: int = 5
    constant: float = 0.5

    def __post_init__(self) -> None:
        """Check the width."""
        if self.width < 1:
            raise ValueError(f"width: expected at least 1 pixel, got {self.width}")

    def __call__(self, seen: Seen, target: Array) -> Array:
        """Measure the frame of the canvas."""
        del target
        image = seen.image
        cost = jnp.square(_blur(image, width=5) - image)
        cost += _TO_CONSTANT * jnp.square(image - self.constant)
        height, width, _ = image.shape
        rows, columns = jnp.arange(height)[:, None], jnp.arange(width)[None, :]
        to_edge = jnp.minimum(
            jnp.minimum(rows, height - 1 - rows), jnp.minimum(columns, width - 1 - columns)
        )
        return jnp.where((to_edge < self.width)[..., None], cost, 0).sum()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Opacity(_OfTheCanvas):
    """The mean opacity of an icon, in [0, 1]: less of it leaves only what matters."""

    def __call__(self, seen: Seen, target: Array) -> Array:
        """Return the mean of the opacity.

        Raises:
          ValueError: for an icon that has no opacity.
        """
        del target
        if seen.alpha is None:
            raise ValueError("Opacity: expected icons with an opacity (see Alpha), got none")
        return seen.alpha.mean()


def _blur(image: Array, *, width: int) -> Array:
    """Average over width x width pixels, the outermost of which count half."""

    def weighted(image: Array) -> Array:
        return _box(image, width=width) + _box(image, width=width - 2)

    return weighted(image) / weighted(jnp.ones_like(image))


def _box(image: Array, *, width: int) -> Array:
    return jax.lax.reduce_window(image, 0.0, jax.lax.add, (width, width, 1), (1, 1, 1), "SAME")
