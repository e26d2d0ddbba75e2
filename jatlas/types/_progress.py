"""Progress bars."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from typing import Any

from tqdm import tqdm

from jatlas.types._processes import Processes


def progress_bar(
    items: Iterable[Any] | None,
    *,
    shown: bool,
    desc: str,
    unit: str,
    total: int | None = None,
    initial: int = 0,
    unit_scale: bool = False,
    processes: Processes | None = None,
) -> tqdm[Any]:
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
      processes: those that share what is done. The one that leads shows what all have done.
    """
    shown = shown and sys.stderr is not None
    if processes is None:
        return tqdm(
            items, disable=not shown, desc=desc, unit=unit, total=total, initial=initial,
            unit_scale=unit_scale,
        )  # fmt: skip
    return _Shared(
        processes, shown=shown, desc=desc, unit=unit, total=total, initial=initial,
        unit_scale=unit_scale,
    )  # fmt: skip


class _Shared(tqdm):
    """A bar that is moved by `update`, and shows what all processes have done."""

    def __init__(
        self,
        processes: Processes,
        *,
        shown: bool,
        desc: str,
        unit: str,
        total: int | None,
        initial: int,
        unit_scale: bool,
    ) -> None:
        whole = None if total is None else round(total * processes.whole)
        super().__init__(
            disable=not (shown and processes.leads), desc=desc, unit=unit, total=whole,
            initial=initial, unit_scale=unit_scale,
        )  # fmt: skip
        self._processes, self._first, self._own = processes, initial, 0
        self._seen, self._done = time.monotonic(), False

    def update(self, n: float | None = 1) -> bool | None:
        """Count what this process has done."""
        self._own += int(n or 0)
        self._processes.count_done(self._own)
        if not self.disable and time.monotonic() > self._seen + 1:
            self.show()
        return None

    def show(self) -> None:
        """Show what all have done."""
        self._seen = time.monotonic()
        done = self._first + self._own + self._processes.counted_by_others()
        super().update(done - self.n)

    def close(self) -> None:
        """Leave it open until all processes have done their share."""
        if self.disable or self._done:
            super().close()
        else:
            self._done = True
            self._processes.keep_open(self)
