"""`jatlas status`."""

from __future__ import annotations

import dataclasses

from tyro.conf import Positional

from jatlas.build import StageStatus, Status, status
from jatlas.cli._options import Place


@dataclasses.dataclass(frozen=True, kw_only=True)
class StatusCommand:
    """Tell how far a build is: what is done of each stage, and who is at work.

    Attributes:
      out: output folder of the build, or its URL.
    """

    out: Positional[Place]

    def run(self) -> None:
        """Print how far it is."""
        found = status(self.out)
        print(f"{self.out}: {_summary(found)}")
        for stage in found.stages:
            print(f"  {_line(stage)}")


def _summary(found: Status) -> str:
    holds = f"an atlas of {', '.join(found.maps)}" if found.complete else ""
    if not found.stages:
        return holds
    who = found.holder
    at = f"process {who['pid']} on {who['host']}, since {who['since']}" if who else "unknown"
    if who.get("gone"):
        work = f"a build was interrupted ({at}): the same command resumes"
    else:
        work = f"a build is at work ({at})"
    last = "" if found.idle is None else f"; last result {found.idle:,.0f} s ago"
    return f"{holds}{'; ' if holds else ''}{work}{last}"


def _line(stage: StageStatus) -> str:
    what = stage.what if stage.size is None else f"{stage.what} {stage.size} x {stage.size}"
    if stage.what == "layout":
        return f"{stage.layer:12} {what:16} {'done' if stage.done else 'to do'}"
    if stage.total is None:
        return f"{stage.layer:12} {what:16} {stage.done:,}"
    share = 100 * stage.done // max(stage.total, 1)
    return f"{stage.layer:12} {what:16} {stage.done:,} of {stage.total:,} ({share} %)"
