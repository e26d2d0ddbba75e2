"""Progress bars."""

import sys
from collections.abc import Iterable
from typing import Any

from tqdm import tqdm


def progress_bar(
    items: Iterable[Any] | None,
    *,
    shown: bool,
    desc: str,
    unit: str,
    total: int | None = None,
    initial: int = 0,
    unit_scale: bool = False,
) -> "tqdm[Any]":
    """Return a progress bar on stderr.

    Args:
      items: what it yields; None for a bar that is moved by `update`.
      shown: whether it is shown. Nothing is where there is no stderr, as in a Windows program
        without a console.
      desc: what is done.
      unit: what is counted.
      total: how much there is; None means as many as there are items, if that is known.
      initial: how much of it is done already.
      unit_scale: whether large numbers are shortened.
    """
    return tqdm(
        items,
        disable=not shown or sys.stderr is None,
        desc=desc,
        unit=unit,
        total=total,
        initial=initial,
        unit_scale=unit_scale,
    )
