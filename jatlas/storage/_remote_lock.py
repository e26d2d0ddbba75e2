"""A file that stands for a lock at a place by URL, where there are none."""

from __future__ import annotations

import contextlib
import json
import secrets
import threading
import time
from collections.abc import Iterator
from typing import Any

from jatlas.storage._holder import HOLDER, is_gone, this_process
from jatlas.storage._remote import Remote

_RENEWED, _GONE = 60, 600  # seconds: how often it is renewed, after how long it counts for nothing


@contextlib.contextmanager
def hold(folder: Remote, url: str) -> Iterator[None]:
    """Hold a place alone: a file says so, which is renewed each minute.

    One that has not been renewed for ten minutes, or whose process on this machine has ended, is
    taken over. Two that begin in the same moment are told apart by which of them is read back.

    Args:
      folder: where the file is to be.
      url: of what is held, for messages.

    Raises:
      ValueError: if another process holds it.
    """
    found = _read(folder)
    if found and not _is_over(found):
        raise _taken(found, folder, url)
    mine = this_process() | {"token": secrets.token_hex(8)}
    _write(folder, mine)
    found = _read(folder)
    if found.get("token") != mine["token"]:
        raise _taken(found, folder, url)
    ended = threading.Event()
    renewing = threading.Thread(target=_renew, args=(folder, mine, ended), daemon=True)
    renewing.start()
    try:
        yield
    finally:
        ended.set()
        renewing.join()
        with contextlib.suppress(OSError):  # what went wrong is the error to be seen
            if _read(folder).get("token") == mine["token"]:
                folder.remove(HOLDER)


def place_holder(folder: Remote) -> dict[str, Any]:
    """Return who holds, or held, a place: "pid", "host" and "since"; "gone" if it ended.

    Nothing if that is not known.
    """
    found = _read(folder)
    if not found.keys() >= {"pid", "host", "since"}:
        return {}
    return {name: found[name] for name in ("pid", "host", "since")} | {"gone": _is_over(found)}


def _renew(folder: Remote, mine: dict[str, Any], ended: threading.Event) -> None:
    while not ended.wait(_RENEWED):
        with contextlib.suppress(OSError):  # the next time may do
            _write(folder, mine)


def _write(folder: Remote, mine: dict[str, Any]) -> None:
    folder.write(json.dumps(mine | {"renewed": time.time()}).encode(), HOLDER)


def _read(folder: Remote) -> dict[str, Any]:
    try:
        found = json.loads(folder.read(HOLDER) or b"{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _is_over(found: dict[str, Any]) -> bool:
    renewed = found.get("renewed")
    if not isinstance(renewed, int | float) or time.time() > renewed + _GONE:
        return True
    return is_gone(found)


def _taken(found: dict[str, Any], folder: Remote, url: str) -> ValueError:
    who = f"process {found.get('pid')} on {found.get('host')}"
    return ValueError(
        f"{url}: another process is writing to it ({who}): wait for it, or choose another place; "
        f"if it has ended, remove {folder.url}/{HOLDER}"
    )
