"""Who works on an output: a process, named in a file of the output's working folder."""

from __future__ import annotations

import datetime
import os
import socket
from typing import Any

FOLDER = ".jatlas"
"""Where the results of a build's stages are, in its output folder, until it is complete."""

HOLDER = "holder.json"
"""The file in it that says which process works on the output."""


def this_process() -> dict[str, Any]:
    """Return what a holder's file says of this process: "pid", "host" and "since"."""
    since = datetime.datetime.now().astimezone().isoformat(" ", "seconds")
    return {"pid": os.getpid(), "host": socket.gethostname(), "since": since}


def is_gone(holder: dict[str, Any]) -> bool:
    """Return whether a holder is a process of this machine that has ended."""
    pid = holder.get("pid")
    if holder.get("host") != socket.gethostname() or type(pid) is not int or os.name == "nt":
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):  # another user's, or no number of a process
        pass
    return False
