"""Files at a place by URL replaced together: when interrupted, all are old or all are new."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Collection, Sequence
from pathlib import Path

from jatlas.storage._remote import Remote

_COMMIT = "commit.json"
_NEW = "new"


@dataclasses.dataclass(frozen=True)
class Pending:
    """What of a place is to be replaced, but may not have been yet.

    Attributes:
      names: of the files; the new ones are in the working folder until they are moved.
      gone: names of files that are to be removed.
    """

    names: Sequence[str] = ()
    gone: Sequence[str] = ()


def replace_together(
    place: Remote, work: Remote, folder: Path, *, names: Sequence[str], gone: Collection[str]
) -> None:
    """Replace files at a place by those of a folder, as one.

    They are uploaded beside the old ones; from when a list of them is there too, the new ones
    count, and are moved to where they belong.

    Args:
      place: where the files are.
      work: the working folder in it.
      folder: with the new files.
      names: of the files, the last to be moved at the end.
      gone: names of files that are removed.

    Raises:
      OSError: if it cannot be written.
    """
    for name in names:
        work.upload(folder / name, f"{_NEW}/{name}")
    work.write(json.dumps({"names": list(names), "gone": sorted(gone)}).encode(), _COMMIT)
    settle(place, work)


def pending(work: Remote) -> Pending:
    """Return what of a place is to be replaced, by what is in its working folder."""
    try:
        found = json.loads(work.read(_COMMIT) or b"{}")
        return Pending(found.get("names", ()), found.get("gone", ()))
    except (AttributeError, ValueError):  # it is written whole: another program's
        return Pending()


def settle(place: Remote, work: Remote) -> None:
    """Move to their places what an interrupted process has left; nothing if there is nothing."""
    left = pending(work)
    if not left.names:
        return
    for name in left.names:
        place.move(f"{work.root}/{_NEW}/{name}", name)
    for name in left.gone:
        place.remove(name)
    work.remove(_COMMIT)


def read_latest(place: Remote, work: Remote, left: Pending, name: str) -> bytes | None:
    """Return what is in a small file, the new one if it is to be replaced; None without one."""
    found = work.read(f"{_NEW}/{name}") if name in left.names else None
    return place.read(name) if found is None else found


def download_latest(place: Remote, work: Remote, left: Pending, name: str, path: Path) -> None:
    """Copy a file here, the new one if it is to be replaced; raises as `Remote.download`."""
    if name in left.names:
        try:
            work.download(f"{_NEW}/{name}", path)
            return
        except FileNotFoundError:  # it has been moved
            pass
    place.download(name, path)
