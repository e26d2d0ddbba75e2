"""Vectors to points: the layout that a config asks for, and its place in the unit square."""

import functools

import jax
import jax.numpy as jnp

from jatlas.arrange._descent import import_pynndescent
from jatlas.arrange._neighbors import Neighbors, need_descent
from jatlas.arrange._tsne import TSNE, tsne
from jatlas.arrange._umap import UMAP, umap
from jatlas.arrange._umap_learn import import_umap
from jatlas.types import Array, HostArray, Key, checks


def layout(
    vectors: Array | HostArray,
    *,
    key: Key,
    config: UMAP | TSNE,
    dimensions: int = 2,
    neighbors: Neighbors | None = None,
    progress: bool = True,
) -> HostArray:
    """Lay vectors out in the plane, or on a line, with the method that the config is of.

    A host function: see `umap` and `tsne`.

    Args:
      vectors: (n, channels) float32, at least `MIN_SAMPLES`.
      key: seeds the layout: equal keys and vectors give equal points.
      config: settings of UMAP or of t-SNE.
      dimensions: 2 for the plane, 1 for a line, at most 3.
      neighbors: of each vector, for UMAP, if they are known; t-SNE takes none.
      progress: whether to show progress bars; t-SNE has none.

    Returns:
      (n, dimensions) float32 points, in no particular range.

    Raises:
      ValueError: if there are too few vectors, they are not a finite (n, channels) table, the
        config is of another kind, the dimensions are out of range, or neighbours do not fit.
    """
    checks.instance("config", config, kinds=(UMAP, TSNE))
    if isinstance(config, TSNE):
        if neighbors is not None:
            raise ValueError("neighbors: expected None for t-SNE, which searches its own")
        return tsne(vectors, key=key, config=config, dimensions=dimensions)
    return umap(
        vectors, key=key, config=config, dimensions=dimensions, neighbors=neighbors,
        progress=progress,
    )  # fmt: skip


def prepare_layout(config: UMAP | TSNE, *, count: int | None = None) -> None:
    """Import what a layout needs, if that takes seconds.

    What cannot work is then known before the work that comes before the layout.

    A host function: it runs outside `jit`.

    Args:
      config: settings of UMAP or of t-SNE.
      count: number of vectors, if it is known.

    Raises:
      ImportError: if it cannot be imported.
    """
    if isinstance(config, UMAP) and config.method == "umap-learn":
        import_umap()
    if isinstance(config, UMAP) and count is not None and need_descent(count, config.recall):
        import_pynndescent()


def to_unit_square(
    points: Array | HostArray,
    *,
    percentiles: tuple[float, float] = (1.0, 99.0),
    margin: float = 0.1,
) -> Array:
    """Scale points into the unit square, each axis by its own percentiles.

    The range between the percentiles, widened by `margin` of itself on both sides, becomes
    [0, 1]; points outside are moved to the edge. The original widened the upper side by 11 %
    where it said 10; this does not.

    A pure function: it works under `jit`, `vmap` and `grad`.

    Args:
      points: (n, axes), usually two axes.
      percentiles: lower and upper, in percent; static under `jit`.
      margin: share of the range that is added on each side, at most 100; static under `jit`.

    Returns:
      (n, axes) float32 in [0, 1]. An axis whose two percentiles agree becomes 0.5.

    Raises:
      ValueError: for percentiles that are not 0 <= lower < upper <= 100, a margin out of range,
        or points that are not finite (under `jit` the axis becomes NaN instead).

    Reference:
      `normalize_layout` of lucid's atlas recipe.

    Example:
      >>> square = to_unit_square(jnp.array([[0.0, 7.0], [5.0, 7.0], [10.0, 7.0]]), margin=0.0)
      >>> square.round(3).tolist()
      [[0.0, 0.5], [0.5, 0.5], [1.0, 0.5]]
    """
    ordered = "0 <= lower < upper <= 100"
    low, high = checks.numbers(
        "percentiles", percentiles, length=2, minimum=0, maximum=100, expected=ordered
    )
    if not low < high:
        raise ValueError(f"percentiles: expected {ordered}, got {percentiles}")
    margin = checks.number("margin", margin, minimum=0, limit=100)
    scaled, finite = _scaled(jnp.asarray(points, jnp.float32), low, high, margin)
    if not isinstance(finite, jax.core.Tracer) and not finite:
        raise ValueError("points: some are not finite (NaN or infinity)")
    return scaled


@functools.partial(jax.jit, static_argnums=(1, 2, 3))
def _scaled(table: Array, low: float, high: float, margin: float) -> tuple[Array, Array]:
    """Return the points in the unit square, and whether all were finite."""
    lower, upper = jnp.percentile(table, jnp.array([low, high], jnp.float32), axis=0, keepdims=True)
    room = margin * (upper - lower)
    lower, upper = lower - room, upper + room
    spread = upper - lower
    scaled = jnp.where(spread == 0, 0.5, (table - lower) / jnp.where(spread == 0, 1, spread))
    return jnp.clip(scaled, 0.0, 1.0), jnp.isfinite(table).all()
