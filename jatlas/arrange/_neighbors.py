"""The nearest neighbours of each of many vectors: all pairs compared, or most of the true ones."""

from collections.abc import Sequence
from typing import NamedTuple, get_args

import jax
import numpy as np

from jatlas.arrange import _clustered as clustered
from jatlas.arrange._checks import Metric, check_table
from jatlas.arrange._descent import search_descent
from jatlas.arrange._devices import fits
from jatlas.arrange._distances import comparable
from jatlas.arrange._exact import CANDIDATE_BLOCK, QUERY_BLOCK, search_all
from jatlas.arrange._ring import search_ring
from jatlas.types import Array, HostArray, checks

# On 2 cores, 50 neighbours of vectors of mixed4c: all pairs of 100,000 took 100 s and tiles 26 s,
# pynndescent 28 s and of a million 313 s, beside the 50 s in which each process compiles it.
_MANY, _VERY_MANY = 40_000, 300_000
_WORTH_ON_CPU, _WORTH_ON_ACCELERATORS = 20_000, 200_000  # vectors whose search takes seconds
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
    rows: Array | HostArray | None = None,
    devices: Sequence[jax.Device] | None = None,
    query_block: int = QUERY_BLOCK,
    candidate_block: int = CANDIDATE_BLOCK,
) -> Neighbors:
    """Find the k nearest vectors of each vector, the vector itself among them and first.

    The result is the same on every run. Unless a lower recall is asked for, all pairs are compared,
    and of several at the same distance the first wins. Distances are exact up to the rounding of
    float32: about 1e-6 for cosine; for euclidean, a thousandth of how far the vectors are from
    their mean is as good as 0.

    Devices share the queries. If half of a device's memory can hold all vectors, each device holds
    them, and they exchange nothing; the result is then that of one device. Otherwise each holds a
    part, and the parts go round; the result is that of one device up to rounding. Several processes
    can share the work by `rows`: their results, one after the other, are those of a single call.
    See `shares_neighbors`.

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
      rows: (m,) numbers of the vectors whose neighbours are searched; None means all.
      devices: what searches; None means `jax.local_devices()`.
      query_block: vectors whose neighbours each device searches at once, at most.
      candidate_block: vectors they are compared with at once, at most. The two change the result
        by rounding only; query_block x candidate_block distances are in a device's memory.

    Returns:
      Neighbors of all vectors or of `rows`, nearest first.

    Raises:
      ValueError: for an unknown metric, vectors that are not a finite (n, channels) table, k
        outside 1..n, a recall out of range, rows that are not numbers of vectors, or an empty
        block.

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
    asked = _check_rows(rows, count)
    available = list(devices or jax.local_devices())
    found = None
    if fits(given.nbytes, available):
        table = comparable(given, metric=metric)
        if _may_miss(count, recall):
            found = _approximate(table, asked, k=k, metric=metric, recall=recall, progress=progress)
        if found is None:
            exact = search_all(
                table, asked, k=k, metric=metric, devices=available, query_block=query_block,
                candidate_block=candidate_block, progress=progress,
            )  # fmt: skip
            found = *exact, 1.0
    else:
        exact = search_ring(
            np.asarray(given), asked, k=k, metric=metric, devices=available,
            query_block=query_block, candidate_block=candidate_block, progress=progress,
        )  # fmt: skip
        found = *exact, 1.0
    indices, squared, share = found
    # Unit vectors: |a - b|^2 / 2 is 1 - cos.
    return Neighbors(indices, squared / 2 if metric == "cosine" else np.sqrt(squared), share)


def shares_neighbors(count: int, *, recall: float) -> bool:
    """Tell whether the search for so many neighbours is worth sharing between processes.

    It is not if it takes seconds, nor if pynndescent does it, which cannot search the neighbours of
    some of the vectors only: 300,000 vectors or more on a CPU, with a recall below 1.

    A host function: it runs outside `jit`.

    Args:
      count: number of vectors.
      recall: as of `nearest_neighbors`.

    Example:
      >>> shares_neighbors(1000, recall=1.0)
      False
    """
    worth = _WORTH_ON_CPU if jax.default_backend() == "cpu" else _WORTH_ON_ACCELERATORS
    return count >= worth and not need_descent(count, recall)


def need_descent(count: int, recall: float) -> bool:
    """Tell whether the neighbours of so many vectors are searched by `search_descent`."""
    return _may_miss(count, recall) and count >= _VERY_MANY


def _may_miss(count: int, recall: float) -> bool:
    return recall < 1 and count >= _MANY and jax.default_backend() == "cpu"


def _check_rows(rows: Array | HostArray | None, count: int) -> HostArray:
    """Return the numbers of the vectors whose neighbours are searched, or raise ValueError."""
    if rows is None:
        return np.arange(count, dtype=np.int32)
    asked = np.asarray(rows)
    if asked.ndim != 1 or asked.dtype.kind not in "iu":
        raise ValueError(f"rows: expected (m,) integers, got {asked.shape} {asked.dtype}")
    if len(asked) and not 0 <= asked.min() <= asked.max() < count:
        raise ValueError(
            f"rows: expected numbers from 0 to {count - 1}, got {asked.min()} to {asked.max()}"
        )
    return asked.astype(np.int32)


def _approximate(
    table: Array, rows: HostArray, *, k: int, metric: Metric, recall: float, progress: bool
) -> tuple[HostArray, HostArray, float] | None:
    """Return most of the neighbours, squared distances and recall; None if all pairs are faster."""
    count = len(table)
    sample = np.random.default_rng(0).permutation(count)[:_SAMPLE].astype(np.int32)
    kth = search_all(table, sample, k=k, metric=metric, query_block=_SAMPLE)[1][:, -1]
    kth = kth * (1 + _ROUNDING) + _ROUNDING**2
    # The recall is that of the sample, whichever rows are asked for.
    searched = np.concatenate([rows, sample])
    if count >= _VERY_MANY:
        indices, squared = (x[searched] for x in search_descent(table, k=k, metric=metric))
    else:
        tiles = clustered.tile(table, metric=metric)
        probes = clustered.tiles_needed(tiles, sample, kth, k=k, metric=metric, recall=recall)
        if probes is None:
            return None
        indices, squared = clustered.search_tiles(
            tiles, searched, k=k, metric=metric, probes=probes, progress=progress
        )
    share = float((squared[len(rows) :] <= kth[:, None]).mean())
    return indices[: len(rows)], squared[: len(rows)], share
