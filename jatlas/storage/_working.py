"""The folder in which a command works on an output, alone."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jatlas.storage import files
from jatlas.storage._copies import holding, publish
from jatlas.storage._describe import ATLAS_FILE
from jatlas.storage._holder import FOLDER, HOLDER, is_gone, this_process

log = logging.getLogger(__name__)

STAGES = "stages.json"
"""The file of a working folder that says which stages a build has."""

_LOCK, _SOFT_LOCK = "lock", "lock-file"
_NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP)


@contextlib.contextmanager
def working_folder(target: Path) -> Iterator[Path]:
    """Hold the folder in which the results of an output's stages are kept, alone.

    What a killed process has left in the output is put right first. The folder is removed if the
    block ends without an error, or if nothing was kept in it. If the output is a local copy of a
    place by URL, that is held too, and what has changed is brought there at the end.

    Args:
      target: the output folder; it is made.

    Yields:
      The folder, inside the target.

    Raises:
      ValueError: if another process holds it; the message says which.
      OSError: if it cannot be made.
    """
    folder = target / FOLDER
    made = [path for path in (target, *target.parents) if not os.path.exists(path)]
    before = _names(target)
    done = False
    try:
        with _alone(target, folder), holding(target):
            files.recover(target, index=ATLAS_FILE)
            try:
                yield folder
                publish(target)
                done = True
            finally:
                if done or _is_spare(target, folder, before):
                    # Before the lock is given up: afterwards it may be another's.
                    shutil.rmtree(folder, ignore_errors=True)
        if done and os.name == "nt":  # where open files stay
            shutil.rmtree(folder, ignore_errors=True)
    finally:
        for path in made:
            with contextlib.suppress(OSError):  # it holds something
                path.rmdir()


def _is_spare(target: Path, folder: Path, before: set[str]) -> bool:
    """Return whether a working folder that is left early holds nothing that is needed."""
    kept = _names(folder) - {_LOCK, _SOFT_LOCK, HOLDER, STAGES}
    # Without it, the maps that were written would be taken for something else.
    others = _names(target) - {FOLDER}
    begun = ATLAS_FILE not in others and (others > before or (others and FOLDER in before))
    return not kept and not begun


def _names(folder: Path) -> set[str]:
    try:
        return set(os.listdir(folder))
    except OSError:  # it is not there
        return set()


@contextlib.contextmanager
def _alone(target: Path, folder: Path) -> Iterator[None]:
    """Hold the lock of a working folder, which is made."""
    import filelock

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise files.refusal(target, error) from error
    try:
        lock = _lock(folder)
    except filelock.Timeout as error:
        raise ValueError(
            f"{target}: another process is writing to it{_who(folder)}: wait for it, or choose "
            f"another folder{_advice(folder)}"
        ) from error
    except OSError as error:
        raise files.refusal(folder / _LOCK, error) from error
    try:
        files.make_way(folder / HOLDER)
        files.write_json(folder / HOLDER, this_process())
        yield
    finally:
        lock.release()


def _lock(folder: Path) -> Any:
    """Lock a working folder; a lock ends with its process, however that ends."""
    import filelock

    try:
        lock = filelock.FileLock(folder / _LOCK, timeout=0)
        lock.acquire()
        return lock
    except filelock.Timeout:
        raise
    except (OSError, NotImplementedError) as error:
        if isinstance(error, OSError) and error.errno not in _NO_LOCKS:
            raise
    # Some network file systems have no locks. A file stands for one, and stays if its process is
    # killed.
    log.info("%s: no locks on this file system: a file stands for one", folder)
    if is_gone(_holder(folder)):
        (folder / _SOFT_LOCK).unlink(missing_ok=True)
    soft = filelock.SoftFileLock(folder / _SOFT_LOCK, timeout=0)
    soft.acquire()
    return soft


def _holder(folder: Path) -> dict[str, Any]:
    """Return who holds, or held, a working folder; nothing if that is not known."""
    try:
        holder = files.read_json(folder / HOLDER)
    except (OSError, ValueError):
        return {}
    return holder if isinstance(holder, dict) else {}


def work_holder(folder: Path) -> dict[str, Any]:
    """Return who holds, or held, a working folder: "pid", "host" and "since"; "gone" if it ended.

    Nothing if that is not known.
    """
    holder = _holder(folder)
    return holder | {"gone": is_gone(holder)} if holder else {}


def _who(folder: Path) -> str:
    holder = _holder(folder)
    if not holder.keys() >= {"pid", "host", "since"}:
        return ""
    return f" (process {holder['pid']} on {holder['host']}, since {holder['since']})"


def _advice(folder: Path) -> str:
    """Return what to do about a lock that may have outlived its process; mostly nothing."""
    soft = folder / _SOFT_LOCK
    return f"; if it has ended, remove {soft}" if soft.exists() else ""
