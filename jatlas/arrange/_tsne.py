"""t-SNE, in place of UMAP, for the few samples of a class."""

import dataclasses
import warnings
from typing import get_args

import numpy as np

from jatlas.arrange._checks import Metric, check_dimensions, check_layout_input, seed_from
from jatlas.types import Array, HostArray, Key, checks

_MAX_RATE = 1e6  # scikit-learn chooses a 48th of the number of samples
_NEIGHBORS_PER_PERPLEXITY = 3  # neighbours that t-SNE weighs, in perplexities


@dataclasses.dataclass(frozen=True, kw_only=True)
class TSNE:
    """Settings of t-SNE.

    Attributes:
      perplexity: effective number of neighbours; less where there are not three times as many
        samples.
      learning_rate: of the gradient descent, at most a million; None chooses it by the number of
        samples.
      metric: "cosine" or "euclidean".

    Reference:
      The article's notebook orders the samples of its comparisons with 50 / 10 / cosine.
    """

    perplexity: float = 50.0
    learning_rate: float | None = None
    metric: Metric = "cosine"

    def __post_init__(self) -> None:
        """Check the ranges."""
        checks.field(self, "perplexity", checks.number, minimum=1)
        checks.field(self, "learning_rate", checks.number, optional=True, above=0, limit=_MAX_RATE)
        checks.field(self, "metric", checks.choice, options=get_args(Metric))


def tsne(
    vectors: Array | HostArray,
    *,
    key: Key,
    config: TSNE | None = None,
    dimensions: int = 2,
) -> HostArray:
    """Lay vectors out in the plane, or on a line, so that near ones stay near.

    It spreads few samples more evenly than UMAP: of the 8 x 8 cells of two classes at mixed5b, with
    428 and 422 samples, 40 and 42 hold four or more, with UMAP 27 and 31. It is meant for up to
    thousands of samples, `umap` for more.

    A host function: it runs outside `jit`.

    Args:
      vectors: (n, channels) float32, at least `MIN_SAMPLES`.
      key: seeds the layout: equal keys and vectors give equal points.
      config: settings; None means `TSNE()`.
      dimensions: 2 for the plane, 1 for a line, at most 3.

    Returns:
      (n, dimensions) float32 points, in no particular range.

    Raises:
      ValueError: if there are too few vectors, they are not a finite (n, channels) table, or the
        dimensions are out of range.

    Reference:
      van der Maaten and Hinton, "Visualizing Data using t-SNE", 2008.
    """
    config = checks.instance("config", TSNE() if config is None else config, kinds=(TSNE,))
    dimensions = check_dimensions(dimensions)
    table = check_layout_input(vectors)
    import threadpoolctl
    from sklearn import manifold  # type: ignore[import-untyped]  # takes seconds to import

    reducer = manifold.TSNE(
        n_components=dimensions,
        perplexity=min(config.perplexity, (len(table) - 1) / _NEIGHBORS_PER_PERPLEXITY),
        learning_rate="auto" if config.learning_rate is None else config.learning_rate,
        metric=config.metric,
        init="random",  # scikit-learn's default is a PCA, which is Euclidean
        random_state=seed_from(key),
        n_jobs=1,
    )
    # On several threads, a few hundred points spend most of the time waiting for each other: 300
    # took 7 to 13 s on two, 1.1 to 1.9 s on one (2 cores). `n_jobs` does not reach these threads.
    with warnings.catch_warnings(), threadpoolctl.threadpool_limits(1, user_api="openmp"):
        warnings.filterwarnings("ignore", category=FutureWarning, module="sklearn")
        points = reducer.fit_transform(table)
    return np.asarray(points, np.float32)
