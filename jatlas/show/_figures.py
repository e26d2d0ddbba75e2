"""Figures drawn with matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from jatlas.types import Array, HostArray

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_sweep(
    probabilities: Array | HostArray,
    *,
    sizes: Sequence[float],
    indices: Sequence[int],
    names: Sequence[str],
    title: str = "",
) -> Figure:
    """Plot the probability of some classes against the size of a patch.

    Args:
      probabilities: (sizes, classes) probabilities at one corner, such as
        `jatlas.explain.sweep(...)[:, 0]`.
      sizes: (sizes,) sides of the patch as fractions of the image's shorter side.
      indices: the classes to plot.
      names: names of all classes.
      title: title of the figure.

    Returns:
      A figure with one labelled curve per class; `figure.savefig("sweep.png")` saves it.

    Raises:
      ValueError: if there is not one row of probabilities per size.

    Example:
      >>> table = np.array([[0.9, 0.1], [0.2, 0.8]])
      >>> figure = plot_sweep(table, sizes=(0.1, 0.4), indices=(1,), names=("pan", "wok"))
      >>> [line.get_label() for line in figure.axes[0].lines]
      ['wok']
    """
    table = np.asarray(probabilities)
    if table.ndim != 2 or len(table) != len(sizes):
        raise ValueError(
            f"probabilities: expected one row per size, ({len(sizes)}, classes), got {table.shape}"
        )
    from matplotlib.figure import Figure  # not needed to view an atlas, and slow to import

    figure = Figure(figsize=(5, 3), layout="constrained")
    axes = figure.subplots()
    for index in indices:
        axes.plot(sizes, 100 * table[:, index], label=names[index])
    axes.set(xlabel="side of the patch / side of the image", ylabel="probability (%)", title=title)
    axes.set(xlim=(min(sizes), max(sizes)), ylim=(0, 101))
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    return figure
