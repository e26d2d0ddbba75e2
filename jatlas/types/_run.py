"""How a computation is carried out."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from jatlas.types import checks
from jatlas.types._processes import Processes
from jatlas.types._urls import is_url

_MAX_WORKERS = 1024


@dataclasses.dataclass(frozen=True, kw_only=True)
class Run:
    """How a computation is carried out. Nothing here changes its result beyond rounding.

    Attributes:
      batch_size: images that go through the network at once, on each device.
      chunk: icons that are optimized at once, on all devices together; None chooses by platform
        and memory.
      workers: threads that decode images, at most 1024.
      progress: whether to show progress bars.
      cache: folder, or its URL, in which the results of stages are kept, so that an interrupted
        call resumes and another call reuses them; None keeps them where the output goes, until it
        is complete.
      processes: those that share the computation; `build` and the like find them by themselves.
    """

    batch_size: int = 32
    chunk: int | None = None
    workers: int = 2
    progress: bool = True
    cache: Path | str | None = None
    processes: Processes | None = dataclasses.field(default=None, repr=False)

    def shared_by(self, processes: Processes) -> Run:
        """Return how processes carry it out together; the one that leads shows progress."""
        shown = self.progress and processes.leads
        return dataclasses.replace(self, processes=processes, progress=shown)

    def __post_init__(self) -> None:
        """Check the settings, and make a path of a string that is no URL."""
        checks.field(self, "batch_size", checks.whole)
        checks.field(self, "chunk", checks.whole, optional=True)
        checks.field(self, "workers", checks.whole, maximum=_MAX_WORKERS)
        checks.field(self, "progress", checks.flag)
        if not is_url(self.cache):
            checks.field(self, "cache", checks.path, optional=True)
        checks.instance("processes", self.processes, kinds=(Processes, type(None)))
