"""The nearest neighbours of each of many vectors: all pairs compared, or most of the true ones."""

from typing import NamedTuple, get_args

import jax
import numpy as np

from jatlas.arrange import _clustered as clustered
from jatlas.arrange._checks import Metric, check_table
from jatlas.arrange._descent import search_descent
from jatlas.arrange._distances import comparable
from jatlas.arrange._exact import CANDIDATE_BLOCK, QUERY_BLOCK, search_all
from jatlas.types import Array, HostArray, checks

# On 2 cores, 50 neighbours of vectors of mixed4c: all pairs of 100,000 took 100 s and tiles 26 s,
# pynndescent 28 s and of a million 313 s, beside the 50 s in which each process compiles it.
_MANY, _VERY_MANY = 40_000, 300_000
_SAMPLE = 500  # vectors whose true neighbours are searched, to count those that were found
_ROUNDING = 1e-5  # of a distance


class Neighbors(NamedTuple):
    """The k nearest neighbours of each vector, itself first.

    Attributes:
      indices: (n, k) int32.
      distances: (n, k) float32, ascending.
      recall: share of the true neighbours that was found, of the vectors of a sample; 1 if all
        pairs were compared.
    """

    indices: HostArray
    distances: HostArray
    recall: float = 1.0


def nearest_neighbors(
    vectors: Array | HostArray,
    *,
    k: int,
    metric: Metric = "cosine",
    recall: float = 1.0,
    progress: bool = True,
    query_block: int = QUERY_BLOCK,
    candidate_block: int = CANDIDATE_BLOCK,
) -> Neighbors:
    """Find the k nearest vectors of each vector, the vector itself among them and first.

    The result is the same on every run. Unless a lower recall is asked for, all pairs are compared,
    and of several at the same distance the first wins. Distances are exact up to the rounding of
    float32: about 1e-6 for cosine; for euclidean, a thousandth of how far the vectors are from
    their mean is as good as 0.

    A host function: it runs outside `jit`.

    Args:
      vectors: (n, channels) float32.
      k: how many, from 1 to n.
      metric: "cosine" (1 - cosine of the angle; a zero vector is at 1 from all others) or
        "euclidean".
      recall: share of the true neighbours that is to be found, above 0. Below 1, a CPU compares
        each of 40,000 vectors or more with the most promising ones only, if that is faster;
        accelerators compare all pairs.
      progress: whether to show a progress bar.
      query_block: vectors whose neighbours are searched at once, at most.
      candidate_block: vectors they are compared with at once, at most. The two change the result
        by rounding only; query_block x candidate_block distances are in memory.

    Returns:
      Neighbors, nearest first.

    Raises:
      ValueError: for an unknown metric, vectors that are not a finite (n, channels) table, k
        outside 1..n, a recall out of range, or an empty block.

    Example:
      >>> line = np.array([[0.0], [1.0], [3.0]])
      >>> near = nearest_neighbors(line, k=2, metric="euclidean", progress=False)
      >>> near.indices.tolist(), near.distances.tolist()
      ([[0, 1], [1, 0], [2, 1]], [[0.0, 1.0], [0.0, 1.0], [0.0, 2.0]])
    """
    checks.choice("metric", metric, options=get_args(Metric))
    recall = checks.number("recall", recall, above=0, maximum=1)
    given = check_table(vectors)
    count = len(given)
    k = checks.whole("k", k, maximum=count, expected=f"1 to {count} (the number of vectors)")
    table = comparable(given, metric=metric)
    found = None
    if _may_miss(count, recall):
        found = _approximate(table, k=k, metric=metric, recall=recall, progress=progress)
    if found is None:
        indices, squared = search_all(
            table, np.arange(count, dtype=np.int32),
            k=k, metric=metric, progress=progress,
            query_block=query_block, candidate_block=candidate_block,
        )  # fmt: skip
        found = indices, squared, 1.0
    indices, squared, share = found
    # Unit vectors: |a - b|^2 / 2 is 1 - cos.
    return Neighbors(indices, squared / 2 if metric == "cosine" else np.sqrt(squared), share)


def need_descent(count: int, recall: float) -> bool:
    """Tell whether the neighbours of so many vectors are searched by `search_descent`."""
    return _may_miss(count, recall) and count >= _VERY_MANY


def _may_miss(count: int, recall: float) -> bool:
    return recall < 1 and count >= _MANY and jax.default_backend() == "cpu"


def _approximate(
    table: Array, *, k: int, metric: Metric, recall: float, progress: bool
) -> tuple[HostArray, HostArray, float] | None:
    """Return most of the neighbours, squared distances and recall; None if all pairs are faster."""
    rows = np.random.default_rng(0).permutation(len(table))[:_SAMPLE].astype(np.int32)
    kth = search_all(table, rows, k=k, metric=metric)[1][:, -1] * (1 + _ROUNDING) + _ROUNDING**2
    if len(table) >= _VERY_MANY:
        indices, squared = search_descent(table, k=k, metric=metric)
    else:
        tiles = clustered.tile(table, metric=metric)
        probes = clustered.tiles_needed(tiles, rows, kth, k=k, metric=metric, recall=recall)
        if probes is None:
            return None
        indices, squared = clustered.search_tiles(
            tiles, k=k, metric=metric, probes=probes, progress=progress
        )
    share = float((squared[rows] <= kth[:, None]).mean())
    return indices, squared, share
