"""Measures of cells compared with each other by their ranks."""

import numpy as np

from jatlas.types import HostArray


def standing(values: HostArray) -> HostArray:
    """Return the share of the values that each exceeds, half of equal ones counted, by columns.

    A host function: it runs outside `jit`.

    Args:
      values: (m,) or (m, measures); what is not finite is left out.

    Returns:
      The shape of `values`, float64 in (0, 1), 0.5 in the middle; NaN where a value is not finite.

    Example:
      >>> standing(np.array([0.3, 0.1, np.nan, 0.3, 0.9])).tolist()
      [0.5, 0.125, nan, 0.5, 0.875]
    """
    table = np.asarray(values, np.float64)
    if table.ndim == 2:
        columns = [standing(column) for column in table.T]
        return np.stack(columns, axis=1) if columns else table
    known = np.isfinite(table)
    found = np.full(table.shape, np.nan)
    _, place, count = np.unique(table[known], return_inverse=True, return_counts=True)
    found[known] = ((np.cumsum(count) - count / 2) / max(known.sum(), 1))[place]
    return found


def rank_correlations(values: HostArray) -> HostArray:
    """Return Spearman's correlation of each pair of columns.

    A host function: it runs outside `jit`.

    Args:
      values: (m, measures); of a pair of columns, the rows count in which both are finite.

    Returns:
      (measures, measures) float64; NaN where fewer than two different values are left.

    Example:
      >>> rank_correlations(np.array([[1.0, 9.0], [2.0, 5.0], [4.0, 1.0]])).tolist()
      [[1.0, -1.0], [-1.0, 1.0]]
    """
    table = np.asarray(values, np.float64)
    size = table.shape[1]
    found = np.full((size, size), np.nan)
    for i in range(size):
        for j in range(size):
            both = np.isfinite(table[:, i]) & np.isfinite(table[:, j])
            left, right = (standing(table[both, x]) - 0.5 for x in (i, j))
            scale = np.sqrt((left**2).sum() * (right**2).sum())
            if scale > 0:
                found[i, j] = round(float((left * right).sum() / scale), 12)
    return found
