"""t-SNE, in place of UMAP, for the few samples of a class."""

import dataclasses
import warnings

import jax
import numpy as np

from jatlas.arrange._layout import FEWEST
from jatlas.arrange._neighbors import Metric
from jatlas.types import Array, HostArray, Key

_PERPLEXITIES = 3  # neighbours that t-SNE looks at, in perplexities


@dataclasses.dataclass(frozen=True, kw_only=True)
class TSNE:
    """Settings of t-SNE.

    Attributes:
      perplexity: neighbours that count as near, smoothly; fewer where there are not three times as
        many samples.
      learning_rate: of the descent; None lets it follow the number of samples.
      metric: "cosine" or "euclidean".

    Reference:
      The article's notebook orders the samples of its comparisons with 50 / 10 / cosine.
    """

    perplexity: float = 50.0
    learning_rate: float | None = None
    metric: Metric = "cosine"

    def __post_init__(self) -> None:
        """Check the ranges."""
        if not self.perplexity >= 1:
            raise ValueError(f"perplexity: expected at least 1, got {self.perplexity}")
        if self.learning_rate is not None and not self.learning_rate > 0:
            raise ValueError(f"learning_rate: expected above 0, got {self.learning_rate}")
        if self.metric not in ("cosine", "euclidean"):
            raise ValueError(f"metric: expected 'cosine' or 'euclidean', got {self.metric!r}")


def tsne(
    vectors: Array | HostArray,
    *,
    key: Key,
    config: TSNE | None = None,
    dimensions: int = 2,
) -> HostArray:
    """Lay vectors out in the plane, or on a line, so that near ones stay near.

    It spreads few samples more evenly than UMAP: of the 8 x 8 cells of two classes at mixed5b, with
    428 and 422 samples, 40 and 42 hold four or more, with UMAP 27 and 31. For thousands of samples;
    `jatlas.arrange._layout.umap` is for many.

    Args:
      vectors: (n, channels) float32, at least 10.
      key: seeds the layout: equal keys and vectors give equal points.
      config: settings; None means `TSNE()`.
      dimensions: 2 for the plane, 1 for a line.

    Returns:
      (n, dimensions) float32 points, in no particular range.

    Raises:
      ValueError: if there are fewer than 10 vectors, or they hold values that are not finite.

    Reference:
      van der Maaten and Hinton, "Visualizing Data using t-SNE", 2008.
    """
    config = TSNE() if config is None else config
    table = np.asarray(vectors, np.float32)
    if len(table) < FEWEST:
        raise ValueError(f"vectors: a layout needs at least {FEWEST} samples, got {len(table)}")
    if not np.isfinite(table).all():
        raise ValueError("vectors: expected finite values")
    # Comes with umap-learn, which is made of it; takes seconds to import.
    from sklearn import manifold  # type: ignore[import-untyped]

    reducer = manifold.TSNE(
        n_components=dimensions,
        perplexity=min(config.perplexity, (len(table) - 1) / _PERPLEXITIES),
        learning_rate="auto" if config.learning_rate is None else config.learning_rate,
        metric=config.metric,
        init="random",  # what scikit-learn would begin with otherwise is Euclidean
        random_state=int(jax.random.randint(key, (), 0, np.iinfo(np.int32).max)),
        n_jobs=1,
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=FutureWarning, module="sklearn")
        points = reducer.fit_transform(table)
    return np.asarray(points, np.float32)
