"""The folder that an atlas is built into: looked at first, resumed, extended, given its page."""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from jatlas.build._plan import Plan, is_incomplete
from jatlas.records import Atlas
from jatlas.show import export_folder, has_page
from jatlas.storage import (
    ATLAS_FILE,
    check_folder,
    check_output,
    load,
    local,
    results_folder,
    update,
    working_folder,
)
from jatlas.types import Run

log = logging.getLogger(__name__)


def check_target(out: str | Path | None, run: Run) -> tuple[Path | None, bool]:
    """Check the folders that a build writes to.

    Args:
      out: folder of the atlas, or its URL; None keeps it in memory.
      run: how the build is carried out.

    Returns:
      The folder of the atlas, absolute, of a URL the local copy, and whether it holds one.

    Raises:
      ValueError: if it holds something else.
      OSError: if it cannot be written.
    """
    target = None if out is None else Path(os.path.abspath(local(out)))
    holds_atlas = target is not None and check_output(target)
    check_folder(target)
    if run.cache is not None:
        check_folder(results_folder(run.cache))
    return target, holds_atlas


def complete(
    target: Path,
    plan: Callable[[Path | None, Atlas | None], Plan],
    assemble: Callable[[Plan, Atlas | None], Atlas],
    *,
    info: dict[str, Any],
    classes: tuple[str, ...],
    holds_atlas: bool,
    overwrite: bool,
) -> Atlas:
    """Build an atlas into a folder, or what the one that is there lacks, and its page.

    Args:
      target: the folder.
      plan: returns the stages, of a folder for their results and the atlas that is there.
      assemble: runs the stages, or takes what that atlas holds of them.
      info: everything that decides the result.
      classes: names of the classes.
      holds_atlas: whether there is an atlas, see `check_target`.
      overwrite: whether one with other settings may be replaced.

    Returns:
      The atlas, as the folder holds it.

    Raises:
      ValueError: if there is one with other settings, or a damaged one, that may not be replaced.
      OSError: if it cannot be written.
    """
    with working_folder(target) as folder:
        # Another process may have made one since.
        found = holds_atlas or (target / ATLAS_FILE).exists()
        stored = _stored(target, overwrite=overwrite) if found else None
        stages = plan(folder, stored)
        changed = is_incomplete(target, stages, info, stored, classes=classes, overwrite=overwrite)
        if stored is None or changed:
            atlas = assemble(stages, stored)
            with timed("save"):
                update(target, atlas, stored=stored)
            # Its arrays are now those of the output: the files they were computed in may be gone.
            atlas = load(target)
        else:
            log.info("%s is complete", target)
            atlas = stored
        if changed or not has_page(target):
            with timed("page"):
                export_folder(target)
    return atlas


def _stored(target: Path, *, overwrite: bool) -> Atlas | None:
    """Return the atlas that is in a folder; None if it is damaged and may be overwritten."""
    try:
        return load(target)
    except ValueError as error:
        if not overwrite:
            raise ValueError(f"{error}: choose another output folder, or overwrite it") from error
        log.warning("%s: it is built again", error)
        return None


@contextlib.contextmanager
def timed(what: str) -> Iterator[None]:
    """Log how long a stage took."""
    start = time.perf_counter()
    yield
    log.info("%-20s %7.1f s", what, time.perf_counter() - start)
